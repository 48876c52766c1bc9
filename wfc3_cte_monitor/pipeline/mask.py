"""After the alignment: AstroDrizzle's cosmic-ray masks and sky for the exposures of a visit."""

import logging
import shutil
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
from astropy.io import fits

from wfc3_cte_monitor import alignment, outputs
from wfc3_cte_monitor.catalogs import catalog_path, read_catalog
from wfc3_cte_monitor.cosmic_rays import find_cosmic_rays, masked_in_cores, read_mask
from wfc3_cte_monitor.errors import CatalogError, MonitorError, UnusableExposureError
from wfc3_cte_monitor.exposures import find_files, measured, read_chip, read_exposure, read_wcs
from wfc3_cte_monitor.matching import seen_by_others, stars_on_chip
from wfc3_cte_monitor.pipeline.parallel import in_order, progress
from wfc3_cte_monitor.pipeline.request import unexpected
from wfc3_cte_monitor.quality import HOT_BITS, pixel_masks
from wfc3_cte_monitor.records import MaskReport
from wfc3_cte_monitor.settings import Settings
from wfc3_cte_monitor.uvis import crmask_name, sci_extver

__all__ = ["make_masks", "MaskSummary"]

log = logging.getLogger(__name__)

_OBJLIM = 6.0
"""Of L.A.Cosmic where one exposure looks alone, beside the field as a rule: a mask should miss no hit there."""
_CHIPS = (2, 1)
_EATEN = 0.01
"""A mask eats stars where it takes this fraction of their pixels more than of all, beyond three times the chance."""


@dataclass(frozen=True)
class Task:
    """What a worker needs for the exposures of a visit with one filter and length."""

    exposures: tuple
    """FLC `Exposure`."""
    settings: Settings
    scratch: Path

    @property
    def label(self):
        """'14012/03 ngc104 F502N l'."""
        one = self.exposures[0]
        return f"{one.program}/{one.visit} {one.target} {one.filter} {one.length}"


@dataclass(frozen=True)
class Masked:
    """What a worker did with the exposures of a visit."""

    reports: tuple
    """`records.MaskReport`, one per chip of an exposure."""
    alone: str | None
    """The FLC that has no partner, if there is one."""
    problems: tuple
    """One `errors.UnusableExposureError` for each file that is left out."""


@dataclass
class MaskSummary:
    """What came of a run of AstroDrizzle."""

    masks: list = field(default_factory=list)
    """`records.MaskReport`"""
    unmasked: list = field(default_factory=list)
    """FLC without a partner."""
    failures: list = field(default_factory=list)
    warnings: list = field(default_factory=list)

    def lines(self):
        """The closing summary, line by line."""
        return [
            "Cosmic rays",
            f"  exposures masked     {len({mask.imagename for mask in self.masks}):5d}",
            f"  alone in their visit {len(self.unmasked):5d}",
            *(f"    {name}: no mask is possible, its own pixels must tell" for name in self.unmasked),
            f"  failed               {len(self.failures):5d}",
            *(f"    {line}" for line in self.failures),
            f"  warnings             {len(self.warnings):5d}",
            *(f"    {line}" for line in self.warnings),
        ]


def make_masks(programs, visits, settings, jobs=1, scratch=None):
    """Make the cosmic-ray masks of exposures, and put MDRIZSKY into the headers of FLC and FLT.

    Parameters
    ----------
    programs : sequence of int
    visits : sequence of str or of (int, str)
        Only these visits, of all programs or of one; empty: all.
    settings : `settings.Settings`
    jobs : int, optional
        Processes.
    scratch : `pathlib.Path`, optional
        As for `align.align_newdata`.

    Returns
    -------
    summary : `MaskSummary`

    Raises
    ------
    ConfigurationError
        An output folder cannot be written.
    """
    for name in ("crmasks", "tempfiles"):
        outputs.make_folder(settings.path_to_outputs / name)
    summary = MaskSummary()
    files = [path for program in programs for path in find_files(settings.path_to_data / str(program))]
    files = [path for path in files if path.name.endswith("_flc.fits")]
    exposures = _worth_masking(files, visits, settings, jobs, summary)
    with outputs.scratch_folder(settings.path_to_outputs / "tempfiles", scratch) as scratch:
        tasks = [Task(group, settings, scratch) for group in _groups(exposures)]
        if tasks:
            log.info("masking the cosmic rays of %d visits", len(tasks))
        for task, done, error in progress(in_order(mask_group, tasks, jobs), len(tasks), "cosmic rays"):
            _note(task, done, error, summary)
    if summary.masks:
        table = outputs.mask_table(summary.masks)
        outputs.update_table(table, settings.path_to_outputs / "crmasks" / "crmasks.txt", "imagename")
    return summary


def _worth_masking(files, visits, settings, jobs, summary):
    """FLC that a run measures, those of the same-chip set among them; the summary gets those that cannot be read."""
    found = []
    for path, read, error in in_order(partial(read_exposure, legal=settings), files, jobs):
        if error and _is_asked_for(path.parent.name, path.name[4:6], visits):
            _fail(summary, error if isinstance(error, MonitorError) else unexpected(path.name, error))
        elif not error and (exposure := measured(read)):
            found.append(exposure)
    return [one for one in found if _is_asked_for(one.program, one.visit, visits)]


def _is_asked_for(program, visit, visits):
    return not visits or visit in visits or (int(program), visit) in visits


def _fail(summary, problem):
    log.error("no masks: %s", problem)
    summary.failures.append(str(problem))


def _groups(exposures):
    """Exposures that tell each other's cosmic rays: same visit, field, filter, and short or long."""

    def key(one):
        return one.program, one.visit, one.target, one.filter, one.length

    return [tuple(group) for _, group in groupby(sorted(exposures, key=lambda e: (key(e), e.rootname)), key=key)]


def _note(task, done, error, summary):
    if error:
        problem = error if isinstance(error, UnusableExposureError) else unexpected(task.label, error)
        if isinstance(error, MonitorError) and problem is not error:
            problem = f"{task.label}: {error}"
        _fail(summary, problem)
        return
    for problem in done.problems:
        _fail(summary, problem)
    if done.alone:
        log.info("%s: alone in its visit, no mask is possible", done.alone)
        summary.unmasked.append(done.alone)
    if done.reports:
        log.info("masked %s: %s", task.label, ", ".join(sorted({report.imagename for report in done.reports})))
    summary.masks += done.reports
    for report in done.reports:
        if report.in_cores > report.overall + _EATEN + 3 * np.sqrt(report.in_cores / max(report.n_stars, 1)):
            warning = (
                f"{report.imagename}, chip {report.chip}: the mask takes {100 * report.in_cores:.1f} % of the pixels "
                f"of {report.n_stars} stars, {100 * report.overall:.1f} % of all pixels"
            )
            log.warning("%s", warning)
            summary.warnings.append(warning)


# ---- One visit, filter and length ------------------------------------------------------------------------------------


def mask_group(task):
    """Make the masks of the exposures of a visit.

    Parameters
    ----------
    task : `Task`

    Returns
    -------
    done : `Masked`

    Raises
    ------
    AlignmentError
        AstroDrizzle broke off.
    """
    host = alignment.host_in(task.scratch)
    host.clear()
    flc, bad_flc = _readable([exposure.path for exposure in task.exposures])
    flt, bad_flt = _readable([path for path in map(_flt_of, flc) if path.is_file()])
    for path in (*flc, *flt):
        shutil.copyfile(path, host.folder / path.name)
    if len(flc) > 1:
        alignment.make_masks(host, [path.name for path in flc])
    elif flc:
        alignment.find_sky(host, [path.name for path in flc])
    if flt:
        alignment.find_sky(host, [path.name for path in flt])
    skies = {path: alignment.read_sky(host.folder / path.name) for path in (*flc, *flt)}
    exposures = [exposure for exposure in task.exposures if exposure.path in flc]
    reports = _publish_masks(exposures, task.settings, host, skies) if len(flc) > 1 else ()
    for path, sky in skies.items():
        _store_sky(path, sky)
    return Masked(tuple(reports), flc[0].name if len(flc) == 1 else None, (*bad_flc, *bad_flt))


def _readable(paths):
    """Those whose pixels can be read, and the errors of the others: AstroDrizzle gives up a group for one of them."""
    readable, errors = [], []
    for path in paths:
        try:
            for chip in _CHIPS:
                read_chip(path, chip)
        except UnusableExposureError as error:
            errors.append(error)
        else:
            readable.append(path)
    return readable, errors


def _flt_of(path):
    return path.with_name(path.name.replace("_flc.fits", "_flt.fits"))


def _publish_masks(exposures, settings, host, skies):
    folder, catalog = settings.path_to_outputs / "crmasks", _catalog(exposures[0].target, settings)
    chips = {exposure: read_wcs(exposure.path) for exposure in exposures}
    reports = []
    for exposure in exposures:
        others = [chip for other, both in chips.items() if other is not exposure for chip in both.values()]
        for chip in _CHIPS:
            name = crmask_name(exposure.rootname, sci_extver(chip))
            image = read_chip(exposure.path, chip)
            masks = pixel_masks(image, settings.bad_dq_bits | HOT_BITS)
            hit = _complete(read_mask(host.folder / name, image.data.shape), image, masks, others)
            outputs.replace_file(folder / name, partial(_write_mask, hit, len(exposures)))
            x, y = _star_positions(image, catalog)
            numbers = masked_in_cores(hit & ~masks.bad, masks.saturated, x, y)
            sky = skies[exposure.path].get(sci_extver(chip), np.nan)
            reports.append(MaskReport(exposure.imagename, chip, len(chips), *numbers, float(sky)))
    return reports


def _complete(hit, image, masks, others):
    """Where no other exposure looks AstroDrizzle finds nothing; there the image itself must tell."""
    alone = ~seen_by_others(image.wcs, image.data.shape, others)
    if not alone.any():
        return hit
    box = tuple(_extent(alone.any(axis=1 - axis)) for axis in (0, 1))
    found = np.zeros_like(hit)
    found[box] = find_cosmic_rays(replace(image, data=image.data[box]), ~masks.bad[box], _OBJLIM)
    return np.where(alone, found, hit)


def _extent(wanted, margin=10):
    """The slice that holds all wanted places, and a margin."""
    places = np.flatnonzero(wanted)
    return slice(max(places[0] - margin, 0), places[-1] + 1 + margin)


def _write_mask(hit, n_exposures, new):
    hdu = fits.PrimaryHDU((~hit).astype(np.uint8))
    hdu.header["NEXPOSE"] = n_exposures, "exposures that it was made from"
    hdu.header.add_history("Cosmic rays: 0 hit, 1 good. AstroDrizzle; L.A.Cosmic where one exposure looks alone.")
    hdu.writeto(new, output_verify="exception")


def _catalog(target, settings):
    try:
        return read_catalog(catalog_path(settings.path_to_master_cat, target), target)[0]
    except CatalogError:
        return None


def _star_positions(image, catalog):
    if catalog is None:
        return np.empty(0), np.empty(0)
    _, x, y = stars_on_chip(image.wcs, image.data.shape, catalog.ra, catalog.dec)
    return x, y


def _store_sky(path, sky):
    """Put MDRIZSKY into a header, whole or not at all; a file that has it already stays untouched."""
    if sky and alignment.read_sky(path) != sky:
        outputs.replace_file(path, lambda new: _write_sky(path, new, sky))


def _write_sky(path, new, sky):
    shutil.copyfile(path, new)
    with fits.open(new, mode="update") as hdus:
        for extver, value in sky.items():
            hdus["SCI", extver].header["MDRIZSKY"] = (value, "sky by AstroDrizzle [e-/px]")
