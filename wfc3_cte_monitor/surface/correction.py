"""Fluxes corrected for what their charge lost on its way, for one or more surfaces of different backgrounds."""

from collections.abc import Sequence

import numpy as np

from wfc3_cte_monitor.surface.evaluate import Surface, of_flux, variance
from wfc3_cte_monitor.uvis import MJD_ZERO, ROWS

__all__ = ["correct", "shares_of", "common_range"]


def correct(
    surfaces: Sequence[Surface],
    backgrounds: Sequence[float],
    flux: np.ndarray,
    n_transfers: np.ndarray,
    mjd: np.ndarray,
    background: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The magnitudes by which stars are too faint.

    The loss is S n / 2051 with S = S(d, f_mid), f_mid = log10 of the flux after half a chip of transfers, which is
    f_mid = f + 0.4 S (n / 2051 - 1/2) of a star that has log flux f after n (METHOD section 7): in f_mid, of which S
    has no higher power than the second, a quadratic equation. Outside of the fluxes that the surfaces were fitted to, S
    is that at the nearer end of them. Between surfaces S is interpolated linearly in the logarithm of the background.

    Parameters
    ----------
    surfaces : sequence of `records.CteSurface`, or of one `records.BackgroundSurface`
        In mag, shape (k,).
    backgrounds : sequence of float
        That they were measured at [e-/px], ascending, above 0; of no meaning for a single one.
    flux : ndarray, shape (n,)
        Measured [e-]; NaN and what is not positive gives NaN.
    n_transfers : ndarray, shape (n,)
        [px]
    mjd : ndarray, shape (n,)
    background : ndarray, shape (n,)
        [e-/px]

    Returns
    -------
    correction : ndarray, shape (n,)
        To be subtracted from a magnitude [mag].
    correction_err : ndarray, shape (n,)
        Standard error from the covariances of the surfaces and their intrinsic scatter [mag].
    f_mid : ndarray, shape (n,)
        log10 of the flux after half a chip of transfers [dex of e-].
    """
    # A flux that is not positive has no logarithm: its correction is NaN, with a flag.
    with np.errstate(invalid="ignore", divide="ignore"):
        f = np.where(flux > 0, np.log10(flux), np.nan)
    part, d = n_transfers / ROWS, mjd - MJD_ZERO
    shares = shares_of(backgrounds, background)
    known = list(zip(shares, surfaces, strict=True))
    of_f = sum((share * of_flux(surface, d, background) for share, surface in known), np.zeros(()))
    low, high = common_range([surface.f_range for surface in surfaces], shares)
    gain = 0.4 * (part - 0.5)
    f_mid = _solved(f, gain, of_f)
    f_used = np.clip(f_mid, low, high)
    loss, slope = _value(of_f, f_used), _derivative(of_f, f_used)
    outside = f_used != f_mid
    f_mid = np.where(outside, f + gain * loss, f_mid)
    # An error of S moves f_mid, too, and with it S.
    response = 1 / (1 - np.where(outside, 0.0, gain * slope))
    # The scatter is that of an epoch about the surface, and what is corrected is of some epoch.
    squared = sum(share**2 * (variance(s, d, f_used, background) + s.scatter**2) for share, s in known)
    return loss * part, np.sqrt(squared) * np.abs(response * part), f_mid


def shares_of(known: Sequence[float], wanted: np.ndarray) -> Sequence[np.ndarray | float]:
    """How much each known background counts at the wanted ones: hat functions of the logarithm.

    Parameters
    ----------
    known : sequence of float, shape (k,)
        Ascending, above 0 [e-/px].
    wanted : ndarray, shape (n,)
        [e-/px]

    Returns
    -------
    shares : list of ndarray or float
        k of shape (n,), of which at most two neighbours are not 0; 1 alone where one is known.
    """
    if len(known) == 1:
        return [1.0]
    logs = np.log(np.asarray(known, dtype=float))
    value = np.log(np.clip(wanted, known[0], known[-1]))
    return [np.interp(value, logs, hat) for hat in np.eye(len(known))]


def common_range(
    ranges: Sequence[tuple[float, float]], shares: Sequence[np.ndarray | float]
) -> tuple[np.ndarray, np.ndarray]:
    """What the ranges of those that count have in common.

    Parameters
    ----------
    ranges : sequence of (float, float), shape (k, 2)
    shares : list of ndarray or float
        Of `shares_of`.

    Returns
    -------
    low, high : ndarray, shape (n,), or float
    """
    low = [np.where(np.not_equal(share, 0), first, -np.inf) for (first, _), share in zip(ranges, shares, strict=True)]
    high = [np.where(np.not_equal(share, 0), last, np.inf) for (_, last), share in zip(ranges, shares, strict=True)]
    return np.max(low, axis=0), np.min(high, axis=0)


def _solved(f: np.ndarray, gain: np.ndarray, of_f: np.ndarray) -> np.ndarray:
    """The root of gain S(f_mid) + f - f_mid = 0 that becomes f where the gain vanishes."""
    a, b, c = gain * of_f[2], gain * of_f[1] - 1, gain * of_f[0] + f
    # Where there is none, far outside of the range, the vertex of the parabola: the end of the range is used there.
    return -2 * c / (b - np.sqrt(np.maximum(b**2 - 4 * a * c, 0)))


def _value(of_f: np.ndarray, f: np.ndarray) -> np.ndarray:
    return of_f[0] + f * (of_f[1] + f * of_f[2])


def _derivative(of_f: np.ndarray, f: np.ndarray) -> np.ndarray:
    return of_f[1] + 2 * f * of_f[2]
