"""CTE loss against log flux, a colour per epoch: what the empirical model describes."""

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from wfc3_cte_monitor.plots import layout, style
from wfc3_cte_monitor.plots.epochs import BAR_WIDTH, draw_epoch_bar, epoch_colors

__all__ = ["plot_cte_logflux"]

_SAME_EPOCH = 1.0  # [days]; epochs lie more than 30 days apart.
_MARKERS = "osD^vPX"
_FLUX_TICKS = np.array([100, 250, 500, 1000, 2000, 4000, 8000, 16000, 32000, 64000])
_LEGEND_ROWS = 22
"""More epochs than these are told by a bar of colours: nobody finds one of sixty entries."""
_COLUMNS = ("epoch", "logflux", "loss", "loss_err")
_WIDTH, _LEFT, _BOTTOM, _HEADER, _LEGEND_WIDTH = 7.5, 0.9, 0.55, 0.95, BAR_WIDTH + 0.15  # [inch]
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
        _draw_points(upper, [_of_epoch(points, epoch) for epoch in epochs], looks)
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
    markers = _MARKERS if len(epochs) <= _LEGEND_ROWS else _MARKERS[:1]
    colors = epoch_colors(epochs).to_rgba(epochs)
    return [{"color": color, "marker": markers[i % len(markers)]} for i, color in enumerate(colors)]


def _axes(n_epochs, *, with_residuals):
    """Figure with the upper axes, and the lower ones (or None); the legend finds room on the right."""
    height = 6.6 if with_residuals else 5.0
    width = _WIDTH + (_LEGEND_WIDTH if n_epochs else 0.2)
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


def _draw_points(ax, points, looks, **style):
    """The points of all epochs, those with the same marker at once."""
    for marker in dict.fromkeys(look["marker"] for look in looks):
        same = [(rows, look["color"]) for rows, look in zip(points, looks, strict=True) if look["marker"] == marker]
        columns = (np.concatenate([rows[name] for rows, _ in same]) for name in _COLUMNS[1:])
        colors = np.concatenate([np.broadcast_to(color, (len(rows), 4)) for rows, color in same])
        layout.draw_points(ax, *columns, color=colors, marker=marker, **style)


def _draw_residuals(ax, points, curves, epochs, looks):
    """Points minus the curve of their own epoch."""
    away = [_residuals(_of_epoch(points, epoch), _of_epoch(curves, epoch)) for epoch in epochs]
    ax.set_ylim(
        layout.robust_limits(*(np.concatenate([rows[name] for rows in away]) for name in _COLUMNS[2:]), include=0.0)
    )
    _draw_points(ax, away, looks, size=3.5)


def _residuals(points, curve):
    """The points of one epoch with the residuals in the place of their losses.

    Points beyond the ends of the curve are left out: the model makes no claim there.
    """
    if not len(curve):
        return points[:0]
    residuals = points.copy()
    residuals["loss"] -= np.interp(points["logflux"], curve["logflux"], curve["loss"], left=np.nan, right=np.nan)
    return residuals[np.isfinite(residuals["loss"])]


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
    """The epochs as years, on the right of the axes; the model before them."""
    width, height = figure.get_size_inches()
    handles = [Line2D([], [], color="0.4", lw=1.1, label="model")] if with_model else []
    if len(epochs) <= _LEGEND_ROWS:
        years = style.year_labels(epochs)
        handles = [Line2D([], [], ls="none", label=y, **look) for y, look in zip(years, looks, strict=True)] + handles
    if handles:
        anchor = ((_WIDTH + 0.08) / width, 1 - _HEADER / height)
        figure.legend(handles=handles, loc="upper left", bbox_to_anchor=anchor, borderaxespad=0)
    if len(epochs) > _LEGEND_ROWS:
        place = {"bottom": _BOTTOM / height, "top": 1 - (_HEADER + 0.3) / height}
        draw_epoch_bar(figure, epoch_colors(epochs), left=_WIDTH + 0.15, **place)


def _why_no_model(meta):
    """Why there are no curves."""
    return f"no model: {meta.get('no_model') or 'no curves were given'}"
