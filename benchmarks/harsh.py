"""Fields of stars read out through traps, with the flux of every star known: what the study stands on.

A star's own flux is what the aperture has of the exposure minus what it has of the same exposure, photon for photon,
without that star. Stars far from each other are left out together, so that a dozen read-outs give the truth of all.
"""

from dataclasses import dataclass

import numpy as np
import sep

from wfc3_cte_monitor.records import ChipImage
from wfc3_cte_monitor.simulate import OpticalPsf, detector, read_out

__all__ = ["Conditions", "Field", "make_field", "isolated_losses", "COLUMNS", "ROWS", "RADIUS"]

ROWS, COLUMNS = 2051, 192
RADIUS = 3.0
"""Of the aperture that all is measured in [px]."""

FLUX_MIN, FLUX_MAX, SLOPE = 100.0, 1.5e6, 0.7
CATALOG_MIN = 150.0
_FULL_WELL = detector.FULL_WELL
_APART = (12.0, 90.0)
"""Columns and rows between stars that are left out together: a trail ends after fewer [px]."""
_MAX_GROUPS = 9


@dataclass(frozen=True)
class Conditions:
    """Of an exposure."""

    years: float = 8.0
    """Of damage; 8 are 2017."""
    sky: float = 1.05
    """[e-/px]"""
    dark: float = 0.65
    """That calwf3 subtracts [e-/px]."""
    flash: float = 0.0
    """[e-/px]"""
    exptime: float = 350.0
    """[s]"""
    area_per_star: float = 400.0
    """Area of the frame per star above 250 e- [px^2]; 400 is the dense cluster."""
    defocus: tuple = (0.0, 0.03)
    """Of the PSF on chip 2 and on chip 1 [waves]."""


@dataclass(frozen=True)
class Field:
    """One exposure of a field on one chip; arrays of shape (n,) for the n stars of its catalogue."""

    chip: int
    x: np.ndarray
    """1-based [px]."""
    y: np.ndarray
    flux: np.ndarray
    """Total, before any loss [e-]."""
    own: np.ndarray
    """Of the star alone, in the aperture, after the loss [e-]; NaN where it is not known."""
    under: np.ndarray
    """What the aperture has without the star, per pixel [e-]."""
    clean: ChipImage
    """Without cosmic rays."""
    struck: ChipImage
    """The same photons and read noise, with cosmic rays."""


def make_field(seed, conditions):
    """The same field on chip 2 and chip 1: a tuple of two `Field`."""
    rng = np.random.default_rng(seed)
    x, y, flux = _stars(rng, conditions)
    groups = _groups(rng, x, y, flux)
    return tuple(_on_chip(chip, x, y, flux, groups, conditions, np.random.default_rng([seed, chip])) for chip in (2, 1))


def _stars(rng, conditions):
    margin = 40.0
    area = (COLUMNS + 2 * margin) * (ROWS + 2 * margin)
    number = rng.poisson(area / conditions.area_per_star * (250.0 / FLUX_MIN) ** SLOPE)
    fraction = 1.0 - rng.random(number) * (1.0 - (FLUX_MIN / FLUX_MAX) ** SLOPE)
    x, y = (
        rng.uniform(0.5 - margin, COLUMNS + 0.5 + margin, number),
        rng.uniform(0.5 - margin, ROWS + 0.5 + margin, number),
    )
    return x, y, FLUX_MIN * fraction ** (-1.0 / SLOPE)


def _groups(rng, x, y, flux):
    """Number of the group with which each star is left out, -1 for those that never are."""
    group = np.full(len(x), -1)
    inside = (x > 5) & (x < COLUMNS - 4) & (y > 5) & (y < ROWS - 4)
    wanted = np.flatnonzero(inside & (flux > CATALOG_MIN) & (flux < 60e3))
    for star in wanted[np.argsort(flux[wanted] < 250.0, kind="stable")]:  # the brighter ones, at random, first
        near = (np.abs(x - x[star]) < _APART[0]) & (np.abs(y - y[star]) < _APART[1])
        free = np.setdiff1d(np.arange(_MAX_GROUPS), group[near])
        if free.size:
            group[star] = rng.choice(free)
    return group


def _on_chip(chip, x, y, flux, groups, conditions, rng):
    psf = OpticalPsf(conditions.defocus[chip == 1])
    catalogued = (flux > CATALOG_MIN) & (x > 0) & (x < COLUMNS + 1) & (y > 0) & (y < ROWS + 1)
    shift = rng.uniform(-0.5, 0.5, 2)
    x, y = x + shift[0], y + shift[1]
    photons = {k: _photons(psf, x, y, flux, groups == k, rng) for k in range(-1, _MAX_GROUPS)}
    background = rng.poisson(conditions.sky + conditions.dark + conditions.flash, (ROWS, COLUMNS))
    all_light = sum(photons.values()) + background
    rays = detector.cosmic_rays((ROWS, COLUMNS), conditions.exptime, rng)
    arrive = _Amplifier(conditions, chip)
    full = arrive(all_light)
    own, under = _own_fluxes(full, photons, all_light, arrive, x, y, groups)
    noise = rng.normal(0.0, detector.READ_NOISE, full.shape)
    removed = conditions.dark + conditions.flash
    clean, struck = (_chip_image(chip, charge + noise, removed) for charge in (full, arrive(all_light + rays)))
    stars = (v[catalogued] for v in (x, y, flux, own, under - removed))
    return Field(chip, *stars, clean, struck)


def _photons(psf, x, y, flux, chosen, rng):
    return rng.poisson(psf.draw((ROWS, COLUMNS), x[chosen], y[chosen], flux[chosen]))


@dataclass(frozen=True)
class _Amplifier:
    conditions: Conditions
    chip: int

    def __call__(self, charge):
        charge = np.minimum(charge, _FULL_WELL).astype(float)
        return read_out(charge, self.conditions.years, towards_first=self.chip == 2, rows_per_step=32)[0]


def _own_fluxes(full, photons, all_light, arrive, x, y, groups):
    own, under = np.full(len(x), np.nan), np.full(len(x), np.nan)
    for k in range(_MAX_GROUPS):
        chosen = groups == k
        without = arrive(all_light - photons[k])
        own[chosen] = aperture_sums(full - without, x[chosen], y[chosen])
        under[chosen] = aperture_sums(without, x[chosen], y[chosen]) / (np.pi * RADIUS**2)
    return own, under


def aperture_sums(image, x, y, radius=RADIUS):
    """Sums in apertures at 1-based positions, with exact pixel overlap."""
    return sep.sum_circle(np.ascontiguousarray(image, np.float32), x - 1, y - 1, radius, subpix=0)[0]


def _chip_image(chip, charge, removed):
    dq = np.where(charge >= 0.97 * _FULL_WELL, detector.DQ_SATURATED, 0).astype(np.int16)
    return ChipImage(chip, (charge - removed).astype(np.float32), dq, removed, detector.READ_NOISE, None, 0.0396)


def isolated_losses(conditions, fluxes, rows):
    """Light that stars without neighbours lose on a sky without noise.

    Parameters
    ----------
    conditions : Conditions
    fluxes : sequence of float
        In the aperture, before the loss [e-].
    rows : sequence of float
        Transfers to the amplifier [px].

    Returns
    -------
    lost : ndarray, shape (fluxes, rows)
        [mag]
    """
    psf = OpticalPsf(conditions.defocus[0])
    background = conditions.sky + conditions.dark + conditions.flash
    x = np.tile(12.0 + 24.0 * np.arange(len(fluxes)), len(rows))
    y, total = np.repeat(rows, len(fluxes)), np.tile(fluxes, len(rows)) / psf.encircled_energy(RADIUS)
    light = psf.draw((ROWS, int(x.max()) + 12), x, y, total)
    arrive = _Amplifier(conditions, 2)
    left = aperture_sums(arrive(light + background) - arrive(np.full_like(light, background)), x, y)
    return (-2.5 * np.log10(left / aperture_sums(light, x, y))).reshape(len(rows), len(fluxes)).T
