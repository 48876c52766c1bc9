"""The image of a chip with the stars that were matched on it: what the eye checks before it trusts a slope."""

from itertools import product

import numpy as np
from matplotlib.colors import AsinhNorm, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from wfc3_cte_monitor.plots import layout, style

__all__ = ["plot_diagnostic"]

_PIXELS_DRAWN = 1400  # On the longer side: what a figure of 12 inches shows.
_SAMPLE = 400  # Pixels a side that the stretch is computed from.
_LONGEST, _HIGHEST, _LOWEST = 10.6, 6.4, 1.3  # Sides of the image [inch].
_LEFT, _RIGHT, _BOTTOM, _HEADER = 0.72, 0.85, 0.5, 0.74  # [inch]
_TICKS = np.array([0, 3, 10, 30, 100, 300, 1000, 3000, 10000, 30000, 100000])  # [e-/px]
_NO_DATA = "0.62"
# Bluish between white and black, so that the neutral grey of missing pixels is no shade of it.
_SHADES = LinearSegmentedColormap.from_list("paper", ("#ffffff", "#9db8dc", "#2f4f8f", "#060b1c"))
_SHADES = _SHADES.with_extremes(bad=_NO_DATA)
_CIRCLE = {"ls": "none", "marker": "o", "mfc": "none"}
_STARS = (("good", style.OKABE_ITO["green"]), ("flagged", style.OKABE_ITO["vermillion"]))


def plot_diagnostic(image, x, y, flags, *, title):
    """Draw the image of a chip, its good stars and its flagged ones.

    A frame that is higher than wide lies on its side: rows along the horizontal axis.

    Parameters
    ----------
    image : array_like, shape (rows, columns)
        [e-]; NaN where there is no data.
    x, y : array_like, shape (n,)
        Positions, 1-based [px].
    flags : array_like of int, shape (n,)
        0 means good.
    title : str

    Returns
    -------
    figure : matplotlib.figure.Figure
    """
    image, x, y = np.asarray(image, dtype=np.float32), np.asarray(x), np.asarray(y)
    labels = ("x [px]", "y [px]")
    if image.shape[0] > image.shape[1]:
        image, x, y, labels = image.T, y, x, labels[::-1]
    with style.context():
        figure, ax, bar = _axes(image.shape)
        _draw_image(ax, bar, image)
        ax.set(xlabel=labels[0], ylabel=labels[1])
        stars = _draw_stars(ax, x, y, np.asarray(flags) != 0)
        layout.write_header(figure, title, stars + _no_data_entry(image), left=_LEFT)
    return figure


def _axes(shape):
    """Figure whose axes have the shape of the frame (a very narrow one is stretched), and axes for the scale."""
    aspect = shape[1] / shape[0]
    wide = min(_LONGEST, _HIGHEST * aspect)
    high = max(wide / aspect, _LOWEST)
    width, height = _LEFT + wide + _RIGHT, _BOTTOM + high + _HEADER
    figure = Figure(figsize=(width, height))
    ax = figure.add_axes((_LEFT / width, _BOTTOM / height, wide / width, high / height))
    bar = figure.add_axes(((_LEFT + wide + 0.1) / width, _BOTTOM / height, 0.13 / width, high / height))
    return figure, ax, bar


def _draw_image(ax, bar, image):
    """The image above its sky, in an asinh stretch, and the scale beside it."""
    n_rows, n_columns = image.shape
    sky, noise, bright = _levels(image)
    step = max(1, round(max(image.shape) / _PIXELS_DRAWN))
    blocks = _shrink(image, step)
    # The brightest pixel of a block of sky lies above the sky; it should be white nevertheless.
    floor = _levels(blocks)[0] - sky - 1.5 * noise
    norm = AsinhNorm(linear_width=4 * noise, vmin=floor, vmax=floor + max(bright - sky, 10 * noise))
    look = {"cmap": _SHADES, "norm": norm, "origin": "lower", "interpolation": "nearest", "aspect": "auto"}
    drawn = ax.imshow(blocks - sky, extent=_extent(blocks, step), **look)
    ax.set(xlim=(0.5, n_columns + 0.5), ylim=(0.5, n_rows + 0.5))
    ax.set_title(f"sky {sky:.1f} e⁻/px, asinh stretch", loc="right", fontsize=8.5)
    ticks = _TICKS[(_TICKS == 0) | (4 * noise < _TICKS)]
    ax.figure.colorbar(drawn, cax=bar, ticks=ticks, format="%g", label="e⁻/px above sky").minorticks_off()


def _extent(blocks, step):
    """Edges of the blocks [px]: the centre of the first pixel is 1; the last blocks may reach beyond the frame."""
    n_rows, n_columns = blocks.shape
    return 0.5, 0.5 + step * n_columns, 0.5, 0.5 + step * n_rows


def _levels(image):
    """Sky, its noise and the level of bright stars [e-], from a sample of the pixels."""
    sample = image[:: max(1, image.shape[0] // _SAMPLE), :: max(1, image.shape[1] // _SAMPLE)]
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return 0.0, 1.0, 1.0
    low, sky, bright = np.percentile(sample, (15.87, 50, 99.9))
    # The faint side of the sky, for stars are on the other; never 0, which no stretch survives.
    return sky, max(sky - low, 1e-3), bright


def _shrink(image, step):
    """The brightest pixel of each block of `step` x `step` pixels, so that no star falls between the pixels drawn.

    A block is NaN where at least `step` of its pixels are, one bad column for example.
    """
    n_rows, n_columns = image.shape
    padded = np.pad(image, ((0, -n_rows % step), (0, -n_columns % step)), mode="edge")
    parts = [padded[i::step, j::step] for i, j in product(range(step), repeat=2)]
    brightest = np.fmax.reduce(parts)
    brightest[sum(np.isnan(part).astype(np.uint8) for part in parts) >= step] = np.nan
    return brightest


def _draw_stars(ax, x, y, flagged):
    """Circles around the stars; the entries of the legend, with the counts."""
    size = _circle_size(ax, len(x))
    look = {"ms": size, "mew": np.clip(size / 6, 0.6, 1.1), "scalex": False, "scaley": False}
    entries = []
    for (name, color), chosen in zip(_STARS, (~flagged, flagged), strict=True):
        ax.plot(x[chosen], y[chosen], mec=color, **look, **_CIRCLE)
        label = f"{name} ({np.count_nonzero(chosen)})"
        entries.append(Line2D([], [], mec=color, ms=7, mew=1.3, label=label, **_CIRCLE))
    return entries


def _circle_size(ax, n_stars):
    """Diameter of a circle [pt]: the more stars, the smaller."""
    width, height = ax.get_position().size * ax.figure.get_size_inches() * 72
    return np.clip(0.45 * np.sqrt(width * height / max(n_stars, 1)), 2.5, 9.0)


def _no_data_entry(image):
    """Entry of the legend for missing pixels, where there are any."""
    n_missing = np.count_nonzero(np.isnan(image))
    return [Patch(color=_NO_DATA, label=f"no data ({n_missing} px)")] if n_missing else []
