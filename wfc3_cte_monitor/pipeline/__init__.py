"""The steps in order: prepare, extract, measure, draw. `run` reads like the recipe."""

from wfc3_cte_monitor.pipeline.recipe import run
from wfc3_cte_monitor.pipeline.request import PLOTS, Request, Summary

__all__ = ["run", "Request", "Summary", "PLOTS"]
