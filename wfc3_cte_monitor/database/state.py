"""What there is to say of a database: where, how large, what of each cluster, the last runs."""

from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa

from wfc3_cte_monitor.database.backup import count_rows
from wfc3_cte_monitor.database.core import Database

__all__ = ["ClusterState", "State", "read_state"]

_RUNS = 3


@dataclass(frozen=True)
class ClusterState:
    """What is stored of a cluster."""

    exposures: np.ndarray
    """Starts of the exposures [MJD]."""
    pairs: int
    failures: int
    """Exposures that could not be measured."""


@dataclass(frozen=True)
class State:
    """What a database is and holds."""

    engine: str
    """With its version."""
    size: int
    """[bytes]"""
    rows: dict[str, int]
    """Name of a table -> number of its rows; also of those that the configuration does not know."""
    clusters: dict[str, ClusterState]
    """Target -> `ClusterState`."""
    runs: tuple[dict, ...]
    """The last rows of the table of runs, dictionaries, the newest first."""


def read_state(database: Database) -> State:
    """Look at a database; tables that it does not have yet are as empty ones.

    Parameters
    ----------
    database : `database.Database`

    Returns
    -------
    state : `State`

    Raises
    ------
    DatabaseError
        It does not exist, or cannot be read.
    """
    database.check_exists()
    schema = database.schema
    with database.reading() as connection:
        rows = count_rows(connection, schema)
        clusters = {target: _of_cluster(connection, schema, target, rows) for target in schema.targets}
        engine = f"{connection.dialect.name} {'.'.join(map(str, connection.dialect.server_version_info or ()))}"
        return State(engine, _size(connection, database), rows, clusters, _runs(connection, rows))


def _of_cluster(connection, schema, target, rows):
    info, results, failures = (schema.table(target, name).name for name in ("fileinfo", "results", "failures"))
    start = sa.select(sa.column("EXPSTART", sa.Float)).select_from(sa.table(info))
    pair = sa.select(sa.column("IMAGENAME_1"), sa.column("IMAGENAME_2")).select_from(sa.table(results)).distinct()
    n_pairs = sa.select(sa.func.count()).select_from(pair.subquery())
    return ClusterState(
        exposures=np.array(connection.execute(start).scalars().all() if info in rows else [], dtype=float),
        pairs=connection.execute(n_pairs).scalar_one() if results in rows else 0,
        failures=rows.get(failures, 0),
    )


def _size(connection, database):
    if database.file:
        parts = (database.file.with_name(database.file.name + suffix) for suffix in ("", "-wal"))
        return sum(part.stat().st_size for part in parts if part.exists())
    return connection.execute(sa.select(sa.func.pg_database_size(database.url.database))).scalar_one()


def _runs(connection, rows):
    if not rows.get("runs"):
        return ()
    query = sa.text("SELECT * FROM runs ORDER BY id DESC LIMIT :most")
    return tuple(dict(row) for row in connection.execute(query, {"most": _RUNS}).mappings())
