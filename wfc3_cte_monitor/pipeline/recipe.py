"""The recipe."""

import datetime
import logging
import tempfile
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from wfc3_cte_monitor import outputs
from wfc3_cte_monitor.database import Database
from wfc3_cte_monitor.exposures import measured
from wfc3_cte_monitor.pipeline.align import align_newdata
from wfc3_cte_monitor.pipeline.cluster import connected
from wfc3_cte_monitor.pipeline.draw import all_levels, draw_results
from wfc3_cte_monitor.pipeline.extract import extract_exposures, master_catalogs
from wfc3_cte_monitor.pipeline.mask import make_masks
from wfc3_cte_monitor.pipeline.measure import find_pairs, measure_pairs
from wfc3_cte_monitor.pipeline.parallel import LogLine
from wfc3_cte_monitor.pipeline.prepare import SAME_CHIP, choose_programs, select_exposures
from wfc3_cte_monitor.pipeline.request import Summary
from wfc3_cte_monitor.tables import Schema

__all__ = ["run"]

log = logging.getLogger(__name__)


def run(request, settings):
    """Run the monitor.

    Parameters
    ----------
    request : `Request`
    settings : `settings.Settings`

    Returns
    -------
    summary : `Summary`

    Raises
    ------
    ConfigurationError, DatabaseError, ClusterError
        An output folder cannot be written, or the database or the cluster cannot be used. What concerns single
        exposures is in the summary.
    """
    with connected(request.scheduler) as cluster:
        _make_folders(request, settings)
        timestamp = datetime.datetime.now().strftime("%Y-%m-%dT%H-%M-%S")
        with _log_file(settings.path_to_outputs / "logs", timestamp) as log_file:
            if cluster:
                cluster.check(settings)
            return _run(request, settings, Summary(log_file), timestamp, cluster)


def _make_folders(request, settings):
    for name in ("tempfiles", "logs"):
        outputs.make_folder(settings.path_to_outputs / name)
    for folder in (settings.path_to_finalresults, settings.path_to_photom):
        outputs.make_folder(folder)
    if request.copy_outputs and settings.path_to_copies:
        outputs.make_folder(settings.path_to_copies)


def _run(request, settings, summary, timestamp, cluster):
    with _database(settings) as database:
        with nullcontext() if request.insert else database.rehearsal():
            _follow_recipe(request, settings, database, timestamp, summary, cluster)
        for line in summary.lines():
            log.debug(line)
    return summary


def _follow_recipe(request, settings, database, timestamp, summary, cluster):
    request = take_in_newdata(request, settings, summary)
    exposures = select_exposures(request, settings, summary)
    forget_rejected(database, summary, settings)
    if request.find or request.photometry:
        catalogs = master_catalogs(sorted({e.target for e in exposures}), database, settings, summary)
        extract_exposures(exposures, catalogs, database, request, settings, summary, cluster)
    pairs = find_pairs(database, request, settings, summary)
    with tempfile.TemporaryDirectory(dir=settings.path_to_outputs / "tempfiles") as folder:
        staging = Path(folder)
        made_from = measure_pairs(pairs, database, request, settings, staging, summary, cluster)
        flash_kinds = {(pair.two.flashlvl, pair.two.ctecorr) for pair in pairs}
        flash_kinds |= all_levels(flash_kinds, database, settings)
        drawn_from, valid = draw_results(flash_kinds, database, request, settings, staging, summary, cluster)
        keep_results(flash_kinds, made_from | drawn_from, valid, database, settings, staging)
        publish(staging, timestamp, request, settings, summary)
    if not summary.found:
        summary.fail(f"{settings.path_to_data}: no FLT or FLC {_asked_for(request, settings)}")


def _asked_for(request, settings):
    if not request.same_chip:
        return "in the folders of the programs asked for"
    sets = (f"{program} visits {' '.join(visits)}" for program, visits in settings.same_chip_visits.items())
    return f"of {', '.join(sets)}"


def take_in_newdata(request, settings, summary):
    """Align what lies in newdata and mask its cosmic rays; only then it is known which program is the last.

    Returns
    -------
    request : `Request`
        Its programs resolved.
    """
    if request.tweak and (request.find or request.photometry):
        aligned = align_newdata(settings, request.jobs)
        summary.aligned = sum(len(one.names) for one in aligned.moved)
        summary.take_over(aligned)
        if request.adriz and aligned.visits:
            programs = sorted({program for program, _ in aligned.visits})
            masks = make_masks(programs, aligned.visits, settings, request.jobs)
            summary.masked = len({mask.imagename for mask in masks.masks})
            summary.take_over(masks)
    if not isinstance(request.programs, str):
        return request
    same_chip = request.programs == SAME_CHIP
    return replace(request, programs=choose_programs(request.programs, settings), same_chip=same_chip)


def keep_results(flash_kinds, made_from, valid, database, settings, staging):
    """Take over the files of earlier runs that tell of what is in the database now.

    So the newest results are whole, whichever programs, apertures and figures a run was asked for.

    Parameters
    ----------
    flash_kinds : iterable of (float, bool)
        Flash levels and FLT/FLC that this run touched.
    made_from : dict
        Path of a file that this run made -> fingerprint.
    valid : set of str
        Fingerprints of figures of all epochs; those of pairs are in the database.
    """
    of_pairs = {value for target in settings.target_list for value in database.result_fingerprints(target).values()}
    for flash in {outputs.flash_folder(*kind) for kind in flash_kinds}:
        newest = outputs.newest_results(settings.path_to_finalresults, flash)
        folder = staging / flash
        if not folder.is_dir() and not newest.made_from:
            continue
        folder.mkdir(exist_ok=True)
        own = {path.relative_to(folder).as_posix(): v for path, v in made_from.items() if folder in path.parents}
        outputs.complete(folder, newest, own, valid | of_pairs)


def publish(staging, timestamp, request, settings, summary):
    """Put the results to their places; where that fails the summary of what was measured must not be lost."""
    try:
        summary.folders = outputs.publish(staging, settings.path_to_finalresults, timestamp)
        if request.copy_outputs and settings.path_to_copies:
            outputs.copy_tree(summary.folders, settings.path_to_copies)
    except OSError as error:
        problem = f"{error.filename2 or error.filename}: results cannot be put there ({error.strerror})"
        log.error("failed: %s", problem)
        summary.fail(problem)


def forget_rejected(database, summary, settings):
    """What a rule leaves out now but was measured once, under another configuration, must not stay in the results."""
    # The same-chip set is left out of a nominal run only: it has results of its own.
    names = [rejection.imagename for rejection in summary.rejections if measured(rejection) is None]
    for target in settings.target_list if names else ():
        removed = database.forget(target, names)
        if removed:
            warning = f"{target}: {removed} exposures that are left out now were removed from the database"
            log.warning("%s", warning)
            summary.warnings.append(warning)


@contextmanager
def _database(settings):
    schema = Schema(settings.target_list, settings.aprads, settings.bins)
    with Database(settings.database_url, schema) as database:
        database.create()
        yield database


@contextmanager
def _log_file(folder, timestamp):
    """A log file for this run, with every decision in it."""
    path = outputs.unique_path(folder, timestamp, ".log")
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(LogLine("%(asctime)s %(levelname)-7s %(message)s"))
    logger = logging.getLogger("wfc3_cte_monitor")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    try:
        yield path
    finally:
        logger.removeHandler(handler)
        handler.close()
