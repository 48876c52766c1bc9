"""Tables are filled again from the files, without photometry, and nothing is lost."""

import contextlib
import shutil
import sqlite3

import pytest
from running import dump, run, run_tool

from wfc3_cte_monitor.tables import shipped_file

pytestmark = pytest.mark.slow

TABLES = ("master", "fileinfo", "phot", "results")


@pytest.fixture(scope="module")
def finished(observatory, tmp_path_factory):
    """A finished run, in ``live``, and a copy of it."""
    root = tmp_path_factory.mktemp("reset")
    (root / "live").mkdir()
    text = shipped_file("config.example.py").read_text() + f"path_to_data = {str(observatory / 'data')!r}\n"
    (root / "live" / "config.py").write_text(text + "aprads = [3, 5]\n")
    assert run(root / "live" / "config.py", "--pr", "all").code == 0
    shutil.copytree(root / "live", root / "copy", symlinks=True)
    return root


@pytest.fixture
def site(finished):
    """Root of the run, to be changed; always in the same place, which fingerprints know."""
    shutil.rmtree(finished / "live")
    return shutil.copytree(finished / "copy", finished / "live", symlinks=True)


def reset(root, *tables):
    return run_tool("database", "reset", *tables, "--jobs", 1, "--config", root / "config.py")


def spoil(root, *statements):
    (path,) = (root / "database").glob("*.db")
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def assert_same(one, two):
    """The same rows of the cluster that was measured; numbers to the digits of a .mag file."""
    assert one.keys() == two.keys()
    for name in (name for name in one if name.startswith("ngc104")):
        assert len(one[name]) == len(two[name]), name
        for a, b in zip(one[name], two[name], strict=True):
            assert a.keys() == b.keys()
            assert all(is_near(a[column], b[column]) for column in a), name


def is_near(one, two):
    return one == (two if two is None or isinstance(two, str) else pytest.approx(two, rel=1e-4, abs=1.1e-4))


def rows(root):
    without = ("INGEST_DATE", "RUN_ID", "id", "SLOPEFILE_PATH")
    return dump(root / "database", without=without)


def test_everything_comes_back_from_the_files_of_a_database_that_is_lost(site):
    before = rows(site)
    shutil.rmtree(site / "database")
    outcome = reset(site, *TABLES)
    assert outcome.code == 0, outcome.lines
    assert_same(rows(site), before)
    again = run(site / "config.py", "--pr", "all")
    assert (again.count("extracted"), again.count("unchanged")) == (0, 8), "nothing has to be measured again"
    assert again.count("pairs unchanged") == 4


@pytest.mark.parametrize(
    ("table", "statement"),
    [
        ("master", "UPDATE ngc104_master SET RA = 0"),
        ("fileinfo", "UPDATE ngc104_fileinfo SET EXPTIME = 1, MNCLIP_BKGRD = NULL"),
        ("phot", "DELETE FROM ngc104_phot WHERE MASTER_ID % 3 = 0"),
        ("results", "UPDATE ngc104_results SET SLOPE_500_1000 = 0, SLOPEFILE = 'x'"),
    ],
)
def test_one_table_comes_back_and_the_others_stay(site, table, statement):
    before = rows(site)
    spoil(site, statement)
    assert rows(site) != before
    outcome = reset(site, table)
    assert outcome.code == 0, outcome.lines
    assert len([*(site / "database").glob("*.before_reset_*.db")]) == 1
    assert_same(rows(site), before)


def test_the_rows_point_to_the_run_that_filled_them(site):
    reset(site, "fileinfo", "phot")
    runs = dump(site / "database", without=())
    assert {row["RUN_ID"] for row in runs["ngc104_fileinfo"]} == {2}


def test_what_no_file_tells_of_stays_and_is_named(site):
    lost = sorted((site / "outputs" / "photom").rglob("*_flt*.mag"))[0]
    lost.unlink()
    damaged = sorted((site / "outputs" / "photom").rglob("*_flc*.mag"))[0]
    damaged.write_text("no")
    before = rows(site)
    outcome = reset(site, "fileinfo", "phot")
    assert outcome.code == 1
    assert any("no .mag file tells of it; it stays as it was" in line for line in outcome.lines)
    assert any(str(damaged) in line and "not a photometry file" in line for line in outcome.lines)
    assert_same(rows(site), before)


def test_phot_alone_needs_its_fileinfo(site):
    shutil.rmtree(site / "database")
    assert reset(site, "master").code == 0
    outcome = reset(site, "phot")
    assert outcome.code == 1 and "reset fileinfo, too" in outcome.out
    assert rows(site)["ngc104_phot"] == []


def test_an_unknown_table_is_refused(site):
    outcome = reset(site, "stars")
    assert outcome.code == 2 and "invalid choice: 'stars'" in outcome.err
