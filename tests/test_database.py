"""Whole exposures or nothing, missing is NULL, a rerun replaces: seen through sqlite3 itself."""

import contextlib
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from wfc3_cte_monitor.database import Database, fileinfo_row, results_row
from wfc3_cte_monitor.errors import ConfigurationError, DatabaseError
from wfc3_cte_monitor.records import (
    Exposure,
    ExposurePair,
    FluxBin,
    LineFit,
    MasterCatalog,
    Photometry,
    SlopeFit,
    StarPositions,
)
from wfc3_cte_monitor.tables import Schema

APRADS = (3, 5)
BINS = (FluxBin(250, 500), FluxBin(500, 1000))
N_STARS = 20
ONE = Exposure(
    Path("data/14012/icxx01abq_flt.fits"),
    "icxx01abq",
    14012,
    "ngc104",
    "F502N",
    350.0,
    57001.0,
    0.0,
    False,
    1,
    0,
    82,
    0,
)
TWO = replace(ONE, path=Path("data/14012/icxx01aaq_flt.fits"), rootname="icxx01aaq", chip=2, postarg2=0.0)
MEASURED = {"PHOTPATH": "photom", "COOFILE": "a.coo", "MAGFILE": "a.mag", "TOTBKGRD": 1.5}


def open_database(path, aprads=APRADS, bins=BINS):
    database = Database(path, Schema(["ngc104", "ngc6583"], aprads, bins))
    database.create()
    return database


@pytest.fixture
def path(tmp_path):
    return tmp_path / "database" / "monitor.db"


@pytest.fixture
def database(path):
    with open_database(path) as database:
        database.store_catalog(catalog())
        yield database


def catalog(n=N_STARS, target="ngc104"):
    columns = np.linspace(0, 1, 4 * n).reshape(4, n)
    return MasterCatalog(target, np.arange(1, n + 1), *columns)


def photometry(n=N_STARS, flux=700.0):
    positions = StarPositions(np.arange(1, n + 1), np.full(n, 10.0), np.linspace(1, 2000, n), np.full(n, np.nan))
    fluxes, flags = np.full((2, n), flux), np.zeros((2, n), int)
    sky = np.full(n, 1.5)
    return Photometry(positions, APRADS, fluxes, np.sqrt(fluxes), flags, sky, sky, np.full(n, 300), sky)


def line(slope):
    return LineFit(slope, slope / 10, 1.0, 0.1, 0.0, np.ones(100, bool))


def results(pair, aperture=3):
    fits = [SlopeFit(BINS[0], 100, 350.0, line(2e-4), line(3e-4)), SlopeFit(BINS[1], 2, 700.0, None, None)]
    measured = {"SLOPEFILE": "s.txt", "SLOPEFILE_PATH": "p", "BACKGROUND_1": 1.5, "BACKGROUND_2": None, "NUMSTARS": 102}
    return results_row(pair, aperture, measured, fits)


def store_pair(database, pair=None, apertures=APRADS):
    pair = pair or ExposurePair(ONE, TWO)
    for exposure in (pair.one, pair.two):
        database.store_exposure("ngc104", fileinfo_row(exposure, MEASURED), photometry())
    rows = [results(pair, aperture) for aperture in apertures]
    database.store_results("ngc104", rows, (pair.one.imagename, pair.two.imagename))


def query(path, sql):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


# ---- Structure -------------------------------------------------------------------------------------------------------


def test_checks_of_the_guide_work_as_printed(database, path):
    database.store_catalog(catalog(3, "ngc6583"))
    assert query(path, "select id,xpix,ypix,ra,dec from ngc6583_master")[0] == pytest.approx(
        (1, 0, 3 / 11, 6 / 11, 9 / 11)
    )
    assert [row[1] for row in query(path, "pragma table_info(ngc104_master)")] == ["id", "XPIX", "YPIX", "RA", "DEC"]


def test_results_hold_five_columns_and_more_per_bin(database, path):
    names = {row[1] for row in query(path, "pragma table_info(ngc104_results)")}
    kinds = ("SLOPE", "SLOPESTDEV", "NUMPOINTS", "MAGSLOPE", "MAGSLOPESTDEV")
    assert {f"{kind}_{edges}" for kind in kinds for edges in ("250_500", "500_1000")} <= names


def test_create_keeps_what_is_there(database, path):
    store_pair(database)
    database.create()
    assert query(path, "select count(*) from ngc104_phot") == [(2 * N_STARS,)]


@pytest.mark.parametrize(
    ("changes", "column"), [({"aprads": (3, 5, 7)}, "FLUX_7"), ({"bins": (*BINS, FluxBin(1, 2))}, "SLOPE_1_2")]
)
def test_a_database_of_other_columns_is_refused_by_name(database, path, changes, column):
    with pytest.raises(DatabaseError, match=column):
        open_database(path, **changes)


def test_a_file_that_is_not_a_database_is_refused_in_one_line(tmp_path):
    path = tmp_path / "x.db"
    path.write_text("this is not a database, however long the text may be " * 50)
    with pytest.raises(DatabaseError) as caught:
        open_database(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseError, match="file"):
        open_database(tmp_path / "file" / "x.db")


@pytest.mark.parametrize("url", ["no url", "nosuchdatabase://x/y"])
def test_what_is_not_a_url_is_refused(url):
    with pytest.raises(ConfigurationError, match="db_url"):
        Database(url, None)


# ---- Whole or not at all ---------------------------------------------------------------------------------------------


def test_a_rerun_replaces_and_never_doubles(database, path):
    store_pair(database)
    database.store_exposure("ngc104", fileinfo_row(TWO, MEASURED), photometry(15, flux=800.0))
    assert query(path, "select count(*), min(FLUX_3) from ngc104_phot where FILE_ID = 2") == [(15, 800.0)]
    assert query(path, "select count(*) from ngc104_fileinfo") == [(2,)]
    store_pair(database)
    assert query(path, "select count(*) from ngc104_results") == [(2,)]


def test_an_error_in_the_middle_leaves_what_was_there(database, path):
    store_pair(database)
    before = query(path, "select * from ngc104_phot")
    with pytest.raises(DatabaseError, match="FOREIGN KEY"):
        database.store_exposure("ngc104", fileinfo_row(TWO, MEASURED), photometry(N_STARS + 1, flux=1.0))
    assert query(path, "select * from ngc104_phot") == before


def test_missing_is_null(database, path):
    flux = photometry()
    flux.flux[0, 3] = np.nan
    database.store_exposure("ngc104", fileinfo_row(TWO, MEASURED), flux)
    assert query(path, "select MASTER_ID from ngc104_phot where FLUX_3 is null") == [(4,)]
    assert query(path, "select count(*) from ngc104_phot where SHIFT is null") == [(N_STARS,)]
    store_pair(database)
    missing = "SLOPE_500_1000, MAGSLOPE_500_1000, NUMPOINTS_500_1000, MEANFLUX_500_1000, SLOPESTDEV_500_1000"
    assert query(path, f"select {missing} from ngc104_results where APERTURE = 3") == [(None,) * 5]


def test_standard_deviation_is_stored_and_standard_error_read(database, path):
    store_pair(database)
    assert query(path, "select MAGSLOPESTDEV_250_500 from ngc104_results")[0][0] == pytest.approx(3e-5 * 10)
    table = database.slopes("ngc104", 3)
    assert list(table["lo"]) == [250, 500]
    assert table["magslope_err"][0] == pytest.approx(3e-5)
    assert table["slope_err"][0] == pytest.approx(2e-5)
    assert np.isnan(table["slope"][1])
    assert list(table["n_points"]) == [100, 0]
    assert table["background"][0] == 1.5


def test_results_of_pairs_that_are_no_more_go(database, path):
    store_pair(database)
    store_pair(database, ExposurePair(ONE, replace(TWO, rootname="icxx01acq")))
    assert query(path, "select distinct IMAGENAME_1, IMAGENAME_2 from ngc104_results") == [
        ("icxx01abq_flt.fits", "icxx01acq_flt.fits")
    ]


def test_forgotten_exposures_take_everything_along(database, path):
    store_pair(database)
    assert database.forget("ngc104", [TWO.imagename, "icxx09zzq_flt.fits"]) == 1
    assert query(path, "select IMAGENAME from ngc104_fileinfo") == [(ONE.imagename,)]
    assert query(path, "select distinct FILE_ID from ngc104_phot") == [(1,)]
    assert query(path, "select * from ngc104_results") == []


def test_rehearsal_leaves_no_trace_but_reads_its_own_writing(database, path):
    store_pair(database)
    before = [query(path, f"select * from ngc104_{name}") for name in ("fileinfo", "phot", "results")]
    with database.rehearsal():
        database.store_exposure("ngc104", fileinfo_row(TWO, MEASURED), photometry(10, flux=1.0))
        assert len(database.star_fluxes("ngc104", TWO.imagename, 3)[0]) == 10
        with pytest.raises(DatabaseError):
            database.store_exposure("ngc104", fileinfo_row(TWO, MEASURED), photometry(N_STARS + 1))
        assert len(database.star_fluxes("ngc104", TWO.imagename, 3)[0]) == 10, "only the failed exposure is undone"
        database.forget("ngc104", [ONE.imagename])
        assert len(database.exposures("ngc104", [14012])) == 1
    assert [query(path, f"select * from ngc104_{name}") for name in ("fileinfo", "phot", "results")] == before


def test_readers_are_not_blocked_by_a_writer(database, path):
    def write_and_fail():
        with database.transaction() as connection:
            connection.exec_driver_sql("delete from ngc104_master")
            assert query(path, "select count(*) from ngc104_master") == [(N_STARS,)]
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    assert query(path, "select count(*) from ngc104_master") == [(N_STARS,)]


def test_exposures_come_back_as_they_were(database):
    store_pair(database)
    assert database.exposures("ngc104", [14012]) == [TWO, ONE]
    assert database.exposures("ngc104", [14012], ["02"]) == []
    assert database.exposures("ngc104", [14378]) == []
    assert database.exposure_sets("ngc104") == [("F502N", "l", 0.0, False)]
    star_id, y, flux, flags = database.star_fluxes("ngc104", ONE.imagename, 5)
    np.testing.assert_array_equal(star_id, np.arange(1, N_STARS + 1))
    np.testing.assert_array_equal(flux, 700.0)
    assert (y[-1], flags.sum()) == (2000.0, 0)


def test_hostile_names_are_only_text(database, path):
    hostile = replace(ONE, filter="x'; drop table ngc104_phot; --")
    database.store_exposure("ngc104", fileinfo_row(hostile, MEASURED), photometry())
    assert query(path, "select FILTER from ngc104_fileinfo") == [(hostile.filter,)]
    assert database.slopes("ngc104", 3, FILTER="' or 1 = 1 --")["lo"].size == 0


# ---- Indexes ---------------------------------------------------------------------------------------------------------


def test_queries_behind_slopes_and_figures_use_indexes(database, path):
    """No query of the pipeline may read a whole phot or results table."""
    store_pair(database)
    statements = []
    sa.event.listen(
        database.engine,
        "before_cursor_execute",
        lambda conn, cursor, statement, parameters, *_: statements.append((statement, parameters)),
    )
    database.star_fluxes("ngc104", ONE.imagename, 3)
    database.background("ngc104", ONE.imagename)
    database.exposures("ngc104", [14012], ["01"])
    database.store_results("ngc104", [results(ExposurePair(ONE, TWO))], (ONE.imagename, TWO.imagename))
    database.forget("ngc104", [TWO.imagename])
    scans = [
        (step[3], statement)
        for statement, parameters in statements
        if not statement.startswith(("BEGIN", "INSERT", "PRAGMA"))
        for step in explain(path, statement, parameters)
        if step[3].startswith("SCAN")
    ]
    assert scans == []
    assert len(statements) > 8


def explain(path, statement, parameters):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
