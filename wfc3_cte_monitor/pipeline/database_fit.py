"""Coefficients fitted to the losses that a database has now, without a run."""

import logging
from dataclasses import replace
from itertools import groupby

from astropy.table import vstack

from wfc3_cte_monitor.database import Database
from wfc3_cte_monitor.errors import CoefficientError, MonitorError
from wfc3_cte_monitor.pipeline.levels import fit_levels
from wfc3_cte_monitor.pipeline.losses import coefficients_of, losses_of, mean_epoch, of_finest_bins, with_enough_stars
from wfc3_cte_monitor.records import ExposureSet
from wfc3_cte_monitor.surface import fit_surface
from wfc3_cte_monitor.tables import Schema

__all__ = ["coefficients_in_database"]

log = logging.getLogger(__name__)


def coefficients_in_database(settings, target, filter_name, ctecorr, aperture):
    """Fit the sets of a kind: each post-flash level by itself, and all together.

    Parameters
    ----------
    settings : `settings.Settings`
    target, filter_name : str
    ctecorr : bool
    aperture : float

    Returns
    -------
    coefficients : list of `records.Coefficients`
        In magnitudes, whatever the configuration's unit.

    Raises
    ------
    CoefficientError
        The database does not determine any.
    """
    settings = replace(settings, loss_unit="mag")
    if target not in settings.target_list or aperture not in settings.aprads:
        raise CoefficientError(f"the database has no {target} in {aperture:g} px (target_list, aprads)")
    with Database(settings.database_url, Schema(settings.target_list, settings.aprads, settings.bins)) as database:
        sets = sorted(ExposureSet(target, *values) for values in database.exposure_sets(target))
        sets = [s for s in sets if (s.filter, s.ctecorr) == (filter_name, ctecorr)]
        points = {s: _points(s, aperture, database, settings) for s in sets}
    found = [one for s, table in points.items() for one in _of_level(s, table, settings)]
    for _, group in groupby(sets, key=lambda s: s.length):
        found += _of_all_levels([points[s] for s in group], settings)
    if not found:
        kind = f"{target}, {filter_name}, {'FLC' if ctecorr else 'FLT'}, {aperture:g} px"
        raise CoefficientError(f"{settings.database_url}: no losses of {kind} that determine coefficients")
    return found


def _points(s, aperture, database, settings):
    return with_enough_stars(of_finest_bins(losses_of(s, aperture, database, settings), settings.bins))


def _of_level(s, points, settings):
    columns = (points[name] for name in ("mjd", "logflux", "loss", "loss_err", "epoch", "lo"))
    try:
        surface = fit_surface(*columns, "mag")
    except MonitorError as error:
        log.warning("no surface of %s %s, post-flash %g e-/px: %s", s.target, s.length, s.flashlvl, error)
        return []
    return [coefficients_of(surface, points, settings, f"database, post-flash {s.flashlvl:g} e-/px")]


def _of_all_levels(tables, settings):
    table = vstack(tables, metadata_conflicts="silent")
    table.meta["flashlvl"] = None
    table["epoch"] = mean_epoch(table["mjd"])
    _, chosen, reason = fit_levels(table)
    if chosen is None:
        log.info("no surface of all post-flash levels: %s", reason)
        return []
    return [coefficients_of(chosen.surface, table, settings, "database, all post-flash levels")]
