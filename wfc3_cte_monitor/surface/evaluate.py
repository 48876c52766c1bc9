"""The value of a surface, and its error, at a date, a flux and a background."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from wfc3_cte_monitor.records import BackgroundSurface, CteSurface
from wfc3_cte_monitor.surface.basis import TERMS, powers
from wfc3_cte_monitor.uvis import MJD_ZERO

__all__ = ["Surface", "background_term", "of_flux", "predict", "variance"]

Surface = CteSurface | BackgroundSurface

_BLOCK = 16_384
"""Stars at a time: what is made of them stays near in memory."""


def background_term(form: str, offset: float, background: ArrayLike) -> np.ndarray:
    """The variable g that stands for the background.

    Parameters
    ----------
    form : {'log', 'inverse'}
    offset : float
        [e-/px]
    background : array_like
        [e-/px]; below 0, as noise may measure it, it counts as 0.

    Returns
    -------
    g : ndarray
        log10(background + offset), or offset / (background + offset), which traps that the background fills one after
        the other would give.
    """
    total = np.maximum(background, 0.0) + offset
    return np.log10(total) if form == "log" else offset / total


def _tensor(surface: Surface) -> np.ndarray:
    """Coefficients of d^i f^j g^k, shape (3, 3, K); K is 1 where the background has no say."""
    return surface.coefficients.reshape(TERMS, TERMS, -1)


def _background_powers(surface: Surface, background: np.ndarray) -> np.ndarray:
    """Powers of g, shape (K, n); beyond the backgrounds that were measured they are those at the nearer end."""
    n_powers = _tensor(surface).shape[2]
    if n_powers == 1 or isinstance(surface, CteSurface):
        return np.ones((1, 1))
    known = np.clip(background, *surface.background_range)
    return powers(background_term(surface.form, surface.offset, known), n_powers)


def of_flux(surface: Surface, d: np.ndarray, background: np.ndarray) -> np.ndarray:
    """The surface as a polynomial of f.

    Parameters
    ----------
    surface : `records.CteSurface` or `records.BackgroundSurface`
    d : ndarray, shape (n,)
        MJD - 55400 [days].
    background : ndarray, shape (n,)
        [e-/px]; of no meaning for a `records.CteSurface`.

    Returns
    -------
    coefficients : ndarray, shape (3, n)
        Of the powers 0, 1, 2 of f.
    """
    of_f_and_g = np.tensordot(_tensor(surface), powers(d), axes=(0, 0))
    return np.sum(of_f_and_g * _background_powers(surface, background), axis=1)


def variance(surface: Surface, d: np.ndarray, log_flux: np.ndarray, background: np.ndarray) -> np.ndarray:
    """The squared standard error that the covariance gives.

    Parameters
    ----------
    surface : `records.CteSurface` or `records.BackgroundSurface`
    d, log_flux, background : ndarray, shape (n,)

    Returns
    -------
    variance : ndarray, shape (n,)
    """
    blocks = _variance_of_blocks(surface, d, log_flux, background)
    return np.maximum(np.concatenate([*blocks, np.empty(0)]), 0.0)


def _variance_of_blocks(
    surface: Surface, d: np.ndarray, log_flux: np.ndarray, background: np.ndarray
) -> Iterator[np.ndarray]:
    """Row C row^T, a row being the powers of all terms that there are."""
    term = np.flatnonzero(np.diag(surface.covariance))
    i, j, k = np.unravel_index(term, _tensor(surface).shape)
    covariance = surface.covariance[np.ix_(term, term)]
    for start in range(0, len(d), _BLOCK):
        part = slice(start, start + _BLOCK)
        row = powers(d[part])[i] * powers(log_flux[part])[j] * _background_powers(surface, background[part])[k]
        yield np.einsum("tn,tn->n", covariance @ row, row)


def predict(
    surface: Surface, mjd: ArrayLike, log_flux: ArrayLike, background: ArrayLike = np.nan
) -> tuple[np.ndarray, np.ndarray]:
    """Evaluate a surface.

    Parameters
    ----------
    surface : `records.CteSurface` or `records.BackgroundSurface`
    mjd, log_flux : array_like
        Date [MJD] and log10 of sqrt(F1 F2) [e-]; they broadcast.
    background : array_like, optional
        [e-/px]; of no meaning for a `records.CteSurface`. Outside of what was measured the nearest of that counts.

    Returns
    -------
    loss, loss_err : ndarray
        In the unit of the surface, with the standard error that its covariance gives. The loss of a single pair, or of
        an observer's own stars, scatters by ``surface.scatter`` besides.
    """
    d = np.asarray(mjd, dtype=float) - MJD_ZERO
    d, f, background = np.broadcast_arrays(d, np.asarray(log_flux, float), np.asarray(background, float))
    d, f, background, shape = d.ravel(), f.ravel(), background.ravel(), d.shape
    loss = np.sum(of_flux(surface, d, background) * powers(f), axis=0)
    return loss.reshape(shape), np.sqrt(variance(surface, d, f, background)).reshape(shape)
