"""The records that the rooms of the house hand to each other: frozen, with the unit of every field.

Positions are 1-based in every record; only `ChipImage.data` and its companions are numpy arrays, whose indices
start at 0.
"""

from wfc3_cte_monitor.records.corrections import Coefficients, CorrectedPhotometry, CorrectionFlag
from wfc3_cte_monitor.records.exposures import Expectation, Exposure, ExposurePair, ExposureSet, Rejection
from wfc3_cte_monitor.records.fits import (
    Alignment,
    BackgroundSurface,
    CteSurface,
    FluxBin,
    LineFit,
    MaskReport,
    SlopeFit,
    StarPairs,
)
from wfc3_cte_monitor.records.stars import (
    ChipImage,
    Flag,
    MasterCatalog,
    Photometry,
    PhotometrySetup,
    PixelMasks,
    StarPositions,
)
from wfc3_cte_monitor.records.subset import NO_INJECTION, Subset
from wfc3_cte_monitor.records.titles import bin_label, mjd_to_year, set_title, target_name, year_to_mjd

__all__ = [
    "Exposure",
    "Rejection",
    "Expectation",
    "ExposureSet",
    "ExposurePair",
    "Flag",
    "ChipImage",
    "MasterCatalog",
    "PixelMasks",
    "PhotometrySetup",
    "StarPositions",
    "Photometry",
    "StarPairs",
    "FluxBin",
    "LineFit",
    "SlopeFit",
    "CteSurface",
    "BackgroundSurface",
    "Alignment",
    "MaskReport",
    "Coefficients",
    "CorrectionFlag",
    "CorrectedPhotometry",
    "Subset",
    "NO_INJECTION",
    "target_name",
    "set_title",
    "bin_label",
    "mjd_to_year",
    "year_to_mjd",
]
