"""The database: one transaction per exposure or pair, bulk inserts, reads that return records and tables."""

from wfc3_cte_monitor.database.copy import TableCopy, copy_database, left_behind
from wfc3_cte_monitor.database.core import Database
from wfc3_cte_monitor.database.rows import fileinfo_row, results_row
from wfc3_cte_monitor.database.runs import KILLED, begin_run, end_run, failures, remember_failure, running_runs
from wfc3_cte_monitor.database.sessions import end_session, server_sessions
from wfc3_cte_monitor.database.waiting import Patience

__all__ = [
    "Database",
    "KILLED",
    "Patience",
    "TableCopy",
    "begin_run",
    "copy_database",
    "end_run",
    "end_session",
    "failures",
    "fileinfo_row",
    "left_behind",
    "remember_failure",
    "results_row",
    "running_runs",
    "server_sessions",
]
