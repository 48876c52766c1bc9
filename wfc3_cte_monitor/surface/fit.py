"""Losses of many pairs -> the nine coefficients of S(d, f), with their covariance."""

from math import comb

import numpy as np

from wfc3_cte_monitor.errors import NotEnoughPointsError, UndeterminedFitError
from wfc3_cte_monitor.records import CteSurface
from wfc3_cte_monitor.uvis import MJD_ZERO

__all__ = ["fit_surface", "predict", "finest_bins", "MIN_STARS"]

MIN_STARS = 10
"""Stars that a pair must have in a bin to take part: the error of fewer is itself too uncertain to be a weight."""

_TERMS = 3
"""Powers 0, 1, 2 in each of d and f."""


def finest_bins(bins):
    """The bins that contain no other bin, in order: overlapping ones would count their stars twice.

    Parameters
    ----------
    bins : iterable of `records.FluxBin`
    """
    bins = sorted(set(bins))
    return [b for b in bins if not any(o != b and b.lo <= o.lo and o.hi <= b.hi for o in bins)]


def fit_surface(mjd, log_flux, loss, loss_err, epoch, flux_group, unit):
    """Fit S(d, f) = sum over i, j = 0..2 of c_ij d^i f^j to all epochs of a set together.

    With n epochs the powers of d go up to n - 1 at the most, with n groups of flux those of f likewise. Where the
    points do not determine all of these, the highest power of d is given up, and the next. The missing coefficients
    are 0. Points whose loss or error is not finite take no part.

    Parameters
    ----------
    mjd, log_flux, loss, loss_err : ndarray, shape (n,)
        Date [MJD], log10 of the mean flux [e-], loss and its standard error.
    epoch, flux_group : ndarray of int, shape (n,)
        Which epoch and which flux bin a point belongs to.
    unit : {'mag', 'flux'}
        Unit of the loss.

    Returns
    -------
    surface : `records.CteSurface`

    Raises
    ------
    NotEnoughPointsError
        Fewer points than coefficients of a surface that does not change in time.
    UndeterminedFitError
        The points do not determine even those.
    """
    good = np.isfinite(log_flux) & np.isfinite(loss) & np.isfinite(loss_err) & (np.asarray(loss_err) > 0)
    if not good.any():
        raise NotEnoughPointsError(0, 1)
    d, f, s, err = (np.asarray(v, dtype=float)[good] for v in (np.asarray(mjd) - MJD_ZERO, log_flux, loss, loss_err))
    n_epochs, n_groups = len(np.unique(np.asarray(epoch)[good])), len(np.unique(np.asarray(flux_group)[good]))
    d_scale, f_scale = _scale(d), _scale(f)
    terms, design, (solution, covariance, rank) = _highest_determined(
        _scaled(d, d_scale), _scaled(f, f_scale), s, err, min(n_epochs, _TERMS), min(n_groups, _TERMS)
    )
    to_plain = np.kron(_unscaling(terms[0], *d_scale), _unscaling(terms[1], *f_scale))
    place = np.arange(_TERMS**2).reshape(_TERMS, _TERMS)[: terms[0], : terms[1]].ravel()
    coefficients, full_covariance = np.zeros(_TERMS**2), np.zeros((_TERMS**2, _TERMS**2))
    coefficients[place] = to_plain @ solution
    full_covariance[np.ix_(place, place)] = to_plain @ covariance @ to_plain.T
    return CteSurface(
        coefficients=coefficients.reshape(_TERMS, _TERMS),
        covariance=full_covariance,
        unit=unit,
        rank=rank,
        chi2=float(np.sum(((s - design @ solution) / err) ** 2)),
        n_points=len(s),
        n_epochs=n_epochs,
        d_range=(float(d.min()), float(d.max())),
        f_range=(float(f.min()), float(f.max())),
    )


def predict(surface, mjd, log_flux):
    """Evaluate a surface.

    Parameters
    ----------
    surface : `records.CteSurface`
    mjd, log_flux : array_like
        Date [MJD] and log10 of sqrt(F1 F2) [e-]; they broadcast.

    Returns
    -------
    loss, loss_err : ndarray
        In the unit of the surface, with the standard error that its covariance gives.
    """
    d, f = np.broadcast_arrays(np.asarray(mjd, dtype=float) - MJD_ZERO, np.asarray(log_flux, dtype=float))
    row = _design(d, f, (_TERMS, _TERMS))
    variance = np.einsum("...i,ij,...j->...", row, surface.covariance, row)
    return row @ surface.coefficients.ravel(), np.sqrt(np.maximum(variance, 0))


def _design(d, f, terms):
    """d^i f^j, shape (..., n_i n_j), j running fastest."""
    powers_d = np.stack([d**i for i in range(terms[0])], axis=-1)
    powers_f = np.stack([f**j for j in range(terms[1])], axis=-1)
    return (powers_d[..., :, None] * powers_f[..., None, :]).reshape(*np.shape(d), -1)


def _scale(values):
    """Centre and half width, so that scaled values lie in -1..1 and their powers are well conditioned."""
    return 0.5 * (values.max() + values.min()), 0.5 * np.ptp(values) or 1.0


def _scaled(values, scale):
    return (values - scale[0]) / scale[1]


def _unscaling(n, centre, width):
    """Matrix from coefficients of powers of (v - centre) / width to those of powers of v, shape (n, n)."""
    return np.array(
        [[comb(k, i) * (-centre) ** (k - i) / width**k if i <= k else 0.0 for k in range(n)] for i in range(n)]
    )


def _highest_determined(d, f, values, errors, terms_d, terms_f):
    """Terms, design and solution with as many powers of d as the points determine."""
    design = _design(d, f, (terms_d, terms_f))
    try:
        return (terms_d, terms_f), design, _weighted_least_squares(design, values, errors)
    except (NotEnoughPointsError, UndeterminedFitError):
        if terms_d == 1:
            raise
        return _highest_determined(d, f, values, errors, terms_d - 1, terms_f)


def _weighted_least_squares(design, values, errors):
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
    return inverse @ (u.T @ (values / errors)), inverse @ inverse.T, rank


_RANK_TOLERANCE = 1e-3
"""A direction of which the scaled, weighted points tell less than this part of what they tell of the best one is not
determined. Ten epochs in six flux bins reach 0.05-0.15, three epochs of which two are a month apart 0.004; where a
power is told by nothing but the jitter of the mean fluxes within a bin, 0.000004.
"""
