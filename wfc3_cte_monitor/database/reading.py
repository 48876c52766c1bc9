"""The database for those who only look: opened so that nothing can be written, its tables as astropy's."""

from pathlib import Path

import numpy as np
import sqlalchemy as sa
from astropy.table import MaskedColumn, Table

from wfc3_cte_monitor.database import engine as engines
from wfc3_cte_monitor.database.core import Database
from wfc3_cte_monitor.database.rows import plain
from wfc3_cte_monitor.errors import DatabaseError
from wfc3_cte_monitor.tables import Schema

__all__ = ["open_read_only", "read_table"]

_KINDS = {sa.Integer: np.int64, sa.Float: float}
_MISSING = {np.int64: 0, float: np.nan, str: ""}
"""What stands under the mask."""


def open_read_only(url: str | Path | sa.URL, schema: Schema) -> Database:
    """Open a database that is there, such that the engine itself refuses to write to it.

    Parameters
    ----------
    url : str or `pathlib.Path`
        SQLAlchemy URL, or the path of an SQLite file.
    schema : `tables.Schema`

    Returns
    -------
    database : `Database`

    Raises
    ------
    DatabaseError
        It does not exist, cannot be read, or does not fit its definitions.
    """
    database = Database(url, schema)
    database.check_exists()
    if database.file:
        database = Database(engines.read_only_url(database.file), schema)
    else:
        database.engine = database.engine.execution_options(postgresql_readonly=True)
    database.check(writable=False)
    return database


def read_table(database: Database, target: str | None, name: str, **conditions: object) -> Table:
    """One table of the database as it is.

    Parameters
    ----------
    database : `Database`
    target : str or None
        Cluster, such as 'ngc104'; None for a table that all clusters share, such as 'runs'.
    name : str
        Base name of the table: 'master', 'fileinfo', 'phot', 'results', ...
    **conditions
        Columns and their values, such as ``FILTER='F502N', CTECORR=0``: only rows that have them.

    Returns
    -------
    table : `astropy.table.Table`
        The columns of the definitions, in order of the primary key. NULL is masked, dates are text.

    Raises
    ------
    DatabaseError
        There is no such table or column, or it cannot be read.
    """
    if (target, name) not in database.schema.classes:
        known = sorted(of for one, of in database.schema.classes if one == target)
        raise DatabaseError(f"no table {name!r} of {target!r}" + (f"; there are {', '.join(known)}" if known else ""))
    table = database.schema.table(target, name)
    unknown = sorted(conditions.keys() - table.c.keys())
    if unknown:
        raise DatabaseError(f"{table.name} has no column {unknown[0]!r}")
    # A number from another table is numpy's, which a driver would not take for one.
    query = sa.select(table).where(*(table.c[column] == value for column, value in plain(conditions).items()))
    with database.reading() as connection:
        rows = connection.execute(query.order_by(*table.primary_key.columns)).all()
    columns = zip(*rows, strict=True) if rows else [()] * len(table.c)
    return Table({c.name: _column(c, values) for c, values in zip(table.c, columns, strict=True)})


def _column(column, values):
    kind = next((numpy for sql, numpy in _KINDS.items() if isinstance(column.type, sql)), str)
    missing = [value is None for value in values]
    data = [_MISSING[kind] if value is None else kind(value) for value in values]
    # Of no rows numpy could not tell how long a text is.
    data = np.array(data, dtype=kind) if data or kind is not str else np.array([], dtype="U1")
    return MaskedColumn(data, mask=missing) if any(missing) else data
