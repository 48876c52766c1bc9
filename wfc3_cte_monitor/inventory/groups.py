"""What belongs together: like exposures of a visit, the two dithers, FLT and FLC, one calibration."""

from dataclasses import dataclass

from wfc3_cte_monitor.inventory.stock import Finding, grouped, named, numbered, version

__all__ = ["Group", "groups_of", "without_companion", "without_partner", "different_calibrations"]

_MAX_ROLL_DIFFERENCE = 5.0
"""From 180 degrees, of the rolls of two same-chip visits [deg]."""


@dataclass(frozen=True)
class Group:
    """Exposures of one visit that are alike."""

    exposures: tuple
    pairs: int
    alone: tuple
    """Rootnames without a partner."""

    @property
    def first(self):
        return self.exposures[0]

    def count(self, ctecorr):
        return sum(e.ctecorr is ctecorr for e in self.exposures)

    @property
    def whole(self):
        return not self.alone and self.count(False) == self.count(True)

    def __str__(self):
        e = self.first
        return f"{e.program}/{e.visit}: {e.target} {e.filter} {e.exptime:g} s pf{e.flashlvl:g}"


def _alike(e):
    return e.program, e.visit, e.target, e.filter, round(e.exptime, 3), e.flashlvl


def groups_of(stock, pairs):
    """The groups of all exposures that count, in order of program and visit."""
    paired = {e.rootname for pair in pairs for e in (pair.one, pair.two)}
    return [
        *(_nominal_group(members, paired) for _, members in grouped(stock.nominal, _alike)),
        *(_same_chip_group(members, stock.same_chip) for _, members in grouped(stock.same_chip, _alike)),
    ]


def _nominal_group(members, paired):
    roots = sorted({e.rootname for e in members})
    alone = tuple(root for root in roots if root not in paired)
    return Group(tuple(members), (len(roots) - len(alone)) // 2, alone)


def _same_chip_group(members, same_chip):
    """The partners are the like exposures of the visits with the opposite roll; the headers do not tell which chip."""
    roots = sorted({e.rootname for e in members})
    others = {e.rootname for e in same_chip if _opposite(e, members[0])}
    return Group(tuple(members), min(len(roots), len(others)), tuple(roots[len(others) :]))


def _opposite(e, first):
    turn = abs((e.pa_v3 - first.pa_v3) % 360 - 180)
    key, like = _alike(e), _alike(first)
    return (key[0], *key[2:]) == (like[0], *like[2:]) and e.visit != first.visit and turn <= _MAX_ROLL_DIFFERENCE


def without_companion(stock):
    """An FLT without its FLC, or the reverse; a companion that is there but cannot be used is found elsewhere."""
    for e in stock.exposures:
        other = f"{e.rootname}_{'flt' if e.ctecorr else 'flc'}.fits"
        if other not in stock.names:
            kinds = ("FLC", "FLT") if e.ctecorr else ("FLT", "FLC")
            what = f"{e.program}/{e.visit}: {e.imagename}: {kinds[0]} without {kinds[1]}"
            yield Finding("unpaired", what, f"retrieve {other}, or calibrate its RAW")


def without_partner(groups, same_chip):
    """One dither without the other, or a same-chip exposure without its like at the opposite roll."""
    same = {e.rootname for e in same_chip}
    for group in groups:
        for root in group.alone:
            e = next(e for e in group.exposures if e.rootname == root)
            if root in same:
                lacks = "without a like exposure at the opposite roll"
            else:
                lacks = f"POSTARG2 {e.postarg2:g} without its partner {'near 0' if e.chip == 1 else 'near +82'}"
            yield Finding("unpaired", f"{group}: {root}: {lacks}", "retrieve the partner, or see what is left out")


def different_calibrations(exposures):
    """All versions of calwf3 but the commonest, with their files."""
    calibrations = grouped(exposures, version)
    common, most = max(calibrations, key=lambda item: len(item[1]), default=("", ()))
    for other, files in calibrations:
        if other != common:
            names = named([e.imagename for e in files])
            what = f"CAL_VER {other}: {numbered(files)} ({names}); {common}: {numbered(most)}"
            yield Finding("calibration", what, "calibrate all with the same version of calwf3")
