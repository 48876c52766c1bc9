"""The soak of the benchmarks works, and its checks can fail."""

import contextlib
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from running import run

from benchmarks import soak
from benchmarks.wholeness import files_of, rows_of

pytestmark = pytest.mark.slow

STAR = "FILE_ID = 1 AND MASTER_ID = (SELECT min(MASTER_ID) FROM ngc104_phot WHERE FILE_ID = 1)"


@pytest.fixture(scope="module")
def finished(observatory, tmp_path_factory):
    """Root of a run over data of its own."""
    root = tmp_path_factory.mktemp("soak") / "site"
    shutil.copytree(observatory / "data", root / "data")
    (root / "config.py").write_text(soak.shipped_file("config.example.py").read_text() + "aprads = [3]\n")
    assert run(root / "config.py", "--pr", "all", "--ctecorr", "flt", "--jobs", "1", fast=False).code == 0
    return root


class Place:
    """What the checks need of a `soak.Site`."""

    def __init__(self, root):
        self.root, self.database = root, root / "database" / "uvis_external_cte.db"

    def change(self, statement):
        with contextlib.closing(sqlite3.connect(self.database)) as connection, connection:
            connection.execute(statement)

    def any(self, pattern):
        return sorted((self.root / "outputs").rglob(pattern))[0]

    def cut(self, pattern):
        path = self.any(pattern)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.fixture
def place(finished, tmp_path):
    """A copy of it, to be damaged."""
    shutil.copytree(finished, tmp_path / "site", symlinks=True)
    return Place(tmp_path / "site")


def problems(place, reference=None):
    outcome = soak.Outcome("end", 0.0)
    soak.look(place, outcome)
    if reference:
        soak.judge(soak.Reference(rows_of(reference.database), files_of(reference.root), 4, 2), place, outcome)
    return outcome


def test_nothing_is_wrong_with_a_run_that_nobody_disturbed(finished, place):
    for suffix in ("log", "jsonl"):  # of a run that was killed before it said anything
        (place.root / "outputs" / "logs" / f"2026-01-01T00-00-00.{suffix}").touch()
    assert problems(place, Place(finished)).problems == []


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (lambda p: p.change(f"DELETE FROM ngc104_phot WHERE {STAR}"), "rows of"),
        (lambda p: p.change(f"UPDATE ngc104_phot SET FILE_ID = 99 WHERE {STAR}"), "no parent"),
        (lambda p: p.change("UPDATE ngc104_results SET IMAGENAME_1 = 'x' WHERE id = 1"), "results without exposures"),
        (lambda p: p.database.write_bytes(p.database.read_bytes()[:5000]), "database"),
        (lambda p: p.cut("*.png"), "cut off"),
        (lambda p: p.cut("*.pdf"), "cut off"),
        (lambda p: p.cut("*.mag"), ".mag"),
        (lambda p: p.cut("*_coeffs.ecsv"), "_coeffs.ecsv"),
        (lambda p: p.cut("fingerprints.json"), "fingerprints.json"),
        (lambda p: sorted((p.root / "data").rglob("*q_flt.fits"))[0].write_bytes(b"SIMPLE"), "_flt.fits"),
    ],
    ids=["star", "parent", "pair", "file", "png", "pdf", "mag", "coeffs", "json", "fits"],
)
def test_what_is_not_whole_is_found(place, damage, word):
    damage(place)
    assert any(word in line for line in problems(place).problems)


@pytest.mark.parametrize(
    ("damage", "word", "numbers"),
    [
        (lambda p: p.change(f"UPDATE ngc104_phot SET FLUX_3 = 1.0 WHERE {STAR}"), "rows lost", (1, 1)),
        (lambda p: p.change("DELETE FROM ngc104_results"), "ngc104_results: 2 rows lost", (2, 0)),
        (lambda p: p.any("*_slopes.pdf").unlink(), "missing", (0, 0)),
        (lambda p: (p.any("*.mag").parent / "more.mag").touch(), "not there before", (0, 0)),
        (lambda p: p.any("*_slopes.txt").write_text("# %ECSV 1.0\n"), "differs", (0, 0)),
        (lambda p: (p.any("*.mag").parent / ".1-vm_a.mag").touch(), "left over", (0, 0)),
    ],
    ids=["flux", "results", "missing", "more", "other", "temporary"],
)
def test_what_is_not_the_same_is_found(finished, place, damage, word, numbers):
    damage(place)
    outcome = problems(place, Place(finished))
    assert any(word in line for line in outcome.problems), outcome.problems
    assert (outcome.lost, outcome.doubled) == numbers


def test_trials_are_the_same_each_time_and_of_all_kinds():
    trials = [soak.trial_of(number, seed=1) for number in range(1, 101)]
    assert trials == [soak.trial_of(number, seed=1) for number in range(1, 101)]
    assert sum(trial.new for trial in trials) == 20
    assert {(trial.jobs, trial.alone) for trial in trials} == {(1, False), (2, False), (2, True)}
    quarters = [sum(quarter <= 4 * trial.when < quarter + 1 for trial in trials) for quarter in range(4)]
    assert min(quarters) > 10


def test_a_few_kills():
    command = [sys.executable, "-m", "benchmarks.soak", "--seed", "1", "--only", "1", "2", "3", "4"]
    root = Path(soak.__file__).parents[1]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "4 of 4 equal"
