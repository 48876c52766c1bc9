"""The record of a run: when, by whom, with what, and what became of it; every row that it writes points to it."""

import logging
import os
import shlex
import socket
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from platform import python_version

import psutil

from wfc3_cte_monitor import __version__
from wfc3_cte_monitor.database import KILLED, Patience, begin_run, end_run, is_alive, running_runs
from wfc3_cte_monitor.errors import DatabaseError, MonitorError, TerminatedError, place_and_reason, printable
from wfc3_cte_monitor.pipeline import fingerprints
from wfc3_cte_monitor.pipeline.holders import holders_of, utc_text
from wfc3_cte_monitor.pipeline.request import INTERRUPTED, TERMINATED

__all__ = ["recorded", "patience", "described"]

log = logging.getLogger(__name__)

_LIBRARIES = (
    *("numpy", "scipy", "astropy", "photutils", "sep", "astroscrappy", "drizzlepac", "matplotlib", "sqlalchemy"),
)
_A_DAY = 86400.0


@contextmanager
def recorded(database, settings, summary):
    """Within the block a run is at work, which the database says; what breaks it off ends the block, not the program.

    Parameters
    ----------
    database : `database.Database`
    settings : `settings.Settings`
    summary : `request.Summary`
        Gets the id of the run, and how it ended.
    """
    row = _who_and_what(settings, summary.log_file)
    names = {"user": "USERNAME", "host": "HOST", "started": "STARTED", "command": "COMMAND"}
    summary.about = {name: row[column] for name, column in names.items()}
    summary.run_id = begin_run(database, row)
    _look_around(database, summary)  # Only now: of two that begin at the same moment one sees the other.
    try:
        yield
    except KeyboardInterrupt as signal:
        summary.interrupted = TERMINATED if isinstance(signal, TerminatedError) else INTERRUPTED
    except (MonitorError, OSError) as error:
        summary.broken_off = place_and_reason(error) if isinstance(error, OSError) else str(error)
        log.error("broken off: %s", summary.broken_off)
    except BaseException as error:
        summary.broken_off = f"{type(error).__name__}: {error}"
        raise
    finally:
        _end(database, summary)


def patience(database):
    """That of a run: it waits for whoever writes, as a rehearsal does for hours, and says for whom.

    Parameters
    ----------
    database : `database.Database`

    Returns
    -------
    patience : `database.Patience`
    """

    def tell():
        others = [one for one in holders_of(database, locks=False) if one.pid != os.getpid()]
        names = "; ".join(str(one) for one in others if one.writes) or "; ".join(map(str, others)) or "unknown"
        log.warning("waits for another process that writes to the database, Ctrl-C ends that: %s", names)

    return Patience(_A_DAY, tell)


def _look_around(database, summary):
    """Note which runs were killed, and say which are at work."""
    for run in running_runs(database):
        if run["id"] == summary.run_id:
            continue
        alive = is_alive(run)
        if alive is False:
            end_run(database, run["id"], {"OUTCOME": KILLED})
            log.warning("%s was killed; what it left undone is done now", described(run))
        else:
            warning = f"{described(run)} is at work on this database, too; each waits for the other's writing"
            log.warning("%s", warning)
            summary.warnings.append(warning)


def _end(database, summary):
    """What a run has done stays, even where nobody can note its end any more, as on a full disk."""
    try:
        ended = {"ENDED": utc_text(datetime.now(UTC)), "OUTCOME": summary.outcome}
        end_run(database, summary.run_id, ended | summary.counts)
    except DatabaseError as error:
        log.error("failed: %s", error)
        summary.fail(error)


def _who_and_what(settings, log_file):
    process = psutil.Process()
    return {
        "STARTED": utc_text(datetime.now(UTC)),
        "USERNAME": process.username(),
        "HOST": socket.gethostname(),
        "PID": process.pid,
        "PIDSTART": process.create_time(),
        "COMMAND": printable(shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])),
        "VERSION": __version__,
        "LIBRARIES": ", ".join([f"Python {python_version()}", *(f"{name} {version(name)}" for name in _LIBRARIES)]),
        "CONFIG": printable(settings.config_file),
        "CONFIGHASH": fingerprints.of_settings(settings),
        "LOGFILE": log_file.name,
    }


def described(run):
    """A run in words: its number, who started it, where and when."""
    return f"run {run['id']} ({run['USERNAME']} on {run['HOST']}, process {run['PID']}, since {run['STARTED']})"
