"""The workers of a Dask cluster that is there already."""

import logging
import os
import socket
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from time import monotonic
from uuid import uuid4

from wfc3_cte_monitor import __version__
from wfc3_cte_monitor.errors import ClusterError
from wfc3_cte_monitor.pipeline import fingerprints

__all__ = ["Cluster", "connected"]

log = logging.getLogger(__name__)

_CONNECT = 10
"""Seconds in which a scheduler answers."""
_PATIENCE = 60
"""Seconds in which a worker comes, at the start or after the last one was lost."""
_LOOK = 5
"""Seconds between two looks at whether there are workers still."""


@contextmanager
def connected(address):
    """The cluster of a scheduler while the block lasts; it is left as it was found. None where there is no address.

    Parameters
    ----------
    address : str or None
        Such as 'tcp://host:8786'.

    Raises
    ------
    ClusterError
        The package `distributed` is not installed, or the scheduler does not answer.
    """
    if address is None:
        yield None
        return
    with _client(address) as client:
        yield Cluster(client, address)


def _client(address):
    try:
        import distributed  # Here, so that only who has a cluster needs it and waits for it.
    except ImportError as error:
        raise ClusterError(
            f"--scheduler {address}: needs a package that is not installed: "
            f"pip install 'wfc3_cte_monitor[distributed]' ({error})"
        ) from error
    # What it warns of is told by this package, or mended by distributed itself. An interrupt that comes just when
    # distributed begins to wait makes it stumble over its own variable, inside tornado.
    for name in ("distributed", "distributed.client", "tornado.application"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        return distributed.Client(address, timeout=_CONNECT, set_as_default=False, name="wfc3_cte_monitor")
    except Exception as error:  # something else may listen there: its greeting, read as a length, was a MemoryError
        raise ClusterError(
            f"--scheduler {address}: no Dask scheduler answers there in {_CONNECT} s; is it running?"
        ) from error


class Cluster:
    """A pool like `pipeline.processes.Processes`, whose processes are the workers of a Dask cluster.

    Parameters
    ----------
    client : `distributed.Client`
    address : str
    """

    def __init__(self, client, address):
        from distributed import KilledWorker

        self.address = address
        self.killed = (KilledWorker,)
        self._client = client
        self._executor = None

    @property
    def size(self):
        """Number of workers now, at least 1: they may come and go."""
        return max(len(self._threads()), 1)

    def _threads(self):
        """Address of worker -> its threads."""
        try:
            return self._client.nthreads()
        except OSError as error:
            raise self._gone() from error

    def _gone(self):
        return ClusterError(f"{self.address}: the scheduler is gone; the same command goes on from here")

    def check(self, settings):
        """See to it that every worker can do the work.

        Parameters
        ----------
        settings : `settings.Settings`
            Its path_to_outputs must exist.

        Raises
        ------
        ClusterError
            There are no workers; or one has not this version of the package and of the libraries that measure, or does
            not see the data or the outputs.
        """
        try:
            self._client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError as error:
            raise ClusterError(f"--scheduler {self.address}: no worker came in {_PATIENCE} s; start some") from error
        found = self._look(settings)
        for worker, problem in sorted(found.items()):
            if problem:
                raise ClusterError(f"worker {worker}: {problem}")
        threads = self._threads()
        log.info("%d workers at %s", len(threads), self.address)
        if max(threads.values()) > 1:
            log.info("a worker does one thing at a time, whatever its threads: start workers with --nthreads 1")

    def _look(self, settings):
        """Address of worker -> what is wrong there, or None."""
        data, outputs = settings.path_to_data, settings.path_to_outputs
        # That a folder of this name is there does not say that it is the same one: a file must be seen from both sides.
        here = outputs / f".seen_by_all_{os.getpid()}_{socket.gethostname()}_{uuid4().hex}"
        here.touch()
        try:
            names = sorted(path.name for path in data.iterdir())
            arguments = (__version__, fingerprints.of_all_code(), str(data), names, str(outputs), str(here))
            return self._client.run(_examiner(), *arguments, on_error="raise")
        finally:
            here.unlink(missing_ok=True)

    def submit(self, function, task):
        """Have a function called; what became of it is asked of `result`."""
        if self._executor is None:
            # Not pure: what is done again must be done, not remembered.
            self._executor = self._client.get_executor(pure=False)
        try:
            return self._executor.submit(function, task)
        except (OSError, RuntimeError) as error:
            raise self._gone() from error

    def result(self, future):
        """What the function returned.

        Raises
        ------
        ClusterError
            The scheduler is gone, or all workers are.
        """
        seen = monotonic()
        while not future.done():
            try:
                future.exception(timeout=_LOOK)
            except TimeoutError:
                seen = monotonic() if self._threads() else seen
            except (CancelledError, *self.killed):
                pass  # done: it is said below
            if monotonic() - seen > _PATIENCE:
                raise ClusterError(f"{self.address}: all workers are gone; the same command goes on from here")
        try:
            return future.result()
        except CancelledError as error:
            raise self._gone() from error

    def close(self):
        """Take back what is still to be done."""
        if self._executor is not None:
            with suppress(OSError, RuntimeError):  # Who has no scheduler any more has nothing to take back.
                self._executor.shutdown(wait=False)
            self._executor = None


def _examiner():
    """The function with which a worker examines itself; it travels as text, since the package may not be there."""

    def examine(version, code, data, names, outputs, seen):
        import os
        from pathlib import Path

        try:
            from wfc3_cte_monitor import __version__ as found
            from wfc3_cte_monitor.pipeline.fingerprints import of_all_code
        except ImportError:
            return f"has no package wfc3_cte_monitor; install version {version} there"
        if found != version:
            return f"has wfc3_cte_monitor {found}, here it is {version}; install the same"
        if of_all_code() != code:
            return "has the same version, but other code or libraries than here; install the same (constraints.txt)"
        if not Path(data).is_dir() or not set(names) <= {path.name for path in Path(data).iterdir()}:
            return f"does not see what is in path_to_data {data}; it must be on a file system that both have"
        if not Path(seen).is_file():
            return f"does not see path_to_outputs {outputs}; it must be on a file system that both have"
        if not os.access(outputs, os.W_OK):
            return f"cannot write to path_to_outputs {outputs}"
        return None

    return examine
