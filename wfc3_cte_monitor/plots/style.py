"""What the figures say and how they look: fonts, colours, units, titles, dates; and columns as arrays."""

from itertools import cycle

import matplotlib
import numpy as np

from wfc3_cte_monitor.records import bin_label, mjd_to_year, set_title, target_name, year_to_mjd
from wfc3_cte_monitor.uvis import MONITOR_TARGETS, ROWS, ROWS_PER_FLUX_LOSS

__all__ = [
    "OKABE_ITO",
    "REFERENCE_LINE",
    "LOSS_UNITS",
    "context",
    "target_name",
    "set_title",
    "table_title",
    "bin_label",
    "target_looks",
    "mjd_to_year",
    "year_to_mjd",
    "year_labels",
    "column",
    "finite_rows",
]

OKABE_ITO = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky blue": "#56B4E9",
    "green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "purple": "#CC79A7",
}
"""Colours that the colour-blind tell apart (Okabe & Ito 2008)."""

REFERENCE_LINE = {"color": "0.45", "lw": 0.8, "ls": (0, (4, 3)), "zorder": 2}
"""Where there is no loss."""

LOSS_UNITS = {"mag": f"mag / {ROWS} px", "flux": f"flux fraction / {ROWS_PER_FLUX_LOSS} px"}
"""The units of a loss as an axis names them."""

_RC = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.labelsize": 10.0,
    "axes.linewidth": 0.7,
    "axes.titley": 1.0,  # There are none: matplotlib would look for room for them in a tenth of the time of a figure.
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "legend.fontsize": 9.0,
    "legend.frameon": False,
    "legend.handletextpad": 0.4,
    "legend.columnspacing": 1.6,
}
# In this order: a target keeps its look in every figure, and yellow, which paper swallows, is left out.
_LOOKS = tuple(zip(("blue", "vermillion", "green", "purple", "black", "orange", "sky blue"), "osD^vPX", strict=True))


def context():
    """Context in which a figure is built: the rcParams of the monitor, restored on leaving."""
    return matplotlib.rc_context(_RC)


def table_title(meta, target):
    """Title of a figure from the metadata of its table; `target` as in `set_title`."""
    of_set = (meta[key] for key in ("filter", "length", "flashlvl", "ctecorr", "aperture"))
    return set_title(target, *of_set, meta.get("subset", ""))


def target_looks(targets):
    """Colour and marker of every target.

    Parameters
    ----------
    targets : iterable of str
        Short names; they may repeat.

    Returns
    -------
    looks : dict
        Short name -> (colour, marker). The clusters of the monitor look the same in every figure; others follow in
        alphabetical order.
    """
    present = {str(target) for target in targets}
    names = (*MONITOR_TARGETS, *sorted(present.difference(MONITOR_TARGETS)))
    looks = dict(zip(names, cycle(_LOOKS), strict=False))
    return {name: (OKABE_ITO[color], marker) for name, (color, marker) in looks.items() if name in present}


def year_labels(mjd):
    """Dates as years, such as '2015.23', which is how the web page names epochs, too."""
    return [f"{year:.2f}" for year in mjd_to_year(mjd)]


def column(table, name):
    """Column of a table as a float array; masked values are NaN."""
    return np.ma.filled(np.ma.asarray(table[name], dtype=float), np.nan)


def finite_rows(table, *names, labels=()):
    """The rows of a table in which all the named columns are finite.

    Parameters
    ----------
    table : astropy.table.Table
    *names : str
        Columns of numbers.
    labels : sequence of str, optional
        Further columns.

    Returns
    -------
    rows : ndarray
        Structured, with these columns alone: a table takes a hundred times as long to be cut into epochs and bins.
    """
    columns = {name: column(table, name) for name in names} | {name: np.asarray(table[name]) for name in labels}
    rows = np.empty(len(table), dtype=[(name, values.dtype) for name, values in columns.items()])
    for name, values in columns.items():
        rows[name] = values
    return rows[np.all([np.isfinite(columns[name]) for name in names], axis=0)]
