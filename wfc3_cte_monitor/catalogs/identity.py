"""Stars of a new catalogue and those of the one before: who is who."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

__all__ = ["Identities", "keep_ids"]

_ARCSEC = 1 / 3600
SAME_STAR = 0.06
"""Positions of the same star agree this well [arcsec]."""
_FRAME_SEARCH = 1.5
"""How far the frames of two catalogues may lie apart [arcsec]."""
_FRAME_BIN = 0.05
"""[arcsec]"""


@dataclass(frozen=True)
class Identities:
    """What has become of the ids."""

    id: np.ndarray
    """Of the new stars, shape (n,): the old one where there is one, else one that was never used."""
    known: np.ndarray
    """Which of the new stars are old, bool, shape (n,)."""
    missed: np.ndarray
    """Indices of old stars that are not among the new ones."""
    offset: tuple
    """By which the frame of the new catalogue lies east and north of the old one's [arcsec]."""


def keep_ids(ra, dec, old):
    """Give new stars the ids of old ones at the same place.

    Parameters
    ----------
    ra, dec : ndarray, shape (n,)
        New stars [deg].
    old : `records.MasterCatalog`

    Returns
    -------
    identities : `Identities`
    """
    if not len(old):
        n = len(ra)
        return Identities(np.arange(1, n + 1), np.zeros(n, bool), np.empty(0, int), (0.0, 0.0))
    origin = np.median(old.ra), np.median(old.dec)
    before, now = _on_plane(old.ra, old.dec, origin), _on_plane(ra, dec, origin)
    offset = _frame_offset(before, now)
    match = _mutual(before, now - offset, SAME_STAR)
    known = match >= 0
    ids = np.empty(len(now), dtype=np.int64)
    ids[known] = old.id[match[known]]
    ids[~known] = old.id.max() + 1 + np.arange(np.count_nonzero(~known))
    missed = np.setdiff1d(np.arange(len(old)), match[known])
    return Identities(ids, known, missed, tuple(map(float, offset)))


def _on_plane(ra, dec, origin):
    """East and north of an origin, shape (n, 2) [arcsec]."""
    east = ((np.asarray(ra) - origin[0] + 180) % 360 - 180) * np.cos(np.radians(origin[1]))
    return np.column_stack([east, np.asarray(dec) - origin[1]]) / _ARCSEC


def _frame_offset(before, now):
    """The peak of the differences of all near pairs, and the median around it; 0 where there is none."""
    pairs = cKDTree(before).query_ball_point(now, _FRAME_SEARCH)
    which = np.repeat(np.arange(len(now)), [len(found) for found in pairs])
    difference = now[which] - before[np.concatenate([*pairs, []]).astype(int)]
    if not len(difference):
        return np.zeros(2)
    edges = np.arange(-_FRAME_SEARCH, _FRAME_SEARCH + _FRAME_BIN, _FRAME_BIN)
    counts, *_ = np.histogram2d(*difference.T, bins=[edges, edges])
    peak = np.array([edges[place] for place in np.unravel_index(counts.argmax(), counts.shape)]) + _FRAME_BIN / 2
    near = np.hypot(*(difference - peak).T) < 2 * _FRAME_BIN
    return np.median(difference[near], axis=0) if near.any() else np.zeros(2)


def _mutual(before, now, radius):
    """Index of the old star of each new one, -1 where none is near: each is the other's nearest."""
    distance, nearest = cKDTree(before).query(now)
    _, back = cKDTree(now).query(before)
    return np.where((distance <= radius) & (back[nearest] == np.arange(len(now))), nearest, -1)
