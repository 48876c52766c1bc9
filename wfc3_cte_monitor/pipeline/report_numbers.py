"""The numbers of the web page: what has moved, the coefficients, the health of the database."""

from collections import Counter
from functools import partial

import numpy as np

from wfc3_cte_monitor import outputs, report
from wfc3_cte_monitor.database import check_database, read_state
from wfc3_cte_monitor.errors import MonitorError
from wfc3_cte_monitor.pipeline.backups import backups_of
from wfc3_cte_monitor.pipeline.losses import of_finest_bins, with_enough_stars
from wfc3_cte_monitor.pipeline.pair_pages import FILES, title_of_set
from wfc3_cte_monitor.pipeline.sharing import name_of, shareable
from wfc3_cte_monitor.records import ExposureSet, mjd_to_year, target_name
from wfc3_cte_monitor.surface import predict

__all__ = ["glance", "coefficient_content", "health"]

_HEADLINE_FLUX = 1000.0
"""The bin of the first glance has this flux [e-]."""
_OF_ONE_EPOCH = 120.0
"""Sets whose last epoch is older than the newest by more than this are of an earlier one [days]."""
_MOST_ROWS_CHECKED = 5_000_000
"""Of a larger database the check of every row takes minutes: it is left to the command."""


# ---- At a glance -----------------------------------------------------------------------------------------------------


def glance(sets, folder, settings):
    """Whether the loss has moved since the last epoch.

    Parameters
    ----------
    sets : list of `pipeline.pair_pages.SetOfPairs`
        Nominal ones.
    folder : `pathlib.Path`
        Of the report, with the coefficient files in it.
    settings : `settings.Settings`

    Returns
    -------
    content : dict
        Of the template; the movements are those of sets that have data of the newest epoch.
    """
    aperture = settings.aprads[0]
    found, newest = [], max((pair.mjd for one in sets for pair in one.pairs.values()), default=None)
    for one in sets:
        losses = with_enough_stars(of_finest_bins(one.losses[aperture], settings.bins))
        expected = _expected(one.subject, losses, aperture, folder)
        moves = report.movements(losses, expected)
        if moves and newest - moves[0].epoch < _OF_ONE_EPOCH:
            found.append({"title": one.title, "movements": moves, "headline": _headline(one, moves, sets)})
    every = [move for one in found for move in one["movements"] if np.isfinite(move.deviation) and move.is_constrained]
    surprises = sum(move.is_surprise for move in every)
    return {
        "glance": found,
        "surprises": surprises,
        "verdict": _verdict(found, len(every), surprises, newest),
        "newest": newest,
        "unit": next((one.losses[aperture].meta["loss_unit"] for one in sets), ""),
        "aperture": aperture,
    }


def _headline(one, moves, sets):
    """The movement to be seen first; that of the least post-flash of FLT alone."""
    levels = [s.subject.flashlvl for s in sets if _without_level(s.subject) == _without_level(one.subject)]
    if one.subject.ctecorr or one.subject.flashlvl != min(levels):
        return None
    return next((m for m in moves if m.lo <= _HEADLINE_FLUX < m.hi), moves[0])


def _without_level(s):
    return s.target, s.filter, s.length, s.ctecorr


def _expected(s, losses, aperture, folder):
    """The loss and its error by the coefficients of the data until the epoch before the last; None without any."""
    epochs = np.unique(losses["epoch"])
    if len(epochs) < 2:
        return None
    name = f"{outputs.set_name('cteVSlogflux', s, aperture)}_mjd{epochs[-2]:.0f}_coeffs.txt"
    path = folder / FILES / outputs.flash_folder(s.flashlvl, s.ctecorr) / "cte_vs_logflux" / name
    try:
        surface = outputs.read_coefficients(path).surface
    except MonitorError:
        return None
    return partial(_predicted, surface)


def _predicted(surface, mjd, log_flux):
    loss, err = predict(surface, mjd, log_flux)
    return loss, np.hypot(err, surface.scatter)


def _verdict(found, n_compared, surprises, newest):
    if not found:
        return "There is nothing to compare yet."
    moved = Counter(move.arrow for one in found for move in one["movements"])
    of_epoch = f"Epoch {mjd_to_year(newest):.2f}: of {sum(moved.values())} losses (sets and flux bins)"
    changes = f"{moved['up']} have grown and {moved['down']} have shrunk by more than 2 standard errors"
    if not n_compared:
        return f"{of_epoch} {changes} since the epoch before; no coefficients of the epochs before say what to expect."
    return (
        f"{of_epoch} {changes} since the epoch before; {surprises or 'none'} of {n_compared} "
        f"{'are' if surprises > 1 else 'is'} more than 3 standard errors off what the coefficients of the epochs "
        "before predict."
    )


# ---- Coefficients ----------------------------------------------------------------------------------------------------


def coefficient_content(coefficients, settings):
    """The coefficients as tables to read and texts to copy.

    Parameters
    ----------
    coefficients : list of (str, `records.Coefficients`)
        With the name of their file in the report.
    settings : `settings.Settings`

    Returns
    -------
    content : dict
        Of the template.
    """
    of_level = [(name, one) for name, one in coefficients if one.flashlvl is not None]
    of_all = [(name, one) for name, one in coefficients if one.flashlvl is None]
    tables = []
    for aperture in settings.aprads:
        some = [(name, one) for name, one in of_level if np.isclose(one.aperture, aperture)]
        if some:
            tables.append(_coefficient_table(aperture, some))
    return {
        "tables": tables,
        "of_all": [{"file": name, "title": _title_of(one, with_aperture=True)} for name, one in of_all],
        "can_calculate": any(one.surface.unit == "mag" for _, one in coefficients),
    }


def _coefficient_table(aperture, some):
    table = outputs.coefficient_table([one for _, one in some])
    rows = [
        {
            "title": _title_of(one),
            "epoch": one.epoch_mjd,
            "cells": one.surface.coefficients.ravel().tolist(),
            "file": name,
        }
        for name, one in some
    ]
    forms = {"LaTeX": "latex", "Markdown": "markdown", "CSV": "csv", "ECSV": "ecsv"}
    return {
        "aperture": aperture,
        "names": [f"c{i}{j}" for i in range(3) for j in range(3)],
        "rows": rows,
        "texts": [(words, outputs.table_text(table, form)) for words, form in forms.items()],
    }


def _title_of(one, with_aperture=False):
    s = ExposureSet(one.target, one.filter, one.length, one.flashlvl, one.ctecorr)
    return title_of_set(s, one.subset) + (f", {one.aperture:g} px" if with_aperture else "")


# ---- Health ------------------------------------------------------------------------------------------------------


def health(database, settings):
    """What the database holds, and whether it is well.

    Parameters
    ----------
    database : `database.Database`
    settings : `settings.Settings`

    Returns
    -------
    content : dict
        Of the template.
    """
    state = read_state(database)
    n_rows = sum(state.rows.values())
    checked = n_rows <= _MOST_ROWS_CHECKED
    findings = [shareable(line, database, settings) for line in check_database(database)] if checked else []
    well = f"{n_rows} rows checked: integrity, references, doubles, files; nothing found."
    unknown = f"{n_rows} rows: too many to check after every run; uvis_external_cte database check does."
    backups = backups_of(database, settings)
    n_findings = f"{len(findings)} finding{'s' if len(findings) > 1 else ''}; see uvis_external_cte database check."
    return {
        "verdict": n_findings if findings else well if checked else unknown,
        "findings": findings,
        "place": name_of(database),
        "engine": state.engine,
        "size": state.size,
        "clusters": [_cluster(target, one, state.rows) for target, one in state.clusters.items()],
        "backup": f"Newest backup: {backups[-1].name}" if backups else "No backup: uvis_external_cte database backup",
    }


def _cluster(target, one, rows):
    return {
        "name": target_name(target),
        "exposures": len(one.exposures),
        "pairs": one.pairs,
        "stars": rows.get(f"{target}_phot", 0),
        "failures": one.failures,
    }
