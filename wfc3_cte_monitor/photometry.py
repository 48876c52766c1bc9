"""Aperture photometry of known stars: centroids, sky, exact apertures. Arrays in, `Photometry` out.

Inside this module positions are 0-based; they are converted where they come in and go out, in
`find` and `measure`.
"""

import numpy as np
import sep

from wfc3_cte_monitor.records import Photometry, StarPositions
from wfc3_cte_monitor.uvis import one_based, zero_based

__all__ = ["find", "measure", "centroids", "annulus_sky"]

FWHM = 1.8
"""Of the UVIS point-spread function [px]."""

_CENTROID_WIDTH = 2.0
"""Error of a centroid times the signal to noise of its star [px]: 0.75 across columns, 2-3 along them with trails."""
_BRIGHT_ERROR = 0.03
"""Of the centroids that say how the catalogue lies on the image [px]."""
_MIN_BRIGHT = 10
"""Stars needed to say it."""
_MIN_SCATTER = 0.01
"""The catalogue is never known better [px]."""

_MAX_MASK = 14.0
"""Radius of the largest mask of a star [px]. The halo outside lies under its neighbours too and is part of their sky:
with 30 px their fluxes came out 2 e- higher (docs/sky_and_crowding.md)."""

_CLIP_SIGMA = 3.0
_CLIP_ITERATIONS = 10
_CHUNK = 1000
"""Stars whose annuli are in memory at once."""


def find(image, star_id, x, y, setup):
    """Recentre stars on the image, starting from where the catalogue has them.

    Parameters
    ----------
    image : `records.ChipImage`
    star_id : ndarray of int, shape (n,)
    x, y : ndarray, shape (n,)
        1-based positions [px].
    setup : `records.PhotometrySetup`

    Returns
    -------
    positions : `records.StarPositions`
        A star whose centroid failed or moved too far stays where the catalogue has it, its shift NaN.

    Notes
    -----
    The centroid of a faint star follows the noise to where there is most light, and so do fluxes: far from the
    amplifier, where stars are faintest, they came out 8 e- too high, and the loss 0.03 mag too low at 250-500 e- and
    0.015 at 500-1000 (docs/sky_and_crowding.md). The catalogue, moved as the bright stars of the image say, often knows
    better. The two are averaged with the weights of their variances: a bright star is where its centroid is.
    """
    x0, y0 = zero_based(x), zero_based(y)
    data = _finite(image.data)
    xc, yc, centred = centroids(data, x0, y0, setup.max_shift)
    if centred.any():
        error = _centroid_error(data, xc, yc)
        xc, yc = _with_catalog(xc, x0, error, centred), _with_catalog(yc, y0, error, centred)
    shift = np.where(centred, np.hypot(xc - x0, yc - y0), np.nan)
    return StarPositions(np.asarray(star_id), one_based(xc), one_based(yc), shift)


def measure(image, masks, positions, area, setup):
    """Measure stars where they are.

    Parameters
    ----------
    image : `records.ChipImage`
    masks : `records.PixelMasks`
        Pixels that are not sky.
    positions : `records.StarPositions`
        Of n stars.
    area : ndarray, shape (n,)
        Area of the pixels under the stars, relative to the one that fluxes are quoted for.
    setup : `records.PhotometrySetup`

    Returns
    -------
    photometry : `records.Photometry`
        Without flags; `quality.flagged` finds them.

    Notes
    -----
    Apertures weight a pixel by the exact part of it that they cover. The standard error of a flux F from the sum of
    A pixels, with the sky's scatter s of N pixels, is that of its photons, of the pixels under it, and of the sky
    that was subtracted: sqrt(F + A s^2 + A^2 s^2 / N).
    """
    data, x, y = _finite(image.data), zero_based(positions.x), zero_based(positions.y)
    sky, sky_std, n_sky = annulus_sky(data, masks.any | _star_mask(data, x, y), x, y, *setup.sky_annulus)
    radii = np.asarray(setup.aprads, dtype=float)
    pixels = np.pi * radii[:, None] ** 2
    counts = np.stack([_aperture_sums(data, x, y, radius) for radius in radii]) - pixels * sky
    variance = np.maximum(counts, 0) + pixels * sky_std**2 * (1 + pixels / np.maximum(n_sky, 1))
    flux, flux_err = counts * area, np.sqrt(variance) * area
    return Photometry(
        positions=positions,
        aprads=setup.aprads,
        flux=flux,
        flux_err=flux_err,
        flags=np.zeros(flux.shape, dtype=int),
        sky=sky,
        sky_std=sky_std,
        n_sky=n_sky,
        background=sky + image.background_removed,
    )


def _finite(data):
    """sep reads whole pixels even where they are masked, and a NaN would spoil the sum."""
    return np.where(np.isfinite(data), data, np.float32(0))


# ---- Centroids -------------------------------------------------------------------------------------------------------


def centroids(data, x, y, max_shift):
    """Windowed centroids, the window being as wide as the star (Bertin & Arnouts' XWIN_IMAGE).

    Parameters
    ----------
    data : ndarray, float32, shape (rows, columns)
        Finite everywhere.
    x, y : ndarray, shape (n,)
        First guess, 0-based [px].
    max_shift : float
        Largest distance from the first guess [px].

    Returns
    -------
    x, y : ndarray, shape (n,)
        The first guess where the centroid failed.
    centred : ndarray of bool, shape (n,)
    """
    if not len(x):
        return x, y, np.empty(0, dtype=bool)
    level = np.float32(np.median(data[::7, ::7]))
    xc, yc, failed = sep.winpos(data - level, x, y, FWHM / 2.3548)
    # The shift is limited by its square: NaN compares false and so counts as failed.
    centred = (failed == 0) & ((xc - x) ** 2 + (yc - y) ** 2 <= max_shift**2)
    return np.where(centred, xc, x), np.where(centred, yc, y), centred


def _centroid_error(data, x, y):
    """Standard error of the centroids in one coordinate, shape (n,) [px]; infinite where there is no light."""
    sample = data[::7, ::7]
    level = np.median(sample)
    noise = 1.4826 * np.median(np.abs(sample - level))
    flux, pixels = _aperture_sums(data, x, y, 3.0) - np.pi * 9.0 * level, np.pi * 9.0
    flux = np.where(flux > 0, flux, 1e-9)
    return _CENTROID_WIDTH * np.sqrt(flux + pixels * noise**2) / flux


def _with_catalog(found, expected, error, centred):
    """Centroids drawn to where catalogue and bright stars expect them, as far as these are the more certain."""
    bright = centred & (error < _BRIGHT_ERROR)
    if np.count_nonzero(bright) < _MIN_BRIGHT:
        return found
    moved = (found - expected)[bright]
    shift = np.median(moved)
    scatter = (1.4826 * np.median(np.abs(moved - shift))) ** 2 - np.median(error[bright]) ** 2
    variance = max(scatter, _MIN_SCATTER**2)
    weight = variance / (variance + error**2)
    return np.where(centred, weight * found + (1 - weight) * (expected + shift), found)


# ---- Sky -------------------------------------------------------------------------------------------------------------


def _star_mask(data, x, y):
    """The pixels in which a star of the catalogue outshines the sky: they tell nothing about it."""
    level = float(np.median(data[::7, ::7]))
    flux = np.clip(_aperture_sums(data, x, y, 3.0) - np.pi * 9.0 * level, 0, None)
    radius = np.clip(1.3 * np.maximum(flux, 1.0) ** 0.25, 3.5, _MAX_MASK)
    mask = np.zeros(data.shape, dtype=bool)
    sep.mask_ellipse(mask, x, y, 1.0, 1.0, 0.0, radius)
    return mask


def annulus_sky(data, masked, x, y, inner, outer):
    """Mean of the unmasked pixels of an annulus, clipped at 3 sigma about the median until nothing changes.

    Parameters
    ----------
    data : ndarray, float32, shape (rows, columns)
    masked : ndarray of bool, same shape
        Pixels that are not sky.
    x, y : ndarray, shape (n,)
        0-based positions [px].
    inner, outer : float
        Radii of the annulus [px].

    Returns
    -------
    sky : ndarray, shape (n,)
        Per pixel, in the unit of `data`; NaN where no pixel is left.
    std : ndarray, shape (n,)
        Scatter of the pixels used.
    n_pixels : ndarray of int, shape (n,)
    """
    border = int(np.ceil(outer)) + 1
    padded = np.pad(np.where(masked, np.float32(np.nan), data), border, constant_values=np.nan)
    offsets = _annulus_offsets(inner, outer) @ (padded.shape[1], 1)
    column, row = np.rint(x).astype(int) + border, np.rint(y).astype(int) + border
    centre = row * padded.shape[1] + column
    chunks = [_clipped_mean(padded.ravel()[c[:, None] + offsets]) for c in _chunks(centre)]
    if not chunks:
        return np.empty(0), np.empty(0), np.empty(0, dtype=int)
    return tuple(np.concatenate(parts) for parts in zip(*chunks, strict=True))


def _chunks(values):
    return [values[start : start + _CHUNK] for start in range(0, len(values), _CHUNK)]


def _annulus_offsets(inner, outer):
    """(row, column) offsets of the pixels whose centre lies in the annulus, shape (n, 2)."""
    reach = int(np.ceil(outer))
    offsets = np.stack(np.mgrid[-reach : reach + 1, -reach : reach + 1], axis=-1).reshape(-1, 2)
    distance = np.hypot(*offsets.T)
    return offsets[(distance >= inner) & (distance < outer)]


def _clipped_mean(pixels):
    """Clipped mean, scatter and number of each row of `pixels`, where NaN is no pixel.

    Sorted once, a row's pixels within any limits are a slice, so that means come from cumulative sums.
    """
    ordered = np.sort(pixels, axis=1)
    first, last = np.zeros(len(ordered), dtype=int), np.count_nonzero(np.isfinite(ordered), axis=1)
    values = np.nan_to_num(ordered, nan=0.0).astype(float)
    sums, squares = _cumulative(values), _cumulative(values**2)
    for _ in range(_CLIP_ITERATIONS):
        mean, std = _slice_moments(sums, squares, first, last)
        median = _slice_median(values, first, last)
        low, high = (median + sign * _CLIP_SIGMA * std for sign in (-1, 1))
        new_first = np.maximum(first, np.count_nonzero(ordered < low[:, None], axis=1))
        new_last = np.minimum(last, np.count_nonzero(ordered <= high[:, None], axis=1))
        if np.array_equal(new_first, first) and np.array_equal(new_last, last):
            break
        first, last = new_first, np.maximum(new_last, new_first)
    mean, std = _slice_moments(sums, squares, first, last)
    return mean, std, last - first


def _cumulative(values):
    return np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)


def _slice_moments(sums, squares, first, last):
    row, number = np.arange(len(sums)), (last - first).astype(float)
    number[number == 0] = np.nan
    mean = (sums[row, last] - sums[row, first]) / number
    variance = (squares[row, last] - squares[row, first]) / number - mean**2
    return mean, np.sqrt(np.maximum(variance, 0))


def _slice_median(values, first, last):
    row, width = np.arange(len(values)), values.shape[1]
    low, high = (first + last - 1) // 2, (first + last) // 2
    return 0.5 * (values[row, np.clip(low, 0, width - 1)] + values[row, np.clip(high, 0, width - 1)])


# ---- Apertures -------------------------------------------------------------------------------------------------------


def _aperture_sums(data, x, y, radius):
    """Sums with exact pixel overlap; NaN where the aperture lies wholly outside."""
    sums, _, _ = sep.sum_circle(data, x, y, radius, subpix=0)
    return np.asarray(sums)
