"""Epochs as colours, and the bar that says which is which."""

import matplotlib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize

from wfc3_cte_monitor.plots import style

__all__ = ["epoch_colors", "draw_epoch_bar", "BAR_WIDTH"]

BAR_WIDTH = 0.95
"""Of a bar with its labels [inch]."""
_LIGHTEST = 0.78  # Of viridis; what comes after it is too light for paper.
_SHORTEST_SPAN = 365.25  # [days]


def epoch_colors(epochs):
    """What turns a date into a colour: the later, the lighter.

    Parameters
    ----------
    epochs : ndarray, shape (n,)
        [MJD]

    Returns
    -------
    colors : matplotlib.cm.ScalarMappable
    """
    first, last = (epochs.min(), epochs.max()) if len(epochs) else (0.0, 1.0)
    colormap = ListedColormap(matplotlib.colormaps["viridis"](np.linspace(0, _LIGHTEST, 256)))
    return ScalarMappable(Normalize(first, max(last, first + _SHORTEST_SPAN)), colormap)


def draw_epoch_bar(figure, colors, *, left, bottom, top):
    """Draw the colours of the epochs as years.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    colors : matplotlib.cm.ScalarMappable
        From `epoch_colors`.
    left : float
        Where the bar begins [inch]; with its labels it needs `BAR_WIDTH`.
    bottom, top : float
        Fractions of the height of the figure.
    """
    width = figure.get_figwidth()
    bar = figure.colorbar(colors, cax=figure.add_axes((left / width, bottom, 0.14 / width, top - bottom)))
    first, last = style.mjd_to_year([colors.norm.vmin, colors.norm.vmax])
    years = np.arange(np.ceil(first), last, max(1, np.ceil((last - first) / 8)))
    bar.set_ticks(style.year_to_mjd(years), labels=[f"{year:.0f}" for year in years])
    bar.set_label("epoch")
