"""Exposures -> pairs: the same field on chip 1 and chip 2, close in time; or on one chip, at opposite rolls."""

from collections.abc import Iterable, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment

from wfc3_cte_monitor.records import Exposure, ExposurePair
from wfc3_cte_monitor.uvis import CHIP_DISTANCE, CHIP_SIZE, MIN_SHIFT

__all__ = ["nominal_pairs", "dithered_pairs", "with_partners", "shared_field", "same_chip_pairs", "epochs"]

_MAX_DAYS = 1.0
"""A visit lasts hours."""

_MAX_ROLL_DIFFERENCE = 5.0
"""From 180 degrees, of the rolls of a same-chip pair [deg]."""

_IMPOSSIBLE = 1e6


def nominal_pairs(exposures: Iterable[Exposure]) -> tuple[list[ExposurePair], list[Exposure]]:
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


def _group(e: Exposure) -> tuple:
    return e.program, e.visit, e.target, e.filter, round(e.exptime, 3), e.flashlvl, e.ctecorr


def _closest(group: list[Exposure]) -> list[ExposurePair]:
    ones, twos = ([e for e in group if e.chip == chip] for chip in (1, 2))
    if not ones or not twos:
        return []
    days = np.array([[abs(one.expstart - two.expstart) for two in twos] for one in ones])
    shift = np.array([[abs(one.postarg1 - two.postarg1) for two in twos] for one in ones])
    allowed = (days <= _MAX_DAYS) & (shift <= MIN_SHIFT + 1e-9)
    chosen = zip(*linear_sum_assignment(np.where(allowed, days, _IMPOSSIBLE)), strict=True)
    return [ExposurePair(ones[i], twos[j]) for i, j in chosen if allowed[i, j]]


def with_partners(exposures: Sequence[Exposure]) -> list[Exposure]:
    """Of the exposures those that are dithered, and those that may be their partners, in the same order.

    Parameters
    ----------
    exposures : sequence of `records.Exposure`
    """
    groups = {_group(e) for e in exposures if e.dithered}
    return [e for e in exposures if _group(e) in groups]


def shared_field(one: Exposure, two: Exposure) -> float:
    """The part of a chip's field, 0 to 1, that `one` has on chip 1 and `two` on chip 2, by their POSTARGs."""
    moved = abs(one.postarg1 - two.postarg1), abs(CHIP_DISTANCE - abs(one.postarg2 - two.postarg2))
    width, height = (max(0.0, 1.0 - arcsec / size) for arcsec, size in zip(moved, CHIP_SIZE, strict=True))
    return width * height


def dithered_pairs(exposures: Iterable[Exposure], min_shared: float) -> tuple[list[ExposurePair], dict[Exposure, str]]:
    """Pair each dithered exposure with one that has the same stars on the other chip, dithered or not.

    Whatever the dither, a row further from the amplifier of one chip is a row nearer to that of the other: the slope is
    that of a nominal pair, of the rows that both have; sqrt(F1 F2) is the flux after fewer or more transfers than
    half a chip. Like those of a nominal pair, the two agree in all but the POSTARGs. Those that share most are paired
    first, each exposure once.

    Parameters
    ----------
    exposures : iterable of `records.Exposure`
        With their chips known.
    min_shared : float
        `shared_field` that a pair needs.

    Returns
    -------
    pairs : list of `records.ExposurePair`
        In order of time.
    unpaired : dict
        Dithered `records.Exposure` -> the reason.
    """
    ordered = sorted(exposures, key=lambda e: (_group(e), e.expstart, e.imagename))
    possible = [pair for _, group in groupby(ordered, key=_group) for pair in _dithered_in(list(group))]
    pairs: list[ExposurePair] = []
    used: set[Exposure] = set()
    for pair in sorted(possible, key=lambda p: (-round(shared_field(p.one, p.two), 2), _days(p), p.one.imagename)):
        both = {pair.one, pair.two}
        if shared_field(pair.one, pair.two) >= min_shared and not both & used:
            pairs.append(pair)
            used |= both
    pairs.sort(key=lambda pair: (pair.mjd, pair.one.imagename))
    return pairs, {e: _why_unpaired(e, possible, min_shared) for e in ordered if e.dithered and e not in used}


def _dithered_in(group: list[Exposure]) -> list[ExposurePair]:
    """All pairs of a group, one of which is dithered, on different chips in one visit."""
    pairs = [ExposurePair(one, two) for one in group if one.chip == 1 for two in group if two.chip == 2]
    return [pair for pair in pairs if (pair.one.dithered or pair.two.dithered) and _days(pair) <= _MAX_DAYS]


def _days(pair: ExposurePair) -> float:
    return abs(pair.one.expstart - pair.two.expstart)


def _why_unpaired(exposure: Exposure, possible: list[ExposurePair], min_shared: float) -> str:
    own = [pair for pair in possible if exposure in (pair.one, pair.two)]
    other = "chip 2" if exposure.chip == 1 else "chip 1"
    if not own:
        return f"nothing of its visit, filter, time and flash on {other}"
    best = max(shared_field(pair.one, pair.two) for pair in own)
    if best < min_shared:
        return f"shares at most {100 * best:.0f} % of its field with one on {other}"
    return f"what it shares stars with on {other} is paired with others"


def same_chip_pairs(exposures: Iterable[Exposure]) -> tuple[list[ExposurePair], list[Exposure]]:
    """Pair exposures of a field on the same chip, whose rolls are 180 degrees apart: far rows become near ones.

    The two agree in program, target, filter, exposure time, flash level, FLT/FLC and chip. Those of either roll are
    taken in order of EXPSTART, the first with the first; the earlier of a pair is `one`.

    Parameters
    ----------
    exposures : iterable of `records.Exposure`
        With their chips known.

    Returns
    -------
    pairs : list of `records.ExposurePair`
        In order of time.
    unpaired : list of `records.Exposure`
    """
    ordered = sorted(exposures, key=lambda e: (_same_chip_group(e), e.expstart, e.imagename))
    pairs = [pair for _, group in groupby(ordered, key=_same_chip_group) for pair in _opposite(list(group))]
    used = {e.imagename for pair in pairs for e in (pair.one, pair.two)}
    pairs.sort(key=lambda pair: (pair.mjd, pair.one.imagename))
    return pairs, [e for e in ordered if e.imagename not in used]


def _same_chip_group(e: Exposure) -> tuple:
    return e.program, e.target, e.filter, round(e.exptime, 3), e.flashlvl, e.ctecorr, e.chip


def _opposite(group: list[Exposure]) -> list[ExposurePair]:
    """Like exposures in order of time -> pairs: each with the first one of the opposite roll that is still free."""
    pairs: list[ExposurePair] = []
    free: list[Exposure] = []
    for exposure in group:
        partner = next((e for e in free if _turn(e, exposure) <= _MAX_ROLL_DIFFERENCE), None)
        if partner is None:
            free.append(exposure)
        else:
            free.remove(partner)
            pairs.append(ExposurePair(partner, exposure))
    return pairs


def _turn(one: Exposure, two: Exposure) -> float:
    """How far the difference of two rolls is from 180 degrees [deg]."""
    return abs((two.pa_v3 - one.pa_v3) % 360 - 180)


def epochs(mjd: ArrayLike, gap: float = 30.0) -> np.ndarray:
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
