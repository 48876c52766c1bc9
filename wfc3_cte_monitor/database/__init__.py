"""The database: one transaction per exposure or pair, bulk inserts, reads that return records and tables."""

from wfc3_cte_monitor.database.backup import Backup, backup_path, backups_beside, make_backup, read_backup
from wfc3_cte_monitor.database.checks import check_database
from wfc3_cte_monitor.database.copy import TableCopy, copy_database, left_behind
from wfc3_cte_monitor.database.core import Database
from wfc3_cte_monitor.database.restore import Restored, restore_backup
from wfc3_cte_monitor.database.rows import fileinfo_row, results_row
from wfc3_cte_monitor.database.state import ClusterState, State, read_state
from wfc3_cte_monitor.database.sync import Sync, pending, sync_database

__all__ = [
    "Database",
    "Backup",
    "ClusterState",
    "Restored",
    "State",
    "Sync",
    "TableCopy",
    "backup_path",
    "backups_beside",
    "check_database",
    "copy_database",
    "fileinfo_row",
    "left_behind",
    "make_backup",
    "pending",
    "read_backup",
    "restore_backup",
    "read_state",
    "results_row",
    "sync_database",
]
