"""Work shared by processes, its results in order, each failure alone."""

import logging
import sys
import traceback
from functools import partial

from joblib import Parallel, delayed
from tqdm import tqdm

from wfc3_cte_monitor.errors import MonitorError

__all__ = ["in_order", "progress"]

log = logging.getLogger(__name__)
_package_log = logging.getLogger("wfc3_cte_monitor")


def in_order(function, tasks, jobs):
    """Call a function for each task, in `jobs` processes.

    The processes are joblib's, which import neither the caller's script nor an open database connection.

    Parameters
    ----------
    function : callable
        Of one argument; for more than one job it and its results must be picklable.
    tasks : sequence
    jobs : int

    Yields
    ------
    task, result, error
        In the order of the tasks, whatever finished first. One of result and error is None. What the function
        logs is logged here.
    """
    # Large arguments are not worth a shared memory map here, whose files would outlive a killed run.
    pool = Parallel(n_jobs=min(jobs, len(tasks)) or 1, return_as="generator", max_nbytes=None)
    outcomes = pool(delayed(partial(_guarded, function))(task) for task in tasks)
    for task, (result, error, records) in zip(tasks, outcomes, strict=True):
        for record in records:
            _package_log.handle(record)
        yield task, result, error


def _guarded(function, task):
    """(result, None, log records) or (None, error, log records)."""
    keeper = _Keeper()
    handlers, _package_log.handlers = _package_log.handlers, [keeper]
    _package_log.setLevel(logging.DEBUG)
    try:
        return function(task), None, keeper.records
    except MonitorError as error:
        return None, error, keeper.records
    except Exception as error:  # one exposure's trouble must not stop the others
        log.debug("unforeseen: %s", traceback.format_exc())
        return None, error, keeper.records
    finally:
        _package_log.handlers = handlers


class _Keeper(logging.Handler):
    """Keeps log records, such that they can travel between processes."""

    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        record.msg, record.args, record.exc_info = record.getMessage(), None, None
        self.records.append(record)


def progress(iterable, total, label):
    """A progress bar on a terminal; elsewhere the log lines tell."""
    return tqdm(iterable, total=total, desc=label, unit="", disable=not sys.stderr.isatty(), leave=False)
