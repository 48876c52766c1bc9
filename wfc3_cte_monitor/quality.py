"""What must not enter a slope: the pixels of a chip sorted by their quality, and the flags of stars that they give.

One definition for every engine of photometry. Inside this module positions are 0-based.
"""

from dataclasses import replace

import numpy as np
import sep
from scipy.spatial import cKDTree

from wfc3_cte_monitor.records import Flag, PixelMasks
from wfc3_cte_monitor.uvis import zero_based

__all__ = ["HOT_BITS", "pixel_masks", "with_stars", "flagged", "neighbour_light"]

_SATURATED_BITS = 256 | 2048
_COSMIC_RAY_BITS = 4096 | 8192
HOT_BITS = 16 | 64
"""Hot and warm pixels."""
_COSMIC_RAY_MARGIN = 1.5
"""A hit this far outside the aperture still has its wings in it [px]."""
_TRAIL = 5
"""Rows behind a hit, away from the amplifier, that its trail lights up. With them, a tenth more of the stars that a hit
changes by more than their error are found, and a tenth of the clean stars goes (docs/sky_and_crowding.md) [px]."""

_NEIGHBOUR_REACH = 6.0
"""Outside an aperture's rim, beyond which a neighbour's light is not looked for [px]."""
_MAX_NEIGHBOUR_LIGHT = 0.1
"""Largest neighbours' part of an aperture's light."""
_MIN_SKY_PIXELS = 30
_MAX_MASK = 17.0
"""Radius of the largest mask of a star [px]. The halo outside lies under its neighbours too and is part of their sky.
In ten dense fields the sky was off by +0.034, +0.013, +0.001, -0.022 e-/px (+- 0.006) with 14, 17, 20, 30 px; what
faint stars lose came out 0.006 mag lower with 30 than with 14 (docs/sky_and_crowding.md)."""


def pixel_masks(image, bad_dq_bits, cosmic_ray=None):
    """Sort the pixels of a chip by their data quality.

    Parameters
    ----------
    image : `records.ChipImage`
    bad_dq_bits : int
        Data-quality bits of bad pixels. Pixels that are not finite are bad too.
    cosmic_ray : ndarray of bool, optional
        Hits beside those that the data quality tells. The first pixels of their trails go with them; a hot or warm
        pixel among them is bad.

    Returns
    -------
    masks : `records.PixelMasks`
    """
    hit = (image.dq & _COSMIC_RAY_BITS) != 0
    bad = ((image.dq & bad_dq_bits) != 0) | ~np.isfinite(image.data)
    if cosmic_ray is not None:
        # A hot pixel that stands out like a hit is bad, but its harm ends at the rim of an aperture.
        hot = (image.dq & HOT_BITS) != 0
        hit, bad = _with_trails(hit | (cosmic_ray & ~bad & ~hot), image.chip), bad | (cosmic_ray & hot)
    return PixelMasks(
        bad=bad,
        saturated=(image.dq & _SATURATED_BITS) != 0,
        cosmic_ray=hit,
        star=np.zeros(image.dq.shape, dtype=bool),
    )


def with_stars(masks, image, positions, largest=None):
    """The masks with the pixels in which stars of the catalogue outshine the sky: they tell nothing about it.

    Parameters
    ----------
    masks : `records.PixelMasks`
    image : `records.ChipImage`
    positions : `records.StarPositions`
    largest : float, optional
        Radius that the mask of a bright star may have (default 17) [px].
    """
    x, y = zero_based(positions.x), zero_based(positions.y)
    data = image.data
    # Where a pixel is not finite, neither is the sum, whose star then has the smallest mask.
    sums = np.nan_to_num(sep.sum_circle(data, x, y, 3.0, subpix=0)[0], posinf=0.0, neginf=0.0)
    flux = np.clip(sums - np.pi * 9.0 * float(np.nanmedian(data[::7, ::7])), 0, None)
    radius = np.clip(1.3 * np.maximum(flux, 1.0) ** 0.25, 3.5, largest or _MAX_MASK)
    star = np.zeros(data.shape, dtype=bool)
    sep.mask_ellipse(star, x, y, 1.0, 1.0, 0.0, radius)
    return replace(masks, star=star)


def _with_trails(hit, chip):
    """Hits and the pixels behind them: above on chip 2, which reads out downwards, below on chip 1."""
    trailed = hit.copy()
    for rows in range(1, _TRAIL + 1):
        if chip == 2:
            trailed[rows:] |= hit[:-rows]
        else:
            trailed[:-rows] |= hit[rows:]
    return trailed


def flagged(photometry, masks):
    """Measured stars with everything flagged that is wrong with them.

    Parameters
    ----------
    photometry : `records.Photometry`
        As an engine gives it; the flags that it has stay.
    masks : `records.PixelMasks`

    Returns
    -------
    photometry : `records.Photometry`
    """
    x, y = zero_based(photometry.positions.x), zero_based(photometry.positions.y)
    radii = np.asarray(photometry.aprads, dtype=float)
    flags = (
        photometry.flags
        | _pixel_flags(masks, x, y, radii)
        | _where(np.isnan(photometry.positions.shift), Flag.NOT_CENTRED)
        | _where(photometry.n_sky < _MIN_SKY_PIXELS, Flag.NO_SKY)
        | _where(~np.isfinite(photometry.flux + photometry.flux_err), Flag.NOT_FINITE)
        | _where(_crowded(x, y, photometry.flux, radii), Flag.CROWDED)
    )
    return replace(photometry, flags=flags)


def _where(condition, flag):
    return np.where(condition, int(flag), 0)


def _pixel_flags(masks, x, y, radii):
    """Flags, shape (n_apertures, n), from the pixels that each aperture covers, even in part."""
    rows, columns = masks.bad.shape
    edge_distance = np.minimum.reduce([x + 0.5, y + 0.5, columns - 0.5 - x, rows - 0.5 - y])
    bad, saturated, hit = _nearest(
        (masks.bad, masks.saturated, masks.cosmic_ray), x, y, radii.max() + _COSMIC_RAY_MARGIN
    )
    return (
        _where(edge_distance < radii[:, None], Flag.EDGE)
        | _where(bad < radii[:, None], Flag.BAD_PIXEL)
        | _where(saturated < radii[:, None], Flag.SATURATED)
        | _where(hit < radii[:, None] + _COSMIC_RAY_MARGIN, Flag.COSMIC_RAY)
    )


def _nearest(masks, x, y, reach):
    """Distance of each star from the nearest point of a masked pixel of each mask, shape (n_masks, n) [px].

    Infinite beyond `reach`. Masked pixels are few: to look for those near each star is ten times as fast as to sum
    masks in apertures.
    """
    nearest = np.full((len(masks), len(x)), np.inf)
    masked = np.flatnonzero(np.logical_or.reduce(masks))
    if not len(masked) or not len(x):
        return nearest
    row, column = np.divmod(masked, masks[0].shape[1])
    pixels, stars = cKDTree(np.stack([column, row], axis=1)), cKDTree(np.stack([x, y], axis=1))
    pairs = stars.sparse_distance_matrix(pixels, reach + np.sqrt(0.5), output_type="ndarray")
    star, pixel = pairs["i"], pairs["j"]
    across, along = (np.abs(a[star] - b[pixel]) - 0.5 for a, b in ((x, column), (y, row)))
    distance = np.hypot(np.maximum(across, 0), np.maximum(along, 0))
    for mask, values in zip(masks, nearest, strict=True):
        chosen = mask.ravel()[masked[pixel]]
        np.minimum.at(values, star[chosen], distance[chosen])
    return nearest


def _crowded(x, y, flux, radii):
    """True, shape (n_apertures, n), where the catalogue's other stars light up the aperture too much."""
    crowded = np.zeros(flux.shape, dtype=bool)
    if len(x) < 2:
        return crowded
    first, second = _near_pairs(x, y, _NEIGHBOUR_REACH + radii.max())
    distance = np.hypot(x[first] - x[second], y[first] - y[second])
    brightness = np.maximum(np.nan_to_num(flux[0]), 0)
    for k, radius in enumerate(radii):
        light = _sums_of_others(first, second, brightness, _share_inside(distance, radius))
        crowded[k] = light > _MAX_NEIGHBOUR_LIGHT * np.maximum(np.nan_to_num(flux[k]), 0)
    return crowded


def neighbour_light(x, y, light, reach):
    """The light of all others around each star.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        [px]
    light : ndarray, shape (n,)
    reach : float
        How far others count [px].

    Returns
    -------
    others : ndarray, shape (n,)
        In the unit of `light`.
    """
    return _sums_of_others(*_near_pairs(x, y, reach), light, 1.0)


def _near_pairs(x, y, reach):
    """Indices of the two stars of every pair within some pixels."""
    return cKDTree(np.stack([x, y], axis=1)).query_pairs(reach, output_type="ndarray").T


def _sums_of_others(first, second, light, share):
    """For each star, the light of all that it is paired with, times a share per pair."""
    n = len(light)
    return np.bincount(first, share * light[second], n) + np.bincount(second, share * light[first], n)


def _share_inside(distance, radius):
    """Part of a neighbour's light that falls into an aperture: 1/2 at its rim, with a wing of 1 % a few px outside.

    A rough shape, good enough to tell which apertures are crowded, and not to correct a flux with.
    """
    outside = distance - radius
    return 1 / (1 + np.exp(outside / 0.55)) * 0.97 + 0.03 * np.exp(-np.maximum(outside, 0) / 2.0)
