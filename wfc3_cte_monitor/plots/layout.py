"""Where things stand in a figure: the grid of panels, its header, limits that one wild point cannot spoil, points."""

from math import ceil

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure
from matplotlib.markers import TICKDOWN, TICKLEFT, TICKRIGHT, TICKUP

__all__ = [
    "panel_grid",
    "light_ticks",
    "write_header",
    "write_heading",
    "write_detail",
    "upper_axis",
    "robust_limits",
    "draw_points",
]

_HOPELESS = 10.0  # Times the median error.
_MARGIN_LEFT, _MARGIN_RIGHT, _MARGIN_BOTTOM, _PANEL_GAP = 0.72, 0.15, 0.62, 0.1  # [inch]
_BARS_OF_MANY = "0.6"
"""Error bars of points of many colours."""
_TITLE_SIZE = 11.5  # [pt]


def robust_limits(values, errors=0.0, *, include, reach=1.0):
    """Limits of an axis that hold the points and their error bars, but not what lies far from all others.

    Points whose errors are more than ten times the median one have no say. The core is the range of the central 80 %
    of the others; those within `reach` times its width beyond it, or within three standard errors of that, and their
    error bars are inside.

    Parameters
    ----------
    values : array_like, shape (n,)
        NaN is ignored.
    errors : float or array_like, shape (n,), optional
        Standard errors, in the unit of `values`.
    include : float
        Always within the limits, and part of the core.
    reach : float, optional
        In widths of the core.

    Returns
    -------
    low, high : float
        In the unit of `values`; always low < high.
    """
    values, errors = np.broadcast_arrays(np.asarray(values, dtype=float), np.asarray(errors, dtype=float))
    finite = np.isfinite(values) & np.isfinite(errors)
    values, errors = values[finite], errors[finite]
    if not values.size:
        return include - 0.1, include + 0.1
    usable = errors <= _HOPELESS * np.median(errors)
    values, errors = values[usable], errors[usable]
    low, high, margin = _core(values, errors, include)
    margin = reach * margin + 3 * errors
    inside = (values >= low - margin) & (values <= high + margin)
    low = np.min((values - errors)[inside], initial=include)
    high = np.max((values + errors)[inside], initial=include)
    pad = 0.06 * (high - low) or 0.1
    return low - pad, high + pad


def _core(values, errors, include):
    """Range of the central 80 % of the points, `include` with them, and its width."""
    # Real points, not interpolated ones: an interpolated quantile follows the one wild point of eight.
    edges = np.quantile(values, 0.1, method="higher"), np.quantile(values, 0.9, method="lower")
    low, high = min(*edges, include), max(*edges, include)
    return low, high, max(high - low, 2 * np.median(errors))


def panel_grid(n_panels, *, header, row_gap, panel_height=2.3, right=_MARGIN_RIGHT):
    """Figure with panels that share both axes, at most four in a row; its margins are fixed, which is fast.

    Parameters
    ----------
    n_panels : int
        At least one.
    header : float
        Space above the first row [inch].
    row_gap : float
        Space between two rows [inch].
    panel_height : float, optional
        [inch]
    right : float, optional
        Space on the right of the panels [inch].

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : ndarray of matplotlib.axes.Axes, shape (n_rows, n_columns)
        The first `n_panels` in reading order are drawn, the others invisible.
    """
    n_columns = n_panels if n_panels < 4 else min(4, ceil(n_panels / 2))
    n_rows = ceil(n_panels / n_columns)
    panel_width = max(2.65, 7.5 / n_columns)
    width = _MARGIN_LEFT + n_columns * panel_width + (n_columns - 1) * _PANEL_GAP + right
    height = _MARGIN_BOTTOM + n_rows * panel_height + (n_rows - 1) * row_gap + header
    figure = Figure(figsize=(width, height))
    spacing = {
        "left": _MARGIN_LEFT / width,
        "right": 1 - right / width,
        "bottom": _MARGIN_BOTTOM / height,
        "top": 1 - header / height,
        "wspace": _PANEL_GAP / panel_width,
        "hspace": row_gap / panel_height,
    }
    axes = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False, gridspec_kw=spacing)
    _hide_unused(axes, n_panels)
    return figure, axes


def _hide_unused(axes, n_panels):
    """Make the panels after the first `n_panels` invisible; those above them get the labels of the x axis."""
    n_rows, n_columns = axes.shape
    for index in range(n_panels, n_rows * n_columns):
        axes.flat[index].set_visible(False)
        axes.flat[index - n_columns].tick_params(labelbottom=True)


def light_ticks(axes, *, upper=()):
    """Draw the ticks of the inner panels of a grid, which have no labels, as plain marks.

    The axes that matplotlib would lay out for them take a third of the time of a whole figure.

    Parameters
    ----------
    axes : ndarray of matplotlib.axes.Axes
        From `panel_grid`, with their limits and ticks set.
    upper : sequence of matplotlib.axes.Axes, optional
        Those that have an `upper_axis` in the place of the marks above.
    """
    x, y = (
        _within(axis.get_majorticklocs(), axis.get_view_interval()) for axis in (axes[0, 0].xaxis, axes[0, 0].yaxis)
    )
    drawn = [ax for ax in axes.flat if ax.get_visible()]
    for ax in drawn:
        if not ax.xaxis.get_tick_params()["labelbottom"]:
            ax.xaxis.set_visible(False)
            ends = ((0, TICKUP), (1, TICKDOWN)) if ax not in upper else ((0, TICKUP),)
            for place, mark in ends:
                _mark_ticks(ax, x, np.full(len(x), place), mark, ax.get_xaxis_transform())
        if not ax.yaxis.get_tick_params()["labelleft"]:
            ax.yaxis.set_visible(False)
            for place, mark in ((0, TICKRIGHT), (1, TICKLEFT)):
                _mark_ticks(ax, np.full(len(y), place), y, mark, ax.get_yaxis_transform())


def _within(ticks, limits):
    low, high = sorted(limits)
    return ticks[(ticks >= low) & (ticks <= high)]


def _mark_ticks(ax, x, y, mark, transform, size=None, **look):
    """Marks of the length of major ticks, unless told otherwise."""
    look = {"ls": "none", "mew": 0.8, "color": "black", "zorder": 2.5} | look
    ax.plot(x, y, transform=transform, marker=mark, ms=size or rcParams["xtick.major.size"], **look)


def write_header(figure, title, handles=(), *, note="", left=_MARGIN_LEFT):
    """Title at the upper left of a figure, and under it the legend or a note in one line: they never cover data.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    title : str
    handles : sequence of matplotlib.artist.Artist, optional
        Entries of the legend, with their labels.
    note : str, optional
        In the place of the legend.
    left : float, optional
        Where the text begins [inch].
    """
    width, height = figure.get_size_inches()
    # A bold letter is about two thirds as wide as high.
    size = min(_TITLE_SIZE, (width - left) * 72 / (0.68 * max(len(title), 1)))
    # Titles may have names of files: a $ in them begins no mathematics.
    place = left / width, 1 - 0.12 / height
    figure.text(*place, title, fontsize=size, fontweight="bold", va="top", parse_math=False)
    second_line = (left / width, 1 - 0.38 / height)
    figure.text(*second_line, note, va="top")
    if handles:
        look = {"loc": "upper left", "ncols": len(handles), "borderaxespad": 0, "borderpad": 0}
        figure.legend(handles=handles, bbox_to_anchor=second_line, **look)


def write_heading(ax, text, *, detail="", offset=3):
    """Bold text above the left corner of a panel, and plain text above the right one; `offset` in points."""
    _write_above(ax, text, 0, offset, fontweight="bold")
    _write_above(ax, detail, 1, offset, fontsize=8.5, ha="right")


def write_detail(ax, text, *, offset=3):
    """Plain text above the left corner of a panel; `offset` in points."""
    _write_above(ax, text, 0, offset, fontsize=8.5)


def upper_axis(ax, positions, labels, *, minor=(), name=""):
    """Draw a second scale above the axes: a mark wherever `positions` are on the x axis, with its label, and a name.

    As marks and text, because the axis that matplotlib would add takes a fifth of the time of a whole figure.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        With its limits set.
    positions : array_like, shape (n,)
        In the units of the x axis.
    labels : sequence of str, shape (n,)
    minor : array_like, optional
        Positions of smaller marks without labels.
    name : str, optional
        Of the scale.
    """
    ax.tick_params(top=False)
    for places, kind in ((positions, "major"), (minor, "minor")):
        if len(places):
            look = {"size": rcParams[f"xtick.{kind}.size"], "clip_on": False}
            _mark_ticks(ax, places, np.ones(len(places)), TICKDOWN, ax.get_xaxis_transform(), **look)
    above = {"xycoords": ax.get_xaxis_transform(), "textcoords": "offset points", "ha": "center", "va": "bottom"}
    for place, label in zip(positions, labels, strict=True):
        ax.annotate(label, (place, 1), (0, 3.5), fontsize=rcParams["xtick.labelsize"], **above)
    ax.annotate(name, (0.5, 1), (0, 17), fontsize=rcParams["axes.labelsize"], **above | {"xycoords": "axes fraction"})


def _write_above(ax, text, x, offset, **look):
    """Text `offset` points above the panel, at the fraction `x` of its width."""
    ax.annotate(text, (x, 1), (0, offset), xycoords="axes fraction", textcoords="offset points", va="bottom", **look)


def draw_points(ax, x, y, errors, *, color, marker, size=4.5):
    """Points with error bars; a point beyond the limits of the y axis becomes an arrow at its edge.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        With its limits set.
    x, y, errors : array_like, shape (n,)
        In the units of the axes.
    color : str or array_like, shape (n, 4)
        One for all, or one per point.
    marker : str
    size : float, optional
        Of the marker [pt].

    Returns
    -------
    n_outside : int
        Number of arrows.
    """
    low, high = ax.get_ylim()
    above, below = y > high, y < low
    edge = 8 / (ax.get_position().height * ax.figure.get_figheight() * 72)
    inside = ~above & ~below
    # The two artists of ax.errorbar, in a fifth of its time.
    ends = (y[inside] - errors[inside], y[inside] + errors[inside])
    _draw_bars(ax, x[inside], *ends, color=color if isinstance(color, str) else _BARS_OF_MANY)
    look = {"size": size, "edge": "white", "edge_width": 0.3, "alpha": 0.9}
    _mark(ax, x[inside], y[inside], _of(color, inside), marker, **look)
    for beyond, height, arrow in ((above, 1 - edge, r"$\uparrow$"), (below, edge, r"$\downarrow$")):
        if beyond.any():
            look = {"size": 8, "edge_width": 0, "transform": ax.get_xaxis_transform()}
            _mark(ax, x[beyond], np.full(beyond.sum(), height), _of(color, beyond), arrow, **look)
    return np.count_nonzero(above | below)


def _of(color, chosen):
    """The colours of the chosen points."""
    return color if isinstance(color, str) else np.asarray(color)[chosen]


def _mark(ax, x, y, color, marker, *, size, edge_width, edge="none", **look):
    """Markers of one shape: of many colours all at once, since an artist costs more than the points in it."""
    if isinstance(color, str):
        look |= {"ls": "none", "markersize": size, "markeredgecolor": edge, "markeredgewidth": edge_width}
        ax.plot(x, y, color=color, marker=marker, **look)
    else:
        look = {"zorder": 2, "edgecolors": edge, "linewidths": edge_width} | look
        ax.scatter(x, y, s=size**2, c=color, marker=marker, **look)


def _draw_bars(ax, x, low, high, *, color):
    """Vertical lines from `low` to `high`, as one line with gaps: in a PDF each piece of a collection costs a call."""
    gap = np.full(len(x), np.nan)
    x, y = (np.stack(columns, axis=-1).ravel() for columns in ((x, x, gap), (low, high, gap)))
    ax.plot(x, y, color=color, lw=0.8, alpha=0.9, solid_capstyle="butt", marker="None", zorder=1.9)
