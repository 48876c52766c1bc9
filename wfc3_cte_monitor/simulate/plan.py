"""Which exposures are taken: the monitor's programs, dates and visits, and what must be left out of them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np
from astropy.time import Time

from wfc3_cte_monitor.errors import ConfigurationError
from wfc3_cte_monitor.uvis import SAME_CHIP_TARGET

__all__ = ["PlannedExposure", "PlannedVisit", "default_plan", "same_chip_plan", "oddities_plan", "EPOCHS", "LENGTHS"]

POSTARG2_CHIP1 = 82.0
"""POSTARG2 that moves the field from chip 2 to chip 1 [arcsec]."""

LENGTHS = {"s": 30.0, "l": 350.0}
"""Exposure times of the default plan [s]."""

_EXPTIMES = tuple(LENGTHS.values())
_FIRST_FLASHED_PROGRAM = 13083
_FLT_AND_FLC = (False, True)
_MINUTE = 1.0 / 1440.0
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

_BOTH = ("ngc104", "ngc6791")
EPOCHS = (
    (11924, "2009-10-05", ("ngc6791",)),
    (11924, "2010-03-09", ("ngc6791",)),
    (11924, "2010-09-06", ("ngc6791",)),
    (12348, "2010-09-28", ("ngc104",)),
    (12379, "2010-11-15", _BOTH),
    (12379, "2011-03-04", _BOTH),
    (12379, "2011-04-24", _BOTH),
    (12692, "2011-10-16", _BOTH),
    (12692, "2012-03-10", _BOTH),
    (12692, "2012-06-30", _BOTH),
    (13083, "2012-11-19", _BOTH),
    (13083, "2013-03-12", _BOTH),
    (13083, "2013-07-29", _BOTH),
    (13566, "2014-01-17", _BOTH),
    (13566, "2014-07-14", _BOTH),
    (14012, "2015-02-12", _BOTH),
    (14012, "2015-06-20", _BOTH),
    (14378, "2016-01-21", _BOTH),
    (14378, "2016-07-27", _BOTH),
    (14541, "2017-01-18", _BOTH),
)
"""Program, date of the visit and targets; programs and months from section 2 of the guide, days invented."""


@dataclass(frozen=True)
class PlannedExposure:
    """One exposure, before it is taken."""

    program: int
    visit: str
    """Two characters."""
    number: int
    """Of the exposure in its visit; unique there."""
    mjd: float
    """Start [MJD]."""
    target: str
    """Short name, a key of `clusters.FIELDS`."""
    filter: str = "F502N"
    exptime: float = 350.0
    """[s]"""
    flashlvl: float = 0.0
    """Requested post-flash [e-/px]."""
    postarg1: float = 0.0
    """[arcsec]"""
    postarg2: float = 0.0
    """[arcsec]"""
    aperture_chip: int = 2
    """Chip in whose middle a field without POSTARG falls."""
    roll_offset: float = 0.0
    """Roll against the usual one of the field [deg]."""
    jitter: tuple[float, ...] = (0.0, 0.0)
    """Pointing against the POSTARGs along the detector's x and y; the header's WCS knows it [arcsec]."""
    wcs_error: tuple[float, ...] = (0.0, 0.0)
    """What the header's WCS does not know, to the east and to the north [arcsec]."""
    roll_error: float = 0.0
    """By how much the header's roll is wrong [deg]."""
    flashsta: str | None = None
    """FLASHSTA where it is not what `flashlvl` implies; anything but SUCCESSFUL means that no flash arrived."""
    chinject: str = "NONE"
    variants: tuple[bool, ...] = _FLT_AND_FLC
    """The files to write: False for the FLT, True for the FLC."""

    @property
    def rootname(self) -> str:
        """``ipppssoot``: the program in base 36, the visit, the number in base 36, q."""
        return f"i{_base36(self.program, 3)}{self.visit.lower()}{_base36(self.number, 2)}q"

    @property
    def flash_status(self) -> str:
        """FLASHSTA."""
        return self.flashsta or ("SUCCESSFUL" if self.flashlvl > 0 else "NOT PERFORMED")

    @property
    def flash(self) -> float:
        """Post-flash that arrived [e-/px]."""
        return self.flashlvl if self.flash_status == "SUCCESSFUL" else 0.0

    @property
    def chip(self) -> int:
        """The chip that the field is on."""
        return 1 if self.aperture_chip == 1 or self.postarg2 > POSTARG2_CHIP1 / 2 else 2

    def imagename(self, ctecorr: bool) -> str:
        """Name of the FLT or FLC."""
        return f"{self.rootname}_{'flc' if ctecorr else 'flt'}.fits"


@dataclass(frozen=True)
class PlannedVisit:
    """A cluster in all settings, each on chip 2 and then, minutes later, on chip 1."""

    program: int
    visit: str
    mjd: float
    """Start of the first exposure [MJD]."""
    target: str
    filters: tuple[str, ...] = ("F502N",)
    exptimes: tuple[float, ...] = _EXPTIMES
    """[s]"""
    flashlvls: tuple[float, ...] = (0.0,)
    """[e-/px]"""
    variants: tuple[bool, ...] = _FLT_AND_FLC

    def exposures(self) -> tuple[PlannedExposure, ...]:
        """The `PlannedExposure` of the visit, in order of time, as a tuple."""
        settings = [(f, t, p) for f in self.filters for t in self.exptimes for p in self.flashlvls]
        taken, mjd = [], self.mjd
        for filter_, exptime, flashlvl in settings:
            for postarg2 in (0.0, POSTARG2_CHIP1):
                exposure = PlannedExposure(
                    self.program,
                    self.visit,
                    len(taken) + 1,
                    mjd,
                    self.target,
                    filter_,
                    exptime,
                    float(flashlvl),
                    postarg2=postarg2,
                    variants=self.variants,
                )
                taken.append(_jittered(exposure))
                mjd += exptime / 86400.0 + 4 * _MINUTE
        return tuple(taken)


def _base36(number, width):
    """A number as `width` digits and letters."""
    if not 0 <= number < 36**width:
        raise ConfigurationError(f"{number} does not fit into {width} characters of a rootname")
    return "".join(_DIGITS[number // 36**power % 36] for power in reversed(range(width)))


def _scatter(name, sigma, size):
    """Normal random numbers that depend on a name alone."""
    return tuple(float(value) for value in np.random.default_rng(crc32(name.encode())).normal(0.0, sigma, size))


def _jittered(exposure):
    """With the scatter of real pointings: a pixel or two, and some hundredths of a degree from visit to visit."""
    (turn,) = _scatter(exposure.rootname[:6], 0.05, 1)
    jitter = _scatter(exposure.rootname, 0.05, 2)
    return replace(exposure, jitter=jitter, roll_offset=exposure.roll_offset + turn)


def _mispointed(exposure, wcs_error, roll_error):
    """With a WCS that is wrong by at most so much, and by the same amount throughout the visit."""
    name = f"{exposure.rootname[:6]} wcs"
    length, angle, turn = np.random.default_rng(crc32(name.encode())).random(3)
    east, north = wcs_error * length * np.array([np.cos(2 * np.pi * angle), np.sin(2 * np.pi * angle)])
    return replace(exposure, wcs_error=(float(east), float(north)), roll_error=float(roll_error * (2 * turn - 1)))


def default_plan(
    *,
    n_epochs: int = 10,
    targets: Iterable[str] = _BOTH,
    flashlvls: tuple[float, ...] = (0.0, 12.0),
    lengths: tuple[str, ...] = ("s", "l"),
    filters: tuple[str, ...] = ("F502N",),
    ctecorr: tuple[bool, ...] = _FLT_AND_FLC,
    oddities: bool = False,
    wcs_error: float = 0.0,
    roll_error: float = 0.0,
) -> tuple[PlannedExposure, ...]:
    """The monitor's exposures.

    Parameters
    ----------
    n_epochs : int or None, optional
        How many dates of each target, evenly taken from `EPOCHS`; None for all.
    targets : sequence of str, optional
        'ngc104', 'ngc6791', and 'ngc6583' for the 180-degree set.
    flashlvls : sequence of float, optional
        Post-flash levels [e-/px]; those above 0 from program 13083 on.
    lengths : sequence of str, optional
        's' (30 s), 'l' (350 s).
    filters : sequence of str, optional
    ctecorr : sequence of bool, optional
        False for FLT files, True for FLC files.
    oddities : bool, optional
        Add the exposures of `oddities_plan`.
    wcs_error : float, optional
        Largest distance, another one in every visit, of the WCS from the true pointing [arcsec].
    roll_error : float, optional
        Largest error of its roll [deg].

    Returns
    -------
    plan : tuple of PlannedExposure
    """
    exptimes = tuple(LENGTHS[length] for length in lengths)
    settings = {"filters": tuple(filters), "exptimes": exptimes, "variants": tuple(ctecorr)}
    visits = [
        PlannedVisit(program, visit, mjd, target, flashlvls=_flashes(program, flashlvls), **settings)
        for wanted in targets
        for program, visit, mjd, target in _evenly([known for known in _visits() if known[3] == wanted], n_epochs)
    ]
    exposures = [exposure for visit in visits for exposure in visit.exposures()]
    if SAME_CHIP_TARGET in targets:
        exposures += same_chip_plan(exptimes=exptimes, filters=("F502N", "F606W"), ctecorr=ctecorr)
    if oddities:
        exposures += oddities_plan(ctecorr=ctecorr)
    exposures = [_mispointed(exposure, wcs_error, roll_error) for exposure in exposures]
    return tuple(sorted(exposures, key=lambda exposure: (exposure.mjd, exposure.rootname)))


def _flashes(program, flashlvls):
    """The levels that a program used: none but 0 before 13083."""
    return tuple(level for level in flashlvls if level == 0 or program >= _FIRST_FLASHED_PROGRAM)


def _visits():
    """(program, visit, MJD, target) of every target on every date; the visits of a program are counted from 01."""
    counted, visits = {}, []
    for program, date, targets in EPOCHS:
        for number, target in enumerate(targets):
            counted[program] = counted.get(program, 0) + 1
            # Late enough in the day that some pairs straddle midnight.
            mjd = float(Time(f"{date}T23:30:00").mjd) + 1.1 * number
            visits.append((program, f"{counted[program]:02d}", mjd, target))
    return visits


def _evenly(items, number):
    """`number` of the items, the first and the last among them; all where it is None or larger."""
    if number is None or number >= len(items):
        return items
    if number < 1:
        raise ConfigurationError(f"n_epochs = {number}: at least one is needed")
    return [items[index] for index in np.rint(np.linspace(0, len(items) - 1, number)).astype(int)]


def same_chip_plan(
    *,
    exptimes: tuple[float, ...] = _EXPTIMES,
    filters: tuple[str, ...] = ("F502N",),
    ctecorr: tuple[bool, ...] = _FLT_AND_FLC,
) -> tuple[PlannedExposure, ...]:
    """The 180-degree set: NGC 6583 in visits 10 and 11 of 12692, on either chip, with opposite rolls.

    The field is placed by the choice of the aperture: the POSTARGs are 0 throughout. F606W has long ones alone.
    """
    kinds = [(name, time) for name in filters for time in exptimes if name == "F502N" or time == LENGTHS["l"]]
    exposures = []
    for visit, date, roll in (("10", "2012-03-20T08:00:00", 0.0), ("11", "2012-03-21T03:00:00", 180.0)):
        mjd = float(Time(date).mjd)
        for filter_name, exptime in kinds:
            for chip in (2, 1):
                exposure = PlannedExposure(
                    12692,
                    visit,
                    len(exposures) + 1,
                    mjd,
                    SAME_CHIP_TARGET,
                    filter_name,
                    exptime=exptime,
                    aperture_chip=chip,
                    roll_offset=roll,
                    variants=tuple(ctecorr),
                )
                exposures.append(_jittered(exposure))
                mjd += exptime / 86400.0 + 4 * _MINUTE
    return tuple(exposures)


def oddities_plan(*, ctecorr: tuple[bool, ...] = _FLT_AND_FLC) -> tuple[PlannedExposure, ...]:
    """Exposures that nominal runs must leave out, each kind for another reason; most are pairs that a subset is of."""
    mjd = {(program, visit): mjd for program, visit, mjd, _ in _visits()}
    reasons = (
        (12348, "01", {"chinject": "CONT"}),
        (12379, "01", {"target": "ngc104cal2"}),
        (13083, "01", {"flashlvl": 12.0, "flashsta": "ABORTED"}),
        (12379, "03", {"postarg1": 5.0}),
        (12379, "03", {"postarg2": 40.0}),
        (12379, "13", {}),
        (12379, "13", {"postarg2": POSTARG2_CHIP1}),
        (12348, "01", {"chinject": "CONT", "postarg2": POSTARG2_CHIP1}),
        (12379, "01", {"target": "ngc104cal2", "postarg2": POSTARG2_CHIP1}),
        (12379, "03", {"postarg1": 5.0, "postarg2": POSTARG2_CHIP1}),
    )
    exposures = []
    for number, (program, visit, change) in enumerate(reasons, start=1):
        # Behind the visit's own exposures, in time and in number.
        start = mjd.get((program, visit), 55700.0) + 0.1 + 10 * number * _MINUTE
        plain = PlannedExposure(program, visit, 60 + number, start, "ngc104", variants=tuple(ctecorr))
        exposures.append(_jittered(replace(plain, **change)))
    return tuple(exposures)
