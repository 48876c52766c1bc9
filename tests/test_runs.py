"""The record of runs, their logs, and what is remembered of exposures that could not be measured."""

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time

import psutil
import pytest
from astropy.io import fits
from running import PROGRAM, dump, run, run_tool

from wfc3_cte_monitor import simulate
from wfc3_cte_monitor.database import is_alive
from wfc3_cte_monitor.pipeline.logs import run_log
from wfc3_cte_monitor.settings import read_settings
from wfc3_cte_monitor.tables import shipped_file

NOMINAL = ("--pr", "all", "--ctecorr", "flt")


def query(folder, text, *values):
    (path,) = (folder / "database").glob("*.db")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        with connection:
            return [dict(row) for row in connection.execute(text, values)]


@pytest.fixture(scope="module")
def finished(observatory, tmp_path_factory):
    """Root of a run over data of its own, one exposure of which shows another field than it says."""
    root = tmp_path_factory.mktemp("runs") / "live"
    shutil.copytree(observatory / "data", root / "data")
    bad, *_ = sorted((root / "data").rglob("*q_flt.fits"))
    with fits.open(bad, mode="update") as hdus:
        for hdu in hdus:
            if hdu.name == "SCI":
                hdu.data[:] = 3.0
    (root / "config.py").write_text(shipped_file("config.example.py").read_text() + "aprads = [3]\n")
    return root, bad.name, run(root / "config.py", *NOMINAL)


@pytest.fixture
def site(finished, tmp_path):
    """The run, to be changed: always in the same place, which the fingerprints know."""
    root, bad, _ = finished
    shutil.copytree(root, tmp_path / "kept", symlinks=True)
    yield root, bad
    shutil.rmtree(root)
    shutil.copytree(tmp_path / "kept", root, symlinks=True)


# ---- The record ------------------------------------------------------------------------------------------------------


def test_a_run_says_when_by_whom_with_what_and_what_came_of_it(finished):
    root, _, outcome = finished
    (row,) = query(root, "SELECT * FROM runs")
    assert row["OUTCOME"] == "failures" and outcome.code == 1
    assert row["STARTED"] <= row["ENDED"] and row["ENDED"].endswith("Z")
    assert (row["USERNAME"], row["HOST"]) == (psutil.Process().username(), socket.gethostname())
    assert row["PID"] == os.getpid()
    assert row["LIBRARIES"].startswith("Python 3.") and "drizzlepac" in row["LIBRARIES"]
    assert row["CONFIG"] == str(root / "config.py") and len(row["CONFIGHASH"]) == 32
    counts = {name: row[name] for name in ("FOUND", "EXTRACTED", "UNCHANGED", "FAILED", "PAIRS")}
    assert counts == {"FOUND": 8, "EXTRACTED": 3, "UNCHANGED": 0, "FAILED": 1, "PAIRS": 1}
    assert (root / "outputs" / "logs" / row["LOGFILE"]).is_file()


def test_every_row_points_to_the_run_that_measured_it(site):
    root, _ = site
    changed = sorted((root / "data").rglob("*_flt.fits"))[-1]
    os.utime(changed, (1e9, 1e9))
    assert run(root / "config.py", *NOMINAL).count("extracted") == 1
    by_image = {row["IMAGENAME"]: row["RUN_ID"] for row in query(root, "SELECT * FROM ngc104_fileinfo")}
    assert by_image.pop(changed.name) == 2 and set(by_image.values()) == {1}
    results = query(root, "SELECT RUN_ID, IMAGENAME_1, IMAGENAME_2 FROM ngc104_results")
    assert {row["RUN_ID"] for row in results} == {2}
    assert changed.name in (results[0]["IMAGENAME_1"], results[0]["IMAGENAME_2"])
    assert [row["OUTCOME"] for row in query(root, "SELECT OUTCOME FROM runs ORDER BY id")] == ["failures"] * 2


def test_a_run_that_inserts_nothing_leaves_no_record(site):
    root, _ = site
    run(root / "config.py", *NOMINAL, "--i", "n")
    assert len(query(root, "SELECT id FROM runs")) == 1


def test_other_words_change_the_hash_of_the_configuration_and_comments_do_not(site):
    root, _ = site
    for text in ("# a comment\n", "recommended_background = 20\n"):
        with (root / "config.py").open("a") as file:
            file.write(text)
        run(root / "config.py", *NOMINAL)
    first, second, third = (row["CONFIGHASH"] for row in query(root, "SELECT CONFIGHASH FROM runs ORDER BY id"))
    assert first == second != third


def test_a_run_that_was_killed_is_found_out_by_the_next(site):
    root, _ = site
    query(root, "UPDATE runs SET OUTCOME = 'running', ENDED = NULL, PID = ?, PIDSTART = 1.0", os.getpid())
    outcome = run(root / "config.py", *NOMINAL)
    assert "WARNING: run 1 " in outcome.err and "was killed" in outcome.err
    assert query(root, "SELECT OUTCOME FROM runs WHERE id = 1") == [{"OUTCOME": "killed"}]


def test_a_run_that_is_at_work_is_named(site):
    root, _ = site
    began = psutil.Process().create_time()
    query(root, "UPDATE runs SET OUTCOME = 'running', PID = ?, PIDSTART = ?", os.getpid(), began)
    outcome = run(root / "config.py", *NOMINAL)
    assert f"process {os.getpid()}" in outcome.out and "is at work on this database" in outcome.out
    assert query(root, "SELECT OUTCOME FROM runs WHERE id = 1") == [{"OUTCOME": "running"}]


def test_of_another_machine_nobody_knows():
    here = {"HOST": socket.gethostname(), "PID": os.getpid(), "PIDSTART": psutil.Process().create_time()}
    assert is_alive(here) is True
    assert is_alive(here | {"PIDSTART": 1.0}) is False
    assert is_alive(here | {"PID": 2**22 + 1}) is False and is_alive(here | {"PID": 2**40}) is False
    assert is_alive(here | {"HOST": "elsewhere"}) is None


def interrupted(config, word, wait=0.0, number=signal.SIGINT, jobs=1, alone=False):
    """Output of a run that gets a signal some time after a line of its log, all its processes or the main one alone."""
    command = [sys.executable, "-m", "wfc3_cte_monitor.commands.run_uvis_external_cte", *NOMINAL, "--jobs", str(jobs)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    with subprocess.Popen([*command, "--config", str(config)], **pipes) as process:
        line = next(line for line in process.stderr if word in line)
        time.sleep(wait)
        (os.kill if alone else os.killpg)(process.pid, number)
        began = time.monotonic()
        out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number, line + out + err
    assert time.monotonic() - began < 20  # on a busy machine; two seconds on one's own
    assert out.splitlines()[0] == "Summary of what was done until the run was interrupted"
    assert err.splitlines()[-1] == f"{PROGRAM}: interrupted; the same command goes on from here"
    assert "Traceback" not in out + err
    assert [row["OUTCOME"] for row in query(config.parent, "SELECT OUTCOME FROM runs")] == ["interrupted"]
    assert list((config.parent / "outputs" / "tempfiles").glob("*/")) == []
    return out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "jobs", "alone"),
    [(signal.SIGINT, 1, False), (signal.SIGINT, 2, False), (signal.SIGTERM, 1, True), (signal.SIGTERM, 2, True)],
)
def test_ctrl_c_and_sigterm_end_a_run_with_its_summary(observatory, make_config, number, jobs, alone):
    config = make_config(path_to_data=observatory / "data")
    interrupted(config, "extracted", number=number, jobs=jobs, alone=alone)
    after = run(config, *NOMINAL)
    assert after.code == 0 and after.count("extracted") + after.count("unchanged") == 4
    assert after.count("unchanged") >= 1


@pytest.mark.slow
def test_ctrl_c_while_figures_are_drawn(observatory, make_config):
    config = make_config(path_to_data=observatory / "data")
    out = interrupted(config, "measured ib7x", wait=1.0)
    assert "  pairs measured           2" in out.splitlines()
    assert not [*(config.parent / "outputs").rglob("most_recent")]


@pytest.fixture(scope="module")
def full_frame(tmp_path_factory):
    """Data of an exposure that keeps L.A.Cosmic, which is written in C, busy for ten seconds."""
    root = tmp_path_factory.mktemp("full_frame")
    plan = simulate.default_plan(n_epochs=1, targets=("ngc104",), lengths=("l",), flashlvls=(0.0,), ctecorr=(False,))
    simulate.simulate_observatory(root, plan[:1], seed=5, n_columns=2048)
    return root / "data"


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_reaches_a_run_while_it_computes_in_c(full_frame, make_config, jobs):
    config = make_config(path_to_data=full_frame, aprads=(3,))
    out = interrupted(config, "filled", wait=4.0, jobs=jobs)
    assert "  extracted                0" in out.splitlines()


@pytest.mark.slow
def test_ctrl_c_while_a_run_waits_for_a_writer(observatory, make_config):
    config = make_config(path_to_data=observatory / "data")
    assert run_tool("database", "create", "--config", config).code == 0
    (path,) = (config.parent / "database").glob("*.db")
    command = [sys.executable, "-m", "wfc3_cte_monitor.commands.run_uvis_external_cte", *NOMINAL]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        with subprocess.Popen([*command, "--config", str(config)], **pipes) as process:
            line = next(line for line in process.stderr if "waits for another process" in line)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=20)
    assert f"process {os.getpid()} has it open" in line
    assert (process.returncode, err.splitlines()[-1]) == (
        130,
        f"{PROGRAM}: interrupted; the same command goes on from here",
    )


# ---- Failures --------------------------------------------------------------------------------------------------------


def test_the_same_failure_is_not_tried_again_but_said(site):
    root, bad = site
    before = query(root, "SELECT * FROM ngc104_failures")
    assert [(row["IMAGENAME"], row["RUN_ID"]) for row in before] == [(bad, 1)]
    outcome = run(root / "config.py", *NOMINAL)
    assert (outcome.code, outcome.count("failed"), outcome.count("extracted")) == (1, 1, 0)
    assert f"    {bad}: {before[0]['REASON']}" in outcome.out.splitlines()
    assert "    1 not tried again (--retry-failed)" in outcome.out.splitlines()
    assert query(root, "SELECT * FROM ngc104_failures") == before


def test_it_is_tried_again_where_that_is_asked_for(site):
    root, bad = site
    outcome = run(root / "config.py", *NOMINAL, "--retry-failed")
    assert outcome.code == 1 and "not tried again" not in outcome.out
    assert query(root, "SELECT RUN_ID FROM ngc104_failures") == [{"RUN_ID": 2}]


def test_an_exposure_that_was_mended_is_measured_and_forgotten(site, observatory):
    root, bad = site
    (path,) = (root / "data").rglob(bad)
    (good,) = (observatory / "data").rglob(bad)
    shutil.copy(good, path)
    outcome = run(root / "config.py", *NOMINAL)
    assert (outcome.code, outcome.count("extracted")) == (0, 1)
    assert query(root, "SELECT * FROM ngc104_failures") == []
    assert len(dump(root / "database")["ngc104_fileinfo"]) == 4


# ---- Logs ------------------------------------------------------------------------------------------------------------


def test_the_log_says_of_each_exposure_what_was_decided_and_why(finished):
    root, bad, _ = finished
    (path,) = (root / "outputs" / "logs").glob("*.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert all({"time", "level", "module", "message"} <= line.keys() for line in lines)
    decided = {line["exposure"]: line for line in lines if "decision" in line}
    assert len(decided) == 8  # FLC that were not asked for, too
    assert decided[bad]["decision"] == "failed" and decided[bad]["level"] == "error" and decided[bad]["reason"]
    kinds = sorted({line["decision"] for line in decided.values()})
    assert kinds == ["failed", "measured", "no partner", "not asked for"]


def test_the_logs_of_the_newest_runs_are_kept_and_nothing_else_is_touched(tmp_path):
    (tmp_path / "README").write_text("what this is")
    (tmp_path / "2026-notes.log").write_text("mine")
    for second in range(12):
        with run_log(tmp_path, 3, f"2026-01-01T00-00-{second:02d}"):
            pass
    with run_log(tmp_path, 3, "2026-01-01T00-00-11") as path:
        assert path.name == "2026-01-01T00-00-11_1.log"
    kept = sorted(path.name for path in tmp_path.glob("2026-01*.log"))
    assert kept == ["2026-01-01T00-00-10.log", "2026-01-01T00-00-11.log", "2026-01-01T00-00-11_1.log"]
    assert {path.stem for path in tmp_path.glob("*.jsonl")} == {name.removesuffix(".log") for name in kept}
    assert (tmp_path / "README").exists() and (tmp_path / "2026-notes.log").exists()


def test_the_configuration_says_how_many_logs_are_kept(site):
    root, _ = site
    with (root / "config.py").open("a") as file:
        file.write("logs_kept = 1\n")
    assert read_settings(root / "config.py").logs_kept == 1
    run(root / "config.py", *NOMINAL)
    assert len([*(root / "outputs" / "logs").glob("*.log")]) == 1
