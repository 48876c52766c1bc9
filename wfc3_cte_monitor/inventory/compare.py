"""What is there against what is expected: rows of a table, and what is to be mended."""

import datetime
import math
from dataclasses import dataclass

from wfc3_cte_monitor.inventory.groups import different_calibrations, groups_of, without_companion, without_partner
from wfc3_cte_monitor.inventory.stock import Finding, grouped, named, numbered

__all__ = ["Row", "Inventory", "compare"]

_MJD_DAY_0 = datetime.date(1858, 11, 17)
_TIME_TOLERANCE = 0.02
"""Exposure times fit to this fraction, and to half a second."""


@dataclass(frozen=True)
class Row:
    """One line of the table: the exposures of a visit that are alike, or an expectation that nothing meets."""

    program: int
    place: str
    """A visit, or where the exposures should have been."""
    target: str
    filter: str
    time: str
    """[s], or 's' or 'l'"""
    flashlvl: str
    """[e-/px]"""
    expected: str
    """Pairs: '2', '1+' (one or more), '-' (no line asks for them)."""
    flt: int
    flc: int
    pairs: int
    status: str


@dataclass(frozen=True)
class Inventory:
    """What is there, what is to be mended, what is left out by rule, and what should be known besides."""

    rows: tuple
    findings: tuple
    left_out: tuple
    """One line each."""
    notes: tuple
    """One line each."""

    @property
    def complete(self):
        """Nothing is to be mended."""
        return not self.findings


def compare(stock, pairs, programs, legal, visits=()):
    """Compare an archive with what is expected of it.

    Parameters
    ----------
    stock : `Stock`
    pairs : iterable of `records.ExposurePair`
        Of `Stock.of_one_kind`.
    programs : iterable of int
        Whose expectations are to be met.
    legal : `settings.Settings`
        Expectations, forbidden visits, and the lists of what is legal to work on.
    visits : sequence of str, optional
        Only these; expectations that name no visit are not compared then.

    Returns
    -------
    inventory : `Inventory`
    """
    groups = groups_of(stock, pairs)
    expected = [e for p in programs for e in legal.expected_exposures.get(p, ()) if not visits or e.visit in visits]
    met = [(e, [group for group in groups if _meets(group.first, e)]) for e in expected]
    rows = [_row(group, met, legal) for group in groups]
    rows += [_empty_row(kinds, legal) for kinds in _unmet(met, stock.exposures, legal)]
    findings = [
        *stock.findings,
        *_missing(met, stock.exposures, legal),
        *_wrong_numbers(met),
        *_not_expected(groups, met, legal),
        *without_companion(stock),
        *without_partner(groups, stock.same_chip),
        *different_calibrations(stock.exposures),
    ]
    rows = sorted(rows, key=lambda row: _order(row, expected))
    return Inventory(tuple(rows), tuple(findings), tuple(_left_out(stock)), tuple(_notes(programs, legal, visits)))


def _meets(e, expected):
    return (
        (e.program, e.target) == (expected.program, expected.target)
        and expected.filter in (None, e.filter)
        and _time_fits(e, expected.time)
        and (expected.flashlvl is None or math.isclose(e.flashlvl, expected.flashlvl, abs_tol=1e-6))
        and _place_fits(e, expected)
    )


def _time_fits(e, time):
    if isinstance(time, float):
        return abs(e.exptime - time) <= max(_TIME_TOLERANCE * time, 0.5)
    return time in (None, e.length)


def _place_fits(e, expected):
    if expected.months:
        day = _MJD_DAY_0 + datetime.timedelta(days=e.expstart)
        return expected.months[0] <= (day.year, day.month) <= expected.months[1]
    return expected.visit in (None, e.visit)


def _row(group, met, legal):
    e = group.first
    mine = [(expected, found) for expected, found in met if group in found]
    numbers = [_number(expected) for expected, _ in mine]
    return Row(
        program=e.program,
        place=e.visit,
        target=e.target,
        filter=e.filter,
        time=f"{e.exptime:g}",
        flashlvl=f"{e.flashlvl:g}",
        # Of several lines that ask for the group the one that says a number tells more.
        expected=min(numbers, key=lambda number: number.endswith("+"), default="-"),
        flt=group.count(False),
        flc=group.count(True),
        pairs=group.pairs,
        status=_status(group, mine, met, legal),
    )


def _number(expected):
    return "1+" if expected.pairs is None else str(expected.pairs)


def _status(group, mine, met, legal):
    if not group.whole or any(_pairs(found) < (expected.pairs or 1) for expected, found in mine):
        return "INCOMPLETE"
    if any(expected.pairs and _pairs(found) > expected.pairs for expected, found in mine):
        return "TOO MANY"
    if mine:
        return "ok"
    if _is_surprise(group, met, legal):
        return "NOT EXPECTED"
    return "besides" if legal.expected_exposures.get(group.first.program) else "consistent"


def _pairs(groups):
    return sum(group.pairs for group in groups)


def _empty_row(kinds, legal):
    """One row for expectations of one target in one place that nothing meets."""
    first = kinds[0]
    return Row(
        program=first.program,
        place=first.place,
        target=first.target,
        filter=_words_of(e.filter for e in kinds),
        time=_words_of(_time_word(e.time) for e in kinds),
        flashlvl=_words_of(None if e.flashlvl is None else f"{e.flashlvl:g}" for e in kinds),
        expected=_words_of(map(_number, kinds)) + " each" * (len(kinds) > 1),
        flt=0,
        flc=0,
        pairs=0,
        status=_not_asked_for(first, legal) or "MISSING",
    )


def _words_of(values):
    """Different values, in their order."""
    return " ".join(dict.fromkeys("any" if value is None else value for value in values))


def _order(row, expected):
    """By program, visits before months before '*', and then as one reads numbers."""
    months = {e.place: e.months for e in expected if e.months}
    place = (1, *months[row.place][0], "") if row.place in months else (2 * (row.place == "*"), 0, 0, row.place)
    return row.program, place, row.target, row.filter, row.time.zfill(20), row.flashlvl.zfill(20)


def _not_asked_for(expected, legal):
    """Why nothing needs to be there, or ''."""
    if expected.visit in legal.forbidden_visits.get(expected.program, ()):
        return "forbidden visit"
    for name, value in (("target", expected.target), ("filter", expected.filter), ("flashlvl", expected.flashlvl)):
        if value is not None and value not in getattr(legal, f"{name}_list"):
            return f"not in {name}_list"
    return ""


def _unmet(met, exposures, legal):
    """Lists of expectations that nothing meets: together where nothing at all is there of their target."""
    empty = [e for e, found in met if not found]
    for _, kinds in grouped(empty, lambda e: (e.program, e.place, e.target, _not_asked_for(e, legal))):
        if _some_of(kinds[0], exposures):
            yield from ([kind] for kind in kinds)
        else:
            yield kinds


def _some_of(expected, exposures):
    """Whether anything of the target is in the place."""
    mine = (e for e in exposures if (e.program, e.target) == (expected.program, expected.target))
    return expected.place == "*" or any(_place_fits(e, expected) for e in mine)


def _missing(met, exposures, legal):
    for kinds in _unmet(met, exposures, legal):
        first = kinds[0]
        if _not_asked_for(first, legal):
            continue
        if _some_of(first, exposures):
            yield Finding("missing", _said(first), "retrieve the exposures")
        else:
            todo = "retrieve the visit if it was observed, forbid it if it failed"
            yield Finding("missing", f"{first.program}/{first.place}: all of {first.target}", todo)


def _said(expected):
    """Place and words of an expectation."""
    place = "" if expected.place == "*" else f"/{expected.place}"
    return f"{expected.program}{place}: {expected.target} {_words(expected)}".rstrip()


def _words(expected):
    """The expectation in the words of the configuration."""
    flash = None if expected.flashlvl is None else f"pf{expected.flashlvl:g}"
    return " ".join(word for word in (expected.filter, _time_word(expected.time), flash) if word)


def _time_word(time):
    return f"{time:g}" if isinstance(time, float) else time


def _wrong_numbers(met):
    """Too few pairs, unless exposures without a partner are the reason, or too many."""
    for expected, found in met:
        number, alone = _pairs(found), sum(len(group.alone) for group in found)
        what = _said(expected)
        if found and number + alone < (expected.pairs or 1):
            yield Finding("missing", f"{what}: {number} of {_number(expected)} pairs", "retrieve the others")
        if expected.pairs and number > expected.pairs:
            roots = sorted({e.rootname for group in found for e in group.exposures})
            what += f": {number} pairs, expected {expected.pairs}: {named(roots)}"
            yield Finding("double", what, "see which are meant, or correct expected_exposures")


def _is_surprise(group, met, legal):
    """Lines of visits say all that is there, those of months or '*' only what must be."""
    lines = legal.expected_exposures.get(group.first.program, ())
    if any(group in found for _, found in met) or not lines:
        return False
    return group.first.visit in {e.visit for e in lines} or all(e.visit for e in lines)


def _not_expected(groups, met, legal):
    for group in groups:
        if _is_surprise(group, met, legal):
            yield Finding("not expected", str(group), "correct expected_exposures, or forbid the visit")


def _left_out(stock):
    for (program, visit, reason), files in grouped(stock.left_out, _rule):
        yield f"{program}/{visit}: {reason}: {numbered(files)} ({named([r.imagename for r in files], 2)})"


def _rule(rejection):
    return rejection.exposure.program, rejection.exposure.visit, rejection.reason


def _notes(programs, legal, visits):
    for program in programs:
        expected = legal.expected_exposures.get(program, ())
        if not expected:
            yield f"{program}: not in expected_exposures, so that what is missing altogether is not seen"
        elif visits and not any(e.visit for e in expected):
            yield f"{program}: expected_exposures names no visits, so that with --v nothing is expected"
