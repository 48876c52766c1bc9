"""Closure in one figure: losses recovered, their errors, photometry after correction, epochs that were left out."""

import numpy as np
from matplotlib.figure import Figure

from wfc3_cte_monitor.plots import layout, style

__all__ = ["plot_validation"]

_SIZE = (11.0, 8.4)  # [inch]
_EDGES = {"left": 0.075, "right": 0.985, "bottom": 0.065, "top": 0.885, "hspace": 0.36, "wspace": 0.2}
_PULLS = np.linspace(-4, 4, 25)
_LIMITS = {"color": "0.85", "zorder": 0, "lw": 0}
_LEVEL_COLORS = ("blue", "vermillion", "green", "purple", "black", "orange", "sky blue")
_MARKERS = "osD^vPX"
_MODELS = {"nothing": ("0.55", "v"), "own level": (style.OKABE_ITO["blue"], "o")}
_MODELS |= {"all levels": (style.OKABE_ITO["vermillion"], "s")}


def plot_validation(losses, corrected, left_out, *, title):
    """Draw how well a known loss came back.

    Parameters
    ----------
    losses : astropy.table.Table
        A row per pair and flux bin: ``flashlvl``, ``injected``, ``loss``, ``loss_err`` and ``pull``.
    corrected : astropy.table.Table
        A row per flux bin, flash level and kind of coefficients (``corrected_with``): ``lo``, ``hi`` [e-],
        ``slope`` and ``slope_err`` [mag / 2051 px].
    left_out : astropy.table.Table
        A row per epoch and model: ``epoch`` [MJD], ``rms``, ``mean_err`` [mag / 2051 px].
    title : str

    Returns
    -------
    figure : matplotlib.figure.Figure
    """
    with style.context():
        figure = Figure(figsize=_SIZE)
        axes = figure.subplots(2, 2, gridspec_kw=_EDGES)
        drawn = style.finite_rows(losses, "flashlvl", "injected", "loss", "loss_err", "pull")
        _draw_recovered(axes[0, 0], drawn)
        _draw_pulls(axes[0, 1], drawn["pull"])
        _draw_corrected(axes[1, 0], corrected)
        _draw_left_out(axes[1, 1], left_out)
        layout.write_header(figure, title, note="losses in mag / 2051 px; bars are standard errors", left=0.8)
    return figure


def _draw_recovered(ax, losses):
    values = np.append(losses["injected"], losses["loss"])
    low, high = (np.min(values, initial=0.0) - 0.02, np.max(values, initial=0.1) + 0.02)
    ax.set(xlim=(low, high), ylim=(low, high), xlabel="injected loss [mag / 2051 px]", ylabel="recovered loss")
    ax.plot([low, high], [low, high], color="0.4", lw=0.9, zorder=1)
    for number, level in enumerate(np.unique(losses["flashlvl"])):
        here = losses[losses["flashlvl"] == level]
        color = style.OKABE_ITO[_LEVEL_COLORS[number % len(_LEVEL_COLORS)]]
        look = {"color": color, "marker": _MARKERS[number % len(_MARKERS)], "size": 3.8}
        layout.draw_points(ax, here["injected"], here["loss"], here["loss_err"], **look)
        ax.plot([], [], ls="none", color=color, marker=look["marker"], ms=4, label=f"post-flash {level:g} e⁻/px")
    ax.legend(loc="upper left")
    layout.write_heading(ax, "Losses, injected and recovered", detail=f"{len(losses)} pairs and flux bins")


def _draw_pulls(ax, pulls):
    ax.hist(np.clip(pulls, _PULLS[0], _PULLS[-1]), bins=_PULLS, color=style.OKABE_ITO["sky blue"], edgecolor="white")
    x = np.linspace(_PULLS[0], _PULLS[-1], 200)
    expected = len(pulls) * (_PULLS[1] - _PULLS[0]) * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    ax.plot(x, expected, color="black", lw=1.1, label="normal distribution of width 1")
    ax.set(xlabel="(recovered − injected) / standard error", ylabel="number")
    ax.set_ylim(0, 1.25 * max(np.max(expected, initial=1.0), ax.get_ylim()[1] / 1.05))
    ax.legend(loc="upper right")
    width = np.sqrt(np.mean(pulls**2)) if len(pulls) else np.nan
    layout.write_heading(ax, "Pulls of the losses", detail=f"rms {width:.2f}")


def _draw_corrected(ax, corrected):
    bins = sorted({(row["lo"], row["hi"]) for row in corrected})
    levels = sorted({row["flashlvl"] for row in corrected})
    ax.axhspan(-0.005, 0.005, label="asked for", **_LIMITS)
    ax.axhline(0.0, **style.REFERENCE_LINE)
    ax.set(xlim=(-0.6, len(bins) - 0.4), xlabel="flux [e⁻]", ylabel="slope [mag / 2051 px]")
    ax.set_xticks(range(len(bins)), [f"{lo:g}–{hi:g}" for lo, hi in bins], fontsize=7.5)
    if len(corrected):
        low, high = layout.robust_limits(corrected["slope"], corrected["slope_err"], include=0.0)
        ax.set_ylim(low, high + 0.35 * (high - low))  # room for the legend
    n_places = max(len(levels) * len(_MODELS), 1)
    for k, (name, (color, marker)) in enumerate(_MODELS.items()):
        here = [row for row in corrected if row["corrected_with"] == name]
        shift = [(levels.index(row["flashlvl"]) * len(_MODELS) + k + 0.5) / n_places - 0.5 for row in here]
        x = np.array([bins.index((row["lo"], row["hi"])) for row in here], float) + 0.85 * np.array(shift)
        y, error = (np.array([row[column] for row in here]) for column in ("slope", "slope_err"))
        layout.draw_points(ax, x, y, error, color=color, marker=marker, size=4)
        ax.plot([], [], ls="none", color=color, marker=marker, ms=4.5, label=f"corrected with {name}")
    ax.legend(loc="upper right")
    flashes = ", ".join(f"{level:g}" for level in levels)
    layout.write_heading(ax, "Loss left in photometry", detail=f"in each bin from left: flash {flashes} e⁻/px")


def _draw_left_out(ax, left_out):
    ax.axhspan(0.0, 0.02, label="asked for", **_LIMITS)
    for name, (color, marker) in _MODELS.items():
        here = [row for row in left_out if row["model"] == name]
        if here:
            year = style.mjd_to_year([row["epoch"] for row in here])
            ax.plot(year, [row["rms"] for row in here], color=color, marker=marker, lw=1, ms=5, label=f"{name}: rms")
            error = [row["mean_err"] for row in here]
            ax.plot(year, error, color=color, lw=1, ls=":", label=f"{name}: its standard error")
    ax.set(xlabel="epoch that was left out [year]", ylabel="predicted − law [mag / 2051 px]")
    ax.set_ylim(0, 1.35 * max(ax.get_ylim()[1], 0.02))
    ax.legend(loc="upper center", ncols=2)
    layout.write_heading(ax, "Epochs left out of the fit", detail="the last: the next epoch, extrapolated")
