"""Where stars are, told by their own light; positions are 0-based."""

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import erf

__all__ = ["centroids"]

_STAMP = np.arange(-2, 3)
"""Pixels of the fit of a centre, in x and in y."""
_CORE_SIGMA = 0.72
"""Of the UVIS point-spread function before the pixels blur it to its FWHM [px]."""
_WEIGHT_SIGMA = 2.0
"""How fast a pixel's say falls with its distance from the centre [px]."""
_CENTRE_STEPS = 15
_CENTRE_TOLERANCE = 1e-3
_LARGEST_STEP = 0.5
"""[px]"""


def centroids(data, x, y, max_shift):
    """Centres of a pixel-integrated Gaussian of fixed width, fitted to 5 x 5 pixels by Gauss-Newton steps.

    Parameters
    ----------
    data : ndarray, float32, shape (rows, columns)
        Finite everywhere.
    x, y : ndarray, shape (n,)
        First guess, 0-based [px].
    max_shift : float
        Largest distance from the first guess [px].

    Returns
    -------
    x, y : ndarray, shape (n,)
        The first guess where the centroid failed.
    centred : ndarray of bool, shape (n,)
        False also for a star that fell onto a neighbour of the catalogue.

    Notes
    -----
    A step solves d = A g + b + A (dg/dx sx + dg/dy sy) for A, b, A sx, A sy, all stars at once; pixels count by a
    Gaussian about the present centre, so that neighbours pull less. docs/photometry.md has the comparison that it won.
    """
    xc, yc = np.array(x, dtype=float), np.array(y, dtype=float)
    centred = np.zeros(len(xc), dtype=bool)
    column, row = _stamp_centre(xc, data.shape[1]), _stamp_centre(yc, data.shape[0])
    active = np.flatnonzero(_on_stamp(xc, column) & _on_stamp(yc, row))
    for _ in range(_CENTRE_STEPS):
        column[active] = _followed(column[active], xc[active], data.shape[1])
        row[active] = _followed(row[active], yc[active], data.shape[0])
        active = active[_on_stamp(xc[active], column[active]) & _on_stamp(yc[active], row[active])]
        if not active.size:
            break
        step, light = _centre_step(data, xc[active], yc[active], column[active], row[active])
        xc[active] += step[:, 0]
        yc[active] += step[:, 1]
        still = np.hypot(*step.T) < _CENTRE_TOLERANCE
        centred[active] = light & still
        active = active[light & ~still]
    centred &= (xc - x) ** 2 + (yc - y) ** 2 <= max_shift**2
    centred &= ~_fallen(x, y, xc, yc, centred, max_shift)
    return np.where(centred, xc, x), np.where(centred, yc, y), centred


def _stamp_centre(position, size):
    """The pixel of a position, away from the rim of the chip so that the stamp is whole; 0 where there is none."""
    pixel = np.rint(np.nan_to_num(position, nan=0.0)).astype(int)
    return np.clip(pixel, _STAMP[-1], size - 1 - _STAMP[-1])


def _followed(pixel, position, size):
    """The stamp moves only when the centre has clearly left its pixel: else two stamps could take turns for ever."""
    return np.where(np.abs(position - pixel) > 0.7, _stamp_centre(position, size), pixel)


def _on_stamp(position, pixel):
    return np.abs(position - pixel) <= _STAMP[-1] + 0.5


def _centre_step(data, x, y, column, row):
    """Next step (x, y), shape (n, 2), and whether there is a star at all: a positive amplitude."""
    stamps = data[row[:, None, None] + _STAMP[:, None], column[:, None, None] + _STAMP]
    in_x, gram_x = _line_basis(x - column)
    in_y, gram_y = _line_basis(y - row)
    # Of star, d/dx, d/dy and sky, each is a product of one line function in y and one in x: (0) star, (1) slope, (2) 1.
    of_y, of_x = np.array([0, 0, 1, 2]), np.array([0, 1, 0, 2])
    normal = gram_y[:, of_y[:, None], of_y] * gram_x[:, of_x[:, None], of_x]
    right = (in_y @ stamps @ in_x.transpose(0, 2, 1))[:, of_y, of_x]
    amplitude, dx, dy, _ = np.linalg.solve(normal, right[..., None])[..., 0].T
    light = amplitude > 0
    step = np.stack([dx, dy], axis=1) / np.where(light, amplitude, np.inf)[:, None]
    return np.clip(step, -_LARGEST_STEP, _LARGEST_STEP), light


def _line_basis(centre):
    """Star, its derivative and 1 along a line of pixels, weighted: shape (n, 3, 5); and their products, (n, 3, 3)."""
    offset = _STAMP - centre[:, None]
    edges = np.concatenate([offset - 0.5, offset[:, -1:] + 0.5], axis=1) / (np.sqrt(2.0) * _CORE_SIGMA)
    density = np.exp(-(edges**2)) / (np.sqrt(2.0 * np.pi) * _CORE_SIGMA)
    basis = np.stack([np.diff(erf(edges), axis=1) / 2, -np.diff(density, axis=1), np.ones_like(offset)], axis=1)
    weighted = basis * np.exp(-0.5 * (offset / _WEIGHT_SIGMA) ** 2)[:, None, :]
    return weighted, np.einsum("nai,nbi->nab", weighted, basis)


def _fallen(x, y, xc, yc, centred, max_shift):
    """Stars that share the centre of a neighbour: of two that came to less than half their distance, who moved more."""
    fallen = np.zeros(len(xc), dtype=bool)
    index = np.flatnonzero(centred)
    if index.size < 2:
        return fallen
    tree = cKDTree(np.stack([xc[index], yc[index]], axis=1))
    first, second = index[tree.query_pairs(2 * max_shift, output_type="ndarray")].T
    after = np.hypot(xc[first] - xc[second], yc[first] - yc[second])
    close = after < 0.5 * np.hypot(x[first] - x[second], y[first] - y[second])
    shift = np.hypot(xc - x, yc - y)
    fallen[np.where(shift[first] > shift[second], first, second)[close]] = True
    return fallen
