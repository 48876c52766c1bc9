"""Cosmic rays, which calwf3 does not flag in FLT and FLC: found in one exposure, and masks of them."""

import warnings

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning
from astroscrappy.utils import dilate3, laplaceconvolve, medfilt3, medfilt5, rebin, subsample

from wfc3_cte_monitor.errors import UnusableExposureError, said

__all__ = ["find_cosmic_rays", "read_mask", "masked_in_cores"]

CORE_RADIUS = 2.0
"""Of a star image [px]."""

_SIGCLIP, _OBJLIM = 5.0, 10.0
"""Significance of a hit, and its contrast to the fine structure of a star.

With true 5 x 5 medians. On 350 s exposures read out through traps, with an undersampled core,
spikes and halo (docs/sky_and_crowding.md), this finds 72 % of the stars below 8000 e- whose 3-px flux a hit changes by
more than its error, and takes 4 % of clean ones below 2000 e-; with an objlim of 6 it finds 78 % and takes 12 %, with 4
85 % and 39 %: the loss is not measured better, and with fewer stars. The separable medians that are the usual choice
take 53 %.
"""
_SIGCLIP_BESIDE = 1.5
"""Significance of a pixel next to a hit that belongs to it."""

_THINNEST = 2
"""Rows or columns below which `medfilt5` writes past the end of its image, and the process dies, then or later [px]."""

_STRIP, _OVERLAP = 512, 32
"""Rows that are looked at together, and what they share with the next [px]."""


def find_cosmic_rays(image, good, objlim=_OBJLIM):
    """Cosmic rays of a single exposure by L.A.Cosmic (van Dokkum 2001, PASP 113, 1420).

    Parameters
    ----------
    image : `records.ChipImage`
    good : ndarray of bool, shape (rows, columns)
        False for pixels that are not to be judged (bad, not finite).
    objlim : float, optional
        Contrast of a hit to the fine structure of a star: the lower, the more hits are found, and clean stars taken.

    Returns
    -------
    hit : ndarray of bool, shape (rows, columns)
        No hits where there is a single row or column: nothing lies around a pixel to tell it from.
    """
    hit = np.zeros(good.shape, dtype=bool)
    if min(good.shape) < _THINNEST:
        return hit
    for start in range(0, len(good), _STRIP):
        # Nothing looks further than the overlap, so that strips find what the whole would, in a third of its memory.
        first, stop = max(start - _OVERLAP, 0), start + _STRIP
        rows = slice(first, stop + _OVERLAP)
        hit[start:stop] = _hits(image, image.data[rows], good[rows], objlim)[start - first :][:_STRIP]
    return hit


def _hits(image, data, good, objlim):
    """One iteration of `astroscrappy.detect_cosmics`, bit by bit, without the medians that decide nothing.

    It takes all of them on all pixels, which is three times the time. Further iterations look for fainter parts of
    hits in a cleaned image.
    """
    # The noise is that of all charge, with what calwf3 subtracted put back.
    charge = np.where(good, data, 0) + np.float32(image.background_removed)
    judged = ~_grown(~good)
    noise = np.sqrt(np.maximum(medfilt5(charge + np.float32(image.read_noise) ** 2), np.float32(1e-5)))
    peaks = rebin(np.maximum(laplaceconvolve(subsample(charge)), 0)) / (2 * noise)
    # What is subtracted is not negative: what is faint already stays faint.
    significance, bright = np.zeros_like(peaks), peaks > _SIGCLIP_BESIDE
    significance[bright] = peaks[bright] - _medians(peaks, bright, 2)
    found = judged & (significance > _SIGCLIP)
    fine = medfilt3(charge)
    structure = np.maximum((fine[found] - _medians(fine, found, 3)) / noise[found], np.float32(0.01))
    found[found] = significance[found] / structure > objlim
    for limit in (_SIGCLIP, _SIGCLIP_BESIDE):
        found = judged & _grown(found) & (significance > limit)
    return found


def _grown(mask):
    """With the pixels beside and across, as `astroscrappy` has it."""
    return dilate3(mask).astype(bool)


def _medians(image, wanted, reach):
    """Of the square around each wanted pixel; where the image ends within it, the pixel itself."""
    (rows, columns), (row, column) = image.shape, np.nonzero(wanted)
    medians = image[row, column]
    whole = (row >= reach) & (row < rows - reach) & (column >= reach) & (column < columns - reach)
    steps = range(-reach, reach + 1)
    places, values = (row * columns + column)[whole], image.ravel()
    squares = np.stack([values[places + dy * columns + dx] for dy in steps for dx in steps])
    squares.partition(len(squares) // 2, axis=0)
    medians[whole] = squares[len(squares) // 2]
    return medians


def read_mask(path, shape):
    """Read a cosmic-ray mask of AstroDrizzle's.

    Parameters
    ----------
    path : `pathlib.Path`
    shape : tuple
        Rows, columns of the chip.

    Returns
    -------
    hit : ndarray of bool, shape `shape`

    Raises
    ------
    UnusableExposureError
        It is damaged, or of another shape.
    """
    advice = "run run_adriz again, or use --maskcr n"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyUserWarning)  # the error that follows says the same
            good = fits.getdata(path)
    except Exception as error:  # astropy stumbles over damaged headers in many ways
        problem = f"not a cosmic-ray mask ({said(error)})"
        raise UnusableExposureError(path.name, f"{problem}; {advice}") from error
    if good.shape != tuple(shape):
        raise UnusableExposureError(path.name, f"is {good.shape}, the chip is {tuple(shape)}; {advice}")
    return good == 0


def masked_in_cores(hit, saturated, x, y):
    """How much of the star images a mask takes, beside how much it takes of all pixels.

    A mask that finds cosmic rays alone takes as much of the one as of the other.

    Parameters
    ----------
    hit, saturated : ndarray of bool, shape (rows, columns)
    x, y : ndarray, shape (n,)
        Of stars, 1-based [px]. Those with a saturated pixel in their core are left out.

    Returns
    -------
    in_cores, overall : float
        Fractions of the pixels within 2 px of the stars, and of all pixels; NaN where there are none.
    n_stars : int
    """
    rows, columns = hit.shape
    reach = int(CORE_RADIUS) + 1
    dy, dx = (offset.ravel() for offset in np.mgrid[-reach : reach + 1, -reach : reach + 1])
    i, j = np.rint(y).astype(int) - 1, np.rint(x).astype(int) - 1
    row, column = i[:, None] + dy, j[:, None] + dx
    near = np.hypot(row + 1 - y[:, None], column + 1 - x[:, None]) <= CORE_RADIUS
    near &= (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    row, column = row.clip(0, rows - 1), column.clip(0, columns - 1)
    clean = near.any(axis=1) & ~(saturated[row, column] & near).any(axis=1)
    core = near & clean[:, None]
    in_cores = hit[row, column][core].mean() if core.any() else np.nan
    return float(in_cores), float(hit.mean()), int(clean.sum())
