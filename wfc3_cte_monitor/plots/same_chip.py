"""What each chip loses by itself: the same-chip set against exposure time, and against flux beside nominal pairs."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from wfc3_cte_monitor.plots import layout, style

__all__ = ["plot_same_chip_expt", "plot_same_chip_logflux"]

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _HEADER, _RIGHT = 7.6, 4.9, 0.9, 0.6, 1.0, 1.75  # [inch]
_BIN_COLORS = ("black", "blue", "sky blue", "green", "orange", "vermillion", "purple")
_MARKERS = "osD^vPX"
_STEP = 0.03
"""Between the points of two flux bins, so that none hides another [dex of s]."""
_SYSTEMATIC = {"alpha": 0.3, "linewidth": 5.0}
_LOOKS = {
    0: ("NGC 104, one\nagainst the other", {"color": "0.55", "marker": "D"}),
    1: ("chip 1", {"color": style.OKABE_ITO["vermillion"], "marker": "o"}),
    2: ("chip 2", {"color": style.OKABE_ITO["blue"], "marker": "s"}),
}


def plot_same_chip_expt(losses, *, chip):
    """Draw the loss on one chip against exposure time, a colour per flux bin.

    Parameters
    ----------
    losses : astropy.table.Table
        One row per pair and flux bin: ``exptime`` [s], ``lo`` and ``hi`` [e-], ``loss``, ``loss_err`` (standard
        error) and ``systematic`` in the unit of the metadata. Rows with NaN are not drawn. Metadata: ``target``,
        ``unit`` ('mag' or 'flux'), ``filter``, ``flashlvl``, ``ctecorr``, ``aperture``, and in words ``line``, how it
        was fitted, and ``systematic``, what that is.
    chip : int

    Returns
    -------
    figure : matplotlib.figure.Figure
    """
    bins = sorted(set(zip(style.column(losses, "lo"), style.column(losses, "hi"), strict=True)))
    drawn = style.finite_rows(losses, "exptime", "lo", "hi", "loss", "loss_err", "systematic")
    with style.context():
        figure, ax = _axes()
        times = np.unique(drawn["exptime"])
        if len(times):
            ax.set(xscale="log", xlim=(times[0] / 1.6, times[-1] * 1.6), xticks=times)
            ax.set_xticklabels([f"{time:g}" for time in times])
            ax.minorticks_off()
        ax.set_ylim(layout.robust_limits(drawn["loss"], drawn["loss_err"], include=0.0))
        handles = []
        for k, (lo, hi) in enumerate(bins):
            look = {"color": style.OKABE_ITO[_BIN_COLORS[k % len(_BIN_COLORS)]], "marker": _MARKERS[k % len(_MARKERS)]}
            points = drawn[(drawn["lo"] == lo) & (drawn["hi"] == hi)]
            x = points["exptime"] * 10 ** (_STEP * (k - (len(bins) - 1) / 2))
            _draw_points(ax, x, points, look)
            handles.append(Line2D([], [], ls="none", label=style.bin_label(lo, hi), **look))
        _finish(figure, ax, handles, losses.meta, f"{_title(losses.meta, None)}   chip {chip}", "exposure time [s]")
    return figure


def plot_same_chip_logflux(losses, *, length):
    """Draw the losses on both chips against log flux, over those of the nominal pairs of the same programs.

    Parameters
    ----------
    losses : astropy.table.Table
        As for `plot_same_chip_expt`, with ``logflux`` [dex of e-] and ``chip``: 1, 2, or 0 for a nominal pair, which
        has no ``systematic``.
    length : str
        's' or 'l'.

    Returns
    -------
    figure : matplotlib.figure.Figure
    """
    drawn = style.finite_rows(losses, "logflux", "loss", "loss_err", labels=["chip", "systematic"])
    with style.context():
        figure, ax = _axes()
        if len(drawn):
            ax.set_xlim(drawn["logflux"].min() - 0.08, drawn["logflux"].max() + 0.08)
        ax.set_ylim(layout.robust_limits(drawn["loss"], drawn["loss_err"], include=0.0))
        handles = []
        for chip, (label, look) in _LOOKS.items():
            points = drawn[drawn["chip"] == chip]
            _draw_points(ax, points["logflux"] + 0.02 * (chip - 1), points, look)
            if len(points):
                handles.append(Line2D([], [], ls="none", label=label, **look))
        _finish(figure, ax, handles, losses.meta, _title(losses.meta, length), "log$_{10}$ flux [e⁻]")
    return figure


def _axes():
    figure = Figure(figsize=(_WIDTH, _HEIGHT))
    left, right = _LEFT / _WIDTH, 1 - _RIGHT / _WIDTH
    return figure, figure.add_axes((left, _BOTTOM / _HEIGHT, right - left, 1 - (_BOTTOM + _HEADER) / _HEIGHT))


def _draw_points(ax, x, points, look):
    """Points with standard errors, and the systematic as a broad pale bar behind them."""
    known = np.isfinite(points["systematic"])
    y, reach = points["loss"][known], points["systematic"][known]
    ax.vlines(x[known], y - reach, y + reach, color=look["color"], zorder=1, **_SYSTEMATIC)
    layout.draw_points(ax, x, points["loss"], points["loss_err"], size=5.5, **look)


def _title(meta, length):
    keys = ("filter", "flashlvl", "ctecorr", "aperture")
    name, *rest = (meta[key] for key in keys)
    return style.set_title(meta["target"], name, length, *rest)


def _finish(figure, ax, handles, meta, title, across):
    ax.axhline(0.0, **style.REFERENCE_LINE)
    ax.set_xlabel(across)
    ax.set_ylabel(f"CTE loss [{style.LOSS_UNITS[meta['unit']]}]")
    pale = {"color": "0.4", "alpha": _SYSTEMATIC["alpha"], "marker": "s", "markersize": 8, "markeredgewidth": 0}
    handles.append(Line2D([], [], ls="none", label="systematic", **pale))
    anchor = (1 - (_RIGHT - 0.1) / _WIDTH, 1 - _HEADER / _HEIGHT)
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=anchor, borderaxespad=0)
    note = f"lines {meta['line']}; thin bars: standard errors\nbroad bars: {meta['systematic']}"
    layout.write_header(figure, title, note=note, left=_LEFT)
