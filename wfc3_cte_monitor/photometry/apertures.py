"""Sums in apertures with exact pixel overlap; positions are 0-based."""

import numpy as np
import sep

__all__ = ["aperture_sums"]


def aperture_sums(data, x, y, radius):
    """Sums with exact pixel overlap; NaN where the aperture lies wholly outside."""
    sums, _, _ = sep.sum_circle(data, x, y, radius, subpix=0)
    return np.asarray(sums)
