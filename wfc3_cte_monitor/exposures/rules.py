"""Which exposures count (METHOD section 2): each rule gives (reason, detail) for what it leaves out, else None."""

import math

from wfc3_cte_monitor import uvis
from wfc3_cte_monitor.errors import UnusableExposureError
from wfc3_cte_monitor.exposures.files import text
from wfc3_cte_monitor.records import NO_INJECTION, Rejection
from wfc3_cte_monitor.uvis import MIN_CHIP_MOVE, MIN_SHIFT

__all__ = ["rejection", "measured", "chip_of_field"]

_SAME_CHIP = "same-chip set (processed by --pr 180)"


def measured(read):
    """The `Exposure` that the monitor measures, in a nominal run or in that of the same-chip set; else None.

    Parameters
    ----------
    read : `Exposure` or `Rejection`
    """
    if isinstance(read, Rejection):
        return read.exposure if read.reason == _SAME_CHIP else None
    return read


def chip_of_field(postarg2):
    """The chip that POSTARG2 [arcsec] puts the field on; None for what lies between."""
    if abs(postarg2) <= MIN_SHIFT:
        return 2
    return 1 if abs(postarg2) >= MIN_CHIP_MOVE else None


def rejection(exposure, primary, sci_headers, legal, *, same_chip=False):
    """(reason, detail) of the first rule that leaves the exposure out, or None."""
    of_the_set = (_nominal, *_OF_BOTH_SETS) if same_chip else (_same_chip, *_OF_BOTH_SETS, _dithered)
    rules = (_not_a_listed_program, _forbidden, *of_the_set)
    return next((reason for rule in rules if (reason := rule(exposure, primary, sci_headers, legal))), None)


def _not_a_listed_program(exposure, primary, sci_headers, legal):
    if exposure.program not in legal.program_list:
        return "program not in program_list", f"PROPOSID {exposure.program}"


def _forbidden(exposure, primary, sci_headers, legal):
    reason = legal.forbidden_visits.get(exposure.program, {}).get(exposure.visit)
    if reason and not legal.subset.visits_anyway:
        return f"forbidden visit {exposure.program}/{exposure.visit} ({reason})", ""


def _injected(exposure, primary, sci_headers, legal):
    mode = text(primary, "CHINJECT")
    if mode != legal.subset.chinject:
        return "no charge injection" if mode == NO_INJECTION else "charge injection", f"CHINJECT {mode}"


def _cut_or_binned(exposure, primary, sci_headers, legal):
    if not isinstance(primary["SUBARRAY"], bool):
        raise ValueError(f"SUBARRAY = {primary['SUBARRAY']!r} is neither T nor F")
    if primary["SUBARRAY"]:
        return "subarray", ""
    if any(header.get(f"BINAXIS{axis}", 1) != 1 for header in sci_headers for axis in (1, 2)):
        return "binned", ""


def _wrong_target(exposure, primary, sci_headers, legal):
    if legal.subset.field:
        wanted = exposure.target == legal.off_fields[legal.subset.field]
        return None if wanted else (f"not of the field {legal.subset.field}", text(primary, "TARGNAME"))
    if uvis.is_off_field(exposure.target) or exposure.target in legal.off_fields.values():
        return "off-field", text(primary, "TARGNAME")
    if exposure.target not in uvis.MONITOR_TARGETS and exposure.target not in legal.target_list:
        raise UnusableExposureError(
            exposure.path.name, f"unknown target {text(primary, 'TARGNAME')[:80]!r}; target_list has the known ones"
        )
    if exposure.target not in legal.target_list:
        return "target not in target_list", exposure.target


def _wrong_filter(exposure, primary, sci_headers, legal):
    if exposure.filter not in legal.filter_list:
        return "filter not in filter_list", exposure.filter


def _wrong_flash(exposure, primary, sci_headers, legal):
    status = text(primary, "FLASHSTA")
    if status not in ("SUCCESSFUL", "NOT PERFORMED", "N/A", ""):
        return "failed post-flash", f"FLASHSTA {status}"
    if not any(math.isclose(exposure.flashlvl, level, abs_tol=1e-6) for level in legal.flashlvl_list):
        return "flash level not in flashlvl_list", f"FLASHLVL {exposure.flashlvl:g}"


def _same_chip(exposure, primary, sci_headers, legal):
    if exposure.visit in legal.same_chip_visits.get(exposure.program, ()):
        return _SAME_CHIP, ""


def _nominal(exposure, primary, sci_headers, legal):
    if not _same_chip(exposure, primary, sci_headers, legal):
        return "not of the same-chip set", f"{exposure.program}/{exposure.visit}"


def _dithered(exposure, primary, sci_headers, legal):
    subset = legal.subset
    if abs(exposure.postarg1) > MIN_SHIFT and not (subset.xdithers and _within(exposure.postarg1, legal.xdithers)):
        return "x-dither", f"POSTARG1 {exposure.postarg1:g}"
    if exposure.chip is None and not (subset.subdithers and _within(exposure.postarg2, legal.subdithers)):
        return "sub-dither", f"POSTARG2 {exposure.postarg2:g}"


def _within(postarg, limits):
    return limits[0] < abs(postarg) < limits[1]


_OF_BOTH_SETS = (
    _injected,
    _cut_or_binned,
    _wrong_target,
    _wrong_filter,
    _wrong_flash,
)
