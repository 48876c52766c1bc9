"""Stars are found and measured: the engine that every other one is compared with."""

import numpy as np

from wfc3_cte_monitor.photometry.apertures import aperture_sums
from wfc3_cte_monitor.photometry.centres import centroids
from wfc3_cte_monitor.photometry.expected import centroid_error, with_catalog
from wfc3_cte_monitor.photometry.sky import annulus_sky
from wfc3_cte_monitor.records import Photometry, StarPositions
from wfc3_cte_monitor.uvis import one_based, zero_based

__all__ = ["FWHM", "HOW", "find", "measure"]

HOW = {
    "sky": "catalogue stars (to 17 px) and bad pixels masked, mean clipped at 3 sigma about the median",
    "recentred": "Gaussian fitted to 5 x 5 pixels, for faint stars averaged with where the catalogue has them",
}
"""For the head of a coefficient file."""

FWHM = 1.8
"""Of the UVIS point-spread function [px]."""


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
        error = centroid_error(data, xc, yc)
        xc, yc = with_catalog(xc, x0, error, centred), with_catalog(yc, y0, error, centred)
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
    counts = np.stack([aperture_sums(data, x, y, radius) for radius in radii]) - n_pixels * sky
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
