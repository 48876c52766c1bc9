"""Fluxes of a pair -> one straight line per flux bin, in two measures."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from wfc3_cte_monitor.errors import NotEnoughPointsError
from wfc3_cte_monitor.records import FluxBin, LineFit, SlopeFit, StarPairs
from wfc3_cte_monitor.uvis import ROWS, ROWS_PER_FLUX_LOSS

__all__ = ["join_stars", "fit_line", "fit_line_through", "clip_line", "measure_slopes", "loss", "LOSS_UNITS"]

MIN_POINTS = 3
"""A line through two points has no error."""

LOSS_UNITS = {"mag": "mag / 2051 px", "flux": "flux fraction / 2048 px"}

_CLIP_SIGMA = 4.0
_CLIP_ITERATIONS = 20


def join_stars(
    id1: np.ndarray,
    flux1: np.ndarray,
    flags1: np.ndarray,
    id2: np.ndarray,
    flux2: np.ndarray,
    flags2: np.ndarray,
    y2: np.ndarray,
) -> StarPairs:
    """The stars that both exposures of a pair have, joined by their id in the master catalogue.

    Parameters
    ----------
    id1, flux1, flags1 : ndarray, shape (n1,)
        Ids (unique), fluxes [e-] and flags in the first exposure: on chip 1.
    id2, flux2, flags2, y2 : ndarray, shape (n2,)
        The same in the second, on chip 2, with the rows to the amplifier there.

    Returns
    -------
    stars : `records.StarPairs`
        Only those without a flag and with both fluxes positive.
    """
    good1, good2 = ((np.asarray(flags) == 0) & (flux > 0) for flags, flux in ((flags1, flux1), (flags2, flux2)))
    star_id, i, j = np.intersect1d(id1[good1], id2[good2], assume_unique=True, return_indices=True)
    return StarPairs(id=star_id, y=y2[good2][j], flux1=flux1[good1][i], flux2=flux2[good2][j])


def fit_line(x: np.ndarray, y: np.ndarray) -> LineFit:
    """Straight line by least squares, all points alike.

    Parameters
    ----------
    x, y : ndarray, shape (n,)

    Returns
    -------
    fit : `records.LineFit`
        With the errors that the scatter about the line gives.

    Raises
    ------
    NotEnoughPointsError
        Fewer than three points.
    """
    n = len(x)
    if n < MIN_POINTS or np.ptp(x) == 0:
        raise NotEnoughPointsError(n if n < MIN_POINTS else 1, MIN_POINTS)
    mean_x, mean_y = np.mean(x), np.mean(y)
    spread = np.sum((x - mean_x) ** 2)
    slope = np.sum((x - mean_x) * (y - mean_y)) / spread
    residual = y - mean_y - slope * (x - mean_x)
    variance = np.sum(residual**2) / (n - 2)
    return LineFit(
        slope=float(slope),
        slope_err=float(np.sqrt(variance / spread)),
        intercept=float(mean_y - slope * mean_x),
        intercept_err=float(np.sqrt(variance * (1 / n + mean_x**2 / spread))),
        covariance=float(-variance * mean_x / spread),
        kept=np.ones(n, dtype=bool),
    )


def fit_line_through(x: np.ndarray, y: np.ndarray, x0: float, y0: float) -> LineFit:
    """Straight line through a fixed point by least squares, all points alike.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
    x0, y0 : float

    Returns
    -------
    fit : `records.LineFit`
        With the errors that the scatter about the line gives, the point itself without error.

    Raises
    ------
    NotEnoughPointsError
        Fewer than three points.
    """
    n, moment = len(x), np.sum((x - x0) ** 2)
    if n < MIN_POINTS or moment == 0:
        raise NotEnoughPointsError(n if n < MIN_POINTS else 1, MIN_POINTS)
    slope = np.sum((x - x0) * (y - y0)) / moment
    variance = np.sum((y - y0 - slope * (x - x0)) ** 2) / (n - 1) / moment
    return LineFit(
        slope=float(slope),
        slope_err=float(np.sqrt(variance)),
        intercept=float(y0 - slope * x0),
        intercept_err=float(abs(x0) * np.sqrt(variance)),
        covariance=float(-x0 * variance),
        kept=np.ones(n, dtype=bool),
    )


def clip_line(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Which points stay when outliers of 4 sigma are clipped until nothing changes.

    Returns
    -------
    kept : ndarray of bool, shape (n,)
    """
    kept = np.ones(len(x), dtype=bool)
    for _ in range(_CLIP_ITERATIONS):
        if np.count_nonzero(kept) < MIN_POINTS or np.ptp(x[kept]) == 0:
            break
        fit = fit_line(x[kept], y[kept])
        residual = y - fit.intercept - fit.slope * x
        scatter = np.sqrt(np.sum(residual[kept] ** 2) / max(int(np.count_nonzero(kept)) - 2, 1))
        still = kept & (np.abs(residual) <= _CLIP_SIGMA * scatter)
        if np.array_equal(still, kept) or np.count_nonzero(still) < MIN_POINTS:
            break
        kept = still
    return kept


def measure_slopes(stars: StarPairs, bins: Iterable[FluxBin], *, middle: float | None = None) -> tuple[SlopeFit, ...]:
    """Measure a pair: F1/F2 and 2.5 log10(F1/F2) against the rows to the amplifier in the second exposure, per bin.

    A star's bin is that of sqrt(F1 F2): to ask that both fluxes lie in the bin would cut off one side of the
    scatter. Outliers are clipped once, in magnitudes, where the scatter is symmetric; both lines go through the
    same stars.

    Parameters
    ----------
    stars : `records.StarPairs`
    bins : sequence of `records.FluxBin`
    middle : float, optional
        The row at which like chips give a ratio of 1 [px]; the lines are then fitted a second time, through that point.

    Returns
    -------
    fits : tuple of `records.SlopeFit`
        One per bin; without lines where fewer than three stars are left.
    """
    return tuple(_measure_bin(stars, flux_bin, middle) for flux_bin in bins)


def _measure_bin(stars: StarPairs, flux_bin: FluxBin, middle: float | None) -> SlopeFit:
    inside = (stars.flux >= flux_bin.lo) & (stars.flux < flux_bin.hi)
    y, ratio, flux = stars.y[inside], stars.ratio[inside], stars.flux[inside]
    magnitude = 2.5 * np.log10(ratio)
    kept = clip_line(y, magnitude)
    try:
        lines = [_on_all_points(fit_line(y[kept], values[kept]), kept) for values in (ratio, magnitude)]
        if middle is not None:
            for values, there in ((ratio, 1.0), (magnitude, 0.0)):
                lines.append(_on_all_points(fit_line_through(y[kept], values[kept], middle, there), kept))
    except NotEnoughPointsError:
        return SlopeFit(flux_bin, len(y), _mean_flux(flux), None, None)
    return SlopeFit(flux_bin, lines[0].n_points, _mean_flux(flux[kept]), *lines)


def _mean_flux(flux: np.ndarray) -> float:
    """The geometric mean: a line through all stars has the mean of their losses, which run with the logarithm.

    At the arithmetic one the losses of a factor of 2 in flux would be 0.8 %, those of a factor of 4 3 % too large.
    """
    return float(np.exp(np.mean(np.log(flux)))) if len(flux) else np.nan


def _on_all_points(fit: LineFit, kept: np.ndarray) -> LineFit:
    """The same fit, its `kept` telling of all points and not only of those that were fitted."""
    values = {name: getattr(fit, name) for name in fit.__dataclass_fields__}
    return LineFit(**(values | {"kept": kept}))


def loss(slope: ArrayLike, unit: str) -> Any:
    """CTE loss of a nominal pair from its slope.

    On equal chips the ratio changes by what both of them lose, hence the half.

    Parameters
    ----------
    slope : float or ndarray
        d(2.5 log10(F1/F2))/dy [mag/px] for the unit 'mag', d(F1/F2)/dy [1/px] for 'flux'; or its error.
    unit : {'mag', 'flux'}
        mag per 2051 px or flux fraction per 2048 px.
    """
    return np.asarray(slope) / 2 * {"mag": ROWS, "flux": ROWS_PER_FLUX_LOSS}[unit]
