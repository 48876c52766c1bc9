"""The database: one transaction per exposure or pair, bulk inserts, reads that return records and tables."""

from wfc3_cte_monitor.database.copy import TableCopy, copy_database, left_behind
from wfc3_cte_monitor.database.core import Database
from wfc3_cte_monitor.database.rows import fileinfo_row, results_row

__all__ = ["Database", "TableCopy", "copy_database", "left_behind", "fileinfo_row", "results_row"]
