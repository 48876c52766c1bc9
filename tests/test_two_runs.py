"""Two runs at once on one database, a run beside a rehearsal, and readers: real processes, none of which dies of it."""

import contextlib
import shutil
import sqlite3
import subprocess
import sys
import threading

import pytest
from running import dump, run

from wfc3_cte_monitor import outputs, simulate
from wfc3_cte_monitor.tables import shipped_file

pytestmark = pytest.mark.slow

ALL = ("--ctecorr", "flt", "--jobs", "1", "--pl", "ratio_ypos", "cte_time")
EARLY, LATE = "12348", "14541"


def start(root, *arguments):
    command = [sys.executable, "-m", "wfc3_cte_monitor.commands.run_uvis_external_cte", *ALL, *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*command, "--config", str(root / "config.py")], **pipes)


def finish(*processes):
    """(out, err) of each, all well; their pipes are emptied side by side."""
    said = {}
    threads = [threading.Thread(target=lambda p=p: said.update({p: p.communicate(timeout=600)})) for p in processes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.returncode for process in processes] == [0] * len(processes), said
    return [said[process] for process in processes]


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """An observatory whose database has its master tables, and nothing else."""
    root = tmp_path_factory.mktemp("two_runs") / "site"
    plan = simulate.default_plan(n_epochs=2, targets=("ngc104",), lengths=("l",), flashlvls=(0.0,))
    assert {str(one.program) for one in plan} == {EARLY, LATE}
    simulate.simulate_observatory(root, plan, seed=5, n_columns=64)
    (root / "config.py").write_text(shipped_file("config.example.py").read_text() + "aprads = [3]\n")
    return root


@pytest.fixture
def site(template, tmp_path):
    """Always in the same place, which the rows know."""
    shutil.copytree(template, tmp_path / "kept")
    yield template
    shutil.rmtree(template)
    (tmp_path / "kept").rename(template)


@pytest.fixture(scope="module")
def one_after_another(template, tmp_path_factory):
    """Rows and newest results of two runs of which the second began when the first had ended."""
    kept = tmp_path_factory.mktemp("kept") / "site"
    shutil.copytree(template, kept)
    for program in (EARLY, LATE):
        finish(start(template, "--pr", program))
    content = rows_of(template), newest_of(template)
    shutil.rmtree(template)
    kept.rename(template)
    return content


def rows_of(root):
    """What the rows say, whatever their numbers: two runs take turns."""
    tables = dump(root / "database", without=("INGEST_DATE", "FINGERPRINT", "RUN_ID", "id", "FILE_ID"))
    return {name: sorted(map(repr, rows)) for name, rows in tables.items()}


def newest_of(root):
    """Name of each file of the newest results -> its content."""
    newest = (root / "outputs" / "finalresults" / "pf0" / "most_recent").resolve()
    files = [path for path in newest.rglob("*") if path.is_file()]
    return {path.relative_to(newest).as_posix(): path.read_bytes() for path in files}


def outcomes_of(root):
    (path,) = (root / "database").glob("*.db")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("SELECT OUTCOME FROM runs")]


@pytest.mark.parametrize("programs", [(EARLY, LATE), ("all", "all")], ids=["different", "the same"])
def test_two_runs_at_once_leave_what_one_after_the_other_leaves(one_after_another, site, programs):
    said = finish(*(start(site, "--pr", program) for program in programs))
    rows, newest = one_after_another
    assert rows_of(site) == rows
    assert outcomes_of(site) == ["complete"] * 2
    assert any("is at work on this database, too" in err for _, err in said)
    # Who ends last has the newest results; what the other measured meanwhile it takes in with the next run.
    finish(start(site, "--pr", "all"))
    found = newest_of(site)
    assert found.keys() == newest.keys()
    assert [name for name in found if found[name] != newest[name] and name != "fingerprints.json"] == []
    made_from = outputs.newest_results(site / "outputs" / "finalresults", "pf0").made_from
    assert made_from.keys() == found.keys() - {"fingerprints.json"}
    assert not [*(site / "outputs").rglob(".*")]


REHEARSAL = """
import sys
from wfc3_cte_monitor.database import Database
from wfc3_cte_monitor.tables import Schema
database = Database(sys.argv[1], Schema(["ngc104"], (3,), ()))
with database.rehearsal():
    print("ready", flush=True)
    sys.stdin.readline()
"""


def test_a_run_waits_for_a_rehearsal_and_says_so(one_after_another, site):
    assert run(site / "config.py", "--pr", EARLY, "--ctecorr", "flt").code == 0
    (path,) = (site / "database").glob("*.db")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", REHEARSAL, f"sqlite:///{path}"], **pipes) as rehearsal:
        assert rehearsal.stdout.readline() == "ready\n"
        waiting = start(site, "--pr", LATE)
        line = next(line for line in waiting.stderr if "waits for another process" in line)
        assert f"process {rehearsal.pid} has it open, since " in line and "Ctrl-C" in line
        assert waiting.poll() is None
        rehearsal.communicate("done\n")
    finish(waiting)
    assert rows_of(site) == one_after_another[0]


def test_a_rehearsal_beside_a_run_changes_nothing(one_after_another, site):
    finish(start(site, "--pr", "all"), start(site, "--pr", "all", "--i", "n"))
    assert rows_of(site) == one_after_another[0]
    assert outcomes_of(site) == ["complete"]


def test_a_reader_that_never_ends_neither_blocks_a_run_nor_is_blocked(one_after_another, site):
    assert run(site / "config.py", "--pr", EARLY, "--ctecorr", "flt").code == 0
    (path,) = (site / "database").glob("*.db")
    count = "SELECT count(*) FROM ngc104_phot"
    with contextlib.closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        before = reader.execute(count).fetchone()
        cursor = reader.execute("SELECT * FROM ngc104_phot")
        cursor.fetchone()
        finish(start(site, "--pr", "all"))
        assert reader.execute(count).fetchone() == before
        assert len(cursor.fetchall()) == before[0] - 1
        reader.execute("COMMIT")
        assert reader.execute(count).fetchone()[0] > before[0]
    assert rows_of(site) == one_after_another[0]
