"""Step 4: all epochs in the database become surfaces, coefficient files and figures."""

import logging
from itertools import product

import numpy as np
from astropy.table import Table, vstack

from wfc3_cte_monitor import __version__, outputs
from wfc3_cte_monitor.errors import MonitorError
from wfc3_cte_monitor.pairing import epochs
from wfc3_cte_monitor.pipeline.measure import nominal_targets
from wfc3_cte_monitor.pipeline.parallel import progress
from wfc3_cte_monitor.plots import plot_cte_logflux, plot_cte_time
from wfc3_cte_monitor.records import ExposureSet, FluxBin
from wfc3_cte_monitor.slopes import LOSS_UNITS, loss
from wfc3_cte_monitor.surface import MIN_STARS, finest_bins, fit_surface, predict

__all__ = ["draw_results"]

log = logging.getLogger(__name__)

_CURVE_POINTS = 100


def draw_results(flash_kinds, database, request, settings, staging, summary):
    """Draw the losses of all epochs for each flash level and kind, and write the coefficients.

    Parameters
    ----------
    flash_kinds : iterable of (float, bool)
        Flash levels and FLT/FLC that this run touched.
    """
    sets = sorted({s for target in nominal_targets(settings) for s in _sets_of(target, flash_kinds, database)})
    groups = sorted({(s.filter, s.length, s.flashlvl, s.ctecorr) for s in sets})
    work = [(group, aperture) for group, aperture in product(groups, request.aprads)]
    for group, aperture in progress(work, len(work), "results"):
        members = [s for s in sets if (s.filter, s.length, s.flashlvl, s.ctecorr) == group]
        losses = {s.target: losses_of(s, aperture, database, settings.loss_unit) for s in members}
        if "cte_time" in request.plots:
            _draw_time(group, aperture, losses, staging, summary)
        for exposure_set in members if "cte_logflux" in request.plots else ():
            _draw_logflux(exposure_set, aperture, losses[exposure_set.target], settings, staging, summary)


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
    number = epochs(table["mjd"])
    table["epoch"] = [np.mean(table["mjd"][number == n]) for n in number]
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


def _draw_time(group, aperture, losses, staging, summary):
    table = vstack(list(losses.values()), metadata_conflicts="silent")
    table.meta.pop("target", None)
    _, _, flashlvl, ctecorr = group
    folder = staging / outputs.flash_folder(flashlvl, ctecorr) / "cte_vs_time"
    stem = outputs.cte_time_name(*group, aperture)
    outputs.write_table(table, folder / f"{stem}.txt")
    _save(plot_cte_time(table), folder / f"{stem}.png", summary)


def _save(figure, path, summary):
    path.parent.mkdir(parents=True, exist_ok=True)
    outputs.replace_file(path, lambda new: figure.savefig(new, dpi=120, format="png"))
    summary.figures += 1


# ---- Loss against flux, and the coefficients -------------------------------------------------------------------------


def _draw_logflux(exposure_set, aperture, losses, settings, staging, summary):
    points = _of_finest_bins(losses, settings.bins)
    fitted = points[points["n_points"] >= MIN_STARS]
    surfaces = _surfaces(fitted, exposure_set, aperture, settings.loss_unit)
    folder = staging / outputs.flash_folder(exposure_set.flashlvl, exposure_set.ctecorr) / "cte_vs_logflux"
    stem = outputs.cte_logflux_name(
        *(exposure_set.target, exposure_set.filter, exposure_set.length),
        *(exposure_set.flashlvl, exposure_set.ctecorr, aperture),
    )
    for mjd, surface in surfaces.items():
        meta = _coefficient_meta(exposure_set, aperture, mjd, fitted, settings)
        outputs.write_coefficients(surface, folder / f"{stem}_mjd{mjd:.0f}_coeffs.txt", meta)
    if not surfaces:
        points.meta["no_model"] = (
            f"{len(fitted)} pairs and flux bins with {MIN_STARS} good stars in {aperture:g} px do not determine one"
        )
    _save(plot_cte_logflux(points, _curves(fitted, surfaces)), folder / f"{stem}.png", summary)


def _of_finest_bins(losses, bins):
    """The rows of bins that do not overlap: each star counts once."""
    finest = finest_bins(bins)
    return losses[np.array([FluxBin(row["lo"], row["hi"]) in finest for row in losses], dtype=bool)]


def _surfaces(points, exposure_set, aperture, unit):
    """Epoch (mean MJD) -> the surface of all data up to and including it; without the epochs that determine none."""
    surfaces = {}
    for mjd in np.unique(points["epoch"]):
        past = points[points["epoch"] <= mjd]
        columns = (np.asarray(past[name]) for name in ("mjd", "logflux", "loss", "loss_err", "epoch", "lo"))
        try:
            surfaces[float(mjd)] = fit_surface(*columns, unit)
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
    past = points["epoch"] <= mjd
    return {
        "target": exposure_set.target,
        "filter": exposure_set.filter,
        "exposure_length": {"s": "short (EXPTIME <= 60 s)", "l": "long (EXPTIME > 60 s)"}[exposure_set.length],
        "flashlvl": f"{exposure_set.flashlvl:g} e-/px",
        "ctecorr": f"{exposure_set.ctecorr} ({'FLC' if exposure_set.ctecorr else 'FLT'})",
        "aperture": f"{aperture:g} px",
        "sky": f"annulus {settings.sky_annulus[0]:g} to {settings.sky_annulus[1]:g} px, catalogue stars and bad pixels "
        "masked, mean clipped at 3 sigma about the median",
        "recentred": f"windowed centroids, at most {settings.max_shift:g} px from the catalogue",
        "background": f"{np.nanmedian(points['background'][past]):.2f} e-/px (median of sky + MEANFLSH + MEANDARK)",
        "epoch_mjd": f"{mjd:.3f}",
        "programs": " ".join(map(str, np.unique(points["proposid"][past]))),
        "software": f"wfc3_cte_monitor {__version__}",
    }
