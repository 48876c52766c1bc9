"""Free a database of what is dead; what is alive is named and left alone."""

import socket
from dataclasses import dataclass

from wfc3_cte_monitor.database import KILLED, end_run, end_session, is_alive, running_runs
from wfc3_cte_monitor.pipeline.holders import holders_of
from wfc3_cte_monitor.pipeline.runs import described

__all__ = ["Unlocked", "unlock"]


@dataclass(frozen=True)
class Unlocked:
    """Who has the database, and what of it was dead."""

    holders: tuple
    """`holders.Holder` that are alive, or on other machines."""
    runs: tuple
    """Runs that are at work, one line each."""
    freed: tuple
    """What was dead and is no more in the way, one line each."""


def unlock(database):
    """Note the end of runs that were killed, and end sessions with the server whose processes are dead.

    A process that ends loses its locks of an SQLite file, whatever ended it; the next that opens the file takes back
    what it had not finished. So nobody who is dead can lock one.

    Parameters
    ----------
    database : `database.Database`
        Not connected yet.

    Returns
    -------
    unlocked : `Unlocked`

    Raises
    ------
    DatabaseError
        The database cannot be opened, or is being written all the time.
    """
    holders = holders_of(database)
    dead = [one for one in holders if one.alive is False and one.host == socket.gethostname()]
    freed = [f"ended the session of {one}" for one in dead if end_session(database, one.session)]
    at_work = []
    for run in running_runs(database):
        if is_alive(run) is False:
            end_run(database, run["id"], {"OUTCOME": KILLED})
            freed.append(f"{described(run)} was killed; the same command goes on from there")
        else:
            at_work.append(described(run))
    return Unlocked(tuple(one for one in holders if one not in dead), tuple(at_work), tuple(freed))
