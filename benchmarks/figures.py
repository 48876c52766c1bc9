"""All figures of an archive of pairs, and the coefficients beside them, against figures with nothing in them."""

import tempfile
import time
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from wfc3_cte_monitor.commands.setup import default_answers, set_up
from wfc3_cte_monitor.database import Database, fileinfo_row, results_row
from wfc3_cte_monitor.pipeline.draw import all_levels, draw_results
from wfc3_cte_monitor.pipeline.request import Request, Summary
from wfc3_cte_monitor.records import Exposure, ExposurePair, LineFit, SlopeFit
from wfc3_cte_monitor.settings import read_settings
from wfc3_cte_monitor.tables import Schema

__all__ = ["rows"]

N_EPOCHS, JOBS = 60, 2
SETS = [*product(("ngc104", "ngc6791"), (30.0, 350.0), (0, 12, 33), (False, True))]
"""Cluster, exposure time, flash level, FLC: the sets of an archive of fifteen years, four epochs a year."""
EXPOSURE = Exposure(
    Path("data/14541/x_flt.fits"), "x", 14541, "ngc104", "F502N", 350.0, 55e3, 0.0, False, 2, 0.0, 0.0, 0.0
)
PLACES = {"PHOTPATH": "", "COOFILE": "", "MAGFILE": ""}
MEASURED = {"SLOPEFILE": "", "SLOPEFILE_PATH": "", "BACKGROUND_1": 3.0, "BACKGROUND_2": 3.0, "NUMSTARS": 100}


def rows(folder):
    """(name, seconds, name of the floor, seconds of the floor) of drawing."""
    settings = read_settings(set_up(default_answers(folder)))
    database = Database(settings.database_url, Schema(settings.target_list, settings.aprads, settings.bins))
    database.create()
    n_pairs = fill(database, settings)
    kinds = {(float(flash), ctecorr) for _, _, flash, ctecorr in SETS}
    kinds |= all_levels(kinds, database, settings)
    summary = Summary(folder / "log")
    with tempfile.TemporaryDirectory(dir=folder) as staging:
        begin = time.perf_counter()
        draw_results(kinds, database, Request("all", jobs=JOBS), settings, Path(staging), summary)
        seconds = time.perf_counter() - begin
    empty = np.median([seconds_of_nothing(folder / "empty.png") for _ in range(10)])
    name = f"{summary.figures} figures, {n_pairs} pairs, {JOBS} processes"
    return [(name, seconds, "as many empty ones, one process", summary.figures * empty)]


def fill(database, settings):
    """Slopes of one pair for each set and epoch; the number of pairs."""
    random = np.random.default_rng(0)
    for number, (epoch, one) in enumerate(product(range(N_EPOCHS), SETS)):
        pair = pair_of(number, 55100.0 + 90.0 * epoch, *one)
        with database.transaction() as connection:
            for exposure in (pair.one, pair.two):
                row = fileinfo_row(exposure, PLACES | {"CHIP": exposure.chip, "TOTBKGRD": 3.0, "FINGERPRINT": "0" * 32})
                database.upsert(connection, exposure.target, "fileinfo", [row])
        fits = [SlopeFit(b, 100, np.sqrt(b.lo * b.hi), line(random), line(random)) for b in settings.bins]
        results = [results_row(pair, radius, MEASURED | {"FINGERPRINT": "0" * 32}, fits) for radius in settings.aprads]
        database.store_results(pair.two.target, results, (pair.one.imagename, pair.two.imagename))
    return N_EPOCHS * len(SETS)


def pair_of(number, mjd, target, exptime, flash, ctecorr):
    stem, kind = f"i{np.base_repr(number, 36).lower().zfill(3)}01", "flc" if ctecorr else "flt"
    same = {"target": target, "exptime": exptime, "flashlvl": float(flash), "ctecorr": ctecorr, "expstart": mjd}
    one, two = (
        replace(EXPOSURE, **same, chip=chip, rootname=f"{stem}0{chip}q", path=Path(f"{stem}0{chip}q_{kind}.fits"))
        for chip in (1, 2)
    )
    return ExposurePair(one, two)


def line(random):
    return LineFit(1e-4 + random.normal(0, 1e-5), 1e-5, 1.0, 0.01, 0.0, np.ones(100, dtype=bool))


def seconds_of_nothing(path):
    """Eight empty axes, as in most figures, drawn and saved."""
    begin = time.perf_counter()
    figure = Figure(figsize=(11.7, 6.6))
    figure.subplots(2, 4, sharex=True, sharey=True)
    figure.savefig(path, dpi=120)
    return time.perf_counter() - begin
