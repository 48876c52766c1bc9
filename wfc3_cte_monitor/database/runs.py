"""The record of runs, and of the exposures that could not be measured."""

import socket
from typing import Any

import psutil
import sqlalchemy as sa

from wfc3_cte_monitor.database.core import Database

__all__ = ["RUNNING", "KILLED", "begin_run", "end_run", "running_runs", "is_alive", "failures", "remember_failure"]

RUNNING, KILLED = "running", "killed"
_SAME_MOMENT = 2.0
"""How well two processes agree on when one of them began [s]."""


def begin_run(database: Database, row: dict[str, Any]) -> int:
    """Note that a run has begun.

    Parameters
    ----------
    database : `database.Database`
    row : dict
        Column of runs -> value.

    Returns
    -------
    id : int
    """
    runs = database.schema.table(None, "runs")
    with database.transaction() as connection:
        return connection.execute(runs.insert().values(OUTCOME=RUNNING, **row)).inserted_primary_key[0]


def end_run(database: Database, id: int, values: dict[str, Any]) -> None:
    """Note what became of a run.

    Parameters
    ----------
    database : `database.Database`
    id : int
    values : dict
        Column of runs -> value.
    """
    runs = database.schema.table(None, "runs")
    with database.transaction() as connection:
        connection.execute(runs.update().where(runs.c.id == id).values(values))


def running_runs(database: Database) -> list[dict[str, Any]]:
    """The runs of which no end is noted, in their order: they go on, or were killed.

    Returns
    -------
    runs : list of dict
        Column -> value.
    """
    runs = database.schema.table(None, "runs")
    query = sa.select(runs).where(runs.c.OUTCOME == RUNNING).order_by(runs.c.id)
    with database.reading() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def is_alive(run: dict[str, Any]) -> bool | None:
    """Whether the process of a run is there, and is the one that was meant: numbers of processes are used again.

    Parameters
    ----------
    run : dict
        Of `running_runs`.

    Returns
    -------
    alive : bool or None
        None where it is on another machine, which this one cannot know.
    """
    if run["HOST"] != socket.gethostname():
        return None
    try:
        process, began = psutil.Process(run["PID"]), run["PIDSTART"]
        there = process.status() != psutil.STATUS_ZOMBIE
        return there and (began is None or abs(process.create_time() - began) < _SAME_MOMENT)
    except psutil.NoSuchProcess:
        return False


def failures(database: Database, target: str) -> dict[str, tuple]:
    """Image name -> (fingerprint, id of the run, reason) of the exposures that could not be measured."""
    table = database.schema.table(target, "failures")
    with database.reading() as connection:
        return {name: tuple(rest) for name, *rest in connection.execute(sa.select(*_columns(table)))}


def _columns(table):
    return [table.c[name] for name in ("IMAGENAME", "FINGERPRINT", "RUN_ID", "REASON")]


def remember_failure(
    database: Database, target: str, imagename: str, fingerprint: str, run_id: int, reason: str
) -> None:
    """Remember that an exposure cannot be measured; `Database.store_exposure` forgets it."""
    row = {"IMAGENAME": imagename, "FINGERPRINT": fingerprint, "RUN_ID": run_id, "REASON": reason}
    with database.transaction() as connection:
        database.upsert(connection, target, "failures", [row])
