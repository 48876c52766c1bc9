"""Exposures, and what they are left out by, asked for, grouped and paired."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wfc3_cte_monitor.uvis import MIN_CHIP_MOVE, MIN_SHIFT, exposure_length, visit_of

__all__ = ["Exposure", "Rejection", "Expectation", "ExposureSet", "ExposurePair"]


@dataclass(frozen=True)
class Exposure:
    """One FLT or FLC file that the monitor measures."""

    path: Path
    rootname: str
    program: int
    target: str
    """Short name, such as 'ngc104'."""
    filter: str
    exptime: float
    """[s]"""
    expstart: float
    """Start of the exposure [MJD]."""
    flashlvl: float
    """Post-flash level [e-/px]; 0 where there was none."""
    ctecorr: bool
    """True for an FLC, false for an FLT."""
    chip: int | None
    """The chip that the field is on; None where only the stars can tell (same-chip set)."""
    postarg1: float
    """[arcsec]"""
    postarg2: float
    """[arcsec]"""
    pa_v3: float
    """Position angle of the V3 axis [deg]."""
    keywords: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """Further header keywords that the database keeps (name -> value, None where the header has none).

    Not in the text of an exposure, of which its fingerprint is made: a new column must not ask for new photometry, and
    with a keyword the file changes, too.
    """

    @property
    def visit(self) -> str:
        """Visit, two characters in lower case."""
        return visit_of(self.rootname)

    @property
    def length(self) -> str:
        """'s' or 'l'."""
        return exposure_length(self.exptime)

    @property
    def dithered(self) -> bool:
        """Whether it was moved along rows or columns, otherwise than from chip to chip."""
        return abs(self.postarg1) > MIN_SHIFT or MIN_SHIFT < abs(self.postarg2) < MIN_CHIP_MOVE

    @property
    def imagename(self) -> str:
        """File name: the natural key of an exposure in the database."""
        return f"{self.rootname}_{'flc' if self.ctecorr else 'flt'}.fits"

    @property
    def set(self) -> "ExposureSet":
        """The `ExposureSet` that it belongs to."""
        return ExposureSet(self.target, self.filter, self.length, self.flashlvl, self.ctecorr)


@dataclass(frozen=True)
class Rejection:
    """A file that the monitor leaves out by one of its rules."""

    path: Path
    reason: str
    """The rule, the same words for all files that it leaves out."""
    detail: str = ""
    """What in this file met the rule."""
    exposure: Exposure | None = field(default=None, compare=False)
    """What its header says."""

    @property
    def imagename(self) -> str:
        return self.path.name


@dataclass(frozen=True)
class Expectation:
    """Exposure pairs of one kind that a program should hold; None stands for any."""

    program: int
    place: str
    """A visit, the months as the configuration has them ('Jun-Jul 2012'), or '*' for anywhere in the program."""
    target: str
    filter: str | None = None
    time: str | float | None = None
    """'s', 'l' or seconds."""
    flashlvl: float | None = None
    """[e-/px]"""
    pairs: int | None = None
    """How many pairs, exactly; None for one or more. In a same-chip visit the exposures that have a partner."""
    months: tuple[tuple[int, int], tuple[int, int]] | None = None
    """First and last (year, month) where the place is months."""

    @property
    def visit(self) -> str | None:
        """The visit, None where the place is something else."""
        return None if self.months or self.place == "*" else self.place


@dataclass(frozen=True, order=True)
class ExposureSet:
    """What exposures have in common whose losses one surface describes."""

    target: str
    filter: str
    length: str
    """'s' or 'l'."""
    flashlvl: float
    """[e-/px]"""
    ctecorr: bool


@dataclass(frozen=True)
class ExposurePair:
    """The same field on chip 1 and on chip 2 (`one` and `two`)."""

    one: Exposure
    two: Exposure

    @property
    def same_chip(self) -> bool:
        """Whether both are on one chip, at opposite rolls."""
        return self.one.chip == self.two.chip

    @property
    def mjd(self) -> float:
        """Mean start of the two exposures [MJD]."""
        return 0.5 * (self.one.expstart + self.two.expstart)
