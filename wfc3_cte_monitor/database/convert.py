"""Values of one type as values of another, the same on every engine and only where nothing is lost."""

import datetime
import math
import re

import sqlalchemy as sa
from alembic.ddl.sqlite import SQLiteImpl

from wfc3_cte_monitor.database.structure import kind_of

__all__ = ["converted", "fits_surely", "register", "postgresql_expression"]

_LARGEST = 2**31 - 1
"""Whole number that PostgreSQL has room for."""
_EXACT = 2**53
"""Beyond this not every whole number is a float."""
_WHOLE = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def converted(value, name):
    """A value as a database holds it, as another type.

    Parameters
    ----------
    value : int, float, str, `datetime.date` or None
    name : str
        'Integer', 'Float', 'String' or 'Date'.

    Returns
    -------
    value : int, float, str or None
        A date as text, as SQLite has it.

    Raises
    ------
    ValueError
        Something would be lost: text that is no number, a fraction, a number too large.
    """
    if value is None:
        return None
    if isinstance(value, datetime.date):
        value = value.isoformat()
    new = _CONVERSIONS[name](value) if isinstance(value, int | float | str) else None
    if new is None:
        raise ValueError(f"{value!r} is no {name}")
    return new


def _integer(value):
    if isinstance(value, str):
        value = int(value) if _WHOLE.fullmatch(value) and len(value) < 20 else math.nan
    return int(value) if value % 1 == 0 and -_LARGEST <= value <= _LARGEST else None


def _float(value):
    if isinstance(value, str):
        value = float(value) if _NUMBER.fullmatch(value) else math.nan
    exact = isinstance(value, float) or abs(value) <= _EXACT
    return float(value) if exact and math.isfinite(value) else None


def _string(value):
    return value if isinstance(value, str) else repr(value).removesuffix(".0")


def _date(value):
    """ValueError of `datetime` itself where there is no such day."""
    return str(datetime.date.fromisoformat(value)) if isinstance(value, str) and _DAY.fullmatch(value) else None


_CONVERSIONS = {"Integer": _integer, "Float": _float, "String": _string, "Date": _date}


# ---- In the engines --------------------------------------------------------------------------------------------------


class _ExactSQLite(SQLiteImpl):
    """SQLite's CAST makes 0 of what is no number, and 15 digits of 17: Alembic takes ours when it rebuilds a table."""

    __dialect__ = "sqlite"

    def cast_for_batch_migrate(self, existing, existing_transfer, new_type):
        name, value = kind_of(new_type).__name__, existing_transfer["expr"]
        ours = sa.func.converted(value, sa.literal_column(f"'{name}'"))
        # Of these the new column makes its own by itself, exactly and in a tenth of the time.
        easy = sa.func.typeof(value).in_(_literals(_EASY[name]))
        existing_transfer["expr"] = sa.case((easy, value), else_=ours)


_EASY = {
    "Integer": ("integer", "real"),
    "Float": ("integer", "real"),
    "String": ("integer", "text"),
    "Date": ("null",),
}
"""What SQLite calls the types of values that it converts as `converted` does, once it is known that they fit."""


def _literals(texts):
    return [sa.literal_column(f"'{text}'") for text in texts]


def fits_surely(dialect, column, old, name):
    """The condition for values that `converted` takes, as far as the database itself can tell; it saves minutes.

    Parameters
    ----------
    dialect : str
    column : `sqlalchemy.ColumnElement`
    old : type
        Of the definitions, that the column has now.
    name : str
        Of the new one.
    """
    if dialect != "sqlite":  # where values are of the type of their column
        return sa.true() if name == "String" or (old, name) == (sa.Integer, "Float") else sa.false()
    kind, integer, real = (sa.func.typeof(column), *(sa.func.typeof(column) == kind for kind in ("integer", "real")))
    return {
        "String": kind.in_(["integer", "real", "text"]),
        "Float": sa.or_(
            sa.and_(integer, column.between(-_EXACT, _EXACT)),
            sa.and_(real, sa.func.abs(column) < sa.literal_column("9e999")),
        ),
        "Integer": sa.and_(
            sa.or_(integer, real), column.between(-_LARGEST, _LARGEST), column == sa.cast(column, sa.Integer)
        ),
        "Date": sa.false(),
    }[name]


def register(connection):
    """Have SQLite know `converted` on this connection."""
    connection.connection.driver_connection.create_function("converted", 2, converted, deterministic=True)


def postgresql_expression(column, old, new):
    """The same in PostgreSQL's words, for values that `converted` takes.

    Parameters
    ----------
    column : str
        Quoted name.
    old, new : type
        Of the definitions.
    """
    if (old, new) == (sa.Date, sa.String):
        return f"to_char({column}, 'YYYY-MM-DD')"
    return f"{column}::{ {sa.Integer: 'int4', sa.Float: 'float8', sa.Date: 'date', sa.String: 'text'}[new] }"
