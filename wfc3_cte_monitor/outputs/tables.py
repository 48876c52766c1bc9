"""The text files of exposures, alignments, masks and catalogues."""

import logging
from pathlib import Path

import numpy as np
from astropy.table import Table, vstack

from wfc3_cte_monitor.errors import UnusableExposureError, said
from wfc3_cte_monitor.outputs.files import unique_path, write_table
from wfc3_cte_monitor.records import Photometry, StarPositions

__all__ = [
    "positions_table",
    "read_positions",
    "photometry_table",
    "read_photometry",
    "losses_table",
    "alignment_table",
    "mask_table",
    "catalog_table",
    "update_table",
]

log = logging.getLogger(__name__)


def positions_table(positions, ra, dec, meta):
    """The .coo table: x, y [1-based px], id, ra, dec [deg], shift [px]; IRAF can read it, too."""
    table = Table(
        {"x": positions.x, "y": positions.y, "id": positions.id, "ra": ra, "dec": dec, "shift": positions.shift},
        units={"x": "pix", "y": "pix", "ra": "deg", "dec": "deg", "shift": "pix"},
        meta={**meta, "convention": "x, y: the centre of the first pixel is (1, 1); shift NaN: not recentred"},
    )
    for name, digits in (("x", 4), ("y", 4), ("ra", 8), ("dec", 8), ("shift", 4)):
        table[name].info.format = f".{digits}f"
    return table


def read_positions(path):
    """Read a .coo file.

    Returns
    -------
    positions : `records.StarPositions`
    chip : int
        The chip that they are on.

    Raises
    ------
    UnusableExposureError
        There is none, or it is damaged.
    """
    if not Path(path).is_file():
        raise UnusableExposureError(path, "no such coordinate file; run with --dofind y")
    try:
        table = Table.read(path, format="ascii.ecsv")
        columns = (np.asarray(table[name], dtype=float) for name in ("x", "y", "shift"))
        return StarPositions(np.asarray(table["id"], dtype=np.int64), *columns), int(table.meta["chip"])
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise UnusableExposureError(path, f"not a coordinate file ({said(error)}); run with --dofind y") from error


def photometry_table(photometry, meta):
    """The .mag table: positions, sky, and flux, error, magnitude and flags per aperture.

    Magnitudes are -2.5 log10(flux), NaN where the flux is not positive.
    """
    positions = photometry.positions
    table = Table(meta=meta)
    table["id"], table["x"], table["y"], table["shift"] = positions.id, positions.x, positions.y, positions.shift
    table["sky"], table["sky_std"], table["n_sky"] = photometry.sky, photometry.sky_std, photometry.n_sky
    table["background"] = photometry.background
    for k, radius in enumerate(photometry.aprads):
        flux, error = photometry.flux[k], photometry.flux_err[k]
        positive = np.where(flux > 0, flux, np.nan)
        table[f"flux_{radius:g}"], table[f"flux_err_{radius:g}"] = flux, error
        table[f"mag_{radius:g}"] = -2.5 * np.log10(positive)
        table[f"mag_err_{radius:g}"] = 2.5 / np.log(10) * error / positive
        table[f"flags_{radius:g}"] = photometry.flags[k]
    for name in table.colnames:
        _dress(table[name])
    return table


def read_photometry(path):
    """Read a .mag file.

    Returns
    -------
    photometry : `records.Photometry`
        To the digits that the file has: 1e-4 e- and px.
    meta : dict
        As `photometry_table` was given it.

    Raises
    ------
    UnusableExposureError
        It is damaged, or of an earlier version.
    """
    try:
        table = Table.read(path, format="ascii.ecsv")
        aprads = tuple(float(radius) for radius in table.meta["aprads"])
        x, y, shift, sky, sky_std, background = (
            np.asarray(table[name], dtype=float) for name in ("x", "y", "shift", "sky", "sky_std", "background")
        )
        flux, error = (np.array([table[f"{name}_{r:g}"] for r in aprads], dtype=float) for name in ("flux", "flux_err"))
        flags = np.array([table[f"flags_{r:g}"] for r in aprads], dtype=int)
        positions = StarPositions(np.asarray(table["id"], dtype=np.int64), x, y, shift)
        n_sky = np.asarray(table["n_sky"], dtype=int)
        if not {"imagename", "program", "chip", "engine", "crmask", "fingerprint"} <= table.meta.keys():
            raise KeyError("it does not say what it was made from")
    except (ValueError, KeyError, TypeError, OSError) as problem:
        said = " ".join(str(problem).split())
        raise UnusableExposureError(path, f"not a photometry file of this version ({said})") from problem
    return Photometry(positions, aprads, flux, error, flags, sky, sky_std, n_sky, background), dict(table.meta)


def _dress(column):
    """Unit and digits of a column of the .mag table, from the first word of its name."""
    word = column.name.partition("_")[0]
    units = {
        "x": "pix",
        "y": "pix",
        "shift": "pix",
        "sky": "electron / pix",
        "background": "electron / pix",
        "flux": "electron",
    }
    column.unit = "mag" if word == "mag" else units.get(word)
    if column.dtype.kind == "f":
        column.info.format = ".5f" if word == "mag" else ".4f"


_OF_LOSSES = {
    "mjd": "d",
    "epoch": "d",
    **dict.fromkeys(("background", "flashlvl"), "electron / pix"),
    **dict.fromkeys(("lo", "hi", "mean_flux"), "electron"),
    **dict.fromkeys(("slope", "slope_err", "mid_slope", "mid_slope_err"), "1 / pix"),
    **dict.fromkeys(("magslope", "magslope_err", "mid_magslope", "mid_magslope_err"), "mag / pix"),
}


def losses_table(losses):
    """Losses as they are published: with the units of their columns.

    Parameters
    ----------
    losses : `astropy.table.Table`
        As `pipeline.losses.losses_of` makes them, also with a model and residuals.

    Returns
    -------
    table : `astropy.table.Table`
        A copy; loss_unit of its metadata says what a loss is the loss of, of which a column can say 'mag' alone.
    """
    table = losses.copy()
    loss = dict.fromkeys(("loss", "loss_err", "model", "model_err", "residual"), table.meta["loss_unit"].split()[0])
    units = _OF_LOSSES | {name: unit for name, unit in loss.items() if unit == "mag"}
    for name in units.keys() & set(table.colnames):
        table[name].unit = units[name]
    return table


def alignment_table(fits):
    """The table of alignments: one row per `records.Alignment`."""
    counts = ("imagename", "n_stars", "n_sources", "n_matches", "n_checked")
    table = Table({name: [getattr(fit, name) for fit in fits] for name in counts})
    for k, axis in enumerate("xy"):
        table[f"rms_{axis}"] = [fit.rms[k] for fit in fits]
        table[f"offset_{axis}"] = [fit.offset[k] for fit in fits]
    for name in ("edge", "shift", "rotation", "n_chance"):
        table[name] = [getattr(fit, name) for fit in fits]
    units = dict.fromkeys(("rms_x", "rms_y", "offset_x", "offset_y", "edge"), "pix")
    units |= {"shift": "arcsec", "rotation": "deg"}
    for name, unit in units.items():
        table[name].unit = unit
    return table


def mask_table(masks):
    """The table of cosmic-ray masks: one row per `records.MaskReport`."""
    names = ("imagename", "chip", "n_exposures", "overall", "in_cores", "n_stars", "sky")
    table = Table({name: [getattr(mask, name) for mask in masks] for name in names})
    table["sky"].unit = "electron / pix"
    return table


def catalog_table(ids, columns, meta):
    """The table of a master catalogue: the ids, and what `catalogs.combine` tells of the stars."""
    table = Table({"id": ids} | columns, meta=meta)
    for name, unit in {"x": "pix", "y": "pix", "ra": "deg", "dec": "deg", "rate": "electron / s"}.items():
        table[name].unit = unit
    table["rate_err"].unit = "electron / s"
    for name, digits in (("x", 3), ("y", 3), ("ra", 9), ("dec", 9), ("rate", 5), ("rate_err", 5)):
        table[name].info.format = f".{digits}f"
    table.sort("id")
    return table


def update_table(table, path, key):
    """Write a table to a file that grows from run to run: its rows replace those of the same key.

    Parameters
    ----------
    table : `astropy.table.Table`
    path : `pathlib.Path`
    key : str
        Name of a column.
    """
    for column in table.itercols():
        if column.dtype.kind == "f":
            column[:] = np.round(column, 5)
    if path.is_file():
        before = _read_back(path)
        kept = [before[~np.isin(before[key], table[key])]] if key in before.colnames else []
        table = vstack([*kept, table], metadata_conflicts="silent")
    table.sort(key)
    write_table(table, path)


def _read_back(path):
    """The table that `update_table` wrote; one that was damaged meanwhile is put aside, and an empty one returned."""
    try:
        return Table.read(path, format="ascii.ecsv")
    except (ValueError, KeyError, TypeError) as error:
        aside = unique_path(path.parent, f"{path.stem}_unreadable", path.suffix)
        path.replace(aside)
        log.warning("%s: not a table any more (%s); it is %s now", path, said(error), aside.name)
        return Table()
