"""Star clusters, and their master catalogues."""

from dataclasses import dataclass
from zlib import crc32

import numpy as np
from astropy.wcs import WCS
from numpy.typing import ArrayLike

from wfc3_cte_monitor.errors import CatalogError
from wfc3_cte_monitor.records import MasterCatalog
from wfc3_cte_monitor.simulate.pointing import attitude_of, chip_wcs, wcs_header
from wfc3_cte_monitor.uvis import ROWS

__all__ = ["Field", "FIELDS", "Cluster", "make_cluster", "master_catalog", "NOMINAL_EXPTIME"]

NOMINAL_EXPTIME = 350.0
"""Exposure time in which a star's counts are its `Cluster.flux` [s]."""

FLUX_RANGE = (100.0, 1.5e6)
"""Of the luminosity function N(> F) ~ F^-0.7: from below the detection limit to well saturated [e-]."""

CATALOG_FLUX_MIN = 150.0
"""Fainter stars are not in the master catalogue [e-]."""

_LUMINOSITY_SLOPE = 0.7
_CATALOG_SCALE = 0.0396


@dataclass(frozen=True)
class Field:
    """A cluster as the monitor points at it."""

    targname: str
    """As in the header."""
    ra: float
    """[deg]"""
    dec: float
    pa_v3: float
    """Usual roll [deg]."""
    area_per_star: float
    """Area of the frame per star brighter than 250 e- [px^2]."""


FIELDS = {
    "ngc104": Field("NGC-104", 6.023625, -72.081278, 280.0, 400.0),
    "ngc6791": Field("NGC-6791", 290.220833, 37.771667, 120.0, 1600.0),
    "ngc6583": Field("NGC-6583", 273.958333, -22.136667, 90.0, 800.0),
    "ngc104cal2": Field("NGC-104-CAL2", 5.655000, -72.070000, 280.0, 3200.0),
}
"""Short name -> field; positions of the clusters from SIMBAD, the off-field seven arcminutes west of NGC 104."""


@dataclass(frozen=True, eq=False)
class Cluster:
    """Stars of a field; arrays of shape (n,). Equal to itself alone."""

    target: str
    id: np.ndarray
    ra: np.ndarray
    """[deg]"""
    dec: np.ndarray
    flux: np.ndarray
    """Total counts in a nominal long exposure, corrected for the pixel area, before any loss [e-]."""

    def __len__(self) -> int:
        return len(self.id)


def field_of(target):
    """The `Field` of a target.

    Raises
    ------
    CatalogError
        The simulator does not know the target.
    """
    if target not in FIELDS:
        raise CatalogError(f"no simulated cluster {target!r}; there are {', '.join(FIELDS)}")
    return FIELDS[target]


def make_cluster(
    target: str,
    n_stars: int | None = None,
    *,
    n_columns: int = 256,
    seed: int = 0,
    flux: ArrayLike | None = None,
    margin: float = 60.0,
) -> Cluster:
    """A cluster that fills one frame.

    Stars are scattered at random, whatever their flux, over the frame and a margin around it, so that a frame stays
    full when it is dithered and that some stars reach the other chip.

    Parameters
    ----------
    target : str
        Short name, a key of `FIELDS`.
    n_stars : int, optional
        Stars altogether; by default as many as the field's density asks for.
    n_columns : int, optional
        Width of the frame [px].
    seed : int, optional
    flux : array_like, shape (n_stars,), optional
        Fluxes to use instead of the luminosity function [e-]; fixes `n_stars`.
    margin : float, optional
        [px]

    Returns
    -------
    cluster : Cluster
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, crc32(target.encode())]))
    if flux is None:
        flux = _fluxes(rng, n_stars or _default_number(target, n_columns, margin))
    flux = np.asarray(flux, dtype=float)
    x = rng.uniform(0.5 - margin, n_columns + 0.5 + margin, flux.size)
    y = rng.uniform(0.5 - margin, ROWS + 0.5 + margin, flux.size)
    ra, dec = _nominal_wcs(target, n_columns).all_pix2world(x, y, 1)
    return Cluster(target, np.arange(1, flux.size + 1), ra, dec, flux)


def _fluxes(rng, n_stars):
    """Draw from a power law between the limits of `FLUX_RANGE`."""
    low, high = FLUX_RANGE
    fraction = 1.0 - rng.random(n_stars) * (1.0 - (low / high) ** _LUMINOSITY_SLOPE)
    return low * fraction ** (-1.0 / _LUMINOSITY_SLOPE)


def _default_number(target, n_columns, margin):
    area = (n_columns + 2 * margin) * (ROWS + 2 * margin)
    fainter_too = (250.0 / FLUX_RANGE[0]) ** _LUMINOSITY_SLOPE
    return int(round(area / field_of(target).area_per_star * fainter_too))


def _nominal_wcs(target, n_columns):
    """WCS of chip 2 when the field is in its middle."""
    field = field_of(target)
    return chip_wcs(wcs_header(2, attitude_of(field.ra, field.dec, field.pa_v3), n_columns), n_columns)


def master_catalog(cluster: Cluster) -> MasterCatalog:
    """The stars above the limit, with positions on a master image.

    Parameters
    ----------
    cluster : Cluster

    Returns
    -------
    catalog : MasterCatalog
        x, y on a tangent plane of 0.0396 arcsec per pixel, north up.
    """
    bright = cluster.flux >= CATALOG_FLUX_MIN
    ra, dec = cluster.ra[bright], cluster.dec[bright]
    x, y = _master_wcs(field_of(cluster.target)).wcs_world2pix(ra, dec, 1)
    return MasterCatalog(cluster.target, cluster.id[bright], x, y, ra, dec)


def _master_wcs(field):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    wcs.wcs.crval = field.ra, field.dec
    wcs.wcs.crpix = 4000.0, 4000.0
    wcs.wcs.cdelt = -_CATALOG_SCALE / 3600.0, _CATALOG_SCALE / 3600.0
    return wcs
