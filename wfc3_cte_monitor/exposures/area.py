"""The area of pixels on the sky, from a pixel area map or from the distortion."""

import logging
from pathlib import Path

import numpy as np
from astropy.io import fits

from wfc3_cte_monitor import uvis
from wfc3_cte_monitor.errors import said

__all__ = ["pixel_area", "area_from_wcs"]

log = logging.getLogger(__name__)


def pixel_area(image, x, y, map_folder=None):
    """Area of the pixels under the stars, in units of the square of `ChipImage.pixel_scale`.

    Distortion makes pixels differ in area while flat-fielding preserves surface brightness, so that a flux is the
    sum of counts times this area (the pixel area map of the WFC3 Data Handbook).

    Parameters
    ----------
    image : `records.ChipImage`
    x, y : array_like, shape (n,)
        1-based positions [px].
    map_folder : `pathlib.Path`, optional
        Where ``UVIS1wfc3_map.fits`` and ``UVIS2wfc3_map.fits`` may be. A map of another shape than the image
        is not used.

    Returns
    -------
    area : ndarray, shape (n,)
        From the map where there is one, else from the polynomials of the image's own WCS, the same to 1e-4.
    """
    area_map = _area_map(image, map_folder) if map_folder else None
    if area_map is None:
        return area_from_wcs(image.wcs, x, y) / image.pixel_scale**2
    column, row = (np.rint(uvis.zero_based(v)).astype(int) for v in (x, y))
    return area_map[np.clip(row, 0, area_map.shape[0] - 1), np.clip(column, 0, area_map.shape[1] - 1)]


def area_from_wcs(wcs, x, y):
    """Area of pixels on the sky [arcsec^2]: the cross product of its two sides through CD and SIP.

    The tables of NPOL and D2IM are left out, as in the maps of the instrument: they move stars by up to 0.06 px, but
    their slope, up to 7e-4, is the noise of the tables.

    Parameters
    ----------
    wcs : `astropy.wcs.WCS`
    x, y : array_like, shape (n,)
        1-based positions [px].
    """
    x, y = np.atleast_1d(x).astype(float), np.atleast_1d(y).astype(float)
    polynomial = wcs.deepcopy()
    polynomial.cpdis1 = polynomial.cpdis2 = polynomial.det2im1 = polynomial.det2im2 = None
    ra, dec = polynomial.all_pix2world(np.stack([x + 0.5, x - 0.5, x, x]), np.stack([y, y, y + 0.5, y - 0.5]), 1)
    east = ((ra[::2] - ra[1::2] + 180) % 360 - 180) * np.cos(np.radians(dec.mean(axis=0)))
    north = dec[::2] - dec[1::2]
    return np.abs(east[0] * north[1] - east[1] * north[0]) * 3600**2


def _area_map(image, folder):
    path = Path(folder) / f"UVIS{image.chip}wfc3_map.fits"
    if not path.is_file():
        return None
    try:
        with fits.open(path, memmap=False) as hdus:
            data = next((hdu.data for hdu in hdus if hdu.data is not None), None)
    except Exception as error:  # astropy stumbles over damaged headers in many ways
        log.warning("%s: cannot be read (%s); the pixel area comes from the WCS", path, said(error))
        return None
    if data is None or data.shape != image.data.shape:
        log.warning("%s: not of the image's shape %s; the pixel area comes from the WCS", path.name, image.data.shape)
        return None
    return data
