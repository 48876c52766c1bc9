"""Step 4 for all post-flash levels together: what flash and background do to the loss, and one model of it."""

import logging
from itertools import groupby
from pathlib import Path

import numpy as np
from astropy.table import Table, vstack

from wfc3_cte_monitor import outputs
from wfc3_cte_monitor.errors import MonitorError
from wfc3_cte_monitor.pipeline import fingerprints
from wfc3_cte_monitor.pipeline.drawing import Drawing, save
from wfc3_cte_monitor.pipeline.losses import coefficients_of, mean_epoch, of_finest_bins, with_enough_stars
from wfc3_cte_monitor.plots import plot_cte_flashlvl
from wfc3_cte_monitor.surface import MIN_STARS, SEPARATE, LossPoints, choose, compare_models, predict

__all__ = ["level_drawings", "fit_levels"]

log = logging.getLogger(__name__)

_FOLDER = "cte_vs_flashlvl"
_CURVE_POINTS = 60
_MOST_CURVES = 4


def level_drawings(losses, aperture, settings, staging):
    """The figures of loss against post-flash level and background, a drawing for each target, filter, length and kind.

    Parameters
    ----------
    losses : dict
        `records.ExposureSet` -> losses of its pairs, as `pipeline.losses.losses_of` gives them.
    aperture : float
    settings : `settings.Settings`
    staging : `pathlib.Path`

    Yields
    ------
    drawing : `pipeline.drawing.Drawing`
        Only where there are two levels.
    """
    for subject, group in groupby(sorted(losses, key=_without_level), key=_without_level):
        tables = [losses[s] for s in group]
        if len(tables) < 2:
            continue
        table = vstack(tables, metadata_conflicts="silent")
        table.meta |= {"flashlvl": None, "recommended": settings.recommended_background}
        # Levels that one epoch takes days apart are of one epoch here, too.
        table["epoch"] = mean_epoch(table["mjd"])
        name = outputs.levels_name("cteVSflashlvl", *subject, aperture)
        path = staging / Path(outputs.flash_folder(None, subject[-1]), _FOLDER, f"{name}.png")
        fingerprint = fingerprints.of_figure("cte_flashlvl", subject, table, settings)
        yield Drawing("cte_flashlvl", _draw, subject, aperture, table, settings, path, fingerprint)


def _without_level(s):
    return s.target, s.filter, s.length, s.ctecorr


def _draw(drawing):
    """Both figures, the points, the model with its coefficients, and how it was chosen."""
    points = with_enough_stars(of_finest_bins(drawing.losses, drawing.settings.bins))
    of_model = outputs.levels_name("cteVSbackground", *drawing.subject, drawing.aperture)
    table_path = drawing.path.with_suffix(".txt")
    model_path = drawing.path.with_name(f"{of_model}_coeffs.ecsv")
    trials_path = drawing.path.with_name(f"{of_model}_crossvalidation.txt")
    paths = [table_path]
    trials, chosen, reason = fit_levels(points)
    if trials is not None:
        outputs.write_table(trials, trials_path)
        paths.append(trials_path)
    if chosen is not None:
        points["model"], points["model_err"] = predict(
            chosen.surface, points["mjd"], points["logflux"], points["background"]
        )
        coefficients = coefficients_of(chosen.surface, points, drawing.settings, model_path.name)
        outputs.publish_coefficients(coefficients, model_path, {"chosen": _how_chosen(chosen, trials)})
        paths.append(model_path)
    else:
        points.meta["no_model"] = reason
        log.debug("no model of all post-flash levels: %s: %s", of_model, reason)  # the figure says it, too
    outputs.write_table(outputs.losses_table(points), table_path)
    curves = _curves(points, chosen)
    return [
        *paths,
        *save(plot_cte_flashlvl(points, against="flashlvl"), drawing.path),
        *save(plot_cte_flashlvl(points, curves, against="background"), drawing.path.with_name(f"{of_model}.png")),
    ]


def fit_levels(points):
    """Fit one surface to the losses at all post-flash levels.

    Parameters
    ----------
    points : `astropy.table.Table`
        With columns mjd, logflux, loss, loss_err, epoch, lo, background and flashlvl, and the unit in the metadata.

    Returns
    -------
    trials : `astropy.table.Table` or None
        What cross-validation says of each model; None where there is too little for it.
    chosen : `surface.Trial` or None
        With the surface.
    reason : str
        Why there is none.
    """
    arrays = _loss_points(points)
    try:
        trials = compare_models(arrays)
    except MonitorError:
        there = len(np.unique(arrays.level)), len(np.unique(arrays.epoch))
        needed = f"two flash levels and three epochs with {MIN_STARS} good stars in a flux bin are needed"
        return None, None, f"{needed}, there are {there[0]} and {there[1]}"
    chosen = choose(arrays, trials)
    table = _trial_table(arrays, trials, chosen)
    return table, chosen, "" if chosen else f"{SEPARATE} predicts left-out epochs better"


def _loss_points(points):
    columns = ("mjd", "logflux", "loss", "loss_err", "epoch", "lo", "background", "flashlvl")
    arrays = [np.asarray(points[name], dtype=float) for name in columns]
    good = np.isfinite(arrays).all(axis=0) & (arrays[3] > 0)
    return LossPoints(*(values[good] for values in arrays), points.meta["unit"])


def _trial_table(points, trials, chosen):
    """A row per model: how well it predicts epochs that were left out, where the separate surfaces predict, too."""
    both = np.isfinite(trials[0].residual)
    weight = points.loss_err**-2.0
    noise = np.sqrt(np.count_nonzero(both) / np.sum(weight[both])) if both.any() else np.nan
    rows = []
    for trial in trials:
        here = both & np.isfinite(trial.residual)
        rms = np.sqrt(np.average(trial.residual[here] ** 2, weights=weight[here])) if here.any() else np.nan
        rows.append(
            {
                "model": trial.name,
                "terms": trial.n_terms,
                "points": np.count_nonzero(here),
                "cv_rms": float(rms),
                "beyond_noise": float(np.sqrt(max(rms**2 - noise**2, 0.0))),
                "scatter": trial.scatter,
                "chosen": trial is chosen,
            }
        )
    table = Table(rows=rows)
    for name in ("cv_rms", "beyond_noise", "scatter"):
        table[name].info.format = ".5f"
    table.meta = {
        "cv_rms": f"weighted rms of the losses of an epoch minus what a fit to all others predicts [{points.unit}]",
        "beyond_noise": f"what of it the standard errors of the losses, {noise:.5f}, do not explain",
        "scatter": "intrinsic scatter of the points about the fit to all of them",
        "points": f"that {SEPARATE} predicts, too, of {len(points)}",
        "unit": points.unit,
    }
    return table


def _how_chosen(chosen, trials):
    of_chosen, separate = trials[trials["chosen"]][0], trials[0]
    return (
        f"{chosen.name}: epochs left out are predicted to {of_chosen['cv_rms']:.4f} (noise included), by {SEPARATE} "
        f"to {separate['cv_rms']:.4f}"
    )


def _curves(points, chosen):
    """The model against background, at the median flux of each bin, for some epochs from the first to the last."""
    names = ("epoch", "lo", "hi", "background", "loss", "loss_err")
    if chosen is None:
        return Table(names=names)
    epochs = np.unique(points["epoch"])
    epochs = epochs[np.unique(np.linspace(0, len(epochs) - 1, _MOST_CURVES).astype(int))]
    low, high = chosen.surface.background_range
    background = np.linspace(np.sqrt(max(low, 0)), np.sqrt(high), _CURVE_POINTS) ** 2
    rows = []
    for lo, hi in sorted({(row["lo"], row["hi"]) for row in points}):
        log_flux = np.median(points["logflux"][points["lo"] == lo])
        for epoch in epochs:
            loss, error = predict(chosen.surface, epoch, log_flux, background)
            same = (np.full(_CURVE_POINTS, value) for value in (epoch, lo, hi))
            rows.append(Table([*same, background, loss, error], names=names))
    return vstack(rows)
