"""Anybody's photometry, corrected with published coefficients."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.time import Time
from numpy.typing import ArrayLike

from wfc3_cte_monitor import outputs
from wfc3_cte_monitor.errors import CoefficientError
from wfc3_cte_monitor.pipeline.quantities import (
    electrons_of_flux,
    electrons_of_mag,
    plain,
    seconds_of,
    transfers_of,
    wants_long,
)
from wfc3_cte_monitor.records import Coefficients, CorrectedPhotometry, CorrectionFlag
from wfc3_cte_monitor.surface import common_range, correct, shares_of
from wfc3_cte_monitor.uvis import IN_SPACE, MJD_ZERO, ROWS, SHORT_EXPTIME_MAX

__all__ = [
    "correct_photometry",
    "all_coefficients",
    "coefficients_for",
    "find_coefficients",
    "newest_of_each_set",
    "of_length",
]

Source = str | os.PathLike[str] | Coefficients
"""A coefficient file, a folder of them, or what one says."""

_SATURATED = 370_000.0
"""3-px flux of a star whose brightest pixel, with a sixth of its light, is full at 63,000 e- [e-]."""
_LIKE_BACKGROUND = 1.4
"""One background is as good as another that is not more often more or less than this, or differs by 1 e-/px."""
_LEAST_BACKGROUND = 0.01
"""Of a set whose measured background is nothing, or less: backgrounds are compared by their logarithms [e-/px]."""
_DATE_MARGIN = 30.0
"""Observations as close as this to an epoch are of it [days]."""


def correct_photometry(
    coefficients: Source | Iterable[Source],
    *,
    flux: ArrayLike | None = None,
    mag: ArrayLike | None = None,
    zeropoint: float | None = None,
    mjd: ArrayLike | Time,
    y: ArrayLike | None = None,
    chip: ArrayLike | None = None,
    n_transfers: ArrayLike | None = None,
    exptime: ArrayLike | None = None,
    length: str | None = None,
    background: ArrayLike | None = None,
    flashlvl: float | None = None,
    ctecorr: bool = False,
    aperture: float = 3,
    target: str = "ngc104",
    filter: str = "F502N",
    saturated: ArrayLike = False,
    subset: str = "",
) -> CorrectedPhotometry:
    """Undo the loss of charge on its way to the amplifier.

    A star of magnitude m after n transfers had m - S n / 2051, where S is the loss of the whole chip at its date, flux
    and background, from the coefficients of the monitor. Everything broadcasts.

    Parameters
    ----------
    coefficients : path, `records.Coefficients`, or a sequence of these
        A path is that of a coefficient file, or of a folder in which the newest file of each set is found. Of several
        sets those of the target, exposure length, FLT or FLC and aperture are taken: for a `background` the surface of
        all post-flash levels where there is one, else the loss is interpolated between those of single levels.
    flux : array_like or `astropy.units.Quantity`, optional
        Sky-subtracted fluxes in the aperture. Plain numbers are electrons of the whole exposure; a Quantity or column
        with a unit may also be in electrons per second, which are multiplied with `exptime`.
    mag : array_like or `astropy.units.Quantity`, optional
        Or magnitudes. They need a zero point.
    zeropoint : float, optional
        Magnitude of a star of 1 e-/s in the aperture; with it `exptime`, in seconds, is needed.
    mjd : array_like or `astropy.time.Time`
        Date of the exposure [MJD].
    y, chip : array_like, optional
        1-based rows [px] and chips (1 or 2, or 'UVIS1' and 'UVIS2').
    n_transfers : array_like, optional
        Or the number of rows to the amplifier [px].
    exptime : array_like or Quantity, optional
        Above 0 [s]; up to 60 s the coefficients of short exposures are taken, else those of long ones.
    length : {'s', 'l'}, optional
        Or which of these.
    background : array_like or Quantity, optional
        Sky + post-flash + dark that the charge met [e-/px].
    flashlvl : float, optional
        Or the post-flash level of the monitor to take [e-/px].
    ctecorr : bool, optional
        True for photometry of an FLC.
    aperture : float, optional
        Radius that the coefficients are of [px].
    target : str, optional
        Cluster that the coefficients are of, such as 'ngc6791' for a sparse field.
    filter : str, optional
        That the coefficients are of; charge does not know through which filter it came.
    saturated : array_like of bool, optional
        Stars that are known to be.
    subset : str, optional
        What the coefficients are of instead of nominal exposures, in the words of their files, such as
        'charge injection CONT'.

    Returns
    -------
    corrected : `records.CorrectedPhotometry`
        Corrected fluxes or magnitudes, correction, its standard error, and flags. Where there is no correction it is
        NaN, and so is the value.

    Raises
    ------
    CoefficientError
        There are no coefficients for this, or they are of flux ratios, which correct nothing.
    TypeError
        Arguments are missing or contradict each other.
    astropy.units.UnitConversionError
        An argument is in a unit of something else.
    ValueError
        `length` or a chip is none.
    """
    _one_of(flux=flux, mag=mag)
    _one_of(exptime=exptime, length=length)
    seconds = None if exptime is None else seconds_of(exptime)
    electrons = electrons_of_flux(flux, seconds) if mag is None else electrons_of_mag(mag, zeropoint, seconds)
    sky = plain("background", background, u.electron / u.pix, u.electron)
    stars = (electrons, transfers_of(y, chip, n_transfers), plain("mjd", mjd, u.day), sky)
    is_long = np.asarray(wants_long(length) if seconds is None else seconds > SHORT_EXPTIME_MAX)
    known = True if seconds is None else np.isfinite(seconds)
    *stars, is_long, known, saturated = np.broadcast_arrays(*stars, is_long, known, saturated)
    sets = coefficients_for(find_coefficients(coefficients), target, filter, ctecorr, aperture, flashlvl, subset)
    correction, error = (np.full(is_long.shape, np.nan) for _ in range(2))
    sources: list[str] = []
    flags = np.full(is_long.shape, int(CorrectionFlag.NOT_FINITE))
    for wanted in np.unique(is_long[known]):
        chosen = of_length(sets, "l" if wanted else "s", background is None)
        here = known & (is_long == wanted)
        correction[here], error[here], flags[here] = _corrected(chosen, *(values[here] for values in stars))
        sources += _used(chosen, stars[-1][here])
    flags = flags | np.where(saturated, int(CorrectionFlag.SATURATED), 0)
    return CorrectedPhotometry(_applied(correction, flux, mag), correction[()], error[()], flags[()], tuple(sources))


def find_coefficients(given):
    """The coefficients that are given, read where they are files; of a folder the newest file of each set.

    Parameters
    ----------
    given : path, `records.Coefficients`, or a sequence of these

    Returns
    -------
    coefficients : list of `records.Coefficients`

    Raises
    ------
    CoefficientError
        There is none, or a file is no coefficient file.
    """
    several = given if isinstance(given, (list, tuple)) else [given]
    return [one for item in several for one in ([item] if isinstance(item, Coefficients) else _newest(Path(item)))]


def _newest(path):
    return newest_of_each_set(all_coefficients([path]))


def all_coefficients(paths):
    """The coefficients of files, and of all files in folders, of whatever epoch.

    Parameters
    ----------
    paths : iterable of `pathlib.Path`

    Returns
    -------
    coefficients : list of `records.Coefficients`

    Raises
    ------
    CoefficientError
        There is none, or a file is no coefficient file.
    """
    found = [outputs.read_coefficients(file) for path in paths for file in _files(path)]
    # The newest of a set lie there twice, as text and as ECSV; and those of a later run take the place of an earlier's.
    return list({(_set_of(one), round(one.epoch_mjd, 2)): one for one in found}.values())


def _files(path):
    if not path.is_dir():
        return [path]
    # In order of the folders, which runs name by their time; ECSV last, which has all digits.
    found = [*path.rglob("*_coeffs.txt"), *path.rglob("*_coeffs.ecsv")]
    found.sort(key=lambda file: (file.parent, file.suffix == ".ecsv", file))
    # The web page has second names of the newest ones, from which it must not be told that they are another run's.
    found = [file for file in found if outputs.REPORT not in file.relative_to(path).parts]
    if not found:
        raise CoefficientError(f"{path}: no coefficient files (*_coeffs.txt, *_coeffs.ecsv) in this folder")
    return found


def newest_of_each_set(coefficients):
    """Those of the last epoch of each set.

    Parameters
    ----------
    coefficients : iterable of `records.Coefficients`
    """
    return list({_set_of(one): one for one in sorted(coefficients, key=lambda one: one.epoch_mjd)}.values())


def _set_of(one):
    return one.target, one.filter, one.length, one.flashlvl, one.ctecorr, one.aperture, one.subset


def _one_of(**arguments):
    given = [name for name, value in arguments.items() if value is not None]
    if len(given) != 1:
        raise TypeError(f"one of {' and '.join(arguments)} is needed, not {' and '.join(given) or 'none'}")


def coefficients_for(known, target="ngc104", filter="F502N", ctecorr=False, aperture=3, flashlvl=None, subset=""):
    """Those of the coefficients that are of a kind, with arguments as `correct_photometry` has them.

    Raises
    ------
    CoefficientError
        There are none.
    """
    sets = [one for one in known if one.ctecorr == ctecorr and np.isclose(one.aperture, aperture)]
    sets = [one for one in sets if (one.target, one.filter, one.subset) == (target, filter, subset)]
    sets = [one for one in sets if flashlvl is None or _is_level(one, flashlvl)]
    if not sets:
        kind = f"{target}, {filter}, {'FLC' if ctecorr else 'FLT'}, {aperture:g} px{f', {subset}' if subset else ''}"
        flash = "" if flashlvl is None else f", post-flash {flashlvl:g} e-/px"
        there = ", ".join(sorted({_in_words(one) for one in known}))
        raise CoefficientError(f"no coefficients of {kind}{flash}; there are: {there}")
    return sets


def _in_words(one):
    subset = f" ({one.subset})" if one.subset else ""
    return f"{one.target} {one.filter} {'FLC' if one.ctecorr else 'FLT'} {one.aperture:g} px{subset}"


def _is_level(one, flashlvl):
    return one.flashlvl is not None and np.isclose(one.flashlvl, flashlvl)


def of_length(sets, length, background_unknown):
    """Those of an exposure length that a correction uses: in order of background, or the one of all backgrounds.

    Parameters
    ----------
    sets : list of `records.Coefficients`
        As `coefficients_for` gives them.
    length : {'s', 'l'}
    background_unknown : bool

    Raises
    ------
    CoefficientError
        There are none, or they cannot be chosen without a background, or are of flux ratios.
    """
    known = [one for one in sets if one.length == length]
    of_all = [one for one in known if one.flashlvl is None]
    if of_all and not background_unknown:
        known = of_all[:1]
    else:
        known = [one for one in known if one.flashlvl is not None] or known
    chosen = sorted(known, key=lambda one: one.background)
    kind = {"s": "short", "l": "long"}[length]
    if chosen and chosen[0].flashlvl is None and background_unknown:
        raise CoefficientError(f"{chosen[0].source}: of all post-flash levels: background is needed")
    if not chosen:
        raise CoefficientError(f"no coefficients of {kind} exposures among {', '.join(one.source for one in sets)}")
    if len(chosen) > 1 and background_unknown:
        levels = ", ".join(f"{one.flashlvl:g}" for one in chosen)
        raise CoefficientError(f"several sets of {kind} exposures (post-flash {levels} e-/px): background is needed")
    wrong = [one.source for one in chosen if one.surface.unit != "mag"]
    if wrong:
        raise CoefficientError(f"{wrong[0]}: of flux ratios, not magnitudes; make it with loss_unit = 'mag'")
    return chosen


def _corrected(sets, flux, n, mjd, background):
    """Correction, error and flags of stars that share an exposure length."""
    surfaces, levels = [one.surface for one in sets], _levels(sets)
    shares = shares_of(levels[: len(surfaces)], background)
    on_chip = (n > 0.5) & (n < ROWS + 0.5)
    # Far off the chip, where there is no loss to tell, the equation for the flux need not have a solution.
    inside = np.clip(n, 0.5, ROWS + 0.5)
    correction, error, f_mid = correct(surfaces, levels[: len(surfaces)], flux, inside, mjd, background)
    finite = np.isfinite(correction) & np.isfinite(error)
    flags = (
        _where(~finite, CorrectionFlag.NOT_FINITE)
        | _where(np.isfinite(n) & ~on_chip, CorrectionFlag.OFF_CHIP)
        | _where(flux > _SATURATED, CorrectionFlag.SATURATED)
        | _where(_outside(mjd - MJD_ZERO, [one.d_range for one in surfaces], shares, _DATE_MARGIN), CorrectionFlag.DATE)
        | _where(_outside(f_mid, [one.f_range for one in surfaces], shares, 0.0), CorrectionFlag.FLUX)
        | _where(_unlike(background, levels), CorrectionFlag.BACKGROUND)
    )
    good = finite & on_chip & (mjd >= IN_SPACE[0]) & (mjd <= IN_SPACE[1])
    return np.where(good, correction, np.nan), np.where(good, error, np.nan), flags


def _used(sets, background):
    """Names of the sets that have a say at a background."""
    shares = shares_of(_levels(sets)[: len(sets)], background)
    return [one.source for one, share in zip(sets, shares, strict=True) if np.any(np.greater(share, 0))]


def _levels(sets):
    return [max(level, _LEAST_BACKGROUND) for one in sets for level in _backgrounds(one)]


def _backgrounds(one):
    """What a set was measured at: one background, or the ends of a range."""
    return one.surface.background_range if one.flashlvl is None else (one.background,)


def _where(condition, flag):
    return np.where(condition, int(flag), 0)


def _outside(values, ranges, shares, margin):
    """Whether values lie outside of what the ranges of those that count have in common."""
    low, high = common_range(ranges, shares)
    return (values < low - margin) | (values > high + margin)


def _unlike(background, levels):
    low, high = levels[0], levels[-1]
    less = background < np.minimum(low / _LIKE_BACKGROUND, low - 1.0)
    return less | (background > max(high * _LIKE_BACKGROUND, high + 1.0))


def _applied(correction, flux, mag):
    """What was given, corrected, with its unit."""
    if mag is None:
        return flux * 10 ** (0.4 * correction)
    return mag - (correction * u.mag if isinstance(mag, u.Quantity) else correction)
