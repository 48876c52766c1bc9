"""Who has a database: which processes, since when, and which of them writes."""

import fcntl
import os
import socket
import struct
import sys
from dataclasses import dataclass
from datetime import UTC, datetime

import psutil

from wfc3_cte_monitor.database import server_sessions

__all__ = ["Holder", "holders_of", "utc_text"]

_WRITER = 120
"""The byte of the -shm file that SQLite's writer locks (its file format, WAL-mode locks)."""
_FIELDS = ("type", "whence", "start", "length", "pid")
_FLOCK = "hhqqi"
if sys.platform == "darwin":
    _FIELDS, _FLOCK = ("start", "length", "pid", "type", "whence"), "qqihh"
_ASKED = [{"type": fcntl.F_WRLCK, "start": _WRITER, "length": 1}.get(name, 0) for name in _FIELDS]
"""The system's struct flock, and in it the question who has that byte."""


@dataclass(frozen=True)
class Holder:
    """A process that has a database."""

    pid: int | None
    """None where the database does not know, as of a process on another machine."""
    host: str
    since: str
    """When the process, or its session with the server, began: UTC, ISO 8601."""
    what: str
    """Its user and command line, or what it told the server."""
    writes: bool
    """Whether it has the lock of the one writer."""
    alive: bool | None
    """None where that cannot be known from here."""
    session: int | None = None
    """Of the server's process that works for it."""

    def __str__(self):
        where = f" on {self.host}" if self.host != socket.gethostname() else ""
        state = {True: "", False: ", which is dead", None: ""}[self.alive]
        does = "writes" if self.writes else "has it open"
        return f"process {self.pid or '?'}{where}{state} {does}, since {self.since}: {self.what}"


def holders_of(database, locks=True):
    """Processes other than this one that have a database open, those that write first.

    Parameters
    ----------
    database : `database.Database`
    locks : bool, optional
        Whether to look at the locks of an SQLite file, which tell who writes. It must not be connected to yet then:
        who looks at the locks of a file loses its own.

    Returns
    -------
    holders : list of `Holder`
    """
    found = _of_file(database.file, locks) if database.file else [_of_session(row) for row in server_sessions(database)]
    return sorted(found, key=lambda one: (not one.writes, one.since))


# ---- SQLite ----------------------------------------------------------------------------------------------------------


def _of_file(path, locks):
    """A process that ends gives its locks back, whatever ended it: those found are alive."""
    writing = _writers_of(path) if locks else set()
    names = {os.path.realpath(f"{path}{suffix}") for suffix in ("", "-wal", "-shm")}
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and (process.pid in writing or _has_open(process, names)):
                found.append(_of_process(process, process.pid in writing))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def _has_open(process, names):
    return any(file.path in names for file in process.open_files())


def _of_process(process, writes):
    with process.oneshot():
        since = datetime.fromtimestamp(process.create_time(), UTC)
        what = f"{process.username()}, {' '.join(process.cmdline()) or process.name()}"
    return Holder(process.pid, socket.gethostname(), utc_text(since), what, writes, True)


def _writers_of(path):
    """The process with the writer's lock, a set of at most one; empty where the system does not tell."""
    try:
        with path.with_name(f"{path.name}-shm").open("rb") as file:
            answer = fcntl.fcntl(file, fcntl.F_GETLK, struct.pack(_FLOCK, *_ASKED))
    except OSError:
        return set()
    found = dict(zip(_FIELDS, struct.unpack(_FLOCK, answer), strict=True))
    return set() if found["type"] == fcntl.F_UNLCK else {found["pid"]}


# ---- PostgreSQL ------------------------------------------------------------------------------------------------------


def _of_session(row):
    """The name under which the monitor connects tells host and process."""
    host, _, pid = row["application_name"].partition("wfc3_cte_monitor ")[2].rpartition(" ")
    known = pid.isdigit() and host == socket.gethostname()
    return Holder(
        pid=int(pid) if pid.isdigit() else None,
        host=host or row["client"] or socket.gethostname(),
        since=utc_text(row["since"].astimezone(UTC)),
        what=f"{row['user']}, {row['application_name'] or 'unnamed'} ({row['state']})",
        writes=row["writes"],
        alive=psutil.pid_exists(int(pid)) if known else None,
        session=row["session"],
    )


def utc_text(moment):
    """A moment as rows and lines have it: UTC, ISO 8601, to the second."""
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
