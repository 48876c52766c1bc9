"""The tables of a database follow their definitions: with all data, after a backup, and all of it or nothing."""

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations, ops

from wfc3_cte_monitor.database import defects
from wfc3_cte_monitor.database.backup import Backup, make_backup
from wfc3_cte_monitor.database.comparison import NEW_TABLE, differences, is_required, may_be_null, renames
from wfc3_cte_monitor.database.core import Database
from wfc3_cte_monitor.database.engine import restructuring
from wfc3_cte_monitor.database.restructure import make_steps
from wfc3_cte_monitor.database.structure import kind_of
from wfc3_cte_monitor.errors import DatabaseError
from wfc3_cte_monitor.tables import Schema

__all__ = ["Sync", "pending", "sync_database"]


@dataclass(frozen=True)
class Sync:
    """What became of a database."""

    changes: tuple[str, ...] = ()
    """What was changed, or would be; texts."""
    kept: tuple[str, ...] = ()
    """What is not defined any more, and still there; texts."""
    statements: tuple[str, ...] = ()
    """The SQL."""
    backup: Backup | None = None
    """Made before; None where nothing was changed."""


class _Undo(Exception):
    """Ends a transaction whose changes nobody wants."""


def sync_database(database: Database, backup_path: Path, *, allow_drop: bool = False, dry_run: bool = False) -> Sync:
    """Change the tables until they are as their definitions say.

    Parameters
    ----------
    database : `database.Database`
    backup_path : `pathlib.Path`
        Where a backup is made before anything is changed.
    allow_drop : bool, optional
        Remove columns and tables that are not defined any more, with what they hold.
    dry_run : bool, optional
        Do it all, undo it, and make no backup.

    Returns
    -------
    done : `Sync`

    Raises
    ------
    DatabaseError
        There is no database; a value does not fit its new type; a column must not be NULL and is; ... . Nothing was
        changed.
    """
    database.check_exists()
    database.prepare()
    with database.reading() as connection:
        changes, kept = pending(connection, database.schema, allow_drop)
    if not changes:
        return Sync(kept=_said(kept))
    backup, statements = None, []
    with database.errors_named(), _undone(), restructuring(database.engine, database.patience) as connection:
        if not dry_run:  # With the lock held: what another process writes is before the backup, or after all of this.
            backup = make_backup(database, backup_path)
        with _recorded(connection, statements), _unneeded_on_failure(backup):
            changes, kept = _follow(connection, database, allow_drop)
        if dry_run:
            raise _Undo
    return Sync(_said(changes), _said(kept), tuple(statements), backup)


def pending(connection: sa.Connection, schema: Schema, allow_drop: bool = False) -> tuple[list, list]:
    """What `sync_database` would do, as far as can be seen without doing it.

    Returns
    -------
    changes, kept : list of `Rename` and `Difference`
        What would be changed; what is not defined any more, but stays.
    """
    renamed = renames(connection, schema)
    names = {(one.table, name) for one in renamed for name in (one.old, one.new)}
    changes, kept = _steps(connection, schema, allow_drop)
    changes, kept = ([one for one in group if (one.table, one.column) not in names] for group in (changes, kept))
    return [*renamed, *changes], kept


def _said(changes):
    """A new table has its indexes, which is not worth a line each."""
    new = {one.table for one in changes if one.text == NEW_TABLE}
    return tuple(str(one) for one in changes if one.table not in new or one.text == NEW_TABLE)


@contextmanager
def _undone():
    with suppress(_Undo):
        yield


@contextmanager
def _unneeded_on_failure(backup):
    """What was not changed needs no backup."""
    try:
        yield
    except BaseException:
        if backup:
            backup.path.unlink()
        raise


@contextmanager
def _recorded(connection, statements):
    """The statements that change something, as they are executed."""

    def record(connection, cursor, statement, *_):
        if statement.split(maxsplit=1)[0].upper() not in ("SELECT", "PRAGMA", "WITH"):
            statements.append(statement.strip())

    sa.event.listen(connection, "before_cursor_execute", record)
    try:
        yield
    finally:
        sa.event.remove(connection, "before_cursor_execute", record)


# ---- Within the transaction ------------------------------------------------------------------------------------------


def _follow(connection, database, allow_drop):
    """Make every step; what was changed, and what is kept though it is not defined any more."""
    schema = database.schema
    operations = Operations(MigrationContext.configure(connection))
    renamed = renames(connection, schema)
    for one in renamed:
        operations.alter_column(one.table, one.old, new_column_name=one.new)
    steps, kept = _steps(connection, schema, allow_drop)
    for problem in _obstacles(connection, schema, steps):
        raise DatabaseError(f"database {database.place}: {problem}; nothing was changed")
    make_steps(connection, operations, schema, steps)
    left, _ = _steps(connection, schema, allow_drop)
    if left:
        raise DatabaseError(f"database {database.place}: {left[0]}: this cannot be done; nothing was changed")
    return [*renamed, *steps], kept


def _steps(connection, schema, allow_drop):
    """What is to be done, and what is to be kept: new rows must be possible without it."""
    found = differences(connection, schema)
    if allow_drop:
        return found, []
    kept = [one for one in found if one.loses]
    return [one for one in found if not one.loses] + [may_be_null(one) for one in kept if is_required(one)], kept


# ---- What is in the way ----------------------------------------------------------------------------------------------


def _obstacles(connection, schema, steps):
    """What of the rows does not fit, one line each; looked for only when it is asked for."""
    yield from _other_primary_keys(connection, schema)
    for step in steps:
        if problem := _obstacle(connection, schema, step):
            yield f"{step.table}: {problem}"


def _other_primary_keys(connection, schema):
    """Alembic does not compare them."""
    inspector = sa.inspect(connection)
    for table in schema.metadata.sorted_tables:
        if inspector.has_table(table.name):
            existing = inspector.get_pk_constraint(table.name)["constrained_columns"]
            defined = [column.name for column in table.primary_key]
            if existing != defined:
                yield (
                    f"{table.name}: its primary key is {', '.join(existing)}, which cannot be changed to "
                    f"{', '.join(defined)}; define a table of another name"
                )


def _obstacle(connection, schema, step):
    """Why a step cannot be done, or None."""
    table, operation = step.table, step.operation
    match operation:
        case ops.AddColumnOp(column=column) if not column.nullable and column.info.get("filled") is None:
            if defects.any_row(connection, table):
                return (
                    f"{column.name} is new and required, but the table has rows; say what it is there: 'filled VALUE'"
                )
        case ops.AlterColumnOp(modify_nullable=False):
            return defects.first_null(connection, table, _keys(connection, schema, table), step.column)
        case ops.AlterColumnOp(modify_type=type_) if type_ is not None:
            keys, types = _keys(connection, schema, table), (kind_of(operation.existing_type), kind_of(type_).__name__)
            return defects.first_misfit(connection, table, keys, step.column, *types)
        case ops.CreateUniqueConstraintOp():
            existing = {column["name"] for column in sa.inspect(connection).get_columns(table)}
            names = [column.name if isinstance(column, sa.Column) else column for column in operation.columns]
            return defects.first_double(connection, table, names) if {*names} <= existing else None


def _keys(connection, schema, table):
    """Columns that tell a row, of those that the table has now."""
    existing = {column["name"] for column in sa.inspect(connection).get_columns(table)}
    natural = schema.natural_keys[schema.kind(table)]
    primary = [column.name for column in schema.metadata.tables[table].primary_key]
    return natural if {*natural} <= existing else primary
