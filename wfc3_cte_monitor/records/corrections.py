"""The published coefficients of a set, and what became of photometry that they correct."""

from dataclasses import dataclass, field
from enum import IntFlag

import numpy as np

from wfc3_cte_monitor.records.fits import BackgroundSurface, CteSurface

__all__ = ["Coefficients", "CorrectionFlag", "CorrectedPhotometry"]


@dataclass(frozen=True)
class Coefficients:
    """What a coefficient file says: a surface, and what it was measured on."""

    surface: CteSurface | BackgroundSurface
    target: str
    filter: str
    length: str
    """'s' or 'l'."""
    flashlvl: float | None
    """Post-flash level [e-/px]; None where the surface is of all levels, a `BackgroundSurface`."""
    ctecorr: bool
    """True for FLC."""
    aperture: float
    """Radius [px]."""
    background: float
    """Median of sky, post-flash and dark under the stars [e-/px]; NaN where the surface is of all levels."""
    epoch_mjd: float
    """The surface is of all data up to this date [MJD]."""
    source: str = ""
    """Name of the file."""
    programs: tuple[int, ...] = ()
    """That the data are of, int."""
    software: str = ""
    """Its name and version."""
    photometry: dict[str, str] = field(default_factory=dict, compare=False)
    """How the stars were measured: in words, by name."""
    subset: str = ""
    """What of the exposures it is of, instead of nominal ones, in words."""


class CorrectionFlag(IntFlag):
    """What is doubtful about a correction; 0 means nothing."""

    DATE = 1
    """More than 30 days before the first or after the last epoch of the coefficients: extrapolated; no correction where
    WFC3 was not yet in space, or the date is none."""
    FLUX = 2
    """Fainter or brighter than the stars of the coefficients: the loss is that of the nearest of them."""
    BACKGROUND = 4
    """Less or more background than the coefficients know, by a factor of 1.4 and by 1 e-/px: the loss is that at the
    nearest they know."""
    SATURATED = 8
    """So bright, or marked by the caller, that the flux is not to be trusted."""
    OFF_CHIP = 16
    """No pixel of the chip: no correction."""
    NOT_FINITE = 32
    """The flux is not positive, or something that was given is not finite: no correction."""


@dataclass(frozen=True)
class CorrectedPhotometry:
    """Photometry without the loss; arrays of the shape to which everything that was given broadcasts."""

    value: np.ndarray
    """Corrected fluxes [e-] or magnitudes, whichever were given, with their unit where they had one."""
    correction: np.ndarray
    """The magnitudes by which the stars were too faint: to be subtracted from a magnitude [mag]."""
    correction_err: np.ndarray
    """Its standard error, as the coefficients have it [mag]."""
    flags: np.ndarray
    """Bits of `CorrectionFlag`."""
    sources: tuple[str, ...] = ()
    """Names of the coefficient files that had a say."""
