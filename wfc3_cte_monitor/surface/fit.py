"""Losses of many pairs -> the nine coefficients of S(d, f), with their covariance."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from wfc3_cte_monitor.errors import NotEnoughPointsError, UndeterminedFitError
from wfc3_cte_monitor.records import CteSurface, FluxBin
from wfc3_cte_monitor.surface.basis import (
    TERMS,
    intrinsic_scatter,
    powers,
    scale_of,
    scaled,
    unscaling,
    weighted_least_squares,
)
from wfc3_cte_monitor.uvis import MJD_ZERO

__all__ = ["fit_surface", "finest_bins", "MIN_STARS"]

MIN_STARS = 10
"""Stars that a pair must have in a bin to take part: the error of fewer is itself too uncertain to be a weight."""


def finest_bins(bins: Iterable[FluxBin]) -> list[FluxBin]:
    """The bins that contain no other bin, in order: overlapping ones would count their stars twice.

    Parameters
    ----------
    bins : iterable of `records.FluxBin`
    """
    bins = sorted(set(bins))
    return [b for b in bins if not any(o != b and b.lo <= o.lo and o.hi <= b.hi for o in bins)]


def fit_surface(
    mjd: ArrayLike,
    log_flux: ArrayLike,
    loss: ArrayLike,
    loss_err: ArrayLike,
    epoch: ArrayLike,
    flux_group: ArrayLike,
    unit: str,
) -> CteSurface:
    """Fit S(d, f) = sum over i, j = 0..2 of c_ij d^i f^j to all epochs of a set together.

    With n epochs the powers of d go up to n - 1 at the most, with n groups of flux those of f likewise. Where the
    points do not determine all of these, the highest power of d is given up, and the next. The missing coefficients
    are 0. Points whose loss or error is not finite take no part. What scatters more than the standard errors say is
    fitted as an intrinsic scatter, which all points share, and is part of their weights.

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
    d_scale, f_scale = scale_of(d), scale_of(f)
    terms, design, scatter, (solution, covariance, _) = _highest_determined(
        scaled(d, d_scale), scaled(f, f_scale), s, err, min(n_epochs, TERMS), min(n_groups, TERMS)
    )
    to_plain = np.kron(unscaling(terms[0], *d_scale), unscaling(terms[1], *f_scale))
    place = np.arange(TERMS**2).reshape(TERMS, TERMS)[: terms[0], : terms[1]].ravel()
    coefficients, full_covariance = np.zeros(TERMS**2), np.zeros((TERMS**2, TERMS**2))
    coefficients[place] = to_plain @ solution
    full_covariance[np.ix_(place, place)] = to_plain @ covariance @ to_plain.T
    return CteSurface(
        coefficients=coefficients.reshape(TERMS, TERMS),
        covariance=full_covariance,
        unit=unit,
        rank=len(solution),
        chi2=float(np.sum(((s - design @ solution) / err) ** 2)),
        n_points=len(s),
        n_epochs=n_epochs,
        d_range=(float(d.min()), float(d.max())),
        f_range=(float(f.min()), float(f.max())),
        scatter=scatter,
    )


def _highest_determined(
    d: np.ndarray, f: np.ndarray, values: np.ndarray, errors: np.ndarray, terms_d: int, terms_f: int
) -> tuple[tuple[int, int], np.ndarray, float, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Terms, design, scatter and solution with as many powers of d as the points determine."""
    # f runs fastest, as in the coefficients.
    design = (powers(d, terms_d)[:, None] * powers(f, terms_f)).reshape(terms_d * terms_f, -1).T
    try:
        weighted_least_squares(design, values, errors)  # determined at all, before anything is made of it
        scatter = intrinsic_scatter(design, values, errors)
        solved = weighted_least_squares(design, values, np.hypot(errors, scatter))
    except (NotEnoughPointsError, UndeterminedFitError):
        if terms_d == 1:
            raise
        return _highest_determined(d, f, values, errors, terms_d - 1, terms_f)
    return (terms_d, terms_f), design, scatter, solved
