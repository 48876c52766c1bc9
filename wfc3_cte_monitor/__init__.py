"""The external CTE monitor of HST's WFC3/UVIS."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wfc3_cte_monitor.pipeline.correct import correct_photometry
    from wfc3_cte_monitor.pipeline.results import open_results

__version__ = "0.3.0"
__all__ = ["correct_photometry", "open_results"]


def __getattr__(name: str) -> Any:
    """Only who corrects photometry, or looks at results, waits for what that imports."""
    if name == "correct_photometry":
        from wfc3_cte_monitor.pipeline.correct import correct_photometry

        return correct_photometry
    if name == "open_results":
        from wfc3_cte_monitor.pipeline.results import open_results

        return open_results
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
