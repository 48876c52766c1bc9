"""Figures of the monitor: one module a figure, tables and records in, `matplotlib.figure.Figure` out.

A figure does not query, fit, or name a file, and it never goes through pyplot: whoever asked for it saves it with
``figure.savefig(...)``, and it is freed like any other object. Functions are called ``plot_<module>``, so that a module
and its function never compete for one name.
"""

from wfc3_cte_monitor.plots.comparison import plot_comparison
from wfc3_cte_monitor.plots.cte_flashlvl import plot_cte_flashlvl
from wfc3_cte_monitor.plots.cte_logflux import plot_cte_logflux
from wfc3_cte_monitor.plots.cte_time import plot_cte_time
from wfc3_cte_monitor.plots.diagnostic import plot_diagnostic
from wfc3_cte_monitor.plots.model_on_reality import plot_model_on_reality
from wfc3_cte_monitor.plots.photom_tests import plot_photom_tests
from wfc3_cte_monitor.plots.ratio_ypos import plot_ratio_ypos
from wfc3_cte_monitor.plots.same_chip import plot_same_chip_expt, plot_same_chip_logflux
from wfc3_cte_monitor.plots.validation import plot_validation

__all__ = [
    "plot_comparison",
    "plot_cte_flashlvl",
    "plot_cte_logflux",
    "plot_cte_time",
    "plot_diagnostic",
    "plot_model_on_reality",
    "plot_photom_tests",
    "plot_ratio_ypos",
    "plot_same_chip_expt",
    "plot_same_chip_logflux",
    "plot_validation",
]
