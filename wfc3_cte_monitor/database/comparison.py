"""What the definitions ask for, held against the tables that a database has: by Alembic's comparison."""

from dataclasses import dataclass

import sqlalchemy as sa
from alembic.autogenerate import produce_migrations
from alembic.migration import MigrationContext
from alembic.operations import ops

from wfc3_cte_monitor.database.structure import kind_of, undefined_tables

__all__ = ["NEW_TABLE", "Difference", "Rename", "differences", "renames", "is_required", "may_be_null"]


NEW_TABLE = "new table"


@dataclass(frozen=True)
class Rename:
    """A column that a definition knows by another name."""

    table: str
    old: str
    new: str

    @property
    def text(self):
        return f"column {self.old} is renamed {self.new}"

    def __str__(self):
        return f"{self.table}: {self.text}"


@dataclass(frozen=True)
class Difference:
    """One step on the way from the tables to their definitions."""

    table: str
    text: str
    operation: ops.MigrateOperation
    """Alembic's."""
    column: str | None = None
    """The one that it is about."""
    loses: bool = False
    """Whether data go with it."""

    def __str__(self):
        return f"{self.table}: {self.text}"


def renames(connection, schema):
    """Columns that still have the name of before, a list of `Rename`."""
    inspector = sa.inspect(connection)
    found = []
    for table in schema.metadata.sorted_tables:
        if any(column.info.get("was") for column in table.columns) and inspector.has_table(table.name):
            existing = {column["name"] for column in inspector.get_columns(table.name)}
            wanted = [(column.info["was"], column.name) for column in table.columns]
            found += [Rename(table.name, old, new) for old, new in wanted if old in existing and new not in existing]
    return found


def differences(connection, schema):
    """All steps, in an order in which they can be done, a list of `Difference`."""
    undefined = undefined_tables(sa.inspect(connection).get_table_names(), schema)
    compared = undefined | schema.metadata.tables.keys()

    def include_name(name, kind, parents):
        return kind != "table" or name in compared

    options = {"target_metadata": schema.metadata, "include_name": include_name, "compare_type": True}
    context = MigrationContext.configure(connection, opts=options)
    steps = _flat(produce_migrations(context, schema.metadata).upgrade_ops)
    return [one for step in steps for one in _described(step)]


def _flat(operation):
    """Alembic groups its steps by table."""
    if isinstance(operation, ops.OpContainer):
        return [step for one in operation.ops for step in _flat(one)]
    return [operation]


def _described(step):
    """The `Difference` of one of Alembic's steps; none where it concerns what other people have put there."""
    name = step.source_table if isinstance(step, ops.CreateForeignKeyOp) else step.table_name
    match step:
        case ops.CreateTableOp():
            yield Difference(name, NEW_TABLE, step)
        case ops.DropTableOp():
            yield Difference(name, "table is not defined any more", step, loses=True)
        case ops.AddColumnOp():
            yield Difference(name, f"new column {step.column.name}", step, step.column.name)
        case ops.DropColumnOp():
            column = step.column_name
            yield Difference(name, f"column {column} is not defined any more", step, column, loses=True)
        case ops.AlterColumnOp():
            yield from _altered(name, step)
        case ops.CreateIndexOp():
            yield Difference(name, f"new index {step.index_name}", step)
        case ops.DropIndexOp() if step.index_name.startswith(f"ix_{name}_".lower()):
            yield Difference(name, f"index {step.index_name} is not defined any more", step)
        case ops.CreateUniqueConstraintOp():
            yield Difference(name, f"({_names(step.columns)}) becomes unique", step)
        case ops.CreateForeignKeyOp():
            yield Difference(name, f"{_names(step.local_cols)} refers to {step.referent_table}", step)
        case ops.DropConstraintOp(constraint_type="foreignkey"):
            yield Difference(name, "a reference is not defined any more", step)
        case ops.DropConstraintOp() if step.constraint_name == f"uq_{name}":
            yield Difference(name, "what was unique is so no more", step)


def _altered(name, step):
    """Type and NOT NULL each by themselves: they fail for reasons of their own."""
    column, known = step.column_name, {"existing_type": step.existing_type}
    if step.modify_type is not None:
        known["existing_nullable"] = step.existing_nullable
        text = f"column {column} becomes {kind_of(step.modify_type).__name__}"
        yield Difference(name, text, ops.AlterColumnOp(name, column, modify_type=step.modify_type, **known), column)
        known["existing_type"] = step.modify_type
    if step.modify_nullable is not None:
        text = f"column {column} {'may be NULL' if step.modify_nullable else 'becomes required'}"
        yield Difference(
            name, text, ops.AlterColumnOp(name, column, modify_nullable=step.modify_nullable, **known), column
        )


def is_required(difference):
    """Whether it is about a column, not defined any more, that is never NULL: no row could be written without it."""
    operation = difference.operation
    return isinstance(operation, ops.DropColumnOp) and not operation.to_column().nullable


def may_be_null(difference):
    """The step instead of its removal."""
    table, column = difference.table, difference.column
    known = {"existing_type": difference.operation.to_column().type, "existing_nullable": False}
    return Difference(
        table, f"column {column} may be NULL", ops.AlterColumnOp(table, column, modify_nullable=True, **known), column
    )


def _names(columns):
    return ", ".join(getattr(column, "name", column) for column in columns)
