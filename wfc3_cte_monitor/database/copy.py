"""A database is copied to another engine, and compared with what arrived."""

import hashlib
import os
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from wfc3_cte_monitor.database.core import Database
from wfc3_cte_monitor.database.engine import advance_sequences, insert_rows
from wfc3_cte_monitor.database.structure import create_missing, existing_columns, own_tables
from wfc3_cte_monitor.errors import DatabaseError

__all__ = ["TableCopy", "copy_database", "copy_tables", "left_behind", "snapshot"]

_CHUNK = 5000
"""Rows in memory at a time."""


@dataclass(frozen=True)
class TableCopy:
    """What arrived of a table."""

    name: str
    rows: int
    checksum: str
    """Of the contents in order of the primary key, the same on every engine."""


def copy_database(source: Database, destination: Database) -> list[TableCopy]:
    """Copy the tables of a schema into an empty database; all of them arrive whole, or nothing does.

    Parameters
    ----------
    source, destination : `database.Database`
        Of the same schema. The tables of the destination are created where they do not exist.

    Returns
    -------
    copies : list of `TableCopy`
        Read back from the destination and equal to the source.

    Raises
    ------
    DatabaseError
        The source does not fit the schema; the destination is the source, or not empty; a value does not fit a
        column; what arrived is not what was sent.
    """
    _check_apart(source, destination)
    _check_source(source)
    metadata = source.schema.metadata
    with _nothing_left_on_failure(destination):
        destination.prepare()
        with snapshot(source) as origin, destination.transaction() as connection:
            _check_empty(destination, connection, metadata.sorted_tables)
            return copy_tables(metadata, origin, connection, source, destination)


def copy_tables(metadata, origin, connection, source, destination):
    """Copy the rows of tables, which are created where they do not exist.

    Parameters
    ----------
    metadata : `sqlalchemy.MetaData`
    origin, connection : `sqlalchemy.Connection`
        To read from and, in a transaction, to write to.
    source, destination : `database.Database`
        Theirs.

    Returns
    -------
    copies : list of `TableCopy`
        Read back, and equal to the source.

    Raises
    ------
    DatabaseError
        A value does not fit a column; what arrived is not what was sent.
    """
    tables = metadata.sorted_tables
    create_missing(connection, metadata)
    copies = [_copy_table(table, origin, connection, source, destination) for table in tables]
    advance_sequences(connection, tables)
    return copies


def left_behind(source: Database) -> list[str]:
    """What the database has and the schema does not, a sorted list of names: it is not copied."""
    metadata = source.schema.metadata
    with source.errors_named():
        existing = existing_columns(source.engine, metadata)
        others = own_tables(sa.inspect(source.engine).get_table_names(), source.schema) - existing.keys()
    columns = {f"{t}.{c}" for t, names in existing.items() for c in names.keys() - metadata.tables[t].columns.keys()}
    return sorted(others | columns)


# ---- Before ----------------------------------------------------------------------------------------------------------


def _check_apart(source, destination):
    if _identity(source) == _identity(destination):
        raise DatabaseError(f"database {destination.place}: is the configured database itself; name another one")


def _identity(database):
    """What makes two URLs the same database, whoever asks and however it is spelt."""
    url = database.url
    if database.file:
        return os.path.realpath(database.file)
    host = {"localhost": "127.0.0.1", None: "", "": ""}.get(url.host, url.host)
    return url.get_backend_name(), host, url.port or 5432, url.database or url.username


def _check_source(source):
    if source.file and not source.file.is_file():
        raise DatabaseError(f"database {source.place}: does not exist; there is nothing to copy")
    source.check(writable=False)


def _check_empty(destination, connection, tables):
    names = {*sa.inspect(connection).get_table_names()}
    existing = [table for table in tables if table.name in names]
    destination.check([table.name for table in existing])
    for table in existing:
        if connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first():
            raise DatabaseError(
                f"database {destination.place}: is not empty, {table.name} has rows; name an empty or a new one"
            )


@contextmanager
def _nothing_left_on_failure(destination):
    """A file that was not there before is not there after a failure either; a transaction sees to the rest."""
    new = destination.file is not None and not destination.file.exists()
    try:
        yield
    except BaseException:
        if new:
            destination.engine.dispose()
            for suffix in ("", "-wal", "-shm"):
                destination.file.with_name(destination.file.name + suffix).unlink(missing_ok=True)
        raise


# ---- The copy itself -------------------------------------------------------------------------------------------------


@contextmanager
def snapshot(source):
    """A connection that sees one state of the source, whoever writes meanwhile."""
    options = {} if source.engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
    with source.errors_named(), source.engine.connect().execution_options(**options) as connection:
        yield connection


def _copy_table(table, origin, connection, source, destination):
    sent, names = _Checksum(), table.columns.keys()
    try:
        with source.errors_named():
            for rows in _chunks(table, origin):
                sent.add(rows)
                with destination.errors_named():
                    insert_rows(connection, table, names, rows)
    except (TypeError, ValueError, OverflowError) as error:  # SQLite lets anything into any column.
        raise DatabaseError(
            f"database {source.place}: {table.name}: a value does not fit its column: {error}"
        ) from error
    arrived = _Checksum()
    for rows in _chunks(table, connection):
        arrived.add(rows)
    if (sent.rows, sent.value) != (arrived.rows, arrived.value):
        raise DatabaseError(
            f"database {destination.place}: {table.name} did not arrive as it was: {arrived.rows} of {sent.rows} rows, "
            f"checksum {arrived.value} instead of {sent.value}; nothing was kept"
        )
    return TableCopy(table.name, arrived.rows, arrived.value)


def _chunks(table, connection):
    """Lists of rows in order of the primary key, in the one form that all engines share."""
    query = sa.select(table).order_by(*table.primary_key.columns)
    result = connection.execute(query.execution_options(yield_per=_CHUNK))
    floats = [i for i, column in enumerate(table.columns) if isinstance(column.type, sa.Float)]
    for rows in result.partitions():
        yield [_canonical(row, floats) for row in rows]


def _canonical(row, floats):
    """SQLite knows neither NaN, which is NULL there, nor a sign of zero."""
    values = list(row)
    for i in floats:
        value = values[i]
        if value is not None:
            values[i] = None if value != value else value + 0.0
    return tuple(values)


class _Checksum:
    """Of rows that come in chunks; ``repr`` gives every bit of a float, and tells 1 from 1.0 and None from 'None'."""

    def __init__(self):
        self.rows = 0
        self._sum = hashlib.sha256()

    def add(self, rows):
        self.rows += len(rows)
        self._sum.update("".join(f"{row!r}\n" for row in rows).encode("utf-8", "surrogateescape"))

    @property
    def value(self):
        return self._sum.hexdigest()[:16]
