"""Where backups of a database lie."""

from wfc3_cte_monitor.database import backup_path, backups_beside

__all__ = ["backup_place", "backups_of"]


def backup_place(database, settings, kind):
    """Where a backup goes that is made for a reason, such as 'before_sync'."""
    return backup_path(_folder(database, settings), _name(database), kind)


def backups_of(database, settings):
    """The backups of a database, the newest last."""
    return backups_beside(_folder(database, settings), _name(database))


def _folder(database, settings):
    """Beside an SQLite file; the backups of a server lie where its file would be, else in the outputs."""
    return database.file.parent if database.file else settings.path_to_db or settings.path_to_outputs


def _name(database):
    return database.file.stem if database.file else database.url.database
