"""The pixels of a chip become a `ChipImage`."""

import warnings
from pathlib import Path

import numpy as np
from astropy.wcs import WCS, FITSFixedWarning

from wfc3_cte_monitor import uvis
from wfc3_cte_monitor.errors import UnusableExposureError, said
from wfc3_cte_monitor.exposures.files import number, opened, optional_number, text, the_value
from wfc3_cte_monitor.records import ChipImage

__all__ = ["read_chip", "read_wcs", "footprint"]

_MOST_PIXELS = 10_000
"""Along an axis: more than any frame of the detector has, in any binning and with its overscan."""
_SIP_ORDERS = (0, 10)
"""Between them are those of the SIP convention; one of a thousand takes seconds for a star."""
_WCS_KEYWORDS = tuple(f"{name}{axis}" for name in ("CRVAL", "CRPIX", "CTYPE", "CD1_", "CD2_") for axis in (1, 2))


def read_chip(path, chip):
    """Read the pixels of a chip.

    Parameters
    ----------
    path : `pathlib.Path`
    chip : int
        1 or 2.

    Returns
    -------
    image : `records.ChipImage`

    Raises
    ------
    UnusableExposureError
        The file is damaged, is not in electrons, or the chip has no finite pixel or no celestial WCS.
    """
    path = Path(path)
    extver = uvis.sci_extver(chip)
    with opened(path) as hdus:
        primary, sci = hdus[0].header, hdus["SCI", extver]
        if sci.header["CCDCHIP"] != chip:
            raise UnusableExposureError(path.name, f"SCI,{extver} is CCDCHIP {sci.header['CCDCHIP']}, not {chip}")
        if text(sci.header, "BUNIT") != "ELECTRONS":
            raise UnusableExposureError(path.name, f"BUNIT is {text(sci.header, 'BUNIT')!r}, not ELECTRONS")
        data = _pixels(path, sci)
        wcs = _full_wcs(path, sci.header, hdus)
        return ChipImage(
            chip=chip,
            data=data,
            dq=_data_quality(path, hdus["DQ", extver], data.shape),
            background_removed=_background_removed(primary, sci.header),
            read_noise=_read_noise(primary, chip),
            wcs=wcs,
            pixel_scale=optional_number(sci.header, "IDCSCALE") or _scale_at_reference(wcs),
        )


def read_wcs(path):
    """Read where the chips of an exposure look, without their pixels.

    Parameters
    ----------
    path : `pathlib.Path`

    Returns
    -------
    chips : dict
        EXTVER -> (`astropy.wcs.WCS` with every distortion of the file, (rows, columns)).

    Raises
    ------
    UnusableExposureError
        The file is damaged or has no celestial WCS.
    """
    path = Path(path)
    with opened(path) as hdus:
        headers = {hdu.ver: hdu.header for hdu in hdus if hdu.name == "SCI"}
        return {
            extver: (_full_wcs(path, header, hdus), (header["NAXIS2"], header["NAXIS1"]))
            for extver, header in headers.items()
        }


def _pixels(path, sci):
    shape = sci.shape  # of the header: to read the pixels may need more memory than there is
    if len(shape) != 2 or not all(0 < size <= _MOST_PIXELS for size in shape):
        raise UnusableExposureError(path.name, f"SCI,{sci.ver} holds no image of this detector (shape {shape})")
    data = np.ascontiguousarray(sci.data, dtype=np.float32)
    if not np.isfinite(data).any():
        raise UnusableExposureError(path.name, f"SCI,{sci.ver} holds no finite pixel")
    return data


def _data_quality(path, hdu, shape):
    """DQ bits; calwf3 writes an extension without pixels where all are 0."""
    if not hdu.shape:
        return np.zeros(shape, dtype=np.int16)
    if hdu.shape != shape:
        raise UnusableExposureError(path.name, f"DQ,{hdu.ver} is {hdu.shape}, SCI is {shape}")
    if hdu.data.dtype.kind not in "iu":
        raise UnusableExposureError(path.name, f"DQ,{hdu.ver} holds {hdu.data.dtype.name}, not integers")
    return hdu.data.astype(np.int16 if hdu.data.dtype.itemsize <= 2 else np.int32)


def _background_removed(primary, sci):
    """Post-flash and dark that calwf3 subtracted [e-/px]."""
    flash = optional_number(sci, "MEANFLSH") if str(primary.get("FLSHCORR", "")).strip() == "COMPLETE" else 0.0
    dark = optional_number(sci, "MEANDARK") if str(primary.get("DARKCORR", "COMPLETE")).strip() == "COMPLETE" else 0.0
    return flash + dark


def _read_noise(primary, chip):
    amplifiers = {1: "AB", 2: "CD"}[chip]
    return float(np.mean([number(primary, f"READNSE{amplifier}") for amplifier in amplifiers]))


def _full_wcs(path, header, hdus):
    """With the NPOL and D2IM tables, which are extensions of the file: leaving them out misplaces stars by 0.06 px."""
    _check_wcs_keywords(path, header)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FITSFixedWarning)  # harmless on every HST header: it adds MJD-OBS etc.
            wcs = WCS(header, hdus)
    except Exception as error:  # wcslib and the table look-up raise many kinds
        raise UnusableExposureError(path.name, f"its WCS cannot be read: {said(error)}") from error
    if not wcs.has_celestial:
        raise UnusableExposureError(path.name, "has no celestial WCS")
    if np.linalg.matrix_rank(wcs.pixel_scale_matrix) < 2:
        raise UnusableExposureError(path.name, "its WCS is singular (CD matrix)")
    return wcs


def _check_wcs_keywords(path, header):
    """What astropy passes over: one of two values, SIP that CTYPE does not announce, polynomials without end."""
    for keyword in _WCS_KEYWORDS:
        the_value(header, keyword)
    for keyword in ("A_ORDER", "B_ORDER", "AP_ORDER", "BP_ORDER"):
        if keyword in header:
            number(header, keyword, _SIP_ORDERS)
    announced = [text(header, f"CTYPE{axis}").endswith("-SIP") for axis in (1, 2)]
    if not all(announced) and any(f"{axis}_ORDER" in header for axis in "AB"):
        raise UnusableExposureError(path.name, "its WCS has SIP coefficients, but CTYPE does not say so")


def _scale_at_reference(wcs):
    return 3600 * float(np.sqrt(np.abs(np.linalg.det(wcs.pixel_scale_matrix))))


def footprint(image):
    """Corners of a chip: lower left, lower right, upper right, upper left.

    Returns
    -------
    corners : ndarray, shape (4, 2)
        RA, Dec [deg].
    """
    rows, columns = image.data.shape
    corners = [(0.5, 0.5), (columns + 0.5, 0.5), (columns + 0.5, rows + 0.5), (0.5, rows + 0.5)]
    return image.wcs.all_pix2world(corners, 1)
