"""A UVIS file, opened: whatever is wrong with it becomes one error that names it."""

import math
import warnings
from contextlib import ExitStack, contextmanager

from astropy.io import fits

from wfc3_cte_monitor.errors import UnusableExposureError, said
from wfc3_cte_monitor.exposures.structure import check_file, check_structure

__all__ = ["find_files", "opened", "the_value", "text", "number", "optional_number", "has_value"]


def find_files(folder):
    """The FLT and FLC files in a folder, sorted by name, without hidden ones, which are being written."""
    found = [*folder.glob("*_flt.fits"), *folder.glob("*_flc.fits")]
    return sorted(path for path in found if not path.name.startswith("."))


@contextmanager
def opened(path):
    """The HDU list of a whole UVIS file; whatever is wrong with it becomes an `UnusableExposureError`."""
    try:
        with _opened_whole(path) as hdus:
            yield hdus
    except KeyError as error:
        # astropy: "Keyword 'X' not found." and "Extension ('DQ', 1) not found."
        raise UnusableExposureError(path.name, f"missing: {str(error.args[0]).removesuffix(' not found.')}") from error
    except ValueError as error:
        raise UnusableExposureError(path.name, f"damaged: {said(error)}; retrieve it again") from error
    except (OSError, TypeError, fits.VerifyError) as error:
        raise UnusableExposureError(path.name, f"cannot be read ({said(error)}); retrieve it again") from error


def _opened_whole(path):
    """Open a file of which every part can be read."""
    check_file(path)
    with warnings.catch_warnings(record=True) as warned:
        try:
            with ExitStack() as stack:
                hdus = stack.enter_context(fits.open(path, memmap=False))
                check_structure(path, hdus)
                stack.pop_all()
        except (UnusableExposureError, OSError):
            raise
        except Exception as error:  # astropy stumbles over damaged headers in many ways
            raise UnusableExposureError(path.name, f"damaged header ({said(error)}); retrieve it again") from error
    # Of a file that is refused the error says it, and a cure.
    if warned:
        more = f" (and {len(warned) - 1} more)" if len(warned) > 1 else ""
        warnings.warn(f"{path.name}: {said(warned[0].message)}{more}", warned[0].category, stacklevel=2)
    return hdus


def text(header, keyword):
    """The value of a keyword as text, without blanks around it; KeyError where there is none."""
    return str(the_value(header, keyword)).strip()


def the_value(header, keyword):
    """The value of a keyword; ValueError where it has two, of which astropy would take the first."""
    value = header[keyword]
    if header.count(keyword) > 1 and any(header[keyword, n] != value for n in range(header.count(keyword))):
        raise ValueError(f"{keyword} has two values, {value!r} and another")
    return value


def number(header, keyword, possible=(-math.inf, math.inf)):
    """The value of a keyword as a number; ValueError where it is none, or outside of what is `possible`."""
    value = the_value(header, keyword)
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
