"""Which detections are stars: what several exposures say of each of them."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from wfc3_cte_monitor.records import Flag

__all__ = ["StarMeasurements", "combine"]

_MIN_EXPOSURES = 2
_MIN_SIGNIFICANCE = 5.0
"""Of all exposures together."""
_MIN_SECOND = 3.0
"""Of the second best exposure: a cosmic ray is in one alone."""
_MIN_PEAK = 10.0
"""On the mosaic, which leaves bad pixels and cosmic rays out, of what they spoil in every single exposure."""
_ARTEFACT_REACH = 50.0
"""[px]"""
_ARTEFACT_RATIO, _ARTEFACT_CORE, _ARTEFACT_POWER = 4e-3, 5.0, 1.5
"""What is by this factor fainter than a star within 5 px, or fainter yet further out, may be a part of its image; and
what has a brighter neighbour within 5 px and no centroid anywhere is a piece of a blend."""
_SATURATED_LIGHT = 3.0
"""A saturated star is brighter than its pixels by about this factor."""
_HALO_REACH, _HALO_RATIO = 15.0, 0.05
"""What has no sky of its own and is so much fainter than a star so near is in its halo [px]."""
_HARMLESS = Flag.CROWDED | Flag.NOT_CENTRED


@dataclass(frozen=True)
class StarMeasurements:
    """Detections as the exposures measure them; arrays of shape (n_exposures, n)."""

    rate: np.ndarray
    """[e-/s]; NaN where one is not on a chip or cannot be measured."""
    rate_err: np.ndarray
    flags: np.ndarray
    """Bits of `records.Flag`; -1 where one is not on a chip."""
    core: np.ndarray
    """Significance of the innermost light; NaN where a cosmic ray or a bad pixel lies in it, infinite where it leaves
    no sky around."""
    ra: np.ndarray
    """Of the centroid [deg]; NaN where that failed."""
    dec: np.ndarray


def combine(measured, x, y, ra, dec, peak, flux):
    """Combine the exposures, and tell stars from cosmic rays, hot pixels and parts of bright stars.

    Parameters
    ----------
    measured : `StarMeasurements`
    x, y : ndarray, shape (n,)
        On the mosaic [px].
    ra, dec : ndarray, shape (n,)
        On the mosaic [deg]; they serve where no exposure has a centroid.
    peak : ndarray, shape (n,)
        Significance of the brightest pixel on the mosaic; it decides where no exposure has a good flux.
    flux : ndarray, shape (n,)
        On the mosaic [e-/s].

    Returns
    -------
    columns : dict of ndarray, shape (n,)
        ra, dec [deg], rate, rate_err [e-/s] (NaN where no exposure has a flux), n_exposures (that look there), n_good
        (of them without a flag that spoils the flux), saturated, crowded, flags (all that any exposure has), is_star.
    """
    on_chip = measured.flags >= 0
    finite = on_chip & np.isfinite(measured.rate) & (measured.rate_err > 0)
    good = finite & ((measured.flags & ~int(_HARMLESS)) == 0)
    used = np.where(good.any(axis=0), good, finite)
    rate, rate_err = _mean(measured.rate, measured.rate_err, used)
    saturated = _in_most(measured.flags, Flag.SATURATED, on_chip)
    own_ra, own_dec = _position(measured, used)
    centred = np.isfinite(own_ra + own_dec)
    brightness = flux * np.where(saturated, _SATURATED_LIGHT, 1)
    no_sky = _in_most(measured.flags, Flag.NO_SKY, on_chip)
    seen = on_chip.sum(axis=0) >= _MIN_EXPOSURES
    spoilt = _is_seen_spoilt(measured, on_chip, peak)
    believable = np.where(good.any(axis=0), _is_significant(measured, good, rate, rate_err), spoilt)
    return {
        "ra": np.where(centred, own_ra, ra),
        "dec": np.where(centred, own_dec, dec),
        "rate": rate,
        "rate_err": rate_err,
        "n_exposures": on_chip.sum(axis=0),
        "n_good": good.sum(axis=0),
        "saturated": saturated,
        "crowded": _in_most(measured.flags, Flag.CROWDED, on_chip),
        "flags": np.bitwise_or.reduce(np.where(on_chip, measured.flags, 0), axis=0),
        "is_star": seen & (believable | saturated) & ~_is_artefact(x, y, brightness, no_sky, centred),
    }


def _mean(values, errors, used):
    """Weighted mean of the values used in each column, and its standard error; NaN where there is none."""
    weight = np.where(used, 1 / np.where(used, errors, 1) ** 2, 0)
    total = weight.sum(axis=0)
    total = np.where(total > 0, total, np.nan)
    return (weight * np.where(used, values, 0)).sum(axis=0) / total, 1 / np.sqrt(total)


def _in_most(flags, flag, on_chip):
    marked = (on_chip & ((flags & int(flag)) != 0)).sum(axis=0)
    return (marked > 0) & (2 * marked >= on_chip.sum(axis=0))


def _position(measured, used):
    centred = used & np.isfinite(measured.ra)
    centred = np.where(centred.any(axis=0), centred, np.isfinite(measured.ra))
    # Differences from one of them: RA may straddle 0.
    first = centred.argmax(axis=0), np.arange(centred.shape[1])
    errors = np.where(np.isfinite(measured.rate_err), measured.rate_err, np.inf)
    east = (measured.ra - measured.ra[first] + 180) % 360 - 180
    d_ra, _ = _mean(east, errors, centred & np.isfinite(errors))
    dec, _ = _mean(measured.dec, errors, centred & np.isfinite(errors))
    return (measured.ra[first] + d_ra) % 360, dec


def _is_significant(measured, good, rate, rate_err):
    significance = np.where(good, measured.rate / np.where(good, measured.rate_err, 1), -np.inf)
    second = np.sort(significance, axis=0)[-2] if len(significance) > 1 else np.full(good.shape[1], -np.inf)
    enough = (good.sum(axis=0) == 1) | (second >= _MIN_SECOND)
    return good.any(axis=0) & enough & (rate >= _MIN_SIGNIFICANCE * rate_err)


def _is_seen_spoilt(measured, on_chip, peak):
    """Whether something whose flux is spoilt in every exposure shows an unspoilt core in one of them."""
    return (peak >= _MIN_PEAK) & (on_chip & (measured.core >= _MIN_SIGNIFICANCE)).any(axis=0)


def _is_artefact(x, y, brightness, no_sky, centred):
    """Whether something may be a part of a brighter star near it."""
    artefact = np.zeros(len(x), dtype=bool)
    places = np.column_stack([x, y])
    near = cKDTree(places).query_pairs(_ARTEFACT_REACH, output_type="ndarray")
    for one, other in (near.T, near.T[::-1]):
        distance = np.maximum(np.hypot(*(places[one] - places[other]).T), _ARTEFACT_CORE)
        ratio = brightness[one] / brightness[other]
        part = ratio < _ARTEFACT_RATIO * (_ARTEFACT_CORE / distance) ** _ARTEFACT_POWER
        part |= no_sky[one] & (distance < _HALO_REACH) & (ratio < _HALO_RATIO)
        part |= ~centred[one] & (distance <= _ARTEFACT_CORE) & (ratio < 1)
        artefact[one[part & (brightness[other] > 0)]] = True
    return artefact
