"""What the detector does to the light: photon and read noise, cosmic rays, bad pixels, full wells."""

import numpy as np

__all__ = ["cosmic_rays", "bad_pixels", "damaged", "saturated", "FULL_WELL", "READ_NOISE", "dark_rate"]

READ_NOISE = 3.1
"""[e-]"""

FULL_WELL = 68000.0
"""[e-]"""

DQ_BAD, DQ_HOT, DQ_SATURATED, DQ_FLAT = 4, 16, 256, 512
"""Data-quality bits: bad pixel, hot pixel, full well, bad in the flat."""

_HIT_RATE = 1.0
_PIXEL_CM2 = 15e-4**2
_TRACK_LENGTH = 4.7
_DEPOSIT_MEDIAN = 1000.0
_DEPOSIT_SIGMA = 0.8
_STEP = 0.1

_BAD_FRACTION = 0.003


def dark_rate(d):
    """Dark current, which has grown over the years [e-/px/s], at d = MJD - 55400."""
    return 7e-4 * (1.0 + max(d, 0.0) / 1500.0)


def cosmic_rays(shape, exptime, rng):
    """Charge that cosmic rays leave.

    One hit per cm^2 and second; straight tracks of exponential length and any direction, which touch seven pixels
    in the mean (1 + 4/pi times the length); a log-normal deposit with a median of 1000 e-, evenly along the track.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    exptime : float
        [s]
    rng : `numpy.random.Generator`

    Returns
    -------
    image : ndarray, shape `shape`
        [e-]
    """
    n_rows, n_columns = shape
    number = rng.poisson(_HIT_RATE * _PIXEL_CM2 * exptime * n_rows * n_columns)
    row, column = rng.uniform(0, n_rows, number), rng.uniform(0, n_columns, number)
    length, angle = rng.exponential(_TRACK_LENGTH, number), rng.uniform(0, 2 * np.pi, number)
    deposit = _DEPOSIT_MEDIAN * np.exp(_DEPOSIT_SIGMA * rng.standard_normal(number))
    n_steps = np.ceil(length / _STEP).astype(int) + 1
    track = np.repeat(np.arange(number), n_steps)
    along = _STEP * (np.arange(track.size) - np.repeat(np.cumsum(n_steps) - n_steps, n_steps))
    i = np.floor(row[track] + along * np.sin(angle[track])).astype(int)
    j = np.floor(column[track] + along * np.cos(angle[track])).astype(int)
    inside = (i >= 0) & (i < n_rows) & (j >= 0) & (j < n_columns)
    charge = (deposit / n_steps)[track][inside]
    return np.bincount(i[inside] * n_columns + j[inside], charge, n_rows * n_columns).reshape(shape)


def bad_pixels(shape, rng):
    """Data-quality bits of the detector itself, shape `shape`, int16: 0.3 % bad, hot or bad in the flat."""
    dq = np.zeros(shape, np.int16)
    index = rng.choice(dq.size, round(_BAD_FRACTION * dq.size), replace=False)
    dq.flat[index] = rng.choice(np.array((DQ_BAD, DQ_HOT, DQ_FLAT), np.int16), index.size)
    return dq


def damaged(image, dq, rng):
    """An image as the bad pixels show it: bad ones lose their charge, hot ones gain hundreds of electrons."""
    hot = (dq & DQ_HOT) > 0
    image = np.where(dq & DQ_BAD, 0.3 * image, np.where(dq & DQ_FLAT, 0.9 * image, image))
    image[hot] += rng.exponential(300.0, np.count_nonzero(hot))
    return image


def saturated(image, dq):
    """An image clipped at the full well, and its data-quality bits."""
    full = image >= FULL_WELL
    return np.where(full, FULL_WELL, image), np.where(full, dq | DQ_SATURATED, dq).astype(np.int16)
