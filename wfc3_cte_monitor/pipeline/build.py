"""A master catalogue, from exposures: aligned to each other, combined, searched for stars, and measured."""

import logging
import shutil
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from wfc3_cte_monitor import alignment, catalogs, outputs, photometry, quality
from wfc3_cte_monitor.catalogs.detection import find_sources
from wfc3_cte_monitor.cosmic_rays import read_mask
from wfc3_cte_monitor.errors import CatalogError, MonitorError
from wfc3_cte_monitor.exposures import find_files, measured, read_chip, read_exposure, read_wcs
from wfc3_cte_monitor.matching import stars_on_chip
from wfc3_cte_monitor.pipeline.fit import fit_to_catalog
from wfc3_cte_monitor.pipeline.parallel import in_order, progress
from wfc3_cte_monitor.pipeline.request import unexpected
from wfc3_cte_monitor.records import Exposure, Flag, MasterCatalog
from wfc3_cte_monitor.settings import Settings
from wfc3_cte_monitor.uvis import crmask_name, sci_extver

__all__ = ["build_master_catalog", "CatalogSummary"]

log = logging.getLogger(__name__)

SCALE = 0.0396
"""Of the mosaic, the detector's own [arcsec/px]."""
_HALO = 30.0
"""Of a bright star: where its light is part of the sky, pieces of it are taken for stars [px]."""
_CORE, _APERTURE = 1.0, 3.0
"""[px]"""
_CHIPS = (2, 1)


@dataclass(frozen=True)
class Task:
    """What a worker needs to align one exposure."""

    exposure: Exposure
    reference: MasterCatalog
    settings: Settings
    scratch: Path
    destination: Path


@dataclass(frozen=True)
class CatalogSummary:
    """What came of building a catalogue."""

    path: Path
    table_path: Path
    mosaic_path: Path
    exposures: tuple
    """Names of those that it was made from."""
    failures: tuple
    """One line for each exposure that could not take part."""
    n_stars: int
    """Found now."""
    n_known: int
    """Of these with an id that they had before."""
    n_kept: int
    """Stars of the catalogue before that were not found now, and stay in it."""
    offset: tuple
    """Of its frame from that of the catalogue before, east and north [arcsec]."""

    def lines(self):
        """The closing summary, line by line."""
        return [
            "Master catalogue",
            f"  made from            {len(self.exposures):5d}  {', '.join(self.exposures)}",
            f"  could not take part  {len(self.failures):5d}",
            *(f"    {line}" for line in self.failures),
            f"  stars found          {self.n_stars:5d}",
            f"    known before       {self.n_known:5d}",
            f"    new                {self.n_stars - self.n_known:5d}",
            f"  kept from before     {self.n_kept:5d}",
            f"  frame moved by       {self.offset[0]:.3f} {self.offset[1]:.3f} arcsec (east, north)",
            f"  catalogue {self.path}",
            f"  fluxes, flags, crowding {self.table_path}",
            f"  mosaic {self.mosaic_path}",
        ]


def build_master_catalog(
    target, filter_name, settings, *, programs=None, visits=(), reference=None, at_most=8, n_sigma=5.0, jobs=1
):
    """Build the master catalogue of a cluster from FLC exposures in newdata and the folders of programs.

    Parameters
    ----------
    target, filter_name : str
    settings : `settings.Settings`
    programs : sequence of int, optional
        Only exposures of these.
    visits : sequence of str, optional
        Only exposures of these.
    reference : `records.MasterCatalog`, optional
        What the exposures are aligned to; by default the master catalogue that there is, and where there is none the
        first exposure.
    at_most : int, optional
        Exposures to use, of the earliest visits, which have lost least; a visit is taken whole.
    n_sigma : float, optional
        Detection limit.
    jobs : int, optional
        Processes.

    Returns
    -------
    summary : `CatalogSummary`

    Raises
    ------
    CatalogError
        There are not two exposures that can be aligned, or nothing is found on them.
    """
    candidates, unreadable = _candidates(target, filter_name, settings, programs, visits, jobs)
    exposures = _choose(candidates, at_most)
    if len(exposures) < 2:
        raise CatalogError(
            f"{target} {filter_name}: {len(exposures)} FLC in newdata and the programs' folders, two are needed"
        )
    path = catalogs.catalog_path(settings.path_to_master_cat, target)
    old = catalogs.read_catalog(path, target)[0] if path.is_file() else _no_stars(target)
    outputs.make_folder(settings.path_to_master_cat)
    with outputs.scratch_folder(outputs.make_folder(settings.path_to_outputs / "tempfiles")) as scratch:
        folder = scratch / "aligned"
        folder.mkdir()
        used, failures = _align_all(exposures, reference or (old if len(old) else None), folder, settings, jobs)
        with alignment.Host(scratch) as host:
            columns, header, mosaic = _search(used, folder, host, settings, n_sigma)
            mosaic_path = settings.path_to_master_cat.parent / f"{target}_{filter_name}_drc_sci.fits"
            outputs.replace_file(mosaic_path, lambda new: shutil.copyfile(mosaic, new))
    identities = catalogs.keep_ids(columns["ra"], columns["dec"], old)
    catalog = _merged(target, columns, identities, old, WCS(header))
    outputs.replace_file(path, partial(catalogs.write_catalog, catalog))
    table_path = path.with_name(f"{target}_{filter_name}_master.ecsv")
    meta = {"target": target, "filter": filter_name, "exposures": [e.imagename for e in used], "aperture": _APERTURE}
    outputs.write_table(outputs.catalog_table(identities.id, columns, meta), table_path)
    return CatalogSummary(
        path=path,
        table_path=table_path,
        mosaic_path=mosaic_path,
        exposures=tuple(exposure.imagename for exposure in used),
        failures=(*unreadable, *failures),
        n_stars=len(identities.id),
        n_known=int(identities.known.sum()),
        n_kept=len(identities.missed),
        offset=identities.offset,
    )


# ---- Which exposures -------------------------------------------------------------------------------------------------


def _candidates(target, filter_name, settings, programs, visits, jobs):
    """Exposures that the monitor measures, and what is wrong with files that might be such."""
    folders = [settings.path_to_newdata, *(settings.path_to_data / str(p) for p in programs or settings.program_list)]
    files = [path for folder in folders for path in find_files(folder) if path.name.endswith("_flc.fits")]
    # What was retrieved again waits in newdata while the file before it lies in its program's folder.
    files = list({path.name: path for path in reversed(files)}.values())
    found, unreadable = [], []
    for path, read, error in in_order(partial(read_exposure, legal=settings), files, jobs):
        if error and (not visits or path.name[4:6] in visits):
            problem = str(error if isinstance(error, MonitorError) else unexpected(path.name, error))
            log.error("left out: %s", problem)
            unreadable.append(problem)
        elif not error and (one := measured(read)):
            found.append(one)
    return [
        one
        for one in found
        if (one.target, one.filter) == (target, filter_name)
        and (programs is None or one.program in programs)
        and (not visits or one.visit in visits)
    ], unreadable


def _choose(exposures, at_most):
    """The long ones where there are two, of the earliest visits."""
    longs = [one for one in exposures if one.length == "l"]
    exposures = longs if len(longs) >= 2 else exposures
    by_time = sorted(exposures, key=lambda one: (one.program, one.visit, one.expstart))
    visits = [list(group) for _, group in groupby(by_time, key=lambda one: (one.program, one.visit))]
    chosen = []
    for visit in sorted(visits, key=lambda visit: visit[0].expstart):
        if len(chosen) >= 2 and len(chosen) + len(visit) > at_most:
            break
        chosen += visit
    return chosen


def _no_stars(target):
    nothing = np.empty(0)
    return MasterCatalog(target, np.empty(0, dtype=np.int64), nothing, nothing, nothing, nothing)


# ---- Alignment -------------------------------------------------------------------------------------------------------


def _align_all(exposures, reference, folder, settings, jobs):
    """Aligned copies of the exposures in a folder; which there are, and what is wrong with the others."""
    first, failures = [], []
    if reference is None:
        reference, first, exposures, failures = _first_of(exposures, settings)
        shutil.copyfile(first[0].path, folder / first[0].path.name)
        log.info("the others are aligned to %s: %d sources", first[0].imagename, len(reference))
    else:
        look_at = read_wcs(exposures[0].path)[1][0].wcs.crval
        catalogs.check_field(reference, *look_at, exposures[0].imagename)
    tasks = [Task(exposure, reference, settings, folder.parent, folder) for exposure in exposures]
    used = list(first)
    for task, fit, error in progress(in_order(_align_one, tasks, jobs), len(tasks), "alignment"):
        if error:
            problem = error if isinstance(error, MonitorError) else unexpected(task.exposure.imagename, error)
            log.error("left out: %s", problem)
            failures.append(str(problem))
        else:
            log.info("aligned %s: %s", task.exposure.imagename, fit.summary)
            used.append(task.exposure)
    if len(used) < 2:
        more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        raise CatalogError(f"two exposures are needed, {len(used)} can be used: {failures[0]}{more}")
    return used, failures


def _first_of(exposures, settings):
    """The stars of the first exposure that has enough, that exposure, those after it, and what is wrong with others."""
    failures = []
    for number, exposure in enumerate(exposures, start=1):
        try:
            return _own_stars(exposure, settings), [exposure], exposures[number:], failures
        except MonitorError as error:
            log.error("left out: %s", error)
            failures.append(str(error))
    raise CatalogError(f"no exposure to align the others to: {failures[0]}")


def _own_stars(exposure, settings):
    """The sources of one exposure as a catalogue to align others to; its cosmic rays among them match nothing."""
    places = []
    for chip in _CHIPS:
        image = read_chip(exposure.path, chip)
        masks = quality.pixel_masks(image, _bad_bits(settings))
        x, y, *_ = find_sources(image.data, masks.bad, n_sigma=20.0, fwhm=photometry.FWHM)
        sky = image.wcs.all_pix2world(x, y, 1) if x.size else (x, y)
        places.append(sky)
    ra, dec = (np.concatenate(values) for values in zip(*places, strict=True))
    if ra.size < settings.alignment_limits["matches"]:
        raise CatalogError(f"{exposure.imagename}: {ra.size} stars on it, too few to align the others to")
    return MasterCatalog(exposure.imagename, np.arange(1, ra.size + 1), 0 * ra, 0 * ra, ra, dec)


def _align_one(task):
    exposure, settings = task.exposure, task.settings
    host = alignment.host_in(task.scratch)
    attempts = settings.tweakreg_for(exposure.target, exposure.filter, exposure.length)
    fit = fit_to_catalog(exposure.path, task.reference, attempts, settings.alignment_limits, host)
    shutil.copyfile(host.folder / exposure.imagename, task.destination / exposure.imagename)
    return fit


# ---- Search and measurement ------------------------------------------------------------------------------------------


def _search(exposures, folder, host, settings, n_sigma):
    """Columns of the stars on the mosaic of aligned exposures, its header, and its path."""
    names = [exposure.imagename for exposure in exposures]
    for name in names:
        shutil.copyfile(folder / name, host.folder / name)
    mosaic, weight, _ = alignment.drizzle_mosaic(host, names, SCALE)
    image, header = fits.getdata(mosaic, header=True)
    x, y, peak, flux = find_sources(image, ~(np.isfinite(image) & (fits.getdata(weight) > 0)), n_sigma=n_sigma)
    if not x.size:
        raise CatalogError(f"{mosaic.name}: no stars on the mosaic of {', '.join(names)}")
    ra, dec = WCS(header).all_pix2world(x, y, 1)
    measured = _measure_all(exposures, folder, host.folder, ra, dec, settings)
    columns = {"x": x, "y": y} | catalogs.combine(measured, x, y, ra, dec, peak, flux)
    keep = columns.pop("is_star")
    if not keep.any():
        raise CatalogError(f"{mosaic.name}: {x.size} detections, none of them in two exposures")
    log.info("%d detections on the mosaic, %d of them stars", x.size, keep.sum())
    columns = {name: values[keep] for name, values in columns.items()}
    columns["x"], columns["y"] = WCS(header).all_world2pix(columns["ra"], columns["dec"], 1)
    return columns, header, mosaic


def _measure_all(exposures, folder, mask_folder, ra, dec, settings):
    measured = [
        _measure_one(exposure, folder / exposure.imagename, mask_folder, ra, dec, settings) for exposure in exposures
    ]
    return catalogs.StarMeasurements(*(np.array([one[k] for one in measured]) for k in range(6)))


def _measure_one(exposure, path, mask_folder, ra, dec, settings):
    """What `catalogs.StarMeasurements` wants of the detections on one exposure, arrays of shape (n,)."""
    rate, rate_err, core, own_ra, own_dec = (np.full(len(ra), np.nan) for _ in range(5))
    flags = np.full(len(ra), -1)
    for chip in _CHIPS:
        image = read_chip(path, chip)
        index, x, y = stars_on_chip(image.wcs, image.data.shape, ra, dec)
        if not index.size:
            continue
        hit = read_mask(mask_folder / crmask_name(exposure.rootname, sci_extver(chip)), image.data.shape)
        masks = quality.pixel_masks(image, _bad_bits(settings), hit)
        setup = replace(settings.photometry_setup, aprads=(_CORE, _APERTURE), trust_catalog=False)
        positions = photometry.find(image, index, x, y, setup)
        masks = quality.with_stars(masks, image, positions, _HALO)
        one = quality.flagged(photometry.measure(image, masks, positions, np.ones(index.size), setup), masks)
        rate[index], rate_err[index] = one.flux[1] / exposure.exptime, one.flux_err[1] / exposure.exptime
        flags[index], core[index] = one.flags[1], _core_significance(one)
        centred = np.isfinite(positions.shift)
        sky = image.wcs.all_pix2world(positions.x[centred], positions.y[centred], 1)
        own_ra[index[centred]], own_dec[index[centred]] = sky
    return rate, rate_err, flags, core, own_ra, own_dec


def _bad_bits(settings):
    """A hot pixel that does a known star no harm could be taken for a star."""
    return settings.bad_dq_bits | quality.HOT_BITS


def _core_significance(measured):
    spoilt = (measured.flags[0] & int(Flag.COSMIC_RAY | Flag.BAD_PIXEL)) != 0
    bright = (measured.flags[0] & int(Flag.NO_SKY)) != 0
    return np.where(spoilt, np.nan, np.where(bright, np.inf, measured.flux[0] / measured.flux_err[0]))


def _merged(target, columns, identities, old, wcs):
    """The catalogue of the stars found now, where they are now, and of those that only the one before has."""
    ra, dec = columns["ra"].copy(), columns["dec"].copy()
    east, north = np.array(identities.offset) / 3600
    old_ra, old_dec = old.ra + east / np.cos(np.radians(old.dec)), old.dec + north
    # What is saturated now may have been measured better before, in a narrower filter.
    better = identities.known & columns["saturated"]
    place = np.searchsorted(np.sort(old.id), identities.id[better])
    source = np.argsort(old.id)[place] if len(old) else place
    ra[better], dec[better] = old_ra[source], old_dec[source]
    ids = np.concatenate([identities.id, old.id[identities.missed]])
    ra, dec = np.concatenate([ra, old_ra[identities.missed]]), np.concatenate([dec, old_dec[identities.missed]])
    order = np.argsort(ids)
    x, y = wcs.all_world2pix(ra, dec, 1)
    return MasterCatalog(target, ids[order], x[order], y[order], ra[order], dec[order])
