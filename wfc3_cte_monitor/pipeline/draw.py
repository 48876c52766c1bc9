"""Step 4: all epochs in the database become surfaces, coefficient files and figures."""

import logging
from pathlib import Path

import numpy as np
from astropy.table import Table, vstack

from wfc3_cte_monitor import outputs
from wfc3_cte_monitor.errors import MonitorError
from wfc3_cte_monitor.pipeline import fingerprints
from wfc3_cte_monitor.pipeline.drawing import Drawing, draw, save
from wfc3_cte_monitor.pipeline.levels import level_drawings
from wfc3_cte_monitor.pipeline.losses import coefficients_of, losses_of, of_finest_bins, with_enough_stars
from wfc3_cte_monitor.pipeline.measure import nominal_targets
from wfc3_cte_monitor.pipeline.parallel import in_order, progress
from wfc3_cte_monitor.pipeline.request import unexpected
from wfc3_cte_monitor.pipeline.same_chip import same_chip_drawings
from wfc3_cte_monitor.plots import plot_cte_logflux, plot_cte_time, plot_model_on_reality
from wfc3_cte_monitor.records import ExposureSet
from wfc3_cte_monitor.surface import MIN_STARS, fit_surface, predict
from wfc3_cte_monitor.uvis import SAME_CHIP_TARGET

__all__ = ["draw_results", "all_levels"]

log = logging.getLogger(__name__)

_CURVE_POINTS = 100


def draw_results(flash_kinds, database, request, settings, staging, summary, cluster=None):
    """Draw the losses of all epochs for each flash level and kind, and write the coefficients.

    Figures that would be made from what those among the newest results were made from are not drawn again.

    Parameters
    ----------
    flash_kinds : set of (float, bool)
        Flash levels and FLT/FLC that this run touched, with those of `all_levels`.

    Returns
    -------
    made_from : dict
        Path of a file that was made -> fingerprint.
    valid : set of str
        Fingerprints of all figures that can be made, asked for or not.
    """
    drawings = list(_drawings(flash_kinds, database, settings, staging))
    flashes = {outputs.flash_folder(*kind) for kind in flash_kinds}
    newest = {flash: outputs.newest_results(settings.path_to_finalresults, flash) for flash in flashes}
    to_draw = [d for d in drawings if _is_wanted(d, request) and (request.force or not _is_there(d, newest, staging))]
    made_from = {}
    if to_draw:
        log.info("drawing %d figures of all epochs", len(to_draw))
    outcomes = in_order(draw, to_draw, request.jobs, cluster)
    for drawing, paths, error in progress(outcomes, len(to_draw), "results"):
        if error:
            problem = unexpected(drawing.path.name, error)
            log.error("failed: %s", problem)
            summary.fail(problem)
        else:
            made_from |= dict.fromkeys(paths, drawing.fingerprint)
            summary.figures += bool(paths)
    return made_from, {drawing.fingerprint for drawing in drawings}


def _is_wanted(drawing, request):
    return drawing.kind in request.plots and drawing.aperture in request.aprads


def _is_there(drawing, newest, staging):
    flash, *parts = drawing.path.relative_to(staging).parts
    return newest[flash].has("/".join(parts), drawing.fingerprint)


def all_levels(flash_kinds, database, settings):
    """Kinds that there are for FLT and FLC as a whole: (None, ctecorr) where two flash levels have results.

    Parameters
    ----------
    flash_kinds : set of (float, bool)
        Flash levels and FLT/FLC that this run touched.
    """
    of_kind = {ctecorr: set() for _, ctecorr in flash_kinds}
    for target in nominal_targets(settings):
        for *_, flashlvl, ctecorr in database.exposure_sets(target) if of_kind else ():
            of_kind.get(ctecorr, set()).add(flashlvl)
    return {(None, ctecorr) for ctecorr, levels in of_kind.items() if len(levels) > 1}


def _drawings(flash_kinds, database, settings, staging):
    """Everything that could be drawn, whatever is asked for."""

    def losses_with(one, aperture):
        return losses_of(one, aperture, database, settings)

    same_chip = _sets_of([SAME_CHIP_TARGET], database) if SAME_CHIP_TARGET in settings.target_list else []
    same_chip = [s for s in same_chip if (s.flashlvl, s.ctecorr) in flash_kinds]
    yield from same_chip_drawings(same_chip, losses_with, database, settings, staging)
    nominal = _sets_of(nominal_targets(settings), database)
    touched = [s for s in nominal if (s.flashlvl, s.ctecorr) in flash_kinds]
    needed = [s for s in nominal if s in touched or (None, s.ctecorr) in flash_kinds]
    for aperture in settings.aprads:
        losses = {s: losses_with(s, aperture) for s in needed}
        for one in touched:
            yield _drawing("cte_logflux", one, aperture, losses[one], settings, staging)
            yield _drawing("model_on_reality", one, aperture, losses[one], settings, staging)
        for group in sorted({_group(s) for s in touched}):
            table = vstack([losses[s] for s in touched if _group(s) == group], metadata_conflicts="silent")
            table.meta.pop("target", None)
            yield _drawing("cte_time", group, aperture, table, settings, staging)
        of_levels = {s: table for s, table in losses.items() if (None, s.ctecorr) in flash_kinds}
        yield from level_drawings(of_levels, aperture, settings, staging)


def _group(exposure_set):
    """Sets that share a figure: those of all clusters."""
    return exposure_set.filter, exposure_set.length, exposure_set.flashlvl, exposure_set.ctecorr


def _drawing(kind, subject, aperture, losses, settings, staging):
    path = staging / _figure_path(kind, subject, aperture)
    fingerprint = fingerprints.of_figure(kind, subject, losses, settings)
    return Drawing(kind, _DRAW[kind], subject, aperture, losses, settings, path, fingerprint)


def _figure_path(kind, subject, aperture):
    """Relative to the folder of all flash levels."""
    _, _, *flash = subject if kind == "cte_time" else _group(subject)
    if kind == "cte_time":
        folder, name = "cte_vs_time", outputs.cte_time_name(*subject, aperture)
    else:
        folder = {"cte_logflux": "cte_vs_logflux", "model_on_reality": "model_on_reality"}[kind]
        name = outputs.set_name({"cte_logflux": "cteVSlogflux"}.get(kind, kind), subject, aperture)
    return Path(outputs.flash_folder(*flash), folder, f"{name}.png")


def _sets_of(targets, database):
    return sorted({ExposureSet(target, *values) for target in targets for values in database.exposure_sets(target)})


# ---- Loss against time -----------------------------------------------------------------------------------------------


def _draw_time(drawing):
    table_path = drawing.path.with_suffix(".txt")
    outputs.write_table(outputs.losses_table(drawing.losses), table_path)
    return [table_path, *save(plot_cte_time(drawing.losses), drawing.path)]


# ---- Loss against flux, and the coefficients -------------------------------------------------------------------------


def _draw_logflux(drawing):
    exposure_set, aperture, settings = drawing.subject, drawing.aperture, drawing.settings
    points = of_finest_bins(drawing.losses, settings.bins)
    fitted = with_enough_stars(points)
    surfaces = _surfaces(fitted, exposure_set, aperture, settings.loss_unit)
    table_path = drawing.path.with_suffix(".txt")
    outputs.write_table(outputs.losses_table(points), table_path)
    paths = [table_path]
    for mjd, surface in surfaces.items():
        path = drawing.path.with_name(f"{drawing.path.stem}_mjd{mjd:.0f}_coeffs.txt")
        coefficients = coefficients_of(surface, fitted, settings, path.name, until=mjd)
        outputs.write_coefficients(coefficients, path)
        paths.append(path)
    if surfaces:
        paths.append(drawing.path.with_name(f"{drawing.path.stem}_coeffs.ecsv"))
        outputs.publish_coefficients(coefficients, paths[-1])
    if not surfaces:
        points.meta["no_model"] = (
            f"{len(fitted)} pairs and flux bins with {MIN_STARS} good stars in {aperture:g} px do not determine one"
        )
    return [*paths, *save(plot_cte_logflux(points, _curves(fitted, surfaces)), drawing.path)]


def _surfaces(points, exposure_set, aperture, unit):
    """Epoch (mean MJD) -> the surface of all data up to and including it; without the epochs that determine none."""
    columns = [np.asarray(points[name]) for name in ("mjd", "logflux", "loss", "loss_err", "epoch", "lo")]
    surfaces = {}
    for mjd in np.unique(points["epoch"]):
        past = points["epoch"] <= mjd
        try:
            surfaces[float(mjd)] = fit_surface(*(values[past] for values in columns), unit)
        except MonitorError as error:
            log.debug("no surface: %s, r = %g px, to MJD %.0f: %s", _name(exposure_set), aperture, mjd, error)
    return surfaces


def _name(exposure_set):
    folder = outputs.flash_folder(exposure_set.flashlvl, exposure_set.ctecorr)
    return f"{folder}/{outputs.set_folder(exposure_set)}"


def _curves(points, surfaces):
    """The surface of all data, drawn at the date of each epoch."""
    if not surfaces:
        return Table(names=("epoch", "logflux", "loss", "loss_err"))
    surface = surfaces[max(surfaces)]
    dates, log_flux = np.unique(points["epoch"]), np.linspace(*surface.f_range, _CURVE_POINTS)
    value, error = predict(surface, dates[:, None], log_flux)
    epoch, log_flux = np.broadcast_arrays(dates[:, None], log_flux)
    return Table(
        {"epoch": epoch.ravel(), "logflux": log_flux.ravel(), "loss": value.ravel(), "loss_err": error.ravel()}
    )


# ---- The model against time ------------------------------------------------------------------------------------------


def _draw_model(drawing):
    points = with_enough_stars(of_finest_bins(drawing.losses, drawing.settings.bins))
    columns = [np.asarray(points[name]) for name in ("mjd", "logflux", "loss", "loss_err", "epoch", "lo")]
    try:
        surface = fit_surface(*columns, drawing.settings.loss_unit)
    except MonitorError as error:
        log.info("no model over %s, r = %g px: %s", _name(drawing.subject), drawing.aperture, error)
        return []
    points["model"], points["model_err"] = predict(surface, points["mjd"], points["logflux"])
    points["residual"] = points["loss"] - points["model"]
    points.meta["scatter"] = surface.scatter
    table_path = drawing.path.with_suffix(".txt")
    outputs.write_table(outputs.losses_table(points), table_path)
    return [table_path, *save(plot_model_on_reality(points, _model_in_time(points, surface)), drawing.path)]


def _model_in_time(points, surface):
    """The model at the median flux of each bin, from the first to the last date."""
    dates = np.linspace(np.min(points["mjd"]), np.max(points["mjd"]), _CURVE_POINTS)
    bins = sorted({(row["lo"], row["hi"]) for row in points})
    log_flux = np.array([np.median(points["logflux"][points["lo"] == lo]) for lo, _ in bins])
    loss, error = predict(surface, dates, log_flux[:, None])
    lo, hi = (np.repeat(edges, len(dates)) for edges in zip(*bins, strict=True))
    return Table(
        {"lo": lo, "hi": hi, "mjd": np.tile(dates, len(bins)), "loss": loss.ravel(), "loss_err": error.ravel()}
    )


_DRAW = {"cte_time": _draw_time, "cte_logflux": _draw_logflux, "model_on_reality": _draw_model}
