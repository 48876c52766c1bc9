"""The point-spread function: a narrow core on a wing, both Gaussian, integrated over every pixel exactly."""

from functools import cache

import numpy as np
from scipy.special import erf

from wfc3_cte_monitor.simulate.templates import DETECTOR_COLUMNS
from wfc3_cte_monitor.uvis import ROWS

__all__ = ["WING_FRACTION", "core_width", "encircled_energy", "draw_stars", "scatter"]

CORE_WIDTH = 0.70
"""Sigma of the core in the middle of a chip [px]: 1.8 px FWHM once integrated over the pixels."""

WING_FRACTION = 0.25
"""Part of the light in the wing."""

WING_WIDTH = 3.5
"""Sigma of the wing [px]."""

# (x, y, x^2, y^2) terms, x and y from -1 to 1 over the whole chip: other patterns on the two chips, as in flight.
_WIDTH_TERMS = {1: (-0.03, 0.04, 0.02, -0.03), 2: (0.04, -0.02, -0.02, 0.05)}

_HALF_SIZES = ((0.0, 10), (2e3, 14), (1e5, 18))
"""Half size of the stamp [px] for stars above a flux [e-]: what is cut off stays below 0.1 % of the light."""

_CHUNK = 2000


def core_width(x, y, chip, first_column=0):
    """Sigma of the core at a position.

    Parameters
    ----------
    x, y : array_like, shape (n,)
        1-based, in the frame [px].
    chip : int
    first_column : int, optional
        Detector columns left of the frame [px].

    Returns
    -------
    width : ndarray, shape (n,)
        [px]
    """
    u = (np.asarray(x) + first_column) / (DETECTOR_COLUMNS / 2) - 1.0
    v = np.asarray(y) / (ROWS / 2) - 1.0
    return CORE_WIDTH * (1.0 + np.tensordot(_WIDTH_TERMS[chip], np.array([u, v, u**2, v**2]), axes=1))


def encircled_energy(width, radius=3.0):
    """Light inside an aperture with exact pixel overlap, as a fraction of the total.

    Parameters
    ----------
    width : array_like, shape (n,)
        Sigma of the core [px].
    radius : float, optional
        [px]

    Returns
    -------
    fraction : ndarray, shape (n,)
        Mean over the position of the star in its pixel, interpolated in a table of widths.
    """
    return np.interp(width, *_energy_table(float(radius)))


@cache
def _energy_table(radius):
    """Widths and the light inside `radius`.

    Pixel integration is a convolution with the pixel, and so is the exact overlap of the aperture: averaged over
    all positions in the pixel, the aperture sum is the mean of the profile, moved by the difference of two uniform
    variables in x and in y (a triangle of half base 1), inside the circle.
    """
    widths = CORE_WIDTH * np.linspace(0.8, 1.25, 19)
    return widths, np.array([_mean_aperture_sum(width, radius) for width in widths])


def _mean_aperture_sum(width, radius, step=0.02):
    """Sum of the twice pixel-convolved profile over points of a fine grid inside the circle."""
    grid = np.arange(-radius + step / 2, radius, step)
    inside = np.hypot(*np.meshgrid(grid, grid)) <= radius
    lines = [(part, _twice_convolved(grid, sigma)) for part, sigma in _components(width)]
    profile = sum(part * np.outer(line, line) for part, line in lines)
    return float(profile[inside].sum() * step**2)


def _components(width):
    return (1.0 - WING_FRACTION, width), (WING_FRACTION, WING_WIDTH)


def _twice_convolved(t, sigma, n_points=200):
    """A Gaussian, convolved with the triangle of half base 1."""
    shift = (np.arange(n_points) + 0.5) / n_points * 2.0 - 1.0
    weight = (1.0 - np.abs(shift)) * 2.0 / n_points
    values = np.exp(-0.5 * ((t[:, None] - shift) / sigma) ** 2) / (np.sqrt(2 * np.pi) * sigma)
    return values @ weight


def draw_stars(shape, x, y, flux, width):
    """An image of stars, without noise.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    x, y : ndarray, shape (n,)
        1-based [px]; stars off the frame leave what reaches into it.
    flux : ndarray, shape (n,)
        Counts of the whole star [e-].
    width : ndarray, shape (n,)
        Sigma of the core [px].

    Returns
    -------
    image : ndarray, shape `shape`, float64
        [e-]
    """
    pad = _HALF_SIZES[-1][1] + 1
    padded = np.zeros((shape[0] + 2 * pad, shape[1] + 2 * pad))
    near = (x > -pad + 2) & (x < shape[1] + pad - 2) & (y > -pad + 2) & (y < shape[0] + pad - 2)
    stars = np.array([x + pad - 1, y + pad - 1, flux, width])[:, near]
    edges = [lower for lower, _ in _HALF_SIZES[1:]]
    size_class = np.digitize(stars[2], edges)
    for number, (_, half) in enumerate(_HALF_SIZES):
        _add_stamps(padded, stars[:, size_class == number], half)
    return np.ascontiguousarray(padded[pad:-pad, pad:-pad])


def _add_stamps(image, stars, half):
    """Add stars (rows x, y, flux, width; 0-based) to `image`, in chunks that keep the memory small."""
    offsets = np.arange(-half, half + 1)
    for start in range(0, stars.shape[1], _CHUNK):
        x, y, flux, width = stars[:, start : start + _CHUNK]
        column, row = np.rint(x).astype(int), np.rint(y).astype(int)
        stamps = _stamps(x - column, y - row, flux, width, offsets)
        rows, columns = row[:, None] + offsets, column[:, None] + offsets
        scatter(image, rows, columns, stamps)


def scatter(image, rows, columns, stamps):
    """Add stamps to an image; those of stars near its border are cut.

    Parameters
    ----------
    image : ndarray, shape (rows, columns)
        Changed.
    rows, columns : ndarray of int, shape (n, size)
        0-based, of the stamps.
    stamps : ndarray, shape (n, size, size)
    """
    n_rows, n_columns = image.shape
    keep = ((rows >= 0) & (rows < n_rows))[:, :, None] & ((columns >= 0) & (columns < n_columns))[:, None, :]
    index = rows[:, :, None] * n_columns + columns[:, None, :]
    np.add.at(image.reshape(-1), index[keep], stamps[keep])


def _stamps(dx, dy, flux, width, offsets):
    """Pixel-integrated stars, shape (n, size, size)."""
    core = np.einsum("ni,nj->nij", _pixel_integral(dy, width, offsets), _pixel_integral(dx, width, offsets))
    wide = np.full_like(width, WING_WIDTH)
    wing = np.einsum("ni,nj->nij", _pixel_integral(dy, wide, offsets), _pixel_integral(dx, wide, offsets))
    return flux[:, None, None] * ((1.0 - WING_FRACTION) * core + WING_FRACTION * wing)


def _pixel_integral(centre, sigma, offsets):
    """Integral of a unit Gaussian over each pixel of a row, shape (n, size)."""
    edges = np.append(offsets - 0.5, offsets[-1] + 0.5)
    cumulative = 0.5 * erf((edges - centre[:, None]) / (np.sqrt(2.0) * sigma[:, None]))
    return np.diff(cumulative, axis=1)
