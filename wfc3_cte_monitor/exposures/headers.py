"""A header becomes an `Exposure`, or the reason why not."""

from dataclasses import replace
from pathlib import Path

from wfc3_cte_monitor import uvis
from wfc3_cte_monitor.errors import UnusableExposureError
from wfc3_cte_monitor.exposures.files import has_value, number, opened, text
from wfc3_cte_monitor.exposures.rules import chip_of_field, rejection
from wfc3_cte_monitor.records import Exposure, Rejection

__all__ = ["read_exposure", "read_times"]

_KEPT_TEXTS = ("CHINJECT", "FLASHCUR", "SHUTRPOS", "CAL_VER", "PCTETAB")
_KEPT_NUMBERS = ("FLASHDUR",)
_KEPT_SCI_NUMBERS = ("MEANFLSH", "MEANDARK", "MDRIZSKY")
_EXPTIME_RANGE, _EXPSTART_RANGE = (0.0, 1e4), (54900.0, 7e4)
"""Outside of these a header is damaged: no exposure outlasts an orbit [s], WFC3 is in space from 2009 to 2050 [MJD]."""
_POSTARG_RANGE, _ANGLE_RANGE = (-1e3, 1e3), (-361.0, 361.0)
"""[arcsec], [deg]"""


def read_exposure(path, legal, same_chip=False):
    """Read a header and judge by the rules of the monitor.

    Parameters
    ----------
    path : `pathlib.Path`
        An FLT or FLC.
    legal : `settings.Settings`
        What is legal to work on: its program, target, filter and flash-level lists, forbidden and same-chip visits.
    same_chip : bool, optional
        Judge by the rules of the same-chip set: POSTARGs are of no meaning, and the stars alone tell the chip.

    Returns
    -------
    exposure : `records.Exposure` or `records.Rejection`

    Raises
    ------
    UnusableExposureError
        The file is damaged, is not a WFC3/UVIS exposure, lacks a keyword or holds an impossible value.
    """
    path = Path(path)
    with opened(path) as hdus:
        primary, sci = hdus[0].header, hdus["SCI", 1].header
        _complete_flash(path, primary)
        keywords = _kept_keywords(primary, sci)
        exposure = _exposure(path, primary, keywords)
        sci_headers = [hdu.header for hdu in hdus if hdu.name == "SCI"]
        reason = rejection(exposure, primary, sci_headers, legal, same_chip=same_chip)
    if same_chip:
        exposure = replace(exposure, chip=None)
    return Rejection(path, *reason, exposure) if reason else exposure


def read_times(path):
    """Start [MJD] and exposure time [s] of a UVIS exposure, whether or not it is one of the monitor.

    Parameters
    ----------
    path : `pathlib.Path`

    Raises
    ------
    UnusableExposureError
        The file is damaged, is not a WFC3/UVIS exposure, lacks a keyword or holds an impossible value.
    """
    with opened(path) as hdus:
        header = hdus[0].header
        return number(header, "EXPSTART", _EXPSTART_RANGE), number(header, "EXPTIME", _EXPTIME_RANGE)


def _exposure(path, primary, keywords):
    rootname = text(primary, "ROOTNAME").lower()
    try:
        uvis.visit_of(rootname)
    except UnusableExposureError as error:
        raise UnusableExposureError(path.name, f"{error.problem}: {rootname[:40]!r}") from error
    if path.name not in (f"{rootname}_flt.fits", f"{rootname}_flc.fits"):
        raise UnusableExposureError(path.name, f"file name and ROOTNAME ({rootname}) differ")
    postarg1, postarg2 = (number(primary, f"POSTARG{axis}", _POSTARG_RANGE) for axis in (1, 2))
    return Exposure(
        path=path,
        rootname=rootname,
        program=_program(primary),
        target=uvis.target_of(text(primary, "TARGNAME")),
        filter=text(primary, "FILTER"),
        exptime=number(primary, "EXPTIME", _EXPTIME_RANGE),
        expstart=number(primary, "EXPSTART", _EXPSTART_RANGE),
        flashlvl=_flash_level(primary),
        ctecorr=path.name.endswith("_flc.fits"),
        chip=chip_of_field(postarg2),
        postarg1=postarg1,
        postarg2=postarg2,
        pa_v3=number(primary, "PA_V3", _ANGLE_RANGE),
        keywords=keywords,
    )


def _program(primary):
    program = number(primary, "PROPOSID", (0, 1e6))
    if not program.is_integer():
        raise ValueError(f"PROPOSID = {program:g} is not a whole number")
    return int(program)


def _kept_keywords(primary, sci):
    texts = {name: text(primary, name) if has_value(primary, name) else None for name in _KEPT_TEXTS}
    numbers = [(primary, name) for name in _KEPT_NUMBERS] + [(sci, name) for name in _KEPT_SCI_NUMBERS]
    return texts | {name: number(header, name) if has_value(header, name) else None for header, name in numbers}


def _complete_flash(path, primary):
    """An FLC that lacks FLASHLVL takes the post-flash of its FLT."""
    if "FLASHLVL" in primary or not path.name.endswith("_flc.fits"):
        return
    flt = path.with_name(path.name.replace("_flc.fits", "_flt.fits"))
    if not flt.exists():
        raise UnusableExposureError(path.name, f"FLASHLVL missing, and no {flt.name} beside it to take it from")
    try:
        with opened(flt) as hdus:
            known = hdus[0].header
            primary.update({name: known[name] for name in ("FLASHLVL", "FLASHSTA") if name in known})
    except UnusableExposureError as error:
        raise UnusableExposureError(path.name, f"FLASHLVL missing, and its FLT has none: {error.problem}") from error


def _flash_level(primary):
    """FLASHLVL of a successful post-flash, else 0."""
    return number(primary, "FLASHLVL") if text(primary, "FLASHSTA") == "SUCCESSFUL" else 0.0
