"""Master catalogues: read, write, and what is needed to build one. Their ids join the exposures.

`catalogs.detection`, which only building needs and which imports for long, is imported by who needs it.
"""

from wfc3_cte_monitor.catalogs.files import catalog_path, check_field, read_catalog, read_reference, write_catalog
from wfc3_cte_monitor.catalogs.identity import Identities, keep_ids
from wfc3_cte_monitor.catalogs.selection import StarMeasurements, combine

__all__ = [
    "Identities",
    "StarMeasurements",
    "catalog_path",
    "check_field",
    "combine",
    "keep_ids",
    "read_catalog",
    "read_reference",
    "write_catalog",
]
