"""What is fitted and judged: lines, surfaces, alignments, masks."""

from dataclasses import dataclass

import numpy as np

__all__ = ["StarPairs", "FluxBin", "LineFit", "SlopeFit", "CteSurface", "BackgroundSurface", "Alignment", "MaskReport"]


@dataclass(frozen=True)
class StarPairs:
    """Stars that both exposures of a pair have; arrays of shape (n,)."""

    id: np.ndarray
    y: np.ndarray
    """Rows to the amplifier in the second exposure [px]: on chip 2 the 1-based row."""
    flux1: np.ndarray
    """In the first exposure of the pair, which is that on chip 1 [e-]; of a same-chip pair the earlier one."""
    flux2: np.ndarray
    """In the second [e-]."""

    @property
    def flux(self) -> np.ndarray:
        """sqrt(F1 F2): the flux of a star that has lost half a chip's worth [e-]."""
        return np.sqrt(self.flux1 * self.flux2)

    @property
    def ratio(self) -> np.ndarray:
        """F1 / F2."""
        return self.flux1 / self.flux2


@dataclass(frozen=True, order=True)
class FluxBin:
    """A range of sqrt(F1 F2), lo <= flux < hi [e-]."""

    lo: float
    hi: float

    @property
    def label(self) -> str:
        """Suffix of the column names, such as '250_500'."""
        return f"{self.lo:g}_{self.hi:g}"


@dataclass(frozen=True)
class LineFit:
    """A straight line through points, outliers clipped."""

    slope: float
    slope_err: float
    """Standard error."""
    intercept: float
    """At x = 0."""
    intercept_err: float
    covariance: float
    """Of slope and intercept."""
    kept: np.ndarray
    """Shape of the points: False where clipped."""

    @property
    def n_points(self) -> int:
        return int(np.count_nonzero(self.kept))

    @property
    def slope_std(self) -> float:
        """Standard deviation in the monitor's sense: standard error times sqrt(number of points)."""
        return self.slope_err * np.sqrt(self.n_points)


@dataclass(frozen=True)
class SlopeFit:
    """The two measures of one pair in one flux bin; None where the bin has fewer than three points."""

    bin: FluxBin
    n_points: int
    """Stars of the magnitude fit, after clipping; with fewer than three, those in the bin."""
    mean_flux: float
    """Mean of sqrt(F1 F2) of the stars of the fit [e-]; NaN where there is none."""
    ratio: LineFit | None
    """F1/F2 against y [1/px]."""
    mag: LineFit | None
    """2.5 log10(F1/F2) against y [mag/px]."""
    mid_ratio: LineFit | None = None
    """`ratio` again, forced through 1 at the middle row; None where that was not asked for."""
    mid_mag: LineFit | None = None
    """`mag` again, forced through 0 there."""


@dataclass(frozen=True)
class CteSurface:
    """S(d, f) = sum c_ij d^i f^j with d = MJD - 55400 [days] and f = log10 of the flux [e-]."""

    coefficients: np.ndarray
    """Shape (3, 3): c_ij; 0 where the order was lowered."""
    covariance: np.ndarray
    """Shape (9, 9), of the raveled coefficients."""
    unit: str
    """'mag' [mag per 2051 px] or 'flux' [flux fraction per 2048 px]."""
    rank: int
    """Number of coefficients that the points determine: all that are not fixed to 0."""
    chi2: float
    """Of the standard errors alone, without the scatter."""
    n_points: int
    n_epochs: int
    d_range: tuple[float, float]
    """Smallest and largest d of the points [days]."""
    f_range: tuple[float, float]
    """Smallest and largest f of the points [dex of e-]."""
    scatter: float = 0.0
    """Of the points about the surface beyond their standard errors, in the unit of the loss."""

    @property
    def errors(self) -> np.ndarray:
        """Standard errors of the coefficients, shape (3, 3)."""
        return np.sqrt(np.diag(self.covariance)).reshape(3, 3)


@dataclass(frozen=True)
class BackgroundSurface:
    """S(d, f, g) = sum c_ijk d^i f^j g^k: the losses at all backgrounds, d and f as in `CteSurface`."""

    coefficients: np.ndarray
    """Shape (3, 3, K): c_ijk; 0 where there is no such term."""
    covariance: np.ndarray
    """Shape (9 K, 9 K), of the raveled coefficients."""
    form: str
    """'log': g = log10(background + offset); 'inverse': g = offset / (background + offset)."""
    offset: float
    """[e-/px]"""
    unit: str
    """'mag' [mag per 2051 px] or 'flux' [flux fraction per 2048 px]."""
    rank: int
    """Number of terms."""
    chi2: float
    """Of the standard errors alone."""
    n_points: int
    n_epochs: int
    d_range: tuple[float, float]
    """Smallest and largest d of the points [days]."""
    f_range: tuple[float, float]
    """Smallest and largest f of the points [dex of e-]."""
    background_range: tuple[float, float]
    """Smallest and largest background of the points [e-/px]."""
    scatter: float
    """Of the points about the surface beyond their standard errors, in the unit of the loss."""

    @property
    def errors(self) -> np.ndarray:
        """Standard errors of the coefficients, shape (3, 3, K)."""
        return np.sqrt(np.diag(self.covariance)).reshape(self.coefficients.shape)


@dataclass(frozen=True)
class Alignment:
    """An exposure's fit to a reference catalogue, and how it was checked."""

    imagename: str
    n_stars: int
    """Stars of the catalogue on the exposure."""
    n_sources: int
    """Sources that TweakReg found."""
    n_matches: int
    """Stars of its fit."""
    rms: tuple[float, float]
    """Of the fit in x and y [px]."""
    shift: float
    """By which the middle of the field's chip moved [arcsec]."""
    rotation: float
    """[deg]"""
    n_checked: int
    """Sources within 1 px of where the new WCS puts a star."""
    n_chance: float
    """As many would be by chance."""
    offset: tuple[float, float]
    """Median of source minus star in x and y, by the new WCS [px]."""
    edge: float
    """Largest offset at a corner of a chip, by a plane through the offsets [px]."""

    @property
    def summary(self) -> str:
        """One line for the log."""
        return (
            f"{self.n_matches} matches, rms {self.rms[0]:.3f} {self.rms[1]:.3f} px, "
            f"moved {self.shift:.3f} arcsec {self.rotation:+.4f} deg"
        )


@dataclass(frozen=True)
class MaskReport:
    """A cosmic-ray mask of one chip of an exposure, and what it does to stars."""

    imagename: str
    chip: int
    n_exposures: int
    """That it was made from."""
    in_cores: float
    """Fraction of the pixels within 2 px of unsaturated catalogue stars; NaN where there is none."""
    overall: float
    """Fraction of all pixels that it takes."""
    n_stars: int
    sky: float
    """MDRIZSKY [e-/px]."""
