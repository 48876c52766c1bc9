"""A real PostgreSQL server of Debian's binaries, for the tests: its own folder, its own port, gone at the end."""

import contextlib
import itertools
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
import sqlalchemy as sa

PASSWORD = "seekrit"
_USER = "monitor"
_MISSING = "PostgreSQL is not installed; on Debian: apt-get install postgresql"


class Server:
    """A running server; ``new()`` gives the URL of an empty database."""

    def __init__(self, port):
        self.port = port
        self._numbers = itertools.count()

    def url(self, database, user=_USER, password=PASSWORD, port=None):
        return f"postgresql+psycopg://{user}:{password}@127.0.0.1:{port or self.port}/{database}"

    def new(self):
        name = f"monitor{next(self._numbers)}"
        execute(self.url("postgres"), f"CREATE DATABASE {name}")
        return self.url(name)


def execute(url, sql):
    """Run one statement by itself; the rows, if it gives any."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        result = connection.exec_driver_sql(sql)
        return result.all() if result.returns_rows else []


@contextlib.contextmanager
def running_server():
    """Start a server; without its binaries the tests are skipped, but fail in CI."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if not programs:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(_MISSING)
    folder = Path(tempfile.mkdtemp(prefix="postgresql"))
    try:
        yield from _served(programs[-1], folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _served(programs, folder):
    password = folder / "password"
    password.write_text(PASSWORD)
    port, data = free_port(), folder / "data"
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root.
        for path in (folder, password):
            shutil.chown(path, "postgres", "postgres")
    # Its order of text is not that of bytes, unlike SQLite's: what relies on the order is found out.
    locale = ("--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en")
    _call(programs / "initdb", "-D", data, "-U", _USER, "-A", "scram-sha-256", "--pwfile", password, "-N", *locale)
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c fsync=off"
    _call(programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
    try:
        yield Server(port)
    finally:
        _call(programs / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")


def _call(*command):
    as_postgres = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups") if os.geteuid() == 0 else ()
    # Into a file and not a pipe: the server inherits it and would keep a pipe open.
    with tempfile.TemporaryFile("w+") as said:
        done = subprocess.run([*as_postgres, *map(str, command)], stdout=said, stderr=said, cwd="/", check=False)
        said.seek(0)
        assert done.returncode == 0, said.read()


def free_port():
    """A port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
