"""What a measurement was made from, as a short text: as long as it stays the same, nothing is done twice."""

import hashlib
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from pathlib import Path

from wfc3_cte_monitor.uvis import crmask_name, sci_extver

__all__ = ["of_all_code", "of_catalog", "of_exposure", "of_pair", "of_figure", "of_page", "of_settings"]

_PACKAGE = Path(__file__).parent.parent
_MEASURES_STARS = (
    *("exposures", "matching.py", "photometry", "quality.py", "cosmic_rays.py", "iraf", "records", "uvis.py"),
    *("pipeline/one_exposure.py", "pipeline/engines.py", "pipeline/fingerprints.py"),
)
_MEASURES_SLOPES = ("slopes.py", "plots", "records", "pipeline/measure.py", "pipeline/fingerprints.py")
"""Code that decides what comes out: other code may change without a new measurement."""
_DRAWS = (
    *("plots", "surface", "slopes.py", "pairing.py", "outputs", "records"),
    *("pipeline/draw.py", "pipeline/drawing.py", "pipeline/same_chip.py", "pipeline/levels.py", "pipeline/losses.py"),
)
_MAKES_PAGES = ("report", "records", "pipeline/report.py", "pipeline/pair_pages.py", "pipeline/sharing.py")
_SOURCES = (".py", ".html", ".css", ".js")
_LIBRARIES = ("numpy", "astropy", "scipy", "sep", "astroscrappy", "matplotlib")


def of_all_code():
    """The fingerprint of all code that measures and draws, and of the libraries under it."""
    return _code(_MEASURES_STARS + _MEASURES_SLOPES + _DRAWS)


def of_catalog(catalog):
    """The fingerprint of a `records.MasterCatalog`: of its ids and of where they are."""
    return _digest(*(values.tobytes() for values in (catalog.id, catalog.ra, catalog.dec)))


def of_exposure(exposure, catalog, settings, *, maskcr, positions=None):
    """The fingerprint of what the photometry of an exposure is made from.

    Files count by place, size and time of their last change, as for make: to read them would take as long as to
    measure them.

    Parameters
    ----------
    exposure : `records.Exposure`
    catalog : str
        Fingerprint of the master catalogue.
    settings : `settings.Settings`
    maskcr : bool
        Whether masks of cosmic rays are used.
    positions : `pathlib.Path`, optional
        The .coo file, where the positions are not found anew.

    Returns
    -------
    fingerprint : str
        32 hexadecimal digits.
    """
    files = [exposure.path, *(settings.path_to_pa_maps / f"UVIS{chip}wfc3_map.fits" for chip in (1, 2))]
    if maskcr:
        names = (crmask_name(exposure.rootname, sci_extver(chip)) for chip in (1, 2))
        files += [settings.path_to_outputs / "crmasks" / name for name in names]
    return _digest(
        exposure,
        catalog,
        settings.engine,
        settings.photometry_setup,
        settings.bad_dq_bits,
        settings.path_to_outputs,
        [_state(path) for path in files],
        positions.read_bytes() if positions and positions.is_file() else None,
        _code(_MEASURES_STARS),
    )


def of_pair(one, two, settings):
    """The fingerprint of what the slopes of a pair are made from.

    Parameters
    ----------
    one, two : str
        Fingerprints of its exposures.
    settings : `settings.Settings`
    """
    return _digest(one, two, settings.bins, settings.aprads, settings.path_to_outputs, _code(_MEASURES_SLOPES))


def of_figure(kind, subject, losses, settings):
    """The fingerprint of what a figure of all epochs and the coefficients beside it are made from.

    Parameters
    ----------
    kind : str
    subject : object
        What is drawn; its ``repr`` tells all of it.
    losses : `astropy.table.Table`
    settings : `settings.Settings`
    """
    table = [losses.meta, losses.colnames, *(losses[name].tobytes() for name in losses.colnames)]
    how = settings.engine, settings.photometry_setup, settings.bins
    return _digest(kind, subject, *table, how, _code(_DRAWS))


def of_page(content, files):
    """The fingerprint of what a page of the report is made from.

    Parameters
    ----------
    content : object
        Its ``repr`` tells all of it.
    files : iterable of `pathlib.Path`
        What it shows and links.
    """
    return _digest(content, [_state(path) for path in files], _code(_MAKES_PAGES))


def of_settings(settings):
    """The fingerprint of all that a configuration says, wherever its file is."""
    return _digest(replace(settings, config_file=None))


def _state(path):
    """Place, size and time of the last change of a file; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return str(path), status.st_size, status.st_mtime_ns


@cache
def _code(names):
    """Digest of modules and folders of the package, and the versions of the libraries under them."""
    places = [_PACKAGE / name for name in names]
    files = sorted(path for place in places for path in ([place] if place.is_file() else place.rglob("*")))
    files = [path for path in files if path.suffix in _SOURCES]
    return _digest(*(path.read_bytes() for path in files), [(name, version(name)) for name in _LIBRARIES])


def _digest(*parts):
    """Of bytes as they are, of anything else as Python writes it."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        content = part if isinstance(part, bytes) else repr(part).encode()
        # With its length, so that no two lists of parts run together to the same.
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()
