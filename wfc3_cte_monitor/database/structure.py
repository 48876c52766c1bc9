"""Tables and indexes that a schema asks for, and those that a database has."""

import sqlalchemy as sa

__all__ = ["missing_names", "create_missing", "long_names", "existing_columns"]


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
    """Name of a table of the schema -> names of the columns that it has; none where there is no such table."""
    inspector = sa.inspect(engine)
    existing = {*inspector.get_table_names(), *inspector.get_view_names()}
    return {
        table: {column["name"] for column in inspector.get_columns(table)} if table in existing else set()
        for table in metadata.tables
    }
