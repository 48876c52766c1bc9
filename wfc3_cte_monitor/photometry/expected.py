"""Where faint stars are, told by the catalogue and by the bright stars of the image; positions are 0-based."""

import numpy as np

from wfc3_cte_monitor.photometry.apertures import aperture_sums

__all__ = ["centroid_error", "with_catalog"]

_CENTROID_WIDTH = 2.0
"""Error of a centroid times the signal to noise of its star [px]. Noise alone makes it 0.9; trails, which draw a
centroid along its column, count as noise, too: with 0, 0.9, 1.5, 2, 3 the loss at 250-500 e- was off by -0.055, -0.044,
-0.031, -0.028, -0.027 mag (+- 0.007) on eight dense fields read out through traps."""
_BRIGHT_ERROR = 0.03
"""Of the centroids that say how the catalogue lies on the image [px]."""
_MIN_BRIGHT = 10
"""Stars needed to say it."""
_MAX_DEVIATION = 3.0
"""Between centroid and catalogue, in standard errors of both."""
_MIN_SCATTER = 0.01
"""The catalogue is never known better [px]."""


def centroid_error(data, x, y):
    """Standard error of the centroids in one coordinate, shape (n,) [px]; infinite where there is no light."""
    sample = data[::7, ::7]
    level = np.median(sample)
    noise = 1.4826 * np.median(np.abs(sample - level))
    flux, pixels = aperture_sums(data, x, y, 3.0) - np.pi * 9.0 * level, np.pi * 9.0
    flux = np.where(flux > 0, flux, 1e-9)
    return _CENTROID_WIDTH * np.sqrt(flux + pixels * noise**2) / flux


def with_catalog(found, expected, error, centred):
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
