"""FITS in: a header becomes an `Exposure` or the reason why not, the pixels of a chip become a `ChipImage`."""

from wfc3_cte_monitor.exposures.area import area_from_wcs, pixel_area
from wfc3_cte_monitor.exposures.files import find_files
from wfc3_cte_monitor.exposures.headers import read_exposure, read_facts
from wfc3_cte_monitor.exposures.pixels import footprint, read_chip, read_wcs
from wfc3_cte_monitor.exposures.rules import measured

__all__ = [
    "area_from_wcs",
    "find_files",
    "footprint",
    "measured",
    "pixel_area",
    "read_chip",
    "read_exposure",
    "read_facts",
    "read_wcs",
]
