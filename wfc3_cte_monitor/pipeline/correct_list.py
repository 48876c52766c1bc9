"""A list of stars, corrected: which of its columns are what, and what is added to it."""

import numpy as np
from astropy import units as u

from wfc3_cte_monitor import __version__
from wfc3_cte_monitor.errors import CatalogError, UnusableExposureError
from wfc3_cte_monitor.exposures import read_facts
from wfc3_cte_monitor.pipeline.correct import coefficients_for, correct_photometry, of_length
from wfc3_cte_monitor.pipeline.quantities import chips_of
from wfc3_cte_monitor.uvis import MJD_ZERO, exposure_length

__all__ = ["COLUMNS", "columns_of", "correct_list", "exposure_facts"]

COLUMNS = {
    "y": ("y", "ycenter", "ycentroid", "y_image", "yc", "ypix", "y_init", "y_fit"),
    "chip": ("chip", "ccdchip", "ccd"),
    "flux": ("flux", "flux_3", "aperture_sum_bkgsub", "flux_aper", "aper_flux", "flux_fit"),
    "mag": ("mag", "m", "mag_3", "mag_aper", "magnitude", "w", "minst"),
}
"""What a star list's columns are called, in lower case; the first that there is counts."""

_NOTHING = ("", "INDEF", "NAN", "NONE", "NULL", "--", "---", "N/A")
_EXTENSIONS = ("ext", "extver", "extension", "sci", "hdu")
_OF_A_SET = ("target", "filter", "ctecorr", "aperture", "flashlvl", "subset")


def columns_of(names, given):
    """Which column is what.

    Parameters
    ----------
    names : sequence of str
        Of the columns that there are.
    given : dict
        'y', 'chip', 'flux', 'mag' -> name, None where it is to be guessed.

    Returns
    -------
    columns : dict
        'y', 'chip', 'flux', 'mag' -> name, without those that there are not; of flux and mag one, flux where both are.

    Raises
    ------
    CatalogError
        A column that was given is not there, or none has rows or none has light.
    """
    by_lower = {name.lower(): name for name in reversed(names)}
    wrong = [name for name in given.values() if name is not None and name not in names]
    if wrong:
        raise CatalogError(f"no column {wrong[0]}; there are {', '.join(names)}")
    guessed = {
        what: next((by_lower[word] for word in words if word in by_lower), None) for what, words in COLUMNS.items()
    }
    found = {what: given.get(what) or guessed[what] for what in COLUMNS}
    if given.get("mag") and given.get("flux"):
        raise CatalogError("--flux and --mag: one of them")
    if given.get("mag") or given.get("flux"):
        found |= {what: given.get(what) for what in ("mag", "flux")}
    elif found["flux"]:
        found["mag"] = None
    if not found["y"] or not (found["flux"] or found["mag"]):
        lacks = "rows (--y)" if not found["y"] else "light (--flux or --mag)"
        raise CatalogError(f"which column has the {lacks}? There are {', '.join(names)}")
    return {what: name for what, name in found.items() if name}


def exposure_facts(path, ctecorr=None):
    """Date, exposure time and kind of an exposure, as `correct_photometry` takes them.

    Parameters
    ----------
    path : `pathlib.Path`
        An FLT or FLC.
    ctecorr : bool, optional
        Whether it is an FLC, whatever it says itself.

    Raises
    ------
    UnusableExposureError
        It cannot be read, or its name and header contradict each other.
    """
    mjd, exptime, told = read_facts(path)
    if None not in (ctecorr, told) and ctecorr != told:
        kind = "FLC" if told else "FLT"
        raise UnusableExposureError(
            path.name, f"is an {kind}, and --flc {'y' if ctecorr else 'n'} says that it is none"
        )
    if ctecorr is None and told is None:
        raise UnusableExposureError(
            path.name, "its name says one thing and its PCTECORR another: is it an FLC? Give --flc y or --flc n"
        )
    return {"mjd": mjd, "exptime": exptime, "ctecorr": told if ctecorr is None else ctecorr}


def correct_list(stars, columns, coefficients, **facts):
    """Correct the stars of a list.

    Parameters
    ----------
    stars : `outputs.StarList`
    columns : dict
        As `columns_of` gives them.
    coefficients : list of `records.Coefficients`
    **facts
        As for `correct_photometry`: mjd, exptime, background, chip, zeropoint, ...

    Returns
    -------
    added : dict
        Name -> values of new columns: flux_cte or mag_cte, in the unit of what was measured; cte_correction and
        cte_correction_err [mag]; cte_flags.
    provenance : dict
        Name -> text.

    Raises
    ------
    CatalogError
        A column is not what it is taken for, or the list was corrected before.
    CoefficientError
        There are no coefficients for it.
    """
    facts = {name: value for name, value in facts.items() if value is not None}
    if "cte_correction" in stars.table.colnames:
        raise CatalogError("has a column cte_correction: it was corrected already")
    if "chip" not in columns and "chip" not in facts:
        raise CatalogError("which chip are the stars on? Give --chip 1, --chip 2, or --chip-column NAME")
    many = [name for name in columns.values() if stars.table[name].ndim > 1]
    if many:
        raise CatalogError(f"column {many[0]}: has several values for each star; name one that has one")
    read = {what: _READ[what](stars.table[name], name) for what, name in columns.items()}
    what = "flux" if "flux" in read else "mag"
    if what == "mag" and "zeropoint" not in facts:
        raise CatalogError(f"{columns['mag']} are magnitudes: of what? Give --zeropoint or --instrumental")
    known = coefficients_for(coefficients, **{name: facts[name] for name in _OF_A_SET if name in facts})
    used = of_length(known, exposure_length(facts["exptime"]), "background" not in facts)
    try:
        corrected = correct_photometry(used, **facts | read)
    except u.UnitConversionError as error:
        raise CatalogError(f"column of {error}") from error
    added = {
        f"{what}_cte": corrected.value,
        "cte_correction": corrected.correction * u.mag,
        "cte_correction_err": corrected.correction_err * u.mag,
        "cte_flags": corrected.flags,
    }
    return added, _provenance(used, columns, facts)


def _numbers(column, name):
    """With the unit of the column; what stands for nothing, such as IRAF's INDEF, is NaN."""
    if column.dtype.kind not in "USO":
        return column
    words = np.ma.filled(np.ma.asarray(column).astype(str), "")
    words = np.where(np.isin(np.char.upper(words), _NOTHING), "nan", words)
    try:
        return words.astype(float)
    except ValueError:
        raise CatalogError(f"column {name}: not numbers: {' '.join(words[:3])} ...") from None


def _chips(column, name):
    """1 or 2, else 0: an extension is no chip, and a list that counts them must not pass for one of chips."""
    if name.lower() in _EXTENSIONS:
        raise CatalogError(
            f"column {name}: counts extensions, and SCI 1 is of chip 2; give a column of chips, or --chip"
        )
    try:
        return chips_of(np.ma.filled(np.ma.asarray(column).astype(str), ""), _NOTHING)
    except ValueError as error:
        raise CatalogError(f"column {name}: {str(error).removeprefix('chip: ')}") from error


_READ = {"y": _numbers, "flux": _numbers, "mag": _numbers, "chip": _chips}


def _background_of(one):
    if one.flashlvl is None:
        return "background {:.3g} to {:.3g} e-/px".format(*one.surface.background_range)
    return f"background {one.background:g} e-/px"


def _ranges_of(one):
    dates = (MJD_ZERO + d for d in one.surface.d_range)
    fluxes = (10**f for f in one.surface.f_range)
    return "MJD {:.0f} to {:.0f}, {:.0f} to {:.0f} e-".format(*dates, *fluxes)


def _provenance(coefficients, columns, facts):
    ranges = (f"{one.source} ({_background_of(one)}, {_ranges_of(one)})" for one in coefficients)
    return {
        "corrected for CTE by": f"wfc3_cte_monitor {__version__}",
        "coefficients": "; ".join(ranges),
        "columns read": ", ".join(f"{what} from {name}" for what, name in columns.items()),
        "with": ", ".join(f"{name} {value}" for name, value in facts.items()),
        "cte_correction": "to be subtracted from magnitudes [mag]",
        "cte_flags": "1 date, 2 flux, 4 background extrapolated, 8 saturated, 16 off the chip, 32 not finite",
    }
