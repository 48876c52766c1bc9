"""Whole exposures or nothing, missing is NULL, a rerun replaces: seen through sqlite3 itself."""

import contextlib
import signal
import sqlite3
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from wfc3_cte_monitor.database import Database, Patience, fileinfo_row, results_row
from wfc3_cte_monitor.database.engine import insert_rows
from wfc3_cte_monitor.database.rows import phot_columns
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


@pytest.mark.parametrize("url", ["no url", "nosuchdatabase://x/y", "sqlite://me:secret@/x.db", "postgresql://h:port/x"])
def test_what_is_not_a_url_is_refused_in_one_line_without_its_password(url):
    with pytest.raises(ConfigurationError, match="db_url") as caught:
        Database(url, None)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["a b.db", "a?b.db", "50%20.db", "quote's.db", "ünïcode#1.db"])
def test_any_file_name_is_the_file(tmp_path, name):
    with open_database(tmp_path / name):
        pass
    assert query(tmp_path / name, "select count(*) from ngc104_phot") == [(0,)]
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_edges_radii_and_names_of_any_kind_come_back(tmp_path):
    """Fractions, powers of ten and a name that begins with a digit are all legal in the configuration."""
    aprads, bins = (2.5, 10), (FluxBin(250.5, 1e6), FluxBin(1e6, 2.5e6))
    with Database(tmp_path / "x.db", Schema(["47tuc"], aprads, bins)) as database:
        database.create()
        database.store_catalog(catalog(target="47tuc"))
        for exposure in (ONE, TWO):
            measured = replace(photometry(), aprads=aprads)
            database.store_exposure("47tuc", fileinfo_row(replace(exposure, target="47tuc"), MEASURED), measured)
        fits = [SlopeFit(b, 100, b.lo, line(2e-4), line(3e-4)) for b in bins]
        about = {"SLOPEFILE": "s", "SLOPEFILE_PATH": "p", "NUMSTARS": 100}
        row = results_row(ExposurePair(ONE, TWO), 2.5, about, fits)
        database.store_results("47tuc", [row], (ONE.imagename, TWO.imagename))
        table = database.slopes("47tuc", 2.5)
        assert list(zip(table["lo"], table["hi"], strict=True)) == [(b.lo, b.hi) for b in bins]
        assert list(table["mean_flux"]) == [250.5, 1e6]
        assert len(database.star_fluxes("47tuc", ONE.imagename, 2.5)[0]) == N_STARS


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


def test_an_error_in_the_second_aperture_leaves_the_old_results_of_both(database, path):
    store_pair(database)
    before = query(path, "select * from ngc104_results")
    good, bad = (results(ExposurePair(ONE, TWO), aperture) for aperture in APRADS)
    good["NUMSTARS"], bad["NUMSTARS"] = 7, None
    with pytest.raises(DatabaseError, match="NUMSTARS"):
        database.store_results("ngc104", [good, bad], (ONE.imagename, TWO.imagename))
    assert query(path, "select * from ngc104_results") == before


def test_a_catalogue_is_stored_and_read_back_and_replaces_its_stars(database):
    again = replace(catalog(5), x=np.full(5, 77.25))
    database.store_catalog(again)
    stored = database.catalog("ngc104")
    np.testing.assert_array_equal(stored.id, np.arange(1, N_STARS + 1))
    np.testing.assert_array_equal(stored.x[:5], 77.25)
    np.testing.assert_array_equal(stored.x[5:], catalog().x[5:])
    for name in ("y", "ra", "dec"):
        np.testing.assert_array_equal(getattr(stored, name)[:5], getattr(again, name))
    assert len(database.catalog("ngc6583")) == 0


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (
            "insert into ngc104_phot (FILE_ID, MASTER_ID, XPIX, YPIX, FLAGS_3, FLAGS_5) values (1, 999, 1, 1, 0, 0)",
            "FOR",
        ),
        (
            "insert into ngc104_phot (FILE_ID, MASTER_ID, XPIX, YPIX, FLAGS_3, FLAGS_5) values (99, 1, 1, 1, 0, 0)",
            "FOR",
        ),
        ("update ngc104_results set IMAGENAME_1 = 'nowhere_flt.fits'", "FOREIGN"),
        ("update ngc104_results set IMAGENAME_2 = 'nowhere_flt.fits'", "FOREIGN"),
        ("update ngc104_fileinfo set IMAGENAME = 'icxx01abq_flt.fits'", "UNIQUE"),
        ("update ngc104_fileinfo set FLASHLVL = null", "NOT NULL"),
    ],
)
def test_the_monitor_cannot_write_what_the_definitions_forbid(database, statement, words):
    store_pair(database)
    with pytest.raises(DatabaseError, match=words), database.transaction() as connection:
        connection.exec_driver_sql(statement)


def test_rows_go_when_what_they_refer_to_goes(database, path):
    """The database does it itself, whoever deletes."""
    store_pair(database)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("delete from ngc104_fileinfo where id = 1")
        connection.commit()
    assert query(path, "select distinct FILE_ID from ngc104_phot") == [(2,)]
    assert query(path, "select * from ngc104_results") == []


def test_a_rerun_forgets_what_it_does_not_know_any_more(database, path):
    store = [{**MEASURED, "MDRIZSKY": value} for value in (3.5, None)]
    for measured in store:
        database.store_exposure("ngc104", fileinfo_row(ONE, measured), photometry())
    assert query(path, "select MDRIZSKY from ngc104_fileinfo") == [(None,)]


def test_every_number_of_a_star_is_in_its_column(database, path):
    n, columns = 3, np.arange(1.0, 40.0).reshape(13, 3)
    positions = StarPositions(np.arange(1, n + 1), *columns[:3])
    flux, error = columns[3:5], columns[5:7]
    flags = np.array([[1, 2, 4], [8, 16, 32]])
    measured = Photometry(positions, APRADS, flux, error, flags, *columns[7:9], np.array([300, 301, 302]), columns[9])
    database.store_exposure("ngc104", fileinfo_row(ONE, MEASURED), measured)
    names = "MASTER_ID XPIX YPIX SHIFT SKY SKYSTDEV NUMSKY TOTBKGRD FLUX_3 FLUXERR_3 FLAGS_3 FLUX_5 FLUXERR_5 FLAGS_5"
    expected = [
        *(positions.id, positions.x, positions.y, positions.shift),
        *(measured.sky, measured.sky_std, measured.n_sky, measured.background),
        *(flux[0], error[0], flags[0], flux[1], error[1], flags[1]),
    ]
    rows = query(path, f"select {', '.join(names.split())} from ngc104_phot order by MASTER_ID")
    np.testing.assert_array_equal(np.array(rows).T, expected)


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


def test_a_reader_does_not_keep_the_monitor_from_writing(database, path):
    assert query(path, "pragma journal_mode") == [("wal",)]
    with contextlib.closing(sqlite3.connect(path)) as reader:
        reader.execute("begin")
        before = reader.execute("select count(*) from ngc104_phot").fetchall()
        store_pair(database)
        assert reader.execute("select count(*) from ngc104_phot").fetchall() == before == [(0,)]
    assert query(path, "select count(*) from ngc104_phot") == [(2 * N_STARS,)]


@pytest.mark.parametrize("block", ["transaction", "rehearsal"])
def test_a_writer_has_the_lock_from_the_first_moment(database, path, block):
    """Taken later, at the first row, it may be refused: after what was read has changed."""
    with (
        getattr(database, block)(),
        contextlib.closing(sqlite3.connect(path, timeout=0)) as other,
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        other.execute("begin immediate")


def test_a_writer_waits_for_another_one(database, path):
    other = sqlite3.connect(path, check_same_thread=False)
    other.execute("begin immediate")
    release = threading.Timer(0.3, other.rollback)
    release.start()
    try:
        database.store_exposure("ngc104", fileinfo_row(ONE, MEASURED), photometry())
    finally:
        release.join()
        other.close()
    assert query(path, "select count(*) from ngc104_phot") == [(N_STARS,)]


def test_a_writer_that_waits_too_long_says_so_and_before_that_for_whom(database, path):
    told = []
    database.patience = Patience(0.5, lambda: told.append("waits"), tell_after=0.1)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        with pytest.raises(DatabaseError, match="has been writing for 0.5 s.*database unlock' says who"):
            store_pair(database)
    assert told == ["waits"]
    store_pair(database)


def test_slopes_are_of_the_set_asked_for_and_in_order_of_time(database):
    late, early = ExposurePair(ONE, TWO), ExposurePair(*(moved(e, "02", expstart=56000.0) for e in (ONE, TWO)))
    flashed = ExposurePair(*(moved(e, "03", flashlvl=12.0) for e in (ONE, TWO)))
    for pair in (late, early, flashed):
        store_pair(database, pair)
    table = database.slopes("ngc104", 3, FLASHLVL=0.0, CTECORR=0)
    assert list(table["mjd"]) == [56000.0, 56000.0, 57001.0, 57001.0]
    assert set(table["imagename_2"]) == {"icxx01aaq_flt.fits", "icxx02aaq_flt.fits"}
    assert set(table["proposid"]) == {14012}
    assert table["mean_flux"][0] == 350.0
    assert set(database.slopes("ngc104", 3, FLASHLVL=12.0)["imagename_1"]) == {"icxx03abq_flt.fits"}
    assert len(database.slopes("ngc104", 10)) == 0
    assert database.exposure_sets("ngc104") == [("F502N", "l", 0.0, False), ("F502N", "l", 12.0, False)]


def moved(exposure, visit, **changes):
    return replace(exposure, rootname=f"icxx{visit}{exposure.rootname[6:]}", **changes)


def test_stars_come_in_the_order_of_their_ids(database):
    positions = StarPositions(np.array([5, 3, 9]), *np.ones((3, 3)))
    columns = np.array([5.0, 3.0, 9.0])
    flux, flags, sky = np.array([columns, columns]), np.zeros((2, 3), int), np.ones(3)
    measured = Photometry(positions, APRADS, flux, flux, flags, sky, sky, np.full(3, 300), sky)
    database.store_exposure("ngc104", fileinfo_row(ONE, MEASURED), measured)
    star_id, _, flux, _ = database.star_fluxes("ngc104", ONE.imagename, 3)
    assert list(star_id) == list(flux) == [3, 5, 9]


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


def test_ctrl_c_ends_a_long_statement(database):
    """Within it, and as what it is."""
    threading.Timer(0.5, signal.raise_signal, (signal.SIGINT,)).start()
    began = time.monotonic()
    count = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 1e9) select count(*) from n"
    with pytest.raises(KeyboardInterrupt), database.reading() as connection:
        connection.exec_driver_sql(count)
    assert time.monotonic() - began < 10


def test_hostile_names_are_only_text(database, path):
    hostile = replace(ONE, filter="x'; drop table ngc104_phot; --")
    database.store_exposure("ngc104", fileinfo_row(hostile, MEASURED), photometry())
    assert query(path, "select FILTER from ngc104_fileinfo") == [(hostile.filter,)]
    assert database.slopes("ngc104", 3, FILTER="' or 1 = 1 --")["lo"].size == 0


# ---- Indexes ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def scans(database, path):
    """Calls a function; what of its queries reads a table from one end to the other, as SQLite plans them."""
    store_pair(database)
    statements = []

    @sa.event.listens_for(database.engine, "before_cursor_execute")
    def keep(connection, cursor, statement, parameters, *_):
        statements.append((statement, parameters))

    def scanned(function):
        function()
        queries = [(s, p) for s, p in statements if s.startswith(("SELECT", "DELETE", "UPDATE"))]
        assert queries, "the check must see the queries"
        steps = [step for statement, parameters in queries for step in explain(path, statement, parameters)]
        return {step.split()[1] for step in steps if step.startswith("SCAN")}

    return scanned


def explain(path, statement, parameters):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]


PAIR = (ONE.imagename, TWO.imagename)


@pytest.mark.parametrize(
    "work",
    [
        lambda database: database.star_fluxes("ngc104", ONE.imagename, 3),
        lambda database: database.background("ngc104", ONE.imagename),
        lambda database: database.exposures("ngc104", [14012], ["01"]),
        lambda database: database.store_exposure("ngc104", fileinfo_row(ONE, MEASURED), photometry()),
        lambda database: database.store_results("ngc104", [results(ExposurePair(ONE, TWO))], PAIR),
        lambda database: database.forget("ngc104", [TWO.imagename]),
    ],
)
def test_work_on_one_exposure_or_pair_reads_no_table_from_end_to_end(database, scans, work):
    assert scans(lambda: work(database)) == set()


SET = {"FILTER": "F502N", "LENGTH": "l", "FLASHLVL": 0.0, "CTECORR": 0}


@pytest.mark.parametrize(
    "read",
    [
        lambda database: database.slopes("ngc104", 3, **SET),
        lambda database: database.slopes("ngc104", 3, FILTER="F502N", LENGTH="l"),
        lambda database: database.exposure_sets("ngc104"),
        lambda database: database.star_fluxes("ngc104", TWO.imagename, 5),
        lambda database: database.exposures("ngc104", [14012]),
        lambda database: database.background("ngc104", TWO.imagename),
    ],
)
def test_what_figures_and_slopes_read_is_found_by_index(database, scans, read):
    assert scans(lambda: read(database)) == set()


@pytest.fixture
def steps_of(path):
    """Calls a function of an archive of n visits of another set; the steps of SQLite's machine that it takes."""

    def steps(n_visits, read):
        with open_database(path.with_name(f"{n_visits}.db")) as database:
            database.store_catalog(catalog())
            store_pair(database)
            fill(database, n_visits)
            counted = []
            with database.reading() as connection:
                driver = connection.connection.driver_connection
                driver.set_progress_handler(lambda: counted.append(1) and None, 1)
            read(database)  # the pool gives the same connection again
            with database.reading() as connection:
                connection.connection.driver_connection.set_progress_handler(None, 1)
            return len(counted)

    return steps


def fill(database, n_visits):
    """Pairs of another filter, program and time, past the slow way of one transaction each."""
    schema, pairs = database.schema, []
    for n in range(n_visits):
        changes = {"filter": "F606W", "program": 12379, "expstart": 55000.0 + n}
        pairs.append(ExposurePair(*(replace(e, rootname=f"ib{n:04d}{e.rootname[6:]}", **changes) for e in (ONE, TWO))))
    stars = phot_columns(photometry(), 0)
    with database.transaction() as connection:
        files = [fileinfo_row(exposure, MEASURED) for pair in pairs for exposure in (pair.one, pair.two)]
        database.upsert(connection, "ngc104", "fileinfo", files)
        database.upsert(connection, "ngc104", "results", [results(pair, a) for pair in pairs for a in APRADS])
        info = schema.table("ngc104", "fileinfo")
        for file_id in connection.execute(sa.select(info.c.id).where(info.c.PROPOSID == 12379)).scalars().all():
            columns = {**stars, "FILE_ID": [file_id] * N_STARS}
            insert_rows(
                connection, schema.table("ngc104", "phot"), list(columns), list(zip(*columns.values(), strict=True))
            )


@pytest.mark.parametrize(
    "read",
    [
        lambda database: database.slopes("ngc104", 3, **SET),
        lambda database: database.exposure_sets("ngc104"),
        lambda database: database.star_fluxes("ngc104", TWO.imagename, 3),
        lambda database: database.exposures("ngc104", [14012]),
        lambda database: database.background("ngc104", ONE.imagename),
    ],
)
def test_a_query_grows_with_what_it_returns_and_not_with_the_archive(steps_of, read):
    few, many = (steps_of(n, read) for n in (10, 300))
    assert 0 < many < 1.3 * few


def test_the_count_of_steps_sees_growth(steps_of):
    few, many = (steps_of(n, lambda database: database.fingerprints("ngc104")) for n in (10, 300))
    assert many > 10 * few


def test_slopes_of_many_pairs_come_in_order_of_pair_and_bin(database):
    fill(database, 300)
    table = database.slopes("ngc104", 5, FILTER="F606W")
    assert len(table) == 300 * len(BINS)
    assert list(table["lo"][:4]) == [250, 500, 250, 500]
    assert list(table["mjd"][:4]) == [55000.0, 55000.0, 55001.0, 55001.0]
    assert table["magslope"][2] == 3e-4 and np.isnan(table["magslope"][3])


def test_an_old_database_gets_the_new_index(database, path):
    query(path, "drop index ix_ngc104_fileinfo_set")
    database.create()
    assert query(path, "select count(*) from sqlite_master where name = 'ix_ngc104_fileinfo_set'") == [(1,)]


def test_the_check_of_the_indexes_sees_a_scan(database, scans, path):
    query(path, "drop index ix_ngc104_fileinfo_proposid")
    assert scans(lambda: database.exposures("ngc104", [14012])) == {"ngc104_fileinfo"}
