"""The engines, SQLite and PostgreSQL: how each is opened and locked, filled in bulk, and what its errors mean."""

import datetime
import os
import socket
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote as quote_path

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url

from wfc3_cte_monitor.errors import ConfigurationError

__all__ = [
    "open_engine",
    "parse_url",
    "without_password",
    "restructuring",
    "read_only_url",
    "dialect_insert",
    "insert_rows",
    "advance_sequences",
    "WRITERS_LOCK",
    "was_interrupted",
    "explain",
    "one_line",
]

_BUSY_SECONDS = 60
_BUSY_STEP = 200
"""Milliseconds that SQLite itself waits for another writer."""
_CONNECT_SECONDS = 10
_LOCKED = (
    f"another process has been writing for {_BUSY_SECONDS} s: try again when it is done; "
    "'uvis_external_cte database unlock' says who it is"
)
_OPERATIONS = 500_000
"""Of SQLite's machine, a tenth of a second or less."""
WRITERS_LOCK = 0x57464333
"""PostgreSQL's advisory lock of the one writer; any number will do that no other program uses."""
_COPY_TYPES = {sa.Integer: "int4", sa.Float: "float8", sa.String: "text", sa.Date: "date"}
_DRIVERS = {"sqlite": ("pysqlite",), "postgresql": ("psycopg",)}


# ---- Opening ---------------------------------------------------------------------------------------------------------


def parse_url(url):
    """The `sqlalchemy.URL` of a URL, or of the path of an SQLite file.

    Raises
    ------
    ConfigurationError
        It is not one, or is of a database or driver that the monitor does not know.
    """
    if isinstance(url, Path):
        return sa.URL.create("sqlite", database=str(url))
    try:
        url = make_url(url)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise ConfigurationError(f"db_url: {one_line(error)}") from error
    name, _, driver = url.drivername.partition("+")
    name = {"postgres": "postgresql"}.get(name, name)
    if name not in _DRIVERS or (driver and driver not in _DRIVERS[name]):
        known = "sqlite:///FILE and postgresql+psycopg://USER@HOST/DATABASE"
        raise ConfigurationError(f"db_url: {url.drivername} is not supported; what is: {known}")
    return url.set(drivername=f"{name}+{_DRIVERS[name][0]}" if name == "postgresql" else name)


def read_only_url(path):
    """The `sqlalchemy.URL` of an SQLite file that nothing shall happen to, not even that it is created."""
    return sa.URL.create("sqlite", database=f"file:{quote_path(str(path))}", query={"mode": "ro", "uri": "true"})


def open_engine(url):
    """The `sqlalchemy.Engine` of a `sqlalchemy.URL`; nothing is connected yet.

    Raises
    ------
    ConfigurationError
        The driver is not installed, or the URL is not one of its.
    """
    postgres = url.get_backend_name() == "postgresql"
    options = {"pool_pre_ping": True} if postgres else {}  # A server may have been restarted between two exposures.
    if postgres:
        name = f"wfc3_cte_monitor {socket.gethostname()[:32]} {os.getpid()}"  # for who asks the server who is at work
        arguments = {"connect_timeout": _CONNECT_SECONDS, "application_name": name}
        options["connect_args"] = {key: value for key, value in arguments.items() if key not in url.query}
    try:
        engine = sa.create_engine(url, **options)
    except ImportError as error:
        what = "db_url: PostgreSQL needs psycopg: pip install 'wfc3_cte_monitor[postgresql]'"
        raise ConfigurationError(f"{what} ({one_line(error)})") from error
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ValueError) as error:
        raise ConfigurationError(f"db_url: {one_line(error)}") from error
    (_prepare_postgresql if postgres else _prepare_sqlite)(engine)
    return engine


def without_password(url):
    """A URL as text that may be shown."""
    return url.difference_update_query(["password"]).render_as_string(hide_password=True)


def _prepare_sqlite(engine):
    """Foreign keys are off and transactions half automatic in Python's driver: switch on and take over."""

    @sa.event.listens_for(engine, "connect")
    def on_connect(connection, record):
        connection.isolation_level = None
        pragmas = ("foreign_keys = ON", "journal_mode = WAL", "synchronous = NORMAL")
        for pragma in pragmas if engine.url.query.get("mode") != "ro" else ():
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(f"PRAGMA busy_timeout = {1000 * _BUSY_SECONDS}")
        # Python hears Ctrl-C in its own code alone, and a statement may take minutes: it comes by.
        connection.set_progress_handler(lambda: None, _OPERATIONS)

    @sa.event.listens_for(engine, "begin")
    def on_begin(connection):
        driver = connection.connection.driver_connection
        if patience := _patience(connection):
            patience.take(partial(_begin_writing, driver, engine.dialect.loaded_dbapi), without_password(engine.url))
        else:
            driver.execute("BEGIN DEFERRED")


def _begin_writing(driver, dbapi):
    """Whether a transaction has begun that may write; SQLite waits where no interrupt reaches it, thus not for long."""
    driver.execute(f"PRAGMA busy_timeout = {_BUSY_STEP}")
    try:
        driver.execute("BEGIN IMMEDIATE")
    except dbapi.OperationalError as error:
        if "database is locked" not in str(error):
            raise
        return False
    finally:
        driver.execute(f"PRAGMA busy_timeout = {1000 * _BUSY_SECONDS}")
    return True


def _prepare_postgresql(engine):
    """One writer at a time, as with SQLite: who waits for nothing but the one lock cannot be in a deadlock."""

    @sa.event.listens_for(engine, "begin")
    def on_begin(connection):
        if patience := _patience(connection):
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_BUSY_SECONDS}s'")
            question = f"SELECT pg_try_advisory_xact_lock({WRITERS_LOCK})"
            patience.take(lambda: connection.exec_driver_sql(question).scalar(), without_password(engine.url))


def _patience(connection):
    """With which a connection waits that writes; None of one that reads."""
    return connection.get_execution_options().get("patience")


@contextmanager
def restructuring(engine, patience):
    """A connection and its transaction, of the one writer, in which tables can be taken apart and put together.

    SQLite would remove the rows that refer to a table when it goes, and touch what its name stands in when a new one
    takes it over; that it shall not cannot be said within a transaction.
    """
    plain = {"foreign_keys": ("OFF", "ON"), "legacy_alter_table": ("ON", "OFF")} if engine.name == "sqlite" else {}
    with engine.connect().execution_options(patience=patience) as connection:
        driver = connection.connection.driver_connection
        for name, (during, _) in plain.items():
            driver.execute(f"PRAGMA {name} = {during}")
        try:
            with connection.begin():
                yield connection
        finally:
            for name, (_, after) in plain.items():
                driver.execute(f"PRAGMA {name} = {after}")


# ---- Writing in bulk -------------------------------------------------------------------------------------------------


def dialect_insert(engine, table):
    """An INSERT of the engine's own dialect: only those know ON CONFLICT."""
    return (postgresql if engine.dialect.name == "postgresql" else sqlite).insert(table)


def insert_rows(connection, table, names, rows):
    """Bulk insert, past SQLAlchemy's work on each row's parameters.

    Parameters
    ----------
    connection : `sqlalchemy.Connection`
    table : `sqlalchemy.Table`
    names : sequence of str
        Columns.
    rows : sequence of tuple
        Python values, None for NULL, in the order of the columns.
    """
    quote = connection.dialect.identifier_preparer.quote
    columns = ", ".join(map(quote, names))
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        # Binary COPY takes 0.4 of the time of psycopg's executemany, and moves floats bit for bit.
        statement = f"COPY {quote(table.name)} ({columns}) FROM STDIN (FORMAT BINARY)"
        with connection.connection.driver_connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types([_COPY_TYPES[type(table.c[name].type)] for name in names])
            for row in rows:
                copy.write_row(row)
    else:
        marks = ", ".join("?" * len(names))
        statement = f"INSERT INTO {quote(table.name)} ({columns}) VALUES ({marks})"
        connection.exec_driver_sql(statement, _as_sqlite(table, names, rows))


def _as_sqlite(table, names, rows):
    """SQLite has no dates: they are text."""
    if not any(isinstance(table.c[name].type, sa.Date) for name in names):
        return rows
    return [tuple(v.isoformat() if isinstance(v, datetime.date) else v for v in row) for row in rows]


def advance_sequences(connection, tables):
    """After rows with ids of their own: the next id that PostgreSQL gives is above the largest."""
    if connection.dialect.name != "postgresql":
        return
    quote = connection.dialect.identifier_preparer.quote
    for table in tables:
        column = table.autoincrement_column
        largest = None if column is None else connection.execute(sa.select(sa.func.max(column))).scalar()
        if largest is not None and largest > 0:
            sequence = sa.func.pg_get_serial_sequence(quote(table.name), column.name)
            connection.execute(sa.select(sa.func.setval(sequence, largest)))


# ---- Errors ----------------------------------------------------------------------------------------------------------


def was_interrupted(error):
    """Whether an error of SQLite is what became of Ctrl-C in a long statement."""
    return isinstance(error, sa.exc.OperationalError) and str(error.orig) == "interrupted"


def one_line(error):
    """The text of an error without its line breaks."""
    return " ".join(str(error).split())


def explain(error, url):
    """One line that says what is wrong and, where it helps, what to do."""
    said = one_line(error)
    hints = {
        f'database "{url.database}" does not exist': f"create it first: createdb {url.database}",
        "password authentication failed": "see db_url, $PGPASSWORD and ~/.pgpass",
        "no password supplied": "see db_url, $PGPASSWORD and ~/.pgpass",
        "lock timeout": _LOCKED,
        "database is locked": _LOCKED,
        "database or disk is full": "No space left on device",
    }
    return "; ".join([said, *(hint for words, hint in hints.items() if words in said)])
