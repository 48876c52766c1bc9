"""Who has the database: the living are named and left alone, what is dead is no more in the way."""

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys

import psycopg
import pytest
from running import run, run_tool

from wfc3_cte_monitor.tables import shipped_file

HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("select count(*) from runs").fetchone()
connection.execute(sys.argv[2])
print("ready", flush=True)
sys.stdin.read()
"""
HOLD_SERVER = """
import sys
import sqlalchemy as sa
from wfc3_cte_monitor.database import Database
from wfc3_cte_monitor.tables import Schema
database = Database(sys.argv[1], Schema(["ngc104"], (3,), ()))
with database.transaction() as connection:
    print("ready", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def holding(code, *arguments):
    """A process that has a database until the end of the block."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code, *arguments], **pipes) as process:
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(scope="module")
def place(observatory, tmp_path_factory):
    """A configuration, and its database."""
    root = tmp_path_factory.mktemp("unlock")
    text = shipped_file("config.example.py").read_text() + f"path_to_data = {str(observatory / 'data')!r}\n"
    (root / "config.py").write_text(text)
    assert run(root / "config.py", "--pr", "all", "--ctecorr", "flt").code == 0
    (path,) = (root / "database").glob("*.db")
    return root / "config.py", path


def unlock(config):
    return run_tool("database", "unlock", "--config", config)


def test_nobody_has_it(place):
    config, path = place
    outcome = unlock(config)
    assert (outcome.code, outcome.out) == (0, f"{_url(path)}: nobody has it\n")


def _url(path):
    return f"sqlite:///{path}"


@pytest.mark.parametrize(
    ("statement", "does"),
    [("begin immediate", "writes"), ("select 1 from runs", "has it open")],
    ids=["writer", "reader"],
)
def test_the_living_are_named_and_left_alone(place, statement, does):
    config, path = place
    with holding(HOLD, str(path), statement) as process:
        outcome = unlock(config)
        assert outcome.code == 1
        (line,) = (line for line in outcome.out.splitlines() if line.startswith("  process"))
        assert line.startswith(f"  process {process.pid} {does}, since ") and sys.executable in line
        assert process.poll() is None
    assert unlock(config).code == 0


def test_what_was_killed_while_it_wrote_holds_nothing(place):
    config, path = place
    with holding(HOLD, str(path), "begin immediate") as process:
        process.send_signal(signal.SIGKILL)
    assert unlock(config).code == 0


def test_the_end_of_a_run_that_was_killed_is_noted(place):
    config, path = place
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE runs SET OUTCOME = 'running', PIDSTART = 1.0 WHERE id = 1")
    outcome = unlock(config)
    assert outcome.code == 0
    assert "run 1 (" in outcome.out and "was killed; the same command goes on from there" in outcome.out
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT OUTCOME FROM runs WHERE id = 1").fetchone() == ("killed",)


def test_a_database_that_is_not_there_is_not_made(make_config, tmp_path):
    outcome = unlock(make_config())
    assert outcome.code == 2 and "does not exist yet" in outcome.err
    assert not (tmp_path / "database").exists()


def test_on_a_server_the_living_are_named_and_a_dead_process_loses_its_session(postgresql, make_config):
    url = postgresql.new()
    config = make_config(db_url=url)
    assert run_tool("database", "create", "--config", config).code == 0
    with holding(HOLD_SERVER, url) as process:
        outcome = unlock(config)
        assert outcome.code == 1, outcome.lines
        (line,) = (line for line in outcome.out.splitlines() if line.startswith("  process"))
        assert line.startswith(f"  process {process.pid} writes, since ")
    # A session that outlives its process: the server has not noticed yet.
    name = f"wfc3_cte_monitor {socket.gethostname()[:32]} {_dead_pid()}"
    plain = url.replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(plain, application_name=name) as connection:
        connection.execute("SELECT 1")
        outcome = unlock(config)
        assert outcome.code == 0 and "ended the session of process" in outcome.out
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
        connection.close()


def _dead_pid():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert process.pid != os.getpid()
    return process.pid
