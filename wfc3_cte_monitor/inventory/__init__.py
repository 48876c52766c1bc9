"""Is all there that should be? What files say of themselves, against what the configuration expects of each program."""

from wfc3_cte_monitor.inventory.compare import Inventory, Row, compare
from wfc3_cte_monitor.inventory.stock import Finding, FoundFile, Stock, sort_out

__all__ = ["FoundFile", "Finding", "Row", "Inventory", "Stock", "sort_out", "compare"]
