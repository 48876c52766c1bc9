"""Which master stars lie on a chip, and where, and what two exposures both see: through the full distortion."""

import numpy as np
from scipy.ndimage import zoom

from wfc3_cte_monitor.uvis import one_based

__all__ = ["stars_on_chip", "seen_by_others"]

_PRESELECTION_MARGIN = 100.0
"""The distortion of a chip moves its stars by less than this [px]."""


def stars_on_chip(wcs, shape, ra, dec, margin=0.5):
    """Positions of the stars that fall on a chip.

    The iterative inversion of the distortion diverges for stars far outside the frame, so that the linear part of
    the WCS chooses which stars to invert.

    Parameters
    ----------
    wcs : `astropy.wcs.WCS`
        With all distortions of the file.
    shape : tuple
        Rows, columns of the chip.
    ra, dec : ndarray, shape (n,)
        [deg]
    margin : float, optional
        How far outside the centres of the outermost pixels stars still count [px].

    Returns
    -------
    index : ndarray of int, shape (m,)
        Stars on the chip, as indices into `ra` and `dec`.
    x, y : ndarray, shape (m,)
        1-based positions [px].
    """
    ra, dec = np.asarray(ra, dtype=float), np.asarray(dec, dtype=float)
    # The far half of the sky projects to NaN, which is not inside.
    index = np.flatnonzero(_inside(*wcs.wcs_world2pix(ra, dec, 0), shape, margin + _PRESELECTION_MARGIN))
    if not index.size:
        return index, np.empty(0), np.empty(0)
    x, y = wcs.all_world2pix(ra[index], dec[index], 0, tolerance=1e-5, maxiter=50, quiet=True)
    inside = _inside(x, y, shape, margin)
    return index[inside], one_based(x[inside]), one_based(y[inside])


def seen_by_others(wcs, shape, others, step=32):
    """Which pixels of a chip look at sky that another exposure sees, too.

    Parameters
    ----------
    wcs : `astropy.wcs.WCS`
    shape : tuple
        Rows, columns of the chip.
    others : iterable of (wcs, shape)
        Chips of other exposures.
    step : int, optional
        Every so many pixels the sky is asked; between them the answer is interpolated [px].

    Returns
    -------
    seen : ndarray of bool, shape `shape`
    """
    rows, columns = (np.linspace(0, size - 1, max(2, size // step + 1)) for size in shape)
    y, x = np.meshgrid(rows, columns, indexing="ij")
    ra, dec = wcs.all_pix2world(x.ravel(), y.ravel(), 0)
    seen = np.zeros(x.size, dtype=bool)
    for other, other_shape in others:
        index, _, _ = stars_on_chip(other, other_shape, ra, dec)
        seen[index] = True
    grid = seen.reshape(x.shape).astype(np.float32)
    return zoom(grid, np.array(shape) / grid.shape, order=1) > 0.99


def _inside(x, y, shape, margin):
    rows, columns = shape
    return (x > -margin) & (x < columns - 1 + margin) & (y > -margin) & (y < rows - 1 + margin)
