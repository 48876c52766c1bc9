"""Whether a FITS file is whole."""

import re
import warnings

from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning

from wfc3_cte_monitor.errors import said

__all__ = ["fits_problem"]

_FITS_BLOCK = 2880


def fits_problem(path):
    """What is wrong with a FITS file, in a few words; None where nothing is.

    It must begin as FITS does, its HDUs must fill it to the last byte, there must be as many as NEXTEND says (or more:
    NEXTEND is not kept up by all tools), and DATASUM and CHECKSUM must be right where the headers have them.

    Parameters
    ----------
    path : `pathlib.Path`
    """
    with path.open("rb") as file:
        start = file.read(30)
    if not re.fullmatch(rb"SIMPLE  = {20}T", start):
        return f"no FITS file: it begins with {start.decode('ascii', 'replace')[:20]!r}"
    try:
        with warnings.catch_warnings(), fits.open(path, memmap=True) as hdus:
            warnings.simplefilter("ignore", AstropyUserWarning)  # what astropy warns of is found and said here
            return _structure_problem(hdus, path.stat().st_size) or _checksum_problem(hdus)
    except Exception as error:  # astropy stumbles over damaged headers in many ways
        return f"damaged FITS file ({said(error, most=120)})"


def _structure_problem(hdus, size):
    last = hdus[len(hdus) - 1].fileinfo()
    end = last["datLoc"] + last["datSpan"]
    if end != size or size % _FITS_BLOCK:
        return f"damaged FITS file: its HDUs take {end} bytes, and it has {size}"
    promised = hdus[0].header.get("NEXTEND", 0)
    if len(hdus) - 1 < promised:
        return f"incomplete FITS file: {len(hdus) - 1} extensions of {promised}"
    return None


def _checksum_problem(hdus):
    for number, hdu in enumerate(hdus):
        for keyword, verify in (("DATASUM", hdu.verify_datasum), ("CHECKSUM", hdu.verify_checksum)):
            if verify() == 0:
                return f"damaged FITS file: {keyword} of HDU {number} is wrong"
    return None
