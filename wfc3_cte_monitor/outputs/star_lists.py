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
    path: Path | None = None
    """Of a FITS file, which may have more than the table."""


def read_star_list(path):
    """Read a list of stars.

    Parameters
    ----------
    path : `pathlib.Path`
        FITS table, ECSV, CSV, or text: of DAOPHOT, or with the names of the columns in the first line, or in the last
        comment before the stars, as hst1pass has them; columns without a name are col1, col2, ...

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
        table = _READERS[kind](path)
        if not len(table):
            raise ValueError("no stars in it")
        return StarList(table, kind, path=path)
    except (OSError, ValueError, TypeError, IndexError, InconsistentTableError) as error:
        raise CatalogError(f"{path}: cannot be read as a list of stars ({said(error)})") from error


def _read_fits(path):
    with fits.open(path, memmap=False) as hdus:
        return Table.read(hdus[_table_place(hdus)])


def _table_place(hdus):
    """The first table of a FITS file."""
    place = next((i for i, hdu in enumerate(hdus) if isinstance(hdu, fits.BinTableHDU | fits.TableHDU)), None)
    if place is None:
        raise ValueError("no table in it")
    return place


_READERS = {
    "fits": _read_fits,
    "ecsv": lambda path: Table.read(path, format="ascii.ecsv"),
    # Spreadsheets begin with a mark of the encoding, and people with comments.
    "csv": lambda path: Table.read(path, format="ascii.csv", encoding="utf-8-sig", comment=r"\s*#"),
}


def _kind(path):
    if _named(path):
        return _named(path)
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return "ecsv" if file.readline().startswith("# %ECSV") else "text"
    except OSError as error:
        raise CatalogError(f"{path}: {error.strerror}") from error


def _named(path):
    """What the name of a file says that it is, None where it says nothing."""
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    return {".fits": "fits", ".fit": "fits", ".ecsv": "ecsv", ".csv": "csv"}.get(suffix)


def _read_text(lines):
    if any(line.rstrip().endswith("\\") for line in lines):
        raise ValueError("stars over several lines, as IRAF writes them: make it one line each with txdump")
    n_head = 3 if lines and lines[0].split()[:2] == ["NL", "NX"] else 0
    rows = [i for i, line in enumerate(lines) if i >= n_head and line.strip() and not line.lstrip().startswith("#")]
    if n_head and lines[1].split()[:1] == ["2"]:  # PHOTOMETRY's: the second line of a star has its sky and errors.
        rows = rows[::2]
    if not n_head and len(rows) > 1 and _is_header(lines[rows[0]], lines[rows[1]]):
        rows = rows[1:]
    words = [lines[i].split() for i in rows]
    if not words or {len(line) for line in words} != {len(words[0])}:
        raise ValueError("not the same number of columns in every line" if words else "no stars in it")
    named, header = _names(lines[: rows[0]], len(words[0]), n_head)
    table = Table([_column(c) for c in zip(*words, strict=True)], names=named)
    return StarList(table, "text", lines, rows, header, daophot=n_head > 0)


def _is_header(first, second):
    """Whether the first line has words where the second has numbers: names of columns without a '#' before them."""
    words, values = first.split(), second.split()
    if len(words) != len(values):
        return False
    numbers = [word for word, value in zip(words, values, strict=True) if _is_number(value)]
    return bool(numbers) and not any(map(_is_number, numbers)) and not set(map(str.upper, numbers)) & _NO_NUMBER


_NO_NUMBER = {"INDEF", "NULL", "NONE", "N/A", "--", "---"}
"""What stands for a number that is not known, and so is no name of a column."""


def _is_number(word):
    try:
        float(word)
    except ValueError:
        return False
    return True


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

    Raises
    ------
    CatalogError
        The name of the file is that of another format.
    """
    if _named(path) not in (None, stars.kind):
        raise CatalogError(f"{path}: the list is {stars.kind}, and comes out as it came in; name it accordingly")
    said = [f"{name}: {text}" for name, text in provenance.items()]
    if stars.kind == "csv" or stars.daophot:
        _write_text("\n".join(said), path.with_name(f"{path.name}_provenance.txt"))
    if stars.kind == "text":
        _write_text(_text_with(stars, columns, said), path)
        return
    table = stars.table.copy()
    for name, values in columns.items():
        bare, unit = getattr(values, "value", values), getattr(values, "unit", None)
        table[name] = (MaskedColumn if table.masked else Column)(bare, unit=unit)
    if stars.kind == "fits":
        table.meta["comments"] = [*table.meta.get("comments", []), *said]
        _write_fits(table, stars.path, path)
    elif stars.kind == "csv":
        replace_file(path, lambda new: table.write(new, format="ascii.csv"))
    else:
        table.meta["cte_correction"] = dict(provenance)
        replace_file(path, lambda new: table.write(new, format="ascii.ecsv"))


def _write_fits(table, source, path):
    """The table in its place among all else that the file had."""
    with fits.open(source, memmap=False) as hdus:
        place = _table_place(hdus)
        new_hdu = fits.table_to_hdu(table)
        new_hdu.name = hdus[place].name
        whole = fits.HDUList([new_hdu if i == place else hdu for i, hdu in enumerate(hdus)])
        replace_file(path, whole.writeto)


def _write_text(text, path):
    replace_file(path, lambda new: new.write_text(f"{text}\n", encoding="utf-8"))


def _text_with(stars, columns, said):
    """The lines as they were, each star's with what is new behind it."""
    columns = {name: np.asarray(values) for name, values in columns.items()}
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
