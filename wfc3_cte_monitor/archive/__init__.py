"""The archive: which FLT and FLC files a program has, and how they get here whole. Home of astroquery and of HTTP."""

from wfc3_cte_monitor.archive.core import Archive
from wfc3_cte_monitor.archive.products import Product, Stamp
from wfc3_cte_monitor.archive.whole import fits_problem

__all__ = ["Archive", "Product", "Stamp", "fits_problem"]
