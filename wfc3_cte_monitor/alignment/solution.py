"""Whether an alignment can be trusted: what TweakReg says of its fit, and what the stars say of its WCS."""

import numpy as np
from astropy.coordinates import angular_separation, position_angle
from scipy.spatial import cKDTree

from wfc3_cte_monitor.errors import AlignmentError

__all__ = ["read_solution", "check_solution", "displacement", "judge"]

_CHECK_RADIUS = 1.0
"""A source this close to where a star should be is taken for it [px]."""
_CHANCE_FACTOR = 3.0
"""How many times more sources must be near stars than would be by chance."""
_CLIPS = 5
_FEWEST_FOR_PLANE = 6
_CENTROID = 0.05
"""Centroids scatter by this much [px]."""
_RESIDUALS = (6, 7)
"""Columns of the residuals in x and y in TweakReg's .match file."""


def read_solution(path):
    """What TweakReg says of its fit.

    Parameters
    ----------
    path : `pathlib.Path`
        ``<image>_catalog_fit.match``

    Returns
    -------
    n_matches : int
    rms : tuple of float
        In x and y [px].

    Raises
    ------
    AlignmentError
        TweakReg wrote none: it found no fit.
    """
    if not path.is_file():
        raise AlignmentError("TweakReg found no fit")
    rows = [line.split() for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
    residuals = np.array([[float(row[column]) for column in _RESIDUALS] for row in rows]).reshape(-1, 2)
    if not len(residuals):
        raise AlignmentError("TweakReg found no fit")
    return len(residuals), tuple(float(rms) for rms in np.sqrt(np.mean(residuals**2, axis=0)))


def check_solution(sources, stars, shapes):
    """Hold the sources of an exposure against where its new WCS puts the stars.

    Parameters
    ----------
    sources, stars : dict
        EXTVER -> ndarray, shape (n, 2): x, y, 1-based [px].
    shapes : dict
        EXTVER -> rows, columns.

    Returns
    -------
    n_checked : int
        Sources within 1 px of a star.
    n_chance : float
        As many would be if the stars were scattered at random.
    offset : ndarray, shape (2,)
        Median of source minus star in x and y [px]; NaN where no star was found.
    edge : float
        Largest offset at a corner of a chip on which stars were found, by a plane through the offsets [px]: that of
        a fit to the stars of one region, which is right there and nowhere else.
    """
    offsets, places, corners, n_chance = [np.empty((0, 2))], [], [], 0.0
    for extver, found in sources.items():
        expected = stars.get(extver, np.empty((0, 2)))
        if not len(expected) or not len(found):
            continue
        distance, nearest = cKDTree(expected).query(found)
        near = distance <= _CHECK_RADIUS
        offsets.append(found[near] - expected[nearest[near]])
        places.append(_on_frame(found[near], extver, shapes[extver]))
        if near.any():
            corners.append(_on_frame(_corners(shapes[extver]), extver, shapes[extver]))
        density = len(expected) / np.prod(shapes[extver])
        n_chance += len(found) * -np.expm1(-density * np.pi * _CHECK_RADIUS**2)
    offsets = np.concatenate(offsets)
    if not len(offsets):
        return 0, n_chance, np.full(2, np.nan), np.nan
    edge = _largest(offsets, np.concatenate(places), np.concatenate(corners))
    return len(offsets), n_chance, np.median(offsets, axis=0), edge


def _on_frame(positions, extver, shape):
    """1, x, y of positions on a frame with one chip above the other, where a rotation is one for both [px]."""
    return np.column_stack([np.ones(len(positions)), positions + (0, (extver - 1) * shape[0])])


def _corners(shape):
    rows, columns = shape
    return np.array([[1, 1], [columns, 1], [1, rows], [columns, rows]], dtype=float)


def _largest(offsets, places, corners):
    """Of the offsets at the corners, by a plane through all but those that chance brought together [px]."""
    kept = np.ones(len(offsets), dtype=bool)
    for _ in range(_CLIPS):
        if np.count_nonzero(kept) < _FEWEST_FOR_PLANE:
            return np.nan
        plane = np.linalg.lstsq(places[kept], offsets[kept], rcond=None)[0]
        distance = np.hypot(*(offsets - places @ plane).T)
        kept = distance <= max(3 * np.median(distance), _CENTROID)
    return float(np.hypot(*(corners @ plane).T).max())


def displacement(before, after, shape):
    """How far and by which angle a new WCS moves a chip.

    Parameters
    ----------
    before, after : `astropy.wcs.WCS`
    shape : tuple
        Rows, columns.

    Returns
    -------
    shift : float
        Of the middle of the chip [arcsec].
    rotation : float
        [deg]
    """
    rows, columns = shape
    points = [(columns / 2, rows / 2), (columns / 2, rows)]
    old, new = (np.radians(wcs.all_pix2world(points, 1)) for wcs in (before, after))
    shift = angular_separation(*old[0], *new[0])
    turn = (position_angle(*new[0], *new[1]) - position_angle(*old[0], *old[1])).wrap_at("180d")
    return 3600 * float(np.degrees(shift)), float(turn.deg)


def judge(alignment, limits):
    """Why a fit must not be trusted.

    Parameters
    ----------
    alignment : `records.Alignment`
    limits : dict
        'matches' (at least), and at most 'rms' [px], 'offset' [px], 'edge' [px], 'shift' [arcsec], 'rotation' [deg].

    Returns
    -------
    reasons : list of str
        Empty for a good fit.
    """
    a, most = alignment, limits
    offset, rms = float(np.hypot(*a.offset)), float(np.max(a.rms))
    found = (
        (a.n_matches < most["matches"], f"{a.n_matches} matches, fewer than {most['matches']:g}"),
        (not rms <= most["rms"], f"rms {rms:.2f} px, above {most['rms']:g}"),
        (not a.shift <= most["shift"], f"shift {a.shift:.2f} arcsec, above {most['shift']:g}"),
        (not abs(a.rotation) <= most["rotation"], f"rotation {a.rotation:.3f} deg, above {most['rotation']:g}"),
        (
            a.n_checked < max(most["matches"], _CHANCE_FACTOR * a.n_chance),
            f"{a.n_checked} of {a.n_sources} sources near stars of the catalogue, {a.n_chance:.0f} would be by chance",
        ),
        (not offset <= most["offset"], f"stars {offset:.2f} px off, above {most['offset']:g}"),
        (not a.edge <= most["edge"], f"stars {a.edge:.2f} px off at the edge, above {most['edge']:g}"),
    )
    return [reason for wrong, reason in found if wrong]
