"""Sources on an image."""

import numpy as np
from photutils.aperture import CircularAperture, aperture_photometry
from photutils.background import Background2D
from photutils.detection import DAOStarFinder

__all__ = ["find_sources"]

_BOX = 64
_MAX_MASKED = 90.0
"""Per cent of a box of the background that may lie outside of the exposures."""


def find_sources(image, bad, *, n_sigma=5.0, fwhm=2.0):
    """Find stars by DAOFIND's matched filter (Stetson 1987, PASP 99, 191), as photutils has it.

    Parameters
    ----------
    image : ndarray, shape (rows, columns)
    bad : ndarray of bool, shape (rows, columns)
        Pixels that hold no sky.
    n_sigma : float, optional
        Detection limit, in the scatter of the sky around.
    fwhm : float, optional
        Of a star [px].

    Returns
    -------
    x, y : ndarray, shape (n,)
        1-based positions [px].
    peak : ndarray, shape (n,)
        Brightest pixel over the sky, in the scatter of the sky around.
    flux : ndarray, shape (n,)
        In 3 px over the sky of the surroundings, also of stars that fill any annulus [unit of the image].
    """
    data = np.where(bad, 0, image)
    sky = Background2D(data, _BOX, mask=bad, exclude_percentile=_MAX_MASKED)
    significance = np.where(bad, 0, (data - sky.background) / sky.background_rms)
    finder = DAOStarFinder(n_sigma, fwhm, sharpness_range=(0.1, 1.0), min_separation=1.25 * fwhm)
    found = finder.find_stars(significance, mask=bad)
    if found is None:
        return np.empty(0), np.empty(0), np.empty(0), np.empty(0)
    x, y, peak = (np.asarray(found[name], dtype=float) for name in ("x_centroid", "y_centroid", "peak"))
    sums = aperture_photometry(np.where(bad, 0, data - sky.background), CircularAperture(np.column_stack([x, y]), 3.0))
    return x + 1, y + 1, peak, np.asarray(sums["aperture_sum"], dtype=float)
