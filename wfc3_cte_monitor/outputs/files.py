"""Folders that can be written, and files that are whole or absent."""

import os
import shutil
import socket
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from astropy.table import Table

from wfc3_cte_monitor.errors import ConfigurationError

__all__ = [
    "FOLDERS",
    "REPORT",
    "make_folder",
    "unique_path",
    "write_table",
    "read_table",
    "replace_file",
    "scratch_folder",
    "temporary_path",
    "sweep",
]

FOLDERS = {
    "finalresults": "Final figures and coefficients, by flash level, FLT/FLC ('_ctecorr') and time of the run; "
    "most_recent is the last of them.",
    "photom": "Coordinates (.coo), photometry (.mag) and diagnostic pictures of every exposure.",
    "tempfiles": "Files of the run that is going on. Nothing in here is needed when none is.",
    "tweakreg": "Pictures, matches, headerlet and log of every alignment; alignments.txt has their numbers.",
    "crmasks": "Cosmic-ray masks of AstroDrizzle, 0 for hits; crmasks.txt says how much of the stars they take.",
    "logs": "One log file per run.",
}
"""The folders of the output tree, and what their READMEs say."""

REPORT = "report"
"""The folder of the web page, in that of the final results."""


def make_folder(path):
    """Make a folder that can be written to.

    Raises
    ------
    ConfigurationError
        It cannot be made or written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        # Asking os.access is not enough: it tells root that a read-only file system can be written.
        probe = path / f".writable_{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written ({error.strerror})") from error
    return path


def unique_path(parent, name, suffix=""):
    """`parent` / `name` + `suffix`, with a number behind the name where that exists."""
    candidates = (parent / f"{name}{f'_{n}' if n else ''}{suffix}" for n in range(10_000))
    return next(path for path in candidates if not path.exists())


def write_table(table, path):
    """Write a table as ECSV (whatever the suffix: the monitor's are .coo, .mag and .txt), whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, lambda new: table.write(new, format="ascii.ecsv", overwrite=True))


def read_table(path):
    """Read what `write_table` wrote."""
    return Table.read(path, format="ascii.ecsv")


def replace_file(path, write):
    """Let `write(new_path)` write a file that then takes the place of `path` in one step."""
    new = temporary_path(path)
    try:
        write(new)
        new.replace(path)
    except OSError as error:
        # Nobody knows the name that it has meanwhile; and of a full disk the system names no file at all.
        if error.filename in (str(new), new) or (error.filename is None and error.errno):
            error.filename = str(path)
        raise
    finally:
        new.unlink(missing_ok=True)


def temporary_path(path):
    """Where this process makes what shall be at `path` when it is whole: beside it, hidden."""
    # With the host: workers of a cluster write to the same folders, and in containers their process ids are alike.
    return path.with_name(f".{os.getpid()}-{_host()}_{path.name}")


@contextmanager
def scratch_folder(parent, given=None):
    """Within the block there is a folder for what is not finished yet.

    Parameters
    ----------
    parent : `pathlib.Path`
        Where it is made.
    given : `pathlib.Path`, optional
        One of the caller's, which is taken instead and stays.

    Yields
    ------
    folder : `pathlib.Path`
    """
    if given is not None:
        yield given
        return
    prefix = temporary_path(parent / "scratch").name
    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def sweep(folder):
    """Remove what processes of this machine that were killed left in a folder.

    Parameters
    ----------
    folder : `pathlib.Path`
        It need not exist.
    """
    running = {*psutil.pids()}
    for path in folder.glob(".[0-9]*_*"):
        pid, _, host = path.name[1:].partition("_")[0].partition("-")
        if pid.isdigit() and host in ("", _host()) and int(pid) not in running:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() and not path.is_symlink() else _remove(path)


def _remove(path):
    with suppress(OSError):  # Another run may sweep, too, or the folder be one that cannot be written any more.
        path.unlink()


def _host():
    return socket.gethostname().replace("_", "-")
