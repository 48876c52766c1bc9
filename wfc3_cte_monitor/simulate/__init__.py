"""Exposures of star clusters with a known CTE loss: the demo, the tests, the validation.

`simulate_observatory` writes a whole data tree; `simulate_exposure` makes one file in memory.
"""

from wfc3_cte_monitor.simulate.clusters import Cluster, make_cluster, master_catalog
from wfc3_cte_monitor.simulate.exposure import HARSH, IDEAL, REAL, ChipStars, Effects, simulate_exposure, stars_on_chip
from wfc3_cte_monitor.simulate.loss import SURFACE, loss_factor, true_loss
from wfc3_cte_monitor.simulate.observatory import simulate_observatory, surface_table, truth_table
from wfc3_cte_monitor.simulate.optics import OpticalPsf
from wfc3_cte_monitor.simulate.plan import (
    PlannedExposure,
    PlannedVisit,
    default_plan,
    oddities_plan,
    same_chip_plan,
)
from wfc3_cte_monitor.simulate.trapping import TRAPPING, Trapping, read_out

__all__ = [
    "simulate_observatory",
    "simulate_exposure",
    "Effects",
    "REAL",
    "HARSH",
    "IDEAL",
    "Cluster",
    "make_cluster",
    "master_catalog",
    "ChipStars",
    "stars_on_chip",
    "PlannedExposure",
    "PlannedVisit",
    "default_plan",
    "same_chip_plan",
    "oddities_plan",
    "OpticalPsf",
    "Trapping",
    "TRAPPING",
    "read_out",
    "SURFACE",
    "loss_factor",
    "true_loss",
    "truth_table",
    "surface_table",
]
