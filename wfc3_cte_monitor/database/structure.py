"""Tables and indexes that a schema asks for, and those that a database has."""

import sqlalchemy as sa

from wfc3_cte_monitor.tables import TEXT

__all__ = [
    "missing_names",
    "create_missing",
    "long_names",
    "existing_columns",
    "misfit",
    "reflected",
    "kind_of",
    "own_tables",
    "undefined_tables",
]

_KINDS = {sa.Integer: sa.Integer(), sa.Float: sa.Float(), sa.Date: sa.Date(), sa.String: TEXT}


def missing_names(engine, metadata):
    """Names of the tables and indexes that the database does not have yet, a set."""
    inspector = sa.inspect(engine)
    tables = {*inspector.get_table_names()}
    existing = tables | {*inspector.get_view_names()}  # of somebody else, beside which no tables are to be made
    for table in tables & metadata.tables.keys():
        existing |= {index["name"] for index in inspector.get_indexes(table)}
    return {*metadata.tables, *(index.name for t in metadata.tables.values() for index in t.indexes)} - existing


def create_missing(connection, metadata):
    """Create what does not exist yet; a table of before gets the indexes that it lacks."""
    metadata.create_all(connection)
    for table in metadata.sorted_tables:
        for index in table.indexes:
            index.create(connection, checkfirst=True)


def long_names(metadata, limit):
    """Names of more bytes than a database keeps; PostgreSQL would cut them without a word."""
    tables = metadata.sorted_tables
    named = [x for t in tables for x in (t, *t.columns, *t.indexes, *t.constraints) if isinstance(x.name, str)]
    return sorted({x.name for x in named if len(x.name.encode()) > limit})


def existing_columns(engine, metadata):
    """Name of a table of the schema -> name of a column that it has -> what an inspector says of it.

    Empty where there is no such table.
    """
    inspector = sa.inspect(engine)
    existing = {*inspector.get_table_names(), *inspector.get_view_names()}
    return {
        table: {column["name"]: column for column in inspector.get_columns(table)} if table in existing else {}
        for table in metadata.tables
    }


def misfit(table, existing, *, writable=True):
    """Why the monitor cannot read, or write, a table, one line, or None.

    Parameters
    ----------
    table : `sqlalchemy.Table`
        As it is defined.
    existing : dict
        Of `existing_columns`.
    """
    missing = [name for name in table.columns.keys() if name not in existing]  # noqa: SIM118
    if missing:
        return f"lacks {', '.join(missing[:5])}{' and more' if len(missing) > 5 else ''}"
    for name, column in existing.items():
        defined = table.columns.get(name)
        if writable and defined is None and not column["nullable"]:
            return f"has a column {name}, which is not defined any more and never NULL"
        if defined is not None and kind_of(defined.type) is not kind_of(column["type"]):
            return f"has {name} as {kind_of(column['type']).__name__}, and not as {kind_of(defined.type).__name__}"
        if writable and defined is not None and defined.nullable and not column["nullable"]:
            return f"does not let {name} be NULL"
    return None


def reflected(connection, names):
    """The `sqlalchemy.MetaData` of tables as a database has them, in words that every engine knows."""
    metadata = sa.MetaData()
    metadata.reflect(connection, only=sorted(names))
    for table in metadata.tables.values():
        for column in table.columns:
            column.type = _KINDS.get(kind_of(column.type), column.type)
            column.server_default = None  # of ids, which each engine makes in its own way
        table.dialect_options["sqlite"]["with_rowid"] = len(table.primary_key) < 2
    return metadata


def kind_of(type_):
    """The type of the definitions, a class, that a database's own type is one of; its own where there is none."""
    return next((kind for kind in _KINDS if isinstance(type_, kind)), type(type_))


def own_tables(names, schema):
    """Of the tables of a database those that are the monitor's; a server, or a file, may hold others.

    They are those of the schema, those of other clusters, and those of its clusters that are not defined any more.
    """
    return (
        {*names} & schema.metadata.tables.keys() | _of_other_clusters(names, schema) | undefined_tables(names, schema)
    )


def undefined_tables(names, schema):
    """Tables of the clusters of a schema whose definition is no more."""
    own = {name for name in names if name.startswith(tuple(f"{target}_" for target in schema.targets))}
    return own - schema.metadata.tables.keys() - _of_other_clusters(names, schema)


def _of_other_clusters(names, schema):
    kinds = tuple(f"_{kind}" for kind in schema.definitions)
    return {name for name in names if name.endswith(kinds)} - schema.metadata.tables.keys()
