"""The tables of a database follow their definitions, on both engines: with all data, all of it or nothing."""

import contextlib
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pytest
import sqlalchemy as sa
from running import run, run_tool
from test_database import APRADS, BINS, MEASURED, ONE, TWO, catalog, photometry, store_pair

from wfc3_cte_monitor.database import Database, Patience, copy_database, fileinfo_row, read_backup, sync_database
from wfc3_cte_monitor.database import engine as engines
from wfc3_cte_monitor.database.convert import converted
from wfc3_cte_monitor.errors import ConfigurationError, DatabaseError
from wfc3_cte_monitor.records import FluxBin
from wfc3_cte_monitor.tables import Schema, read_definition, shipped_file


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request, tmp_path):
    """Of an empty database of either engine."""
    if request.param == "sqlite":
        return tmp_path / "x.db"
    return request.getfixturevalue("postgresql").new()


class Definitions:
    """A copy of the definitions to edit."""

    def __init__(self, folder):
        self.folder = shutil.copytree(shipped_file("table_definitions"), folder)

    def edit(self, name, old, new):
        path = self.folder / f"{name}.txt"
        text = path.read_text()
        assert old in text, "the edit must find its place"
        path.write_text(text.replace(old, new))

    def add(self, name, line):
        with (self.folder / f"{name}.txt").open("a") as file:
            file.write(f"\n{line}\n")

    def schema(self, targets=("ngc104",), aprads=APRADS, bins=BINS):
        return Schema(targets, aprads, bins, self.folder)


@pytest.fixture
def definitions(tmp_path):
    return Definitions(tmp_path / "definitions")


@pytest.fixture
def filled(url, definitions):
    """The URL of a database with a pair, made by the definitions as they are."""
    with Database(url, definitions.schema()) as database:
        database.create()
        database.store_catalog(catalog())
        store_pair(database)
        stars = photometry()
        stars.flux[0, :3] = np.nan, 0.1 + 0.2, 1e-300
        database.store_exposure("ngc104", fileinfo_row(TWO, {**MEASURED, "CAL_VER": "3.7"}), stars)
    return url


def synced(url, schema, tmp_path, **options):
    """Sync, and hold the outcome against a database that was made so."""
    number = len(list(tmp_path.glob("backup*.db")))
    with Database(url, schema) as database:
        done = sync_database(database, tmp_path / f"backup{number}.db", **options)
        if not options.get("dry_run"):
            again = sync_database(database, tmp_path / "unneeded.db", **options)
            assert (again.changes, again.backup, again.kept) == ((), None, done.kept)
    return done


def rows(url, table, *columns):
    quoted = ", ".join(f'"{name}"' for name in columns) or "*"
    order = "1" if len(columns) == 1 else "1, 2"
    engine = sa.create_engine(f"sqlite:///{url}" if not isinstance(url, str) else url, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        found = connection.exec_driver_sql(f"SELECT {quoted} FROM {table} ORDER BY {order}")
        return [dict(row) for row in found.mappings()]


def structure(url, schema):
    """Everything that makes the tables, as an inspector sees it."""
    with Database(url, schema) as database:
        inspector = sa.inspect(database.engine)
        return {
            name: {
                "columns": {
                    c["name"]: (repr(c["type"]), c["nullable"], None if name.endswith("_id") else c["default"])
                    for c in inspector.get_columns(name)
                },
                "key": inspector.get_pk_constraint(name)["constrained_columns"],
                "references": sorted(
                    (k["constrained_columns"], k["referred_table"], k["referred_columns"], k["options"])
                    for k in inspector.get_foreign_keys(name)
                ),
                "unique": sorted(k["column_names"] for k in inspector.get_unique_constraints(name)),
                "indexes": sorted((i["name"], i["column_names"]) for i in inspector.get_indexes(name)),
                "options": inspector.get_table_options(name),
            }
            for name in sorted(inspector.get_table_names())
        }


def as_made_anew(url, schema, tmp_path, request):
    """The structure of a new database of the same engine."""
    new = tmp_path / "new.db" if not isinstance(url, str) else request.getfixturevalue("postgresql").new()
    with Database(new, schema) as database:
        database.create()
    return structure(new, schema)


def everything(url):
    """All rows of all tables."""
    names = ("master", "fileinfo", "phot", "results")
    return {name: rows(url, f"ngc104_{name}") for name in names}


CHANGES = {
    "add": [("fileinfo", "SHUTRPOS, String", "SHUTRPOS, String\nCCDTEMP, Float, index")],
    "add and fill": [("phot", "NUMSKY, Integer", "NUMSKY, Integer\nQUALITY, Float, required, filled -1.5")],
    "rename": [("phot", "SKYSTDEV, Float", "SKYSIGMA, Float, was SKYSTDEV")],
    "rename all apertures": [("phot", "FLUXERR_{aperture}, Float", "ERR_{aperture}, Float, was FLUXERR_{aperture}")],
    "rename and index": [("fileinfo", "PROPOSID, Integer, index,", "PROGRAM, Integer, index, was PROPOSID,")],
    "rename a reference": [
        ("fileinfo", "IMAGENAME, String, key", "NAME, String, was IMAGENAME, key"),
        ("results", "references fileinfo.IMAGENAME", "references fileinfo.NAME"),
    ],
    "convert": [("phot", "NUMSKY, Integer", "NUMSKY, Float"), ("fileinfo", "CAL_VER, String", "CAL_VER, Float")],
    "convert to text": [("phot", "FLUX_{aperture}, Float", "FLUX_{aperture}, String")],
    "convert a date": [("fileinfo", "INGEST_DATE, Date", "INGEST_DATE, String")],
    "rename and convert": [("fileinfo", "CHIP, Integer", "CCD, String, was CHIP")],
    "require": [("phot", "NUMSKY, Integer", "NUMSKY, Integer, required")],
    "allow NULL": [("fileinfo", "LENGTH, String, required", "LENGTH, String")],
    "index": [("phot", "SKY, Float  ", "SKY, Float, index")],
    "no index": [("fileinfo", "ROOTNAME, String, index", "ROOTNAME, String")],
    "another shared index": [("fileinfo", "FLASHLVL, Float, required, index set", "FLASHLVL, Float, required")],
    "another key": [("results", "NUMSTARS, Integer, required", "NUMSTARS, Integer, key, required")],
    "refer": [("fileinfo", "NUMGOOD, Integer", "NUMGOOD, Integer\nBEST, Integer, references master.id")],
    "refer no more": [("results", "RUN_ID, Integer, references runs.id", "RUN_ID, Integer")],
}
QUICK = ("add and fill", "rename a reference", "rename and convert", "another key")
UNSEEN = ("require", "index", "no index", "another shared index", "another key", "refer no more")
"""With which the pipeline can work as before."""


@pytest.mark.parametrize("change", [c if c in QUICK else pytest.param(c, marks=pytest.mark.slow) for c in CHANGES])
def test_there_and_back_everything_is_as_it_was(change, filled, definitions, tmp_path, request):
    """Each change makes the tables that a new database would have, and its opposite the old ones with the old data."""
    before, first = everything(filled), definitions.schema()
    for name, old, new in CHANGES[change]:
        definitions.edit(name, old, new)
    refused = contextlib.nullcontext() if change in UNSEEN else pytest.raises(DatabaseError, match="database sync")
    with Database(filled, definitions.schema()) as database, refused:
        database.check()
    done = synced(filled, definitions.schema(), tmp_path)
    assert done.changes and not done.kept
    assert structure(filled, definitions.schema()) == as_made_anew(filled, definitions.schema(), tmp_path, request)
    after = everything(filled)
    assert {name: len(found) for name, found in after.items()} == {name: len(found) for name, found in before.items()}
    for name, old, new in CHANGES[change]:
        first_line, *_ = new.splitlines()
        back = old
        if ", was " in first_line:
            column, type_, *rest = old.split(", ")
            back = ", ".join([column, type_, f"was {first_line.split(',')[0]}", *rest])
        definitions.edit(name, new, back)
    synced(filled, definitions.schema(), tmp_path, allow_drop=True)
    assert everything(filled) == before
    with Database(filled, first) as database:
        database.check()
        store_pair(database)


def test_what_a_change_does_to_the_values(filled, definitions, tmp_path):
    definitions.edit("phot", "NUMSKY, Integer", "NUMSKY, String\nQUALITY, Float, required, filled -1.5\nNEW, Date")
    definitions.edit("phot", "FLUX_{aperture}, Float ", "LIGHT_{aperture}, String, was FLUX_{aperture} ")
    synced(filled, definitions.schema(), tmp_path)
    found = rows(filled, "ngc104_phot", "FILE_ID", "MASTER_ID", "NUMSKY", "QUALITY", "NEW", "LIGHT_3", "LIGHT_5")
    assert [tuple(row.values()) for row in found[-20:-16]] == [
        (2, 1, "300", -1.5, None, None, "700"),
        (2, 2, "300", -1.5, None, "0.30000000000000004", "700"),
        (2, 3, "300", -1.5, None, "1e-300", "700"),
        (2, 4, "300", -1.5, None, "700", "700"),
    ]


class Random:
    """Definitions of one table by chance, and rows for it that fit every type but Date."""

    def __init__(self, seed, folder):
        self.rng, self.folder = random.Random(seed), folder
        folder.mkdir()
        (folder / "people.txt").write_text("id, Integer, primary\n")
        self.columns = {}

    def change(self):
        """Drop, rename, retype and add columns; returns new name -> old name, and the schema."""
        before = {}
        for name in [*self.columns]:
            match self.rng.randrange(5):
                case 0:
                    del self.columns[name]
                case 1:
                    self.columns[f"N{self.rng.randrange(10**6)}"] = self.columns.pop(name)
                    before[[*self.columns][-1]] = name
                case 2:
                    self.columns[name] = self.line()
        for number in range(self.rng.randrange(4)):
            self.columns[f"C{self.rng.randrange(10**6)}_{number}"] = self.line()
        lines = ["id, Integer, primary"] + [
            f"{name}, {line}{f', was {before[name]}' if name in before else ''}" for name, line in self.columns.items()
        ]
        (self.folder / "things.txt").write_text("\n".join(lines))
        return before, Schema(("x",), (), (), self.folder)

    def line(self):
        markers = self.rng.sample(
            ["key", "required", "index", "index some", "references people.id"], self.rng.randrange(3)
        )
        type_ = "Integer" if "references people.id" in markers else self.rng.choice(["Integer", "Float", "String"])
        markers = [m for m in markers if m != "index" or "index some" not in markers]
        return ", ".join([type_, *markers, f"filled {self.rng.randrange(1, 9)}"])


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(n, marks=pytest.mark.slow) for n in range(2, 12))])
def test_tables_by_chance_become_others_with_their_rows(seed, tmp_path):
    made = Random(seed, tmp_path / "definitions")
    made.columns = {f"A{n}": made.line() for n in range(5)}
    _, schema = made.change()
    path = tmp_path / "x.db"
    with Database(path, schema) as database:
        database.create()
        with database.transaction() as connection:
            connection.execute(schema.table("x", "people").insert(), [{"id": n} for n in range(1, 10)])
            table = schema.table("x", "things")
            row = {c.name: n for n, c in enumerate(table.columns, start=1)}
            connection.execute(
                table.insert(), {n: str(v) if isinstance(table.c[n].type, sa.String) else v for n, v in row.items()}
            )
    for _ in range(4):
        (was,) = rows(path, "x_things", "id", *(n for n in made.columns))
        before, schema = made.change()
        synced(path, schema, tmp_path, allow_drop=True)
        assert structure(path, schema) == as_made_anew(path, schema, tmp_path, None)
        (row,) = rows(path, "x_things", "id", *made.columns)
        for name, line in made.columns.items():
            known = before.get(name, name)
            expected = was[known] if known in was else line.rpartition(" ")[2]
            assert row[name] == converted(expected, line.split(",")[0])
        (tmp_path / "new.db").unlink()


# ---- More tables, clusters, apertures, bins --------------------------------------------------------------------------


def test_a_table_and_a_cluster_more(filled, definitions, tmp_path, request):
    before = everything(filled)
    text = "id, Integer, primary\nIMAGENAME, String, key, required, references fileinfo.IMAGENAME\nSAID, String\n"
    (definitions.folder / "notes.txt").write_text(text)
    (definitions.folder / "common" / "people.txt").write_text("id, Integer, primary\nNAME, String, index\n")
    schema = definitions.schema(("ngc104", "ngc6583"))
    done = synced(filled, schema, tmp_path)
    assert {"ngc104_notes: new table", "ngc6583_phot: new table", "people: new table"} <= {*done.changes}
    assert structure(filled, schema) == as_made_anew(filled, schema, tmp_path, request)
    assert everything(filled) == before


def test_an_aperture_and_a_bin_more(filled, definitions, tmp_path, request):
    before = rows(filled, "ngc104_phot")
    schema = definitions.schema(aprads=(3, 4.5, 5), bins=(*BINS, FluxBin(1000, 2000)))
    synced(filled, schema, tmp_path)
    assert structure(filled, schema) == as_made_anew(filled, schema, tmp_path, request)
    new = {"FLUX_4p5": None, "FLUXERR_4p5": None, "FLAGS_4p5": 64}
    assert [row for row in rows(filled, "ngc104_phot")] == [row | new for row in before]
    with Database(filled, schema) as database:
        assert set(database.star_fluxes("ngc104", ONE.imagename, 4.5)[3]) == {64}, "flagged, and in no slope"
        assert len(database.slopes("ngc104", 3)) == 3


def test_what_is_not_defined_any_more_is_kept_until_it_may_go(filled, definitions, tmp_path, request):
    text = "id, Integer, primary\nIMAGENAME, String, required, references fileinfo.IMAGENAME\n"
    (definitions.folder / "notes.txt").write_text(text)
    synced(filled, definitions.schema(), tmp_path)
    (definitions.folder / "notes.txt").unlink()
    definitions.edit("fileinfo", "VISIT, String, required", "")
    before = rows(filled, "ngc104_fileinfo", "IMAGENAME", "VISIT")
    schema = definitions.schema(aprads=(3,))
    done = synced(filled, schema, tmp_path)
    assert "ngc104_notes: table is not defined any more" in done.kept
    assert "ngc104_fileinfo: column VISIT is not defined any more" in done.kept
    assert "ngc104_phot: column FLUX_5 is not defined any more" in done.kept
    assert "ngc104_fileinfo: column VISIT may be NULL" in done.changes
    assert rows(filled, "ngc104_fileinfo", "IMAGENAME", "VISIT") == before
    with Database(filled, schema) as database:
        database.check()
        with database.transaction() as connection:  # the pipeline does not know the column, and must go on
            info = schema.table("ngc104", "fileinfo")
            row = {k: v for k, v in fileinfo_row(ONE, MEASURED).items() if k != "VISIT"} | {"IMAGENAME": "new"}
            connection.execute(info.insert(), row)
    synced(filled, schema, tmp_path, allow_drop=True)
    assert structure(filled, schema) == as_made_anew(filled, schema, tmp_path, request)


def test_tables_of_others_are_left_alone(filled, definitions, tmp_path):
    with Database(filled, definitions.schema()) as database, database.transaction() as connection:
        for statement in (
            'CREATE TABLE mine ("A" INTEGER)',
            "CREATE TABLE ngc9999_phot (a INTEGER)",
            'CREATE INDEX mine_too ON ngc104_phot ("SKY")',
            'CREATE VIEW seen AS SELECT "SKY" FROM ngc104_phot',
        ):
            connection.exec_driver_sql(statement)
    definitions.edit("phot", "SHIFT, Float ", "SHIFT, String ")
    done = synced(filled, definitions.schema(), tmp_path, allow_drop=True)
    assert len(done.changes) == 1
    with Database(filled, definitions.schema()) as database:
        inspector = sa.inspect(database.engine)
        assert {"mine", "ngc9999_phot"} <= {*inspector.get_table_names()}
        assert "mine_too" in {index["name"] for index in inspector.get_indexes("ngc104_phot")}
    assert len(rows(filled, "seen", "SKY")) == 40


def test_a_trigger_survives_that_its_table_is_made_anew(definitions, tmp_path):
    path = tmp_path / "x.db"
    with Database(path, definitions.schema()) as database:
        database.create()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TRIGGER t AFTER INSERT ON ngc104_master BEGIN SELECT 1; END")
    definitions.edit("master", "RA, Float", "RA, String")
    synced(path, definitions.schema(), tmp_path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall() == [("t",)]


# ---- What does not fit -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        (
            "fileinfo",
            "CAL_VER, String",
            "CAL_VER, Integer",
            "CAL_VER is '3.7', which is no Integer, where IMAGENAME icxx",
        ),
        (
            "phot",
            "FLUX_{aperture}, Float",
            "FLUX_{aperture}, Integer",
            "FLUX_3 is 0.30000000000000004, which is no Int",
        ),
        ("phot", "SKY, Float ", "SKY, Date", "SKY is 1.5, which is no Date, where FILE_ID 1, MASTER_ID 1"),
        (
            "phot",
            "FLUX_{aperture}, Float ",
            "FLUX_{aperture}, Float, required",
            "FLUX_3 is NULL where FILE_ID 2, MASTER",
        ),
        ("phot", "SKY, Float ", "SKY, Float\nNEW, Float, required", "NEW is new and required, but the table has rows"),
        (
            "phot",
            "MASTER_ID, Integer, primary",
            "MASTER_ID, Integer",
            "its primary key is FILE_ID, MASTER_ID, which can",
        ),
        ("master", "XPIX, Float", "SAME, Float, key, required, filled 1\nXPIX, Float", "(?i)unique"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_changed(name, old, new, words, filled, definitions, tmp_path):
    before, tables = everything(filled), structure(filled, definitions.schema())
    definitions.add("results", "FIRST, Float")  # what could be done is not done either
    definitions.edit(name, old, new)
    with pytest.raises(DatabaseError, match=words) as caught:
        synced(filled, definitions.schema(), tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("*backup*"))
    assert everything(filled) == before
    assert structure(filled, definitions.schema()) == tables


def test_doubles_are_named_before_a_key_forbids_them(filled, definitions, tmp_path):
    definitions.edit("master", "XPIX, Float, required", "XPIX, Float, required\nZONE, Integer, required, filled 7")
    synced(filled, definitions.schema(), tmp_path)
    definitions.edit("master", "ZONE, Integer, required", "ZONE, Integer, key, required")
    with pytest.raises(DatabaseError, match="ngc104_master: 20 rows have ZONE 7; nothing was changed"):
        synced(filled, definitions.schema(), tmp_path)


@pytest.mark.parametrize(
    ("value", "name", "new"),
    [
        *(
            (2, "Float", 2.0),
            (2.0, "Integer", 2),
            ("-12", "Integer", -12),
            ("1e3", "Float", 1000.0),
            (7, "String", "7"),
        ),
        *((0.1 + 0.2, "String", "0.30000000000000004"), (700.0, "String", "700"), ("2026-02-28", "Date", "2026-02-28")),
        *((None, "Integer", None), ("", "String", "")),
    ],
)
def test_values_become_others_exactly(value, name, new):
    assert converted(value, name) == new
    assert type(converted(value, name)) is type(new)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        *((2.5, "Integer"), (2**31, "Integer"), ("2.0", "Integer"), ("", "Float"), ("nan", "Float"), ("1_0", "Float")),
        *((2**53 + 1, "Float"), ("1e999", "Float"), ("2026-02-30", "Date"), (20260228, "Date"), (b"x", "String")),
        *((" 1", "Integer"), ("9" * 400, "Integer"), (1e300, "Integer"), (float("inf"), "Integer")),
    ],
)
def test_values_that_would_lose_something_do_not(value, name):
    with pytest.raises(ValueError):
        converted(value, name)


# ---- All or nothing --------------------------------------------------------------------------------------------------


def test_a_dry_run_shows_the_sql_and_leaves_nothing(filled, definitions, tmp_path):
    before, tables = everything(filled), structure(filled, definitions.schema())
    definitions.edit("phot", "NUMSKY, Integer", "SKYPIXELS, Float, was NUMSKY")
    done = synced(filled, definitions.schema(), tmp_path, dry_run=True)
    assert any(
        re.match(r'ALTER TABLE ngc104_phot RENAME (COLUMN )?"NUMSKY" TO "SKYPIXELS"', s) for s in done.statements
    )
    assert (everything(filled), structure(filled, definitions.schema())) == (before, tables)
    assert done.backup is None and not list(tmp_path.glob("backup*"))


def test_the_backup_is_what_was_before(filled, definitions, tmp_path):
    first, before = definitions.schema(), everything(filled)
    definitions.edit("phot", "NUMSKY, Integer", "SKYPIXELS, String, was NUMSKY")
    backup = synced(filled, definitions.schema(), tmp_path).backup
    assert backup.rows["ngc104_phot"] == 40 == read_backup(backup.path, first).rows["ngc104_phot"]
    with Database(engines.read_only_url(backup.path), first) as database:
        database.check()
    found = everything(backup.path)
    assert found["phot"] == before["phot"] and found["master"] == before["master"]


def test_without_a_backup_nothing_is_changed(filled, definitions, tmp_path):
    tables = structure(filled, definitions.schema())
    definitions.add("master", "NEW, Float")
    (tmp_path / "backup0.db").touch()
    with Database(filled, definitions.schema()) as database, pytest.raises(DatabaseError, match="is there already"):
        sync_database(database, tmp_path / "backup0.db")
    assert structure(filled, definitions.schema()) == tables


def test_an_error_in_the_midst_leaves_all_as_it_was(filled, definitions, tmp_path, monkeypatch):
    before, tables = everything(filled), structure(filled, definitions.schema())
    definitions.edit("fileinfo", "CHIP, Integer", "CCD, String, was CHIP")
    definitions.edit("phot", "NUMSKY, Integer", "SKYPIXELS, Float, was NUMSKY")
    with Database(filled, definitions.schema()) as database:

        @sa.event.listens_for(database.engine, "after_cursor_execute")
        def fail(connection, cursor, statement, *_):
            if "ngc104_phot" in statement and statement.startswith(("INSERT", "ALTER TABLE ngc104_phot ALTER")):
                raise RuntimeError("in the midst")

        with pytest.raises(RuntimeError):
            sync_database(database, tmp_path / "backup.db")
    assert (everything(filled), structure(filled, definitions.schema())) == (before, tables)


KILLED = """
import sys
from pathlib import Path
sys.path[:0] = {path!r}
from test_sync import APRADS, BINS, Schema
from wfc3_cte_monitor.database import Database, sync_database
import sqlalchemy as sa, time
url = {url!r} if "://" in {url!r} else Path({url!r})
with Database(url, Schema(("ngc104",), APRADS, BINS, Path({folder!r}))) as database:
    @sa.event.listens_for(database.engine, "after_cursor_execute")
    def wait(connection, cursor, statement, *_):
        if "ngc104_results" in statement and statement.strip().startswith(("DROP", "ALTER TABLE ngc104_results ALTER")):
            print("now", flush=True)
            time.sleep(60)
    sync_database(database, Path({backup!r}))
"""


def test_killed_in_the_midst_it_is_as_it_was(filled, definitions, tmp_path):
    first = definitions.schema()
    before, tables = everything(filled), structure(filled, first)
    for name in ("fileinfo", "results"):
        definitions.edit(name, "INGEST_DATE, Date", "DAY, String, was INGEST_DATE")
    code = KILLED.format(
        path=[path for path in sys.path if path],
        url=str(filled),
        folder=str(definitions.folder),
        backup=str(tmp_path / "killed.db"),
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "now\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    time.sleep(0.5)  # A server notices a moment later.
    assert (everything(filled), structure(filled, first)) == (before, tables)
    with Database(filled, first) as database:
        database.create()
        store_pair(database)
    assert synced(filled, definitions.schema(), tmp_path).changes


def test_another_process_that_writes_is_waited_for_and_then_named(filled, definitions, tmp_path):
    definitions.add("master", "NEW, Float")
    with Database(filled, definitions.schema()) as other, Database(filled, definitions.schema()) as database:
        other.engine.connect().close()
        database.patience = Patience(0.2)
        with other.transaction(), pytest.raises(DatabaseError, match="another process has been writing"):
            sync_database(database, tmp_path / "backup.db")
    assert not list(tmp_path.glob("backup*"))
    assert synced(filled, definitions.schema(), tmp_path).changes == ("ngc104_master: new column NEW",)


def test_synced_databases_of_both_engines_hold_the_same(definitions, tmp_path, postgresql):
    first = definitions.schema()
    url, path = postgresql.new(), tmp_path / "x.db"
    with Database(path, first) as lite, Database(url, first) as server:
        lite.create()
        lite.store_catalog(catalog())
        store_pair(lite)
        copy_database(lite, server)
    definitions.edit("fileinfo", "CHIP, Integer", "CCD, String, was CHIP")
    definitions.edit("phot", "FLUX_{aperture}, Float ", "LIGHT_{aperture}, String, was FLUX_{aperture} ")
    definitions.edit("phot", "NUMSKY, Integer", "NUMSKY, Float")
    for each in (path, url):
        synced(each, definitions.schema(), tmp_path)
    assert everything(path)["phot"] == everything(url)["phot"]
    with Database(path, definitions.schema()) as lite, Database(postgresql.new(), definitions.schema()) as server:
        assert {copy.name: copy.rows for copy in copy_database(lite, server)}["ngc104_phot"] == 40


# ---- Definitions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("A, Float, was B\nB, Float", "A was B, but so is, or was, another column"),
        ("A, Float, was C\nB, Float, was C", "A was C, but"),
        ("A_{aperture}, Float, was B", "both or none need"),
        ("A, Float, was 1", "'1' is not a column name"),
        ("A, Float, filled many", "'many' is no Float"),
        ("A, Float, filled nan", "'nan' is no Float"),
        ("A, Date, filled 2026", "'2026' is no Date"),
    ],
)
def test_markers_that_nobody_can_follow_are_refused(tmp_path, lines, words):
    path = tmp_path / "some.txt"
    path.write_text(f"id, Integer, primary\n{lines}\n")
    with pytest.raises(ConfigurationError, match=words) as caught:
        read_definition(path)
    assert str(caught.value).startswith("some.txt")


# ---- The command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def command(make_config, tmp_path):
    """``command(*arguments, **changes of the configuration)`` runs ``database``."""

    def call(*arguments, **changes):
        return run_tool("database", *arguments, "--config", make_config(tmp_path, **changes))

    return call


def test_the_command_says_what_it_did_and_a_run_what_is_to_be_done(command, make_config, tmp_path):
    assert command("sync").err.count("does not exist; make it: uvis_external_cte database create") == 1
    assert command("create", aprads=[3]).code == 0
    (tmp_path / "data").mkdir()
    refused = run(make_config(tmp_path, aprads=[3, 5]), "--pr", "all")
    assert refused.code == 2 and "FLUX_5" in refused.err and "database sync" in refused.err
    assert len(refused.err.splitlines()) == 1
    rehearsal = command("sync", "--dry-run", aprads=[3, 5])
    assert rehearsal.code == 0 and "nothing was changed" in rehearsal.out and "ALTER TABLE" in rehearsal.out
    done = command("sync", aprads=[3, 5])
    assert (done.code, done.err) == (0, "")
    (backup,) = (tmp_path / "database").glob("uvis_external_cte.before_sync_*Z.db")
    assert f"backup: {backup} (0 rows, verified)" in done.out
    assert command("sync", aprads=[3, 5]).lines == [
        f"sqlite:///{tmp_path}/database/uvis_external_cte.db: nothing was changed"
    ]
    kept = command("sync", aprads=[3])
    assert kept.code == 1
    assert "ngc104_phot: column FLUX_5 is not defined any more; kept, --allow-drop removes it" in kept.err
    assert command("sync", "--allow-drop", aprads=[3]).code == 0
