"""CTE loss against post-flash level or background, a panel per flux bin: what flashing is good for."""

import numpy as np
from matplotlib.lines import Line2D

from wfc3_cte_monitor.plots import epochs, layout, style

__all__ = ["plot_cte_flashlvl"]

_HEADER = 0.98  # [inch]
_TICKS = np.array([0, 1, 3, 6, 12, 20, 33, 55, 90, 120, 160])
_SPREAD = 0.18
"""Between the first and the last epoch at the same level, so that none hides another [sqrt of e-/px]."""
_RECOMMENDED = {"color": style.OKABE_ITO["vermillion"], "lw": 1.0, "ls": (0, (6, 3)), "zorder": 1}
_LABELS = {
    "flashlvl": "post-flash level [e⁻/px], square-root scale",
    "background": "measured background: sky + post-flash + dark [e⁻/px], square-root scale",
}


def plot_cte_flashlvl(points, curves=None, *, against):
    """Draw the loss of every pair against how much light was under the stars, a colour per epoch.

    Parameters
    ----------
    points : astropy.table.Table
        One row per pair and flux bin: ``epoch`` (mean MJD), ``lo`` and ``hi`` [e-], ``flashlvl`` and ``background``
        [e-/px], ``loss`` and ``loss_err`` (standard error) in the unit of the metadata. Rows with NaN are not drawn.
        Metadata: ``target``, ``unit`` ('mag' or 'flux'), ``filter``, ``length``, ``flashlvl`` (None), ``ctecorr``,
        ``aperture``, ``recommended``, the background that observers are told to have [e-/px], and ``no_model``, which
        says why there are no curves.
    curves : astropy.table.Table, optional
        The model of some epochs: ``epoch``, ``lo``, ``hi``, ``background``, ``loss``, ``loss_err``.
    against : {'flashlvl', 'background'}

    Returns
    -------
    figure : matplotlib.figure.Figure
    """
    names = (against, "epoch", "lo", "hi", "loss", "loss_err")
    drawn = style.finite_rows(points, *names)
    curves = style.finite_rows(curves, *names) if curves is not None else drawn[:0]
    bins = sorted(set(zip(drawn["lo"].tolist(), drawn["hi"].tolist(), strict=True)))
    colors = epochs.epoch_colors(drawn["epoch"])
    with style.context():
        figure, axes = layout.panel_grid(max(len(bins), 1), header=_HEADER, row_gap=0.32, right=epochs.BAR_WIDTH)
        _set_limits(axes[0, 0], drawn, against)
        if not bins:
            layout.write_heading(axes[0, 0], "no pairs")
        for ax, (lo, hi) in zip(axes.flat, bins, strict=False):
            here, model = (rows[(rows["lo"] == lo) & (rows["hi"] == hi)] for rows in (drawn, curves))
            ax.axvline(np.sqrt(points.meta["recommended"]), **_RECOMMENDED)
            _draw_panel(ax, here, model, against, colors)
            layout.write_heading(ax, style.bin_label(lo, hi), detail=f"{len(here)} pairs")
        layout.light_ticks(axes)
        _label(figure, axes, points.meta["unit"], against)
        if len(drawn):
            _draw_bar(figure, axes, colors)
        title = style.table_title(points.meta, points.meta["target"])
        layout.write_header(figure, title, _legend(points.meta, curves), note=_note(points.meta, curves, against))
    return figure


def _set_limits(ax, drawn, against):
    """Limits of all panels; the x axis is the square root, which has room for 0 and for 116."""
    largest = np.max(drawn[against], initial=12.0)
    ax.set_xlim(-0.6, np.sqrt(largest) + 0.6)
    ticks = np.unique(drawn["flashlvl"]) if against == "flashlvl" and len(drawn) else _TICKS[largest * 1.05 >= _TICKS]
    ax.set_xticks(np.sqrt(ticks), [f"{tick:g}" for tick in ticks], fontsize=7.5)
    ax.set_ylim(layout.robust_limits(drawn["loss"], drawn["loss_err"], include=0.0))


def _draw_panel(ax, points, curves, against, colors):
    ax.axhline(0.0, **style.REFERENCE_LINE)
    for epoch in np.unique(curves["epoch"]):
        curve, color = curves[curves["epoch"] == epoch], colors.to_rgba(epoch)
        x = np.sqrt(curve["background"])
        ax.fill_between(x, *(curve["loss"] + n * curve["loss_err"] for n in (-1, 1)), color=color, alpha=0.2, lw=0)
        ax.plot(x, curve["loss"], color=color, lw=1.1)
    x = np.sqrt(np.maximum(points[against], 0.0))
    if against == "flashlvl":
        x = x + _SPREAD * (colors.norm(points["epoch"]) - 0.5)
    look = {"color": colors.to_rgba(points["epoch"]), "marker": "o", "size": 3.5}
    layout.draw_points(ax, x, points["loss"], points["loss_err"], **look)


def _label(figure, axes, unit, against):
    width, height = figure.get_size_inches()
    middle = (axes[0, 0].get_position().x0 + axes[0, -1].get_position().x1) / 2
    figure.supxlabel(_LABELS[against], fontsize=10, x=middle, y=0.1 / height)
    figure.supylabel(f"CTE loss [{style.LOSS_UNITS[unit]}]", fontsize=10, x=0.08 / width)


def _draw_bar(figure, axes, colors):
    """The epochs beside the panels."""
    left = figure.get_figwidth() - epochs.BAR_WIDTH + 0.12
    bottom, top = axes[-1, 0].get_position().y0, axes[0, 0].get_position().y1
    epochs.draw_epoch_bar(figure, colors, left=left, bottom=bottom, top=top)


def _legend(meta, curves):
    handles = [Line2D([], [], label=f"recommended to observers, {meta['recommended']:g} e⁻/px", **_RECOMMENDED)]
    if len(curves):
        handles.append(Line2D([], [], color="0.4", lw=1.1, label="model of all levels, with its standard error"))
    return handles


def _note(meta, curves, against):
    """Under the legend: why there is no model where one is looked for."""
    if against != "background" or len(curves):
        return ""
    return f"\nno model: {meta.get('no_model') or 'no curves were given'}"
