"""Step 4 for the same-chip set: what each chip loses by itself."""

from itertools import groupby, product
from pathlib import Path

import numpy as np
from astropy.table import vstack

from wfc3_cte_monitor import outputs
from wfc3_cte_monitor.pipeline import fingerprints
from wfc3_cte_monitor.pipeline.drawing import Drawing, save
from wfc3_cte_monitor.plots import plot_same_chip_expt, plot_same_chip_logflux
from wfc3_cte_monitor.records import ExposureSet, FluxBin
from wfc3_cte_monitor.slopes import LOSS_UNITS, loss
from wfc3_cte_monitor.surface import finest_bins
from wfc3_cte_monitor.uvis import SAME_CHIP_TARGET

__all__ = ["same_chip_drawings"]

_FOLDER = "180cte_expt"
_NOMINAL_TARGET = "ngc104"
_CHIPS = (1, 2)
_LINES = {"": "free", "_mid": "forced through 1 at the middle row"}
"""How the lines are fitted, by what stands behind the names of figures."""


def same_chip_drawings(sets, nominal, database, settings, staging):
    """The figures of the same-chip set, each from free lines and from lines forced through 1 at the middle row.

    Parameters
    ----------
    sets : list of `records.ExposureSet`
        Of the same-chip target.
    nominal : callable
        (set, aperture) -> losses of the nominal pairs of a set, as `pipeline.draw.losses_of` gives them.
    database : `database.Database`
    settings : `settings.Settings`
    staging : `pathlib.Path`

    Yields
    ------
    drawing : `pipeline.drawing.Drawing`
    """
    exposures = {e.imagename: e for e in database.exposures(SAME_CHIP_TARGET, settings.program_list)} if sets else {}
    for aperture, line in product(settings.aprads, _LINES):
        losses = {s: _losses_of(s, aperture, exposures, database, settings, line) for s in sets}
        for _, group in groupby(sorted(sets, key=_kind), key=_kind):
            members = list(group)
            table = vstack([losses[s] for s in members], metadata_conflicts="silent")
            for chip in _CHIPS:
                of_chip = table[table["chip"] == chip]
                if len(of_chip):
                    yield _drawing("180cte_expt", line, (members[0], chip), aperture, of_chip, settings, staging)
            for s in members:
                both = _with_nominal(losses[s], nominal(_like(s), aperture))
                yield _drawing("180cte_logflux", line, (s, None), aperture, both, settings, staging)


def _kind(s):
    """Sets that share a figure: short and long ones."""
    return s.filter, s.flashlvl, s.ctecorr


def _like(s):
    """The nominal set with the same filter, length, flash level and calibration."""
    return ExposureSet(_NOMINAL_TARGET, s.filter, s.length, s.flashlvl, s.ctecorr)


def _losses_of(s, aperture, exposures, database, settings, line):
    """Losses of the pairs of a set in bins that do not overlap, with chip, exptime [s] and systematic.

    The systematic is what the loss changes when the line is forced through 1 at the middle row, or is not.
    """
    unit = settings.loss_unit
    conditions = {"FILTER": s.filter, "LENGTH": s.length, "FLASHLVL": s.flashlvl, "CTECORR": int(s.ctecorr)}
    table = database.slopes(SAME_CHIP_TARGET, aperture, middle=True, **conditions)
    finest = finest_bins(settings.bins)
    table = table[np.array([FluxBin(row["lo"], row["hi"]) in finest for row in table], dtype=bool)]
    measure = {"mag": "magslope", "flux": "slope"}[unit]
    shown, other = (f"mid_{measure}", measure) if line == "_mid" else (measure, f"mid_{measure}")
    table["chip"] = [exposures[name].chip for name in table["imagename_2"]]
    table["exptime"] = [exposures[name].exptime for name in table["imagename_2"]]
    table["logflux"] = np.log10(table["mean_flux"])
    table["loss"], table["loss_err"] = loss(table[shown], unit), loss(table[f"{shown}_err"], unit)
    table["systematic"] = np.abs(loss(table[shown], unit) - loss(table[other], unit))
    table.meta = {
        "target": s.target,
        "filter": s.filter,
        "flashlvl": s.flashlvl,
        "ctecorr": s.ctecorr,
        "aperture": float(aperture),
        "unit": unit,
        "loss_unit": LOSS_UNITS[unit],
        "errors": "standard errors",
        "line": _LINES[line],
        "systematic": f"change of the loss where the line is {_LINES['' if line else '_mid']}",
    }
    return table


def _with_nominal(losses, nominal):
    """The same-chip losses and those of the nominal pairs of the same programs, whose chip is 0: one on either."""
    finest = {(row["lo"], row["hi"]) for row in losses}
    programs = set(losses["proposid"])
    chosen = [row["proposid"] in programs and (row["lo"], row["hi"]) in finest for row in nominal]
    nominal = nominal[np.array(chosen, dtype=bool)]
    nominal["chip"], nominal["systematic"] = 0, np.nan
    names = ["target", "imagename_1", "imagename_2", "proposid", "mjd", "chip", "lo", "hi", "n_points", "mean_flux"]
    names += ["logflux", "loss", "loss_err", "systematic"]
    table = vstack([losses[names], nominal[names]], metadata_conflicts="silent")
    table.meta = losses.meta
    return table


def _drawing(kind, line, subject, aperture, losses, settings, staging):
    s, chip = subject
    name = f"{outputs.same_chip_name(kind.removeprefix('180cte_'), s, aperture, chip)}{line}"
    path = staging / Path(outputs.flash_folder(s.flashlvl, s.ctecorr), _FOLDER, f"{name}.png")
    fingerprint = fingerprints.of_figure(kind, (name, chip), losses, settings)
    return Drawing(f"{kind}{line}", _draw, subject, aperture, losses, settings, path, fingerprint)


def _draw(drawing):
    s, chip = drawing.subject
    if chip:
        figure = plot_same_chip_expt(drawing.losses, chip=chip)
    else:
        figure = plot_same_chip_logflux(drawing.losses, length=s.length)
    table_path = drawing.path.with_suffix(".txt")
    outputs.write_table(outputs.losses_table(drawing.losses), table_path)
    return [table_path, *save(figure, drawing.path)]
