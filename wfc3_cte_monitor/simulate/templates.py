"""The real headers and distortion tables that every simulated exposure is built on."""

from functools import cache
from importlib import resources

from astropy.io import fits

from wfc3_cte_monitor.uvis import sci_extver

__all__ = ["primary_template", "sci_template", "distortion_tables", "DETECTOR_COLUMNS"]

DETECTOR_COLUMNS = 4096
"""Columns of a full-frame chip."""


def _shipped(name):
    return resources.files(__package__).joinpath("headers", name)


@cache
def _header(name):
    return fits.Header.fromstring(_shipped(name).read_text(encoding="ascii"), sep="\n")


@cache
def _tables():
    with resources.as_file(_shipped("distortion_tables.fits")) as path, fits.open(path, memmap=False) as hdulist:
        return tuple(hdu.copy() for hdu in hdulist[1:])


def primary_template():
    """A fresh copy of the primary header."""
    return _header("primary.txt").copy()


def sci_template(chip):
    """A fresh copy of the SCI header of a chip (1 or 2)."""
    return _header(f"sci{sci_extver(chip)}.txt").copy()


def distortion_tables(first_column=0):
    """The NPOL and D2IM tables, moved with the frame.

    Parameters
    ----------
    first_column : int, optional
        Detector columns left of the frame's first one [px].

    Returns
    -------
    hdus : list of `astropy.io.fits.ImageHDU`
        WCSDVARR and D2IMARR, EXTVER 1-2 for UVIS2 and 3-4 for UVIS1.
    """
    hdus = [hdu.copy() for hdu in _tables()]
    for hdu in hdus:
        hdu.header["CRVAL1"] -= first_column
    return hdus
