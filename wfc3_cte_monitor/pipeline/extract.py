"""Step 2: exposures become positions, photometry, diagnostic pictures, and rows of the database."""

import logging
from pathlib import Path

import numpy as np

from wfc3_cte_monitor.catalogs import catalog_path, read_catalog
from wfc3_cte_monitor.database import failures, fileinfo_row, remember_failure
from wfc3_cte_monitor.errors import (
    CatalogError,
    ClusterError,
    DatabaseError,
    KilledWorkError,
    MonitorError,
    UnusableExposureError,
)
from wfc3_cte_monitor.pipeline import fingerprints
from wfc3_cte_monitor.pipeline.logs import decision
from wfc3_cte_monitor.pipeline.one_exposure import Task, extract, files_of
from wfc3_cte_monitor.pipeline.parallel import in_order, progress
from wfc3_cte_monitor.pipeline.request import unexpected

__all__ = ["master_catalogs", "extract_exposures"]

log = logging.getLogger(__name__)

_MAY_PASS = (OSError, MemoryError, DatabaseError, ClusterError, KilledWorkError)
"""Failures that are not the exposure's own: a disk that was full, a process that was killed."""


def master_catalogs(targets, database, settings, summary):
    """The master catalogues of the targets; a master table that is still empty is filled from its file.

    Returns
    -------
    catalogs : dict
        Target -> `records.MasterCatalog`; without the targets that have none, which the summary names.
    """
    catalogs = {}
    for target in targets:
        try:
            catalogs[target] = database.catalog(target)
            if not len(catalogs[target]):
                catalogs[target] = _fill_master_table(target, database, settings, summary)
            elif _differs_from_file(catalogs[target], settings):
                warning = (
                    f"{target}_master: not what its catalogue file has now; run populate_master_tables to use that"
                )
                log.warning("%s", warning)
                summary.warnings.append(warning)
        except CatalogError as error:
            log.error("failed: %s", error)
            summary.fail(error)
            del catalogs[target]
    return catalogs


def _differs_from_file(catalog, settings):
    """Whether a master table lacks stars that its catalogue file has, or has them elsewhere; the file may be gone."""
    path = catalog_path(settings.path_to_master_cat, catalog.target)
    if not path.is_file():
        return False
    in_file, _ = read_catalog(path, catalog.target)
    place = np.minimum(np.searchsorted(catalog.id, in_file.id), len(catalog) - 1)
    return any(np.any(getattr(catalog, name)[place] != getattr(in_file, name)) for name in ("id", "ra", "dec"))


def _fill_master_table(target, database, settings, summary):
    catalog, problems = read_catalog(catalog_path(settings.path_to_master_cat, target), target)
    for problem in problems:
        log.error("failed: %s", problem)
        summary.fail(problem)
    database.store_catalog(catalog)
    log.info("filled %s_master with %d stars", target, len(catalog))
    return catalog


def extract_exposures(exposures, catalogs, database, request, settings, summary, cluster=None):
    """Extract exposures in parallel; store each as a whole, in their order."""
    digests = {target: fingerprints.of_catalog(catalog) for target, catalog in catalogs.items()}
    tasks = [
        _task(exposure, catalogs[exposure.target], digests[exposure.target], request, settings)
        for exposure in exposures
        if exposure.target in catalogs
    ]
    if request.photometry and not request.force:
        tasks = _without_unchanged(tasks, database, summary)
        if not request.retry_failed:
            tasks = _without_failed_before(tasks, database, summary)
    outcomes = in_order(extract, tasks, request.jobs, cluster)
    for number, (task, extraction, error) in enumerate(progress(outcomes, len(tasks), "exposures"), start=1):
        name = task.exposure.imagename
        try:
            if error:
                raise error
            if extraction.photometry is not None:
                _store(task, extraction, database, summary.run_id)
        except Exception as problem:  # whatever it is, it is this exposure's alone
            _fail(task, problem, database, summary)
        else:
            summary.measured.append(name)
            said = name, extraction.n_stars, number, len(tasks)
            log.info("extracted %s: %d stars (%d/%d)", *said, extra=decision(name, "measured"))


def _store(task, extraction, database, run_id):
    row = extraction.fileinfo | {"FINGERPRINT": task.fingerprint, "RUN_ID": run_id}
    database.store_exposure(task.exposure.target, fileinfo_row(task.exposure, row), extraction.photometry)


def _fail(task, problem, database, summary):
    """Note a failure, and remember it where the same would come of the same file again."""
    name, will_pass = task.exposure.imagename, isinstance(problem, _MAY_PASS)
    problem = problem if isinstance(problem, MonitorError) else unexpected(name, problem)
    reason = getattr(problem, "problem", str(problem))
    log.error("failed: %s", problem, extra=decision(name, "failed", reason))
    summary.fail(problem)
    if task.photometry and not will_pass:
        remember_failure(database, task.exposure.target, name, task.fingerprint, summary.run_id, reason)


def _task(exposure, catalog, digest, request, settings):
    coo_path, *_ = files_of(exposure, settings)
    positions = None if request.find else coo_path
    fingerprint = fingerprints.of_exposure(exposure, digest, settings, maskcr=request.maskcr, positions=positions)
    return Task(exposure, catalog, settings, request.find, request.photometry, request.maskcr, fingerprint)


def _without_unchanged(tasks, database, summary):
    """The tasks whose outcome is not in the database and the output tree yet; the summary gets the others."""
    targets = {task.exposure.target for task in tasks}
    known = {name: value for target in targets for name, value in database.fingerprints(target).items()}
    to_do = []
    for task in tasks:
        name = task.exposure.imagename
        if known.get(name) == task.fingerprint and all(map(Path.is_file, files_of(task.exposure, task.settings))):
            log.debug("unchanged: %s", name, extra=decision(name, "unchanged"))
            summary.unchanged.append(name)
        else:
            to_do.append(task)
    if summary.unchanged:
        log.info("%d exposures unchanged", len(summary.unchanged))
    return to_do


def _without_failed_before(tasks, database, summary):
    """The tasks without those whose exposures failed before, of which nothing has changed: they would fail again."""
    targets = {task.exposure.target for task in tasks}
    known = {name: value for target in targets for name, value in failures(database, target).items()}
    to_do = []
    for task in tasks:
        name = task.exposure.imagename
        fingerprint, run_id, reason = known.get(name, (None, None, None))
        if fingerprint == task.fingerprint:
            error = UnusableExposureError(name, reason)
            log.error("failed in run %s, not tried again: %s", run_id, error, extra=decision(name, "failed", reason))
            summary.fail(error)
            summary.not_tried_again += 1
        else:
            to_do.append(task)
    return to_do
