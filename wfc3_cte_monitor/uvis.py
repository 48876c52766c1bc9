"""Facts of the WFC3/UVIS detector and of the monitor's observing programs.

Everything here holds for every exposure and every installation; what a user may change lives in the
configuration.
"""

import re
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from wfc3_cte_monitor.errors import UnusableExposureError

__all__ = [
    "ROWS",
    "ROWS_PER_FLUX_LOSS",
    "MIDDLE_ROW",
    "CHIP_SIZE",
    "CHIP_DISTANCE",
    "MIN_SHIFT",
    "MIN_CHIP_MOVE",
    "IN_SPACE",
    "MJD_ZERO",
    "SHORT_EXPTIME_MAX",
    "SAME_CHIP_TARGET",
    "MONITOR_TARGETS",
    "sci_extver",
    "rows_to_amplifier",
    "visit_of",
    "exposure_length",
    "target_of",
    "is_off_field",
    "crmask_name",
    "one_based",
    "zero_based",
]

ROWS = 2051
"""Rows of a full-frame chip: the length of the longest way to the amplifier, and of the unit 'mag per 2051 px'."""

ROWS_PER_FLUX_LOSS = 2048
"""Rows of the older unit 'flux per 2048 px' (the figures of the guide and of ISR 2015-03)."""

MIDDLE_ROW = (ROWS + 1) / 2
"""As far from the amplifier at either roll [px]."""

CHIP_SIZE = (162.0, 81.0)
"""Width and height of a chip on the sky [arcsec]."""

CHIP_DISTANCE = 82.5
"""POSTARG2 from the middle of one chip to that of the other [arcsec]."""

MIN_SHIFT, MIN_CHIP_MOVE = 0.1, 80.0
"""Below the first a POSTARG counts as none, from the second on the field is on the other chip [arcsec]."""

IN_SPACE = (54965.0, 7e4)
"""Dates of WFC3, from its installation on 2009 May 14 to 2050; another one is a slip, or damage [MJD]."""

MJD_ZERO = 55400.0
"""Zero point of the date in the empirical model [MJD]."""

SHORT_EXPTIME_MAX = 60.0
"""Exposures up to this time are 'short', above it 'long' [s]."""

SAME_CHIP_TARGET = "ngc6583"
"""The field of the 180-degree set, where the same stars fall twice on the same chip."""

MONITOR_TARGETS = ("ngc104", "ngc6791", SAME_CHIP_TARGET)
"""The clusters that the monitor has observed."""

_OFF_FIELD = re.compile(r"ngc104cal\d*")
_ROOTNAME = re.compile(r"i[a-z0-9]{8}")


def sci_extver(chip: int) -> int:
    """EXTVER of a chip's SCI, ERR and DQ extensions: UVIS2 comes first in the file."""
    return {2: 1, 1: 2}[chip]


def crmask_name(rootname: str, extver: int) -> str:
    """'iabc01xyq_sci1_crmask.fits': AstroDrizzle's name of a cosmic-ray mask; sci1 is UVIS2, sci2 is UVIS1."""
    return f"{rootname}_sci{extver}_crmask.fits"


def rows_to_amplifier(y: ArrayLike, chip: ArrayLike, n_rows: int = ROWS) -> Any:
    """Number of parallel transfers of a source.

    Chip 2 reads out towards y = 1 (amplifiers C, D), chip 1 towards y = `n_rows` (A, B).

    Parameters
    ----------
    y : float or array_like
        Row, 1-based [px].
    chip : int or array_like
        1 or 2; broadcasts with `y`.
    n_rows : int, optional
        Rows of the frame (its NAXIS2).

    Returns
    -------
    n : float or ndarray
        Transfers [px]: y on chip 2, n_rows + 1 - y on chip 1.
    """
    return np.where(np.asarray(chip) == 1, n_rows + 1 - np.asarray(y), np.asarray(y))[()]


def visit_of(rootname: str) -> str:
    """Visit of an exposure: characters 5-6 of its rootname ``ipppssoot``, in lower case.

    Raises
    ------
    UnusableExposureError
        The rootname is not nine letters and digits that begin with i.
    """
    if not _ROOTNAME.fullmatch(rootname):
        raise UnusableExposureError(rootname, "ROOTNAME is not of the form ipppssoot (nine letters and digits)")
    return rootname[4:6]


def exposure_length(exptime: float) -> str:
    """'s' (short, EXPTIME <= 60 s) or 'l' (long)."""
    return "s" if exptime <= SHORT_EXPTIME_MAX else "l"


def target_of(targname: str) -> str:
    """Short name of a target as used in tables, folders and files.

    'NGC-104', 'NGC104' and 'ngc 104' are all 'ngc104'; anything but letters and digits is dropped, so the result
    is safe in a path and in SQL.
    """
    return re.sub(r"[^a-z0-9]", "", targname.lower())


def is_off_field(target: str) -> bool:
    """True for NGC-104-CAL2 and its like: the right cluster, but a field that has no master catalogue."""
    return _OFF_FIELD.fullmatch(target) is not None


def one_based(position: ArrayLike) -> Any:
    """Position in the convention of FITS, DS9, IRAF, the database and the .coo and .mag files.

    Parameters
    ----------
    position : float or array_like
        Position in which the centre of the first pixel is 0 (numpy, photutils, sep) [px].
    """
    return np.asarray(position) + 1.0


def zero_based(position: ArrayLike) -> Any:
    """Position in the convention of numpy, photutils and sep; the inverse of `one_based`."""
    return np.asarray(position) - 1.0
