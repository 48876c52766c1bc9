"""Who is connected to a PostgreSQL server, and the end of a session whose process is dead."""

from typing import Any

import sqlalchemy as sa

from wfc3_cte_monitor.database.core import Database
from wfc3_cte_monitor.database.engine import WRITERS_LOCK

__all__ = ["server_sessions", "end_session"]

_SESSIONS = sa.text(
    """
    SELECT pid AS session, usename AS user, application_name, client_hostname AS client, backend_start AS since, state,
           EXISTS (SELECT 1 FROM pg_locks WHERE pg_locks.pid = pg_stat_activity.pid AND locktype = 'advisory'
                   AND granted AND classid = 0 AND objid = :lock) AS writes
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
    """
)


def server_sessions(database: Database) -> list[dict[str, Any]]:
    """The other sessions with this database.

    Parameters
    ----------
    database : `database.Database`
        On a server.

    Returns
    -------
    sessions : list of dict
        session (process of the server), user, application_name, client, since, state, writes.
    """
    with database.reading() as connection:
        return [dict(row) for row in connection.execute(_SESSIONS, {"lock": WRITERS_LOCK}).mappings()]


def end_session(database: Database, session: int) -> bool:
    """End a session; what it had not committed is undone.

    Returns
    -------
    ended : bool
    """
    with database.reading() as connection:
        return bool(connection.execute(sa.select(sa.func.pg_terminate_backend(session))).scalar())
