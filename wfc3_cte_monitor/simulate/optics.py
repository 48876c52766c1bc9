"""A point-spread function with all that two Gaussians lack: undersampled core, rings, spikes and halo.

The diffraction image of a telescope's pupil with its obscuration and the vanes that hold it, out of focus by a stated
amount, on pixels between which a little charge diffuses.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from wfc3_cte_monitor.simulate.psf import scatter

__all__ = ["OpticalPsf"]

_FINE = 10
"""Points per pixel, and so the grain of a star's position."""
_PUPIL_POINTS = 256
_OBSCURATION, _VANE = 0.33, 0.022
"""Of the secondary mirror and of its vanes, in diameters of the pupil."""
_DIFFRACTION = 502e-9 / 2.4 * 206265 / 0.0396
"""Wavelength over diameter [px]."""
_DIFFUSION = 0.35
"""Sigma of the diffusion of charge [px]."""
_RIPPLE = 0.035
"""Rms of the mirror's polishing errors, which make the halo [waves]."""
_HALF_SIZES = ((0.0, 15), (5e3, 30), (1e5, 60))
"""Half size of the stamp [px] for stars above a flux [e-]."""
_CHUNK = 200


@dataclass(frozen=True)
class OpticalPsf:
    """The point-spread function at a focus. Its total is the light within 60 px."""

    defocus: float = 0.0
    """Rms of the wavefront [waves]; breathing changes it by some 0.03."""
    coma: float = 0.02
    """[waves]"""

    def draw(self, shape: tuple[int, int], x: np.ndarray, y: np.ndarray, flux: np.ndarray) -> np.ndarray:
        """An image of stars, without noise.

        Parameters
        ----------
        shape : tuple of int
            Rows and columns.
        x, y : ndarray, shape (n,)
            1-based [px]; drawn to a tenth of a pixel.
        flux : ndarray, shape (n,)
            Counts of the whole star [e-].

        Returns
        -------
        image : ndarray, shape `shape`, float64
            [e-]
        """
        image = np.zeros(shape)
        column, row = ((np.rint((np.asarray(v) - 1) * _FINE) / _FINE) for v in (x, y))
        size_class = np.digitize(flux, [lower for lower, _ in _HALF_SIZES[1:]])
        for number, (_, half) in enumerate(_HALF_SIZES):
            near = (column > -half) & (column < shape[1] + half) & (row > -half) & (row < shape[0] + half)
            chosen = np.flatnonzero(near & (size_class == number))
            for part in np.array_split(chosen, max(1, -(-len(chosen) // _CHUNK))):
                _add(image, column[part], row[part], np.asarray(flux)[part], half, _phases(self))
        return image

    def encircled_energy(self, radius: float = 3.0) -> float:
        """Light inside an aperture with exact pixel overlap, as a fraction of the total.

        Parameters
        ----------
        radius : float, optional
            [px]

        Returns
        -------
        fraction : float
            Mean over the position of the star in its pixel.
        """
        fine = _fine_image(self)
        size = np.arange(len(fine)) - len(fine) // 2
        # Averaged over all positions, overlap with a pixel is a convolution with it.
        inside = (np.hypot(size, size[:, None]) <= radius * _FINE).astype(float)
        pixel = np.full((_FINE, _FINE), 1.0 / _FINE**2)
        return float(np.sum(fine * _convolved(_convolved(inside, pixel), pixel[::-1])))


def _convolved(image, kernel):
    """An image of the same size."""
    from scipy.signal import fftconvolve  # which takes a second, and nobody else needs it

    return fftconvolve(image, kernel, "same")


def _add(image, column, row, flux, half, phases):
    """Add stars at 0-based positions, multiples of a tenth of a pixel."""
    j, i = np.rint(column).astype(int), np.rint(row).astype(int)
    dj, di = (np.rint((v - whole) * _FINE).astype(int) % _FINE for v, whole in ((column, j), (row, i)))
    middle, offsets = phases.shape[-1] // 2, np.arange(-half, half + 1)
    inside = slice(middle - half, middle + half + 1)
    stamps = phases[di, dj, inside, inside] * flux[:, None, None]
    scatter(image, i[:, None] + offsets, j[:, None] + offsets, stamps)


@cache
def _phases(psf):
    """The star in pixels, moved by k tenths of one (k > 4: k - 10) in y and x: shape (10, 10, size, size)."""
    fine = _fine_image(psf)
    pixel = np.ones((_FINE + 1, _FINE + 1))
    for edge in (0, -1):  # a pixel's borders lie on points, which it shares with its neighbours
        pixel[edge] *= 0.5
        pixel[:, edge] *= 0.5
    summed = _convolved(fine, pixel)
    half = _HALF_SIZES[-1][1]
    centre, offsets = len(fine) // 2, _FINE * np.arange(-half, half + 1)
    shifts = [k if k < _FINE / 2 else k - _FINE for k in range(_FINE)]
    lines = [centre + offsets - shift for shift in shifts]
    return np.array([[summed[np.ix_(rows, columns)] for columns in lines] for rows in lines])


@cache
def _fine_image(psf):
    """The image on points a tenth of a pixel apart, total 1, with the star on the middle one."""
    # The transform of n points, of which the pupil takes d, has d points per wavelength over diameter and n.
    size = int(round(_PUPIL_POINTS * _DIFFRACTION * _FINE))
    amplitude = np.zeros((size, size), complex)
    amplitude[:_PUPIL_POINTS, :_PUPIL_POINTS] = _pupil(psf)
    image = np.abs(np.fft.fftshift(np.fft.fft2(amplitude))) ** 2
    reach, centre = (_HALF_SIZES[-1][1] + 1) * _FINE, size // 2
    image = image[centre - reach : centre + reach + 1, centre - reach : centre + reach + 1]
    t = np.arange(-3 * _FINE, 3 * _FINE + 1) / _FINE
    line = np.exp(-0.5 * (t / _DIFFUSION) ** 2)
    image = np.maximum(_convolved(image, np.outer(line, line)), 0.0)
    return image / image.sum()


def _pupil(psf):
    """Amplitude and phase over the pupil, shape (256, 256)."""
    t = (np.arange(_PUPIL_POINTS) + 0.5) / _PUPIL_POINTS * 2 - 1
    x, y = np.meshgrid(t, t)
    radius = np.hypot(x, y)
    open_ = (radius <= 1) & (radius >= _OBSCURATION) & (np.abs(x - y) > _VANE * 1.41) & (np.abs(x + y) > _VANE * 1.41)
    focus = np.sqrt(3.0) * (2 * radius**2 - 1)
    coma = np.sqrt(8.0) * (3 * radius**3 - 2 * radius) * x / np.maximum(radius, 1e-9)
    return open_ * np.exp(2j * np.pi * (psf.defocus * focus + psf.coma * coma + _RIPPLE * _polish()))


def _polish():
    """Errors of the mirror between a tenth and a fiftieth of its diameter, rms 1; always the same."""
    noise = np.random.default_rng(0).standard_normal((_PUPIL_POINTS, _PUPIL_POINTS))
    waves = np.hypot(*np.meshgrid(*(np.fft.fftfreq(_PUPIL_POINTS, 1 / _PUPIL_POINTS),) * 2))
    kept = np.where((waves > 8) & (waves < 60), 1.0 / np.maximum(waves, 1.0), 0.0)
    errors = np.fft.ifft2(np.fft.fft2(noise) * kept).real
    return errors / errors.std()
