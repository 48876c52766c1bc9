"""The commands as people run them, and what is in a database: for the tests of whole runs."""

import contextlib
import io
import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from wfc3_cte_monitor.commands import run_uvis_external_cte, uvis_external_cte
from wfc3_cte_monitor.settings import CONFIG_VARIABLE

PROGRAM = "run_uvis_external_cte"


@dataclass(frozen=True)
class Outcome:
    """What a run left on its way."""

    code: int
    out: str
    err: str

    @property
    def lines(self):
        """Every line that a user sees."""
        return (self.out + self.err).splitlines()

    def count(self, label):
        """The number that the summary gives for a label."""
        (line,) = (line for line in self.out.splitlines() if line.startswith(f"  {label}  "))
        return int(line.removeprefix(f"  {label}").split()[0])


def run(config, *arguments, fast=True):
    """Run the wrapper in this process; without figures and processes where `fast`, without --config where None."""
    extra = ("--pl", "none", "--report", "n", "--jobs", "1") if fast else ()
    named = ("--config", config) if config else ()
    return _captured(run_uvis_external_cte.main, (*arguments, *extra, *named))


def run_step(config, command, *arguments, jobs=1):
    """Run a command of the tool box that works on a configuration, in this process."""
    return _captured(uvis_external_cte.main, (command, *arguments, "--jobs", jobs, "--config", config))


def _captured(main, arguments):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stopped:
            code = stopped.code
    return Outcome(code, out.getvalue(), err.getvalue())


def run_wrapper(*arguments):
    """Run the wrapper in this process with these arguments alone."""
    return _captured(run_uvis_external_cte.main, arguments)


def run_tool(*arguments):
    """Run the tool box in this process."""
    return _captured(uvis_external_cte.main, arguments)


def run_script(*arguments, **environment):
    """Run the installed command in a process of its own, with some variables set."""
    script = shutil.which(PROGRAM, path=Path(sys.executable).parent) or shutil.which(PROGRAM)
    inherited = {name: value for name, value in os.environ.items() if name != CONFIG_VARIABLE}
    done = subprocess.run(
        [script, *map(str, arguments)],
        env=inherited | environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def dump(folder, without=("INGEST_DATE", "FINGERPRINT", "RUN_ID")):
    """Table -> rows as dictionaries, in order of the primary key, of the database in a folder.

    Without the day and the runs, and without the fingerprint, which knows the folder."""
    (path,) = (path for path in folder.glob("*.db") if "." not in path.stem)  # without backups
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        names.remove("runs")
        return {
            name: [
                {column: row[column] for column in row.keys() if column not in without}  # noqa: SIM118
                for row in connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2")
            ]
            for name in sorted(names)
        }
