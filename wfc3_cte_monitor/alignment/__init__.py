"""TweakReg, headerlets and AstroDrizzle: the only room that knows drizzlepac and stwcs."""

from wfc3_cte_monitor.alignment.drizzle import drizzle_mosaic, find_sky, make_masks, read_sky
from wfc3_cte_monitor.alignment.headerlets import apply_headerlet, headerlet_path, is_aligned, write_headerlet
from wfc3_cte_monitor.alignment.host import Host, host_in
from wfc3_cte_monitor.alignment.solution import check_solution, displacement, judge, read_solution
from wfc3_cte_monitor.alignment.tweakreg import align, products_of, read_sources

__all__ = [
    "Host",
    "align",
    "apply_headerlet",
    "check_solution",
    "displacement",
    "drizzle_mosaic",
    "find_sky",
    "headerlet_path",
    "host_in",
    "is_aligned",
    "judge",
    "make_masks",
    "products_of",
    "read_sky",
    "read_solution",
    "read_sources",
    "write_headerlet",
]
