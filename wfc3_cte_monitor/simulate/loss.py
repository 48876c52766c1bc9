"""The CTE loss that is put into the exposures: one stated surface, and a factor for background and correction."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from wfc3_cte_monitor.uvis import MJD_ZERO, ROWS

__all__ = ["SURFACE", "F_RANGE", "loss_factor", "true_loss", "mid_flux", "remaining"]

# S = A(d) + B(d) (4.9 - f)^2 with A and B quadratic in d: positive, and falling with f, up to f = 4.9. A and B
# grow differently with time, so that the surface is not a product of a function of d and a function of f.
_A = np.array([1.0e-2, 1.23e-5, 1.0e-9])
_B = np.array([6.5e-3, 1.77e-5, -5.0e-10])

SURFACE = np.outer(_A, (1.0, 0.0, 0.0)) + np.outer(_B, (4.9**2, -2 * 4.9, 1.0))
"""c_ij of S(d, f) = sum c_ij d^i f^j [mag per 2051 px], shape (3, 3): FLT, no post-flash."""

F_RANGE = (2.2, 4.8)
"""f is clipped to this range before the surface is evaluated [dex of e-]."""

_FLASH_SCALE = 8.0
_FLC_FRACTION = 0.2
_ITERATIONS = 12


def loss_factor(flashlvl: float, ctecorr: bool) -> float:
    """What the surface is multiplied with.

    Parameters
    ----------
    flashlvl : float
        Post-flash that the charge met [e-/px].
    ctecorr : bool
        True for an FLC.

    Returns
    -------
    factor : float
        1 / (1 + flashlvl / 8), and a fifth of it in an FLC.
    """
    return (_FLC_FRACTION if ctecorr else 1.0) / (1.0 + flashlvl / _FLASH_SCALE)


def true_loss(d: ArrayLike, f: ArrayLike, flashlvl: float = 0.0, ctecorr: bool = False) -> Any:
    """The loss S that the simulation contains.

    Parameters
    ----------
    d : float or array_like
        MJD - 55400 [days].
    f : float or array_like
        log10 of the 3-px flux of a star that has lost half a chip's worth [dex of e-]; clipped to `F_RANGE`.
    flashlvl : float, optional
        Post-flash [e-/px].
    ctecorr : bool, optional
        True for an FLC.

    Returns
    -------
    loss : float or ndarray
        [mag per 2051 px]
    """
    surface = np.polynomial.polynomial.polyval2d(*np.broadcast_arrays(d, np.clip(f, *F_RANGE)), SURFACE)
    return loss_factor(flashlvl, ctecorr) * surface


def mid_flux(flux_3, mjd, flashlvl=0.0, ctecorr=False):
    """3-px flux of a star after half a chip of transfers.

    Solves F_mid = F 10^(-0.4 S/2), S = S(d, log10 F_mid), by iteration; a step shrinks the error more than tenfold.

    Parameters
    ----------
    flux_3 : array_like, shape (n,)
        3-px flux before any loss [e-].
    mjd : float
        Start of the exposure [MJD].
    flashlvl, ctecorr
        As in `true_loss`.

    Returns
    -------
    flux : ndarray, shape (n,)
        [e-]
    """
    flux = np.asarray(flux_3, dtype=float)
    for _ in range(_ITERATIONS):
        flux = flux_3 * 10 ** (-0.2 * true_loss(mjd - MJD_ZERO, np.log10(flux), flashlvl, ctecorr))
    return flux


def remaining(flux_3, n_transfers, mjd, flashlvl=0.0, ctecorr=False):
    """The part of a star's light that arrives at the amplifier.

    exp(-k n) with k = S ln(10) / 2.5 / 2051 and S at the star's `mid_flux`.

    Parameters
    ----------
    flux_3 : array_like, shape (n,)
        3-px flux before any loss [e-].
    n_transfers : array_like, shape (n,)
        [px]
    mjd, flashlvl, ctecorr
        As in `mid_flux`.

    Returns
    -------
    fraction : ndarray, shape (n,)
    """
    f = np.log10(mid_flux(flux_3, mjd, flashlvl, ctecorr))
    loss = true_loss(mjd - MJD_ZERO, f, flashlvl, ctecorr)
    return np.exp(-loss * np.log(10) / 2.5 / ROWS * np.asarray(n_transfers))
