"""The model over the measured losses against time, and what is left: does one surface describe all epochs?"""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from wfc3_cte_monitor.plots import layout, style

__all__ = ["plot_model_on_reality"]

_COLUMNS = 3
_WIDTH, _UPPER, _LOWER = 3.3, 2.0, 0.85  # Of a panel [inch].
_LEFT, _RIGHT, _BOTTOM, _HEADER, _GAP, _ROW_GAP = 0.85, 0.15, 0.62, 0.98, 0.12, 0.42  # [inch]
_POINT, _MODEL = style.OKABE_ITO["blue"], style.OKABE_ITO["vermillion"]
_SHORTEST_SPAN = 365.25  # [days]


def plot_model_on_reality(points, curves):
    """Draw the losses of one set against time with the model, and under each flux bin the residuals from it.

    Parameters
    ----------
    points : astropy.table.Table
        One row per pair and flux bin: ``mjd`` [MJD], ``lo`` and ``hi`` [e-], ``loss``, ``loss_err`` (standard error)
        and ``residual``, loss minus the model at the pair's own flux, in the unit of the metadata. Rows with NaN are
        not drawn. Metadata: ``target``, ``unit`` ('mag' or 'flux'), ``filter``, ``length``, ``flashlvl``, ``ctecorr``,
        ``aperture``, and ``scatter``, the intrinsic one.
    curves : astropy.table.Table
        The model at the median flux of each bin on an increasing grid of dates: ``mjd``, ``lo``, ``hi``, ``loss``,
        ``loss_err``.

    Returns
    -------
    figure : matplotlib.figure.Figure
    """
    drawn = style.finite_rows(points, "mjd", "lo", "hi", "loss", "loss_err", "residual")
    curves = style.finite_rows(curves, "mjd", "lo", "hi", "loss", "loss_err")
    bins = sorted(set(zip(drawn["lo"].tolist(), drawn["hi"].tolist(), strict=True)))
    with style.context():
        figure, cells = _axes(max(len(bins), 1))
        _set_limits(cells, drawn)
        for (upper, lower), (lo, hi) in zip(cells, bins, strict=False):
            here, model = (rows[(rows["lo"] == lo) & (rows["hi"] == hi)] for rows in (drawn, curves))
            _draw_bin(upper, lower, here, model)
            layout.write_heading(upper, style.bin_label(lo, hi), detail=_fit_quality(here))
        _label(figure, cells, points.meta["unit"])
        title = style.table_title(points.meta, points.meta["target"])
        layout.write_header(figure, title, _legend(points.meta), left=_LEFT)
    return figure


def _axes(n_bins):
    """Figure and, for each bin, its axes and those of the residuals under them."""
    n_columns = min(n_bins, _COLUMNS)
    n_rows = -(-n_bins // n_columns)
    width = _LEFT + n_columns * _WIDTH + (n_columns - 1) * _GAP + _RIGHT
    cell = _UPPER + _LOWER
    height = _HEADER + n_rows * cell + (n_rows - 1) * _ROW_GAP + _BOTTOM
    figure, cells = Figure(figsize=(width, height)), []
    for number in range(n_bins):
        row, column = divmod(number, n_columns)
        x, y = _LEFT + column * (_WIDTH + _GAP), height - _HEADER - row * (cell + _ROW_GAP) - _UPPER
        share = {"sharex": cells[0][0]} if cells else {}
        upper = _at(figure, x, y, _UPPER, share | ({"sharey": cells[0][0]} if cells else {}))
        lower = _at(figure, x, y - _LOWER, _LOWER, {"sharex": upper} | ({"sharey": cells[0][1]} if cells else {}))
        upper.tick_params(labelbottom=False, labelleft=column == 0)
        lower.tick_params(labelbottom=number + n_columns >= n_bins, labelleft=column == 0)
        cells.append((upper, lower))
    return figure, cells


def _at(figure, x, y, height, shared):
    """Axes whose lower left corner is there [inch]."""
    width, whole = figure.get_size_inches()
    return figure.add_axes((x / width, y / whole, _WIDTH / width, height / whole), **shared)


def _set_limits(cells, drawn):
    upper, lower = cells[0]
    upper.set_ylim(layout.robust_limits(drawn["loss"], drawn["loss_err"], include=0.0))
    lower.set_ylim(layout.robust_limits(drawn["residual"], drawn["loss_err"], include=0.0))
    lower.yaxis.set_major_locator(MaxNLocator(3))
    if len(drawn):
        middle = 0.5 * (drawn["mjd"].min() + drawn["mjd"].max())
        half = 0.54 * max(np.ptp(drawn["mjd"]), _SHORTEST_SPAN)
        upper.set_xlim(middle - half, middle + half)
        first, last = style.mjd_to_year([middle - half, middle + half])
        years = np.arange(np.ceil(first), last, max(1, round((last - first) / 5)))
        upper.set_xticks(style.year_to_mjd(years), [f"{year:.0f}" for year in years])


def _draw_bin(upper, lower, points, curve):
    for ax in (upper, lower):
        ax.axhline(0.0, **style.REFERENCE_LINE)
    mjd, error = curve["mjd"], curve["loss_err"]
    upper.fill_between(mjd, curve["loss"] - error, curve["loss"] + error, color=_MODEL, alpha=0.25, lw=0, zorder=1)
    upper.plot(mjd, curve["loss"], color=_MODEL, lw=1.2)
    lower.fill_between(mjd, -error, error, color=_MODEL, alpha=0.25, lw=0, zorder=1)
    for ax, name in ((upper, "loss"), (lower, "residual")):
        look = {"color": _POINT, "marker": "o", "size": 3.5}
        layout.draw_points(ax, points["mjd"], points[name], points["loss_err"], **look)


def _fit_quality(points):
    """Number of pairs, and how many standard errors wide their residuals are."""
    pull = np.sqrt(np.mean((points["residual"] / points["loss_err"]) ** 2))
    return f"{len(points)} pairs, rms {pull:.2f} σ"


def _label(figure, cells, unit):
    width, height = figure.get_size_inches()
    figure.text((_LEFT + width - _RIGHT) / 2 / width, 0.14 / height, "date [year]", fontsize=10, ha="center")
    columns = min(len(cells), _COLUMNS)
    for upper, lower in cells[::columns]:
        upper.set_ylabel(f"CTE loss [{style.LOSS_UNITS[unit]}]", fontsize=8.5)
        lower.set_ylabel(f"residual [{unit}]", fontsize=8.5)
    figure.align_ylabels()


def _legend(meta):
    scatter = f"intrinsic scatter {meta['scatter']:.4f}" if meta["scatter"] else "no intrinsic scatter"
    return [
        Line2D([], [], ls="none", color=_POINT, marker="o", ms=5, label="pairs, with standard errors"),
        Line2D([], [], color=_MODEL, lw=1.2, label=f"model at the median flux ({scatter})"),
        Patch(color=_MODEL, alpha=0.25, lw=0, label="its standard error"),
    ]
