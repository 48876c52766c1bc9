"""database check finds what was spoilt, and nothing else; database status says what is there."""

import contextlib
import os
import socket
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest
from postgres_server import execute
from running import run, run_tool
from test_database import APRADS, BINS, MEASURED, ONE, TWO, catalog, photometry, results, store_pair

from wfc3_cte_monitor.database import Database, check_database, fileinfo_row, is_alive, read_state
from wfc3_cte_monitor.errors import DatabaseError
from wfc3_cte_monitor.records import ExposurePair
from wfc3_cte_monitor.tables import Schema

SCHEMA = Schema(("ngc104",), APRADS, BINS)
RUN = {
    "STARTED": "2026-01-01T00:00:00Z",
    "OUTCOME": "running",
    "USERNAME": "observer",
    "HOST": socket.gethostname(),
    "PID": os.getpid(),
    "COMMAND": "run_uvis_external_cte --pr all",
    "VERSION": "0.3.0",
    "LIBRARIES": "",
    "CONFIG": "config.py",
    "CONFIGHASH": "0",
}


def fill(database, folder):
    """A pair whose files exist, in the order in which a run makes them."""
    images = [replace(one, path=folder / one.imagename) for one in (ONE, TWO)]
    for number, exposure in enumerate(images):
        measured = MEASURED | {"PHOTPATH": str(folder), "COOFILE": f"{number}.coo", "MAGFILE": f"{number}.mag"}
        for path in (exposure.path, folder / f"{number}.coo", folder / f"{number}.mag"):
            path.touch()
        database.store_exposure("ngc104", fileinfo_row(exposure, measured), photometry())
    (folder / "s.txt").touch()
    row = results(ExposurePair(*images)) | {"SLOPEFILE_PATH": str(folder)}
    database.store_results("ngc104", [row], (ONE.imagename, TWO.imagename))


@pytest.fixture
def lite(tmp_path):
    (tmp_path / "files").mkdir()
    with Database(tmp_path / "x.db", SCHEMA) as database:
        database.create()
        database.store_catalog(catalog())
        fill(database, tmp_path / "files")
        yield database


def spoil(database, *statements):
    """Past everything that forbids it."""
    with contextlib.closing(sqlite3.connect(database.file)) as connection:
        connection.execute("pragma writable_schema = on")
        connection.execute("pragma ignore_check_constraints = on")
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def test_a_database_that_is_well(lite):
    assert check_database(lite) == []


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        (
            "delete from ngc104_master where id in (3, 9)",
            "ngc104_phot: 4 rows refer by MASTER_ID to nothing in ngc104_master, first where FILE_ID 1, MASTER_ID 3",
        ),
        (
            "update ngc104_results set RUN_ID = 7",
            "ngc104_results: 1 rows refer by RUN_ID to nothing in runs, first where IMAGENAME_1 icxx01abq_flt.fits, "
            "IMAGENAME_2 icxx01aaq_flt.fits, APERTURE 3.0",
        ),
        (
            "update ngc104_phot set FLUX_3 = 'much' where MASTER_ID > 18",
            "ngc104_phot: FLUX_3 is not of its type in 4 rows, first where FILE_ID 1, MASTER_ID 19",
        ),
        (
            "update ngc104_phot set SKY = -9e999 where MASTER_ID = 1 and FILE_ID = 2",
            "ngc104_phot: SKY is infinite in 1 rows, first where FILE_ID 2, MASTER_ID 1",
        ),
        (
            "update ngc104_fileinfo set CHIP = 1.5 where id = 1",
            "ngc104_fileinfo: CHIP is not of its type in 1 rows, first where IMAGENAME icxx01abq_flt.fits",
        ),
        (
            "update ngc104_fileinfo set INGEST_DATE = 'yesterday' where id = 1",
            "ngc104_fileinfo: INGEST_DATE is no date in 1 rows, first where IMAGENAME icxx01abq_flt.fits",
        ),
    ],
)
def test_what_is_wrong_with_a_row_is_one_line(statement, finding, lite):
    spoil(lite, statement)
    assert check_database(lite) == [finding]


def test_null_where_none_may_be_and_doubles(tmp_path):
    """As a table has them that was made by other hands, without what forbids them."""
    with Database(tmp_path / "x.db", SCHEMA) as database:
        database.create()
        spoil(
            database,
            "drop table ngc104_master",
            "create table ngc104_master (id integer, XPIX float, YPIX float, RA float, DEC float)",
            "insert into ngc104_master values (1, 1, 1, 1, 1), (1, 2, 2, 2, null)",
        )
        assert check_database(database) == [
            "ngc104_master: DEC is NULL in 1 rows, first where id 1",
            "ngc104_master: 2 rows have id 1",
        ]


def test_a_table_that_does_not_fit_is_named_and_the_rest_is_looked_at(lite):
    spoil(lite, "alter table ngc104_phot drop column NUMSKY", "update ngc104_phot set SKY = 'dark' where FILE_ID = 1")
    assert check_database(lite) == [
        "ngc104_phot lacks NUMSKY: see database sync",
        "ngc104_phot: SKY is not of its type in 20 rows, first where FILE_ID 1, MASTER_ID 1",
    ]


def test_a_damaged_file(lite):
    lite.engine.dispose()
    content = bytearray(lite.file.read_bytes())
    content[4096 * 5 : 4096 * 12] = b"\xa5" * 4096 * 7
    lite.file.write_bytes(content)
    findings = check_database(lite)
    assert findings and all(line.startswith("the file is damaged: ") and "\n" not in line for line in findings)


def test_files_that_are_gone_or_changed(lite, tmp_path):
    folder = tmp_path / "files"
    (folder / ONE.imagename).unlink()
    (folder / "0.coo").unlink()
    (folder / "s.txt").unlink()
    later = time.time() + 60
    os.utime(folder / TWO.imagename, (later, later))
    days = time.time() + 3 * 86400
    os.utime(folder / "0.mag", (days, days))
    assert check_database(lite) == [
        f"ngc104_fileinfo: {TWO.imagename}: {folder / TWO.imagename} changed after it was measured; "
        "a run measures it again",
        f"ngc104_fileinfo: {ONE.imagename}: {folder / ONE.imagename} is gone",
        f"ngc104_fileinfo: {ONE.imagename}: {folder / '0.coo'} is gone",
        f"ngc104_fileinfo: {ONE.imagename}: {folder / '0.mag'} changed after its numbers were stored",
        f"ngc104_results: {folder / 's.txt'} is not there; a run with --dofind n --dophot n makes it",
    ]


def test_runs_that_were_killed(lite):
    runs = SCHEMA.table(None, "runs")
    ended = subprocess.Popen([sys.executable, "-c", "pass"])
    ended.wait()
    with lite.transaction() as connection:
        for changes in (
            {},
            {"PID": ended.pid},
            {"PID": os.getpid(), "PIDSTART": 12345.0},
            {"PID": ended.pid, "HOST": "elsewhere"},
            {"PID": ended.pid, "OUTCOME": "complete"},
        ):
            connection.execute(runs.insert(), RUN | changes)
    findings = check_database(lite)
    assert [line.split(" of ")[0] for line in findings] == ["runs: run 2", "runs: run 3"]


def test_a_process_that_nobody_has_waited_for_is_dead():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    run = {"HOST": socket.gethostname(), "PID": process.pid, "PIDSTART": psutil.Process(process.pid).create_time()}
    assert is_alive(run) is True and is_alive(run | {"PIDSTART": run["PIDSTART"] - 3600}) is False
    process.stdin.close()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert is_alive(run) is False, "a zombie"
    process.wait()
    assert is_alive(run) is False


def test_the_same_on_a_server(postgresql):
    url = postgresql.new()
    with Database(url, SCHEMA) as database:
        database.create()
        database.store_catalog(catalog())
        store_pair(database)
        gone = [line for line in check_database(database) if "is gone" not in line and "is not there" not in line]
        assert gone == []
        execute(url, 'UPDATE ngc104_phot SET "SKY" = \'NaN\' WHERE "MASTER_ID" = 3')
        assert "ngc104_phot: SKY is not finite in 2 rows, first where FILE_ID 1, MASTER_ID 3" in check_database(
            database
        )
        state = read_state(database)
        assert state.rows["ngc104_phot"] == 40 and state.engine.startswith("postgresql") and state.size > 1e6


# ---- Status ----------------------------------------------------------------------------------------------------------


def test_the_state_counts_what_is_there(lite):
    with lite.transaction() as connection:
        connection.execute(SCHEMA.table(None, "runs").insert(), [RUN | {"PID": n} for n in range(5)])
        failure = {"IMAGENAME": "x", "FINGERPRINT": "0", "REASON": "dark"}
        connection.execute(SCHEMA.table("ngc104", "failures").insert(), failure)
    state = read_state(lite)
    one = state.clusters["ngc104"]
    assert (list(one.exposures), one.pairs, one.failures) == ([57001.0, 57001.0], 1, 1)
    assert [run["id"] for run in state.runs] == [5, 4, 3]
    assert state.rows["ngc104_master"] == 20 and state.size > 0


def test_the_commands(observatory, make_config, tmp_path):
    config = make_config(tmp_path, path_to_data=observatory / "data")
    for action in ("check", "status"):
        refused = run_tool("database", action, "--config", config)
        assert refused.code == 2 and "does not exist" in refused.err
    assert run(config, "--pr", "all", "--ctecorr", "flt").code == 0
    assert run_tool("database", "check", "--config", config).lines[-1].endswith("no findings")
    run_tool("database", "backup", "--config", config)
    status = run_tool("database", "status", "--config", config)
    assert status.code == 0 and "fits its definitions" in status.out
    (line,) = (line for line in status.lines if line.startswith("ngc104 "))
    assert line.split()[1:5] == ["4", "2", "2", "0"]
    assert sum(line.startswith("backup: ") for line in status.lines) == 1
    next((tmp_path / "outputs" / "photom").rglob("*.mag")).unlink()
    found = run_tool("database", "check", "--config", config)
    assert found.code == 1 and found.lines[-1].endswith("1 findings") and len(found.lines) == 2
    config = make_config(tmp_path, path_to_data=observatory / "data", aprads=[3])
    assert "not defined any more: ngc104_phot" in run_tool("database", "status", "--config", config).out


def test_what_cannot_be_read_is_one_line(tmp_path):
    (tmp_path / "x.db").write_text("no database" * 1000)
    with Database(tmp_path / "x.db", SCHEMA) as database, pytest.raises(DatabaseError) as caught:
        check_database(database)
    assert "not a database" in str(caught.value)
