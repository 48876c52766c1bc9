"""Runs whose exposures are extracted by the workers of a Dask cluster: a real one, in processes of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from running import PROGRAM, dump, run

from wfc3_cte_monitor.pipeline import cluster
from wfc3_cte_monitor.pipeline.parallel import in_order

POISON = "UVIS_CTE_TEST_POISON"
PRELOAD = f"""
import os, signal
from pathlib import Path
from wfc3_cte_monitor.pipeline import one_exposure

original = getattr(one_exposure, "original", one_exposure.read_chip)  # nanny and worker may share this module
one_exposure.original = original

def read_chip(path, chip):
    poison = Path(os.environ["{POISON}"])
    if poison.exists() and path.name == poison.read_text():
        os.kill(os.getpid(), signal.SIGKILL)
    return original(path, chip)

one_exposure.read_chip = read_chip
"""
"""A module for workers in which one exposure, that a file names, kills them."""


# ---- Without a cluster -----------------------------------------------------------------------------------------------


@pytest.fixture
def config(make_config, observatory):
    return make_config(path_to_data=observatory / "data", aprads=[3])


@pytest.mark.parametrize(
    "address",
    [
        "host:8786",
        "tcp://host",
        "tcp://:8786",
        "http://host:8786",
        "tcp://host:port",
        "tcp://host:0",
        "tcp://h:1/x",
        "",
    ],
)
def test_a_malformed_address_is_one_line(config, tmp_path, address):
    outcome = run(config, "--pr", "all", "--scheduler", address)
    assert outcome.code == 2
    assert f"argument --scheduler: must be tcp://host:port or tls://host:port, not {address!r}" in outcome.err
    assert not (tmp_path / "outputs").exists()


def free_port():
    """A port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def refused(config, address):
    """What a run says that ends before any work, in one line."""
    outcome = run(config, "--pr", "all", "--scheduler", address)
    assert (outcome.code, outcome.out) == (2, "")
    (line,) = outcome.err.splitlines()
    assert line.startswith(f"{PROGRAM}: error: ")
    return line


def test_a_scheduler_that_does_not_answer_is_one_line(config, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "_CONNECT", 1)
    address = f"tcp://127.0.0.1:{free_port()}"
    assert f"--scheduler {address}: no Dask scheduler answers there" in refused(config, address)
    assert not (tmp_path / "outputs").exists()


def test_something_else_that_answers_is_one_line(config, monkeypatch):
    monkeypatch.setattr(cluster, "_CONNECT", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=chatter, args=(server,), daemon=True).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        assert "no Dask scheduler answers there" in refused(config, address)


def chatter(server):
    with server.accept()[0] as connection:
        connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n" * 10)
        time.sleep(3)


def test_without_the_package_it_says_how_to_install_it(config, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert "pip install 'wfc3_cte_monitor[distributed]'" in refused(config, "tcp://127.0.0.1:8786")
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        ({"version": "0.0.1"}, "here it is 0.0.1; install the same"),
        ({"code": "other"}, "other code or libraries than here"),
        ({"data": "nowhere"}, "does not see what is in path_to_data"),
        ({"names": ["14541"]}, "does not see what is in path_to_data"),
        ({"seen": "nowhere"}, "does not see path_to_outputs"),
    ],
)
def test_a_worker_says_what_is_wrong_with_it(tmp_path, changes, words):
    (tmp_path / "seen").touch()
    same = {"version": cluster.__version__, "code": cluster.fingerprints.of_all_code()}
    values = same | {"data": str(tmp_path), "names": ["seen"], "outputs": str(tmp_path)}
    problem = cluster._examiner()(**{**values, "seen": str(tmp_path / "seen"), **changes})
    assert words in problem if words else problem is None


# ---- With a cluster --------------------------------------------------------------------------------------------------


class TheirCluster:
    """Scheduler and workers as their owner starts them, which a run must leave as they are."""

    def __init__(self, folder, port):
        self.address = f"tcp://127.0.0.1:{port}"
        self.poison = folder / "poison"
        (folder / "preload.py").write_text(PRELOAD)
        self.processes, self._folder = [], folder
        self._start("scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard")

    def start_workers(self, number):
        preload = ("--preload", self._folder / "preload.py")
        self._start(
            *("worker", self.address, "--nworkers", number, "--nthreads", 1, "--no-dashboard"),
            *("--local-directory", self._folder, *preload),
        )

    def _start(self, *arguments):
        environment = {
            **os.environ,
            POISON: str(self.poison),
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]),
        }
        with (self._folder / f"{arguments[0]}.log").open("a") as said:
            self.processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "dask", *map(str, arguments)],
                    env=environment,
                    stdout=said,
                    stderr=said,
                    start_new_session=True,
                )
            )

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """A cluster of two workers with a process each."""
    cluster_there = TheirCluster(tmp_path_factory.mktemp("cluster"), free_port())
    try:
        cluster_there.start_workers(2)
        yield cluster_there
    finally:
        cluster_there.stop()


@contextmanager
def looking_at(theirs):
    """A client of one's own, once both workers are there."""
    from distributed import Client

    with Client(theirs.address, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
        yield client


@pytest.fixture(scope="module")
def local(tmp_path_factory, observatory):
    """Database and figures of a run in one process."""
    folder = tmp_path_factory.mktemp("local")
    config = write_config(folder, observatory)
    assert run(config, "--pr", "all", "--pl", "ratio_ypos", "--jobs", 1, fast=False).code == 0
    return rows_of(folder), figures_of(folder)


def write_config(folder, observatory):
    from wfc3_cte_monitor.tables import shipped_file

    text = shipped_file("config.example.py").read_text()
    (folder / "config.py").write_text(f"{text}path_to_data = {str(observatory / 'data')!r}\naprads = [3]\n")
    return folder / "config.py"


def rows_of(folder):
    """The database of a run, as if it had been anywhere."""
    return json.loads(json.dumps(dump(folder / "database")).replace(str(folder), ""))


def figures_of(folder):
    return {path.name: path.read_bytes() for path in (folder / "outputs").rglob("*.png")}


@contextmanager
def command(config, *arguments):
    """The command in a process of its own, whose lines can be waited for."""
    call = [sys.executable, "-m", f"wfc3_cte_monitor.commands.{PROGRAM}", "--config", config, *arguments]
    process = subprocess.Popen(
        [str(part) for part in call],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(process, words):
    """What the command says up to a line with these words."""
    said = []
    for line in process.stdout:
        said.append(line)
        if words in line:
            return "".join(said)
    raise AssertionError("".join(said))


ON_CLUSTER = ("--pr", "all", "--pl", "ratio_ypos", "--jobs", 1, "--scheduler")


@pytest.mark.slow
def test_results_are_those_of_one_process(theirs, config, tmp_path, local):
    with looking_at(theirs):
        outcome = run(config, *ON_CLUSTER, theirs.address, fast=False)
    assert outcome.code == 0
    assert (rows_of(tmp_path), figures_of(tmp_path)) == local
    log = next((tmp_path / "outputs" / "logs").glob("*.log")).read_text()
    assert f"2 workers at {theirs.address}" in log
    assert not [path for path in (tmp_path / "outputs").rglob(".*")]


def says_where(number):
    import logging

    logging.getLogger("wfc3_cte_monitor.test").warning("%d is here", number)
    if number == 4:
        raise ValueError("four")
    time.sleep(0.3 if number == 0 else 0)
    return number, os.getpid()


@pytest.mark.slow
def test_order_failures_and_log_are_as_without_a_cluster(theirs, caplog):
    with looking_at(theirs), cluster.connected(theirs.address) as pool:
        done = list(in_order(says_where, range(12), 1, pool))
    assert [result and result[0] for _, result, _ in done] == [n if n != 4 else None for n in range(12)]
    assert [str(error) for _, _, error in done if error] == ["four"]
    assert len({result[1] for _, result, _ in done if result}) == 2
    assert os.getpid() not in {result[1] for _, result, _ in done if result}
    here = [record.getMessage() for record in caplog.records if record.name == "wfc3_cte_monitor.test"]
    assert here == [f"{n} is here" for n in range(12)]


@pytest.mark.slow
def test_a_lost_worker_loses_nothing(theirs, config, tmp_path, local):
    with looking_at(theirs) as client:
        victim, pid = next(iter(client.run(os.getpid).items()))
        with command(config, *ON_CLUSTER, theirs.address) as process:
            said = wait_for(process, "2 workers at")
            # Stopped, so that it certainly dies at work.
            os.kill(pid, signal.SIGSTOP)
            wait_until(lambda: client.processing().get(victim))
            os.kill(pid, signal.SIGKILL)
            said += process.communicate(timeout=100)[0]
        assert process.returncode == 0, said
        assert victim not in client.nthreads()
    assert (rows_of(tmp_path), figures_of(tmp_path)) == local


def wait_until(happened, seconds=30):
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.slow
def test_an_exposure_that_kills_its_worker_is_one_failure(theirs, config, tmp_path, local):
    name = "ib7x0101q_flt.fits"
    theirs.poison.write_text(name)
    try:
        outcome = run(config, *ON_CLUSTER, theirs.address, "--pl", "none", fast=False)
    finally:
        theirs.poison.unlink()
    assert outcome.code == 1
    assert (outcome.count("failed"), outcome.count("extracted")) == (1, 7)
    assert f"    {name}: the process that worked on it was killed, and again" in outcome.out
    mine, others = (
        [{**row, "id": None} for row in tables["ngc104_fileinfo"] if row["IMAGENAME"] != name]
        for tables in (rows_of(tmp_path), local[0])
    )
    assert mine == others


@pytest.mark.slow
def test_an_interrupted_run_leaves_the_cluster_up(theirs, config, tmp_path, local):
    with looking_at(theirs) as client:
        pids = client.run(os.getpid)
        with command(config, *ON_CLUSTER, theirs.address) as process:
            wait_for(process, "extracted")
            os.killpg(process.pid, signal.SIGINT)
            said = process.communicate(timeout=30)[0]
        assert process.returncode == 130, said
        assert "interrupted" in said
        assert "Traceback" not in said
        wait_until(lambda: not any(client.processing().values()))
        assert client.run(os.getpid) == pids
    assert run(config, *ON_CLUSTER, theirs.address, fast=False).code == 0
    assert rows_of(tmp_path) == local[0]


@pytest.mark.slow
def test_a_worker_of_another_version_is_named(theirs, config, monkeypatch):
    monkeypatch.setattr(cluster, "__version__", "99.0")
    with looking_at(theirs) as client:
        line = refused(config, theirs.address)
        assert any(f"worker {worker}: has wfc3_cte_monitor" in line for worker in client.nthreads())
    assert "here it is 99.0" in line


@pytest.mark.slow
def test_a_worker_that_sees_another_folder_of_the_same_name_is_named(theirs, make_config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    own = Path("/proc/self/cwd")
    config = make_config(path_to_data=tmp_path / "data", path_to_outputs=own, path_to_db=tmp_path / "database")
    with looking_at(theirs):
        assert f"does not see path_to_outputs {own}; it must be on a file system" in refused(config, theirs.address)


@pytest.mark.slow
def test_a_scheduler_that_goes_is_one_line_and_so_is_one_without_workers(config, tmp_path, monkeypatch):
    own = TheirCluster(tmp_path, free_port())
    try:
        monkeypatch.setattr(cluster, "_PATIENCE", 1)
        assert "no worker came in 1 s" in refused(config, own.address)
        own.start_workers(2)
        with looking_at(own), command(config, *ON_CLUSTER, own.address) as process:
            wait_for(process, "extracted")
            os.kill(own.processes[0].pid, signal.SIGKILL)
            said = process.communicate(timeout=60)[0]
        assert process.returncode == 2
        assert any("the scheduler is gone" in line for line in said.splitlines())
        assert "Traceback" not in said, said
    finally:
        own.stop()
