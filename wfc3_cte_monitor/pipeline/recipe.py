"""The recipe."""

import logging
from contextlib import contextmanager, nullcontext
from dataclasses import replace

from wfc3_cte_monitor import outputs
from wfc3_cte_monitor.database import Database
from wfc3_cte_monitor.exposures import measured
from wfc3_cte_monitor.pipeline.cluster import connected
from wfc3_cte_monitor.pipeline.draw import all_levels, draw_results
from wfc3_cte_monitor.pipeline.extract import extract_exposures, master_catalogs
from wfc3_cte_monitor.pipeline.logs import now, run_log
from wfc3_cte_monitor.pipeline.measure import find_pairs, measure_pairs
from wfc3_cte_monitor.pipeline.newdata import take_in_newdata
from wfc3_cte_monitor.pipeline.prepare import select_exposures
from wfc3_cte_monitor.pipeline.report import make_report
from wfc3_cte_monitor.pipeline.request import Summary
from wfc3_cte_monitor.pipeline.runs import patience, recorded
from wfc3_cte_monitor.tables import Schema

__all__ = ["opened_database", "run"]

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
        Also of a run that was interrupted (Ctrl-C) or broken off by what concerns all of it, such as a full disk.

    Raises
    ------
    ConfigurationError, DatabaseError, ClusterError
        An output folder cannot be written, or the database or the cluster cannot be used: nothing was begun.
    """
    with connected(request.scheduler) as cluster:
        _make_folders(request, settings)
        timestamp = now()
        with run_log(settings.path_to_outputs / "logs", settings.logs_kept, timestamp) as log_file:
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
    _sweep(settings)


def _sweep(settings):
    """Remove what runs that were killed were writing."""
    here = settings.path_to_outputs
    folders = [here / name for name in ("tempfiles", "tweakreg", "crmasks")]
    folders += [*settings.path_to_finalresults.glob("*/"), *settings.path_to_photom.rglob("*/")]
    for folder in (*folders, *([settings.path_to_copies] if settings.path_to_copies else [])):
        outputs.sweep(folder)


def _run(request, settings, summary, timestamp, cluster):
    with opened_database(settings) as database:
        with nullcontext() if request.insert else database.rehearsal(), recorded(database, settings, summary):
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
    with outputs.scratch_folder(settings.path_to_outputs / "tempfiles") as staging:
        made_from = measure_pairs(pairs, database, request, settings, staging, summary, cluster)
        flash_kinds = {(pair.two.flashlvl, pair.two.ctecorr) for pair in pairs}
        flash_kinds |= all_levels(flash_kinds, database, settings)
        drawn_from, valid = draw_results(flash_kinds, database, request, settings, staging, summary, cluster)
        keep_results(flash_kinds, made_from | drawn_from, valid, database, settings, staging)
        published = publish(staging, timestamp, request, settings, summary)
    if request.report:
        request = replace(request, copy_outputs=request.copy_outputs and published)
        summary.report = make_report(database, request, settings, summary, cluster)
    if not summary.found:
        summary.fail(f"{settings.path_to_data}: no FLT or FLC {_asked_for(request, settings)}")


def _asked_for(request, settings):
    if not request.same_chip:
        return f"in the folders of the programs asked for; new ones belong into {settings.path_to_newdata}"
    sets = (f"{program} visits {' '.join(visits)}" for program, visits in settings.same_chip_visits.items())
    return f"of {', '.join(sets)}"


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
    """Put the results to their places; where that fails the summary of what was measured must not be lost.

    Returns
    -------
    published : bool
        Whether it did not fail.
    """
    try:
        summary.folders = outputs.publish(staging, settings.path_to_finalresults, timestamp)
        if request.copy_outputs and settings.path_to_copies:
            outputs.copy_tree(summary.folders, settings.path_to_copies)
    except OSError as error:
        problem = f"{error.filename2 or error.filename}: results cannot be put there ({error.strerror})"
        log.error("failed: %s", problem)
        summary.fail(problem)
        return False
    return True


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
def opened_database(settings):
    """The database of a configuration, its tables made where there are none, closed at the end of the block."""
    schema = Schema(settings.target_list, settings.aprads, settings.bins)
    with Database(settings.database_url, schema) as database:
        database.patience = patience(database)
        database.create()
        yield database
