"""Stars measured by IRAF: arrays in, `Photometry` out. Positions are 1-based, in IRAF as in the records."""

import tempfile
from pathlib import Path

import numpy as np
from astropy.io import fits

from wfc3_cte_monitor.iraf.task import phot, write_lines
from wfc3_cte_monitor.records import Photometry, StarPositions

__all__ = ["find", "measure", "HOW"]

HOW = {
    "sky": "IRAF phot, catalogue stars and bad pixels masked, salgorithm mean, rejection at 3 sigma",
    "recentred": "IRAF phot, calgorithm ofilter",
}
"""For the head of a coefficient file."""

_CENTRING = "ofilter"
"""On 575 model stars of FWHM 1.8 px and 300 to 30,000 e-, from starts 1 px off: 0.026 px rms, and no failures. centroid
0.059 px (its error with the phase of the pixel), gauss 0.155 px with 5 % of failures.
"""
_SKY = "mean"
"""Of IRAF's estimators the one that is unbiased on pixels with photon noise: at a sky of 2 and 20 e-/px it is off by
-0.01 and -0.04 e-/px, median by -0.03 and -0.13, mode by -0.14 and -0.36, the others by up to -0.05 and -0.32.
"""
_MASKED, _DATAMIN = -1e6, -1e5
"""Value of a pixel that the sky must not see, and below what IRAF takes no pixel."""


def find(image, star_id, x, y, setup):
    """The stars where the catalogue has them: `measure` lets IRAF centre them.

    Parameters, Returns
        As of `photometry.find`; every shift is NaN.
    """
    return StarPositions(np.asarray(star_id), np.asarray(x), np.asarray(y), np.full(len(x), np.nan))


def measure(image, masks, positions, area, setup):
    """Centre and measure stars by IRAF's phot.

    It runs three times: for the sky, in which masked pixels take no part; for centres and apertures on the image as
    it is; and at the catalogue's positions for the stars that could not be centred.

    Parameters, Returns
        As of `photometry.measure`. An aperture that leaves the chip has no flux (NaN).

    Raises
    ------
    IrafError
        The task failed.

    Notes
    -----
    IRAF weights a pixel by clip(r + 0.5 - distance, 0, 1), so that an aperture has pi r^2 + pi/12 pixels, and its sum
    is 0.08 % above the exact one at 3 px for stars of FWHM 1.8 px.
    """
    with tempfile.TemporaryDirectory(prefix="iraf") as name:
        folder = Path(name)
        sky = _sky(folder, image.data, masks, positions, setup)
        found, start = _fluxes(folder, image.data, positions, sky, setup)
    number_of_pixels, counts = found["AREA"], np.where(found["PIER"] == 0, found["FLUX"], np.nan)
    return Photometry.of_counts(
        StarPositions(positions.id, found["XCENTER"], found["YCENTER"], start),
        setup.aprads,
        counts,
        number_of_pixels,
        sky=(sky["MSKY"], sky["STDEV"], np.nan_to_num(sky["NSKY"]).astype(int)),
        area=area,
        background_removed=image.background_removed,
    )


def _sky(folder, data, masks, positions, setup):
    _write(folder / "sky.fits", np.where(masks.not_sky | ~np.isfinite(data), np.float32(_MASKED), data))
    inner, outer = setup.sky_annulus
    return phot(
        folder,
        "sky.fits",
        positions.x,
        positions.y,
        1,
        datapars__datamin=_DATAMIN,
        fitskypars__salgorithm=_SKY,
        fitskypars__annulus=inner,
        fitskypars__dannulus=outer - inner,
    )


def _fluxes(folder, data, positions, sky, setup):
    """phot's columns, and how far each star was moved from its position [px]; NaN where it could not be centred."""
    _write(folder / "image.fits", np.where(np.isfinite(data), data, np.float32(0)))
    centred = _apertures(folder, positions, sky, setup, np.ones(len(positions), dtype=bool), _CENTRING)
    shift = np.hypot(centred["XCENTER"] - positions.x, centred["YCENTER"] - positions.y)
    failed = (centred["CIER"] != 0) | ~(shift <= setup.max_shift)
    if failed.any():
        plain = _apertures(folder, positions, sky, setup, failed, "none")
        for name, values in plain.items():
            centred[name][..., failed] = values
        # IRAF rounds what it is given.
        centred["XCENTER"][failed], centred["YCENTER"][failed] = positions.x[failed], positions.y[failed]
    return centred, np.where(failed, np.nan, shift)


def _apertures(folder, positions, sky, setup, which, centring):
    x, y = positions.x[which], positions.y[which]
    columns = [sky[name][which] for name in ("MSKY", "STDEV", "NSKY")]
    write_lines(folder / "sky", x, y, *columns[:2], np.zeros(len(x)), columns[2], np.zeros(len(x)))
    return phot(
        folder,
        "image.fits",
        x,
        y,
        len(setup.aprads),
        skyfile="sky",
        centerpars__calgorithm=centring,
        # Far moves are judged by their length here; IRAF would only mark them.
        centerpars__maxshift=10 * setup.max_shift,
        photpars__apertures=",".join(f"{radius:g}" for radius in setup.aprads),
    )


def _write(path, data):
    fits.PrimaryHDU(np.ascontiguousarray(data, dtype=np.float32)).writeto(path, overwrite=True)
