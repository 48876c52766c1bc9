"""Losses of the same pairs from two databases or sets of slope files: IRAF and Python, before and after."""

import re
from pathlib import Path

import numpy as np
from astropy.table import Table, join, vstack
from scipy.special import ndtri, stdtr

from wfc3_cte_monitor.database import Database
from wfc3_cte_monitor.errors import ConfigurationError
from wfc3_cte_monitor.slopes import LOSS_UNITS, loss
from wfc3_cte_monitor.tables import Schema
from wfc3_cte_monitor.uvis import SAME_CHIP_TARGET

__all__ = ["losses_in", "compare_losses", "summarised"]

_SET = ("target", "filter", "length", "flashlvl", "ctecorr", "aperture")
_BIN = ("lo", "hi")
_CHIP = "chip"
"""Of a same-chip pair; 0 of a nominal one, which has one exposure on either."""
_PAIR = ("imagename_1", "imagename_2")
_MEASURED = ("n_points", "mean_flux", "loss", "loss_err")
_ROUNDING = 1e-12
"""A difference or scatter up to this is none."""
_FEW = 3
"""Pairs whose scatter says nothing."""


def losses_in(source, settings):
    """The losses of all pairs that a database or a folder of slope files has.

    Parameters
    ----------
    source : str
        Path of an SQLite file, URL of a database, path of a ``_slopes.txt``, or of a folder in which these are, such as
        ``finalresults/pf0/most_recent``.
    settings : `settings.Settings`

    Returns
    -------
    losses : `astropy.table.Table`
        A row per pair, aperture and flux bin: target, filter, length, flashlvl, ctecorr, aperture, chip (0: nominal
        pairs, one exposure on either), lo, hi, imagename_1, imagename_2, n_points, mean_flux, loss and loss_err
        (standard error) in the unit of the configuration.

    Raises
    ------
    ConfigurationError
        There is no such source, or nothing in it.
    """
    path = Path(source)
    if "://" not in source and not path.exists():
        raise ConfigurationError(f"{source}: no such database, folder or slope file")
    if path.is_dir() or path.suffix == ".txt":
        tables = [
            _of_file(file, settings) for file in (sorted(path.rglob("*_slopes*.txt")) if path.is_dir() else [path])
        ]
    else:
        tables = _of_database(source, settings)
    tables = [table for table in tables if len(table)]
    if not tables:
        raise ConfigurationError(f"{source}: no slopes in it")
    return vstack(tables, metadata_conflicts="silent")


def _of_database(source, settings):
    schema = Schema(settings.target_list, settings.aprads, settings.bins)
    with Database(source if "://" in source else Path(source), schema) as database:
        return [
            _of_set(database, target, values, aperture, settings.loss_unit)
            for target in settings.target_list
            for values in database.exposure_sets(target)
            for aperture in settings.aprads
        ]


def _of_set(database, target, values, aperture, unit):
    conditions = dict(zip(("FILTER", "LENGTH", "FLASHLVL", "CTECORR"), values, strict=True))
    table = database.slopes(target, aperture, **conditions | {"CTECORR": int(values[-1])})
    measure = {"mag": "magslope", "flux": "slope"}[unit]
    table["loss"], table["loss_err"] = loss(table[measure], unit), loss(table[f"{measure}_err"], unit)
    on = {e.imagename: e.chip for e in _same_chip_exposures(database, target, table)}
    chip = [on.get(name, 0) for name in table["imagename_2"]]
    return _with_set(table[[*_PAIR, *_BIN, *_MEASURED]], (target, *values, aperture), chip)


def _same_chip_exposures(database, target, table):
    programs = {int(program) for program in table["proposid"]}
    return database.exposures(target, programs) if target == SAME_CHIP_TARGET and programs else []


def _of_file(path, settings):
    """Of its folders' names, for the file does not say all of it."""
    found = re.fullmatch(r"(\w+?)_(\w+)_([sl])", path.absolute().parent.name)
    flash = next((m for p in path.absolute().parents if (m := re.fullmatch(r"pf([\d.]+)(_ctecorr)?", p.name))), None)
    try:
        table = Table.read(path, format="ascii.ecsv")
        if not found or not flash:
            raise ValueError("not in a folder such as pf0/<time>/ngc104_F502N_l")
        names = {"mag": "loss_mag_2051", "flux": "loss_flux_2048"}
        table["loss"], table["loss_err"] = (table[f"{names[settings.loss_unit]}{end}"] for end in ("", "_err"))
        table["imagename_1"], table["imagename_2"] = table.meta["image1"], table.meta["image2"]
        values = (*found.groups(), float(flash[1]), bool(flash[2]), table.meta["aperture"])
        chip = re.search(r"_ch([12])$", path.stem)
        return _with_set(table[[*_PAIR, *_BIN, *_MEASURED]], values, int(chip[1]) if chip else 0)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{path}: no slope file of the monitor ({' '.join(str(error).split())})") from error


def _with_set(table, values, chip):
    table[_CHIP] = np.full(len(table), chip)
    for name, value in zip(_SET, values, strict=True):
        table[name] = np.full(len(table), value)
    for name in table.colnames:
        table[name].unit = None
    table.meta.clear()
    return table


def compare_losses(a, b):
    """The pairs and bins that both have.

    Parameters
    ----------
    a, b : `astropy.table.Table`
        Of `losses_in`.

    Returns
    -------
    both : `astropy.table.Table`
        Columns of the set, bin and pair, n_points, mean_flux, loss, loss_err of both with _a and _b behind, and
        difference, b - a. Only where both have a loss.
    """
    keys = [*_SET, _CHIP, *_BIN, *_PAIR]
    both = join(a, b, keys=keys, table_names=["a", "b"])
    both["difference"] = both["loss_b"] - both["loss_a"]
    return both[np.isfinite(np.ma.filled(both["difference"], np.nan))]


def summarised(both, unit):
    """The differences of each set and bin, averaged over its pairs.

    Parameters
    ----------
    both : `astropy.table.Table`
        Of `compare_losses`.
    unit : {'mag', 'flux'}

    Returns
    -------
    summary : `astropy.table.Table`
        A row per set, chip and bin: n_pairs, n_stars_a, n_stars_b (means), mean_flux [e-], loss_a, loss_b (means),
        difference, difference_err, significance (in standard deviations of a normal distribution: as improbable as the
        difference over its error is by Student's distribution, for the scatter of few pairs is itself uncertain), and
        errors_are: 'scatter', the standard error from the scatter of three or more pairs, in which the common noise of
        the same stars is not counted, or 'formal', from the standard errors of the losses as if they had no stars in
        common.
    """
    rows = []
    keys = [*_SET, _CHIP, *_BIN]
    for group in both.group_by(keys).groups if len(both) else ():
        difference = np.asarray(group["difference"])
        n = len(difference)
        formal = np.sqrt(np.sum(np.asarray(group["loss_err_a"]) ** 2 + np.asarray(group["loss_err_b"]) ** 2)) / n
        error = np.std(difference, ddof=1) / np.sqrt(n) if n >= _FEW else formal
        rows.append(
            {name: group[name][0] for name in keys}
            | {
                "n_pairs": n,
                "n_stars_a": float(np.mean(group["n_points_a"])),
                "n_stars_b": float(np.mean(group["n_points_b"])),
                "mean_flux": float(np.mean(group["mean_flux_a"])),
                "loss_a": float(np.mean(group["loss_a"])),
                "loss_b": float(np.mean(group["loss_b"])),
                "difference": float(difference.mean()),
                "difference_err": float(error),
                "significance": _significance(difference.mean(), error, n - 1 if n >= _FEW else np.inf),
                "errors_are": "scatter" if n >= _FEW else "formal",
            }
        )
    summary = Table(rows=rows)
    summary.meta = {"unit": unit, "loss_unit": LOSS_UNITS[unit], "difference": "b - a", "errors": "standard errors"}
    return summary


def _significance(difference, error, n_free):
    """How many sigma a difference is, given the degrees of freedom of its error."""
    if not error > _ROUNDING:
        return 0.0 if abs(difference) <= _ROUNDING else float(np.copysign(np.inf, difference))
    ratio = abs(difference / error)
    sigma = ratio if np.isinf(n_free) else -ndtri(stdtr(n_free, -ratio))
    return float(np.copysign(sigma, difference))
