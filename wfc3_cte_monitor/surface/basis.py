"""Polynomials of scaled variables, and weighted least squares with what the errors do not explain."""

from math import comb

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc

from wfc3_cte_monitor.errors import NotEnoughPointsError, UndeterminedFitError

__all__ = [
    "TERMS",
    "powers",
    "scale_of",
    "scaled",
    "unscaling",
    "weighted_least_squares",
    "intrinsic_scatter",
]

TERMS = 3
"""Powers 0, 1, 2 in date and flux."""

_RANK_TOLERANCE = 1e-3
"""A direction of which the scaled, weighted points tell less than this part of what they tell of the best one is not
determined. Ten epochs in six flux bins reach 0.05-0.15, three epochs of which two are a month apart 0.004; where a
power is told by nothing but the jitter of the mean fluxes within a bin, 0.000004.
"""
_BY_CHANCE = 0.01
"""A chi^2 that is exceeded more often than this by points that have no intrinsic scatter is no sign of it."""
_ENOUGH = 1e-6
"""Of the degrees of freedom: so near to them chi^2 need not come."""
_MOST_STEPS = 50


def powers(values: ArrayLike, n: int = TERMS) -> np.ndarray:
    """1, v, v^2, ..., shape (n, ...)."""
    values = np.asarray(values, dtype=float)
    return np.stack([values**k for k in range(n)])


def scale_of(values: np.ndarray) -> tuple[float, float]:
    """Centre and half width, so that scaled values lie in -1..1 and their powers are well conditioned."""
    return 0.5 * (values.max() + values.min()), 0.5 * np.ptp(values) or 1.0


def scaled(values: np.ndarray, scale: tuple[float, float]) -> np.ndarray:
    """(values - centre) / half width."""
    return (values - scale[0]) / scale[1]


def unscaling(n: int, centre: float, width: float) -> np.ndarray:
    """Matrix from coefficients of powers of (v - centre) / width to those of powers of v, shape (n, n)."""
    return np.array(
        [[comb(k, i) * (-centre) ** (k - i) / width**k if i <= k else 0.0 for k in range(n)] for i in range(n)]
    )


def weighted_least_squares(
    design: np.ndarray, values: np.ndarray, errors: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The solution, its covariance, and the orthonormal columns that span the weighted design.

    Parameters
    ----------
    design : ndarray, shape (n, p)
    values, errors : ndarray, shape (n,)

    Returns
    -------
    solution : ndarray, shape (p,)
    covariance : ndarray, shape (p, p)
    u : ndarray, shape (n, p)
        u u^T is the matrix from weighted values to weighted fitted ones.

    Raises
    ------
    NotEnoughPointsError
        Fewer points than coefficients.
    UndeterminedFitError
        The points do not determine all of them.
    """
    n_points, n_terms = design.shape
    if n_points < n_terms:
        raise NotEnoughPointsError(n_points, n_terms)
    weighted = design / errors[:, None]
    length = np.linalg.norm(weighted, axis=0)
    length[length == 0] = 1.0
    u, singular, vt = np.linalg.svd(weighted / length, full_matrices=False)
    rank = int(np.count_nonzero(singular > singular[0] * _RANK_TOLERANCE))
    if rank < n_terms:
        raise UndeterminedFitError(rank, n_terms)
    inverse = vt.T / singular / length[:, None]
    return inverse @ (u.T @ (values / errors)), inverse @ inverse.T, u


def intrinsic_scatter(design: np.ndarray, values: np.ndarray, errors: np.ndarray) -> float:
    """The scatter beyond the standard errors, with which chi^2 becomes the number of degrees of freedom.

    The estimator of Paule & Mandel (1982), by the Newton steps of DerSimonian & Kacker (2007): chi^2 falls with the
    scatter and is convex, so that from 0 they come near without ever going past.

    Parameters
    ----------
    design : ndarray, shape (n, p)
        Of rank p.
    values, errors : ndarray, shape (n,)

    Returns
    -------
    scatter : float
        In the unit of the values; 0 where chance may be all of it (chi^2 test, 1 %), or where nothing is left to tell.
    """
    free = design.shape[0] - design.shape[1]
    chi2 = _chi2(design, values, errors**2)
    if free < 1 or chdtrc(free, chi2.sum()) > _BY_CHANCE:
        return 0.0
    variance = 0.0
    for _ in range(_MOST_STEPS):
        excess = chi2.sum() - free
        if excess <= _ENOUGH * free:
            break
        variance += excess / np.sum(chi2 / (errors**2 + variance))
        chi2 = _chi2(design, values, errors**2 + variance)
    return float(np.sqrt(variance))


def _chi2(design: np.ndarray, values: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Squared residuals of a fit in units of the variance, shape (n,)."""
    weighted = design / variance[:, None]
    return (values - design @ np.linalg.solve(weighted.T @ design, weighted.T @ values)) ** 2 / variance
