"""Flux ratio of the two chips against row: the raw measurement of one pair of exposures, a panel per flux bin."""

import numpy as np
from matplotlib.lines import Line2D

from wfc3_cte_monitor.plots import layout, style
from wfc3_cte_monitor.uvis import ROWS, ROWS_PER_FLUX_LOSS

__all__ = ["plot_ratio_ypos"]

_KEPT = {"ls": "none", "marker": "o", "color": style.OKABE_ITO["blue"], "markeredgewidth": 0}
_CLIPPED = {"ls": "none", "marker": "x", "color": style.OKABE_ITO["vermillion"], "markersize": 4, "alpha": 0.8}
_LINE = {"color": style.OKABE_ITO["black"], "lw": 1.2, "zorder": 4}
_BAND = {"color": style.OKABE_ITO["orange"], "alpha": 0.6, "lw": 0, "zorder": 1.5}
_FORCED = {"color": style.OKABE_ITO["purple"], "lw": 1.2, "ls": (0, (5, 2)), "zorder": 4}
_LABELS = {
    None: ("y on chip 2 [px]", "chip 1 / chip 2"),
    1: ("rows to the amplifier of chip 1 in the later exposure, 2052 − y [px]", "earlier / later"),
    2: ("rows to the amplifier of chip 2 in the later exposure, y [px]", "earlier / later"),
}
"""By the chip of a same-chip pair: what lies along x, and what is divided by what."""
_ROWS_DRAWN = np.linspace(1, ROWS, 40)


def plot_ratio_ypos(stars, fits, *, title, same_chip=None):
    """Draw F1/F2 against the rows to the amplifier, on chip 2 the row, one panel per flux bin, with the fitted lines.

    Parameters
    ----------
    stars : StarPairs
        The stars of the pair, in the order in which they were fitted.
    fits : sequence of SlopeFit
        One per flux bin, at least one.
    title : str
    same_chip : int, optional
        The chip that both exposures are on; None where the first is on chip 1 and the second on chip 2.

    Returns
    -------
    figure : matplotlib.figure.Figure
    """
    # A star without a positive flux on both chips has no ratio, and is in no bin.
    with np.errstate(invalid="ignore", divide="ignore"):
        flux, ratio = stars.flux, stars.ratio
    chosen = [(flux >= fit.bin.lo) & (flux < fit.bin.hi) for fit in fits]
    limits = layout.robust_limits(ratio[np.any(chosen, axis=0)], include=1.0)
    with style.context():
        figure, axes = layout.panel_grid(len(fits), header=1.28, row_gap=0.62)
        axes[0, 0].set(xlim=(0, ROWS + 1), ylim=limits, xticks=(500, 1000, 1500, 2000))
        for ax, fit, in_bin in zip(axes.flat, fits, chosen, strict=False):
            _draw_panel(ax, stars.y[in_bin], ratio[in_bin], fit)
        layout.light_ticks(axes)
        across, ratio_of = _LABELS[same_chip]
        figure.supxlabel(across, fontsize=10, y=0.02)
        figure.supylabel(f"flux ratio F1 / F2 ({ratio_of})", fontsize=10, x=0.008)
        layout.write_header(figure, title, _legend_handles(forced=any(fit.mid_ratio for fit in fits)))
    return figure


def _draw_panel(ax, y, ratio, fit):
    """One flux bin: its stars, its line, and what they say."""
    kept = np.ones(len(y), dtype=bool) if fit.ratio is None else fit.ratio.kept
    ax.axhline(1.0, **style.REFERENCE_LINE)
    # Rasterised, because a PDF of thousands of vector circles takes seconds to open.
    ax.plot(y[kept], ratio[kept], rasterized=True, **_density_look(len(y)), **_KEPT)
    ax.plot(y[~kept], ratio[~kept], rasterized=True, **_CLIPPED)
    if fit.ratio is not None:
        _draw_line(ax, fit.ratio)
    if fit.mid_ratio is not None:
        ax.plot(_ROWS_DRAWN, fit.mid_ratio.intercept + fit.mid_ratio.slope * _ROWS_DRAWN, **_FORCED)
    _write_result(ax, fit, kept)
    _write_outside(ax, ratio)


def _density_look(n_stars):
    """Opacity and size of a point: few must be seen, and thousands still show where they are dense."""
    sparse = 1 / np.sqrt(max(n_stars, 1))
    return {"alpha": np.clip(12 * sparse, 0.15, 0.8), "markersize": np.clip(40 * sparse, 2.6, 4.5)}


def _draw_line(ax, line):
    """The fitted line and its 1-sigma band."""
    middle = line.intercept + line.slope * _ROWS_DRAWN
    variance = line.intercept_err**2 + (line.slope_err * _ROWS_DRAWN) ** 2 + 2 * line.covariance * _ROWS_DRAWN
    # Rounding can leave a tiny negative variance where slope and intercept are almost fully correlated.
    sigma = np.sqrt(np.maximum(variance, 0))
    ax.fill_between(_ROWS_DRAWN, middle - sigma, middle + sigma, **_BAND)
    ax.plot(_ROWS_DRAWN, middle, **_LINE)


def _write_result(ax, fit, kept):
    """Bin, number of stars and the loss in both units, above the panel."""
    label = style.bin_label(fit.bin.lo, fit.bin.hi)
    if fit.ratio is None:
        layout.write_heading(ax, label, detail=f"{len(kept)} star{'' if len(kept) == 1 else 's'}: no fit")
        return
    in_mag = f"loss {_loss(fit.mag, ROWS)} mag / {ROWS} px"
    in_flux = f"loss {_loss(fit.ratio, ROWS_PER_FLUX_LOSS)} flux / {ROWS_PER_FLUX_LOSS} px"
    layout.write_detail(ax, f"{in_mag}\n{in_flux}")
    count = f"N = {np.count_nonzero(kept)}, {np.count_nonzero(~kept)} clipped"
    layout.write_heading(ax, label, detail=count, offset=27)


def _loss(line, n_rows):
    """Loss of a chip of `n_rows` and its standard error: half the slope, for both chips lose."""
    if line is None:
        return "no fit"
    return f"{line.slope / 2 * n_rows:+.3f} ± {line.slope_err / 2 * n_rows:.3f}"


def _write_outside(ax, ratio):
    """Number of points that the limits cut off."""
    low, high = ax.get_ylim()
    n_outside = np.count_nonzero((ratio < low) | (ratio > high))
    if n_outside:
        box = {"facecolor": "white", "alpha": 0.8, "lw": 0, "pad": 1.5}
        text = f"{n_outside} outside"
        ax.text(0.975, 0.03, text, transform=ax.transAxes, ha="right", fontsize=8, color="0.25", bbox=box, zorder=5)


def _legend_handles(*, forced):
    """What the symbols mean."""
    band = {"color": _BAND["color"], "alpha": _BAND["alpha"], "lw": 6, "solid_capstyle": "butt"}
    return [
        Line2D([], [], label="star", **_KEPT | {"markersize": 5}),
        Line2D([], [], label="clipped", **_CLIPPED | {"markersize": 5}),
        Line2D([], [], label="fitted line", **_LINE),
        Line2D([], [], label="its 1σ band", **band),
        *([Line2D([], [], label="through 1 at the middle row", **_FORCED)] if forced else []),
        Line2D([], [], label="no loss", **style.REFERENCE_LINE),
    ]
