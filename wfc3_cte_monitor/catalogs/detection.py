"""Sources on an image."""

import warnings

import numpy as np

__all__ = ["find_sources"]

_APERTURE = 3.0
"""[px]"""
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
    # Its import takes a second, and catalogues are built once in years.
    from photutils.aperture import CircularAperture, aperture_photometry
    from photutils.detection import DAOStarFinder
    from photutils.utils.exceptions import NoDetectionsWarning

    finder = DAOStarFinder(n_sigma, fwhm, sharpness_range=(0.1, 1.0), min_separation=1.25 * fwhm)
    data, scatter = _over_sky(image, bad)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoDetectionsWarning)  # the answer says so
        found = finder.find_stars(data / scatter, mask=bad)
    if found is None:
        return np.empty(0), np.empty(0), np.empty(0), np.empty(0)
    x, y, peak = (np.asarray(found[name], dtype=float) for name in ("x_centroid", "y_centroid", "peak"))
    sums = aperture_photometry(data, CircularAperture(np.column_stack([x, y]), _APERTURE))
    return x + 1, y + 1, peak, np.asarray(sums["aperture_sum"], dtype=float)


def _over_sky(image, bad):
    """The image over its sky, 0 in bad pixels, and the scatter of the sky, infinite where there is none to hold to."""
    from photutils.background import Background2D

    data = np.where(bad, 0, image)
    try:
        sky = Background2D(data, _BOX, mask=bad, exclude_percentile=_MAX_MASKED)
    except ValueError:  # no box has enough pixels
        return data, np.full(data.shape, np.inf)
    scatter = sky.background_rms  # which is computed each time that it is asked for
    scatter = np.where(bad | ~(scatter > 0), np.inf, scatter)
    return np.where(bad, 0, data - sky.background), scatter
