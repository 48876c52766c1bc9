"""Catalogue files."""

import logging

import numpy as np
from astropy.table import Table
from astropy.units import UnitConversionError

from wfc3_cte_monitor.errors import CatalogError, said
from wfc3_cte_monitor.records import MasterCatalog

__all__ = ["catalog_path", "read_catalog", "read_reference", "write_catalog", "check_field"]

log = logging.getLogger(__name__)

_COLUMNS = "id x y ra dec"


def catalog_path(folder, target):
    """``<target>_master.cat`` in the folder of the master catalogues."""
    return folder / f"{target}_master.cat"


def read_catalog(path, target):
    """Read a master catalogue: columns id x y ra dec, no header.

    A bad line is left out and named; the rest is used.

    Parameters
    ----------
    path : `pathlib.Path`
    target : str
        Short name of the cluster.

    Returns
    -------
    catalog : `records.MasterCatalog`
    problems : list of str
        One line for each line of the file that was left out.

    Raises
    ------
    CatalogError
        The file is missing or has no good line.
    """
    rows, problems, seen = [], [], set()
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        row, problem = _parse(line)
        if row and row[0] in seen:
            problem = f"id {row[0]} a second time"
        if problem:
            problems.append(f"{path.name}, line {number}: {problem}; left out")
        else:
            seen.add(row[0])
            rows.append(row)
    if not rows:
        raise CatalogError(f"{path}: no line with {_COLUMNS}" + (f" ({problems[0]})" if problems else ""))
    ids, *columns = zip(*rows, strict=True)
    return MasterCatalog(target, np.array(ids), *(np.array(column, dtype=float) for column in columns)), problems


def _lines(path):
    if not path.is_file():
        cure = f"copy it there (columns {_COLUMNS}, no header) or run build_master_catalog"
        raise CatalogError(f"{path}: no such master catalogue; {cure}")
    try:
        return path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise CatalogError(f"{path}: cannot be read ({error.strerror})") from error


def write_catalog(catalog, path):
    """Write a master catalogue in the form that `read_catalog` reads: id x y ra dec, no header.

    Parameters
    ----------
    catalog : `records.MasterCatalog`
    path : `pathlib.Path`
    """
    rows = zip(catalog.id, catalog.x, catalog.y, catalog.ra, catalog.dec, strict=True)
    lines = [f"{id_:7d} {x:11.4f} {y:11.4f} {ra:14.9f} {dec:14.9f}\n" for id_, x, y, ra, dec in rows]
    path.write_text("".join(lines), encoding="ascii")


_RA_NAMES = ("ra", "raj2000", "_raj2000", "ra_icrs", "_ra", "alpha_j2000")
_DEC_NAMES = ("dec", "dej2000", "_dej2000", "de_icrs", "_de", "decj2000", "delta_j2000")


def read_reference(path):
    """Read positions to align to: a table with RA and Dec (ECSV, FITS, VOTable, CSV), or a master catalogue.

    Parameters
    ----------
    path : `pathlib.Path`
        Gaia's, for example. Columns without a unit are taken to be in degrees.

    Returns
    -------
    catalog : `records.MasterCatalog`
        Its target is the name of the file; x and y are 0.

    Raises
    ------
    CatalogError
        The file cannot be read, or has no columns of positions.
    """
    if not path.is_file():
        raise CatalogError(f"{path}: no such catalogue")
    if path.suffix == ".cat":
        return read_catalog(path, path.name)[0]
    table = _read_table(path)
    ra, dec = (_degrees(table, names, path) for names in (_RA_NAMES, _DEC_NAMES))
    good = np.isfinite(ra) & np.isfinite(dec)
    if not good.any():
        raise CatalogError(f"{path}: no row with RA and Dec")
    n = np.count_nonzero(good)
    return MasterCatalog(path.name, np.arange(1, n + 1), np.zeros(n), np.zeros(n), ra[good], dec[good])


def _read_table(path):
    kinds = {".csv": "ascii.csv", ".ecsv": "ascii.ecsv", ".fits": "fits", ".fit": "fits", ".xml": "votable"}
    kinds |= {".vot": "votable"}
    try:
        return Table.read(path, format=kinds.get(path.suffix.lower(), "ascii"))
    except Exception as error:  # each format has errors of its own
        raise CatalogError(f"{path}: not a table ({said(error)})") from error


def _degrees(table, names, path):
    column = next((table[name] for name in table.colnames if name.lower() in names), None)
    if column is None:
        found = ", ".join(table.colnames[:8]) or "none"
        raise CatalogError(f"{path}: no column named {names[0]} (it has {found}); RA and Dec in degrees are needed")
    try:
        values = np.ma.filled(np.ma.asarray(column, dtype=float), np.nan)
        return values * (column.unit.to("deg") if column.unit else 1.0)
    except (TypeError, ValueError, UnitConversionError) as error:
        raise CatalogError(f"{path}: column {column.name} is not an angle in degrees ({error})") from error


def check_field(catalog, ra, dec, name):
    """Say what is wrong with a catalogue whose stars are not where an exposure looks.

    Parameters
    ----------
    catalog : `records.MasterCatalog`
    ra, dec : float
        Where the exposure looks [deg].
    name : str
        Of the exposure.

    Raises
    ------
    CatalogError
        None of its stars is within a quarter of a degree; the message says so, and which other unit would do.
    """
    if _near(catalog.ra, catalog.dec, ra, dec):
        return
    readings = {
        "its RA seems to be in hours, multiply it by 15": (15 * catalog.ra, catalog.dec),
        "its RA and Dec seem to be in radians": (np.degrees(catalog.ra), np.degrees(catalog.dec)),
        "its RA and Dec seem to be exchanged": (catalog.dec % 360, catalog.ra),
    }
    hint = next((hint for hint, place in readings.items() if _near(*place, ra, dec)), "is it of this field?")
    middle = f"RA {np.median(catalog.ra):.4f}, Dec {np.median(catalog.dec):.4f}"
    raise CatalogError(
        f"{name}: looks at RA {ra:.4f}, Dec {dec:.4f}, the catalogue of {catalog.target} is around {middle} deg: {hint}"
    )


def _near(ra, dec, ra0, dec0, radius=0.25):
    """Whether any of the positions is within `radius` of another; all [deg]."""
    east = ((ra - ra0 + 180) % 360 - 180) * np.cos(np.radians(dec0))
    return bool(np.any(np.hypot(east, dec - dec0) < radius))


def _parse(line):
    """The values of a line and None, or None and what is wrong with it."""
    words = line.split()
    if len(words) < 5:
        return None, f"{len(words)} columns where {_COLUMNS} are expected"
    try:
        # Python's own numbers may have underscores, and the digits of any alphabet.
        if not line.isascii() or "_" in line:
            raise ValueError
        star_id, values = _integer(words[0]), [float(word) for word in words[1:5]]
    except (ValueError, OverflowError):
        return None, f"not numbers: {' '.join(words[:5])[:60]!r}"
    if star_id is None or not -(2**63) <= star_id < 2**63:
        return None, f"id {words[0][:30]} is not an integer"
    if not np.isfinite(values).all() or not _on_sky(*values[2:]):
        hint = "exchanged?" if _on_sky(*values[:1:-1]) else "degrees?"
        return None, f"RA {words[3][:30]}, Dec {words[4][:30]} or position not possible ({hint})"
    return (star_id, *values), None


def _on_sky(ra, dec):
    """Whether a right ascension and declination are possible [deg]."""
    return 0 <= ra <= 360 and -90 <= dec <= 90


def _integer(word):
    """'7' or '7.0', as some programs write it; None where it has a fraction. An id of Gaia is too long for a float."""
    try:
        return int(word)
    except ValueError:
        return int(float(word)) if float(word).is_integer() else None
