"""What must be true of a database and an output tree at any moment, and what is the same after every run."""

import hashlib
import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

from astropy.io import fits
from astropy.table import Table

__all__ = ["broken_rows", "unreadable_files", "left_over", "rows_of", "files_of", "without_fingerprint"]

_OF_A_RUN = ("id", "INGEST_DATE", "FINGERPRINT", "RUN_ID")
"""Columns that are others in each run."""
_DATES = ("DATE", "UPWTIM", "ROOTNAME", "HDRNAME", "WCSNAME", "HISTORY", "COMMENT", "CHECKSUM", "DATASUM")
_TABLES = (".coo", ".mag", ".ecsv")


# ---- The database ----------------------------------------------------------------------------------------------------


def broken_rows(path):
    """What is not whole in an SQLite file, one line each; where there is no file nothing is broken."""
    if not path.exists():
        return []
    with closing(sqlite3.connect(path, timeout=1)) as connection:
        problems = [line for (line,) in connection.execute("PRAGMA integrity_check") if line != "ok"]
        problems += [f"no parent: {row}" for row in connection.execute("PRAGMA foreign_key_check")]
        names = _tables(connection)
        for target in (name.removesuffix("_fileinfo") for name in names if name.endswith("_fileinfo")):
            problems += _partial_exposures(connection, target)
            problems += _results_of_nobody(connection, target) if f"{target}_results" in names else []
    return problems


def _tables(connection):
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    return sorted(name for (name,) in connection.execute(query))


def _partial_exposures(connection, target):
    query = (
        f"SELECT IMAGENAME, NUMSTARS, (SELECT count(*) FROM {target}_phot AS phot WHERE FILE_ID = fileinfo.id) AS n "
        f"FROM {target}_fileinfo AS fileinfo WHERE n <> NUMSTARS OR NUMSTARS IS NULL"
    )
    return [f"{name}: {n} rows of {stars} stars" for name, stars, n in connection.execute(query)]


def _results_of_nobody(connection, target):
    known = f"(SELECT IMAGENAME FROM {target}_fileinfo)"
    query = f"SELECT IMAGENAME_1, IMAGENAME_2 FROM {target}_results"
    rows = connection.execute(f"{query} WHERE IMAGENAME_1 NOT IN {known} OR IMAGENAME_2 NOT IN {known}")
    return [f"results without exposures: {' and '.join(row)}" for row in rows]


def rows_of(path):
    """How often there is which row: a `Counter` of (table, ((column, value), ...)), without ids, runs and dates."""
    if not path.exists():
        return Counter()
    with closing(sqlite3.connect(path, timeout=1)) as connection:
        return Counter(row for name in _tables(connection) if name != "runs" for row in _rows(connection, name))


def _rows(connection, table):
    target = table.rpartition("_")[0]
    images = dict(connection.execute(f"SELECT id, IMAGENAME FROM {target}_fileinfo"))
    cursor = connection.execute(f"SELECT * FROM {table}")
    names = [name for name, *_ in cursor.description]
    left_out = set(_OF_A_RUN) - ({"id"} if table.endswith("_master") else set())
    for row in cursor:
        values = {name: value for name, value in zip(names, row, strict=True) if name not in left_out}
        if "FILE_ID" in values:
            values["FILE_ID"] = images.get(values["FILE_ID"])
        yield table, tuple(values.items())


# ---- Files -----------------------------------------------------------------------------------------------------------


def _files(root):
    return sorted(path for folder in ("data", "outputs") for path in (root / folder).rglob("*") if path.is_file())


def _is_temporary(path, root):
    parts = path.relative_to(root).parts
    return "tempfiles" in parts or any(part.startswith(".") for part in parts)


def left_over(root):
    """The temporary files and folders below data and outputs."""
    hidden = {path for folder in ("data", "outputs") for path in (root / folder).rglob(".*")}
    return sorted(hidden | {*(root / "outputs" / "tempfiles").glob("*")})


def unreadable_files(root):
    """The files below data and outputs that are there and not whole: (path, why)."""
    found = []
    for path in _files(root):
        try:
            if not _is_temporary(path, root):
                _read(path)
        except Exception as error:  # whatever a damaged file makes its reader raise
            found.append((path, f"{type(error).__name__}: {' '.join(str(error).split())[:80]}"))
    return found


def _read(path):
    if path.suffix == ".fits":
        with fits.open(path, memmap=False) as hdus:
            hdus.verify("exception")
            for hdu in hdus:
                _ = hdu.data
    elif path.suffix == ".png":
        _must_end(path, b"IEND\xaeB`\x82")
    elif path.suffix == ".pdf":
        _must_end(path, b"%%EOF")
    elif path.suffix == ".jsonl":
        [json.loads(line) for line in path.read_text().splitlines()]
    elif path.suffix == ".json":
        json.loads(path.read_text())
    elif path.suffix in _TABLES or path.read_bytes().startswith(b"# %ECSV"):
        Table.read(path, format="ascii.ecsv")
    elif not path.stat().st_size and path.suffix != ".log":  # of a run that has not said anything yet
        raise ValueError("empty")


def _must_end(path, end):
    if not path.read_bytes().rstrip().endswith(end):
        raise ValueError("cut off")


def files_of(root):
    """What a run leaves: path of each file, that of its newest results for those -> hash of what is the same each time.

    Logs and earlier results are left out.
    """
    found = {}
    for path in _files(root):
        if not _is_temporary(path, root) and not {"logs", "finalresults"} & {*path.relative_to(root).parts}:
            found[path.relative_to(root).as_posix()] = _digest(path)
    for newest in (root / "outputs" / "finalresults").glob("*/most_recent"):
        for path in sorted(path for path in newest.resolve().rglob("*") if path.is_file()):
            name = newest.relative_to(root) / path.relative_to(newest.resolve())
            found[name.as_posix()] = _digest(path)
    return found


def _digest(path):
    if path.suffix == ".fits":
        content = _fits_content(path)
    elif path.name == "fingerprints.json":  # it knows the times of the files that drizzlepac wrote
        content = json.dumps(sorted(json.loads(path.read_text()))).encode()
    elif path.suffix == ".log":
        content = b""
    elif path.suffix == ".mag":
        content = without_fingerprint(path)
    else:
        content = path.read_bytes()
    return hashlib.sha256(content).hexdigest()[:16]


def without_fingerprint(path):
    """The bytes of a .mag file but for the fingerprint, which knows the folder."""
    return b"\n".join(line for line in path.read_bytes().split(b"\n") if b"fingerprint: " not in line)


def _fits_content(path):
    with fits.open(path, memmap=False) as hdus:
        parts = []
        for hdu in hdus:
            cards = [str(card) for card in hdu.header.cards if card.keyword not in _DATES]
            parts += ["\n".join(cards).encode(), b"" if hdu.data is None else Path(path).name.encode()]
            if hdu.data is not None:
                parts.append(hdu.data.tobytes())
    return b"".join(parts)
