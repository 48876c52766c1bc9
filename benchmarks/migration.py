"""Time database sync of a database with a million rows of phot, and its peak memory.

Each migration works on a fresh copy of the same database, in a process of its own, with its verified backup; the floor
is the least that anybody would have to do for it, in the same run: the copy of the file, and sqlite3's own
INSERT INTO ... SELECT into a table made by hand. The ratio counts; seconds on a shared machine say little.
"""

import argparse
import contextlib
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from wfc3_cte_monitor.database import Database, fileinfo_row, sync_database
from wfc3_cte_monitor.records import Exposure, FluxBin, MasterCatalog, Photometry, StarPositions
from wfc3_cte_monitor.tables import Schema, shipped_file

APRADS, BINS, TARGET = (3.0, 5.0, 10.0), (FluxBin(250, 500), FluxBin(500, 1000)), "ngc104"
STARS = 20_000
"""Of an exposure."""
MIGRATIONS = {
    "add a column": ("NUMSKY, Integer", "NUMSKY, Integer\nQUALITY, Float"),
    "add a column, filled": ("NUMSKY, Integer", "NUMSKY, Integer\nQUALITY, Float, required, filled 0"),
    "rename a column": ("NUMSKY, Integer", "SKYPIXELS, Integer, was NUMSKY"),
    "change a type": ("NUMSKY, Integer", "NUMSKY, Float"),
    "change a type to text": ("TOTBKGRD, Float", "TOTBKGRD, String"),
    "remove a column": ("SKYSTDEV, Float", "# SKYSTDEV, Float"),
}


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.migration", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of phot (default 1000000)")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary one)")
    parser.add_argument("--one", nargs=2, metavar=("MIGRATION", "DATABASE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        migrate(args.one[0], Path(args.one[1]))
        return
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        report(Path(folder), args.rows)


def report(folder, n_rows):
    original = folder / "original.db"
    fill(original, n_rows)
    size = original.stat().st_size
    copied, rebuilt = timed(shutil.copyfile, original, folder / "floor.db"), timed(rebuild, folder / "floor.db")
    print(f"{n_rows:,} rows of phot, {size / 1e6:.0f} MB\n")
    print(f"{'copy of the file':28s}{copied:8.2f} s\n{'INSERT INTO ... SELECT':28s}{rebuilt:8.2f} s\n")
    print(f"{'migration':28s}{'seconds':>10s}{'its backup':>12s}{'floor':>8s}{'ratio':>7s}{'peak memory':>14s}")
    for name in MIGRATIONS:
        path = folder / "migrated.db"
        shutil.copyfile(original, path)
        command = [sys.executable, "-m", "benchmarks.migration", "--one", name, path]
        seconds, backup, megabytes, light = map(float, subprocess.check_output(command, text=True).split())
        floor = copied if light else copied + rebuilt
        print(f"{name:28s}{seconds:10.2f}{backup:12.2f}{floor:8.2f}{seconds / floor:7.2f}{megabytes:11.0f} MB")


def migrate(name, path):
    """Print seconds, those of the backup among them, peak memory [MB], and whether rows stay where they are."""
    from wfc3_cte_monitor.database import sync

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    spent = []
    original = sync.make_backup

    def timed_backup(*arguments):
        start = time.perf_counter()
        backup = original(*arguments)
        spent.append(time.perf_counter() - start)
        return backup

    sync.make_backup = timed_backup
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        definitions = shutil.copytree(shipped_file("table_definitions"), Path(folder) / "definitions")
        file, (old, new) = definitions / "phot.txt", MIGRATIONS[name]
        file.write_text(file.read_text().replace(old, new))
        with Database(path, Schema([TARGET], APRADS, BINS, definitions)) as database:
            start = time.perf_counter()
            done = sync_database(database, Path(folder) / "backup.db", allow_drop=True)
            seconds = time.perf_counter() - start
    light = not any(statement.startswith("INSERT") for statement in done.statements)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert done.changes and peak >= before
    print(seconds, spent[0], peak / 1024, int(light))


def fill(path, n_rows):
    """Exposures of 20,000 stars each, stored as the pipeline stores them."""
    rng = np.random.default_rng(1)
    ids = np.arange(1, STARS + 1)
    with Database(path, Schema([TARGET], APRADS, BINS)) as database:
        database.create()
        database.store_catalog(MasterCatalog(TARGET, ids, *rng.uniform(1, 2000, (4, STARS))))
        for number in range(-(-n_rows // STARS)):
            n = min(STARS, n_rows - number * STARS)
            rootname = f"i{number:03x}01aaq"[:9].ljust(9, "q")
            exposure = Exposure(
                Path("x") / f"{rootname}_flt.fits", rootname, 1, TARGET, "F502N", 350.0, 55e3, 0.0, False, 2, 0, 0, 0
            )
            x, y, shift, sky, std, background = rng.uniform(1, 2000, (6, n))
            flux = rng.uniform(10, 1e5, (2, len(APRADS), n))
            positions = StarPositions(ids[:n], x, y, shift)
            flags, n_sky = np.zeros((len(APRADS), n), int), np.full(n, 300)
            measured = Photometry(positions, APRADS, *flux, flags, sky, std, n_sky, background)
            info = fileinfo_row(exposure, {"PHOTPATH": "", "COOFILE": "", "MAGFILE": ""})
            database.store_exposure(TARGET, info, measured)


def rebuild(path):
    """What SQLite's manual asks for, by hand."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        (sql,) = connection.execute(f"SELECT sql FROM sqlite_master WHERE name = '{TARGET}_phot'").fetchone()
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("BEGIN")
        connection.execute(sql.replace(f"{TARGET}_phot", "new", 1))
        connection.execute(f"INSERT INTO new SELECT * FROM {TARGET}_phot")
        connection.execute(f"DROP TABLE {TARGET}_phot")
        connection.execute(f"ALTER TABLE new RENAME TO {TARGET}_phot")
        connection.execute("COMMIT")


def timed(function, *arguments):
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
