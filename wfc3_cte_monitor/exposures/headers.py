"""A header becomes an `Exposure`, or the reason why not."""

from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

from wfc3_cte_monitor import uvis
from wfc3_cte_monitor.errors import UnusableExposureError
from wfc3_cte_monitor.exposures.files import has_value, number, opened, text
from wfc3_cte_monitor.exposures.rules import chip_of_field, rejection
from wfc3_cte_monitor.records import Exposure, Rejection
from wfc3_cte_monitor.tables import read_definition, shipped_file

__all__ = ["read_exposure", "read_facts"]

_READ_BY_RULE = {
    *("ROOTNAME", "PROPOSID", "TARGNAME", "FILTER", "EXPTIME", "EXPSTART", "FLASHLVL", "POSTARG1", "POSTARG2", "PA_V3"),
}
"""Columns of fileinfo that an `Exposure` has by itself."""
_EXPTIME_RANGE = (0.0, 1e4)
"""Outside of it a header is damaged: no exposure outlasts an orbit [s]."""
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


def read_facts(path):
    """What a correction needs to know of a UVIS exposure, whether or not it is one of the monitor.

    Parameters
    ----------
    path : `pathlib.Path`

    Returns
    -------
    mjd, exptime : float
        Start [MJD] and exposure time [s].
    ctecorr : bool or None
        Whether it is an FLC, by its PCTECORR, and by its name where that is silent; None where the two contradict each
        other.

    Raises
    ------
    UnusableExposureError
        The file is damaged, is not a WFC3/UVIS exposure, lacks a keyword or holds an impossible value.
    """
    with opened(path) as hdus:
        header = hdus[0].header
        times = number(header, "EXPSTART", uvis.IN_SPACE), number(header, "EXPTIME", _EXPTIME_RANGE)
        state = text(header, "PCTECORR").upper() if has_value(header, "PCTECORR") else None
    name = path.name.lower().removesuffix(".gz")
    by_name = {"_flc.fits": True, "_flt.fits": False}.get(name[-9:])
    by_state = None if state is None else state == "COMPLETE"
    if by_state is None or by_name is None:
        return *times, bool(by_name or by_state)
    return *times, by_name if by_name == by_state else None


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
        expstart=number(primary, "EXPSTART", uvis.IN_SPACE),
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
    """What the table fileinfo has of a header: each of its columns from the keyword of its name, primary, then SCI."""
    headers = {name: next((h for h in (primary, sci) if has_value(h, name)), None) for name in _columns()}
    return {name: header and _columns()[name](header, name) for name, header in headers.items()}


@cache
def _columns():
    """Column of fileinfo -> how its value is read; what no header knows is filled by who measures."""
    how = {"String": text, "Float": number, "Integer": _whole_number, "Date": _day}
    defined = read_definition(shipped_file("table_definitions") / "fileinfo.txt")
    others = [c for c in defined if "primary" not in c.markers and not c.references and c.name not in _READ_BY_RULE]
    return {column.name: how[column.type.__name__] for column in others}


def _whole_number(header, keyword):
    value = number(header, keyword)
    if value != int(value):
        raise ValueError(f"{keyword} = {value:g} is not a whole number")
    return int(value)


def _day(header, keyword):
    """The day of a date, with or without a time."""
    try:
        return date.fromisoformat(text(header, keyword)[:10])
    except ValueError as error:
        raise ValueError(f"{keyword} = {text(header, keyword)} is not a date") from error


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
