"""CTE loss against time, a panel per flux bin: how the detector ages."""

from math import ceil

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from wfc3_cte_monitor.plots import layout, style

__all__ = ["plot_cte_time"]

_SHORTEST_SPAN = 365.25  # [days]
_HEADER = 1.14  # [inch]
_YEARS_HEIGHT = 18  # [pt]
_FIRST_DATES = (55000.0, 55400.0)  # Shown where there is no point [MJD].


def plot_cte_time(losses):
    """Draw the loss of every pair of exposures against its date.

    Parameters
    ----------
    losses : astropy.table.Table
        One row per pair and flux bin: ``target``, ``mjd`` [MJD], ``lo`` and ``hi`` [e-], ``loss`` and ``loss_err``
        (standard error) in the unit of the metadata. Rows with NaN are not drawn; their bin keeps its panel.
        Metadata: ``unit`` ('mag' or 'flux'), ``filter``, ``length``, ``flashlvl``, ``ctecorr``, ``aperture``.

    Returns
    -------
    figure : matplotlib.figure.Figure
    """
    bins = sorted(set(zip(style.column(losses, "lo"), style.column(losses, "hi"), strict=True)))
    drawn = style.finite_rows(losses, "mjd", "lo", "hi", "loss", "loss_err", labels=["target"])
    looks = style.target_looks(drawn["target"])
    limits = layout.robust_limits(drawn["loss"], drawn["loss_err"], include=0.0)
    with style.context():
        figure, axes = layout.panel_grid(max(len(bins), 1), header=_HEADER, row_gap=0.32)
        axes[0, 0].set(xlim=_date_limits(drawn["mjd"]), ylim=limits)
        if not bins:
            layout.write_heading(axes[0, 0], "no flux bins", offset=_YEARS_HEIGHT)
        n_outside = sum(_draw_panel(ax, drawn, edges, looks) for ax, edges in zip(axes.flat, bins, strict=False))
        _draw_axes(figure, axes, losses.meta["unit"])
        layout.light_ticks(axes, upper=axes[0])
        layout.write_header(figure, style.table_title(losses.meta, ", ".join(looks)), _legend_handles(looks, n_outside))
    return figure


def _date_limits(mjd):
    """Limits of the time axis [MJD]: the data, and never less than a year."""
    if not mjd.size:
        return _FIRST_DATES
    middle, half = 0.5 * (mjd.min() + mjd.max()), 0.54 * max(np.ptp(mjd), _SHORTEST_SPAN)
    return middle - half, middle + half


def _draw_panel(ax, losses, edges, looks):
    """The points of one flux bin, target after target; the number of those outside the axes."""
    lo, hi = edges
    losses = losses[(losses["lo"] == lo) & (losses["hi"] == hi)]
    ax.axhline(0.0, **style.REFERENCE_LINE)
    layout.write_heading(ax, style.bin_label(lo, hi), detail=_count(len(losses)), offset=_heading_offset(ax))
    return sum(_draw_target(ax, losses[losses["target"] == name], *look) for name, look in looks.items())


def _count(n_pairs):
    """Number of points in words."""
    return f"{n_pairs or 'no'} pair{'' if n_pairs == 1 else 's'}"


def _heading_offset(ax):
    """Height of the heading above a panel [pt]: the years stand between the first row and its headings."""
    return _YEARS_HEIGHT if ax.get_subplotspec().is_first_row() else 3


def _draw_target(ax, losses, color, marker):
    """The points of one target in one panel."""
    mjd, loss, error = (losses[name] for name in ("mjd", "loss", "loss_err"))
    size = np.clip(30 / np.sqrt(max(len(mjd), 1)), 3.0, 5.0)
    return layout.draw_points(ax, mjd, loss, error, color=color, marker=marker, size=size)


def _draw_axes(figure, axes, unit):
    """Dates below, years above the first row, and the labels of both axes."""
    dates = axes[0, 0].get_xlim()
    axes[0, 0].set_xticks(_inner_ticks(*dates))
    first, last = style.mjd_to_year(dates)
    years = _inner_ticks(first, last)
    every_year = style.year_to_mjd(np.arange(ceil(first), last))
    for ax in axes[0]:
        layout.upper_axis(ax, style.year_to_mjd(years), [f"{year:g}" for year in years], minor=every_year)
    figure.supxlabel("MJD [days] (upper axis: calendar year)", fontsize=10, y=0.02)
    figure.supylabel(f"CTE loss [{style.LOSS_UNITS[unit]}]", fontsize=10, x=0.008)


def _inner_ticks(low, high):
    """Round numbers that keep so far from the ends of the axis that the labels of neighbouring panels do not touch."""
    ticks, margin = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high), 0.09 * (high - low)
    return ticks[(ticks > low + margin) & (ticks < high - margin)]


def _legend_handles(looks, n_outside):
    """An entry per target, and one for the arrows where there are any."""
    entries = [(style.target_name(name), *look) for name, look in looks.items()]
    if n_outside:
        entries.append((f"outside the axes ({n_outside})", "0.3", r"$\uparrow$"))
    return [Line2D([], [], ls="none", ms=6, label=label, color=c, marker=m) for label, c, m in entries]
