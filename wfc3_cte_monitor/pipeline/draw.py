"""Step 4: all epochs in the database become surfaces, coefficient files and figures."""

import logging
from pathlib import Path

import numpy as np
from astropy.table import Table, vstack

from wfc3_cte_monitor import __version__, outputs
from wfc3_cte_monitor.errors import MonitorError
from wfc3_cte_monitor.pairing import epochs
from wfc3_cte_monitor.pipeline import fingerprints
from wfc3_cte_monitor.pipeline.drawing import Drawing, draw, save
from wfc3_cte_monitor.pipeline.engines import engine_of
from wfc3_cte_monitor.pipeline.measure import nominal_targets
from wfc3_cte_monitor.pipeline.parallel import in_order, progress
from wfc3_cte_monitor.pipeline.request import unexpected
from wfc3_cte_monitor.pipeline.same_chip import same_chip_drawings
from wfc3_cte_monitor.plots import plot_cte_logflux, plot_cte_time
from wfc3_cte_monitor.records import ExposureSet, FluxBin
from wfc3_cte_monitor.slopes import LOSS_UNITS, loss
from wfc3_cte_monitor.surface import MIN_STARS, finest_bins, fit_surface, predict
from wfc3_cte_monitor.uvis import SAME_CHIP_TARGET

__all__ = ["draw_results"]

log = logging.getLogger(__name__)

_CURVE_POINTS = 100


def draw_results(flash_kinds, database, request, settings, staging, summary, cluster=None):
    """Draw the losses of all epochs for each flash level and kind, and write the coefficients.

    Figures that would be made from what those among the newest results were made from are not drawn again.

    Parameters
    ----------
    flash_kinds : iterable of (float, bool)
        Flash levels and FLT/FLC that this run touched.

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
    outcomes = in_order(draw, to_draw, request.jobs, cluster)
    for drawing, paths, error in progress(outcomes, len(to_draw), "results"):
        if error:
            problem = unexpected(drawing.path.name, error)
            log.error("failed: %s", problem)
            summary.fail(problem)
        else:
            made_from |= dict.fromkeys(paths, drawing.fingerprint)
            summary.figures += 1
    return made_from, {drawing.fingerprint for drawing in drawings}


def _is_wanted(drawing, request):
    return drawing.kind in request.plots and drawing.aperture in request.aprads


def _is_there(drawing, newest, staging):
    flash, *parts = drawing.path.relative_to(staging).parts
    return newest[flash].has("/".join(parts), drawing.fingerprint)


def _drawings(flash_kinds, database, settings, staging):
    """Everything that could be drawn, whatever is asked for."""

    def losses_with(one, aperture):
        return losses_of(one, aperture, database, settings.loss_unit)

    same_chip = _sets_of(SAME_CHIP_TARGET, flash_kinds, database) if SAME_CHIP_TARGET in settings.target_list else []
    yield from same_chip_drawings(same_chip, losses_with, database, settings, staging)
    sets = sorted({s for target in nominal_targets(settings) for s in _sets_of(target, flash_kinds, database)})
    for aperture in settings.aprads:
        losses = {s: losses_with(s, aperture) for s in sets}
        for one in sets:
            yield _drawing("cte_logflux", one, aperture, losses[one], settings, staging)
        for group in sorted({_group(s) for s in sets}):
            table = vstack([losses[s] for s in sets if _group(s) == group], metadata_conflicts="silent")
            table.meta.pop("target", None)
            yield _drawing("cte_time", group, aperture, table, settings, staging)


def _group(exposure_set):
    """Sets that share a figure: those of all clusters."""
    return exposure_set.filter, exposure_set.length, exposure_set.flashlvl, exposure_set.ctecorr


def _drawing(kind, subject, aperture, losses, settings, staging):
    path = staging / _figure_path(kind, subject, aperture)
    fingerprint = fingerprints.of_figure(kind, subject, losses, settings)
    function = {"cte_time": _draw_time, "cte_logflux": _draw_logflux}[kind]
    return Drawing(kind, function, subject, aperture, losses, settings, path, fingerprint)


def _figure_path(kind, subject, aperture):
    """Relative to the folder of all flash levels."""
    if kind == "cte_time":
        folder, name = "cte_vs_time", outputs.cte_time_name(*subject, aperture)
    else:
        folder, name = "cte_vs_logflux", outputs.cte_logflux_name(subject.target, *_group(subject), aperture)
    _, _, *flash = subject if kind == "cte_time" else _group(subject)
    return Path(outputs.flash_folder(*flash), folder, f"{name}.png")


def _sets_of(target, flash_kinds, database):
    sets = [ExposureSet(target, *values) for values in database.exposure_sets(target)]
    return [s for s in sets if (s.flashlvl, s.ctecorr) in flash_kinds]


def losses_of(exposure_set, aperture, database, unit):
    """The losses of all pairs of a set.

    Returns
    -------
    losses : `astropy.table.Table`
        One row per pair and flux bin: what `database.Database.slopes` gives, with columns epoch (mean MJD of the
        epoch), logflux [dex of e-], loss and loss_err in the unit asked for.
    """
    table = database.slopes(
        exposure_set.target,
        aperture,
        FILTER=exposure_set.filter,
        LENGTH=exposure_set.length,
        FLASHLVL=exposure_set.flashlvl,
        CTECORR=int(exposure_set.ctecorr),
    )
    measure = {"mag": "magslope", "flux": "slope"}[unit]
    number, mjd = epochs(table["mjd"]), np.asarray(table["mjd"])
    table["epoch"] = (np.bincount(number, mjd) / np.bincount(number))[number]
    table["logflux"] = np.log10(table["mean_flux"])
    table["loss"], table["loss_err"] = loss(table[measure], unit), loss(table[f"{measure}_err"], unit)
    table.meta = {
        "target": exposure_set.target,
        "filter": exposure_set.filter,
        "length": exposure_set.length,
        "flashlvl": exposure_set.flashlvl,
        "ctecorr": exposure_set.ctecorr,
        "aperture": float(aperture),
        "unit": unit,
        "loss_unit": LOSS_UNITS[unit],
        "errors": "standard errors",
    }
    return table


# ---- Loss against time -----------------------------------------------------------------------------------------------


def _draw_time(drawing):
    table_path = drawing.path.with_suffix(".txt")
    outputs.write_table(drawing.losses, table_path)
    save(plot_cte_time(drawing.losses), drawing.path)
    return [drawing.path, table_path]


# ---- Loss against flux, and the coefficients -------------------------------------------------------------------------


def _draw_logflux(drawing):
    exposure_set, aperture, settings = drawing.subject, drawing.aperture, drawing.settings
    points = _of_finest_bins(drawing.losses, settings.bins)
    fitted = points[points["n_points"] >= MIN_STARS]
    surfaces = _surfaces(fitted, exposure_set, aperture, settings.loss_unit)
    paths = [drawing.path]
    for mjd, surface in surfaces.items():
        meta = _coefficient_meta(exposure_set, aperture, mjd, fitted, settings)
        path = drawing.path.with_name(f"{drawing.path.stem}_mjd{mjd:.0f}_coeffs.txt")
        outputs.write_coefficients(surface, path, meta)
        paths.append(path)
    if not surfaces:
        points.meta["no_model"] = (
            f"{len(fitted)} pairs and flux bins with {MIN_STARS} good stars in {aperture:g} px do not determine one"
        )
    save(plot_cte_logflux(points, _curves(fitted, surfaces)), drawing.path)
    return paths


def _of_finest_bins(losses, bins):
    """The rows of bins that do not overlap: each star counts once."""
    finest = finest_bins(bins)
    return losses[np.array([FluxBin(row["lo"], row["hi"]) in finest for row in losses], dtype=bool)]


def _surfaces(points, exposure_set, aperture, unit):
    """Epoch (mean MJD) -> the surface of all data up to and including it; without the epochs that determine none."""
    columns = [np.asarray(points[name]) for name in ("mjd", "logflux", "loss", "loss_err", "epoch", "lo")]
    surfaces = {}
    for mjd in np.unique(points["epoch"]):
        past = points["epoch"] <= mjd
        try:
            surfaces[float(mjd)] = fit_surface(*(values[past] for values in columns), unit)
        except MonitorError as error:
            log.warning("no surface: %s, r = %g px, to MJD %.0f: %s", _name(exposure_set), aperture, mjd, error)
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


def _coefficient_meta(exposure_set, aperture, mjd, points, settings):
    past, how = points["epoch"] <= mjd, engine_of(settings).HOW
    return {
        "target": exposure_set.target,
        "filter": exposure_set.filter,
        "exposure_length": {"s": "short (EXPTIME <= 60 s)", "l": "long (EXPTIME > 60 s)"}[exposure_set.length],
        "flashlvl": f"{exposure_set.flashlvl:g} e-/px",
        "ctecorr": f"{exposure_set.ctecorr} ({'FLC' if exposure_set.ctecorr else 'FLT'})",
        "aperture": f"{aperture:g} px",
        "photometry": settings.engine,
        "sky": f"annulus {settings.sky_annulus[0]:g} to {settings.sky_annulus[1]:g} px, {how['sky']}",
        "bad_dq_bits": settings.bad_dq_bits,
        "recentred": f"{how['recentred']}, at most {settings.max_shift:g} px from the catalogue",
        "background": f"{np.nanmedian(points['background'][past]):.2f} e-/px (median of sky + MEANFLSH + MEANDARK)",
        "epoch_mjd": f"{mjd:.3f}",
        "programs": " ".join(map(str, np.unique(points["proposid"][past]))),
        "software": f"wfc3_cte_monitor {__version__}",
    }
