"""Before step 1: new exposures in newdata are aligned to the master catalogue and move to their program's folder."""

import logging
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
from astropy.io import fits

from wfc3_cte_monitor import alignment, outputs
from wfc3_cte_monitor.catalogs import catalog_path, read_catalog
from wfc3_cte_monitor.errors import AlignmentError, CatalogError, MonitorError, UnusableExposureError
from wfc3_cte_monitor.exposures import find_files, measured, read_exposure, read_wcs
from wfc3_cte_monitor.pipeline.fit import fit_to_catalog
from wfc3_cte_monitor.pipeline.moves import copy, move, publish
from wfc3_cte_monitor.pipeline.parallel import in_order, progress
from wfc3_cte_monitor.pipeline.request import unexpected
from wfc3_cte_monitor.records import Alignment, MasterCatalog, Rejection
from wfc3_cte_monitor.settings import Settings

__all__ = ["align_newdata", "AlignmentSummary"]

log = logging.getLogger(__name__)

_SUFFIXES = ("_flc.fits", "_flt.fits")
_NUMBERS = "_numbers.txt"
"""Of one fit, until they are in the table of all."""


@dataclass(frozen=True)
class Task:
    """What a worker needs to align one exposure."""

    rootname: str
    files: tuple
    """Those in newdata, the FLC first."""
    settings: Settings
    catalogs: dict
    """Target -> `records.MasterCatalog`, or the error that it cannot be read with."""
    scratch: Path
    force: bool


@dataclass(frozen=True)
class Aligned:
    """What a worker did with one exposure."""

    names: tuple
    """Files that moved."""
    program: int
    visit: str
    how: str
    """'aligned to ...', 'aligned already', or 'left out by rule', which may also follow one of the others."""
    fit: Alignment | None = None
    warnings: tuple = ()


@dataclass
class AlignmentSummary:
    """What came of the files in newdata."""

    found: int = 0
    moved: list = field(default_factory=list)
    """`Aligned`"""
    staying: int = 0
    """Files that stay in newdata."""
    failures: list = field(default_factory=list)
    """One line for each exposure of theirs."""
    warnings: list = field(default_factory=list)

    @property
    def visits(self):
        """(program, visit) of what moved."""
        return sorted({(one.program, one.visit) for one in self.moved})

    def lines(self):
        """The closing summary, line by line."""
        by_kind = {kind: [one for one in self.moved if one.how.startswith(kind)] for kind in _KINDS}
        return [
            "Alignment",
            f"  files in newdata     {self.found:5d}",
            *(f"  {kind:<19}  {sum(len(one.names) for one in done):5d}" for kind, done in by_kind.items()),
            *(f"    {', '.join(one.names)}: {one.how}" for one in self.moved if "left out by rule" in one.how),
            f"  stay in newdata      {self.staying:5d}",
            *(f"    {line}" for line in self.failures),
            f"  warnings             {len(self.warnings):5d}",
            *(f"    {line}" for line in self.warnings),
        ]


_KINDS = ("aligned to", "aligned already", "left out by rule")


def align_newdata(settings, jobs=1, force=False, scratch=None):
    """Align what lies in newdata, and move it to the folders of its programs.

    Parameters
    ----------
    settings : `settings.Settings`
    jobs : int, optional
        Processes.
    force : bool, optional
        Align again what was aligned already.
    scratch : `pathlib.Path`, optional
        A folder of the caller's: where the next step has the same one, drizzlepac's processes serve it, too.

    Returns
    -------
    summary : `AlignmentSummary`
        A file that cannot be aligned stays where it is, as it is.

    Raises
    ------
    ConfigurationError
        An output folder cannot be written.
    """
    summary = AlignmentSummary()
    for folder in ("newdata", *settings.program_list):
        outputs.sweep(settings.path_to_data / str(folder))
    files = find_files(settings.path_to_newdata)
    summary.found = len(files)
    if not files:
        return summary
    for name in ("tweakreg", "tempfiles"):
        outputs.make_folder(settings.path_to_outputs / name)
    _gather_numbers(settings, summary)
    by_rootname = {rootname: tuple(found) for rootname, found in groupby(sorted(files, key=_rootname), _rootname)}
    with outputs.scratch_folder(settings.path_to_outputs / "tempfiles", scratch) as scratch:
        catalogs = _catalogs(settings)
        tasks = [Task(name, found, settings, catalogs, scratch, force) for name, found in by_rootname.items()]
        for task, done, error in progress(in_order(align_exposure, tasks, jobs), len(tasks), "alignment"):
            _note(task, done, error, summary)
    return summary


def _rootname(path):
    return path.name[: -len(_SUFFIXES[0])]


def _catalogs(settings):
    """Target -> catalogue, or what is wrong with it, which concerns only the exposures of that target."""
    catalogs = {}
    # What is off the clusters is left out of nominal results, but a subset may want it: aligned while it is new.
    for target in (*settings.target_list, *settings.off_fields.values()):
        try:
            catalogs[target], _ = read_catalog(catalog_path(settings.path_to_master_cat, target), target)
        except CatalogError as error:
            catalogs[target] = error
    return catalogs


def _note(task, done, error, summary):
    if error:
        problem = _named(task.rootname, error)
        log.error("stays in newdata: %s", problem)
        summary.failures.append(str(problem))
        summary.staying += sum(path.exists() or path.is_symlink() for path in task.files)
        return
    if done.fit:
        _gather_numbers(task.settings, summary)
    fit = f": {done.fit.summary}" if done.fit else ""
    log.info("%s to %d: %s%s", ", ".join(done.names), done.program, done.how, fit)
    for warning in done.warnings:
        log.warning("%s", warning)
    summary.moved.append(done)
    summary.warnings += done.warnings


def _named(rootname, error):
    """The error as one that names the exposure."""
    if isinstance(error, OSError):
        return UnusableExposureError(rootname, f"{error.filename or 'scratch folder'}: {error.strerror or error}")
    if isinstance(error, AlignmentError):
        return UnusableExposureError(rootname, str(error))
    return error if isinstance(error, MonitorError) else unexpected(rootname, error)


def _gather_numbers(settings, summary):
    """What workers wrote of their fits goes into the one table; also what a run that was killed did not gather."""
    folder = settings.path_to_outputs / "tweakreg"
    for path in sorted(folder.glob(f"[!.]*{_NUMBERS}")):
        try:
            outputs.update_table(outputs.read_table(path), folder / "alignments.txt", "imagename")
            path.unlink()
        except OSError as error:
            summary.warnings.append(f"{path}: not in alignments.txt ({error.strerror})")
            log.warning("%s", summary.warnings[-1])


# ---- One exposure ----------------------------------------------------------------------------------------------------


def align_exposure(task):
    """Align one exposure, its FLC and its FLT, and move them.

    Parameters
    ----------
    task : `Task`

    Returns
    -------
    done : `Aligned`

    Raises
    ------
    UnusableExposureError
        It stays in newdata.
    """
    new = {path.name[-len(_SUFFIXES[0]) :]: path for path in task.files}
    exposure, reason = _identity([read_exposure(path, task.settings) for path in task.files])
    home = _home(exposure, task.settings)
    left_out = f"left out by rule ({reason.reason})" if reason else ""
    if reason and not _can_be_aligned(exposure, reason, task):
        return _moved(new, home, exposure, left_out)
    try:
        how, fit, warnings = _align_files(exposure, new, home, task)
    except MonitorError as error:
        if not reason or measured(reason):
            raise
        # The rules leave it out of every result, so that its place in newdata would be taken for nothing.
        return _moved(new, home, exposure, left_out, None, (f"not aligned: {_named(exposure.rootname, error)}",))
    return _moved(new, home, exposure, f"{how}, {left_out}" if reason else how, fit, warnings)


def _identity(read):
    """What the exposure is, and the rule that leaves it out, if one does."""
    reason = next((found for found in read if isinstance(found, Rejection)), None)
    return (read[0].exposure if isinstance(read[0], Rejection) else read[0]), reason


def _home(exposure, settings):
    if exposure.program not in settings.program_list:
        raise UnusableExposureError(
            exposure.path.name, f"PROPOSID {exposure.program} is not in program_list; add it there, or remove the file"
        )
    home = settings.path_to_data / str(exposure.program)
    try:
        home.mkdir(exist_ok=True)
    except OSError as error:
        raise UnusableExposureError(exposure.path.name, f"{home} cannot be made ({error.strerror})") from error
    return home


def _can_be_aligned(exposure, reason, task):
    """Whole frames of a field with a master catalogue can be, whatever rule leaves them out."""
    known = isinstance(task.catalogs.get(exposure.target), MasterCatalog)
    return known and reason.reason not in ("subarray", "binned", "filter not in filter_list")


def _moved(new, home, exposure, how, fit=None, warnings=()):
    for path in new.values():
        move(path, home / path.name)
    return Aligned(tuple(p.name for p in new.values()), exposure.program, exposure.visit, how, fit, tuple(warnings))


def _align_files(exposure, new, home, task):
    """Align the files where they lie; returns how, the fit and warnings."""
    flc, flt = (new.get(suffix) or home / (task.rootname + suffix) for suffix in _SUFFIXES)
    if not flc.exists():
        raise UnusableExposureError(flt.name, "no FLC beside it, which it is aligned with; retrieve it")
    warnings = [] if flt.exists() else [f"{flc.name}: no FLT beside it"]
    for path in {flc, flt} - set(new.values()):
        if path.exists():
            read_exposure(path, task.settings)  # What lies in data/<program> may be damaged.
    host = alignment.host_in(task.scratch)
    host.clear()
    fit = None
    if task.force or not _is_aligned(flc):
        fit = _fit_master(exposure, flc, host, task)
    ready = {host.folder / flc.name: flc} if fit else {}
    if flt.exists() and (fit or not _is_aligned(flt) or _differing(flc, flt)):
        ready[_with_headerlet(flt, flc, host, fit)] = flt
    # Both or, as far as it can be known, neither.
    for image, place in ready.items():
        publish(image, place)
    return (f"aligned to {exposure.target}_master" if fit else "aligned already"), fit, warnings


def _is_aligned(path):
    with fits.open(path) as hdus:
        return alignment.is_aligned(hdus)


def _differing(one, other):
    """The extension whose WCS differs between two files of an exposure, or None."""
    others = read_wcs(other)
    for extver, (wcs, shape) in read_wcs(one).items():
        corners = np.array([[1, 1], [shape[1], shape[0]]])
        again = others[extver][0].all_pix2world(corners, 1)
        if not np.allclose(wcs.all_pix2world(corners, 1), again, rtol=0, atol=1e-8):
            return f"SCI,{extver}"
    return None


def _fit_master(exposure, flc, host, task):
    catalog = task.catalogs.get(exposure.target)
    if not isinstance(catalog, MasterCatalog):
        raise UnusableExposureError(flc.name, str(catalog or f"no master catalogue of {exposure.target}"))
    attempts = task.settings.tweakreg_for(exposure.target, exposure.filter, exposure.length)
    try:
        fit = fit_to_catalog(flc, catalog, attempts, task.settings.alignment_limits, host)
    except UnusableExposureError:
        # Pictures, matches and log say why; the headerlet of a refused fit must not be taken for a good one.
        alignment.headerlet_path(host.folder / flc.name).unlink(missing_ok=True)
        with suppress(UnusableExposureError):
            _keep_products(flc, host, task)
        raise
    _keep_products(flc, host, task)
    # Before the files move: what is aligned in a run that is killed then is aligned already for the next.
    numbers = task.settings.path_to_outputs / "tweakreg" / f"{task.rootname}{_NUMBERS}"
    outputs.write_table(outputs.alignment_table([fit]), numbers)
    return fit


def _keep_products(flc, host, task):
    for name, product in alignment.products_of(host.folder, flc.name.removesuffix(".fits")).items():
        place = task.settings.path_to_outputs / "tweakreg" / name
        try:
            publish(product, place)
        except UnusableExposureError as error:
            raise UnusableExposureError(flc.name, f"{place}: {error.problem}") from error


def _with_headerlet(flt, flc, host, fit):
    """A copy of the FLT, in the scratch folder, with the WCS of its FLC, which lies there already after a fit."""
    image, given = host.folder / flc.name, host.folder / flt.name
    copy(flt, given)
    try:
        if not fit:
            copy(flc, image)
            alignment.write_headerlet(host, image)
        alignment.apply_headerlet(host, given, alignment.headerlet_path(image))
    except AlignmentError as error:
        raise UnusableExposureError(flt.name, f"does not take the WCS of its FLC ({error})") from error
    if differing := _differing(image, given):
        problem = f"does not take the WCS of its FLC ({differing} differs afterwards); are both calibrated alike?"
        raise UnusableExposureError(flt.name, problem)
    return given
