"""Differences of losses that were measured twice, against flux."""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from wfc3_cte_monitor.plots import layout, style

__all__ = ["plot_comparison"]

_HEADER = 1.0  # [inch]


def plot_comparison(summary, *, title):
    """Draw the mean difference of each set against log flux, a panel per filter, length, flash level and calibration.

    Parameters
    ----------
    summary : astropy.table.Table
        One row per set and flux bin of one aperture: ``target``, ``filter``, ``length``, ``flashlvl``, ``ctecorr``,
        ``mean_flux`` [e-], ``difference`` and ``difference_err`` (standard error) in the unit of the metadata.
        Metadata: ``unit`` ('mag' or 'flux').
    title : str

    Returns
    -------
    figure : matplotlib.figure.Figure
    """
    labels = ["target", "filter", "length", "flashlvl", "ctecorr"]
    rows = style.finite_rows(summary, "mean_flux", "difference", "difference_err", labels=labels)
    kinds = np.unique(rows[["filter", "length", "flashlvl", "ctecorr"]])
    looks = style.target_looks(rows["target"])
    with style.context():
        figure, axes = layout.panel_grid(max(len(kinds), 1), header=_HEADER, row_gap=0.4)
        if len(rows):
            f = np.log10(rows["mean_flux"])
            limits = layout.robust_limits(rows["difference"], rows["difference_err"], include=0.0, reach=3.0)
            axes[0, 0].set(xlim=(f.min() - 0.1, f.max() + 0.1), ylim=limits)
            axes[0, 0].xaxis.set_major_locator(MaxNLocator(5, prune="both"))
        for ax, kind in zip(axes.flat, kinds, strict=False):
            ax.axhline(0.0, **style.REFERENCE_LINE)
            layout.write_heading(ax, _kind(kind))
            here = rows[rows[["filter", "length", "flashlvl", "ctecorr"]] == kind]
            for shift, (name, (color, marker)) in enumerate(looks.items()):
                points = here[here["target"] == name]
                # Beside each other, so that none hides another.
                x = np.log10(points["mean_flux"]) + 0.02 * shift
                layout.draw_points(ax, x, points["difference"], points["difference_err"], color=color, marker=marker)
        figure.supxlabel("log$_{10}$ flux [e⁻]", fontsize=10, y=0.02)
        figure.supylabel(f"B − A [{style.LOSS_UNITS[summary.meta['unit']]}]", fontsize=10, x=0.008)
        handles = [
            Line2D([], [], ls="none", ms=6, label=style.target_name(name), color=c, marker=m)
            for name, (c, m) in looks.items()
        ]
        layout.write_header(figure, title, handles)
    return figure


def _kind(kind):
    name, length, flash, ctecorr = kind
    return f"{name} {dict(s='short', l='long')[str(length)]} pf{flash:g} {'FLC' if ctecorr else 'FLT'}"
