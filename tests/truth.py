"""Losses that the database has, beside those that were put in: for the tests that ask whether the answer is right."""

import numpy as np

from wfc3_cte_monitor.database import Database
from wfc3_cte_monitor.pipeline.closure import true_losses
from wfc3_cte_monitor.pipeline.closure import true_stars as truth
from wfc3_cte_monitor.slopes import loss
from wfc3_cte_monitor.tables import Schema

__all__ = ["compare", "truth"]


def compare(root, settings, ctecorr):
    """One row per pair of ngc104 and flux bin: loss, its error and the true one [mag / 2051 px]."""
    schema = Schema(settings.target_list, settings.aprads, settings.bins)
    with Database(settings.database_url, schema) as database:
        table = database.slopes("ngc104", 3, CTECORR=int(ctecorr))
    table["loss"], table["loss_err"] = loss(table["magslope"], "mag"), loss(table["magslope_err"], "mag")
    pairs = {(row["imagename_1"], row["imagename_2"]) for row in table}
    true = {pair: true_losses(root, *pair, settings.bins) for pair in pairs}
    table["true"] = [true[row["imagename_1"], row["imagename_2"]][row["lo"], row["hi"]] for row in table]
    table["ctecorr"] = np.full(len(table), ctecorr)
    return table
