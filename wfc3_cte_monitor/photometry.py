"""Aperture photometry of known stars: centroids, sky, exact apertures. Arrays in, `Photometry` out.

Inside this module positions are 0-based; they are converted where they come in and go out, in
`find` and `measure`.
"""

import numpy as np
import sep
from scipy.spatial import cKDTree
from scipy.special import erf

from wfc3_cte_monitor.records import Photometry, StarPositions
from wfc3_cte_monitor.uvis import one_based, zero_based

__all__ = ["HOW", "find", "measure", "centroids", "annulus_sky"]

HOW = {
    "sky": "catalogue stars and bad pixels masked, mean clipped at 3 sigma about the median",
    "recentred": "Gaussian fitted to 5 x 5 pixels",
}
"""For the head of a coefficient file."""

FWHM = 1.8
"""Of the UVIS point-spread function [px]."""

_STAMP = np.arange(-2, 3)
"""Pixels of the fit of a centre, in x and in y."""
_CORE_SIGMA = 0.72
"""Of the UVIS point-spread function before the pixels blur it to its FWHM [px]."""
_WEIGHT_SIGMA = 2.0
"""How fast a pixel's say falls with its distance from the centre [px]."""
_CENTRE_STEPS = 15
_CENTRE_TOLERANCE = 1e-3
_LARGEST_STEP = 0.5
"""[px]"""

_CENTROID_WIDTH = 2.0
"""Error of a centroid times the signal to noise of its star [px]: 0.75 across columns, 2-3 along them with trails."""
_BRIGHT_ERROR = 0.03
"""Of the centroids that say how the catalogue lies on the image [px]."""
_MIN_BRIGHT = 10
"""Stars needed to say it."""
_MAX_DEVIATION = 3.0
"""Between centroid and catalogue, in standard errors of both."""
_MIN_SCATTER = 0.01
"""The catalogue is never known better [px]."""


_CLIP_SIGMA = 3.0
_CLIP_ITERATIONS = 10
_END = 48
"""Pixels that clipping may take at either end of a row of sky pixels before it is done in another way."""
_CHUNK = 500
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
    if setup.trust_catalog and centred.any():
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
    Apertures weight a pixel by the exact part of it that they cover.
    """
    data, x, y = _finite(image.data), zero_based(positions.x), zero_based(positions.y)
    sky, sky_std, n_sky = annulus_sky(data, masks.not_sky, x, y, *setup.sky_annulus)
    radii = np.asarray(setup.aprads, dtype=float)
    n_pixels = np.pi * radii[:, None] ** 2
    counts = np.stack([_aperture_sums(data, x, y, radius) for radius in radii]) - n_pixels * sky
    return Photometry.of_counts(
        positions,
        setup.aprads,
        counts,
        n_pixels,
        sky=(sky, sky_std, n_sky),
        area=area,
        background_removed=image.background_removed,
    )


def _finite(data):
    """sep reads whole pixels even where they are masked, and a NaN would spoil the sum."""
    finite = np.isfinite(data)
    return data if finite.all() else np.where(finite, data, np.float32(0))


# ---- Centroids -------------------------------------------------------------------------------------------------------


def centroids(data, x, y, max_shift):
    """Centres of a pixel-integrated Gaussian of fixed width, fitted to 5 x 5 pixels by Gauss-Newton steps.

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
        False also for a star that fell onto a neighbour of the catalogue.

    Notes
    -----
    A step solves d = A g + b + A (dg/dx sx + dg/dy sy) for A, b, A sx, A sy, all stars at once; pixels count by a
    Gaussian about the present centre, so that neighbours pull less. docs/photometry.md has the comparison that it won.
    """
    xc, yc = np.array(x, dtype=float), np.array(y, dtype=float)
    centred = np.zeros(len(xc), dtype=bool)
    column, row = _stamp_centre(xc, data.shape[1]), _stamp_centre(yc, data.shape[0])
    active = np.flatnonzero(_on_stamp(xc, column) & _on_stamp(yc, row))
    for _ in range(_CENTRE_STEPS):
        column[active] = _followed(column[active], xc[active], data.shape[1])
        row[active] = _followed(row[active], yc[active], data.shape[0])
        active = active[_on_stamp(xc[active], column[active]) & _on_stamp(yc[active], row[active])]
        if not active.size:
            break
        step, light = _centre_step(data, xc[active], yc[active], column[active], row[active])
        xc[active] += step[:, 0]
        yc[active] += step[:, 1]
        still = np.hypot(*step.T) < _CENTRE_TOLERANCE
        centred[active] = light & still
        active = active[light & ~still]
    centred &= (xc - x) ** 2 + (yc - y) ** 2 <= max_shift**2
    centred &= ~_fallen(x, y, xc, yc, centred, max_shift)
    return np.where(centred, xc, x), np.where(centred, yc, y), centred


def _stamp_centre(position, size):
    """The pixel of a position, away from the rim of the chip so that the stamp is whole; 0 where there is none."""
    pixel = np.rint(np.nan_to_num(position, nan=0.0)).astype(int)
    return np.clip(pixel, _STAMP[-1], size - 1 - _STAMP[-1])


def _followed(pixel, position, size):
    """The stamp moves only when the centre has clearly left its pixel: else two stamps could take turns for ever."""
    return np.where(np.abs(position - pixel) > 0.7, _stamp_centre(position, size), pixel)


def _on_stamp(position, pixel):
    return np.abs(position - pixel) <= _STAMP[-1] + 0.5


def _centre_step(data, x, y, column, row):
    """Next step (x, y), shape (n, 2), and whether there is a star at all: a positive amplitude."""
    stamps = data[row[:, None, None] + _STAMP[:, None], column[:, None, None] + _STAMP]
    in_x, gram_x = _line_basis(x - column)
    in_y, gram_y = _line_basis(y - row)
    # Of star, d/dx, d/dy and sky, each is a product of one line function in y and one in x: (0) star, (1) slope, (2) 1.
    of_y, of_x = np.array([0, 0, 1, 2]), np.array([0, 1, 0, 2])
    normal = gram_y[:, of_y[:, None], of_y] * gram_x[:, of_x[:, None], of_x]
    right = (in_y @ stamps @ in_x.transpose(0, 2, 1))[:, of_y, of_x]
    amplitude, dx, dy, _ = np.linalg.solve(normal, right[..., None])[..., 0].T
    light = amplitude > 0
    step = np.stack([dx, dy], axis=1) / np.where(light, amplitude, np.inf)[:, None]
    return np.clip(step, -_LARGEST_STEP, _LARGEST_STEP), light


def _line_basis(centre):
    """Star, its derivative and 1 along a line of pixels, weighted: shape (n, 3, 5); and their products, (n, 3, 3)."""
    offset = _STAMP - centre[:, None]
    edges = np.concatenate([offset - 0.5, offset[:, -1:] + 0.5], axis=1) / (np.sqrt(2.0) * _CORE_SIGMA)
    density = np.exp(-(edges**2)) / (np.sqrt(2.0 * np.pi) * _CORE_SIGMA)
    basis = np.stack([np.diff(erf(edges), axis=1) / 2, -np.diff(density, axis=1), np.ones_like(offset)], axis=1)
    weighted = basis * np.exp(-0.5 * (offset / _WEIGHT_SIGMA) ** 2)[:, None, :]
    return weighted, np.einsum("nai,nbi->nab", weighted, basis)


def _fallen(x, y, xc, yc, centred, max_shift):
    """Stars that share the centre of a neighbour: of two that came to less than half their distance, who moved more."""
    fallen = np.zeros(len(xc), dtype=bool)
    index = np.flatnonzero(centred)
    if index.size < 2:
        return fallen
    tree = cKDTree(np.stack([xc[index], yc[index]], axis=1))
    first, second = index[tree.query_pairs(2 * max_shift, output_type="ndarray")].T
    after = np.hypot(xc[first] - xc[second], yc[first] - yc[second])
    close = after < 0.5 * np.hypot(x[first] - x[second], y[first] - y[second])
    shift = np.hypot(xc - x, yc - y)
    fallen[np.where(shift[first] > shift[second], first, second)[close]] = True
    return fallen


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
    # A star with a motion of its own is where it is, whatever the catalogue says.
    weight[np.abs(found - expected - shift) > _MAX_DEVIATION * np.sqrt(variance + error**2)] = 1
    return np.where(centred, weight * found + (1 - weight) * (expected + shift), found)


# ---- Sky -------------------------------------------------------------------------------------------------------------


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
    padded = np.full((data.shape[0] + 2 * border, data.shape[1] + 2 * border), np.float32(np.nan))
    np.copyto(padded[border:-border, border:-border], data, where=~masked)
    offsets = _annulus_offsets(inner, outer) @ (padded.shape[1], 1)
    column, row = np.rint(x).astype(int) + border, np.rint(y).astype(int) + border
    centre = row * padded.shape[1] + column
    chunks = [_clipped_mean(padded.ravel().take(c[:, None] + offsets)) for c in _chunks(centre)]
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

    Clipping takes a few pixels at either end of a sorted row, so that sums are those of all less those of its ends;
    rows that lose more are done by `_clipped_mean_of_many`.
    """
    ordered = np.sort(pixels, axis=1)
    number = np.count_nonzero(np.isfinite(ordered), axis=1)
    row, ends = np.arange(len(ordered)), np.arange(min(_END, ordered.shape[1]))
    middle = _slice_median(np.nan_to_num(ordered), 0 * number, number)
    # About the median, lest the squares of a bright sky drown its scatter.
    offset = ordered - middle[:, None]
    low_end, high_end = offset[:, ends], offset[row[:, None], np.maximum(number[:, None] - 1 - ends, 0)]
    high_end[ends >= number[:, None]] = np.nan
    offset = np.nan_to_num(offset, copy=False)
    total = offset.sum(axis=1), np.einsum("ij,ij->i", offset, offset)
    cut_low, cut_high = ([_cumulative(np.nan_to_num(end) ** power) for power in (1, 2)] for end in (low_end, high_end))
    n_low, n_high = 0 * number, 0 * number
    for _ in range(_CLIP_ITERATIONS):
        mean, std = _moments_without_ends(total, cut_low, cut_high, n_low, n_high, number)
        median = _slice_median(offset, n_low, number - n_high)
        new_low = np.maximum(n_low, np.count_nonzero(low_end < (median - _CLIP_SIGMA * std)[:, None], axis=1))
        new_high = np.maximum(n_high, np.count_nonzero(high_end > (median + _CLIP_SIGMA * std)[:, None], axis=1))
        if np.array_equal(new_low, n_low) and np.array_equal(new_high, n_high):
            break
        n_low, n_high = new_low, new_high
    mean, std = _moments_without_ends(total, cut_low, cut_high, n_low, n_high, number)
    mean, left = mean + middle, number - n_low - n_high
    many = np.flatnonzero(np.maximum(n_low, n_high) == len(ends))
    if many.size:
        mean[many], std[many], left[many] = _clipped_mean_of_many(ordered[many])
    return mean, std, left


def _moments_without_ends(total, cut_low, cut_high, n_low, n_high, number):
    row, left = np.arange(len(number)), (number - n_low - n_high).astype(float)
    left[left <= 0] = np.nan
    first, second = (
        t - low[row, n_low] - high[row, n_high] for t, low, high in zip(total, cut_low, cut_high, strict=True)
    )
    mean = first / left
    return mean, np.sqrt(np.maximum(second / left - mean**2, 0))


def _clipped_mean_of_many(ordered):
    """The same for sorted rows that may lose any number of pixels: limits by bisection, means from cumulative sums."""
    first, last = np.zeros(len(ordered), dtype=int), np.count_nonzero(np.isfinite(ordered), axis=1)
    values = np.nan_to_num(ordered, nan=0.0)
    sums, squares = _cumulative(values), _cumulative(np.square(values, dtype=float))
    for _ in range(_CLIP_ITERATIONS):
        _, std = _slice_moments(sums, squares, first, last)
        median = _slice_median(values, first, last)
        low, high = (median + sign * _CLIP_SIGMA * std for sign in (-1, 1))
        new_first = _bisected(values, low, first, last, np.less)
        new_last = _bisected(values, high, first, last, np.less_equal)
        if np.array_equal(new_first, first) and np.array_equal(new_last, last):
            break
        first, last = new_first, np.maximum(new_last, new_first)
    mean, std = _slice_moments(sums, squares, first, last)
    return mean, std, last - first


def _bisected(ordered, limit, first, last, below):
    """Where in the slice of each row the values end that are `below` its limit."""
    low, high, row = first.copy(), last.copy(), np.arange(len(ordered))
    for _ in range(int(ordered.shape[1]).bit_length()):
        middle = (low + high) // 2
        go_up = (low < high) & below(ordered[row, np.minimum(middle, ordered.shape[1] - 1)], limit)
        low, high = np.where(go_up, middle + 1, low), np.where(go_up, high, middle)
    return low


def _cumulative(values):
    """Sums of the first 0, 1, ... values of each row."""
    sums = np.zeros((len(values), values.shape[1] + 1))
    np.cumsum(values, axis=1, dtype=float, out=sums[:, 1:])
    return sums


def _slice_moments(sums, squares, first, last):
    row, number = np.arange(len(sums)), (last - first).astype(float)
    number[number == 0] = np.nan
    mean = (sums[row, last] - sums[row, first]) / number
    variance = (squares[row, last] - squares[row, first]) / number - mean**2
    return mean, np.sqrt(np.maximum(variance, 0))


def _slice_median(values, first, last):
    row, width = np.arange(len(values)), values.shape[1]
    low, high = (first + last - 1) // 2, (first + last) // 2
    return 0.5 * (values[row, np.clip(low, 0, width - 1)] + values[row, np.clip(high, 0, width - 1)].astype(float))


# ---- Apertures -------------------------------------------------------------------------------------------------------


def _aperture_sums(data, x, y, radius):
    """Sums with exact pixel overlap; NaN where the aperture lies wholly outside."""
    sums, _, _ = sep.sum_circle(data, x, y, radius, subpix=0)
    return np.asarray(sums)
