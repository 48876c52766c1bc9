"""The pixels of a chip, and the stars on it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntFlag
from typing import Any

import numpy as np

__all__ = ["Flag", "ChipImage", "MasterCatalog", "PixelMasks", "PhotometrySetup", "StarPositions", "Photometry"]


class Flag(IntFlag):
    """Why a measurement of a star must not enter a slope; 0 means good.

    A flag of an aperture is the union of what is wrong with the star and with the pixels of that aperture.
    """

    SATURATED = 1
    """A saturated pixel (DQ 256 or 2048) in the aperture."""
    BAD_PIXEL = 2
    """A pixel in the aperture that the configuration calls bad, that is not finite, or hot and seen as a hit."""
    COSMIC_RAY = 4
    """A cosmic ray, or the first five pixels of its trail, in the aperture or within 1.5 px of it."""
    EDGE = 8
    """The aperture leaves the chip."""
    NOT_CENTRED = 16
    """The centroid failed, moved too far or fell onto a neighbour: measured where the catalogue has the star."""
    NO_SKY = 32
    """Too few sky pixels left in the annulus."""
    NOT_FINITE = 64
    """Flux or its error is not a finite number."""
    CROWDED = 128
    """More than a tenth of the aperture's light is that of other stars of the catalogue."""


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
    wcs: Any
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

    def __len__(self) -> int:
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
    def not_sky(self) -> np.ndarray:
        """Pixels that tell nothing of the sky."""
        return self.bad | self.saturated | self.cosmic_ray | self.star


@dataclass(frozen=True)
class PhotometrySetup:
    """How stars are measured, by whatever engine."""

    aprads: tuple[float, ...]
    """Aperture radii [px], ascending."""
    sky_annulus: tuple[float, float]
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

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True)
class Photometry:
    """The stars of one exposure, measured; arrays of shape (n,) unless said otherwise."""

    positions: StarPositions
    aprads: tuple[float, ...]
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

    def __len__(self) -> int:
        return len(self.positions)

    @classmethod
    def of_counts(
        cls,
        positions: StarPositions,
        aprads: Iterable[float],
        counts: np.ndarray,
        n_pixels: np.ndarray,
        *,
        sky: tuple[np.ndarray, np.ndarray, np.ndarray],
        area: np.ndarray,
        background_removed: float,
    ) -> "Photometry":
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
