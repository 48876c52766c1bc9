"""Whether a database is well: what it holds, by the definitions, and the files that its rows name."""

import datetime
from pathlib import Path

import sqlalchemy as sa

from wfc3_cte_monitor.database.core import Database
from wfc3_cte_monitor.database.defects import first_double, row_name
from wfc3_cte_monitor.database.runs import RUNNING, is_alive
from wfc3_cte_monitor.database.structure import existing_columns, misfit

__all__ = ["check_database"]


def check_database(database: Database) -> list[str]:
    """Look for all that should not be.

    Parameters
    ----------
    database : `database.Database`

    Returns
    -------
    findings : list of str
        One line each; empty where all is well.

    Raises
    ------
    DatabaseError
        It cannot be read at all.
    """
    database.check_exists()
    with database.reading() as connection:
        findings = _integrity(connection)
        if findings:
            return findings  # What is read from a damaged file tells nothing.
        existing = existing_columns(database.engine, database.schema.metadata)
        for table in database.schema.metadata.sorted_tables:
            findings += _of_table(connection, database.schema, table, existing)
        tables = database.schema.metadata.tables
        whole = {name for name, columns in existing.items() if {*tables[name].columns.keys()} <= columns.keys()}
        for target in database.schema.targets:
            findings += _of_files(connection, database.schema, target, whole)
        if "runs" in whole:
            findings += _of_runs(connection, database.schema.table(None, "runs"))
    return findings


def _integrity(connection):
    """What SQLite itself finds; a server looks after its own files."""
    if connection.dialect.name != "sqlite":
        return []
    try:
        said = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
    except sa.exc.DatabaseError as error:
        said = [str(error.orig)]
    return [] if said == ["ok"] else [f"the file is damaged: {line}; see database restore" for line in said]


# ---- Rows ------------------------------------------------------------------------------------------------------------


def _of_table(connection, schema, table, existing):
    columns = existing[table.name]
    problem = misfit(table, columns)
    findings = [f"{table.name} {problem}: see database sync"] if problem else []
    if not columns:
        return findings
    keys = _keys(schema, table, columns)
    findings += _of_values(connection, table, keys, columns)
    findings += [
        line for key in table.foreign_key_constraints for line in _orphans(connection, table, key, keys, existing)
    ]
    natural = schema.natural_keys[schema.kind(table.name)]
    if columns.keys() >= {*natural} and (double := first_double(connection, table.name, natural)):
        findings.append(f"{table.name}: {double}")
    return findings


def _keys(schema, table, columns):
    natural = schema.natural_keys[schema.kind(table.name)]
    return natural if columns.keys() >= {*natural} else [c.name for c in table.primary_key]


def _of_values(connection, table, keys, columns):
    """All values of a table in one pass; only where something is wrong its row is looked for."""
    conditions = [(c, said, wrong) for c in table.columns if c.name in columns for said, wrong in _wrong(connection, c)]
    counted = [sa.func.count().filter(wrong) for *_, wrong in conditions]
    numbers = connection.execute(sa.select(*counted).select_from(sa.table(table.name))).one() if counted else ()
    findings = []
    for (column, said, wrong), number in zip(conditions, numbers, strict=True):
        if number:
            named = sa.select(*map(sa.column, keys)).select_from(sa.table(table.name)).where(wrong).limit(1)
            row = row_name(keys, connection.execute(named).one())
            findings.append(f"{table.name}: {column.name} is {said} in {number} rows, first where {row}")
    return findings


def _wrong(connection, defined):
    """What may be wrong with the values of a column, and how it is seen."""
    column = sa.column(defined.name)
    if not defined.nullable:
        yield "NULL", column.is_(None)
    if connection.dialect.name == "sqlite":  # which lets anything into any column
        kind = sa.func.typeof(column)
        fitting = {sa.Float: ("real", "integer"), sa.Integer: ("integer",)}.get(type(defined.type), ("text",))
        yield "not of its type", kind.not_in([*fitting, "null"])
        if isinstance(defined.type, sa.Date):
            yield "no date", sa.and_(column.is_not(None), sa.func.date(column).is_distinct_from(column))
        if isinstance(defined.type, sa.Float):
            yield "infinite", sa.and_(kind == "real", sa.func.abs(column) == sa.literal_column("9e999"))
    elif isinstance(defined.type, sa.Float):
        yield "not finite", sa.cast(column, sa.String).in_(["NaN", "Infinity", "-Infinity"])


def _orphans(connection, table, key, keys, existing):
    """Rows that refer to nothing; a database that keeps to its foreign keys has none."""
    parent = key.referred_table.name
    pairs = [(element.parent.name, element.column.name) for element in key.elements]
    if any(child not in existing[table.name] or own not in existing[parent] for child, own in pairs):
        return []
    child, other = (
        sa.table(table.name, *_columns({*keys, *key.column_keys})),
        sa.table(parent, *_columns(o for _, o in pairs)),
    )
    joined = child.outerjoin(other, sa.and_(*(child.c[c] == other.c[o] for c, o in pairs)))
    lost = sa.and_(*(child.c[c].is_not(None) for c, _ in pairs), *(other.c[o].is_(None) for _, o in pairs))
    number = connection.execute(sa.select(sa.func.count()).select_from(joined).where(lost)).scalar_one()
    if not number:
        return []
    row = connection.execute(sa.select(*(child.c[k] for k in keys)).select_from(joined).where(lost).limit(1)).one()
    names = ", ".join(key.column_keys)
    return [f"{table.name}: {number} rows refer by {names} to nothing in {parent}, first where {row_name(keys, row)}"]


def _columns(names):
    return map(sa.column, names)


# ---- Files -----------------------------------------------------------------------------------------------------------


def _of_files(connection, schema, target, whole):
    """Files of exposures and pairs that are gone, or are younger than what was made from them.

    Whether an exposure changed is told as `make` does, by its file and that of its photometry. The fingerprint in the
    row knows more, but also the code and the configuration, and would call all exposures changed after an update.
    """
    info, results = schema.table(target, "fileinfo"), schema.table(target, "results")
    findings = []
    if info.name in whole:
        # As the driver gives them: what is no date has been said, and must not be the end here.
        names = map(sa.column, ("IMAGENAME", "IMAGEPATH", "PHOTPATH", "COOFILE", "MAGFILE", "INGEST_DATE"))
        query = sa.select(*names).select_from(sa.table(info.name)).order_by(sa.column("IMAGENAME"))
        for row in connection.execute(query).mappings():
            findings += [f"{info.name}: {row['IMAGENAME']}: {said}" for said in _of_exposure(row)]
    if results.name in whole:
        places = (results.c.SLOPEFILE_PATH, results.c.SLOPEFILE)
        for folder, name in connection.execute(sa.select(*places).distinct().order_by(*places)):
            if not (Path(str(folder)) / str(name)).is_file():
                findings.append(
                    f"{results.name}: {folder}/{name} is not there; a run with --dofind n --dophot n makes it"
                )
    return findings


def _of_exposure(row):
    image, coo, mag = (
        Path(str(row[folder])) / str(row[name])
        for folder, name in (("IMAGEPATH", "IMAGENAME"), ("PHOTPATH", "COOFILE"), ("PHOTPATH", "MAGFILE"))
    )
    born = {path: _changed(path) for path in (image, coo, mag)}
    yield from (f"{path} is gone" for path, time in born.items() if time is None)
    if None not in (born[image], born[mag]) and born[image] > born[mag]:
        yield f"{image} changed after it was measured; a run measures it again"
    for path in (coo, mag):  # A row knows the day.
        if born[path] is not None and str(datetime.date.fromtimestamp(born[path] / 1e9)) > str(row["INGEST_DATE"]):
            yield f"{path} changed after its numbers were stored"


def _changed(path):
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


# ---- Runs ------------------------------------------------------------------------------------------------------------


def _of_runs(connection, runs):
    """Runs of this machine that say they are going on, and are not."""
    query = sa.select(runs).where(runs.c.OUTCOME == RUNNING).order_by(runs.c.id)
    return [
        f"runs: run {row['id']} of {row['STARTED']} ({row['COMMAND']}) was killed: its process {row['PID']} is gone"
        for row in connection.execute(query).mappings()
        if is_alive(row) is False
    ]
