"""Backups are whole, of one moment and verified; what is restored is what was there, and nothing is lost by it."""

import contextlib
import shutil
import sqlite3
import threading

import pytest
from running import run_tool
from test_database import APRADS, BINS, ONE, TWO, catalog, moved, query, store_pair
from test_sync import everything, rows

from wfc3_cte_monitor.database import (
    Database,
    backup,
    backup_path,
    backups_beside,
    make_backup,
    read_backup,
    restore,
    restore_backup,
)
from wfc3_cte_monitor.errors import DatabaseError
from wfc3_cte_monitor.records import ExposurePair
from wfc3_cte_monitor.tables import Schema

SCHEMA = Schema(("ngc104",), APRADS, BINS)
NEXT = ExposurePair(moved(ONE, "02"), moved(TWO, "02"))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request, tmp_path):
    if request.param == "sqlite":
        return tmp_path / "x.db"
    return request.getfixturevalue("postgresql").new()


@pytest.fixture
def database(url):
    with Database(url, SCHEMA) as database:
        database.create()
        database.store_catalog(catalog())
        store_pair(database)
        yield database


@pytest.fixture
def lite(tmp_path):
    with Database(tmp_path / "x.db", SCHEMA) as database:
        database.create()
        database.store_catalog(catalog())
        store_pair(database)
        yield database


def files(folder):
    return sorted(path.name for path in folder.iterdir())


# ---- Backup ----------------------------------------------------------------------------------------------------------


def test_a_backup_holds_what_the_database_holds(database, url, tmp_path):
    made = make_backup(database, tmp_path / "b.db")
    assert made.rows == read_backup(made.path, SCHEMA).rows
    assert made.rows == {"ngc104_failures": 0, "ngc104_fileinfo": 2, "ngc104_master": 20} | {
        "ngc104_phot": 40,
        "ngc104_results": 2,
        "runs": 0,
    }
    assert everything(made.path) == {
        name: [{k: str(v) if k == "INGEST_DATE" else v for k, v in row.items()} for row in found]
        for name, found in everything(url).items()
    }
    assert query(made.path, "pragma journal_mode") == [("delete",)], "one file, readable where nobody can write"
    with Database(tmp_path / "b.db", SCHEMA) as copy:
        copy.create()  # is as a database of its own


def test_a_backup_is_of_one_moment_while_others_write(database, tmp_path, monkeypatch):
    """Rows that are stored once it has begun are not in it, nor is what is not committed."""
    monkeypatch.setattr(backup, "_PAGES", 1)
    name = "copy_pages" if database.file else "copy_tables"
    original = getattr(backup, name)

    def write_first(*arguments, **options):
        worker = threading.Thread(target=store_pair, args=(database, NEXT))
        worker.start()
        worker.join()
        return original(*arguments, **options)

    monkeypatch.setattr(backup, name, write_first)
    made = make_backup(database, tmp_path / "b.db")
    assert made.rows["ngc104_fileinfo"] == len(rows(made.path, "ngc104_fileinfo")) == 2
    assert len(database.exposures("ngc104", [14012])) == 4


def test_a_writer_neither_waits_nor_is_waited_for(lite, tmp_path):
    with contextlib.closing(sqlite3.connect(lite.file, timeout=0)) as other:
        other.execute("begin immediate")
        other.execute("delete from ngc104_results")
        made = make_backup(lite, tmp_path / "b.db")
        other.rollback()
    assert made.rows["ngc104_results"] == 2


def test_a_file_that_is_there_is_replaced_only_when_told(lite, tmp_path):
    (tmp_path / "b.db").write_text("precious")
    with pytest.raises(DatabaseError, match="is there already"):
        make_backup(lite, tmp_path / "b.db")
    assert (tmp_path / "b.db").read_text() == "precious"
    make_backup(lite, tmp_path / "b.db", force=True)
    assert read_backup(tmp_path / "b.db", SCHEMA).rows["ngc104_phot"] == 40


@pytest.mark.parametrize("step", ["_make_self_contained", "_verified"])
def test_a_part_of_a_file_does_not_stay(step, database, tmp_path, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    (tmp_path / "b.db").write_text("precious")
    before = files(tmp_path)
    monkeypatch.setattr(backup, step, fail)
    with pytest.raises(KeyboardInterrupt):
        make_backup(database, tmp_path / "b.db", force=True)
    assert {name for name in files(tmp_path) if not name.startswith("x.db")} == {
        name for name in before if not name.startswith("x.db")
    }
    assert (tmp_path / "b.db").read_text() == "precious"


def test_a_folder_that_is_not_there_is_named(lite, tmp_path):
    with pytest.raises(DatabaseError, match="there is no folder"):
        make_backup(lite, tmp_path / "nowhere" / "b.db")


def test_backups_beside_come_in_order_of_time(tmp_path):
    names = ("x.backup_2026-03-01T00-00-00Z.db", "x.before_sync_2026-01-01T00-00-00Z.db", "y.backup_2026-01-01T0Z.db")
    for name in (*names, "x.db", "x.notes.db"):
        (tmp_path / name).touch()
    assert [path.name for path in backups_beside(tmp_path, "x")] == [names[1], names[0]]
    assert backup_path(tmp_path, "x", "before_sync").match("x.before_sync_*T*Z.db")


# ---- Restore ---------------------------------------------------------------------------------------------------------


def test_what_is_restored_is_what_was_there_and_what_was_there_is_kept(database, url, tmp_path):
    before = everything(url)
    make_backup(database, tmp_path / "b.db")
    store_pair(database, NEXT)
    later = everything(url)
    restored = restore_backup(database, tmp_path / "b.db", tmp_path / "kept.db")
    assert everything(url) == before
    assert restored.kept == tmp_path / "kept.db" and restored.rows["ngc104_fileinfo"] == 2
    database.check()
    store_pair(database, NEXT)  # ids go on
    restore_backup(database, tmp_path / "kept.db", tmp_path / "kept2.db")
    assert everything(url) == later


def test_a_database_moves_to_the_other_engine_by_its_backup(lite, postgresql, tmp_path):
    make_backup(lite, tmp_path / "b.db")
    url = postgresql.new()
    with Database(url, SCHEMA) as server:
        restore_backup(server, tmp_path / "b.db", tmp_path / "kept.db")
        server.check()
        assert server.exposures("ngc104", [14012]) == [TWO, ONE]
        store_pair(server, NEXT)


def damage(path):
    """Bytes of a page in the midst are those of nothing."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4096] = b"\xa5" * 4096
    path.write_bytes(content)


def other_database(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("create table recipes (cake)")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (damage, "is damaged|malformed"),
        (lambda path: path.write_bytes(path.read_bytes()[:20000]), "damaged|malformed"),
        (lambda path: path.write_text("no database at all" * 100), "not a database"),
        (lambda path: path.unlink(), "there is no such file"),
        (lambda path: [path.unlink(), other_database(path)], "holds none of the tables"),
        (lambda path: path.write_bytes(b""), "holds none of the tables"),
    ],
)
def test_a_file_that_is_not_a_whole_backup_is_refused(spoil, words, database, url, tmp_path):
    before = everything(url)
    make_backup(database, tmp_path / "b.db")
    spoil(tmp_path / "b.db")
    with pytest.raises(DatabaseError, match=words) as caught:
        restore_backup(database, tmp_path / "b.db", tmp_path / "kept.db")
    assert "\n" not in str(caught.value)
    assert everything(url) == before and not (tmp_path / "kept.db").exists()


def test_the_database_itself_is_no_backup(lite):
    with pytest.raises(DatabaseError, match="is the configured database itself"):
        restore_backup(lite, lite.file, lite.file.with_name("kept.db"))


def test_refused_as_long_as_another_process_has_it_open(lite, tmp_path, monkeypatch):
    make_backup(lite, tmp_path / "b.db")
    with contextlib.closing(sqlite3.connect(lite.file)) as other:
        other.execute("select count(*) from ngc104_phot").fetchall()
        with pytest.raises(DatabaseError, match="another process has it open"):
            restore_backup(lite, tmp_path / "b.db", tmp_path / "kept.db")
    assert restore_backup(lite, tmp_path / "b.db", tmp_path / "kept.db").rows["ngc104_phot"] == 40


def test_broken_off_in_the_midst_it_is_as_it_was(lite, tmp_path, monkeypatch):
    make_backup(lite, tmp_path / "b.db")
    store_pair(lite, NEXT)
    before = everything(lite.file)

    def break_off(source, target, locked):
        def progress(status, remaining, total):
            if remaining < total / 2:
                raise KeyboardInterrupt

        source.backup(target, pages=1, progress=progress)

    monkeypatch.setattr(restore, "copy_pages", break_off)
    with pytest.raises(KeyboardInterrupt):
        restore_backup(lite, tmp_path / "b.db", tmp_path / "kept.db")
    assert everything(lite.file) == before


@pytest.mark.parametrize("spoil", [damage, lambda path: path.write_text("no database at all" * 100)])
def test_a_damaged_database_is_put_aside(spoil, lite, tmp_path):
    before = everything(lite.file)
    make_backup(lite, tmp_path / "b.db")
    lite.engine.dispose()
    for suffix in ("-wal", "-shm"):
        lite.file.with_name(lite.file.name + suffix).unlink(missing_ok=True)
    spoil(lite.file)
    spoilt = lite.file.read_bytes()
    restored = restore_backup(lite, tmp_path / "b.db", tmp_path / "kept.db")
    assert everything(lite.file) == before
    assert restored.kept == tmp_path / "kept_damaged.db"
    if spoil is not damage:
        assert restored.kept.read_bytes() == spoilt


def test_a_file_of_other_pages_is_restored(lite, tmp_path):
    before = everything(lite.file)
    make_backup(lite, tmp_path / "b.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "b.db")) as connection:
        connection.execute("pragma page_size = 8192")
        connection.execute("vacuum")
    restore_backup(lite, tmp_path / "b.db", tmp_path / "kept.db")
    assert everything(lite.file) == before


# ---- The commands ----------------------------------------------------------------------------------------------------


def test_the_commands(make_config, tmp_path):
    config = ("--config", make_config(tmp_path, aprads=[3]))
    assert "does not exist; make it" in run_tool("database", "backup", *config).err
    assert not (tmp_path / "database").exists()
    run_tool("database", "create", *config)
    made = run_tool("database", "backup", *config)
    (path,) = (tmp_path / "database").glob("uvis_external_cte.backup_*Z.db")
    assert made.code == 0 and f"-> {path}, verified" in made.out
    copy = shutil.copy(path, tmp_path / "b.db")
    again = run_tool("database", "backup", tmp_path / "b.db", *config)
    assert (again.code, len(again.lines)) == (2, 1) and "--force" in again.err
    assert run_tool("database", "backup", tmp_path / "b.db", "--force", *config).code == 0
    assert run_tool("database", "restore", copy, *config).code == 0
    config = ("--config", make_config(tmp_path, aprads=[3, 5]))
    restored = run_tool("database", "restore", copy, *config)
    assert restored.code == 1 and "run 'uvis_external_cte database sync'" in restored.err
    assert len(list((tmp_path / "database").glob("uvis_external_cte.before_restore_*Z.db"))) >= 1
    assert run_tool("database", "sync", *config).code == 0
    assert run_tool("database", "restore", tmp_path / "nothing.db", *config).code == 2
