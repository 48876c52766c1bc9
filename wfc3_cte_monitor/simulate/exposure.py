"""One simulated exposure: its stars, its pixels, its file."""

from dataclasses import dataclass, replace
from functools import lru_cache
from zlib import crc32

import numpy as np
from astropy.io import fits

from wfc3_cte_monitor.simulate import detector
from wfc3_cte_monitor.simulate.clusters import NOMINAL_EXPTIME, Cluster, field_of
from wfc3_cte_monitor.simulate.filters import filter_of
from wfc3_cte_monitor.simulate.keywords import companion_header, pixel_statistics, primary_header, sci_keywords
from wfc3_cte_monitor.simulate.loss import remaining
from wfc3_cte_monitor.simulate.optics import OpticalPsf
from wfc3_cte_monitor.simulate.plan import PlannedExposure
from wfc3_cte_monitor.simulate.pointing import (
    attitude_of,
    chip_wcs,
    distortion_hdus,
    first_column,
    pixel_area,
    sky_to_pixel,
    wcs_header,
)
from wfc3_cte_monitor.simulate.psf import core_width, draw_stars, encircled_energy
from wfc3_cte_monitor.simulate.trapping import TRAPPING, Trapping, read_out
from wfc3_cte_monitor.uvis import MJD_ZERO, ROWS, rows_to_amplifier

__all__ = ["Effects", "REAL", "HARSH", "IDEAL", "ChipStars", "stars_on_chip", "simulate_exposure"]

CHIPS = (2, 1)
"""In the order of the file."""


@dataclass(frozen=True)
class Effects:
    """What is simulated."""

    loss: bool = True
    """CTE loss."""
    noise: bool = True
    """Photon and read noise."""
    cosmic_rays: bool = True
    bad_pixels: bool = True
    saturation: bool = True
    trapping: Trapping | None = None
    """Traps, which take the place of the formula for the loss."""
    psf: OpticalPsf | None = None
    """A point-spread function with spikes and halo in the place of Gaussians."""


REAL = Effects()
"""Everything, with the loss that a formula gives, whose truth is known star by star."""

HARSH = Effects(loss=False, trapping=TRAPPING, psf=OpticalPsf())
"""Everything as the detector does it: charge trapping, and a real point-spread function."""

IDEAL = Effects(loss=False, noise=False, cosmic_rays=False, bad_pixels=False, saturation=False)
"""Stars on a flat sky."""


@dataclass(frozen=True)
class ChipStars:
    """Stars on and next to one chip of one exposure; arrays of shape (n,)."""

    id: np.ndarray
    x: np.ndarray
    """1-based [px]."""
    y: np.ndarray
    n_transfers: np.ndarray
    """[px]"""
    flux0: np.ndarray
    """Total, before the loss, corrected for the pixel area [e-]."""
    flux: np.ndarray
    """Total, after the loss [e-]."""
    flux_3: np.ndarray
    """After the loss, in 3 px [e-]."""
    area: np.ndarray
    """Of a pixel, relative to IDCSCALE^2: the counts in the frame are flux / area."""
    width: np.ndarray
    """Sigma of the core of the PSF, where it is Gaussian [px]."""


def _pa_v3(exposure):
    return field_of(exposure.target).pa_v3 + exposure.roll_offset


@lru_cache(maxsize=8)
def _attitude(exposure):
    field = field_of(exposure.target)
    postarg = exposure.postarg1 + exposure.jitter[0], exposure.postarg2 + exposure.jitter[1]
    return attitude_of(field.ra, field.dec, _pa_v3(exposure), postarg, exposure.aperture_chip)


@lru_cache(maxsize=4)
def _positions(exposure, cluster, chip, n_columns):
    """Header of a chip, which stars it shows, and where: once for FLT, FLC and the truth of both."""
    header = wcs_header(chip, _attitude(exposure), n_columns)
    return header, *sky_to_pixel(chip_wcs(header, n_columns), cluster.ra, cluster.dec)


def stars_on_chip(
    exposure: PlannedExposure,
    cluster: Cluster,
    chip: int,
    *,
    ctecorr: bool = False,
    n_columns: int = 256,
    loss: bool = True,
    psf: OpticalPsf | None = None,
) -> ChipStars:
    """Where a chip shows the stars of a cluster, and how bright.

    Parameters
    ----------
    exposure : PlannedExposure
    cluster : Cluster
    chip : int
    ctecorr : bool, optional
        True for the FLC.
    n_columns : int, optional
        Columns of the frame [px].
    loss : bool, optional
        False for the stars without CTE loss.
    psf : OpticalPsf, optional
        Of the stars, instead of Gaussians.

    Returns
    -------
    stars : ChipStars
    """
    header, index, x, y = _positions(exposure, cluster, chip, n_columns)
    flux0 = cluster.flux[index] * exposure.exptime / NOMINAL_EXPTIME * filter_of(exposure.filter).throughput
    width = core_width(x, y, chip, first_column(n_columns))
    energy = encircled_energy(width) if psf is None else psf.encircled_energy()
    n_transfers = rows_to_amplifier(y, chip, header["NAXIS2"])
    left = remaining(flux0 * energy, n_transfers, exposure.mjd, exposure.flash, ctecorr) if loss else 1.0
    flux = flux0 * left
    area = pixel_area(header, x, y)
    return ChipStars(cluster.id[index], x, y, n_transfers, flux0, flux, flux * energy, area, width)


def simulate_exposure(
    exposure: PlannedExposure,
    cluster: Cluster,
    *,
    ctecorr: bool = False,
    seed: int = 0,
    n_columns: int = 256,
    effects: Effects = REAL,
) -> fits.HDUList:
    """The file of one exposure.

    Parameters
    ----------
    exposure : PlannedExposure
    cluster : Cluster
        The stars of its target.
    ctecorr : bool, optional
        True for the FLC. Cosmic rays, sky and read noise are those of the FLT. What traps did is not corrected.
    seed : int, optional
        With the rootname it fixes every random number.
    n_columns : int, optional
        The central columns to simulate; 4096 is a full frame [px].
    effects : Effects, optional

    Returns
    -------
    hdulist : `astropy.io.fits.HDUList`
        PRIMARY, SCI/ERR/DQ of UVIS2 and of UVIS1, and the NPOL and D2IM tables.
    """
    hdus = [fits.PrimaryHDU(header=primary_header(exposure, ctecorr, _pa_v3(exposure)))]
    for chip in CHIPS:
        stars = stars_on_chip(
            exposure, cluster, chip, ctecorr=ctecorr, n_columns=n_columns, loss=effects.loss, psf=effects.psf
        )
        light = _starlight((ROWS, n_columns), stars, effects.psf)
        known = _known_header(exposure, chip, n_columns)
        hdus += _chip_hdus(exposure, known, chip, *_exposed(exposure, light, chip, seed, effects))
    return fits.HDUList(hdus + distortion_hdus(n_columns))


def _starlight(shape, stars, psf):
    if psf is not None:
        return psf.draw(shape, stars.x, stars.y, stars.flux / stars.area)
    return draw_stars(shape, stars.x, stars.y, stars.flux / stars.area, stars.width)


def _backgrounds(exposure):
    """Sky, dark and post-flash of an exposure [e-/px]."""
    sky = filter_of(exposure.filter).sky_rate * exposure.exptime
    return sky, detector.dark_rate(exposure.mjd - MJD_ZERO) * exposure.exptime, exposure.flash


def _streams(exposure, chip, seed):
    """Independent random generators, by name: what one effect draws does not move another's numbers."""
    names = "background", "stars", "read", "rays", "hot"
    sequence = np.random.SeedSequence([seed, crc32(exposure.rootname.encode()), chip])
    return {name: np.random.default_rng(child) for name, child in zip(names, sequence.spawn(len(names)), strict=True)}


def _exposed(exposure, light, chip, seed, effects):
    """SCI, ERR and DQ of a chip that `light` falls on."""
    rng = _streams(exposure, chip, seed)
    sky, dark, flash = _backgrounds(exposure)
    charge = light + (sky + dark + flash)
    dq = np.zeros(light.shape, np.int16)
    if effects.noise:
        charge = _photons(light, sky + dark + flash, rng)
    if effects.cosmic_rays:
        charge += detector.cosmic_rays(light.shape, exposure.exptime, rng["rays"])
    if effects.trapping is not None:
        years = effects.trapping.years(exposure.mjd)
        charge, _ = read_out(charge, years, effects.trapping, towards_first=chip == 2)
    if effects.noise:
        charge = charge + rng["read"].normal(0.0, detector.READ_NOISE, light.shape)
    if effects.bad_pixels:
        # The same pixels in every exposure of a detector.
        dq = detector.bad_pixels(light.shape, np.random.default_rng([seed, chip]))
        charge = detector.damaged(charge, dq, rng["hot"])
    if effects.saturation:
        charge, dq = detector.saturated(charge, dq)
    err = np.sqrt(np.maximum(charge, 0.0) + detector.READ_NOISE**2)
    # calwf3 takes the dark and the post-flash out again, not their noise.
    return (charge - dark - flash).astype(np.float32), err.astype(np.float32), dq


def _photons(light, background, rng):
    """Photons of stars and background, from separate streams: FLT and FLC share the second."""
    charge = rng["background"].poisson(background, light.shape).astype(float)
    lit = light > 0
    charge[lit] += rng["stars"].poisson(light[lit])
    return charge


def _chip_hdus(exposure, header, chip, sci, err, dq):
    """SCI, ERR and DQ extensions."""
    mean_dark = _backgrounds(exposure)[1]
    header.update(sci_keywords(exposure, chip, mean_dark) | pixel_statistics(sci, err, dq))
    return [
        fits.ImageHDU(sci, header),
        fits.ImageHDU(err, companion_header(header, "ERR")),
        fits.ImageHDU(dq, companion_header(header, "DQ")),
    ]


def _known_header(exposure, chip, n_columns):
    """The header with the pointing that the telescope believes to have."""
    believed = replace(exposure, roll_offset=exposure.roll_offset + exposure.roll_error)
    header = wcs_header(chip, _attitude(believed), n_columns)
    east, north = np.array(exposure.wcs_error) / 3600.0
    header["CRVAL1"] += east / np.cos(np.radians(header["CRVAL2"]))
    header["CRVAL2"] += north
    return header
