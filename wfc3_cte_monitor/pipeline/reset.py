"""The tables are filled again from catalogues, headers, .coo and .mag files; nothing is measured on an image."""

import datetime
import logging

from wfc3_cte_monitor import outputs
from wfc3_cte_monitor.catalogs import catalog_path, read_catalog
from wfc3_cte_monitor.database import fileinfo_row, replace_fileinfo, replace_phot
from wfc3_cte_monitor.errors import CatalogError, DatabaseError, UnusableExposureError
from wfc3_cte_monitor.exposures import read_chip, read_exposure
from wfc3_cte_monitor.pipeline.logs import run_log
from wfc3_cte_monitor.pipeline.one_exposure import fileinfo_of
from wfc3_cte_monitor.pipeline.parallel import progress
from wfc3_cte_monitor.pipeline.prepare import of_visits
from wfc3_cte_monitor.pipeline.recipe import opened_database, run
from wfc3_cte_monitor.pipeline.request import SAME_CHIP, Request, Summary
from wfc3_cte_monitor.pipeline.runs import recorded
from wfc3_cte_monitor.records import Rejection
from wfc3_cte_monitor.uvis import SAME_CHIP_TARGET

__all__ = ["reset"]

log = logging.getLogger(__name__)


def reset(tables, settings, jobs=1):
    """Fill tables again; what no file tells of any more stays as it was.

    Parameters
    ----------
    tables : collection of str
        Of `request.TABLES`. The results are measured again from the stars in phot, and published with their slope
        files.
    settings : `settings.Settings`
    jobs : int, optional
        Processes.

    Returns
    -------
    summaries : list of `request.Summary`
        Of the exposures that were filled in, counted as extracted; then of the nominal and the same-chip pairs.

    Raises
    ------
    ConfigurationError, DatabaseError
        An output folder cannot be written, or the database cannot be used.
    """
    summaries = [_refilled(tables, settings)] if {*tables} - {"results"} else []
    sets = [] if "results" not in tables else ["all", *([SAME_CHIP] if _has_same_chip_set(settings) else [])]
    same = {"plots": (), "find": False, "photometry": False, "tweak": False, "force": True}
    same |= {"copy_outputs": False, "report": False}
    for programs in sets:
        if not (summaries and summaries[-1].exit_code > 1):
            summaries.append(run(Request(programs, aprads=settings.aprads, jobs=jobs, **same), settings))
    return summaries


def _has_same_chip_set(settings):
    if settings.subset or SAME_CHIP_TARGET not in settings.target_list:
        return False
    with opened_database(settings) as database:
        return bool(database.fingerprints(SAME_CHIP_TARGET))


def _refilled(tables, settings):
    logs = outputs.make_folder(settings.path_to_outputs / "logs")
    with run_log(logs, settings.logs_kept) as log_file, opened_database(settings) as database:
        summary = Summary(log_file)
        with recorded(database, settings, summary):
            if "master" in tables:
                for target in settings.target_list:
                    _refill_master(target, database, settings, summary)
            if {"fileinfo", "phot"} & {*tables}:
                _refill_exposures(tables, database, settings, summary)
    return summary


def _refill_master(target, database, settings, summary):
    path = catalog_path(settings.path_to_master_cat, target)
    if not path.exists() and not len(database.catalog(target)):
        log.info("%s_master: no stars before, and no catalogue of them yet", target)
        return
    try:
        catalog, problems = read_catalog(path, target)
    except CatalogError as error:
        _fail(error, summary)
        return
    for problem in problems:
        _fail(problem, summary)
    database.store_catalog(catalog)
    log.info("filled %s_master with %d stars", target, len(catalog))


def _refill_exposures(tables, database, settings, summary):
    files = sorted(settings.path_to_photom.rglob("*.mag"), key=lambda path: path.name)
    summary.found = len(files)
    for path in progress(files, len(files), "exposures"):
        try:
            exposure, row, photometry = _read(path, settings, summary.run_id)
            _store(tables, database, exposure, row, photometry)
        except (UnusableExposureError, DatabaseError) as error:
            _fail(error, summary)
        else:
            summary.measured.append(exposure.imagename)
    known = {name for target in settings.target_list for name in database.fingerprints(target)}
    for name in sorted(known - {*summary.measured} - summary.failed_files):
        summary.warnings.append(f"{name}: no .mag file tells of it; it stays as it was")


def _read(path, settings, run_id):
    """The exposure, its row of fileinfo, and its photometry."""
    photometry, meta = outputs.read_photometry(path)
    if photometry.aprads != tuple(float(radius) for radius in settings.aprads):
        raise UnusableExposureError(path, "is of other apertures than the configuration; measure it again")
    image_path = settings.path_to_data / str(meta["program"]) / meta["imagename"]
    if not image_path.is_file():
        raise UnusableExposureError(path, f"the exposure is not there: {image_path}")
    of_set = settings.same_chip_visits.get(int(meta["program"]), ())
    exposure = read_exposure(image_path, settings, same_chip=bool(of_set) and of_visits(image_path, of_set))
    if isinstance(exposure, Rejection):
        raise UnusableExposureError(path, f"the exposure is left out by rule: {exposure.reason}")
    image = read_chip(image_path, meta["chip"])
    measured = fileinfo_of(path, image, photometry, meta["crmask"], meta["engine"])
    measured |= {"FINGERPRINT": meta["fingerprint"], "RUN_ID": run_id}
    day = datetime.date.fromtimestamp(path.stat().st_mtime)
    return exposure, fileinfo_row(exposure, measured, day), photometry


def _store(tables, database, exposure, row, photometry):
    if {"fileinfo", "phot"} <= {*tables}:
        database.store_exposure(exposure.target, row, photometry)
    elif "fileinfo" in tables:
        replace_fileinfo(database, exposure.target, row)
    else:
        replace_phot(database, exposure.target, exposure.imagename, photometry)


def _fail(error, summary):
    log.error("failed: %s", error)
    summary.fail(error)
