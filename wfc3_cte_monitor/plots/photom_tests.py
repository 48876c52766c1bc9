"""Engines of photometry on model stars: aperture fluxes, and centres against the place in the pixel and the flux."""

from textwrap import fill

import numpy as np
from matplotlib.figure import Figure

from wfc3_cte_monitor.plots import layout, style

__all__ = ["CAPTION", "plot_photom_tests"]

CAPTION = (
    "Starts 1 px off. Left and middle: no noise; the truth is an integral over the profile. IRAF's phot weights a "
    "pixel by clip(r + 1/2 − distance, 0, 1): a rim 1 px wide, whose area is the mean of πr² over r ± 1/2, that "
    "is πr² + π/12 (28.388 at r = 3, not 28.274). Exact overlap spreads the light of a pixel evenly over it, "
    "which blurs a star once more and leaves less of it inside: exact − phot is −0.08 % at 3 px and vanishes "
    "where a star ends. Bars: standard errors; arrows: outside, see the table. Right: noise of photons, of 2 "
    "e⁻/px of sky and of reading."
)

_LOOKS = tuple(zip(("blue", "vermillion", "green", "purple"), "osD^", strict=True))


def plot_photom_tests(apertures, phases, centres, *, title):
    """Draw three panels: flux difference against radius, error of x in the pixel, rms error against flux.

    Parameters
    ----------
    apertures, phases, centres : `astropy.table.Table`
        As `pipeline.model_stars.compare` returns them.
    title : str

    Returns
    -------
    figure : matplotlib.figure.Figure
    """
    names = list(dict.fromkeys(apertures["engine"]))
    looks = {name: (style.OKABE_ITO[color], marker) for name, (color, marker) in zip(names, _LOOKS, strict=False)}
    with style.context():
        figure = Figure(figsize=(11.5, 4.9))
        axes = figure.subplots(1, 3, gridspec_kw={"left": 0.065, "right": 0.99, "top": 0.83, "bottom": 0.3})
        figure.subplots_adjust(wspace=0.3)
        axes[0].set_ylim(*_flux_limits(apertures))
        _draw_differences(axes[0], apertures, looks)
        _draw(axes[1], phases, ("phase", "error", "error_err"), looks)
        _draw(axes[2], centres, ("flux", "rms", "rms_err"), looks)
        axes[0].set(xlabel="aperture radius [px]", ylabel="flux / truth − 1 [%]", xticks=range(1, 13))
        axes[1].set(xlabel="x − centre of its pixel [px]", ylabel="mean error of x [px]", ylim=_phase_limits(phases))
        axes[2].set(xlabel="flux of the star [e⁻]", ylabel="rms error of x, y [px]", xscale="log", yscale="log")
        for ax in axes[:2]:
            ax.axhline(0.0, **style.REFERENCE_LINE)
        handles = [_handle(axes[0], name, looks[name], centres) for name in names]
        layout.write_header(figure, title, handles)
        figure.text(0.065, 0.175, fill(CAPTION, 175), fontsize=8.5, va="top", linespacing=1.35)
    return figure


def _flux_limits(apertures):
    """What the apertures of the monitor, from 3 px on, need; smaller ones may lie beyond."""
    difference = style.column(apertures[apertures["radius"] >= 3], "difference")
    reach = max(0.1, 1.15 * np.max(np.abs(difference), initial=0.0, where=np.isfinite(difference)))
    return -reach, reach


def _draw_differences(ax, apertures, looks):
    for engine, (color, marker) in looks.items():
        rows = apertures[apertures["engine"] == engine]
        x, y, errors = (style.column(rows, name) for name in ("radius", "difference", "difference_err"))
        ax.plot(x, y, color=color, lw=0.9)
        layout.draw_points(ax, x, y, errors, color=color, marker=marker)


def _phase_limits(phases):
    """At least 0.02 px, the accuracy that is asked for, so that nothing looks large that is not."""
    reach = max(0.02, 1.15 * np.max(np.abs(phases["error"])))
    return -reach, reach


def _draw(ax, table, names, looks):
    for engine, (color, marker) in looks.items():
        rows = table[table["engine"] == engine]
        if len(rows):
            x, y, errors = (style.column(rows, name) for name in names)
            ax.errorbar(x, y, errors, color=color, marker=marker, markersize=4.5, lw=0.9, elinewidth=0.9, capsize=2)


def _handle(ax, name, look, centres):
    """The entry of the legend, with the time where it is an engine."""
    times = style.column(centres[centres["engine"] == name], "time")
    label = f"{name}, {np.median(times):.0f} µs per star with 12 apertures" if times.size else f"{name}, in numpy"
    (line,) = ax.plot([], [], color=look[0], marker=look[1], markersize=5, lw=0.9, label=label)
    return line
