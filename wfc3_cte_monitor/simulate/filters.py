"""The monitor's filters, as far as the simulator needs them."""

from dataclasses import dataclass

from wfc3_cte_monitor.errors import ConfigurationError

__all__ = ["Filter", "FILTERS", "filter_of"]


@dataclass(frozen=True)
class Filter:
    """Brightness of stars and sky, and the photometric keywords (rounded)."""

    throughput: float
    """Counts of a star relative to F502N."""
    sky_rate: float
    """[e-/px/s]"""
    photflam: float
    """[erg/cm^2/A/e-]"""
    pivot: float
    """[A]"""
    bandwidth: float
    """[A]"""


FILTERS = {
    "F502N": Filter(1.0, 0.003, 5.2e-18, 5009.8, 27.6),
    "F606W": Filter(4.0, 0.05, 1.15e-19, 5889.2, 657.2),
}
"""Name -> `Filter`."""


def filter_of(name):
    """The `Filter` of a name.

    Raises
    ------
    ConfigurationError
        The simulator does not know the filter.
    """
    if name not in FILTERS:
        raise ConfigurationError(f"no simulated filter {name!r}; there are {', '.join(FILTERS)}")
    return FILTERS[name]
