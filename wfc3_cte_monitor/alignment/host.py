"""A process of its own for drizzlepac, which writes to the working directory, prints, and may take its process down."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from wfc3_cte_monitor.errors import AlignmentError

__all__ = ["Host", "host_in"]


class Host:
    """A process that calls drizzlepac, in a scratch folder that is its working directory.

    It lives as long as its owner and serves one call after another, so that drizzlepac's two seconds of import are
    paid once. What a call leaves in the folder stays there until `clear`.

    Parameters
    ----------
    parent : `pathlib.Path`
        An existing folder, in which the scratch folder is made.
    """

    def __init__(self, parent):
        self.folder = Path(tempfile.mkdtemp(prefix="drizzlepac_", dir=parent))
        self._process: Any = None

    def clear(self):
        """Empty the scratch folder, for the next call's files."""
        for path in self.folder.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    def call(self, task, **arguments):
        """Call a function of `alignment.serve`.

        Parameters
        ----------
        task : str
            Its name.
        **arguments
            JSON can hold them. Files are named relative to `folder`.

        Raises
        ------
        AlignmentError
            drizzlepac raised an error or ended its process; `folder` / ``drizzlepac.log`` has what it printed.
        """
        process = self._running()
        try:
            process.stdin.write(json.dumps({"task": task, "arguments": arguments}) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        except BaseException:  # Who interrupts a call must not get its answer to the next one.
            process.kill()
            self._end()
            raise
        if not answer:
            raise AlignmentError(f"drizzlepac's process ended with code {self._end()}")
        if error := json.loads(answer)["error"]:
            raise AlignmentError(error)

    @property
    def log(self):
        """What drizzlepac printed in the last call, a path."""
        return self.folder / "drizzlepac.log"

    def _running(self):
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "wfc3_cte_monitor.alignment.serve"],
                cwd=self.folder,
                env={**os.environ, "MPLBACKEND": "Agg", "PYTHONPATH": _python_path()},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        return self._process

    def close(self):
        """End the process, whatever it is at, and remove the scratch folder."""
        if self._process is not None:
            self._process.kill()
            self._end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self):
        """Wait for the end of the process, which its closed input asks for; its exit code."""
        process, self._process = self._process, None
        with suppress(BrokenPipeError):  # what a process that was killed has not read any more
            process.stdin.close()
        process.stdout.close()
        return process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def _python_path():
    """The package is found from the scratch folder too, where it is not installed or named by a relative path."""
    return os.pathsep.join([str(Path(__file__).resolve().parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])])


@cache
def _hosts():
    return {}


def host_in(parent):
    """The `Host` of this process below a folder: a worker keeps it from task to task, and it ends with the worker."""
    hosts = _hosts()
    for other in set(hosts) - {parent}:
        hosts.pop(other).close()
    if parent not in hosts:
        hosts[parent] = Host(parent)
    return hosts[parent]
