"""The empirical model: fitted to losses, evaluated, and taken out of photometry."""

from wfc3_cte_monitor.surface.combined import SEPARATE, LossPoints, Trial, choose, compare_models
from wfc3_cte_monitor.surface.correction import common_range, correct, shares_of
from wfc3_cte_monitor.surface.evaluate import predict
from wfc3_cte_monitor.surface.fit import MIN_STARS, finest_bins, fit_surface

__all__ = [
    "MIN_STARS",
    "SEPARATE",
    "LossPoints",
    "Trial",
    "choose",
    "common_range",
    "compare_models",
    "correct",
    "finest_bins",
    "fit_surface",
    "predict",
    "shares_of",
]
