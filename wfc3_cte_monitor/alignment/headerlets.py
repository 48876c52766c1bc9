"""Headerlets: the WCS of an FLC, carried to its FLT."""

from astropy.io import fits

__all__ = ["WCSNAME", "apply_headerlet", "headerlet_name", "headerlet_path", "is_aligned", "write_headerlet"]

WCSNAME = "UVIS_CTE"
"""Name of the WCS that an alignment to the monitor's catalogue leaves in the headers."""


def apply_headerlet(host, flt, headerlet):
    """Give an FLT the WCS of a headerlet.

    Parameters
    ----------
    host : `host.Host`
    flt, headerlet : `pathlib.Path`
        In the host's scratch folder.

    Raises
    ------
    AlignmentError
        stwcs refused, as it does where the distortion models differ.
    """
    # Attached copies of the headerlet would grow in number with every alignment; it is kept in the output tree.
    host.call("apply_headerlet", filename=flt.name, headerlet=headerlet.name, attach=False, archive=False, force=False)


def headerlet_path(image):
    """Where the headerlet of an FLC is, beside it: ``iabc01xyq_hlet.fits``."""
    return image.with_name(f"{image.name.partition('_')[0]}_hlet.fits")


def write_headerlet(host, image):
    """Write the headerlet of an aligned FLC beside it.

    Parameters
    ----------
    host : `host.Host`
    image : `pathlib.Path`
        In the host's scratch folder.
    """
    host.call(
        "write_headerlet",
        filename=image.name,
        hdrname=headerlet_name(image),
        output=headerlet_path(image).name,
        wcskey="PRIMARY",  # With a wcsname instead stwcs looks for an alternate WCS of that name, and breaks off.
        attach=False,
        clobber=True,
        logging=False,
    )


def headerlet_name(image):
    """HDRNAME of an exposure's headerlet."""
    return f"{image.name.partition('_')[0]}_{WCSNAME}"


def is_aligned(hdus):
    """Whether an exposure's WCS is one of ours.

    Parameters
    ----------
    hdus : `astropy.io.fits.HDUList`
    """
    chips = [hdu.header for hdu in hdus if isinstance(hdu, fits.ImageHDU) and hdu.name == "SCI"]
    return bool(chips) and all(header.get("WCSNAME") == WCSNAME for header in chips)
