"""On a real PostgreSQL server everything is as on SQLite; and a database moves from one to the other and back."""

import sqlite3
import sys
import threading
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
import sqlalchemy as sa
from postgres_server import execute, free_port
from running import dump, run, run_tool
from test_database import (
    APRADS,
    BINS,
    MEASURED,
    N_STARS,
    ONE,
    TWO,
    catalog,
    moved,
    photometry,
    results,
    store_pair,
)

from wfc3_cte_monitor.database import Database, Patience, copy_database, fileinfo_row, left_behind
from wfc3_cte_monitor.errors import ConfigurationError, DatabaseError
from wfc3_cte_monitor.records import ExposurePair
from wfc3_cte_monitor.settings import read_settings
from wfc3_cte_monitor.tables import Schema

SCHEMA = Schema(["ngc104", "ngc6583"], APRADS, BINS)


@pytest.fixture
def url(postgresql):
    return postgresql.new()


@pytest.fixture
def database(url):
    with Database(url, SCHEMA) as database:
        database.create()
        database.store_catalog(catalog())
        yield database


@pytest.fixture
def lite(tmp_path):
    """The same, filled, in SQLite; with a NULL, a sign of zero and a float of 17 digits."""
    with Database(tmp_path / "lite.db", SCHEMA) as database:
        database.create()
        database.store_catalog(catalog())
        store_pair(database)
        stars = photometry()
        stars.flux[0, :3] = np.nan, -0.0, 0.1 + 0.2
        database.store_exposure("ngc104", fileinfo_row(TWO, MEASURED), stars)
        yield database


def contents(database):
    with database.reading() as connection:
        tables = database.schema.metadata.sorted_tables
        return {t.name: connection.execute(sa.select(t).order_by(*t.primary_key)).all() for t in tables}


def without_days(tables):
    """Rows as dictionaries, without what knows the day, the run and the folder; as `running.dump` has them."""
    left_out = ("INGEST_DATE", "FINGERPRINT", "RUN_ID")
    return {
        n: [{k: v for k, v in r._mapping.items() if k not in left_out} for r in rows]
        for n, rows in tables.items()
        if n != "runs"
    }


def assert_same_bits(one, two):
    """Rows equal, and every value of the same type."""
    assert one.keys() == two.keys()
    for name in one:
        assert [tuple(row) for row in one[name]] == [tuple(row) for row in two[name]]
        assert [list(map(type, row)) for row in one[name]] == [list(map(type, row)) for row in two[name]]


# ---- As on SQLite ----------------------------------------------------------------------------------------------------


def test_what_is_stored_comes_back(database):
    store_pair(database)
    store_pair(database)
    assert database.exposures("ngc104", [14012]) == [TWO, ONE]
    star_id, y, flux, flags = database.star_fluxes("ngc104", ONE.imagename, 3)
    np.testing.assert_array_equal(star_id, np.arange(1, N_STARS + 1))
    np.testing.assert_array_equal(flux, 700.0)
    assert (y[-1], flags.sum()) == (2000.0, 0)
    assert database.background("ngc104", ONE.imagename) == 1.5
    assert database.exposure_sets("ngc104") == [("F502N", "l", 0.0, False)]
    assert len(database.slopes("ngc104", 3, FILTER="F502N", LENGTH="l")) == len(BINS)
    np.testing.assert_array_equal(database.catalog("ngc104").ra, catalog().ra)


def test_both_engines_hold_the_same(database, lite):
    store_pair(database)
    database.store_exposure("ngc104", fileinfo_row(TWO, MEASURED), photometry(flux=0.1 + 0.2))
    lite.store_exposure("ngc104", fileinfo_row(TWO, MEASURED), photometry(flux=0.1 + 0.2))
    assert_same_bits(contents(database), contents(lite))


def test_nan_is_null_and_numpy_a_number(database):
    measured = {**MEASURED, "MDRIZSKY": np.nan, "MEANDARK": np.float32(0.5), "NUMSTARS": np.int64(7)}
    stars = photometry()
    stars.flux[0, 3] = np.nan
    database.store_exposure("ngc104", fileinfo_row(ONE, measured), stars)
    rows = execute(database.url, 'SELECT "MDRIZSKY", "MEANDARK", "NUMSTARS" FROM ngc104_fileinfo')
    assert rows == [(None, 0.5, 7)]
    assert execute(database.url, 'SELECT "MASTER_ID" FROM ngc104_phot WHERE "FLUX_3" IS NULL') == [(4,)]


def test_order_is_that_of_bytes_whatever_the_server_sorts_by(database):
    assert execute(database.url, "SELECT 'a' < 'Z'") == [(True,)], "the server's own order must be another one"
    for exposure, name in ((ONE, "a"), (TWO, "Z")):
        database.store_exposure("ngc104", fileinfo_row(replace(exposure, filter=name), MEASURED), photometry())
    column = SCHEMA.table("ngc104", "fileinfo").c.FILTER
    with database.reading() as connection:
        assert connection.execute(sa.select(column).order_by(column)).scalars().all() == ["Z", "a"]


def test_an_error_in_the_middle_leaves_what_was_there(database):
    store_pair(database)
    before = contents(database)
    with pytest.raises(DatabaseError, match="foreign key") as caught:
        database.store_exposure("ngc104", fileinfo_row(TWO, MEASURED), photometry(N_STARS + 1, flux=1.0))
    assert "\n" not in str(caught.value)
    bad = [results(ExposurePair(ONE, TWO)), {**results(ExposurePair(ONE, TWO), 5), "NUMSTARS": None}]
    with pytest.raises(DatabaseError, match="NUMSTARS"):
        database.store_results("ngc104", bad, (ONE.imagename, TWO.imagename))
    assert contents(database) == before


def test_a_rehearsal_reads_as_usual_and_leaves_nothing(database):
    with database.rehearsal():
        store_pair(database)
        with pytest.raises(DatabaseError):
            database.store_exposure("ngc104", fileinfo_row(TWO, MEASURED), photometry(N_STARS + 1))
        assert len(database.exposures("ngc104", [14012])) == 2
        assert len(database.slopes("ngc104", 3)) == len(BINS)
    assert database.exposures("ngc104", [14012]) == []


@pytest.mark.slow
def test_forgetting_takes_any_number_of_names(database):
    store_pair(database)
    names = [f"i{n:08d}_flt.fits" for n in range(70_000)]
    assert database.forget("ngc104", [*names, ONE.imagename]) == 1
    assert [e.imagename for e in database.exposures("ngc104", [14012])] == [TWO.imagename]
    assert execute(database.url, "SELECT count(*) FROM ngc104_results") == [(0,)]


def test_rows_go_when_what_they_refer_to_goes(database):
    store_pair(database)
    execute(database.url, "DELETE FROM ngc104_fileinfo WHERE id = 1")
    assert execute(database.url, 'SELECT DISTINCT "FILE_ID" FROM ngc104_phot') == [(2,)]


def test_writers_at_the_same_time_lose_nothing_and_do_not_deadlock(url):
    """They create, store, and forget the same exposures in opposite order."""
    errors = []

    def work(own, backwards):
        pairs = [ExposurePair(moved(ONE, v), moved(TWO, v)) for v in ("02", "03", own)]
        try:
            with Database(url, SCHEMA) as database:
                database.create()
                database.store_catalog(catalog())
                for _ in range(4):
                    for pair in reversed(pairs) if backwards else pairs:
                        store_exposures(database, pair)  # not results: others may forget what they are of
                    database.forget("ngc104", [moved(ONE, "02").imagename, moved(TWO, "03").imagename])
                store_pair(database, pairs[-1])
        except DatabaseError as error:
            errors.append(str(error))

    def store_exposures(database, pair):
        for exposure in (pair.one, pair.two):
            database.store_exposure("ngc104", fileinfo_row(exposure, MEASURED), photometry())

    threads = [threading.Thread(target=work, args=(f"1{n}", n % 2 == 0)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with Database(url, SCHEMA) as database:
        assert {p for p in database.slopes("ngc104", 3)["imagename_1"]} == {
            moved(ONE, f"1{n}").imagename for n in range(4)
        }


def test_a_writer_that_waits_too_long_says_so(database):
    told = []
    with Database(database.url.render_as_string(hide_password=False), SCHEMA) as other, database.transaction():
        other.patience = Patience(0.3, lambda: told.append("waits"), tell_after=0.1)
        with pytest.raises(DatabaseError, match="another process has been writing"), other.transaction():
            pass
    assert told == ["waits"]


# ---- The whole command -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_whole_command_fills_the_same_tables(observatory, make_config, tmp_path, url):
    data = {"path_to_data": observatory / "data"}
    assert run(make_config(tmp_path / "lite", **data), "--pr", "all", "--ctecorr", "flt").code == 0
    config = make_config(tmp_path / "postgresql", **data, db_url=url)
    outcome = run(config, "--pr", "all", "--ctecorr", "flt")
    assert outcome.code == 0, outcome.err
    expected = dump(tmp_path / "lite" / "database")
    assert expected["ngc104_phot"] and expected["ngc104_results"], "the comparison must see rows"
    with Database(url, schema_of(config)) as database:
        before = contents(database)
        assert {n: without_paths(rows) for n, rows in without_days(before).items()} == {
            n: without_paths(rows) for n, rows in expected.items()
        }
        rehearsal = run(config, "--pr", "all", "--ctecorr", "flt", "--i", "n", "--force")
        assert (rehearsal.code, rehearsal.count("extracted")) == (0, 4)
        assert contents(database) == before
    assert run(config, "--pr", "all", "--ctecorr", "flt").count("unchanged") == 4


def without_paths(rows):
    """Of the outputs, of which each run has its own."""
    return [{k: v for k, v in row.items() if k not in ("PHOTPATH", "SLOPEFILE_PATH")} for row in rows]


def schema_of(config):
    settings = read_settings(config)
    return Schema(settings.target_list, settings.aprads, settings.bins)


# ---- Copies ----------------------------------------------------------------------------------------------------------


def test_a_copy_there_and_back_is_identical(lite, url, tmp_path):
    with Database(url, SCHEMA) as there, Database(tmp_path / "back.db", SCHEMA) as back:
        sent, returned = copy_database(lite, there), copy_database(there, back)
        assert sent == returned
        assert {copy.name: copy.rows for copy in sent} == {name: len(rows) for name, rows in contents(lite).items()}
        assert_same_bits(contents(lite), contents(there))
        assert_same_bits(contents(lite), contents(back))
        assert left_behind(lite) == left_behind(there) == []


def test_a_copy_goes_on_with_the_next_id(lite, url):
    with Database(url, SCHEMA) as there:
        copy_database(lite, there)
        store_pair(there, ExposurePair(moved(ONE, "02"), moved(TWO, "02")))
        assert execute(url, "SELECT min(id), max(id), count(*) FROM ngc104_fileinfo") == [(1, 4, 4)]


def test_the_checksum_sees_one_bit(lite, tmp_path):
    first = {copy.name: copy.checksum for copy in copied(lite, tmp_path / "1.db")}
    changed = float(np.nextafter(700.0, 800.0))
    with lite.transaction() as connection:
        connection.exec_driver_sql(f"UPDATE ngc104_phot SET FLUX_3 = {changed!r} WHERE FILE_ID = 1 AND MASTER_ID = 9")
    second = {copy.name: copy.checksum for copy in copied(lite, tmp_path / "2.db")}
    assert {name for name in first if first[name] != second[name]} == {"ngc104_phot"}


def copied(source, path):
    with Database(path, SCHEMA) as destination:
        return copy_database(source, destination)


def test_what_arrives_otherwise_is_undone(lite, url):
    """A server may change what it is given: here by a trigger."""
    with Database(url, SCHEMA) as there:
        there.create()
        execute(
            url, 'CREATE FUNCTION f() RETURNS trigger AS $$ BEGIN NEW."SKY" := 0; RETURN NEW; END $$ LANGUAGE plpgsql'
        )
        execute(url, "CREATE TRIGGER t BEFORE INSERT ON ngc104_phot FOR EACH ROW EXECUTE FUNCTION f()")
        with pytest.raises(DatabaseError, match="ngc104_phot did not arrive as it was"):
            copy_database(lite, there)
        assert not any(contents(there).values())


def test_a_value_that_fits_no_column_is_named_and_nothing_is_left(lite, url):
    with lite.transaction() as connection:
        connection.exec_driver_sql("UPDATE ngc104_fileinfo SET PROPOSID = 'many' WHERE id = 2")
    with Database(url, SCHEMA) as there:
        with pytest.raises(DatabaseError) as caught:
            copy_database(lite, there)
        assert "\n" not in str(caught.value)
        assert execute(url, "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'ngc%%'") == [(0,)]


def test_a_file_that_failed_is_removed(lite, tmp_path):
    with lite.transaction() as connection:
        connection.exec_driver_sql("UPDATE ngc104_fileinfo SET INGEST_DATE = 'yesterday' WHERE id = 2")
    with pytest.raises(DatabaseError, match="ngc104_fileinfo"):
        copied(lite, tmp_path / "new.db")
    assert not list(tmp_path.glob("new.db*"))


def test_the_command_copies_verifies_and_refuses(make_config, tmp_path, url):
    config = make_config(tmp_path)
    assert run_tool("database", "copy", url, "--config", config).err.count("does not exist; there is nothing to copy")
    assert run_tool("database", "create", "--config", config).code == 0
    with closing(sqlite3.connect(tmp_path / "database" / "uvis_external_cte.db")) as connection:
        connection.execute("INSERT INTO ngc104_master VALUES (1, 2, 3, 4, 5)")
        connection.commit()
    outcome = run_tool("database", "copy", url, "--config", config)
    assert (outcome.code, outcome.err) == (0, "")
    (line,) = (line for line in outcome.lines if line.startswith("ngc104_master"))
    assert line.split()[1] == "1" and line.endswith("verified")
    assert "seekrit" not in outcome.out
    for destination, words in ((url, "is not empty"), (tmp_path / "database/uvis_external_cte.db", "itself")):
        refused = run_tool("database", "copy", destination, "--config", config)
        assert (refused.code, len(refused.lines)) == (2, 1)
        assert words in refused.err and "seekrit" not in refused.err


def test_the_command_says_what_it_left_behind(make_config, tmp_path):
    assert run_tool("database", "create", "--config", make_config(tmp_path)).code == 0
    config = make_config(tmp_path, aprads=[3])
    outcome = run_tool("database", "copy", tmp_path / "new.db", "--config", config)
    assert outcome.code == 1
    assert "ngc104_phot.FLUX_5" in outcome.err


# ---- Bad input -------------------------------------------------------------------------------------------------------


def refusal(url):
    with pytest.raises(DatabaseError) as caught, Database(url, SCHEMA) as database:
        database.create()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_no_server(postgresql):
    assert "refused" in refusal(postgresql.url("x", port=free_port()))


def test_a_wrong_password_is_not_shown(postgresql):
    said = refusal(postgresql.url("postgres", password="wrongone"))
    assert "password authentication failed" in said and "db_url" in said and "wrongone" not in said


def test_a_password_among_the_options_is_not_shown(postgresql):
    said = refusal(f"postgresql+psycopg://monitor@127.0.0.1:{postgresql.port}/postgres?password=wrongone")
    assert "password authentication failed" in said and "wrongone" not in said


def test_no_such_database(postgresql):
    assert 'database "nowhere" does not exist; create it first: createdb nowhere' in refusal(postgresql.url("nowhere"))


def test_a_name_that_the_server_would_cut(url):
    with Database(url, Schema(["n" * 60], APRADS, BINS)) as database, pytest.raises(DatabaseError, match="63"):
        database.create()
    assert execute(url, "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'nnn%%'") == [(0,)]


def test_without_psycopg_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'wfc3_cte_monitor\[postgresql\]'"):
        Database("postgresql+psycopg://h/x", SCHEMA)


@pytest.mark.parametrize("url", ["mysql+pymysql://h/x", "mariadb://h/x", "postgresql+asyncpg://h/x"])
def test_other_engines_are_refused_by_name(url):
    with pytest.raises(ConfigurationError, match="is not supported; what is: sqlite:///FILE and postgresql"):
        Database(url, SCHEMA)
