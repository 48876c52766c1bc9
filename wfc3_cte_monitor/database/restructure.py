"""Steps on the way from tables to their definitions are done: on SQLite a table is made anew, PostgreSQL alters it."""

from itertools import groupby
from operator import attrgetter

import sqlalchemy as sa
from alembic.operations import ops

from wfc3_cte_monitor.database import convert
from wfc3_cte_monitor.database.structure import kind_of
from wfc3_cte_monitor.errors import DatabaseError

__all__ = ["make_steps"]


def make_steps(connection, operations, schema, steps):
    """Change the tables of a database.

    Parameters
    ----------
    connection : `sqlalchemy.Connection`
        Of `engine.restructuring`.
    operations : `alembic.operations.Operations`
    schema : `tables.Schema`
    steps : list of `comparison.Difference`
    """
    if connection.dialect.name == "postgresql":
        for step in steps:
            _alter(connection, operations, step.operation)
        return
    convert.register(connection)
    for table, group in groupby(sorted(steps, key=attrgetter("table")), key=attrgetter("table")):
        own = [step.operation for step in group]
        if all(map(_is_light, own)):
            for operation in own:
                operations.invoke(operation)
        else:
            _rebuild(connection, operations, schema.metadata.tables[table], own)
    _check_references(connection)


def _alter(connection, operations, operation):
    """PostgreSQL is told how values become those of another type, and forgets what filled a new column."""
    if isinstance(operation, ops.AddColumnOp):
        column = operation.column
        operations.add_column(operation.table_name, _new(column, nullable=column.nullable))
        if column.info.get("filled") is not None:
            operations.alter_column(operation.table_name, column.name, server_default=None)
        return
    if isinstance(operation, ops.AlterColumnOp) and operation.modify_type is not None:
        column = connection.dialect.identifier_preparer.quote(operation.column_name)
        old, new = kind_of(operation.existing_type), kind_of(operation.modify_type)
        operation.kw["postgresql_using"] = convert.postgresql_expression(column, old, new)
    operations.invoke(operation)


def _new(column, **options):
    """A column that the rows of before get filled; its references, if any, are steps of their own."""
    return sa.Column(column.name, column.type, server_default=column.info.get("filled"), **options)


# ---- SQLite ----------------------------------------------------------------------------------------------------------


def _is_light(operation):
    """Whether SQLite does it without touching the rows."""
    if isinstance(operation, ops.AddColumnOp):
        column = operation.column
        return column.nullable and not column.foreign_keys and column.info.get("filled") is None
    return isinstance(operation, ops.CreateTableOp | ops.DropTableOp | ops.CreateIndexOp | ops.DropIndexOp)


def _rebuild(connection, operations, table, steps):
    """Copy the rows into a table that is made as the definition says, by Alembic's batch mode.

    What it shall look like is told by the definition and not by reflection: so all that makes a table is as in a new
    database, its foreign keys, WITHOUT ROWID and the order of its columns.
    """
    others = _made_by_others(connection, table.name)
    for step in steps:
        if isinstance(step, ops.AddColumnOp):
            operations.add_column(table.name, _new(step.column))
    retyped = {s.column_name: s for s in steps if isinstance(s, ops.AlterColumnOp) and s.modify_type is not None}
    dropped = {step.column_name for step in steps if isinstance(step, ops.DropColumnOp)}
    wanted = _with_kept(table, sa.inspect(connection).get_columns(table.name), dropped)
    for name, step in retyped.items():
        wanted.c[name].type = step.existing_type
    with operations.batch_alter_table(table.name, copy_from=wanted, recreate="always") as batch:
        for name, step in retyped.items():
            batch.alter_column(name, type_=step.modify_type)
    for statement in others:
        connection.exec_driver_sql(statement)


def _with_kept(table, existing, dropped):
    """The definition, and the columns that a table has beyond it, which can be left out of new rows."""
    wanted = table.to_metadata(sa.MetaData())
    for column in existing:
        if column["name"] not in wanted.c and column["name"] not in dropped:
            wanted.append_column(sa.Column(column["name"], column["type"]))
    return wanted


def _made_by_others(connection, table):
    """The SQL of indexes and triggers that are not of the definitions; they go with the table, and are made again."""
    query = sa.text(
        "SELECT sql FROM sqlite_master WHERE tbl_name = :table AND sql IS NOT NULL "
        "AND (type = 'trigger' OR type = 'index' AND substr(name, 1, length(:own)) <> :own)"
    )
    return connection.execute(query, {"table": table, "own": f"ix_{table}_".lower()}).scalars().all()


def _check_references(connection):
    row = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if row:
        raise DatabaseError(
            f"{row[0]} would refer to rows that {row[2]} does not have: see database check; nothing was changed"
        )
