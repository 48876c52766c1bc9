"""The database: one transaction per exposure or pair, bulk inserts, reads that return records and tables."""

from wfc3_cte_monitor.database.backup import Backup, backup_path, backups_beside, make_backup, read_backup
from wfc3_cte_monitor.database.checks import check_database
from wfc3_cte_monitor.database.copy import TableCopy, copy_database, left_behind
from wfc3_cte_monitor.database.core import Database
from wfc3_cte_monitor.database.flags import flag_counts, joined_counts
from wfc3_cte_monitor.database.reading import open_read_only, read_table
from wfc3_cte_monitor.database.refill import replace_fileinfo, replace_phot
from wfc3_cte_monitor.database.restore import Restored, restore_backup
from wfc3_cte_monitor.database.rows import fileinfo_row, results_row
from wfc3_cte_monitor.database.runs import (
    KILLED,
    begin_run,
    end_run,
    failures,
    is_alive,
    remember_failure,
    running_runs,
)
from wfc3_cte_monitor.database.sessions import end_session, server_sessions
from wfc3_cte_monitor.database.state import ClusterState, State, read_state
from wfc3_cte_monitor.database.sync import Sync, pending, sync_database
from wfc3_cte_monitor.database.waiting import Patience

__all__ = [
    "Backup",
    "ClusterState",
    "Database",
    "KILLED",
    "Restored",
    "State",
    "Sync",
    "Patience",
    "TableCopy",
    "backup_path",
    "backups_beside",
    "begin_run",
    "check_database",
    "copy_database",
    "end_run",
    "end_session",
    "failures",
    "flag_counts",
    "is_alive",
    "joined_counts",
    "fileinfo_row",
    "left_behind",
    "make_backup",
    "open_read_only",
    "pending",
    "read_backup",
    "read_state",
    "read_table",
    "remember_failure",
    "replace_fileinfo",
    "replace_phot",
    "restore_backup",
    "results_row",
    "running_runs",
    "server_sessions",
    "sync_database",
]
