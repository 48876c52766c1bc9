"""The engines of photometry, by the names that the settings know; all have `find`, `measure` and `HOW`."""

from wfc3_cte_monitor import iraf, photometry

__all__ = ["engine_of"]


def engine_of(settings):
    """The module that measures the stars."""
    return {"python": photometry, "iraf": iraf}[settings.engine]
