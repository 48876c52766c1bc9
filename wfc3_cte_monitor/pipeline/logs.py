"""The log of a run: a text for people and the same as JSON lines for programs, of which the newest are kept."""

import json
import logging
import os
import re
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from wfc3_cte_monitor import outputs
from wfc3_cte_monitor.pipeline.parallel import LogLine

__all__ = ["run_log", "decision", "now"]

_OF_A_RUN = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(_\d+)?\.(log|jsonl)")
_DECISION = ("exposure", "decision", "reason")


def decision(exposure, decided, reason=""):
    """What was decided about an exposure and why, for the machine-readable log: ``log.info(..., extra=decision(...))``.

    Parameters
    ----------
    exposure : str
        Image name.
    decided : str
        'measured', 'unchanged', 'left out', 'not asked for', 'failed' or 'no partner'.
    reason : str, optional
    """
    return dict(zip(_DECISION, (exposure, decided, str(reason)), strict=True))


def now():
    """The local time as names of logs and of folders of results have it."""
    return datetime.now().strftime("%Y-%m-%dT%H-%M-%S")


@contextmanager
def run_log(folder, kept, timestamp=None):
    """Within the block everything that the monitor logs, down to debugging, is in the log of this run.

    Parameters
    ----------
    folder : `pathlib.Path`
    kept : int
        Of how many runs the logs are kept, this one among them; older ones go.
    timestamp : str, optional
        Name of the log; by default the time.

    Yields
    ------
    path : `pathlib.Path`
        The text; the JSON lines are beside it as .jsonl.
    """
    path = outputs.unique_path(folder, timestamp or now(), ".log")
    handlers = [
        _handler(path, LogLine("%(asctime)s %(levelname)-7s %(message)s")),
        _handler(path.with_suffix(".jsonl"), _JsonLine()),
    ]
    logger = logging.getLogger("wfc3_cte_monitor")
    logger.setLevel(logging.DEBUG)
    for handler in handlers:
        logger.addHandler(handler)
    _rotate(folder, kept)
    try:
        yield path
    finally:
        for handler in handlers:
            logger.removeHandler(handler)
            handler.close()


def _handler(path, formatter):
    handler = _File(path, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(formatter)
    return handler


class _File(logging.FileHandler):
    """A log that finds no room any more does not end its run; the terminal has the lines that it lacks."""

    def handleError(self, record):
        pass

    def close(self):
        with suppress(OSError):
            super().close()
            return
        with suppress(OSError):  # What a full disk has cut off is no line.
            os.truncate(self.baseFilename, Path(self.baseFilename).read_bytes().rfind(b"\n") + 1)


def _rotate(folder, kept):
    names = sorted({path.stem for path in folder.iterdir() if _OF_A_RUN.fullmatch(path.name)}, key=_in_time)
    for name in names[:-kept]:
        for suffix in (".log", ".jsonl"):
            (folder / f"{name}{suffix}").unlink(missing_ok=True)


def _in_time(name):
    """Runs of the same second have numbers."""
    timestamp, _, number = name.partition("_")
    return timestamp, int(number or 0)


class _JsonLine(logging.Formatter):
    """One object per line: time (UTC), level, module, message, and what was decided about which exposure and why."""

    def format(self, record):
        said = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "module": record.name,
            "message": record.getMessage(),
        }
        said |= {name: getattr(record, name) for name in _DECISION if hasattr(record, name)}
        return json.dumps(said)
