"""Work shared by processes, its results in order, each failure alone."""

import logging
import sys
import traceback
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from tqdm import tqdm

from wfc3_cte_monitor.errors import MonitorError

__all__ = ["in_order", "progress"]

log = logging.getLogger(__name__)


def in_order(function, tasks, jobs):
    """Call a function for each task, in `jobs` processes.

    Parameters
    ----------
    function : callable
        Of one argument; for more than one job it and its results must be picklable.
    tasks : sequence
    jobs : int

    Yields
    ------
    task, result, error
        In the order of the tasks, whatever finished first. One of result and error is None.
    """
    call = partial(_guarded, function)
    if jobs <= 1 or len(tasks) <= 1:
        outcomes = map(call, tasks)
        yield from ((task, *_logged(outcome)) for task, outcome in zip(tasks, outcomes, strict=True))
        return
    # A fork would copy the open database connection; the server process has none.
    with ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=get_context("forkserver")) as pool:
        yield from ((task, *_logged(outcome)) for task, outcome in zip(tasks, pool.map(call, tasks), strict=True))


def _guarded(function, task):
    """(result, None, '') or (None, error, traceback of an unforeseen error)."""
    try:
        return function(task), None, ""
    except MonitorError as error:
        return None, error, ""
    except Exception as error:  # one exposure's trouble must not stop the others
        return None, error, traceback.format_exc()


def _logged(outcome):
    result, error, trace = outcome
    if trace:
        log.debug("unforeseen: %s", trace)
    return result, error


def progress(iterable, total, label):
    """A progress bar on a terminal; elsewhere the log lines tell."""
    return tqdm(iterable, total=total, desc=label, unit="", disable=not sys.stderr.isatty(), leave=False)
