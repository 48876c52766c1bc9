"""How many stars have which flags, and how many both exposures of a pair have."""

from collections.abc import Collection, Sequence

import sqlalchemy as sa

from wfc3_cte_monitor.database.core import Database
from wfc3_cte_monitor.database.rows import aperture_label

__all__ = ["flag_counts", "joined_counts"]

_AT_ONCE = 200
"""Image names in one query."""


def flag_counts(
    database: Database, target: str, imagenames: Collection[str], aprads: Sequence[float]
) -> dict[tuple[str, float], dict[int, int]]:
    """The stars of exposures by their flags.

    Parameters
    ----------
    database : `database.Database`
    target : str
    imagenames : collection of str
    aprads : sequence of float
        Apertures [px].

    Returns
    -------
    counts : dict
        (image name, aperture) -> dict, bits of `records.Flag` -> number of stars.
    """
    info, phot = (database.schema.table(target, name) for name in ("fileinfo", "phot"))
    counts = {(name, aperture): {} for name in imagenames for aperture in aprads}
    with database.reading() as connection:
        names = sorted(imagenames)
        for start in range(0, len(names), _AT_ONCE):
            some = names[start : start + _AT_ONCE]
            for aperture in aprads:
                flags = phot.c[f"FLAGS_{aperture_label(aperture)}"]
                query = sa.select(info.c.IMAGENAME, flags, sa.func.count()).join(phot, info.c.id == phot.c.FILE_ID)
                query = query.where(info.c.IMAGENAME.in_(some)).group_by(info.c.IMAGENAME, flags)
                for name, bits, number in connection.execute(query):
                    counts[name, aperture][bits] = number
    return counts


def joined_counts(database: Database, target: str) -> dict[tuple[str, str, float], int]:
    """The stars that both exposures of a pair have without a flag: (image name 1, 2, aperture [px]) -> number."""
    results = database.schema.table(target, "results")
    columns = [results.c[name] for name in ("IMAGENAME_1", "IMAGENAME_2", "APERTURE", "NUMSTARS")]
    with database.reading() as connection:
        return {(*key,): number for *key, number in connection.execute(sa.select(*columns))}
