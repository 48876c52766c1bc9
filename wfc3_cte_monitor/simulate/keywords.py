"""Headers of a simulated exposure: the real ones, with what another exposure changes."""

import numpy as np
from astropy.io import fits
from astropy.time import Time

from wfc3_cte_monitor.simulate.clusters import field_of
from wfc3_cte_monitor.simulate.filters import filter_of
from wfc3_cte_monitor.simulate.templates import primary_template
from wfc3_cte_monitor.uvis import sci_extver

__all__ = ["primary_header", "sci_keywords", "companion_header", "pixel_statistics"]

_SPEED_OF_LIGHT = 2.99792458e18
"""[A/s]"""

_COMPANION_KEYWORDS = [
    "ORIGIN",
    "DATE",
    "INHERIT",
    "EXTVER",
    "ROOTNAME",
    "EXPNAME",
    "BUNIT",
    "WCSAXES",
    "CRPIX1",
    "CRPIX2",
    "CRVAL1",
    "CRVAL2",
    "CTYPE1",
    "CTYPE2",
    "CUNIT1",
    "CUNIT2",
    "CD1_1",
    "CD1_2",
    "CD2_1",
    "CD2_2",
    "LTV1",
    "LTV2",
    "LTM1_1",
    "LTM2_2",
    "PA_APER",
    "VAFACTOR",
    "RADESYS",
]


def primary_header(exposure, ctecorr, pa_v3):
    """Primary header of an exposure.

    Parameters
    ----------
    exposure : PlannedExposure
    ctecorr : bool
        True for the FLC.
    pa_v3 : float
        [deg]

    Returns
    -------
    header : `astropy.io.fits.Header`
    """
    header = primary_template()
    groups = (_identity(exposure, ctecorr), _times(exposure), _flash(exposure), _photometry(exposure.filter))
    for keywords in groups:
        header.update(keywords)
    header["PA_V3"] = pa_v3 % 360.0
    header["NEXTEND"] = 14
    header.add_history("Simulated by wfc3_cte_monitor: no pixel of this file was seen by HST.")
    return header


def _identity(exposure, ctecorr):
    field = field_of(exposure.target)
    return {
        "FILENAME": exposure.imagename(ctecorr),
        "ROOTNAME": exposure.rootname,
        "IPPPSSOO": exposure.rootname,
        "DISTNAME": f"{exposure.rootname}_2731450pi-y7b1516qi-y7b1516hi",
        "SIPNAME": f"{exposure.rootname}_2731450pi",
        "ASN_ID": "NONE",
        "ASN_TAB": "NONE",
        "ASN_MTYP": "",
        "TARGNAME": field.targname,
        "RA_TARG": field.ra,
        "DEC_TARG": field.dec,
        "PROPOSID": exposure.program,
        "LINENUM": f"{exposure.visit.upper()}.{exposure.number:03d}",
        "PR_INV_L": "Simulated",
        "PR_INV_F": "",
        "PR_INV_M": "",
        "POSTARG1": exposure.postarg1,
        "POSTARG2": exposure.postarg2,
        "FILTER": exposure.filter,
        "CHINJECT": exposure.chinject,
        "PCTECORR": "COMPLETE" if ctecorr else "OMIT",
    }


def _times(exposure):
    start = Time(exposure.mjd, format="mjd")
    date, time = start.isot.split("T")
    return {
        "DATE-OBS": date,
        "TIME-OBS": time[:8],
        "EXPSTART": exposure.mjd,
        "EXPEND": exposure.mjd + exposure.exptime / 86400.0,
        "EXPTIME": exposure.exptime,
        "DARKTIME": exposure.exptime + 4.0,
    }


def _flash(exposure):
    lit = exposure.flashlvl > 0
    return {
        "FLASHLVL": round(exposure.flashlvl),
        "FLASHDUR": 0.1 * exposure.flashlvl,
        "FLASHCUR": "MED" if lit else "ZERO",
        "FLASHSTA": exposure.flash_status,
        "FLSHCORR": "COMPLETE" if exposure.flash > 0 else "OMIT",
        "FLSHFILE": "simulated_fls.fits" if exposure.flash > 0 else "N/A",
    }


def _photometry(filter_):
    photflam = filter_of(filter_).photflam
    return {"PHOTFLAM": photflam, "PHTFLAM1": photflam, "PHTFLAM2": photflam, "PHTRATIO": 1.0}


def sci_keywords(exposure, chip, mean_dark):
    """What an exposure changes in a SCI header beside the WCS and the statistics, as a dictionary."""
    band = filter_of(exposure.filter)
    return {
        **_photometry(exposure.filter),
        "ROOTNAME": exposure.rootname,
        "EXPNAME": exposure.rootname,
        "CCDCHIP": chip,
        "EXTVER": sci_extver(chip),
        "PHOTMODE": f"WFC3 UVIS{chip} {exposure.filter} MJD#{exposure.mjd:.4f}",
        "PHOTPLAM": band.pivot,
        "PHOTBW": band.bandwidth,
        "PHOTFNU": band.photflam * band.pivot**2 / _SPEED_OF_LIGHT * 1e23,
        "MEANDARK": mean_dark,
        "MEANFLSH": exposure.flash,
    }


def companion_header(sci, name):
    """Header of the ERR or DQ extension of a SCI header; its WCS is the linear one, as in real files."""
    header = fits.Header([sci.cards[keyword] for keyword in _COMPANION_KEYWORDS if keyword in sci])
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN", "DEC--TAN"
    header["EXTNAME"] = name
    if name == "DQ":
        header["BUNIT"] = "UNITLESS"
    return header


def pixel_statistics(sci, err, dq):
    """NGOODPIX and its like, from the pixels without a data-quality bit, as a dictionary."""
    good = dq == 0
    values, ratio = sci[good], sci[good] / err[good]
    return {
        "NGOODPIX": int(np.count_nonzero(good)),
        "GOODMIN": float(values.min()),
        "GOODMAX": float(values.max()),
        "GOODMEAN": float(values.mean(dtype=float)),
        "SNRMIN": float(ratio.min()),
        "SNRMAX": float(ratio.max()),
        "SNRMEAN": float(ratio.mean(dtype=float)),
    }
