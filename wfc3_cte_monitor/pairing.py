"""Exposures -> pairs: the same field on chip 1 and chip 2, close in time."""

from itertools import groupby

import numpy as np
from scipy.optimize import linear_sum_assignment

from wfc3_cte_monitor.records import ExposurePair

__all__ = ["nominal_pairs", "epochs"]

_MAX_DAYS = 1.0
"""A visit lasts hours."""

_MAX_POSTARG1 = 0.1
"""[arcsec]"""

_IMPOSSIBLE = 1e6


def nominal_pairs(exposures):
    """Pair each exposure of the field on chip 1 with one on chip 2.

    The two agree in program, visit, target, filter, exposure time, flash level and FLT/FLC, and in POSTARG1 to 0.1
    arcsec. Each exposure is used once, such that the times between the partners are shortest altogether.

    Parameters
    ----------
    exposures : iterable of `records.Exposure`

    Returns
    -------
    pairs : list of `records.ExposurePair`
        In order of time.
    unpaired : list of `records.Exposure`
    """
    ordered = sorted(exposures, key=lambda e: (_group(e), e.expstart, e.imagename))
    pairs = [pair for _, group in groupby(ordered, key=_group) for pair in _closest(list(group))]
    used = {e.imagename for pair in pairs for e in (pair.one, pair.two)}
    pairs.sort(key=lambda pair: (pair.mjd, pair.one.imagename))
    return pairs, [e for e in ordered if e.imagename not in used]


def _group(e):
    return e.program, e.visit, e.target, e.filter, round(e.exptime, 3), e.flashlvl, e.ctecorr


def _closest(group):
    ones, twos = ([e for e in group if e.chip == chip] for chip in (1, 2))
    if not ones or not twos:
        return []
    days = np.array([[abs(one.expstart - two.expstart) for two in twos] for one in ones])
    shift = np.array([[abs(one.postarg1 - two.postarg1) for two in twos] for one in ones])
    allowed = (days <= _MAX_DAYS) & (shift <= _MAX_POSTARG1 + 1e-9)
    chosen = zip(*linear_sum_assignment(np.where(allowed, days, _IMPOSSIBLE)), strict=True)
    return [ExposurePair(ones[i], twos[j]) for i, j in chosen if allowed[i, j]]


def epochs(mjd, gap=30.0):
    """Number the epochs: observations within `gap` days of each other are one (single linkage).

    Parameters
    ----------
    mjd : array_like, shape (n,)
    gap : float, optional
        [days]

    Returns
    -------
    epoch : ndarray of int, shape (n,)
        0 for the earliest.
    """
    mjd = np.asarray(mjd, dtype=float)
    order = np.argsort(mjd, kind="stable")
    epoch = np.empty(len(mjd), dtype=int)
    epoch[order] = np.concatenate([[0], np.cumsum(np.diff(mjd[order]) > gap)])[: len(mjd)]
    return epoch
