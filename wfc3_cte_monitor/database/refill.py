"""The rows of an exposure are replaced, those of one table alone where the other is to stay as it is."""

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from wfc3_cte_monitor.database import engine as engines
from wfc3_cte_monitor.database.rows import phot_columns
from wfc3_cte_monitor.errors import DatabaseError
from wfc3_cte_monitor.records import Photometry

if TYPE_CHECKING:
    from wfc3_cte_monitor.database.core import Database

__all__ = ["replace_fileinfo", "replace_phot", "replace_stars"]


def replace_fileinfo(database: "Database", target: str, row: dict[str, Any]) -> None:
    """Replace what fileinfo says of an exposure, and keep its photometry and results.

    Parameters
    ----------
    database : `database.Database`
    target : str
    row : dict
        Column -> value.
    """
    with database.transaction() as connection:
        database.upsert(connection, target, "fileinfo", [row])


def replace_phot(database: "Database", target: str, imagename: str, photometry: Photometry) -> None:
    """Replace the stars of an exposure.

    Parameters
    ----------
    database : `database.Database`
    target, imagename : str
    photometry : `records.Photometry`

    Raises
    ------
    DatabaseError
        fileinfo does not have the exposure.
    """
    info, phot = database.schema.table(target, "fileinfo"), database.schema.table(target, "phot")
    with database.transaction() as connection:
        file_id = connection.execute(sa.select(info.c.id).where(imagename == info.c.IMAGENAME)).scalar()
        if file_id is None:
            raise DatabaseError(f"{target}_fileinfo has no {imagename}: reset fileinfo, too")
        replace_stars(connection, phot, file_id, photometry)


def replace_stars(connection, phot, file_id, photometry):
    """Within a transaction: the rows of an exposure in a table of stars."""
    connection.execute(phot.delete().where(file_id == phot.c.FILE_ID))
    columns = phot_columns(photometry, file_id)
    engines.insert_rows(connection, phot, list(columns), list(zip(*columns.values(), strict=True)))
