"""Losses that the database has, beside those that were put in: for the tests that ask whether the answer is right."""

import numpy as np
from astropy.table import Table

from wfc3_cte_monitor.database import Database
from wfc3_cte_monitor.records import StarPairs
from wfc3_cte_monitor.slopes import loss, measure_slopes
from wfc3_cte_monitor.tables import Schema


def compare(root, settings, ctecorr):
    """One row per pair of ngc104 and flux bin: loss, its error and the true one [mag / 2051 px]."""
    schema = Schema(settings.target_list, settings.aprads, settings.bins)
    with Database(settings.database_url, schema) as database:
        table = database.slopes("ngc104", 3, CTECORR=int(ctecorr))
    table["loss"], table["loss_err"] = loss(table["magslope"], "mag"), loss(table["magslope_err"], "mag")
    pairs = {(row["imagename_1"], row["imagename_2"]) for row in table}
    true = {pair: true_losses(root, *pair, settings.bins) for pair in pairs}
    table["true"] = [true[row["imagename_1"], row["imagename_2"]][row["lo"], row["hi"]] for row in table]
    table["ctecorr"] = ctecorr
    return table


def true_losses(root, imagename_1, imagename_2, bins):
    """What the same estimator gives on the noise-free fluxes of all stars."""
    one, two = (truth(root, name, chip) for name, chip in ((imagename_1, 1), (imagename_2, 2)))
    star_id, i, j = np.intersect1d(one["id"], two["id"], return_indices=True)
    stars = StarPairs(star_id, np.array(two["y"][j]), np.array(one["flux_3"][i]), np.array(two["flux_3"][j]))
    fits = measure_slopes(stars, bins)
    return {(fit.bin.lo, fit.bin.hi): float(loss(fit.mag.slope, "mag")) for fit in fits}


def truth(root, imagename, chip):
    table = Table.read(root / "truth" / imagename.replace(".fits", ".ecsv"))
    return table[table["chip"] == chip]
