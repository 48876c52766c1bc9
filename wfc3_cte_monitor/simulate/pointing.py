"""Where on the sky the two chips look, and how large their pixels are.

The templates fix how the chips lie relative to each other; an exposure turns and moves both as one rigid body on
the sphere.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from astropy.coordinates import angular_separation, offset_by, position_angle
from astropy.io import fits
from astropy.wcs import WCS

from wfc3_cte_monitor.simulate.templates import DETECTOR_COLUMNS, distortion_tables, primary_template, sci_template

__all__ = [
    "Attitude",
    "attitude_of",
    "first_column",
    "wcs_header",
    "distortion_hdus",
    "chip_wcs",
    "sky_to_pixel",
    "inside",
    "pixel_area",
    "pixel_area_map",
]

_ARCSEC = np.pi / 180 / 3600


@dataclass(frozen=True)
class Attitude:
    """Sky position and orientation of both chips."""

    crval: dict
    """chip -> (RA, Dec) of the chip's reference pixel [deg]."""
    cd: dict
    """chip -> CD matrix, shape (2, 2) [deg/px]."""
    roll: float
    """Rotation against the templates, at chip 2 [rad]."""


@cache
def _geometry():
    """Of the templates: CD per chip, distance of the reference pixels and the directions between them [rad]."""
    headers = {chip: sci_template(chip) for chip in (1, 2)}
    one, two = ([np.radians(headers[chip][f"CRVAL{axis}"]) for axis in (1, 2)] for chip in (1, 2))
    cd = {chip: _cd_matrix(header) for chip, header in headers.items()}
    return cd, angular_separation(*two, *one), position_angle(*two, *one).rad, position_angle(*one, *two).rad


def _cd_matrix(header):
    return np.array([[header[f"CD{i}_{j}"] for j in (1, 2)] for i in (1, 2)])


def _rotation(angle):
    """Turns (xi, eta) so that every position angle, counted from north through east, grows by `angle`."""
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def _moved(position, angle, distance):
    """The point at `distance` in direction `angle` from `position`; all [rad]."""
    lon, lat = offset_by(*position, angle, distance)
    return float(getattr(lon, "rad", lon)), float(getattr(lat, "rad", lat))


def attitude_of(ra, dec, pa_v3, postarg=(0.0, 0.0), chip=2):
    """The attitude that puts a sky position where its POSTARG says.

    Parameters
    ----------
    ra, dec : float
        Field centre [deg].
    pa_v3 : float
        Position angle of the V3 axis [deg].
    postarg : tuple of float, optional
        Shift of the field in the detector's x and y [arcsec]. The y axis points from the middle of chip 2 to the
        middle of chip 1, which lie 82.5 arcsec apart.
    chip : int, optional
        The chip on whose reference pixel, (2048, 1026), a field without POSTARG falls.

    Returns
    -------
    attitude : Attitude
    """
    cd, separation, towards_one, towards_two = _geometry()
    roll = np.radians(pa_v3 - primary_template()["PA_V3"])
    up = towards_one + roll
    # The field moves up and to the right on the detector when the telescope moves down and to the left.
    two = _moved(np.radians((ra, dec)), up + np.pi / 2, postarg[0] * _ARCSEC)
    two = _moved(two, up + np.pi, postarg[1] * _ARCSEC + (separation if chip == 1 else 0.0))
    one = _moved(two, up, separation)
    roll_one = position_angle(*one, *two).rad - towards_two
    return Attitude(
        crval={1: tuple(np.degrees(one)), 2: tuple(np.degrees(two))},
        cd={1: _rotation(roll_one) @ cd[1], 2: _rotation(roll) @ cd[2]},
        roll=roll,
    )


def first_column(n_columns):
    """Detector columns left of a frame that keeps the `n_columns` central ones [px]."""
    return (DETECTOR_COLUMNS - n_columns) // 2


def wcs_header(chip, attitude, n_columns):
    """SCI header of a chip whose WCS keywords describe the central `n_columns` columns at `attitude`."""
    header = sci_template(chip)
    turn = np.degrees(attitude.roll)
    header["CRPIX1"] -= first_column(n_columns)
    header["LTV1"] = -float(first_column(n_columns))
    header["CRVAL1"], header["CRVAL2"] = attitude.crval[chip]
    for i in (1, 2):
        for j in (1, 2):
            header[f"CD{i}_{j}"] = attitude.cd[chip][i - 1, j - 1]
    header["ORIENTAT"] = np.degrees(np.arctan2(header["CD1_2"], header["CD2_2"]))
    header["PA_APER"] = (header["PA_APER"] + turn + 180.0) % 360.0 - 180.0
    header["RA_APER"], header["DEC_APER"] = attitude.crval[chip]
    header["NAXIS1"] = header["SIZAXIS1"] = n_columns
    header["NAXIS2"] = header["SIZAXIS2"]
    return header


def distortion_hdus(n_columns):
    """The NPOL and D2IM tables of a frame of the central `n_columns` columns, as a list of HDUs."""
    return distortion_tables(first_column(n_columns))


def chip_wcs(header, n_columns):
    """`astropy.wcs.WCS` of a header from `wcs_header`, with SIP, NPOL and D2IM."""
    return WCS(header, _distortion_file(n_columns))


@cache
def _distortion_file(n_columns):
    """Made once: copies of eight tables are a third of the time of a WCS, which only reads them."""
    return fits.HDUList([fits.PrimaryHDU(), *distortion_hdus(n_columns)])


def sky_to_pixel(wcs, ra, dec, margin=60.0):
    """Pixels of the stars that fall on a frame or next to it.

    Parameters
    ----------
    wcs : `astropy.wcs.WCS`
        With ``pixel_shape``.
    ra, dec : array_like, shape (n,)
        [deg]
    margin : float, optional
        How far outside the frame a star still counts [px].

    Returns
    -------
    index : ndarray, shape (m,)
        Which of the stars they are.
    x, y : ndarray, shape (m,)
        1-based, full distortion [px].
    """
    ra, dec = np.asarray(ra), np.asarray(dec)
    # SIP moves a position at the edge of a chip by some 20 px: select with the linear part, generously.
    near = np.flatnonzero(inside(wcs.pixel_shape, *wcs.wcs_world2pix(ra, dec, 1), margin + 60.0))
    if near.size == 0:
        return near, np.empty(0), np.empty(0)
    x, y = wcs.all_world2pix(ra[near], dec[near], 1, tolerance=1e-6)
    kept = inside(wcs.pixel_shape, x, y, margin)
    return near[kept], x[kept], y[kept]


def inside(pixel_shape, x, y, margin=0.0):
    """Which 1-based positions lie on a frame of (columns, rows), or within `margin` of it [px]."""
    n_columns, n_rows = pixel_shape
    low = 0.5 - margin
    return (x >= low) & (x < n_columns + 1 - low) & (y >= low) & (y < n_rows + 1 - low)


def _sip_derivatives(header):
    """Coefficients, shape (order + 1, order + 1) each, of d(u + A)/du, d(u + A)/dv, d(v + B)/du, d(v + B)/dv."""
    derivatives = []
    for name, linear in (("A", (1, 0)), ("B", (0, 1))):
        order = header[f"{name}_ORDER"]
        terms = np.array([[header.get(f"{name}_{p}_{q}", 0.0) for q in range(order + 1)] for p in range(order + 1)])
        terms[linear] += 1.0
        derivatives += [np.polynomial.polynomial.polyder(terms, axis=axis) for axis in (0, 1)]
    return derivatives


def _area_with(evaluate, header):
    """|det J| of the SIP mapping times the area of the CD matrix, relative to IDCSCALE^2."""
    du_dx, du_dy, dv_dx, dv_dy = (evaluate(terms) for terms in _sip_derivatives(header))
    scale = abs(np.linalg.det(_cd_matrix(header))) / (header["IDCSCALE"] / 3600.0) ** 2
    return scale * np.abs(du_dx * dv_dy - du_dy * dv_dx)


def pixel_area(header, x, y):
    """Area of the pixels at given positions, relative to IDCSCALE^2.

    The Jacobian of CD and SIP. NPOL and D2IM are left out, as in the pixel area maps of the instrument: they move
    stars by up to 0.06 px, but their slope is the noise of the tables.

    Parameters
    ----------
    header : `astropy.io.fits.Header`
        Of `wcs_header`.
    x, y : array_like, shape (n,)
        1-based [px].

    Returns
    -------
    area : ndarray, shape (n,)
    """
    u, v = np.asarray(x) - header["CRPIX1"], np.asarray(y) - header["CRPIX2"]
    return _area_with(lambda terms: np.polynomial.polynomial.polyval2d(u, v, terms), header)


def pixel_area_map(header):
    """`pixel_area` of every pixel of the frame, shape (NAXIS2, NAXIS1), float32."""
    u = np.arange(1, header["NAXIS1"] + 1) - header["CRPIX1"]
    v = np.arange(1, header["NAXIS2"] + 1) - header["CRPIX2"]
    return _area_with(lambda terms: np.polynomial.polynomial.polygrid2d(u, v, terms).T, header).astype(np.float32)
