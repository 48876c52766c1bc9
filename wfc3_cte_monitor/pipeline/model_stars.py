"""Engines of photometry on model stars: what comes back of fluxes and places that are known."""

from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
from astropy.table import Table, vstack

from wfc3_cte_monitor import iraf, photometry
from wfc3_cte_monitor.errors import ConfigurationError
from wfc3_cte_monitor.records import ChipImage, PhotometrySetup, PixelMasks
from wfc3_cte_monitor.simulate.psf import CORE_WIDTH, draw_stars, encircled_energy
from wfc3_cte_monitor.uvis import zero_based

__all__ = ["ModelStars", "engines_here", "make_stars", "compare"]

IRAF_WEIGHTS = "IRAF's weights"
"""Not an engine: sums with the apertures of `phot` in numpy, at the centres and with the sky of the first engine."""

FLUXES = (250.0, 1000.0, 4000.0, 16000.0, 60000.0)
"""Of whole stars [e-]."""

SETUP = PhotometrySetup(tuple(float(radius) for radius in range(1, 13)), (20.0, 30.0), 1.5)
"""The annulus lies where the wings of a model star have ended, so that only the apertures are compared."""

_SPACING = 48
_START = 1.0
"""How far the start of a centroid is from the star [px]."""
_SKY, _READ_NOISE = 2.0, 3.1
_PHASE_BINS = 10
_BRIGHT = 1e5
"""Drawn as stars of this flux or more, the wings of all of them reach as far."""


@dataclass(frozen=True)
class ModelStars:
    """Isolated stars; arrays of shape (n,)."""

    x: np.ndarray
    """1-based [px]."""
    y: np.ndarray
    start_x: np.ndarray
    """Where the search for the centre begins, 1 px off in any direction, 1-based [px]."""
    start_y: np.ndarray
    light: np.ndarray
    """Image of stars of 1 e-, shape (rows, columns)."""


def engines_here():
    """The engines that are installed.

    Returns
    -------
    engines : dict
        Name -> room with `find` and `measure`.
    missing : str
        What is not installed, and how it can be; empty where nothing is missing.
    """
    try:
        iraf.require_iraf()
    except ConfigurationError as error:
        return {"Python": photometry}, str(error)
    return {"Python": photometry, "IRAF": iraf}, ""


def make_stars(n_side, seed=0):
    """Isolated stars anywhere within their pixels.

    Parameters
    ----------
    n_side : int
        n = n_side^2.
    seed : int, optional

    Returns
    -------
    stars : ModelStars
    """
    rng = np.random.default_rng(seed)
    lines = (np.arange(n_side) + 0.75) * _SPACING
    x, y = (grid.ravel() + rng.uniform(-0.5, 0.5, grid.size) for grid in np.meshgrid(lines, lines))
    angle = rng.uniform(0, 2 * np.pi, len(x))
    size = int((n_side + 0.5) * _SPACING)
    light = draw_stars((size, size), x, y, np.full(len(x), _BRIGHT), np.full(len(x), CORE_WIDTH)) / _BRIGHT
    return ModelStars(x, y, x + _START * np.cos(angle), y + _START * np.sin(angle), light)


def compare(stars, engines, seed=0):
    """Measure model stars with every engine.

    Parameters
    ----------
    stars : ModelStars
    engines : dict
        Name -> room.
    seed : int, optional
        Of the noise, the same for all engines.

    Returns
    -------
    apertures : `astropy.table.Table`
        Per engine and radius: median difference of the flux from the truth, without noise [%].
    phases : `astropy.table.Table`
        Per engine and place in the pixel: mean error of x, without noise [px].
    centres : `astropy.table.Table`
        Per engine and flux, with noise: rms error of a coordinate [px], stars not centred, time per star.
    """
    clean = _image(FLUXES[-1] * stars.light + _SKY)
    measured = {name: _measure(engine, clean, stars)[0] for name, engine in engines.items()}
    first = next(iter(measured.values()))
    sums = measured | {IRAF_WEIGHTS: replace(first, flux=_iraf_fluxes(clean.data, first))}
    rng = np.random.default_rng(seed)
    noisy = [(flux, _noisy(flux * stars.light + _SKY, rng)) for flux in FLUXES]
    centres = [_centring(name, engines[name], flux, image, stars) for name in engines for flux, image in noisy]
    return (
        vstack([_differences(name, photometry_) for name, photometry_ in sums.items()]),
        vstack([_phase_errors(name, photometry_, stars) for name, photometry_ in measured.items()]),
        _with_units(Table(rows=centres), flux="electron", rms="pix", rms_err="pix", time="us"),
    )


def _image(data):
    dq = np.zeros(data.shape, dtype=np.int16)
    return ChipImage(2, np.ascontiguousarray(data, np.float32), dq, 0.0, _READ_NOISE, None, 0.0396)


def _noisy(data, rng):
    return _image(rng.poisson(data) + rng.normal(0.0, _READ_NOISE, data.shape))


def _measure(engine, image, stars):
    """Photometry and the seconds that it took."""
    nothing = np.zeros(image.data.shape, dtype=bool)
    masks, n = PixelMasks(nothing, nothing, nothing, nothing), len(stars.x)
    begin = perf_counter()
    positions = engine.find(image, np.arange(n), stars.start_x, stars.start_y, SETUP)
    measured = engine.measure(image, masks, positions, np.ones(n), SETUP)
    return measured, perf_counter() - begin


def _iraf_fluxes(data, measured):
    """Fluxes as IRAF's apertures sum them: a pixel counts clip(r + 1/2 - distance, 0, 1); shape (n_apertures, n)."""
    x, y = zero_based(measured.positions.x), zero_based(measured.positions.y)
    reach = np.arange(-14, 15)
    column, row = np.rint(x).astype(int)[:, None] + reach, np.rint(y).astype(int)[:, None] + reach
    distance = np.hypot((column - x[:, None])[:, None, :], (row - y[:, None])[:, :, None])
    stamps = data[row[:, :, None], column[:, None, :]] - measured.sky[:, None, None]
    return np.stack([(stamps * np.clip(r + 0.5 - distance, 0, 1)).sum(axis=(1, 2)) for r in measured.aprads])


def _differences(name, measured):
    radii = np.array(measured.aprads)
    # The truth does not come from an aperture's code: it is an integral over the profile.
    truth = FLUXES[-1] * np.array([encircled_energy(CORE_WIDTH, radius) for radius in radii])
    percent = 100 * (measured.flux / truth[:, None] - 1)
    table = Table({"engine": [name] * len(radii), "radius": radii, "difference": np.mean(percent, axis=1)})
    table["difference_err"] = np.std(percent, axis=1) / np.sqrt(percent.shape[1])
    return _with_units(table, radius="pix", difference="%", difference_err="%")


def _phase_errors(name, measured, stars):
    error = measured.positions.x - stars.x
    phase = stars.x - np.rint(stars.x)
    index = np.clip(((phase + 0.5) * _PHASE_BINS).astype(int), 0, _PHASE_BINS - 1)
    used = np.isfinite(measured.positions.shift)
    groups = [(k, error[used & (index == k)]) for k in range(_PHASE_BINS)]
    rows = [
        {
            "engine": name,
            "phase": (k + 0.5) / _PHASE_BINS - 0.5,
            "error": errors.mean(),
            "error_err": errors.std() / np.sqrt(len(errors)),
        }
        for k, errors in groups
        if len(errors)
    ]
    return _with_units(Table(rows=rows), phase="pix", error="pix", error_err="pix")


def _centring(name, engine, flux, image, stars):
    """One row: stars of one flux, with noise."""
    measured, seconds = _measure(engine, image, stars)
    used = np.isfinite(measured.positions.shift)
    errors = np.concatenate([(measured.positions.x - stars.x)[used], (measured.positions.y - stars.y)[used]])
    rms = np.sqrt(np.mean(errors**2)) if errors.size else np.nan
    return {
        "engine": name,
        "flux": flux,
        "stars": len(used),
        "not_centred": int(np.count_nonzero(~used)),
        "rms": rms,
        "rms_err": rms / np.sqrt(2 * max(errors.size, 1)),
        "time": 1e6 * seconds / len(used),
    }


def _with_units(table, **units):
    for name, unit in units.items():
        table[name].unit = unit
    return table
