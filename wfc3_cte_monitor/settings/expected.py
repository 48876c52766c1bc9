"""What each program should hold, as people type it from a proposal."""

import re
from collections import Counter
from collections.abc import Mapping
from itertools import product

from wfc3_cte_monitor.errors import ConfigurationError
from wfc3_cte_monitor.records import Expectation
from wfc3_cte_monitor.settings.values import integer, visit
from wfc3_cte_monitor.uvis import target_of

__all__ = ["expectations", "wrong_expectation"]

_NAMES_OF_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SPAN = re.compile(r"([A-Z][a-z]{2})(?:[-/]([A-Z][a-z]{2}))? (\d{4})")
_WORDS = {
    "times": re.compile(r"([sl]|\d+(?:\.\d+)?)s?"),
    "flashlvls": re.compile(r"pf(\d+(?:\.\d+)?)"),
    "pairs": re.compile(r"x([1-9]\d*)"),
    "filters": re.compile(r"(F\d{3}[A-Z]+)"),
    "targets": re.compile(r"(?![FGx]\d)([A-Za-z]+-?\d+)"),
}
"""The words of a line tell by their form what they say."""


def expectations(value):
    """The setting: program -> {visits or months: lines of words} becomes program -> tuple of `records.Expectation`.

    Raises
    ------
    ConfigurationError
        A program, place or word is not understood; the message names it.
    """
    if not isinstance(value, Mapping):
        raise ConfigurationError("expected_exposures: must be a dictionary: program -> {visits: lines}")
    return {program: _of_program(program, places) for program, places in _by_program(value)}


def _by_program(value):
    for key, places in value.items():
        try:
            program = integer(key)
        except (TypeError, ValueError):
            raise ConfigurationError(f"expected_exposures: {key!r} is not a program number") from None
        if not isinstance(places, Mapping):
            raise ConfigurationError(f"expected_exposures: {program}: must be a dictionary: visits -> lines")
        yield program, places


def _of_program(program, places):
    """The expectations of one program; none of them twice."""
    expected = [
        Expectation(program, place, *kind, months)
        for key, lines in places.items()
        for place, months in _places(program, key)
        for line in ([lines] if isinstance(lines, str) else _lines(program, key, lines))
        for kind in _kinds(program, key, line)
    ]
    counted = Counter((e.place, e.target, e.filter, e.time, e.flashlvl) for e in expected)
    (place, *kind), number = max(counted.items(), key=lambda item: item[1], default=(("",), 0))
    if number > 1:
        words = " ".join(str(word) for word in kind if word is not None)
        raise wrong_expectation(program, place, f"the same is said twice ({words})")
    return tuple(expected)


def _lines(program, key, lines):
    if not isinstance(lines, (list, tuple)) or not lines or not all(isinstance(line, str) for line in lines):
        raise wrong_expectation(program, key, f"must be a line such as 'ngc104 F502N s l pf12', not {lines!r}")
    return lines


def _places(program, key):
    """(visit, None) of each visit, or (words, first and last month) of each span of months."""
    if key == "*":
        return [("*", None)]
    parts = [part.strip() for part in str(key).split(",")]
    try:
        spans = [_SPAN.fullmatch(part) for part in parts]
        if all(spans):
            return [(part, _months(span)) for part, span in zip(parts, spans, strict=True)]
        return [(one, None) for one in map(visit, str(key).replace(",", " ").split())]
    except ValueError:
        wanted = "visits ('01 03'), months ('Mar 2011, Jun-Jul 2012') or '*'"
        raise wrong_expectation(program, key, f"must be {wanted}") from None


def _months(span):
    first, last, year = span.groups()
    months = tuple((int(year), _NAMES_OF_MONTHS.index(name) + 1) for name in (first, last or first))
    if months[0] > months[1]:
        raise ValueError
    return months


def _kinds(program, key, line):
    """(target, filter, time, flash level, pairs) of everything that a line asks for."""
    said = {name: [] for name in _WORDS}
    for word in line.split():
        name, value = next(((n, m[1]) for n, form in _WORDS.items() if (m := form.fullmatch(word))), (None, None))
        if name is None:
            wanted = "a target, a filter, s, l, seconds, pf<level> or x<pairs>"
            raise wrong_expectation(program, key, f"{word!r} is not {wanted}")
        said[name].append(value)
    for name in ("targets", "pairs"):
        if len(said[name]) != 1 and (said[name] or name == "targets"):
            raise wrong_expectation(program, key, f"one of {name} in a line, not {len(said[name])}: {line!r}")
    times = [time if time in "sl" else float(time) for time in said["times"]]
    flashlvls: list[float | None] = [float(level) for level in said["flashlvls"]]
    pairs = int(said["pairs"][0]) if said["pairs"] else None
    kinds = product([target_of(said["targets"][0])], said["filters"] or [None], times or [None], flashlvls or [None])
    return [(*kind, pairs) for kind in kinds]


def wrong_expectation(program, place, problem):
    """The `ConfigurationError` of a place in expected_exposures."""
    named = f"visit {place}" if re.fullmatch(r"[0-9a-zA-Z]{1,2}", str(place)) else repr(place)
    return ConfigurationError(f"expected_exposures: {program}, {named}: {problem}")
