"""What people give a correction: columns and Quantities of whatever unit become plain arrays of one."""

import numpy as np
from astropy import units as u
from astropy.time import Time

from wfc3_cte_monitor.uvis import rows_to_amplifier

__all__ = [
    "chips_of",
    "electrons_of_flux",
    "electrons_of_mag",
    "plain",
    "seconds_of",
    "transfers_of",
    "wants_long",
]

_ELECTRONS = {"e", "e-", "electron", "electrons"}
_PER = {"": u.electron} | dict.fromkeys(("s", "sec", "second"), u.electron / u.s)
_PER |= dict.fromkeys(("px", "pix", "pixel"), u.electron / u.pix)
"""What files call the units, in lower case."""


def plain(what, values, *units):
    """Floats in the first of the units, any of which the values may have; None, inf and what is masked becomes NaN."""
    if isinstance(values, Time):
        return np.asarray(values.mjd, dtype=float)
    unit = _unit_of(values)
    floats = np.ma.filled(np.ma.asarray(np.nan if values is None else _bare(values), dtype=float), np.nan)
    if unit is not None and unit != units[0]:
        fitting = next((one for one in units if unit.is_equivalent(one)), None)
        if fitting is None:
            raise u.UnitConversionError(f"{what}: is in {unit}, and must be in {units[0]}")
        floats = floats * unit.to(fitting)
    return np.where(np.isfinite(floats), floats, np.nan)


def _unit_of(values):
    """The unit of a Quantity, or of a column of a table; None where there is none, or none that tells anything."""
    unit = getattr(values, "unit", None)
    if unit is None or unit == u.dimensionless_unscaled:
        return None
    name, _, per = str(unit).replace(" ", "").lower().partition("/")
    if name in _ELECTRONS and per in _PER:
        return _PER[per]
    return u.pix if name in ("px", "pixel", "pixels") and not per else unit


def _bare(values):
    """A Quantity or column without its unit."""
    return values.value if isinstance(values, u.Quantity) else np.ma.asarray(values)


def electrons_of_flux(flux, seconds):
    """In electrons; what is electrons per second is of the whole exposure."""
    unit = _unit_of(flux)
    if unit is None or not unit.is_equivalent(u.electron / u.s):
        return plain("flux", flux, u.electron)
    if seconds is None:
        raise TypeError("flux: is in electrons per second, which needs exptime")
    return plain("flux", flux, u.electron / u.s) * seconds


def seconds_of(exptime):
    """What is no exposure time is NaN."""
    seconds = plain("exptime", exptime, u.s)
    return np.where(seconds > 0, seconds, np.nan)


def wants_long(length):
    """Whether an exposure length is the long one; ValueError where it is none."""
    if length not in ("s", "l"):
        raise ValueError(f"length: must be 's' or 'l', not {length!r}")
    return length == "l"


def _magnitudes(mag):
    """Magnitudes in whatever system the zero point is of."""
    unit = _unit_of(mag)
    if unit is None or isinstance(unit, u.MagUnit):
        return plain("mag", _bare(mag))
    return plain("mag", mag, u.mag)


def electrons_of_mag(mag, zeropoint, seconds):
    """Magnitudes as fluxes [e-], given that of 1 e-/s."""
    if zeropoint is None or seconds is None:
        raise TypeError("magnitudes need zeropoint, of 1 e-/s, and exptime")
    with np.errstate(over="ignore"):  # An impossible magnitude is an impossible flux, which is flagged.
        return seconds * 10 ** (-0.4 * (_magnitudes(mag) - _magnitudes(zeropoint)))


def transfers_of(y, chip, n_transfers):
    """Rows to the amplifier [px]; -1 off the chips. TypeError where it is not told, or told twice."""
    given = [name for name, value in {"y": y, "chip": chip, "n_transfers": n_transfers}.items() if value is not None]
    if given == ["n_transfers"]:
        return plain("n_transfers", n_transfers, u.pix)
    if given != ["y", "chip"]:
        raise TypeError(f"y and chip, or n_transfers, are needed, not {' and '.join(given) or 'none'}")
    chip = _chips(chip)
    return np.where(np.isin(chip, (1, 2)), rows_to_amplifier(plain("y", y, u.pix), chip), -1.0)


def _chips(chip):
    """As numbers; a chip that is masked is none."""
    chip = np.ma.asarray(_bare(chip)).filled()
    return chips_of(chip) if chip.dtype.kind in "US" else chip


def chips_of(names, nothing=()):
    """Chips as headers and papers call them, as numbers.

    Parameters
    ----------
    names : ndarray of str
        '1', '2', 'UVIS1', 'UVIS2', in whatever case.
    nothing : sequence of str, optional
        Words, in upper case, that stand for no chip, 0.

    Raises
    ------
    ValueError
        One is none of these.
    """
    known = {"1": 1, "2": 2, "UVIS1": 1, "UVIS2": 2} | dict.fromkeys(nothing, 0)
    words, place = np.unique(names, return_inverse=True)
    wrong = [word for word in words.tolist() if word.strip().upper().removesuffix(".0") not in known]
    if wrong:
        raise ValueError(f"chip: must be 1 or 2, not {wrong[0]!r}")
    return np.array([known[word.strip().upper().removesuffix(".0")] for word in words.tolist()])[place]
