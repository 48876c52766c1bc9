"""Aperture photometry of known stars: centroids, sky, exact apertures. Arrays in, `Photometry` out.

Inside this room positions are 0-based; they are converted where they come in and go out, in `find` and `measure`.
"""

from wfc3_cte_monitor.photometry.centres import centroids
from wfc3_cte_monitor.photometry.engine import FWHM, HOW, find, measure
from wfc3_cte_monitor.photometry.sky import annulus_sky

__all__ = ["FWHM", "HOW", "find", "measure", "centroids", "annulus_sky"]
