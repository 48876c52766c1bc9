"""What the archive has: a product, the version that it is of, and how it is read from the archive's tables."""

import re
from dataclasses import dataclass

import numpy as np

from wfc3_cte_monitor.errors import ArchiveError
from wfc3_cte_monitor.uvis import visit_of

__all__ = ["Product", "Stamp", "product_of", "value"]

_NAME = re.compile(r"i[a-z0-9]{8}_fl[tc]\.fits")
_HARMLESS_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*_fl[tc]\.fits")
"""Of other products than single exposures, such as hst_14012_05_wfc3_uvis_f502n_icqe05xy_flt.fits."""


@dataclass(frozen=True)
class Product:
    """A file in the archive.

    Raises
    ------
    ArchiveError
        Its name is not that of the FLT or FLC of a UVIS exposure. Names come from a server and become names in a
        folder of the user's, so none that could mean another place is ever taken.
    """

    name: str
    uri: str
    program: int
    size: int | None
    """[bytes]; None where the archive does not say."""
    release: float | None
    """When it became or becomes public [MJD]."""

    def __post_init__(self):
        if not _NAME.fullmatch(self.name):
            raise ArchiveError(f"{self.name!r}: not the name of an FLT or FLC file")

    @property
    def visit(self):
        """Two characters."""
        return visit_of(self.name[:9])


@dataclass(frozen=True)
class Stamp:
    """By what a server tells one version of a file from the next; None where it does not say."""

    etag: str | None = None
    last_modified: str | None = None

    def differs(self, other):
        """Whether the two are of different versions: all differs that both say, and both say something.

        One of the two alone may change with the machine that answers, or with the hour.
        """
        pairs = ((self.etag, other.etag), (self.last_modified, other.last_modified))
        known = [one != two for one, two in pairs if one and two]
        return bool(known) and all(known)

    @property
    def condition(self):
        """The value of If-Range; None where nothing is fit for it. A weak ETag (W/...) is not."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.last_modified


def value(row, name):
    """What a row has in a column; None where it is masked or empty, or there is no such column."""
    value = row[name] if name in row.colnames else None
    return None if value is None or value is np.ma.masked or value == "" else value


def product_of(row, program, releases):
    """The `Product` of a row; None for what is none of the program's FLT and FLC files."""
    name, uri = str(row["productFilename"]), str(row["dataURI"])
    if not name.endswith(("_flt.fits", "_flc.fits")):
        return None
    if _HARMLESS_NAME.fullmatch(name) and not _NAME.fullmatch(name):
        return None
    if (value(row, "proposal_id") or program) not in (program, str(program)):
        return None
    size, release = value(row, "size"), releases.get(str(value(row, "parent_obsid")))
    product = Product(name, uri, program, int(size) if size and size > 0 else None, release and float(release))
    if uri.rpartition("/")[2] != name:
        raise ArchiveError(f"{name!r}: refused, its address in the archive is of another file ({uri!r})")
    return product
