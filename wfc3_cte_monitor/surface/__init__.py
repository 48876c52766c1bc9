"""The empirical model: fitted to losses, evaluated, and taken out of photometry."""

from wfc3_cte_monitor.surface.correction import correct
from wfc3_cte_monitor.surface.fit import MIN_STARS, finest_bins, fit_surface, predict

__all__ = ["MIN_STARS", "correct", "finest_bins", "fit_surface", "predict"]
