"""A UVIS file, opened: whatever is wrong with it becomes one error that names it."""

import math
import warnings
from contextlib import contextmanager

from astropy.io import fits

from wfc3_cte_monitor.errors import UnusableExposureError

__all__ = ["find_files", "opened", "text", "number", "optional_number", "has_value"]


def find_files(folder):
    """The FLT and FLC files in a folder, sorted by name, without hidden ones, which are being written."""
    found = [*folder.glob("*_flt.fits"), *folder.glob("*_flc.fits")]
    return sorted(path for path in found if not path.name.startswith("."))


@contextmanager
def opened(path):
    """The HDU list of a whole UVIS file; whatever is wrong with it becomes an `UnusableExposureError`."""
    try:
        if path.stat().st_size == 0:
            raise UnusableExposureError(path.name, "empty file; retrieve it again")
        with _opened_quietly(path) as hdus:
            yield hdus
    except KeyError as error:
        # astropy: "Keyword 'X' not found." and "Extension ('DQ', 1) not found."
        raise UnusableExposureError(path.name, f"missing: {str(error.args[0]).removesuffix(' not found.')}") from error
    except ValueError as error:
        raise UnusableExposureError(path.name, f"damaged: {' '.join(str(error).split())}; retrieve it again") from error
    except (OSError, TypeError, fits.VerifyError) as error:
        message = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise UnusableExposureError(path.name, f"cannot be read ({message}); retrieve it again") from error


def _opened_quietly(path):
    """What astropy warns of in a damaged file is found, and said with a cure, by the check of the structure."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fits.verify.AstropyUserWarning)
        hdus = fits.open(path, memmap=False)
        try:
            _check_structure(path, hdus)
        except BaseException:
            hdus.close()
            raise
    return hdus


def _check_structure(path, hdus):
    last = hdus[len(hdus) - 1].fileinfo()
    if last["datLoc"] + last["datSpan"] > path.stat().st_size:
        raise UnusableExposureError(path.name, "truncated file; retrieve it again")
    if str(hdus[0].header.get("INSTRUME")).strip() != "WFC3" or str(hdus[0].header.get("DETECTOR")).strip() != "UVIS":
        raise UnusableExposureError(path.name, "not a WFC3/UVIS exposure (INSTRUME, DETECTOR)")
    missing = [f"{name},{n}" for n in (1, 2) for name in ("SCI", "DQ") if (name, n) not in hdus]
    if missing and not (hdus[0].header.get("SUBARRAY") is True and ("SCI", 1) in hdus):
        raise UnusableExposureError(path.name, f"extension missing: {', '.join(missing)} (a full frame has both chips)")


def text(header, keyword):
    """The value of a keyword as text, without blanks around it; KeyError where there is none."""
    return str(header[keyword]).strip()


def number(header, keyword, possible=(-math.inf, math.inf)):
    """The value of a keyword as a number; ValueError where it is none, or outside of what is `possible`."""
    value = header[keyword]
    if isinstance(value, (bool, str)) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{keyword} = {value!r} is not a number")
    if not possible[0] < value < possible[1]:
        raise ValueError(f"{keyword} = {value:g} is not possible")
    return float(value)


def has_value(header, keyword):
    """Whether a header has a value of a keyword; FITS knows cards without one."""
    return not isinstance(header.get(keyword), (type(None), fits.card.Undefined))


def optional_number(header, keyword):
    """A number; 0 where the header has none."""
    return number(header, keyword) if has_value(header, keyword) else 0.0
