"""Anybody's lists of stars: read, and written again in their own format with further columns."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.io.ascii import InconsistentTableError
from astropy.table import Column, MaskedColumn, Table

from wfc3_cte_monitor.errors import CatalogError, said
from wfc3_cte_monitor.outputs.files import replace_file

__all__ = ["StarList", "read_star_list", "write_star_list"]

_DAOPHOT = ("id", "x", "y", "mag", "mag_err", "sky", "iter", "chi", "sharp")
"""Columns of Stetson's ALLSTAR and PHOTOMETRY files, as far as they go."""


@dataclass(frozen=True)
class StarList:
    """A list of stars, and the file that it is of."""

    table: Table
    kind: str
    """'ecsv', 'fits', 'csv', or 'text': columns that blanks part."""
    lines: tuple = ()
    """Of a text."""
    rows: tuple = ()
    """Which of them are stars."""
    header: int | None = None
    """Which of them names the columns, None where none does."""
    daophot: bool = False
    """Whether the text has DAOPHOT's three lines before the stars."""


def read_star_list(path):
    """Read a list of stars.

    Parameters
    ----------
    path : `pathlib.Path`
        FITS table, ECSV, CSV, or text: of DAOPHOT, or with the names of the columns in the last comment before the
        stars, as hst1pass has them; columns without a name are col1, col2, ...

    Returns
    -------
    stars : `StarList`

    Raises
    ------
    CatalogError
        There is no such file, or it is no list of stars.
    """
    kind = _kind(path)
    try:
        if kind == "text":
            return _read_text(path.read_text(encoding="utf-8").splitlines())
        table = Table.read(path, format={"ecsv": "ascii.ecsv", "csv": "ascii.csv", "fits": "fits"}[kind])
        if not len(table):
            raise ValueError("no stars in it")
        return StarList(table, kind)
    except (OSError, ValueError, TypeError, IndexError, InconsistentTableError) as error:
        raise CatalogError(f"{path}: cannot be read as a list of stars ({said(error)})") from error


def _kind(path):
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    kinds = {".fits": "fits", ".fit": "fits", ".ecsv": "ecsv", ".csv": "csv"}
    if suffix in kinds:
        return kinds[suffix]
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return "ecsv" if file.readline().startswith("# %ECSV") else "text"
    except OSError as error:
        raise CatalogError(f"{path}: {error.strerror}") from error


def _read_text(lines):
    if any(line.rstrip().endswith("\\") for line in lines):
        raise ValueError("stars over several lines, as IRAF writes them: make it one line each with txdump")
    n_head = 3 if lines and lines[0].split()[:2] == ["NL", "NX"] else 0
    rows = [i for i, line in enumerate(lines) if i >= n_head and line.strip() and not line.lstrip().startswith("#")]
    words = [lines[i].split() for i in rows]
    if not words or {len(line) for line in words} != {len(words[0])}:
        raise ValueError("not the same number of columns in every line" if words else "no stars in it")
    named, header = _names(lines[: rows[0]], len(words[0]), n_head)
    table = Table([_column(c) for c in zip(*words, strict=True)], names=named)
    return StarList(table, "text", lines, rows, header, daophot=n_head > 0)


def _names(head, n_columns, n_head):
    """Names of the columns, and the line that has them."""
    if n_head:
        return [*_DAOPHOT[:n_columns], *(f"col{k + 1}" for k in range(len(_DAOPHOT), n_columns))], None
    for i in reversed(range(len(head))):
        words = head[i].lstrip(" #").split()
        if len(words) == n_columns and len(set(words)) == n_columns:
            return words, i
    return [f"col{k + 1}" for k in range(n_columns)], None


def _column(words):
    """Numbers where all are, else text."""
    try:
        return np.array(words, dtype=float)
    except ValueError:
        return np.array(words)


def write_star_list(stars, columns, path, provenance):
    """Write a list of stars in its own format, with further columns.

    Parameters
    ----------
    stars : `StarList`
    columns : dict
        Name -> values, shape (number of stars,).
    path : `pathlib.Path`
    provenance : dict
        Name -> text. CSV and DAOPHOT's files have no place for it: it comes to ``<path>_provenance.txt``.
    """
    said = [f"{name}: {text}" for name, text in provenance.items()]
    if stars.kind == "csv" or stars.daophot:
        _write_text("\n".join(said), path.with_name(f"{path.name}_provenance.txt"))
    if stars.kind == "text":
        _write_text(_text_with(stars, columns, said), path)
        return
    table = stars.table.copy()
    for name, values in columns.items():
        table[name] = (MaskedColumn if table.masked else Column)(values)
    if stars.kind == "fits":
        table.meta["comments"] = [*table.meta.get("comments", []), *said]
        replace_file(path, lambda new: _fits_of(table).writeto(new))
    elif stars.kind == "csv":
        replace_file(path, lambda new: table.write(new, format="ascii.csv"))
    else:
        table.meta["cte_correction"] = dict(provenance)
        replace_file(path, lambda new: table.write(new, format="ascii.ecsv"))


def _fits_of(table):
    return fits.HDUList([fits.PrimaryHDU(), fits.table_to_hdu(table)])


def _write_text(text, path):
    replace_file(path, lambda new: new.write_text(f"{text}\n", encoding="utf-8"))


def _text_with(stars, columns, said):
    """The lines as they were, each star's with what is new behind it."""
    formats = {name: "d" if np.issubdtype(values.dtype, np.integer) else ".5f" for name, values in columns.items()}
    added = zip(*columns.values(), strict=True)
    behind = [" ".join(f"{v:>11{formats[name]}}" for name, v in zip(columns, values, strict=True)) for values in added]
    lines = list(stars.lines)
    for i, text in zip(stars.rows, behind, strict=True):
        lines[i] = f"{lines[i]} {text}"
    if stars.daophot:
        return "\n".join(lines)
    names = " ".join(columns)
    if stars.header is not None:
        lines[stars.header] += f" {names}"
    else:
        said = [*said, f"columns added at the right: {names}"]
    return "\n".join([*(f"# {line}" for line in said), *lines])
