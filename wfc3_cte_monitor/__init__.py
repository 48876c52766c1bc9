"""The external CTE monitor of HST's WFC3/UVIS."""

__version__ = "0.3.0"
