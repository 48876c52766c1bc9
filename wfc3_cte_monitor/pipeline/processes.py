"""A pool of processes of this machine."""

import os
import signal
import threading
import time
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool

from joblib.externals.loky import get_reusable_executor

__all__ = ["Processes"]

_THREADS = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "NUMEXPR_NUM_THREADS"),
    "VECLIB_MAXIMUM_THREADS",
)
_IDLE = 300
"""Seconds after which a process that has nothing to do ends; the next step of a run finds them ready."""


_LOOK = 1.0
"""Seconds between two looks of a process at whether it is still wanted."""


class Processes:
    """joblib's processes, which import neither the caller's script nor an open database connection.

    Its `Parallel` is not used: it ends with the first process that is killed, and does not say whose tasks were lost.

    Parameters
    ----------
    size : int
        How many work at the same time, each in one thread.
    """

    killed = (BrokenProcessPool,)
    """Errors of a task whose process was killed, or that lost its process to another's death."""

    def __init__(self, size):
        self.size = size
        self._under_way = set()

    def submit(self, function, task):
        """Have a function called; what became of it is asked of `result`."""
        try:
            future = self._executor().submit(function, task)
        except BrokenProcessPool as error:  # in the moment before the next call makes a new one
            future = Future()
            future.set_exception(error)
            return future
        self._under_way.add(future)
        future.add_done_callback(self._under_way.discard)
        return future

    def _executor(self):
        # Always that of the last call, where it is not broken: to start one takes seconds.
        threads = {name: os.environ.get(name, "1") for name in _THREADS}
        how = {"timeout": _IDLE, "env": threads, "reuse": True}
        return get_reusable_executor(max_workers=self.size, initializer=_end_with, initargs=(os.getpid(),), **how)

    def result(self, future):
        """What the function returned."""
        return future.result()

    def close(self):
        """Kill what still works, for nobody will ask for it: a run that was interrupted ends at once."""
        if self._under_way:
            self._executor().shutdown(wait=True, kill_workers=True)


def _end_with(parent):
    """In a process of the pool: end when the one that it works for is gone, rather than wait for its next task."""

    def watch():
        while os.getppid() == parent:
            time.sleep(_LOOK)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
