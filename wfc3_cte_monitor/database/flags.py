"""How many stars have which flags."""

from collections.abc import Collection, Sequence

import sqlalchemy as sa

from wfc3_cte_monitor.database.core import Database
from wfc3_cte_monitor.database.rows import aperture_label

__all__ = ["flag_counts"]

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
