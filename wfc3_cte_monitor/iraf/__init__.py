"""The second engine of photometry: IRAF's own `phot`, with the contract of the room `photometry`."""

from wfc3_cte_monitor.iraf.engine import HOW, find, measure
from wfc3_cte_monitor.iraf.task import require_iraf

__all__ = ["find", "measure", "require_iraf", "HOW"]
