"""CTE loss against log flux, a colour per epoch: what the empirical model describes."""

from math import ceil

import matplotlib
import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from wfc3_cte_monitor.plots import layout, style

__all__ = ["plot_cte_logflux"]

_SAME_EPOCH = 1.0  # [days]; epochs lie more than 30 days apart.
_LIGHTEST = 0.88  # Of viridis; what comes after it is too light for paper.
_MARKERS = "osD^vPX"
_FLUX_TICKS = np.array([100, 250, 500, 1000, 2000, 4000, 8000, 16000, 32000, 64000])
_LEGEND_ROWS = 22
_COLUMNS = ("epoch", "logflux", "loss", "loss_err")
_WIDTH, _LEFT, _BOTTOM, _HEADER, _LEGEND_WIDTH = 7.5, 0.9, 0.55, 0.95, 1.1  # [inch]
_FLUXES_OF_NOTHING = 2.3, 4.6  # Shown where there is no point [dex of e-].


def plot_cte_logflux(points, curves):
    """Draw the loss of one target against log flux, with the model's curves and the residuals from them.

    Parameters
    ----------
    points : astropy.table.Table
        One row per pair and flux bin: ``epoch`` (mean MJD of the epoch), ``logflux`` [dex of e-], ``loss`` and
        ``loss_err`` (standard error) in the unit of the metadata. Rows with NaN are not drawn. Metadata: ``target``,
        ``unit`` ('mag' or 'flux'), ``filter``, ``length``, ``flashlvl``, ``ctecorr``, ``aperture``, and ``no_model``,
        which says why there are no curves.
    curves : astropy.table.Table
        The model of each epoch on an increasing grid of ``logflux``: ``epoch``, ``logflux``, ``loss``, ``loss_err``.
        Without rows there are neither curves nor residuals, and the line under the title says why.

    Returns
    -------
    figure : matplotlib.figure.Figure
    """
    meta = points.meta
    points, curves = (style.finite_rows(table, *_COLUMNS) for table in (points, curves))
    epochs = _epochs(points, curves)
    looks = _looks(epochs)
    with style.context():
        figure, upper, lower = _axes(len(epochs), with_residuals=len(curves) > 0)
        _set_limits(upper, points, curves)
        _draw_curves(upper, [_of_epoch(curves, epoch) for epoch in epochs], [look["color"] for look in looks])
        for epoch, look in zip(epochs, looks, strict=True):
            _draw_points(upper, _of_epoch(points, epoch), look)
        if lower:
            _draw_residuals(lower, points, curves, epochs, looks)
        _label(upper, lower, style.LOSS_UNITS[meta["unit"]])
        _draw_legend(figure, epochs, looks, with_model=lower is not None)
        title = style.table_title(meta, meta["target"])
        layout.write_header(figure, title, note="" if lower else _why_no_model(meta), left=_LEFT)
    return figure


def _epochs(*of_rows):
    """Dates of the epochs of all rows, each once [MJD]."""
    dates = np.sort(np.concatenate([rows["epoch"] for rows in of_rows]))
    return dates[np.diff(dates, prepend=-np.inf) > _SAME_EPOCH]


def _of_epoch(rows, epoch):
    """Those of one epoch."""
    return rows[np.abs(rows["epoch"] - epoch) <= _SAME_EPOCH]


def _looks(epochs):
    """Colour and marker of each epoch: the later, the lighter."""
    age = (epochs - epochs[:1]) / max(np.ptp(epochs), 1.0) if len(epochs) else epochs
    colors = matplotlib.colormaps["viridis"](_LIGHTEST * age)
    return [{"color": color, "marker": _MARKERS[i % len(_MARKERS)]} for i, color in enumerate(colors)]


def _axes(n_epochs, *, with_residuals):
    """Figure with the upper axes, and the lower ones (or None); the legend finds room on the right."""
    height = 6.6 if with_residuals else 5.0
    width = _WIDTH + _LEGEND_WIDTH * max(ceil((n_epochs + with_residuals) / _LEGEND_ROWS), 0.2)
    figure = Figure(figsize=(width, height))
    edges = {"left": _LEFT / width, "right": _WIDTH / width, "bottom": _BOTTOM / height, "top": 1 - _HEADER / height}
    ratios = (2.3, 1) if with_residuals else (1,)
    grid = {**edges, "hspace": 0.05, "height_ratios": ratios}
    axes = figure.subplots(len(ratios), sharex=True, squeeze=False, gridspec_kw=grid)
    return figure, axes[0, 0], axes[1, 0] if with_residuals else None


def _set_limits(ax, points, curves):
    """Limits of the upper axes: points, curves and their errors."""
    both = (np.append(points[name], curves[name]) for name in _COLUMNS[1:])
    logflux, loss, error = both
    low, high = (logflux.min() - 0.08, logflux.max() + 0.08) if logflux.size else _FLUXES_OF_NOTHING
    ax.set_xlim(low, high)
    ax.set_ylim(layout.robust_limits(loss, error, include=0.0))


def _draw_curves(ax, curves, colors):
    """The model of every epoch and its 1-sigma band."""
    bands = [np.concatenate([_line(one, -1), _line(one, +1)[::-1]]) for one in curves]
    ax.add_collection(PolyCollection(bands, facecolors=colors, alpha=0.18, lw=0, zorder=1), autolim=False)
    ax.add_collection(LineCollection([_line(one) for one in curves], colors=colors, lw=1.1), autolim=False)


def _line(curve, n_sigma=0):
    """A curve moved by so many standard errors, shape (n, 2)."""
    return np.stack([curve["logflux"], curve["loss"] + n_sigma * curve["loss_err"]], axis=1)


def _draw_points(ax, points, look):
    """The points of one epoch."""
    layout.draw_points(ax, *(points[name] for name in _COLUMNS[1:]), **look)


def _draw_residuals(ax, points, curves, epochs, looks):
    """Points minus the curve of their own epoch."""
    away = [_residuals(_of_epoch(points, epoch), _of_epoch(curves, epoch)) for epoch in epochs]
    ax.set_ylim(layout.robust_limits(*np.hstack(away)[1:], include=0.0))
    for residual, look in zip(away, looks, strict=True):
        layout.draw_points(ax, *residual, size=3.5, **look)


def _residuals(points, curve):
    """Residuals of one epoch: rows of log flux, residual and standard error, shape (3, n).

    Points beyond the ends of the curve are left out: the model makes no claim there.
    """
    logflux, loss, error = (points[name] for name in _COLUMNS[1:])
    if not len(curve):
        return np.empty((3, 0))
    model = np.interp(logflux, curve["logflux"], curve["loss"], left=np.nan, right=np.nan)
    residual = np.array([logflux, loss - model, error])
    return residual[:, np.isfinite(model)]


def _label(upper, lower, unit):
    """Labels and zero lines: log flux below, the flux itself above."""
    upper.axhline(0.0, **style.REFERENCE_LINE)
    upper.set_ylabel(f"CTE loss [{unit}]")
    (lower or upper).set_xlabel("log$_{10}$ flux [e⁻]")
    if lower:
        lower.axhline(0.0, **style.REFERENCE_LINE)
        lower.set_ylabel(f"points − model\n[{unit}]", fontsize=9)
        upper.figure.align_ylabels()
    _draw_flux_axis(upper)


def _draw_flux_axis(upper):
    """The flux itself, above the axes [e-]."""
    low, high = upper.get_xlim()
    ticks = _FLUX_TICKS[(np.log10(_FLUX_TICKS) >= low) & (np.log10(_FLUX_TICKS) <= high)]
    layout.upper_axis(upper, np.log10(ticks), [f"{tick:g}" for tick in ticks], name="flux [e⁻]")


def _draw_legend(figure, epochs, looks, *, with_model):
    """The epochs as years, on the right of the axes; under them the model."""
    years = style.year_labels(epochs)
    handles = [Line2D([], [], ls="none", label=year, **look) for year, look in zip(years, looks, strict=True)]
    if with_model:
        handles.append(Line2D([], [], color="0.4", lw=1.1, label="model"))
    width, height = figure.get_size_inches()
    if handles:
        anchor = ((_WIDTH + 0.08) / width, 1 - _HEADER / height)
        columns = ceil(len(handles) / _LEGEND_ROWS)
        figure.legend(handles=handles, loc="upper left", bbox_to_anchor=anchor, ncols=columns, borderaxespad=0)


def _why_no_model(meta):
    """Why there are no curves."""
    return f"no model: {meta.get('no_model') or 'no curves were given'}"
