"""A disk that is full in the middle of a run: a line for each failure, nothing partial, and the rerun completes it."""

import os
import signal
import subprocess
import sys

import pytest
from running import dump, run

from benchmarks.wholeness import broken_rows, files_of, left_over, unreadable_files
from wfc3_cte_monitor.tables import shipped_file

pytestmark = pytest.mark.slow

ARGUMENTS = ("--pr", "all", "--ctecorr", "flt", "--jobs", "1")
WITHOUT = ("INGEST_DATE", "FINGERPRINT", "RUN_ID", "PHOTPATH", "SLOPEFILE_PATH")
FULL = "No space left on device"


@pytest.fixture(scope="module")
def undisturbed(observatory, tmp_path_factory):
    """Rows and files of a run that had room."""
    root = tmp_path_factory.mktemp("undisturbed")
    config(root, observatory)
    assert run(root / "config.py", *ARGUMENTS, fast=False).code == 0
    return dump(root / "database", WITHOUT), files_of(root)


def config(root, observatory, *lines):
    added = ("aprads = [3]", f"path_to_data = {str(observatory / 'data')!r}", *lines, "")
    (root / "config.py").write_text(shipped_file("config.example.py").read_text() + "\n".join(added))


def fill(folder):
    """Write a file until there is no room any more; its path."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        for size in (2**20, 2**12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return path


def run_until_full(root, line, folder):
    """Run the command; as soon as it logs a line it stands still while a disk is filled. Its result, and the filler."""
    command = [sys.executable, "-m", "wfc3_cte_monitor.commands.run_uvis_external_cte", *ARGUMENTS]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*command, "--config", str(root / "config.py")], **pipes) as process:
        seen = next(said for said in process.stderr if line in said)
        os.kill(process.pid, signal.SIGSTOP)
        filler = fill(folder)
        os.kill(process.pid, signal.SIGCONT)
        out, err = process.communicate(timeout=600)
    return process.returncode, out, seen + err, filler


def assert_nothing_partial(root):
    assert broken_rows(root / "database" / "uvis_external_cte.db") == []
    assert unreadable_files(root) == [] == left_over(root)


@pytest.mark.parametrize(
    ("full", "line"),
    [
        ("outputs", "extracted "),
        ("database", "extracted "),
        ("outputs", "measured ib7x"),
        ("database", "measured i9j0"),
    ],
    ids=["extraction", "database", "drawing", "results"],
)
def test_a_full_disk_costs_a_line_each_and_the_rerun_completes(
    undisturbed, observatory, small_disk, tmp_path, full, line
):
    for name in ("outputs", "database"):
        small_disk(tmp_path / name, "24m")
    config(tmp_path, observatory)
    code, out, err, filler = run_until_full(tmp_path, line, tmp_path / full)
    assert code in (1, 2), out + err
    assert out.startswith("Summary") and "Traceback" not in out + err
    named = [said for said in out.splitlines() if FULL in said]
    assert named and all(str(tmp_path / full) in said for said in named), out
    filler.unlink()
    assert_nothing_partial(tmp_path)
    again = run(tmp_path / "config.py", *ARGUMENTS, fast=False)
    assert again.code == 0, again.lines
    assert_nothing_partial(tmp_path)
    rows, files = undisturbed
    assert dump(tmp_path / "database", WITHOUT) == rows
    assert files_of(tmp_path) == files


def test_a_full_disk_under_the_copies_leaves_results_and_no_half_copy(undisturbed, observatory, small_disk, tmp_path):
    small_disk(tmp_path / "copies", "64k")
    config(tmp_path, observatory, f"path_to_automated_outputs = {str(tmp_path / 'copies')!r}")
    outcome = run(tmp_path / "config.py", *ARGUMENTS, fast=False)
    assert outcome.code == 1
    (line,) = (line for line in outcome.out.splitlines() if FULL in line)
    assert str(tmp_path / "copies") in line
    assert list((tmp_path / "copies").iterdir()) == []
    assert_nothing_partial(tmp_path)
    assert files_of(tmp_path) == undisturbed[1]
