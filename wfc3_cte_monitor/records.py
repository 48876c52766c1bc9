"""The records that the rooms of the house hand to each other: frozen, with the unit of every field.

Positions are 1-based in every record; only `ChipImage.data` and its companions are numpy arrays, whose indices
start at 0.
"""

from dataclasses import dataclass, field
from enum import IntFlag
from pathlib import Path

import numpy as np

from wfc3_cte_monitor.uvis import exposure_length, visit_of

__all__ = [
    "Flag",
    "Exposure",
    "Rejection",
    "Expectation",
    "ExposureSet",
    "ChipImage",
    "MasterCatalog",
    "PixelMasks",
    "PhotometrySetup",
    "StarPositions",
    "Photometry",
    "ExposurePair",
    "StarPairs",
    "FluxBin",
    "LineFit",
    "SlopeFit",
    "CteSurface",
    "Alignment",
    "MaskReport",
]


class Flag(IntFlag):
    """Why a measurement of a star must not enter a slope; 0 means good.

    A flag of an aperture is the union of what is wrong with the star and with the pixels of that aperture.
    """

    SATURATED = 1
    """A saturated pixel (DQ 256 or 2048) in the aperture."""
    BAD_PIXEL = 2
    """A pixel in the aperture that the configuration calls bad, or that is not finite."""
    COSMIC_RAY = 4
    """A cosmic ray in the aperture or within 1.5 px of it."""
    EDGE = 8
    """The aperture leaves the chip."""
    NOT_CENTRED = 16
    """The centroid failed or moved further than the limit: measured at the catalogue position."""
    NO_SKY = 32
    """Too few sky pixels left in the annulus."""
    NOT_FINITE = 64
    """Flux or its error is not a finite number."""
    CROWDED = 128
    """More than a tenth of the aperture's light is that of other stars of the catalogue."""


@dataclass(frozen=True)
class Exposure:
    """One FLT or FLC file that the monitor measures."""

    path: Path
    rootname: str
    program: int
    target: str
    """Short name, such as 'ngc104'."""
    filter: str
    exptime: float
    """[s]"""
    expstart: float
    """Start of the exposure [MJD]."""
    flashlvl: float
    """Post-flash level [e-/px]; 0 where there was none."""
    ctecorr: bool
    """True for an FLC, false for an FLT."""
    chip: int | None
    """The chip that the field is on; None where only the stars can tell (same-chip set)."""
    postarg1: float
    """[arcsec]"""
    postarg2: float
    """[arcsec]"""
    pa_v3: float
    """Position angle of the V3 axis [deg]."""
    keywords: dict = field(default_factory=dict, compare=False)
    """Further header keywords that the database keeps (name -> value, None where the header has none)."""

    @property
    def visit(self):
        """Visit, two characters in lower case."""
        return visit_of(self.rootname)

    @property
    def length(self):
        """'s' or 'l'."""
        return exposure_length(self.exptime)

    @property
    def imagename(self):
        """File name: the natural key of an exposure in the database."""
        return f"{self.rootname}_{'flc' if self.ctecorr else 'flt'}.fits"

    @property
    def set(self):
        """The `ExposureSet` that it belongs to."""
        return ExposureSet(self.target, self.filter, self.length, self.flashlvl, self.ctecorr)


@dataclass(frozen=True)
class Rejection:
    """A file that the monitor leaves out by one of its rules."""

    path: Path
    reason: str
    """The rule, the same words for all files that it leaves out."""
    detail: str = ""
    """What in this file met the rule."""
    exposure: Exposure | None = field(default=None, compare=False)
    """What its header says."""

    @property
    def imagename(self):
        return self.path.name


@dataclass(frozen=True)
class Expectation:
    """Exposure pairs of one kind that a program should hold; None stands for any."""

    program: int
    place: str
    """A visit, the months as the configuration has them ('Jun-Jul 2012'), or '*' for anywhere in the program."""
    target: str
    filter: str | None = None
    time: str | float | None = None
    """'s', 'l' or seconds."""
    flashlvl: float | None = None
    """[e-/px]"""
    pairs: int | None = None
    """How many pairs, exactly; None for one or more. In a same-chip visit the exposures that have a partner."""
    months: tuple | None = None
    """First and last (year, month) where the place is months."""

    @property
    def visit(self):
        """The visit, None where the place is something else."""
        return None if self.months or self.place == "*" else self.place


@dataclass(frozen=True, order=True)
class ExposureSet:
    """What exposures have in common whose losses one surface describes."""

    target: str
    filter: str
    length: str
    """'s' or 'l'."""
    flashlvl: float
    """[e-/px]"""
    ctecorr: bool


@dataclass(frozen=True)
class ChipImage:
    """The pixels of one chip."""

    chip: int
    data: np.ndarray
    """Shape (rows, columns), native float32 [e-]."""
    dq: np.ndarray
    """Data-quality bits, same shape, int."""
    background_removed: float
    """Post-flash and dark that calwf3 subtracted, MEANFLSH + MEANDARK [e-/px]."""
    read_noise: float
    """[e-]"""
    wcs: object
    """`astropy.wcs.WCS` with every distortion that the file holds."""
    pixel_scale: float
    """Side of a pixel of unit area in the pixel area map [arcsec]."""


@dataclass(frozen=True)
class MasterCatalog:
    """The stars of a cluster; arrays of shape (n,)."""

    target: str
    id: np.ndarray
    """Integer, unique."""
    x: np.ndarray
    """On the master image, 1-based [px]."""
    y: np.ndarray
    ra: np.ndarray
    """[deg]"""
    dec: np.ndarray

    def __len__(self):
        return len(self.id)


@dataclass(frozen=True)
class PixelMasks:
    """What is wrong with the pixels of a chip; arrays of bool, shape (rows, columns)."""

    bad: np.ndarray
    saturated: np.ndarray
    cosmic_ray: np.ndarray
    star: np.ndarray
    """Where a star of the catalogue outshines the sky."""

    @property
    def not_sky(self):
        """Pixels that tell nothing of the sky."""
        return self.bad | self.saturated | self.cosmic_ray | self.star


@dataclass(frozen=True)
class PhotometrySetup:
    """How stars are measured, by whatever engine."""

    aprads: tuple
    """Aperture radii [px], ascending."""
    sky_annulus: tuple
    """Inner and outer radius [px]."""
    max_shift: float
    """How far a centroid may lie from the catalogue position [px]."""
    trust_catalog: bool = True
    """Whether the catalogue has a say in where faint stars are; a catalogue that is being made must not."""


@dataclass(frozen=True)
class StarPositions:
    """Where the master stars are on a chip; arrays of shape (n,)."""

    id: np.ndarray
    """Id in the master catalogue."""
    x: np.ndarray
    """Recentred where that was possible, else from the catalogue, 1-based [px]."""
    y: np.ndarray
    shift: np.ndarray
    """Distance of (x, y) from the catalogue position [px]; NaN where the star could not be recentred."""

    def __len__(self):
        return len(self.id)


@dataclass(frozen=True)
class Photometry:
    """The stars of one exposure, measured; arrays of shape (n,) unless said otherwise."""

    positions: StarPositions
    aprads: tuple
    """Aperture radii [px]."""
    flux: np.ndarray
    """Shape (n_apertures, n): sky-subtracted sum times the pixel area [e-]; NaN where not measurable."""
    flux_err: np.ndarray
    """Standard error of `flux` [e-]."""
    flags: np.ndarray
    """Shape (n_apertures, n), bits of `Flag`."""
    sky: np.ndarray
    """Local sky [e-/px]."""
    sky_std: np.ndarray
    """Scatter of a sky pixel [e-]."""
    n_sky: np.ndarray
    """Sky pixels used."""
    background: np.ndarray
    """What the charge met on its way: sky + MEANFLSH + MEANDARK [e-/px]."""

    def __len__(self):
        return len(self.positions)

    @classmethod
    def of_counts(cls, positions, aprads, counts, n_pixels, *, sky, area, background_removed):
        """The photometry that sky-subtracted sums are, with their errors and without flags.

        The standard error of a flux F from the sum of A pixels, with the sky's scatter s of N pixels, is that of its
        photons, of the pixels under it, and of the sky that was subtracted: sqrt(F + A s^2 + A^2 s^2 / N).

        Parameters
        ----------
        positions : StarPositions
            Of n stars.
        aprads : tuple
            Aperture radii [px].
        counts : ndarray, shape (n_apertures, n)
            Sums less the sky, as the image has them [e-].
        n_pixels : ndarray
            Area of the apertures; broadcasts with `counts` [px].
        sky : (ndarray, ndarray, ndarray), each of shape (n,)
            Local sky [e-/px], scatter of a sky pixel [e-], number of sky pixels.
        area : ndarray, shape (n,)
            Area of the pixels under the stars, relative to the one that fluxes are quoted for.
        background_removed : float
            See `ChipImage`.
        """
        level, std, number = sky
        variance = np.maximum(counts, 0) + n_pixels * std**2 * (1 + n_pixels / np.maximum(number, 1))
        return cls(
            positions=positions,
            aprads=tuple(aprads),
            flux=counts * area,
            flux_err=np.sqrt(variance) * area,
            flags=np.zeros(counts.shape, dtype=int),
            sky=level,
            sky_std=std,
            n_sky=number,
            background=level + background_removed,
        )


@dataclass(frozen=True)
class ExposurePair:
    """The same field on chip 1 and on chip 2 (`one` and `two`)."""

    one: Exposure
    two: Exposure

    @property
    def mjd(self):
        """Mean start of the two exposures [MJD]."""
        return 0.5 * (self.one.expstart + self.two.expstart)


@dataclass(frozen=True)
class StarPairs:
    """Stars that both exposures of a pair have; arrays of shape (n,)."""

    id: np.ndarray
    y: np.ndarray
    """Row on chip 2, 1-based [px]."""
    flux1: np.ndarray
    """On chip 1 [e-]."""
    flux2: np.ndarray
    """On chip 2 [e-]."""

    @property
    def flux(self):
        """sqrt(F1 F2): the flux of a star that has lost half a chip's worth [e-]."""
        return np.sqrt(self.flux1 * self.flux2)

    @property
    def ratio(self):
        """F1 / F2."""
        return self.flux1 / self.flux2


@dataclass(frozen=True, order=True)
class FluxBin:
    """A range of sqrt(F1 F2), lo <= flux < hi [e-]."""

    lo: float
    hi: float

    @property
    def label(self):
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
    def n_points(self):
        return int(np.count_nonzero(self.kept))

    @property
    def slope_std(self):
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
    n_points: int
    n_epochs: int
    d_range: tuple
    """Smallest and largest d of the points [days]."""
    f_range: tuple
    """Smallest and largest f of the points [dex of e-]."""

    @property
    def errors(self):
        """Standard errors of the coefficients, shape (3, 3)."""
        return np.sqrt(np.diag(self.covariance)).reshape(3, 3)


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
    rms: tuple
    """Of the fit in x and y [px]."""
    shift: float
    """By which the middle of the field's chip moved [arcsec]."""
    rotation: float
    """[deg]"""
    n_checked: int
    """Sources within 1 px of where the new WCS puts a star."""
    n_chance: float
    """As many would be by chance."""
    offset: tuple
    """Median of source minus star in x and y, by the new WCS [px]."""
    edge: float
    """Largest offset at a corner of a chip, by a plane through the offsets [px]."""

    @property
    def summary(self):
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
