"""A list of stars, corrected: which of its columns are what, and what is added to it."""

import numpy as np

from wfc3_cte_monitor import __version__
from wfc3_cte_monitor.errors import CatalogError, said
from wfc3_cte_monitor.exposures import read_times
from wfc3_cte_monitor.pipeline.correct import coefficients_for, correct_photometry

__all__ = ["COLUMNS", "columns_of", "correct_list", "exposure_facts"]

COLUMNS = {
    "y": ("y", "ycenter", "ycentroid", "y_image", "yc", "ypix", "y_init", "y_fit"),
    "chip": ("chip", "ccdchip", "ccd"),
    "flux": ("flux", "flux_3", "aperture_sum", "flux_aper", "aper_flux", "flux_fit"),
    "mag": ("mag", "m", "mag_3", "mag_aper", "magnitude", "w", "minst"),
}
"""What a star list's columns are called, in lower case; the first that there is counts."""


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
    if given.get("mag") or given.get("flux"):
        found |= {what: given.get(what) for what in ("mag", "flux")}
    elif found["flux"]:
        found["mag"] = None
    if not found["y"] or not (found["flux"] or found["mag"]):
        lacks = "rows (--y)" if not found["y"] else "light (--flux or --mag)"
        raise CatalogError(f"which column has the {lacks}? There are {', '.join(names)}")
    return {what: name for what, name in found.items() if name}


def exposure_facts(path):
    """Date, exposure time and kind of an exposure, as `correct_photometry` takes them.

    Parameters
    ----------
    path : `pathlib.Path`
        An FLT or FLC.
    """
    mjd, exptime = read_times(path)
    return {"mjd": mjd, "exptime": exptime, "ctecorr": path.name.endswith("_flc.fits")}


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
        Name -> values of new columns: flux_cte or mag_cte, cte_correction [mag], cte_correction_err [mag], cte_flags.
    provenance : dict
        Name -> text.
    """
    read = {what: _numbers(stars.table[name]) for what, name in columns.items()}
    facts = {name: value for name, value in facts.items() if value is not None}
    coefficients = coefficients_for(coefficients, **{name: facts[name] for name in _OF_A_SET if name in facts})
    if "chip" not in read and "chip" not in facts:
        raise CatalogError("which chip are the stars on? Give --chip 1, --chip 2, or --chip-column NAME")
    if "mag" in read and "zeropoint" not in facts:
        raise CatalogError(f"magnitudes (column {columns['mag']}) need their zero point: --zeropoint")
    corrected = correct_photometry(coefficients, **facts | read)
    what = "flux" if "flux" in read else "mag"
    added = {
        f"{what}_cte": np.asarray(corrected.value, dtype=float),
        "cte_correction": corrected.correction,
        "cte_correction_err": corrected.correction_err,
        "cte_flags": corrected.flags,
    }
    return added, _provenance(coefficients, columns, facts)


def _numbers(column):
    """The values of a column, NaN where they are masked."""
    try:
        return np.ma.filled(np.ma.asarray(column, float), np.nan)
    except (TypeError, ValueError) as error:
        raise CatalogError(f"column {column.name} does not hold numbers ({said(error)})") from error


def _background_of(one):
    if one.flashlvl is None:
        return "background {:.3g} to {:.3g} e-/px".format(*one.surface.background_range)
    return f"background {one.background:g} e-/px"


def _provenance(coefficients, columns, facts):
    ranges = (f"{one.source} ({_background_of(one)}, to MJD {one.epoch_mjd:.1f})" for one in coefficients)
    return {
        "corrected for CTE by": f"wfc3_cte_monitor {__version__}",
        "coefficients": "; ".join(ranges),
        "columns read": ", ".join(f"{what} from {name}" for what, name in columns.items()),
        "with": ", ".join(f"{name} {value}" for name, value in facts.items()),
        "cte_correction": "to be subtracted from magnitudes [mag]",
        "cte_flags": "1 date, 2 flux, 4 background extrapolated, 8 saturated, 16 off the chip, 32 not finite",
    }
