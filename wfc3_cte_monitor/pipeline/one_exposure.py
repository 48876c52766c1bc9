"""What a worker does with one exposure: positions, photometry, a diagnostic picture; it knows no database."""

from dataclasses import dataclass, replace

import numpy as np

from wfc3_cte_monitor import outputs, quality
from wfc3_cte_monitor.cosmic_rays import find_cosmic_rays, read_mask
from wfc3_cte_monitor.errors import UnusableExposureError
from wfc3_cte_monitor.exposures import footprint, pixel_area, read_chip, read_wcs
from wfc3_cte_monitor.matching import stars_on_chip
from wfc3_cte_monitor.pipeline.engines import engine_of
from wfc3_cte_monitor.plots import plot_diagnostic
from wfc3_cte_monitor.records import Exposure, MasterCatalog, Photometry
from wfc3_cte_monitor.settings import Settings
from wfc3_cte_monitor.uvis import crmask_name, sci_extver

__all__ = ["Task", "Extraction", "extract", "fileinfo_of", "files_of"]

_MIN_STARS_SEEN = 3
_SEEN_SIGMA = 5.0
_MIN_FRACTION_CENTRED = 0.5
"""On simulated exposures 0.77 to 1 of the stars that are seen are centred; of those 2 px off or more, at most 0.43."""
_CORNERS = ("LOWERLEFT", "LOWERRIGHT", "UPPERRIGHT", "UPPERLEFT")


@dataclass(frozen=True)
class Task:
    """What a worker needs to extract one exposure."""

    exposure: Exposure
    catalog: MasterCatalog
    settings: Settings
    find: bool
    photometry: bool
    maskcr: bool
    fingerprint: str
    """Of all of these and of the files."""


@dataclass(frozen=True)
class Extraction:
    """What a worker hands back."""

    photometry: Photometry | None
    """None where none was asked for."""
    fileinfo: dict
    n_stars: int


def files_of(exposure, settings):
    """What `extract` writes: .coo, .mag and the picture."""
    folder = settings.path_to_photom / outputs.flash_folder(exposure.flashlvl, exposure.ctecorr)
    folder, stem = folder / outputs.set_folder(exposure.set), outputs.exposure_stem(exposure)
    return folder / f"{stem}.coo", folder / f"{stem}.mag", folder / "diagnostics" / f"{stem}.png"


def extract(task):
    """Extract one exposure and write its .coo, .mag and picture.

    Parameters
    ----------
    task : `Task`

    Returns
    -------
    extraction : `Extraction`

    Raises
    ------
    UnusableExposureError
        The file is damaged, or the stars of the catalogue are not in it.
    """
    task = replace(task, exposure=_on_its_chip(task.exposure, task.catalog))
    exposure, settings = task.exposure, task.settings
    image = read_chip(exposure.path, exposure.chip)
    coo_path, mag_path, picture_path = files_of(exposure, settings)
    meta = _meta(exposure, image, settings)
    positions, coo = _find(image, task, meta) if task.find else (_found_before(image, coo_path), None)
    mask_path = _mask_path(task) if task.photometry else None
    measured = _measure(image, positions, settings, mask_path) if task.photometry else None
    if measured is not None:
        _check_stars_seen(exposure, measured, settings.max_shift)
    # Written only now, so that an exposure that fails leaves nothing behind.
    if coo is not None:
        outputs.write_table(coo, coo_path)
    if measured is None:
        return Extraction(None, {}, len(positions))
    # With these the file has all that the database has: it can be filled again without a new measurement.
    crmask = mask_path.name if mask_path else None
    meta |= {"crmask": crmask, "fingerprint": task.fingerprint}
    outputs.write_table(outputs.photometry_table(measured, meta), mag_path)
    _draw(image, measured, exposure, settings.subset, picture_path)
    return Extraction(measured, fileinfo_of(mag_path, image, measured, crmask, settings.engine), len(measured))


def _on_its_chip(exposure, catalog):
    """Where the header does not tell which chip the field is on, it is the one with more of the catalogue's stars."""
    if exposure.chip is not None:
        return exposure
    chips = {chip: sci_extver(chip) for chip in (1, 2)}
    seen = read_wcs(exposure.path)
    n_stars = {chip: len(stars_on_chip(*seen[v], catalog.ra, catalog.dec)[0]) for chip, v in chips.items()}
    return replace(exposure, chip=max(n_stars, key=n_stars.get))


def _find(image, task, meta):
    """Positions, and the .coo table of them."""
    catalog = task.catalog
    index, x, y = stars_on_chip(image.wcs, image.data.shape, catalog.ra, catalog.dec)
    if not index.size:
        raise UnusableExposureError(
            task.exposure.imagename,
            f"none of the {len(catalog)} stars of {catalog.target}_master falls on chip {image.chip}; "
            "is it aligned, and is TARGNAME right?",
        )
    positions = engine_of(task.settings).find(image, catalog.id[index], x, y, task.settings.photometry_setup)
    return positions, outputs.positions_table(positions, catalog.ra[index], catalog.dec[index], meta)


def _found_before(image, path):
    positions, chip = outputs.read_positions(path)
    if chip != image.chip:
        raise UnusableExposureError(path, f"is of chip {chip}, not {image.chip}; run with --dofind y")
    return positions


def _mask_path(task):
    """The cosmic-ray mask of the exposure, None where there is none or it is not wanted."""
    exposure = task.exposure
    name = crmask_name(exposure.rootname, sci_extver(exposure.chip))
    path = task.settings.path_to_outputs / "crmasks" / name
    return path if task.maskcr and path.is_file() else None


def _measure(image, positions, settings, mask_path):
    masks = quality.pixel_masks(image, settings.bad_dq_bits)
    hit = read_mask(mask_path, image.data.shape) if mask_path else find_cosmic_rays(image, ~masks.bad)
    masks = quality.with_stars(quality.pixel_masks(image, settings.bad_dq_bits, hit), image, positions)
    area = pixel_area(image, positions.x, positions.y, settings.path_to_pa_maps)
    measured = engine_of(settings).measure(image, masks, positions, area, settings.photometry_setup)
    return quality.flagged(measured, masks)


def _check_stars_seen(exposure, measured, max_shift):
    """Aperture sums of an empty field are noise about zero; in a misaligned one they hold other stars, off centre."""
    seen = measured.flux[0] > _SEEN_SIGMA * measured.flux_err[0]
    n_seen, n_centred = (int(np.count_nonzero(which)) for which in (seen, seen & np.isfinite(measured.positions.shift)))
    if n_seen < _MIN_STARS_SEEN:
        problem = (
            f"{n_seen} of {len(measured)} catalogue stars are seen on chip {exposure.chip}; "
            "is it this field, and aligned?"
        )
        raise UnusableExposureError(exposure.imagename, problem)
    if n_centred < _MIN_FRACTION_CENTRED * n_seen:
        raise UnusableExposureError(
            exposure.imagename,
            f"misaligned: where the catalogue has stars on chip {exposure.chip} there is light in {n_seen} apertures, "
            f"but in {n_centred} alone a star within {max_shift:g} px of their centre",
        )


def _draw(image, measured, exposure, subset, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    positions = measured.positions
    said = (exposure.imagename, f"chip {exposure.chip}", exposure.target, exposure.filter, f"{exposure.exptime:g} s")
    title = "  ".join((*said, subset.title)).rstrip()
    figure = plot_diagnostic(image.data, positions.x, positions.y, measured.flags[0], title=title)
    outputs.replace_file(path, lambda new: figure.savefig(new, dpi=100, format="png"))


def _meta(exposure, image, settings):
    """What the .coo and .mag files say of their exposure."""
    return {
        "imagename": exposure.imagename,
        "program": exposure.program,
        "visit": exposure.visit,
        "target": exposure.target,
        "filter": exposure.filter,
        "exptime": exposure.exptime,
        "expstart": exposure.expstart,
        "flashlvl": exposure.flashlvl,
        "ctecorr": exposure.ctecorr,
        "chip": image.chip,
        "engine": settings.engine,
        "aprads": [float(radius) for radius in settings.aprads],
        "sky_annulus": [float(radius) for radius in settings.sky_annulus],
        **settings.subset.meta,
    }


def fileinfo_of(mag_path, image, measured, crmask, engine):
    """What fileinfo says of a measurement.

    Parameters
    ----------
    mag_path : `pathlib.Path`
    image : `exposures.ChipImage`
    measured : `records.Photometry`
    crmask : str or None
        Name of the mask of cosmic rays that was used.
    engine : str

    Returns
    -------
    fileinfo : dict
        Column -> value.
    """
    corners = footprint(image)
    return {
        "PHOTPATH": str(mag_path.parent),
        "COOFILE": mag_path.with_suffix(".coo").name,
        "MAGFILE": mag_path.name,
        "CHIP": image.chip,
        "PHOTENGINE": engine,
        "CRMASK": crmask,
        "MNCLIP_BKGRD": _median(measured.sky),
        "TOTBKGRD": _median(measured.background),
        "NUMSTARS": len(measured),
        "NUMGOOD": int(np.count_nonzero(measured.flags[0] == 0)),
        **{f"RA_{name}": float(ra) for name, (ra, _) in zip(_CORNERS, corners, strict=True)},
        **{f"DEC_{name}": float(dec) for name, (_, dec) in zip(_CORNERS, corners, strict=True)},
    }


def _median(values):
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else None
