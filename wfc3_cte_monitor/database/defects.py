"""Rows that are not as the definitions want them: how many, and which is the first."""

import sqlalchemy as sa

from wfc3_cte_monitor.database.convert import converted, fits_surely

__all__ = ["row_name", "first_misfit", "first_null", "first_double", "any_row"]

_CHUNK = 5000
"""Rows in memory at a time."""


def row_name(keys, values):
    """The key of a row, as people would ask for it: 'FILE_ID 1, MASTER_ID 9'."""
    return ", ".join(f"{key} {value}" for key, value in zip(keys, values, strict=True))


def first_misfit(connection, table, keys, column, old, name):
    """What is wrong with the first value that is none of another type, or None.

    Parameters
    ----------
    connection : `sqlalchemy.Connection`
    table : str
    keys : sequence of str
        Columns that tell a row.
    column : str
    old : type
        Of the definitions, that it has now.
    name : str
        Of the new type, such as 'Float'.
    """
    fits = fits_surely(connection.dialect.name, sa.column(column), old, name)
    for *key, value in _values(connection, table, keys, column, sa.not_(fits)):
        try:
            converted(value, name)
        except ValueError:
            return f"{column} is {value!r}, which is no {name}, where {row_name(keys, key)}"
    return None


def _values(connection, table, keys, column, condition):
    """The values that are not NULL as the driver gives them: text in a column of dates would be an error elsewhere."""
    value = sa.column(column)
    query = sa.select(*map(sa.column, keys), value).select_from(sa.table(table)).where(value.is_not(None), condition)
    yield from connection.execute(query.execution_options(yield_per=_CHUNK))


def first_null(connection, table, keys, column):
    """The row in which a column is NULL, or None."""
    query = sa.select(*map(sa.column, keys)).select_from(sa.table(table)).where(sa.column(column).is_(None)).limit(1)
    row = connection.execute(query).first()
    return row and f"{column} is NULL where {row_name(keys, row)}"


def first_double(connection, table, columns):
    """The values that more than one row has, or None."""
    named = [*map(sa.column, columns)]
    query = sa.select(*named, sa.func.count()).select_from(sa.table(table)).group_by(*named)
    # NULL is not equal to NULL, neither here nor in a constraint.
    query = query.where(*(one.is_not(None) for one in named)).having(sa.func.count() > 1).limit(1)
    row = connection.execute(query).first()
    return row and f"{row[-1]} rows have {row_name(columns, row[:-1])}"


def any_row(connection, table):
    """Whether a table has rows."""
    return connection.execute(sa.select(sa.literal(1)).select_from(sa.table(table)).limit(1)).first() is not None
