"""Closure: what the simulation put in is looked for in everything that the monitor publishes."""

from dataclasses import dataclass, replace

import numpy as np
from astropy.table import Table, vstack

from wfc3_cte_monitor.database import Database
from wfc3_cte_monitor.pipeline.closure import corrected_stars, injected_losses
from wfc3_cte_monitor.pipeline.correct import find_coefficients
from wfc3_cte_monitor.pipeline.losses import losses_of, mean_epoch, of_finest_bins, with_enough_stars
from wfc3_cte_monitor.records import ExposureSet
from wfc3_cte_monitor.slopes import clip_line, fit_line
from wfc3_cte_monitor.surface import LossPoints, choose, compare_models, finest_bins, fit_surface, predict
from wfc3_cte_monitor.tables import Schema
from wfc3_cte_monitor.uvis import ROWS

__all__ = ["Validation", "Check", "validate", "TARGET", "FILTER", "LENGTH"]

TARGET, FILTER, LENGTH = "ngc104", "F502N", "l"

_APERTURE = 3.0
_MAG = 2.5 / np.log(10)
_MANY_STARS, _MANY_PAIRS = 500, 40
_REPEATS = 100
_FAR_END = 0.9
"""The last tenth of the rows."""


@dataclass(frozen=True)
class Check:
    """A number that must be small, or in a range."""

    name: str
    value: float
    error: float
    """Statistical, NaN where there is none."""
    low: float
    high: float

    @property
    def inside(self):
        """Whether the value is in its range."""
        return self.low <= self.value <= self.high

    @property
    def passed(self):
        """Whether the value is in its range, or no further outside than three standard errors: checks are many."""
        reach = 3 * self.error if np.isfinite(self.error) else 0.0
        return self.low - reach <= self.value <= self.high + reach


@dataclass(frozen=True)
class Validation:
    """Tables of what was found; losses in mag / 2051 px."""

    losses: Table
    """A row per pair and flux bin: loss, loss_err, injected, law, pull."""
    bins: Table
    """Bias and width of the pulls per flux bin and flash level."""
    corrected: Table
    """Residuals of corrected photometry per flux bin, flash level, and kind of coefficients."""
    left_out: Table
    """Predicted losses of epochs that were left out of the fit."""
    coverage: Table
    """How often the law lies within the errors of the model."""
    checks: tuple
    """Of `Check`."""


def validate(folder, settings, ctecorr=False):
    """Hold a run over a simulated observatory against what was put in.

    Parameters
    ----------
    folder : `pathlib.Path`
        The simulated observatory.
    settings : `settings.Settings`
        With which it was run.
    ctecorr : bool, optional
        FLC instead of FLT.

    Returns
    -------
    validation : `Validation`
    """
    settings = replace(settings, loss_unit="mag")
    with Database(settings.database_url, Schema(settings.target_list, settings.aprads, settings.bins)) as database:
        losses = _losses(folder, database, settings, ctecorr)
        exposures = [e for e in database.exposures(TARGET, settings.program_list) if e.ctecorr == ctecorr]
        coefficients = find_coefficients(settings.path_to_finalresults)
        stars = corrected_stars(folder, exposures, coefficients, database)
    points = with_enough_stars(losses)
    bins, corrected = _bins(losses), _corrected(stars, finest_bins(settings.bins))
    left_out, coverage = _left_out(points), _coverage(points)
    checks = (*_bin_checks(bins), *_corrected_checks(corrected), *_model_checks(left_out, coverage))
    return Validation(losses, bins, corrected, left_out, coverage, checks)


def _losses(folder, database, settings, ctecorr):
    sets = [ExposureSet(TARGET, *values) for values in database.exposure_sets(TARGET)]
    settings = replace(settings, loss_unit="mag")
    tables = [losses_of(s, _APERTURE, database, settings) for s in sets if s.ctecorr == ctecorr]
    table = vstack(tables, metadata_conflicts="silent")
    table = injected_losses(of_finest_bins(table, settings.bins), folder, settings.bins)
    table["epoch"] = mean_epoch(table["mjd"])
    table["pull"] = (table["loss"] - table["injected"]) / table["loss_err"]
    return table


# ---- Pairs -----------------------------------------------------------------------------------------------------------


def _bins(losses):
    """Bias of the losses and width of the pulls."""
    rows = []
    for level, lo, hi in _groups(losses, "flashlvl", "lo", "hi"):
        here = losses[(losses["flashlvl"] == level) & (losses["lo"] == lo) & (losses["n_points"] >= _MANY_PAIRS)]
        here = here[np.isfinite(here["pull"])]
        if len(here) < 3:
            continue
        weight = here["loss_err"] ** -2.0
        rows.append(
            {
                "flashlvl": level,
                "lo": lo,
                "hi": hi,
                "pairs": len(here),
                "injected": float(np.average(here["injected"], weights=weight)),
                "bias": float(np.average(here["loss"] - here["injected"], weights=weight)),
                "bias_err": float(np.sum(weight) ** -0.5),
                "pull_width": float(np.sqrt(np.mean(here["pull"] ** 2))),
            }
        )
    return Table(rows=rows)


def _groups(table, *names):
    return sorted({tuple(row[name] for name in names) for row in table})


def _bin_checks(bins):
    """One bias per flux bin, all levels together, and the width of all pulls."""
    for lo, hi in _groups(bins, "lo", "hi"):
        here = bins[bins["lo"] == lo]
        weight = here["bias_err"] ** -2.0
        bias, error = np.average(here["bias"], weights=weight), np.sum(weight) ** -0.5
        yield Check(f"bias of the loss, {lo:g}-{hi:g} e- [mag]", float(bias), float(error), -0.006, 0.006)
    n = np.sum(bins["pairs"])
    width = np.sqrt(np.sum(bins["pairs"] * bins["pull_width"] ** 2) / n)
    yield Check("width of the pulls of all losses", float(width), float(width / np.sqrt(2 * n)), 0.9, 1.1)


# ---- Corrected photometry --------------------------------------------------------------------------------------------


def _corrected(stars, bins):
    """What is left of the loss after the correction: slope over a whole chip, and mean at the far end.

    As ratios to the true fluxes: the mean of magnitudes of faint stars is off by the square of their noise.
    """
    rows = []
    for level, flux_bin in [(level, one) for level in np.unique(stars["flashlvl"]) for one in bins]:
        inside = (stars["flux_mid"] >= flux_bin.lo) & (stars["flux_mid"] < flux_bin.hi) & (stars["flashlvl"] == level)
        for name in ("flux", "flux_level", "flux_background"):
            here = stars[inside & np.isfinite(stars[name])]
            if len(here) < _MANY_STARS:
                continue
            n, ratio = np.asarray(here["n_transfers"]), np.asarray(here[name]) / np.asarray(here["flux_true"])
            away = _MAG * (1 - ratio)
            kept = clip_line(n, away)
            here, n, away = here[kept], n[kept], away[kept]
            fit, far = fit_line(n, away), away[n > _FAR_END * ROWS]
            of_model = _model_error(here, name)
            rows.append(
                {
                    "flashlvl": float(level),
                    "lo": flux_bin.lo,
                    "hi": flux_bin.hi,
                    "corrected_with": {"flux": "nothing", "flux_level": "own level"}.get(name, "all levels"),
                    "stars": len(n),
                    "slope": fit.slope * ROWS,
                    "slope_err": float(np.hypot(fit.slope_err * ROWS, of_model)),
                    "far_end": float(np.mean(far)),
                    "far_end_err": float(np.hypot(np.std(far, ddof=1) / np.sqrt(len(far)), of_model)),
                }
            )
    return Table(rows=rows)


def _model_error(stars, name):
    """Standard error of the loss that stars were corrected with, which all of them share [mag / 2051 px]."""
    if f"{name}_err" not in stars.colnames:
        return 0.0
    return float(np.sum(stars[f"{name}_err"]) / np.sum(stars["n_transfers"]) * ROWS)


def _corrected_checks(corrected):
    for row in corrected:
        if row["corrected_with"] == "nothing":
            continue
        where = f"{row['lo']:g}-{row['hi']:g} e-, flash {row['flashlvl']:g}, {row['corrected_with']}"
        yield Check(f"slope after correction, {where} [mag]", row["slope"], row["slope_err"], -0.005, 0.005)
        yield Check(f"far end after correction, {where} [mag]", row["far_end"], row["far_end_err"], -0.01, 0.01)


# ---- The model -------------------------------------------------------------------------------------------------------


def _arrays(points):
    names = ("mjd", "logflux", "loss", "loss_err", "epoch", "lo", "background", "flashlvl")
    return LossPoints(*(np.asarray(points[name], dtype=float) for name in names), "mag")


def _models(points):
    """The models that are published, as functions: name -> (loss, error) at some points."""

    def of_levels(some):
        value, error = np.full(len(some), np.nan), np.full(len(some), np.nan)
        for level in np.unique(some.level):
            of_level, here = points.chosen(points.level == level), some.level == level
            columns = ("mjd", "log_flux", "loss", "loss_err", "epoch", "flux_group")
            surface = fit_surface(*(getattr(of_level, name) for name in columns), "mag")
            value[here], formal = predict(surface, some.mjd[here], some.log_flux[here])
            error[here] = np.hypot(formal, surface.scatter)
        return value, error

    chosen = choose(points, compare_models(points))
    if chosen is None or chosen.surface is None:
        return {"own level": of_levels}
    surface_of_all = chosen.surface

    def of_all(some):
        value, formal = predict(surface_of_all, some.mjd, some.log_flux, some.background)
        return value, np.hypot(formal, surface_of_all.scatter)

    return {"own level": of_levels, "all levels": of_all}


def _left_out(table):
    """Each epoch predicted from all others, and the last from all before, against the simulation's law."""
    points, rows = _arrays(table), []
    law = np.asarray(table["law"])
    for epoch in np.unique(points.epoch):
        here = points.epoch == epoch
        for name, model in _models(points.chosen(~here)).items():
            value, error = model(points.chosen(here))
            off = value - law[here]
            rows.append(
                {
                    "epoch": float(epoch),
                    "model": name,
                    "points": len(off),
                    "rms": float(np.sqrt(np.mean(off**2))),
                    "largest": float(np.max(np.abs(off))),
                    "mean_err": float(np.sqrt(np.mean(error**2))),
                    "rms_pull": float(np.sqrt(np.mean((off / error) ** 2))),
                }
            )
    return Table(rows=rows)


def _coverage(table):
    """How often the law lies within one standard error of the model: in this run, and with the noise drawn anew."""
    points, law = _arrays(table), np.asarray(table["law"])
    random = np.random.default_rng(0)
    inside = {}
    for repeat in range(_REPEATS + 1):
        drawn = law + random.normal(0, 1, len(law)) * points.loss_err
        some = replace(points, loss=drawn) if repeat else points
        for name, model in _models(some).items():
            value, error = model(some)
            inside.setdefault(name, []).append(float(np.mean(np.abs(value - law) < error)))
    return Table(
        rows=[
            {
                "model": name,
                "this_run": shares[0],
                "repeated": float(np.mean(shares[1:])),
                "repeated_err": float(np.std(shares[1:], ddof=1) / np.sqrt(len(shares) - 1)),
                "repeats": len(shares) - 1,
            }
            for name, shares in inside.items()
            if len(shares) > _REPEATS // 2
        ]
    )


def _model_checks(left_out, coverage):
    epochs = np.unique(left_out["epoch"])
    for name in np.unique(left_out["model"]):
        of_model = left_out[left_out["model"] == name]
        for row in of_model[np.isin(of_model["epoch"], epochs[1:-1])]:
            yield Check(f"epoch {row['epoch']:.0f} left out, {name}: rms [mag]", row["rms"], np.nan, 0.0, 0.02)
        # no row where the epochs before do not bear a surface for all levels
        for row in of_model[of_model["epoch"] == epochs[-1]]:
            yield Check(f"next epoch, {name}: rms in standard errors", row["rms_pull"], np.nan, 0.0, 2.0)
    for row in coverage:
        name = f"law within 1 standard error, {row['model']}, {row['repeats']} repeats"
        yield Check(name, row["repeated"], row["repeated_err"], 0.64, 0.72)
