"""What the files are: those that count, each once, and what is wrong with single ones."""

from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from wfc3_cte_monitor.records import Exposure, Rejection

__all__ = ["FoundFile", "Finding", "Stock", "sort_out", "grouped", "named", "numbered", "version"]

_MOST_NAMES = 4


@dataclass(frozen=True)
class FoundFile:
    """One FLT or FLC and what came of reading its header."""

    path: Path
    record: Exposure | Rejection | None
    """None where the file cannot be used."""
    problem: str = ""
    """Why it cannot be used."""

    @property
    def exposure(self):
        """What the header says, of a rejected file too; None where the file cannot be used."""
        return self.record.exposure if isinstance(self.record, Rejection) else self.record

    @property
    def place(self):
        """Folder and name."""
        return f"{self.path.parent.name}/{self.path.name}"


@dataclass(frozen=True)
class Finding:
    """Something to be mended."""

    kind: str
    """'missing', 'double', 'unpaired', 'calibration', 'misplaced', 'foreign', 'unusable' or 'not expected'."""
    what: str
    todo: str


@dataclass(frozen=True)
class Stock:
    """The files of an archive, sorted."""

    nominal: tuple
    """Exposures of the monitor, each file once."""
    same_chip: tuple
    """Exposures of the 180-degree set, each file once."""
    left_out: tuple
    """`records.Rejection`, without those of the 180-degree set."""
    names: frozenset
    """Of all files."""
    findings: tuple

    @property
    def exposures(self):
        """All that count."""
        return self.nominal + self.same_chip

    def of_one_kind(self):
        """The nominal exposures, each rootname once and as if it were an FLT: for their partners FLT or FLC is one."""
        return tuple({e.rootname: replace(e, ctecorr=False) for e in self.nominal}.values())


def sort_out(files, legal, new="newdata"):
    """Sort files by whether they count, and find what is wrong with single ones.

    Parameters
    ----------
    files : iterable of `FoundFile`
    legal : `settings.Settings`
        Its program list and same-chip visits.
    new : str, optional
        Name of the folder whose files may be of any program.

    Returns
    -------
    stock : `Stock`
    """
    files = sorted(files, key=lambda f: (f.path.name, f.path.parent.name == new, f.place))
    usable = [f for f in files if f.exposure]
    own = [f for f in usable if f.exposure.program in legal.program_list]
    kept = [next(copies) for _, copies in groupby(own, key=lambda f: f.path.name)]
    same_chip = [f for f in kept if _is_same_chip(f, legal)]
    nominal = [f for f in kept if isinstance(f.record, Exposure) and f not in same_chip]
    return Stock(
        nominal=tuple(f.record for f in nominal),
        same_chip=tuple(f.exposure for f in same_chip),
        left_out=tuple(f.record for f in kept if f not in same_chip and f not in nominal),
        names=frozenset(f.path.name for f in files),
        findings=(*_unusable(files), *_foreign(usable, legal), *_misplaced(own, new), *_double(files)),
    )


def _is_same_chip(file, legal):
    program, visit = file.exposure.program, file.exposure.visit
    forbidden = visit in legal.forbidden_visits.get(program, ())
    return visit in legal.same_chip_visits.get(program, ()) and not forbidden


def _unusable(files):
    for file in files:
        if file.record is None:
            problem, _, cure = file.problem.partition("; ")
            yield Finding("unusable", f"{file.place}: {problem}", cure or "remove it, or retrieve it again")


def _foreign(usable, legal):
    others = [f for f in usable if f.exposure.program not in legal.program_list]
    for program, files in grouped(others, lambda f: f.exposure.program):
        what = f"program {program} is not in program_list: {named([f.place for f in files])}"
        yield Finding("foreign", what, "add the program to program_list, or remove the files")


def _misplaced(own, new):
    for file in own:
        program = file.exposure.program
        if file.path.parent.name not in (new, str(program)):
            yield Finding("misplaced", f"{file.place}: its PROPOSID is {program}", f"move it to {program}")


def _double(files):
    for name, copies in grouped(files, lambda f: f.path.name):
        if len(copies) > 1:
            places = [f.path.parent.name + _version_in_brackets(f) for f in copies]
            yield Finding("double", f"{name}: in {' and in '.join(places)}", "keep one of them")


def _version_in_brackets(file):
    return f" (CAL_VER {version(file.exposure)})" if file.exposure else ""


def version(exposure):
    """CAL_VER of an exposure."""
    return exposure.keywords.get("CAL_VER") or "unknown"


def grouped(items, key):
    """(key, list of items) in order of the key."""
    return [(value, list(group)) for value, group in groupby(sorted(items, key=key), key=key)]


def named(names, most=_MOST_NAMES):
    """Names as text, not too many of them."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def numbered(files):
    """'1 file', '2 files'."""
    return f"{len(files)} file{'s' * (len(files) != 1)}"
