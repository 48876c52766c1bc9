"""The sky beside each star: the clipped mean of an annulus; positions are 0-based."""

import numpy as np

__all__ = ["annulus_sky"]

_CLIP_SIGMA = 3.0
_CLIP_ITERATIONS = 10
_END = 48
"""Pixels that clipping may take at either end of a row of sky pixels before it is done in another way."""
_CHUNK = 500
"""Stars whose annuli are in memory at once."""


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
    sky, std, n_pixels = np.empty(len(centre)), np.empty(len(centre)), np.empty(len(centre), dtype=int)
    # Row after row, so that the annuli of a chunk lie near each other in memory.
    order = np.argsort(centre)
    for start in range(0, len(order), _CHUNK):
        chunk = order[start : start + _CHUNK]
        pixels = padded.ravel().take(centre[chunk, None] + offsets)
        sky[chunk], std[chunk], n_pixels[chunk] = _clipped_mean(pixels)
    return sky, std, n_pixels


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
    none = np.isnan(ordered)
    number = ordered.shape[1] - np.count_nonzero(none, axis=1)
    row, ends = np.arange(len(ordered)), np.arange(min(_END, ordered.shape[1]))
    middle = np.nan_to_num(_slice_median(ordered, 0 * number, number))
    # About the median, lest the squares of a bright sky drown its scatter.
    offset = ordered - middle[:, None]
    low_end, high_end = offset[:, ends], offset[row[:, None], np.maximum(number[:, None] - 1 - ends, 0)]
    high_end[ends >= number[:, None]] = np.nan
    offset[none] = 0
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
