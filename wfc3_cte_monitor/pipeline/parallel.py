"""Work shared by processes, its results in order, each failure alone."""

import ctypes
import logging
import pickle
import sys
import threading
import traceback
import warnings
from collections import deque
from concurrent.futures import Future
from contextlib import closing, contextmanager
from functools import partial
from itertools import islice

from threadpoolctl import threadpool_limits
from tqdm import tqdm

from wfc3_cte_monitor.errors import KilledWorkError, MonitorError, printable, said
from wfc3_cte_monitor.pipeline.processes import Processes

__all__ = ["LogLine", "in_order", "progress", "warnings_logged"]

log = logging.getLogger(__name__)
_package_log = logging.getLogger("wfc3_cte_monitor")

_AHEAD = 3
"""Tasks per worker that are under way or whose results wait to be taken: enough that none is idle while one task is
slow, and no more, since a slow writer must not have the results of all the others pile up."""

_CLEARING = 0.5
"""How long a thread that was interrupted may take to clear away what it was at [s]."""

_one_at_a_time = threading.RLock()
"""A worker of a cluster may have several threads; neither the log's handlers nor matplotlib can be shared by them."""


def in_order(function, tasks, jobs, cluster=None):
    """Call a function for each task, in `jobs` processes or by the workers of a cluster.

    A worker that is killed takes nothing along: what it was at is done again, one task at a time, because nobody
    knows which of them was to blame; one that kills its worker again is that task's failure.

    Parameters
    ----------
    function : callable
        Of one argument; for more than one job, and for a cluster, it and its results must be picklable.
    tasks : sequence
    jobs : int
        Of no meaning where there is a cluster.
    cluster : `pipeline.cluster.Cluster`, optional

    Yields
    ------
    task, result, error
        In the order of the tasks, whatever finished first. One of result and error is None. What the function
        logs is logged here.
    """
    jobs = min(jobs, len(tasks))
    pool, call = cluster or Processes(jobs), partial(_packed, partial(_guarded, function))
    outcomes = _by_pool(call, tasks, pool) if cluster or jobs > 1 else _here(function, tasks)
    for task, (result, error, records) in zip(tasks, outcomes, strict=True):
        for record in records:
            _package_log.handle(record)
        yield task, result, error


def _here(function, tasks):
    """One job is one thread, as in a process of a pool, and not the main one, which an interrupt must always reach.

    It would not while the main thread computes in C: L.A.Cosmic on a full frame takes ten seconds.
    """
    _package_log.setLevel(logging.DEBUG)
    for task in tasks:
        outcome = Future()
        thread = threading.Thread(target=_fill, args=(outcome, function, task), daemon=True)
        thread.start()
        try:
            result, error = outcome.result()
        except BaseException:
            _interrupt(thread)
            raise
        yield result, error, []


def _fill(outcome, function, task):
    try:
        with threadpool_limits(1):
            outcome.set_result(_caught(function, task))
    except BaseException as error:  # SystemExit too is the main thread's to know of
        outcome.set_exception(error)


def _interrupt(thread):
    """Have a thread clear away what it is at; one that is in C for longer ends with the program."""
    if thread.is_alive():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(KeyboardInterrupt))
        thread.join(_CLEARING)


def _by_pool(call, tasks, pool):
    """The outcomes of the tasks, in their order."""
    with closing(pool):
        left, ahead = iter(tasks), deque()
        while True:
            ahead.extend((task, pool.submit(call, task)) for task in islice(left, max(_room(pool, ahead), 0)))
            if not ahead:
                return
            task, future = ahead.popleft()
            try:
                outcome = _outcome(pool, future)
            except pool.killed:
                ahead.appendleft((task, future))
                ahead = deque(_each_alone(call, ahead, pool))
            else:
                yield outcome


def _room(pool, ahead):
    return _AHEAD * pool.size - len(ahead)


def _outcome(pool, future):
    try:
        return pickle.loads(pool.result(future))
    except (MonitorError, *pool.killed):
        raise
    except Exception as error:  # such as a task that cannot travel
        return None, error, []


def _each_alone(call, ahead, pool):
    """Tasks under way when a worker was killed, all of them done: (task, finished future)."""
    lost = [(task, future) for task, future in ahead if _is_killed(pool, future)]
    log.warning("a worker process was killed; what it may have been at is done again, one by one (%d)", len(lost))
    again = {id(future): _alone(call, task, pool) for task, future in lost}
    return [(task, again.get(id(future), future)) for task, future in ahead]


def _is_killed(pool, future):
    """Whether a task was lost with its worker; waits until that is known."""
    try:
        _outcome(pool, future)
    except pool.killed:
        return True
    return False


def _alone(call, task, pool):
    future = pool.submit(call, task)
    if _is_killed(pool, future):
        future = Future()
        future.set_result(pickle.dumps((None, KilledWorkError(), [])))
    return future


def _packed(call, task):
    """The outcome as bytes: whatever cannot travel is found out here, where it is one task's failure.

    A pool that is left to pack it may break on what it cannot pack or, a Dask worker, never answer.
    """
    result, error, records = call(task)
    if error:
        # Endless recursion has a traceback that is too deep to travel; the log has it.
        error.__traceback__ = error.__cause__ = error.__context__ = None
    try:
        return pickle.dumps((result, error, records))
    except Exception as problem:
        what = error or problem
        return pickle.dumps((None, RuntimeError(f"{type(what).__name__}: {what}"), records))


def _guarded(function, task):
    """What `_caught` tells, and the log records."""
    keeper = _Keeper()
    with _one_at_a_time:
        handlers, _package_log.handlers = _package_log.handlers, [keeper]
        _package_log.setLevel(logging.DEBUG)
        try:
            with warnings_logged():
                return *_caught(function, task), keeper.records
        finally:
            _package_log.handlers = handlers


def _caught(function, task):
    """(result, None) or (None, error)."""
    try:
        return function(task), None
    except MonitorError as error:
        return None, error
    except Exception as error:  # one exposure's trouble must not stop the others
        for line in traceback.format_exc().splitlines():
            log.debug("unforeseen: %s", line)
        return None, error


class _Keeper(logging.Handler):
    """Keeps log records, such that they can travel between processes."""

    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        record.msg, record.args, record.exc_info = record.getMessage(), None, None
        self.records.append(record)


@contextmanager
def warnings_logged():
    """What libraries warn of becomes lines of the log; else it would be seen on a terminal, in several, and be lost."""
    with warnings.catch_warnings():
        warnings.showwarning = _log_warning
        yield


def _log_warning(message, category, *where):
    log.warning("%s: %s", category.__name__, said(message))


class LogLine(logging.Formatter):
    """Log records as lines, whatever a file had in a name or value."""

    def format(self, record):
        """One line."""
        return printable(super().format(record))


def progress(iterable, total, label):
    """A progress bar on a terminal; elsewhere the log lines tell."""
    return tqdm(iterable, total=total, desc=label, unit="", disable=not sys.stderr.isatty(), leave=False)
