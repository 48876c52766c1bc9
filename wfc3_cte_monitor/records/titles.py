"""What records are called where people read of them: clusters, sets, bins, dates."""

import re

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["target_name", "set_title", "bin_label", "mjd_to_year", "year_to_mjd"]

_LENGTHS: dict[str | None, str] = {"s": "short", "l": "long"}
_MJD_2000 = 51544.5
_DAYS_PER_YEAR = 365.25


def target_name(target: str) -> str:
    """'ngc104' as astronomers write it, 'NGC 104'."""
    return re.sub(r"([a-z]+)(\d+)", lambda match: f"{match[1].upper()} {match[2]}", target)


def set_title(
    target: str,
    filter: str,
    length: str | None,
    flashlvl: float | None,
    ctecorr: bool,
    aperture: float | None = None,
    subset: str = "",
) -> str:
    """Title of a figure that shows one set of exposures.

    Parameters
    ----------
    target : str
        Short name, or several with commas between them.
    filter : str
        Such as 'F502N'.
    length : str or None
        's' or 'l'; None where the figure shows both.
    flashlvl : float or None
        Post-flash level [e-/px]; None where the figure shows all.
    ctecorr : bool
        True for FLC.
    aperture : float, optional
        Radius [px].
    subset : str, optional
        What it is instead of nominal.

    Returns
    -------
    title : str
        Such as 'NGC 104   F502N   long   post-flash 12 e⁻/px   FLT   r = 3 px'.
    """
    flash = f"post-flash {flashlvl:g} e⁻/px" if flashlvl else "no post-flash"
    flash = "all post-flash levels" if flashlvl is None else flash
    calibration = "FLC" if ctecorr else "FLT"
    radius = "" if aperture is None else f"r = {aperture:g} px"
    parts = (target_name(target), filter, _LENGTHS.get(length or ""), flash, calibration, radius, subset)
    return "   ".join(part for part in parts if part)


def bin_label(lo: float, hi: float) -> str:
    """Range of a flux bin, such as '250–500 e⁻'."""
    return f"{lo:g}–{hi:g} e⁻"


def mjd_to_year(mjd: ArrayLike) -> np.ndarray:
    """Julian epoch of a date [MJD]: the calendar year to within a day."""
    return 2000.0 + (np.asarray(mjd) - _MJD_2000) / _DAYS_PER_YEAR


def year_to_mjd(year: ArrayLike) -> np.ndarray:
    """Date [MJD] of a Julian epoch; the inverse of `mjd_to_year`."""
    return _MJD_2000 + (np.asarray(year) - 2000.0) * _DAYS_PER_YEAR
