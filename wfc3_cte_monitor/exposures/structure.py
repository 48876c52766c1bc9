"""Whether a file is a whole UVIS exposure: what is checked before anybody reads it."""

import re
import stat
from collections import Counter
from math import prod

from astropy.io import fits

from wfc3_cte_monitor.errors import UnusableExposureError

__all__ = ["check_file", "check_structure"]

_BLOCK, _CARD = 2880, 80
_SIZES = re.compile(rb"(BITPIX|NAXIS\d*|PCOUNT|GCOUNT) *= +(-?\d+)")
_MOST_AXES, _BITPIX = 999, (8, 16, 32, 64, -32, -64)
"""Of the FITS standard."""


def check_file(path):
    """Refuse what astropy would wait for, or would need all memory for: pipes, packed files, axes without number.

    Parameters
    ----------
    path : `pathlib.Path`

    Raises
    ------
    UnusableExposureError
        It is not a FITS file.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise UnusableExposureError(path.name, "not a file but a directory, pipe or device; remove it")
    if status.st_size == 0:
        raise UnusableExposureError(path.name, "empty file; retrieve it again")
    with path.open("rb") as file:
        begin = file.read(6)
        if begin[:2] == b"\x1f\x8b":
            raise UnusableExposureError(path.name, "compressed; gunzip it")
        if begin != b"SIMPLE":
            raise UnusableExposureError(path.name, "cannot be read (not a FITS file); retrieve it again")
        file.seek(0)
        problem = _size_problem(file, status.st_size)
    if problem:
        raise UnusableExposureError(path.name, f"{problem}; retrieve it again")


def _size_problem(file, file_size):
    """What is wrong with what the headers say of the size of their parts; None where nothing is."""
    while file.tell() < file_size:
        sizes = _sizes(b"".join(_header_blocks(file)))
        n_axes, bits = sizes.get("NAXIS", 0), sizes.get("BITPIX", 8)
        if not 0 <= n_axes <= _MOST_AXES or bits not in _BITPIX:
            return f"damaged header (NAXIS {n_axes}, BITPIX {bits})"
        axes = [sizes.get(f"NAXIS{n}", 0) for n in range(1, n_axes + 1)]
        values = sizes.get("GCOUNT", 1) * (sizes.get("PCOUNT", 0) + prod(axes)) if axes else 0
        n_bytes = abs(bits) // 8 * values
        if not 0 <= n_bytes <= file_size - file.tell():
            return "truncated file"
        file.seek(-(-n_bytes // _BLOCK) * _BLOCK, 1)
    return None


def _sizes(header):
    matches = (_SIZES.match(header, start) for start in range(0, len(header), _CARD))
    return {one[1].decode(): int(one[2][:18]) for one in matches if one}


def _header_blocks(file):
    while block := file.read(_BLOCK):
        yield block
        if any(block.startswith(b"END     ", start) for start in range(0, len(block), _CARD)):
            return


def check_structure(path, hdus):
    """Refuse what is truncated, of another instrument, or lacks an extension.

    Parameters
    ----------
    path : `pathlib.Path`
    hdus : `astropy.io.fits.HDUList`

    Raises
    ------
    UnusableExposureError
        The message says what is wrong.
    """
    last = hdus[len(hdus) - 1].fileinfo()
    if last["datLoc"] + last["datSpan"] > path.stat().st_size:  # in the blanks behind the data
        raise UnusableExposureError(path.name, "truncated file; retrieve it again")
    primary = hdus[0].header
    if str(primary.get("INSTRUME")).strip() != "WFC3" or str(primary.get("DETECTOR")).strip() != "UVIS":
        raise UnusableExposureError(path.name, "not a WFC3/UVIS exposure (INSTRUME, DETECTOR)")
    images = Counter((hdu.name, hdu.ver) for hdu in hdus if isinstance(hdu, fits.ImageHDU))
    missing = [f"{name},{n}" for n in (1, 2) for name in ("SCI", "DQ") if (name, n) not in images]
    if missing and not (primary.get("SUBARRAY") is True and ("SCI", 1) in images):
        raise UnusableExposureError(path.name, f"extension missing: {', '.join(missing)} (a full frame has both chips)")
    double = [f"{name},{n}" for (name, n), number in images.items() if name in ("SCI", "DQ") and number > 1]
    if double:
        raise UnusableExposureError(path.name, f"extension twice: {', '.join(double)}; retrieve it again")
