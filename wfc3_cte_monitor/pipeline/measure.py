"""Step 3: the exposures in the database become pairs, and pairs become slopes."""

import logging

import numpy as np
from astropy.table import Table

from wfc3_cte_monitor import outputs
from wfc3_cte_monitor.database import results_row
from wfc3_cte_monitor.errors import MonitorError
from wfc3_cte_monitor.pairing import dithered_pairs, nominal_pairs, same_chip_pairs
from wfc3_cte_monitor.pipeline import fingerprints
from wfc3_cte_monitor.pipeline.drawing import save
from wfc3_cte_monitor.pipeline.logs import decision
from wfc3_cte_monitor.pipeline.parallel import in_order, progress
from wfc3_cte_monitor.pipeline.request import unexpected
from wfc3_cte_monitor.plots import plot_ratio_ypos
from wfc3_cte_monitor.plots.style import set_title
from wfc3_cte_monitor.slopes import join_stars, loss, measure_slopes
from wfc3_cte_monitor.uvis import MIDDLE_ROW, SAME_CHIP_TARGET, rows_to_amplifier

__all__ = ["find_pairs", "measure_pairs"]

log = logging.getLogger(__name__)


def find_pairs(database, request, settings, summary):
    """The pairs of the measured exposures that the request asks for, in order of time."""
    targets = [SAME_CHIP_TARGET] if request.same_chip else nominal_targets(settings)
    exposures = [
        exposure
        for target in targets
        for exposure in database.exposures(target, request.programs, request.visits)
        if request.wants(exposure)
    ]
    for name in sorted((summary.failed_files & {exposure.imagename for exposure in exposures}) - {*summary.measured}):
        warning = f"{name}: failed in this run; its earlier measurement is still in the database and in the results"
        log.warning("%s", warning)
        summary.warnings.append(warning)
    pairs, unpaired = _paired(exposures, request, settings)
    reasons = {exposure.imagename: reason for exposure, reason in unpaired.items()}
    for name, reason in reasons.items():
        log.warning("%s: no partner: %s", name, reason, extra=decision(name, "no partner", reason))
    summary.unpaired = [*reasons]
    if settings.subset:
        summary.unpaired_because = [f"{name}: no partner: {reason}" for name, reason in reasons.items()]
    return pairs


def _paired(exposures, request, settings):
    """The pairs, and each exposure without a partner -> the reason."""
    if settings.subset.dithers:
        return dithered_pairs(exposures, settings.min_shared_field)
    if request.same_chip:
        pairs, unpaired = same_chip_pairs(exposures)
        return pairs, {exposure: f"none at the opposite roll on chip {exposure.chip}" for exposure in unpaired}
    pairs, unpaired = nominal_pairs(exposures)
    return pairs, dict.fromkeys(unpaired, "none on the other chip")


def nominal_targets(settings):
    """The clusters whose pairs compare the two chips."""
    return [target for target in settings.target_list if target != SAME_CHIP_TARGET]


def measure_pairs(pairs, database, request, settings, staging, summary, cluster=None):
    """Measure the slopes of pairs, one transaction each; write their files, and figures in parallel.

    A pair whose photometry did not change, and whose files are among the newest results, is not measured again.

    Returns
    -------
    made_from : dict
        Path of a file that was made -> fingerprint.
    """
    prints = _fingerprints_now(pairs, database, settings)
    changed = pairs if request.force else _changed(pairs, prints, database, request, settings)
    summary.unchanged_pairs = len(pairs) - len(changed)
    made_from, drawings = {}, []
    for pair in progress(changed, len(changed), "pairs"):
        try:
            made = {"FINGERPRINT": prints[pair], "RUN_ID": summary.run_id}
            paths, to_draw = _measure_pair(pair, made, database, request.aprads, settings, staging)
            made_from |= dict.fromkeys(paths, prints[pair])
            drawings += to_draw
            summary.pairs += 1
        except (MonitorError, ValueError, OSError) as error:
            _fail(summary, _pair_name(pair), error)
    if "ratio_ypos" in request.plots and drawings:
        log.info("drawing %d figures of pairs", len(drawings))
        outcomes = in_order(draw_ratio_ypos, drawings, request.jobs, cluster)
        for drawing, paths, problem in progress(outcomes, len(drawings), "figures"):
            path = drawing[-1]
            if problem:
                _fail(summary, path.name, problem)
            else:
                summary.figures += 1
                made_from |= dict.fromkeys(paths, made_from[path.with_suffix(".txt")])
    return made_from


def _fingerprints_now(pairs, database, settings):
    """Pair -> fingerprint of what its slopes would be made from."""
    known = {target: database.fingerprints(target) for target in {pair.two.target for pair in pairs}}
    return {
        pair: fingerprints.of_pair(*(known[e.target][e.imagename] for e in (pair.one, pair.two)), settings)
        for pair in pairs
    }


def _changed(pairs, prints, database, request, settings):
    """The pairs whose results are not in the database yet, or not all their files among the newest results."""
    targets = {pair.two.target for pair in pairs}
    stored = {key: value for target in targets for key, value in database.result_fingerprints(target).items()}
    flashes = {_flash_folder(pair) for pair in pairs}
    newest = {flash: outputs.newest_results(settings.path_to_finalresults, flash) for flash in flashes}
    suffixes = (".txt", ".png", ".pdf") if "ratio_ypos" in request.plots else (".txt",)

    def is_unchanged(pair):
        names = (_slopes_file(pair, aperture, suffix) for aperture in request.aprads for suffix in suffixes)
        keys = [(pair.one.imagename, pair.two.imagename, aperture) for aperture in settings.aprads]
        results = newest[_flash_folder(pair)]
        return all(stored.get(key) == prints[pair] for key in keys) and all(
            results.has(name, prints[pair]) for name in names
        )

    return [pair for pair in pairs if not is_unchanged(pair)]


def _flash_folder(pair):
    return outputs.flash_folder(pair.two.flashlvl, pair.two.ctecorr)


def _slopes_file(pair, aperture, suffix):
    """The name of a file of a pair, relative to the flash folder."""
    return f"{outputs.set_folder(pair.two.set)}/{outputs.pair_stem(pair, aperture)}{suffix}"


def _pair_name(pair):
    return f"{pair.one.imagename} and {pair.two.imagename}"


def _fail(summary, name, error):
    error = unexpected(name, error)
    log.error("failed: %s", error)
    summary.fail(error)


def _measure_pair(pair, made, database, aprads, settings, staging):
    """Store the results of a pair and write its files; their paths and what is left to draw are returned.

    All apertures are measured, whichever are to be written and drawn: results of the others would be of photometry
    that is no more. `made` is what the rows say of their making.
    """
    folder = staging / _flash_folder(pair)
    rows, tables, drawings = [], [], []
    for aperture in settings.aprads:
        stars = _joined(pair, database, aperture)
        fits = measure_slopes(stars, settings.bins, middle=MIDDLE_ROW if pair.same_chip else None)
        path = folder / _slopes_file(pair, aperture, ".txt")
        measured = _measured(pair, database, settings, path, stars) | made
        rows.append(results_row(pair, aperture, measured, fits))
        if aperture in aprads:
            tables.append((slopes_table(pair, aperture, stars, fits, settings.subset), path))
            chip = pair.two.chip if pair.same_chip else None
            drawings.append((stars, fits, _title(pair, aperture, settings.subset), chip, path.with_suffix(".png")))
    database.store_results(pair.two.target, rows, (pair.one.imagename, pair.two.imagename))
    # Only now, so that no file tells of results that the database does not have.
    for table, path in tables:
        outputs.write_table(table, path)
    log.info("measured %s: %d stars", _pair_name(pair), rows[0]["NUMSTARS"])
    return [path for _, path in tables], drawings


def _joined(pair, database, aperture):
    one, two = (database.star_fluxes(e.target, e.imagename, aperture) for e in (pair.one, pair.two))
    id1, _, flux1, flags1 = one
    id2, y2, flux2, flags2 = two
    # On chip 1, which only a same-chip pair has here, this turns the sign of the slope: it reads out the other way.
    return join_stars(id1, flux1, flags1, id2, flux2, flags2, rows_to_amplifier(y2, pair.two.chip))


def _measured(pair, database, settings, path, stars):
    # The path that stays true: that of the newest results, whatever the run's time stamp.
    flash, exposure_set = path.parts[-3:-1]
    return {
        "SLOPEFILE": path.name,
        "SLOPEFILE_PATH": str(settings.path_to_finalresults / flash / outputs.MOST_RECENT / exposure_set),
        "BACKGROUND_1": database.background(pair.one.target, pair.one.imagename),
        "BACKGROUND_2": database.background(pair.two.target, pair.two.imagename),
        "NUMSTARS": len(stars.id),
    }


def _title(pair, aperture, subset):
    two = pair.two
    title = set_title(two.target, two.filter, two.length, two.flashlvl, two.ctecorr, aperture, subset.title)
    chip = f"   chip {two.chip}" if pair.same_chip else ""
    return f"{pair.one.rootname} / {two.rootname}   {title}{chip}   MJD {pair.mjd:.1f}"


def draw_ratio_ypos(drawing):
    """Draw and save one figure, its paths; a function of the module, so that a worker process can run it."""
    stars, fits, title, same_chip, path = drawing
    return save(plot_ratio_ypos(stars, fits, title=title, same_chip=same_chip), path)


def slopes_table(pair, aperture, stars, fits, subset):
    """The ``_slopes.txt`` of a pair: one row per flux bin, both measures, their standard errors and losses."""
    rows = [_slopes_row(fit) for fit in fits]
    table = Table(rows=rows, names=list(_SLOPES_COLUMNS), units=_SLOPES_COLUMNS)
    for name in table.colnames[3:]:
        table[name].info.format = ".6g"
    table.meta = {
        "image1": pair.one.imagename,
        "image2": pair.two.imagename,
        "aperture": float(aperture),
        "mjd": pair.mjd,
        "joined_stars": len(stars.id),
        "errors": "standard errors; NaN: fewer than 3 points",
        **subset.meta,
    }
    return table


_SLOPES_COLUMNS = {
    "lo": "electron",
    "hi": "electron",
    "n_points": None,
    "mean_flux": "electron",
    "slope": "1 / pix",
    "slope_err": "1 / pix",
    "intercept": None,
    "magslope": "mag / pix",
    "magslope_err": "mag / pix",
    "magintercept": "mag",
    "loss_flux_2048": None,
    "loss_flux_2048_err": None,
    "loss_mag_2051": "mag",
    "loss_mag_2051_err": "mag",
}


def _slopes_row(fit):
    edges = float(fit.bin.lo), float(fit.bin.hi), fit.n_points, fit.mean_flux
    if fit.mag is None:
        return *edges, *[np.nan] * (len(_SLOPES_COLUMNS) - len(edges))
    ratio, mag = fit.ratio, fit.mag
    return (
        *edges,
        *(ratio.slope, ratio.slope_err, ratio.intercept),
        *(mag.slope, mag.slope_err, mag.intercept),
        *(float(loss(value, "flux")) for value in (ratio.slope, ratio.slope_err)),
        *(float(loss(value, "mag")) for value in (mag.slope, mag.slope_err)),
    )
