"""A backup becomes the database again; what was there is kept as another backup."""

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from wfc3_cte_monitor.database import engine as engines
from wfc3_cte_monitor.database.backup import copy_pages, make_backup, plain_connection, read_backup
from wfc3_cte_monitor.database.copy import copy_tables, snapshot
from wfc3_cte_monitor.database.core import Database
from wfc3_cte_monitor.database.structure import own_tables, reflected
from wfc3_cte_monitor.errors import DatabaseError

__all__ = ["Restored", "restore_backup"]

_DAMAGED = ("malformed", "not a database", "is damaged")
_SUFFIXES = ("", "-wal", "-shm", "-journal")


@dataclass(frozen=True)
class Restored:
    """What became of a database."""

    rows: dict[str, int]
    """Name of a table -> number of its rows."""
    kept: Path | None
    """Where that is what was there before; None where there was nothing."""


def restore_backup(database: Database, path: Path, keep: Path) -> Restored:
    """Replace what a database holds by a backup; all of it, or nothing is changed.

    Parameters
    ----------
    database : `database.Database`
    path : `pathlib.Path`
        The backup, or any SQLite file with tables of the monitor; it is read, and not touched.
    keep : `pathlib.Path`
        Where what is there now is kept.

    Returns
    -------
    restored : `Restored`

    Raises
    ------
    DatabaseError
        The file is not whole, not of this monitor, or the database itself; another process has the database open.
    """
    if database.file and path.resolve() == database.file.resolve():
        raise DatabaseError(f"backup {path}: is the configured database itself; name a backup of it")
    backup = read_backup(path, database.schema)
    database.prepare()
    kept = (_into_file if database.file else _into_server)(database, path, keep)
    if database.file and read_backup(database.file, database.schema).rows != backup.rows:
        raise DatabaseError(f"database {database.place}: is not as {path}; what was there before is {kept}")
    return Restored(backup.rows, kept)


def _into_server(database, path, keep):
    """Tables and rows in one transaction."""
    with Database(engines.read_only_url(path), database.schema) as source, snapshot(source) as origin:
        metadata = reflected(origin, own_tables(sa.inspect(origin).get_table_names(), database.schema))
        with database.transaction() as connection:  # The lock is held: nobody writes between backup and end.
            kept = make_backup(database, keep).path
            names = own_tables(sa.inspect(connection).get_table_names(), database.schema)
            reflected(connection, names).drop_all(connection)
            copy_tables(metadata, origin, connection, source, database)
    return kept


def _into_file(database, path, keep):
    """By SQLite itself, page by page in one transaction: no file is exchanged under those who would open it."""
    with database.errors_named():
        database.engine.dispose()
        kept = _keep(database, keep) if database.file.exists() else None
        database.engine.dispose()
        with plain_connection(engines.read_only_url(path)) as source, _alone(database) as target:
            copy_pages(source, target, locked=lambda: _refuse(database))
    return kept


def _keep(database, keep):
    """What is too damaged for a backup is put aside as it is."""
    try:
        with _alone(database):
            pass
        return make_backup(database, keep).path
    except (DatabaseError, database.engine.dialect.loaded_dbapi.Error) as error:
        if not any(words in str(error) for words in _DAMAGED):
            raise
    aside = keep.with_name(f"{keep.stem}_damaged{keep.suffix}")
    database.engine.dispose()
    for suffix in _SUFFIXES:
        part = database.file.with_name(database.file.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside


@contextmanager
def _alone(database):
    """A connection that nobody else has: SQLite leaves the mode of a write-ahead log to the last one only."""
    with plain_connection(sa.URL.create("sqlite", database=str(database.file))) as connection:
        try:
            connection.execute("PRAGMA journal_mode = DELETE")
        except database.engine.dialect.loaded_dbapi.OperationalError as error:
            if "locked" in str(error):
                _refuse(database)
            raise
        yield connection


def _refuse(database):
    raise DatabaseError(
        f"database {database.place}: another process has it open; end it, or wait until it is done, and try again"
    )
