"""AstroDrizzle: cosmic rays and sky of the exposures of a visit, and mosaics."""

import numpy as np
from astropy.io import fits

from wfc3_cte_monitor.errors import AlignmentError
from wfc3_cte_monitor.uvis import crmask_name

__all__ = ["make_masks", "find_sky", "drizzle_mosaic", "read_sky"]

_COMMON = {"updatewcs": False, "clean": False, "context": False, "build": False, "num_cores": 1, "preserve": False}
_GOOD_BITS = "16,32,64"
"""Hot and warm pixels and charge trails are as good as others to tell a cosmic ray."""
_NO_STEP = dict.fromkeys(("static", "driz_separate", "median", "blot", "driz_cr", "driz_combine"), False)
_AMPLIFIERS = "ABCD"


def make_masks(host, names):
    """Find the cosmic rays of exposures of one field, and their sky.

    A pixel is a hit where it is brighter than the other exposures of the same sky make it, by more than the noise
    and what the slopes of star images explain. In the scratch folder this leaves a mask per chip, 0 for hits as
    AstroDrizzle has it, and MDRIZSKY in the headers.

    Parameters
    ----------
    host : `host.Host`
    names : list of str
        FLC files in the host's scratch folder: at least two, with the same filter and exposure time.

    Raises
    ------
    AlignmentError
        AstroDrizzle broke off, or wrote no masks.
    """
    for name in names:
        _tell_all_noise(host.folder / name)
    host.call(
        "astrodrizzle",
        filenames=names,
        output="visit",
        driz_combine=False,
        driz_sep_bits=_GOOD_BITS,
        **_COMMON,
    )
    missing = [name for name in names if not (host.folder / crmask_name(name.partition("_")[0], 1)).is_file()]
    if missing:
        raise AlignmentError(f"AstroDrizzle wrote no mask for {', '.join(missing)}")


def _tell_all_noise(path):
    """Put the noise of the post-flash and dark that calwf3 subtracted into the read noise of a scratch file.

    AstroDrizzle's noise model knows the read noise and the counts that are there.
    """
    with fits.open(path, mode="update") as hdus:
        primary, sci = hdus[0].header, hdus["SCI", 1].header
        removed = sum(float(sci.get(name) or 0.0) for name in ("MEANFLSH", "MEANDARK"))
        for amplifier in _AMPLIFIERS:
            keyword = f"READNSE{amplifier}"
            primary[keyword] = float(np.sqrt(primary[keyword] ** 2 + removed))


def find_sky(host, names):
    """Measure the sky of exposures: MDRIZSKY in the headers of the files in the scratch folder.

    Parameters
    ----------
    host : `host.Host`
    names : list of str
        FLT or FLC files in the host's scratch folder.
    """
    host.call("astrodrizzle", filenames=names, output="sky", skysub=True, **_NO_STEP, **_COMMON)


def read_sky(path):
    """MDRIZSKY of an exposure's chips.

    Returns
    -------
    sky : dict
        EXTVER -> [e-/px].
    """
    with fits.open(path) as hdus:
        return {hdu.ver: hdu.header["MDRIZSKY"] for hdu in hdus if hdu.name == "SCI" and "MDRIZSKY" in hdu.header}


def drizzle_mosaic(host, names, scale):
    """Combine exposures to an image of the sky, without cosmic rays; masks are left as by `make_masks`.

    Parameters
    ----------
    host : `host.Host`
    names : list of str
        FLC files in the host's scratch folder.
    scale : float
        Of the mosaic [arcsec/px].

    Returns
    -------
    sci, wht, ctx : `pathlib.Path`
        Image [e-/s], weight [s], and which exposures lie on a pixel (a bit each).
    """
    for name in names:
        _tell_all_noise(host.folder / name)
    host.call(
        "astrodrizzle",
        filenames=names,
        output="mosaic",
        driz_sep_bits=_GOOD_BITS,
        final_bits="32,64",
        final_wcs=True,
        final_scale=scale,
        final_pixfrac=1.0 if len(names) < 4 else 0.8,
        **(_COMMON | {"context": True}),
    )
    found = {kind: sorted(host.folder.glob(f"mosaic_dr[cz]_{kind}.fits")) for kind in ("sci", "wht", "ctx")}
    if not all(found.values()):
        raise AlignmentError("AstroDrizzle wrote no mosaic")
    return tuple(found[kind][0] for kind in ("sci", "wht", "ctx"))
