"""FITS in: a header becomes an `Exposure` or the reason why not, the pixels of a chip become a `ChipImage`."""

import logging
import math
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning

from wfc3_cte_monitor import uvis
from wfc3_cte_monitor.errors import UnusableExposureError
from wfc3_cte_monitor.records import ChipImage, Exposure, Rejection

__all__ = ["find_files", "read_exposure", "read_chip", "pixel_area", "area_from_wcs", "footprint"]

log = logging.getLogger(__name__)

_KEPT_TEXTS = ("CHINJECT", "FLASHCUR", "SHUTRPOS", "CAL_VER", "PCTETAB")
_KEPT_NUMBERS = ("FLASHDUR",)
_KEPT_SCI_NUMBERS = ("MEANFLSH", "MEANDARK", "MDRIZSKY")
_EXPTIME_RANGE, _EXPSTART_RANGE = (0.0, 1e4), (54900.0, 1e5)
"""Outside of these a header is damaged: no exposure outlasts an orbit [s], and WFC3 is in space since 2009 [MJD]."""
_MIN_SHIFT, _MIN_CHIP_MOVE = 0.1, 80.0
"""Below the first a POSTARG counts as none, from the second on the field is on the other chip [arcsec]."""


def find_files(folder):
    """The FLT and FLC files in a folder, sorted by name."""
    return sorted([*folder.glob("*_flt.fits"), *folder.glob("*_flc.fits")])


# ---- Headers ---------------------------------------------------------------------------------------------------------


def read_exposure(path, legal):
    """Read a header and judge by the rules of the monitor.

    Parameters
    ----------
    path : `pathlib.Path`
        An FLT or FLC.
    legal : `settings.Settings`
        What is legal to work on: its program, target, filter and flash-level lists, forbidden and same-chip visits.

    Returns
    -------
    exposure : `records.Exposure` or `records.Rejection`

    Raises
    ------
    UnusableExposureError
        The file is damaged, is not a WFC3/UVIS exposure, lacks a keyword or holds an impossible value.
    """
    path = Path(path)
    with _opened(path) as hdus:
        primary, sci = hdus[0].header, hdus["SCI", 1].header
        _complete_flash(path, primary)
        keywords = _kept_keywords(primary, sci)
        exposure = _exposure(path, primary, keywords)
        reason = _rejection(exposure, primary, [hdu.header for hdu in hdus if hdu.name == "SCI"], legal)
    return Rejection(path, *reason) if reason else exposure


@contextmanager
def _opened(path):
    """The HDU list of a whole UVIS file; whatever is wrong with it becomes an `UnusableExposureError`."""
    try:
        if path.stat().st_size == 0:
            raise UnusableExposureError(path.name, "empty file; retrieve it again")
        with _opened_quietly(path) as hdus:
            yield hdus
    except KeyError as error:
        raise UnusableExposureError(path.name, f"keyword or extension missing: {error.args[0]}") from error
    except (OSError, ValueError, TypeError, fits.VerifyError) as error:
        message = " ".join(str(error).split())
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


def _exposure(path, primary, keywords):
    rootname = _text(primary, "ROOTNAME").lower()
    try:
        uvis.visit_of(rootname)
    except UnusableExposureError as error:
        raise UnusableExposureError(path.name, f"{error.problem}: {rootname!r}") from error
    if path.name not in (f"{rootname}_flt.fits", f"{rootname}_flc.fits"):
        raise UnusableExposureError(path.name, f"file name and ROOTNAME ({rootname}) differ")
    postarg1, postarg2 = _number(primary, "POSTARG1"), _number(primary, "POSTARG2")
    return Exposure(
        path=path,
        rootname=rootname,
        program=int(_number(primary, "PROPOSID")),
        target=uvis.target_of(_text(primary, "TARGNAME")),
        filter=_text(primary, "FILTER"),
        exptime=_number(primary, "EXPTIME", _EXPTIME_RANGE),
        expstart=_number(primary, "EXPSTART", _EXPSTART_RANGE),
        flashlvl=_flash_level(primary),
        ctecorr=path.name.endswith("_flc.fits"),
        chip=_chip_of_field(postarg2),
        postarg1=postarg1,
        postarg2=postarg2,
        pa_v3=_number(primary, "PA_V3"),
        keywords=keywords,
    )


def _text(header, keyword):
    return str(header[keyword]).strip()


def _number(header, keyword, possible=(-math.inf, math.inf)):
    value = header[keyword]
    if isinstance(value, (bool, str)) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{keyword} = {value!r} is not a number")
    if not possible[0] < value < possible[1]:
        raise ValueError(f"{keyword} = {value:g} is not possible")
    return float(value)


def _kept_keywords(primary, sci):
    texts = {name: _text(primary, name) if _has(primary, name) else None for name in _KEPT_TEXTS}
    numbers = [(primary, name) for name in _KEPT_NUMBERS] + [(sci, name) for name in _KEPT_SCI_NUMBERS]
    return texts | {name: _number(header, name) if _has(header, name) else None for header, name in numbers}


def _has(header, keyword):
    """Whether a header has a value of a keyword; FITS knows cards without one."""
    return not isinstance(header.get(keyword), (type(None), fits.card.Undefined))


def _complete_flash(path, primary):
    """An FLC that lacks FLASHLVL takes the post-flash of its FLT."""
    if "FLASHLVL" in primary or not path.name.endswith("_flc.fits"):
        return
    flt = path.with_name(path.name.replace("_flc.fits", "_flt.fits"))
    if not flt.exists():
        raise UnusableExposureError(path.name, f"FLASHLVL missing, and no {flt.name} beside it to take it from")
    try:
        with _opened(flt) as hdus:
            known = hdus[0].header
            primary.update({name: known[name] for name in ("FLASHLVL", "FLASHSTA") if name in known})
    except UnusableExposureError as error:
        raise UnusableExposureError(path.name, f"FLASHLVL missing, and its FLT has none: {error.problem}") from error


def _flash_level(primary):
    """FLASHLVL of a successful post-flash, else 0."""
    return _number(primary, "FLASHLVL") if _text(primary, "FLASHSTA") == "SUCCESSFUL" else 0.0


def _chip_of_field(postarg2):
    if abs(postarg2) <= _MIN_SHIFT:
        return 2
    return 1 if abs(postarg2) >= _MIN_CHIP_MOVE else None


# ---- Rules -----------------------------------------------------------------------------------------------------------


def _rejection(exposure, primary, sci_headers, legal):
    """(reason, detail) of the first rule that leaves the exposure out, or None."""
    return next((reason for rule in _RULES if (reason := rule(exposure, primary, sci_headers, legal))), None)


def _not_a_listed_program(exposure, primary, sci_headers, legal):
    if exposure.program not in legal.program_list:
        return "program not in program_list", f"PROPOSID {exposure.program}"


def _forbidden(exposure, primary, sci_headers, legal):
    reason = legal.forbidden_visits.get(exposure.program, {}).get(exposure.visit)
    if reason:
        return f"forbidden visit {exposure.program}/{exposure.visit} ({reason})", ""


def _injected(exposure, primary, sci_headers, legal):
    if _text(primary, "CHINJECT") != "NONE":
        return "charge injection", f"CHINJECT {_text(primary, 'CHINJECT')}"


def _cut_or_binned(exposure, primary, sci_headers, legal):
    if not isinstance(primary["SUBARRAY"], bool):
        raise ValueError(f"SUBARRAY = {primary['SUBARRAY']!r} is neither T nor F")
    if primary["SUBARRAY"]:
        return "subarray", ""
    if any(header.get(f"BINAXIS{axis}", 1) != 1 for header in sci_headers for axis in (1, 2)):
        return "binned", ""


def _wrong_target(exposure, primary, sci_headers, legal):
    if uvis.is_off_field(exposure.target):
        return "off-field", _text(primary, "TARGNAME")
    if exposure.target not in uvis.MONITOR_TARGETS and exposure.target not in legal.target_list:
        raise UnusableExposureError(
            exposure.path.name, f"unknown target {_text(primary, 'TARGNAME')!r}; target_list has the known ones"
        )
    if exposure.target not in legal.target_list:
        return "target not in target_list", exposure.target


def _wrong_filter(exposure, primary, sci_headers, legal):
    if exposure.filter not in legal.filter_list:
        return "filter not in filter_list", exposure.filter


def _wrong_flash(exposure, primary, sci_headers, legal):
    status = _text(primary, "FLASHSTA")
    if status not in ("SUCCESSFUL", "NOT PERFORMED", "N/A", ""):
        return "failed post-flash", f"FLASHSTA {status}"
    if not any(math.isclose(exposure.flashlvl, level, abs_tol=1e-6) for level in legal.flashlvl_list):
        return "flash level not in flashlvl_list", f"FLASHLVL {exposure.flashlvl:g}"


def _same_chip(exposure, primary, sci_headers, legal):
    if exposure.visit in legal.same_chip_visits.get(exposure.program, ()):
        return "same-chip set (processed by --pr 180)", ""


def _dithered(exposure, primary, sci_headers, legal):
    if abs(exposure.postarg1) > _MIN_SHIFT:
        return "x-dither", f"POSTARG1 {exposure.postarg1:g}"
    if exposure.chip is None:
        return "sub-dither", f"POSTARG2 {exposure.postarg2:g}"


_RULES = (
    _not_a_listed_program,
    _forbidden,
    _same_chip,
    _injected,
    _cut_or_binned,
    _wrong_target,
    _wrong_filter,
    _wrong_flash,
    _dithered,
)


# ---- Pixels ----------------------------------------------------------------------------------------------------------


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
    with _opened(path) as hdus:
        primary, sci = hdus[0].header, hdus["SCI", extver]
        if sci.header["CCDCHIP"] != chip:
            raise UnusableExposureError(path.name, f"SCI,{extver} is CCDCHIP {sci.header['CCDCHIP']}, not {chip}")
        if _text(sci.header, "BUNIT") != "ELECTRONS":
            raise UnusableExposureError(path.name, f"BUNIT is {_text(sci.header, 'BUNIT')!r}, not ELECTRONS")
        data = _pixels(path, sci)
        wcs = _full_wcs(path, sci.header, hdus)
        return ChipImage(
            chip=chip,
            data=data,
            dq=_data_quality(path, hdus["DQ", extver], data.shape),
            background_removed=_background_removed(primary, sci.header),
            read_noise=_read_noise(primary, chip),
            wcs=wcs,
            pixel_scale=_optional_number(sci.header, "IDCSCALE") or _scale_at_reference(wcs),
        )


def _pixels(path, sci):
    if sci.data is None or sci.data.ndim != 2:
        raise UnusableExposureError(path.name, f"SCI,{sci.ver} holds no image")
    data = np.ascontiguousarray(sci.data, dtype=np.float32)
    if not np.isfinite(data).any():
        raise UnusableExposureError(path.name, f"SCI,{sci.ver} holds no finite pixel")
    return data


def _data_quality(path, hdu, shape):
    """DQ bits; calwf3 writes an extension without pixels where all are 0."""
    if hdu.data is None:
        return np.zeros(shape, dtype=np.int16)
    if hdu.data.shape != shape:
        raise UnusableExposureError(path.name, f"DQ,{hdu.ver} is {hdu.data.shape}, SCI is {shape}")
    return hdu.data.astype(np.int16 if hdu.data.dtype.itemsize <= 2 else np.int32)


def _background_removed(primary, sci):
    """Post-flash and dark that calwf3 subtracted [e-/px]."""
    flash = _optional_number(sci, "MEANFLSH") if str(primary.get("FLSHCORR", "")).strip() == "COMPLETE" else 0.0
    dark = _optional_number(sci, "MEANDARK") if str(primary.get("DARKCORR", "COMPLETE")).strip() == "COMPLETE" else 0.0
    return flash + dark


def _optional_number(header, keyword):
    """A number; 0 where the header has none."""
    return _number(header, keyword) if _has(header, keyword) else 0.0


def _read_noise(primary, chip):
    amplifiers = {1: "AB", 2: "CD"}[chip]
    return float(np.mean([_number(primary, f"READNSE{amplifier}") for amplifier in amplifiers]))


def _full_wcs(path, header, hdus):
    """With the NPOL and D2IM tables, which are extensions of the file: leaving them out misplaces stars by 0.06 px."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FITSFixedWarning)  # harmless on every HST header: it adds MJD-OBS etc.
            wcs = WCS(header, hdus)
    except Exception as error:  # wcslib and the table look-up raise many kinds
        raise UnusableExposureError(path.name, f"its WCS cannot be read: {' '.join(str(error).split())}") from error
    if not wcs.has_celestial:
        raise UnusableExposureError(path.name, "has no celestial WCS")
    return wcs


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


# ---- Pixel area ------------------------------------------------------------------------------------------------------


def pixel_area(image, x, y, map_folder=None):
    """Area of the pixels under the stars, in units of the square of `ChipImage.pixel_scale`.

    Distortion makes pixels differ in area while flat-fielding preserves surface brightness, so that a flux is the
    sum of counts times this area (the pixel area map of the WFC3 Data Handbook).

    Parameters
    ----------
    image : `records.ChipImage`
    x, y : array_like, shape (n,)
        1-based positions [px].
    map_folder : `pathlib.Path`, optional
        Where ``UVIS1wfc3_map.fits`` and ``UVIS2wfc3_map.fits`` may be. A map of another shape than the image
        is not used.

    Returns
    -------
    area : ndarray, shape (n,)
        From the map where there is one, else from the distortion of the image's own WCS.
    """
    area_map = _area_map(image, map_folder) if map_folder else None
    if area_map is None:
        return area_from_wcs(image.wcs, x, y) / image.pixel_scale**2
    column, row = (np.rint(uvis.zero_based(v)).astype(int) for v in (x, y))
    return area_map[np.clip(row, 0, area_map.shape[0] - 1), np.clip(column, 0, area_map.shape[1] - 1)]


def area_from_wcs(wcs, x, y):
    """Area of pixels on the sky [arcsec^2]: the cross product of its two sides through the full distortion.

    Parameters
    ----------
    wcs : `astropy.wcs.WCS`
    x, y : array_like, shape (n,)
        1-based positions [px].
    """
    x, y = np.atleast_1d(x).astype(float), np.atleast_1d(y).astype(float)
    ra, dec = wcs.all_pix2world(np.stack([x + 0.5, x - 0.5, x, x]), np.stack([y, y, y + 0.5, y - 0.5]), 1)
    east = ((ra[::2] - ra[1::2] + 180) % 360 - 180) * np.cos(np.radians(dec.mean(axis=0)))
    north = dec[::2] - dec[1::2]
    return np.abs(east[0] * north[1] - east[1] * north[0]) * 3600**2


def _area_map(image, folder):
    path = Path(folder) / f"UVIS{image.chip}wfc3_map.fits"
    if not path.exists():
        return None
    try:
        with fits.open(path, memmap=False) as hdus:
            data = next((hdu.data for hdu in hdus if hdu.data is not None), None)
    except (OSError, ValueError, TypeError, fits.VerifyError) as error:
        log.warning("%s: cannot be read (%s); the pixel area comes from the WCS", path, error)
        return None
    if data is None or data.shape != image.data.shape:
        log.warning("%s: not of the image's shape %s; the pixel area comes from the WCS", path.name, image.data.shape)
        return None
    return data
