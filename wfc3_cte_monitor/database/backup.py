"""A backup: one SQLite file, whatever the engine, verified before it has its name; taken while others write."""

import datetime
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from wfc3_cte_monitor.database import engine as engines
from wfc3_cte_monitor.database.copy import copy_tables, snapshot
from wfc3_cte_monitor.database.core import Database
from wfc3_cte_monitor.database.structure import own_tables, reflected
from wfc3_cte_monitor.errors import DatabaseError
from wfc3_cte_monitor.tables import Schema

__all__ = [
    "Backup",
    "make_backup",
    "backup_path",
    "backups_beside",
    "read_backup",
    "count_rows",
    "copy_pages",
    "plain_connection",
]

_PAGES = 2000
"""Copied at a time: between them Ctrl-C is heard."""
_LOCKED = (5, 6)
"""SQLite's BUSY and LOCKED."""
_PAUSE = 0.1
"""Seconds until a page that is locked is tried again."""


@dataclass(frozen=True)
class Backup:
    """A file that was read back."""

    path: Path
    rows: dict[str, int]
    """Name of a table -> number of its rows."""


def backup_path(folder: Path, name: str, kind: str, now: datetime.datetime | None = None) -> Path:
    """Where a backup goes: ``<name>.<kind>_<UTC time>.db`` in a folder.

    Parameters
    ----------
    folder : `pathlib.Path`
    name : str
        Of the database.
    kind : str
        Why it is made, such as 'before_sync'.
    now : `datetime.datetime`, optional
    """
    now = now or datetime.datetime.now(datetime.UTC)
    time = now.isoformat(timespec="milliseconds").partition("+")[0].replace(":", "-")
    return folder / f"{name}.{kind}_{time}Z.db"


def backups_beside(folder: Path, name: str) -> list[Path]:
    """The backups of a database that lie in a folder, the newest last."""
    return sorted(folder.glob(f"{name}.*_*Z.db"), key=lambda path: path.name.rpartition("_")[2])


def make_backup(database: Database, path: Path, *, force: bool = False) -> Backup:
    """Write what a database holds at one moment to a file.

    SQLite copies its own pages. From PostgreSQL the rows are copied, and compared by checksum: pg_dump may be missing,
    or older than the server, and what it writes can only be read by a server.

    Parameters
    ----------
    database : `database.Database`
    path : `pathlib.Path`
        Whole or not there at all.
    force : bool, optional
        Replace a file that is there.

    Returns
    -------
    backup : `Backup`

    Raises
    ------
    DatabaseError
        The file is there already, or cannot be written; the database cannot be read, or is damaged.
    """
    if path.exists() and not force:
        raise DatabaseError(f"backup {path}: is there already; name another one, or replace it with --force")
    if not path.parent.is_dir():
        raise DatabaseError(f"backup {path}: there is no folder {path.parent}")
    with _whole(path) as partial:
        with _named(path, database):
            rows = (_copy_pages if database.file else _copy_rows)(database, partial)
            _make_self_contained(partial)
        arrived = _verified(partial, database.schema)
        if arrived != rows:
            table = next(name for name in rows if rows[name] != arrived.get(name))
            raise DatabaseError(
                f"backup {path}: {arrived.get(table)} of {rows[table]} rows of {table} arrived; nothing was kept"
            )
    return Backup(path, rows)


@contextmanager
def _named(path, database):
    """An error may be of either."""
    try:
        with database.errors_named():
            yield
    except DatabaseError as error:
        raise DatabaseError(f"backup {path}: {error}") from error


@contextmanager
def _whole(path):
    """A name beside that of a file, which takes its place when the block ends well and goes when it does not."""
    partial = path.with_name(f".{path.name}.part")
    partial.unlink(missing_ok=True)
    try:
        yield partial
        partial.replace(path)
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            partial.with_name(partial.name + suffix).unlink(missing_ok=True)


def _copy_pages(database, path):
    """By SQLite itself, of the one state that a transaction sees: who writes meanwhile is neither seen nor blocked."""
    with database.engine.connect() as connection, plain_connection(_url(path)) as target:
        rows = count_rows(connection, database.schema)
        copy_pages(connection.connection.driver_connection, target)
    return rows


def copy_pages(source, target, locked=None):
    """Overwrite an SQLite database by another one.

    Parameters
    ----------
    source, target : driver's connections
    locked : callable, optional
        Called when another process keeps it from going on; may raise.
    """

    def progress(status, remaining, total):
        if locked and status in _LOCKED:
            locked()

    source.backup(target, pages=_PAGES, progress=progress, sleep=_PAUSE)


def _copy_rows(database, path):
    """In the order in which they refer to each other, with the checksums of `copy_database`."""
    with Database(path, database.schema) as target, snapshot(database) as origin:
        metadata = reflected(origin, own_tables(sa.inspect(origin).get_table_names(), database.schema))
        with target.transaction() as connection:
            return {one.name: one.rows for one in copy_tables(metadata, origin, connection, database, target)}


def _make_self_contained(path):
    """One file that can be read where nothing can be written, and is on the disk when the power fails."""
    with plain_connection(_url(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")


def _url(path):
    return sa.URL.create("sqlite", database=str(path))


@contextmanager
def plain_connection(url):
    """The driver's own connection to an SQLite file, without any settings."""
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        yield connection.connection.driver_connection


def read_backup(path: Path, schema: Schema) -> Backup:
    """What is in a file, when all is well with it.

    Parameters
    ----------
    path : `pathlib.Path`
    schema : `tables.Schema`
        Whose tables are looked for; they need not be as it defines them.

    Returns
    -------
    backup : `Backup`

    Raises
    ------
    DatabaseError
        It is not a database, is damaged, or is not one of this monitor.
    """
    if not path.is_file():
        raise DatabaseError(f"backup {path}: there is no such file")
    rows = _verified(path, schema)
    if not rows:
        raise DatabaseError(f"backup {path}: holds none of the tables of this monitor")
    return Backup(path, rows)


def _verified(path, schema):
    with Database(engines.read_only_url(path), schema) as copy, copy.reading() as connection:
        said = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
        if said != ["ok"]:
            raise DatabaseError(f"{path}: is damaged: {said[0]}")
        return count_rows(connection, schema)


def count_rows(connection, schema):
    """Number of rows of each table of the monitor, name -> rows."""
    names = sorted(own_tables(sa.inspect(connection).get_table_names(), schema))
    count = sa.select(sa.func.count())
    return {name: connection.execute(count.select_from(sa.table(name))).scalar_one() for name in names}
