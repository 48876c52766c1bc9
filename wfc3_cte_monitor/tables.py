"""The text files of ``table_definitions/`` become SQLAlchemy ORM classes, one per table and cluster."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from math import isfinite
from pathlib import Path

from sqlalchemy import (
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import declarative_base

from wfc3_cte_monitor.errors import ConfigurationError

__all__ = ["TEXT", "ColumnDefinition", "Schema", "shipped_file", "read_definition", "expand"]

_TYPES = {"string": String, "float": Float, "integer": Integer, "date": Date}
_MARKERS = {"primary", "key", "index", "required"}
TEXT = String().with_variant(String(collation="C"), "postgresql")
"""Sorted by bytes on every database, so that all give the same order."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_TEMPLATE = re.compile(r"{(aperture|bin)}")


@dataclass(frozen=True)
class ColumnDefinition:
    """One line of a definition file."""

    name: str
    type: type
    """SQLAlchemy type."""
    markers: frozenset = frozenset()
    references: str | None = None
    """'table.COLUMN' of the same cluster, or of a table that all clusters share."""
    shared_index: str | None = None
    """Name of the index that it shares with other columns, in the order of their lines."""
    was: str | None = None
    """Its name of before: where a table still has that one, it is renamed."""
    filled: str | None = None
    """Value, as text, of the rows that were there before the column."""


def shipped_file(name):
    """A file or folder of the repository's top level that is installed with the package.

    An installed package carries a copy inside; in a checkout or an editable install it lies beside the package.
    """
    package = Path(__file__).parent
    inside = package / name
    return inside if inside.exists() else package.parent / name


def read_definition(path):
    """Read one definition file.

    Parameters
    ----------
    path : `pathlib.Path`
        Text file; see ``table_definitions/README.md`` for the format.

    Returns
    -------
    columns : list of `ColumnDefinition`

    Raises
    ------
    ConfigurationError
        A line is not of the format, or a column is defined twice; the message has file and line number.
    """
    columns = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").splitlines(), start=1):
        text = line.partition("#")[0].strip()
        if text:
            columns.append(_parse_line(text, f"{path.name}, line {number}"))
    if not any("primary" in column.markers for column in columns):
        raise ConfigurationError(f"{path.name}: no column is marked primary")
    _check_unique(columns, path.name)
    _check_renames(columns, path.name)
    return columns


def _check_unique(columns, where):
    names = [column.name.lower() for column in columns]
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise ConfigurationError(f"{where}: defined twice: {', '.join(doubles)}")


def _check_renames(columns, where):
    """A name of before must be free, or nobody knows whose the values are; and stand for as many columns."""
    names = {column.name.lower() for column in columns}
    before = [column.was.lower() for column in columns if column.was]
    for column in columns:
        if column.was and ({column.was.lower()} & names or before.count(column.was.lower()) > 1):
            raise ConfigurationError(f"{where}: {column.name} was {column.was}, but so is, or was, another column")
        if column.was and _TEMPLATE.findall(column.was) != _TEMPLATE.findall(column.name):
            raise ConfigurationError(
                f"{where}: {column.name} was {column.was}: both or none need {{aperture}} or {{bin}}"
            )


def _parse_line(text, where):
    name, *rest = [part.strip() for part in re.split(r"[,]", text)] if "," in text else text.split()
    if not rest or rest[0].lower() not in _TYPES:
        raise ConfigurationError(f"{where}: expected 'NAME, Type' with a type of {', '.join(_TYPES)}: {text!r}")
    named = {"references": None, "index": None, "was": None, "filled": None}
    plain = set()
    for part in rest[1:]:
        words = part.split()
        if len(words) == 2 and words[0].lower() in named:
            named[words[0].lower()] = words[1]
        else:
            plain.add(part.lower())
    for one in (name, named["was"]):
        if one is not None and not _NAME.fullmatch(_TEMPLATE.sub("0", one, count=1)):
            raise ConfigurationError(f"{where}: {one!r} is not a column name")
    if plain - _MARKERS:
        raise ConfigurationError(f"{where}: unknown marker: {', '.join(sorted(plain - _MARKERS))}")
    type_ = _TYPES[rest[0].lower()]
    if named["filled"] is not None and not _is_value(named["filled"], type_):
        raise ConfigurationError(f"{where}: {named['filled']!r} is no {type_.__name__}")
    return ColumnDefinition(name, type_, frozenset(plain), *named.values())


def _is_value(text, type_):
    try:
        read: dict[type, Callable] = {Integer: int, Float: float, Date: date.fromisoformat, String: str}
        value = read[type_](text)
    except ValueError:
        return False
    return not isinstance(value, float) or isfinite(value)


def expand(columns, aprads, bins):
    """Replace '{aperture}' and '{bin}' in column names by every aperture and flux bin.

    Parameters
    ----------
    columns : list of `ColumnDefinition`
    aprads : sequence of float
        Aperture radii [px].
    bins : sequence of `records.FluxBin`

    Returns
    -------
    columns : list of `ColumnDefinition`
    """
    values = {"{aperture}": [f"{radius:g}".replace(".", "p") for radius in aprads], "{bin}": [b.label for b in bins]}
    return [
        replace(column, name=column.name.replace(mark, value), was=column.was and column.was.replace(mark, value))
        for column in columns
        for mark in [next((m for m in values if m in column.name), "")]
        for value in values.get(mark, [""])
    ]


class Schema:
    """The ORM classes of all tables.

    Parameters
    ----------
    targets : sequence of str
        Short names of the clusters.
    aprads : sequence of float
        Aperture radii [px].
    bins : sequence of `records.FluxBin`
    folder : `pathlib.Path`, optional
        Where the definitions are; by default those that came with the package. Those in its ``common`` are of tables
        that all clusters share.

    Attributes
    ----------
    definitions : dict
        Base name of a table -> list of `ColumnDefinition`, of the tables that every cluster has.
    common : dict
        The same of those that all clusters share.
    metadata : `sqlalchemy.MetaData`
    targets : tuple of str
    classes : dict
        (target, base name of the table) -> ORM class; the target is None where all clusters share the table.
    """

    def __init__(self, targets, aprads, bins, folder=None):
        folder = folder or shipped_file("table_definitions")
        self.definitions = _read_folder(folder, aprads, bins)
        if not self.definitions:
            raise ConfigurationError(f"{folder}: no table definitions (*.txt)")
        self.common = _read_folder(folder / "common", aprads, bins)
        _check_definitions(self.definitions, self.common)
        self.targets = tuple(targets)
        self.metadata = MetaData()
        base = declarative_base(metadata=self.metadata)
        tables = [(None, name, columns) for name, columns in self.common.items()]
        tables += [(target, name, columns) for target in targets for name, columns in self.definitions.items()]
        self.classes = {(t, name): _orm_class(base, t, name, columns, self.common) for t, name, columns in tables}

    def table(self, target, name):
        """The `sqlalchemy.Table` of a cluster, such as ``schema.table('ngc104', 'phot')``, or of all (None, 'runs')."""
        return self.classes[target, name].__table__

    def kind(self, name):
        """The base name of a table of the schema, such as 'phot' of 'ngc104_phot'."""
        return next(kind for (_, kind), class_ in self.classes.items() if class_.__tablename__ == name)

    @cached_property
    def natural_keys(self):
        """Names of the columns that identify a row, per base name of the table."""
        return {
            name: [c.name for c in columns if "key" in c.markers] or [c.name for c in columns if "primary" in c.markers]
            for name, columns in (self.definitions | self.common).items()
        }


def _read_folder(folder, aprads, bins):
    """Base name of a table -> its columns."""
    return {file.stem: expand(read_definition(file), aprads, bins) for file in sorted(folder.glob("*.txt"))}


def _check_definitions(definitions, common):
    both = sorted(definitions.keys() & common.keys())
    if both:
        raise ConfigurationError(f"{both[0]}.txt: defined for every cluster and, in common, for all")
    for own, known in ((definitions, definitions | common), (common, common)):
        places = {f"{name}.{column.name}" for name, columns in known.items() for column in columns}
        for name, columns in own.items():
            _check_unique(columns, f"{name}.txt")
            _check_renames(columns, f"{name}.txt")
            lost = [c for c in columns if c.references and c.references not in places]
            if lost:
                raise ConfigurationError(
                    f"{name}.txt: {lost[0].name} references {lost[0].references}, which is not defined"
                )


def _orm_class(base, target, name, columns, common):
    table_name = f"{target}_{name}" if target else name
    keys = [column.name for column in columns if "key" in column.markers]
    indexes = [Index(f"ix_{table_name}_{c.name}".lower(), c.name) for c in columns if "index" in c.markers]
    for shared in sorted({c.shared_index for c in columns if c.shared_index}):
        names = [c.name for c in columns if c.shared_index == shared]
        indexes.append(Index(f"ix_{table_name}_{shared}".lower(), *names))
    unique = [UniqueConstraint(*keys, name=f"uq_{table_name}")] if keys else []
    # A star's row is found by its composite key only: without SQLite's hidden row id the table is its own index.
    composite = sum("primary" in column.markers for column in columns) > 1
    attributes = {
        "__tablename__": table_name,
        "__table_args__": (*unique, *indexes, {"sqlite_with_rowid": not composite}),
        **{column.name: _sql_column(target, column, common) for column in columns},
    }
    return type(f"{(target or 'all').upper()}_{name}", (base,), attributes)


def _sql_column(target, column, common):
    primary = "primary" in column.markers
    type_ = TEXT if column.type is String else column.type
    foreign = [_foreign_key(target, column.references, common)] if column.references else []
    nullable = not (primary or "required" in column.markers)
    info = {"was": column.was, "filled": column.filled}
    return Column(type_, *foreign, primary_key=primary, nullable=nullable, info=info)


def _foreign_key(target, place, common):
    """Rows go with what they refer to in their own cluster; what all share must not go at all."""
    if place.partition(".")[0] in common:
        return ForeignKey(place)
    return ForeignKey(f"{target}_{place}", ondelete="CASCADE")
