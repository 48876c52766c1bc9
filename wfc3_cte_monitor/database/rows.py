"""Records -> rows of the tables, and back."""

import datetime
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

from wfc3_cte_monitor.records import Exposure, ExposurePair, SlopeFit

__all__ = [
    "SLOPE_COLUMNS",
    "aperture_label",
    "slope_columns",
    "slopes_table",
    "plain",
    "phot_columns",
    "fileinfo_row",
    "results_row",
    "exposure_of",
]

SLOPE_COLUMNS = {
    "target": "U32",
    "imagename_1": "U32",
    "imagename_2": "U32",
    "proposid": int,
    "mjd": float,
    "background": float,
    "lo": float,
    "hi": float,
    "n_points": int,
    "mean_flux": float,
    "slope": float,
    "slope_err": float,
    "magslope": float,
    "magslope_err": float,
}


_OF_PAIR = ("IMAGENAME_1", "IMAGENAME_2", "MJD", "BACKGROUND_1", "BACKGROUND_2")
_OF_BIN = ("NUMPOINTS", "MEANFLUX", "SLOPE", "SLOPESTDEV", "MAGSLOPE", "MAGSLOPESTDEV")
_MIDDLE = {
    "mid_slope": "MIDSLOPE",
    "mid_slope_err": "MIDSLOPESTDEV",
    "mid_magslope": "MIDMAGSLOPE",
    "mid_magslope_err": "MIDMAGSLOPESTDEV",
}
"""Of same-chip pairs alone."""


def slope_columns(labels, *, middle=False):
    """The columns of results that a table of slopes needs, given the labels of the flux bins."""
    of_bin = (*_OF_BIN, *(_MIDDLE.values() if middle else ()))
    return [*_OF_PAIR, *(f"{name}_{label}" for name in of_bin for label in labels)]


def slopes_table(target, names, rows, labels, *, middle=False):
    """Rows of pairs -> a table with one row per pair and flux bin.

    Parameters
    ----------
    target : str
    names : sequence of str
        Columns of the rows: PROPOSID and those of `slope_columns`.
    rows : sequence of tuple
    labels : sequence of str
        Labels of the flux bins.
    middle : bool, optional
        Whether the lines forced through the middle row are among the columns.

    Returns
    -------
    table : `astropy.table.Table`
        With `SLOPE_COLUMNS`, and mid_slope, mid_slope_err, mid_magslope, mid_magslope_err where these are asked for;
        errors are standard errors.
    """
    columns = dict(zip(names, zip(*rows, strict=True) if rows else [()] * len(names), strict=True))
    bins = {name: _of_bins([columns[f"{name}_{label}"] for label in labels]) for name in _OF_BIN}
    n_points = np.nan_to_num(bins["NUMPOINTS"])
    root_n = np.sqrt(np.where(n_points > 0, n_points, np.nan))
    edges = np.array([[float(edge) for edge in label.split("_")] for label in labels])
    values = (
        np.full(len(rows) * len(labels), target),
        *(np.repeat(np.array(columns[name], "U32"), len(labels)) for name in _OF_PAIR[:2]),
        *(np.repeat(np.array(columns[name], float), len(labels)) for name in ("PROPOSID", "MJD")),
        np.repeat(_mean_background(columns), len(labels)),
        *np.tile(edges, (len(rows), 1)).T,
        n_points,
        bins["MEANFLUX"],
        bins["SLOPE"],
        bins["SLOPESTDEV"] / root_n,
        bins["MAGSLOPE"],
        bins["MAGSLOPESTDEV"] / root_n,
    )
    table = Table(values, names=list(SLOPE_COLUMNS), dtype=list(SLOPE_COLUMNS.values()))
    for name, column in _MIDDLE.items() if middle else ():
        per_bin = _of_bins([columns[f"{column}_{label}"] for label in labels])
        table[name] = per_bin / root_n if name.endswith("_err") else per_bin
    return table


def _of_bins(columns):
    """One column per bin -> values in order of pair, then bin; missing is NaN."""
    return np.array(columns, dtype=float).T.ravel()


def _mean_background(columns):
    """Of the two exposures, or of the one that has one."""
    both = np.array([columns["BACKGROUND_1"], columns["BACKGROUND_2"]], dtype=float)
    known = np.isfinite(both).sum(axis=0)
    return np.nansum(both, axis=0) / np.where(known, known, np.nan)


def plain(row):
    """Values that any driver takes: Python's own, and None for NaN, which only SQLite would make NULL."""
    values = {name: value.item() if isinstance(value, np.generic) else value for name, value in row.items()}
    return {name: None if value != value else value for name, value in values.items()}


def aperture_label(aperture):
    """Suffix of the columns of an aperture, such as '3' or '2p5'."""
    return f"{aperture:g}".replace(".", "p")


def phot_columns(photometry, file_id):
    """Columns of a phot table, name -> list of Python values, None where a value is not finite."""
    positions = photometry.positions
    columns = {
        "FILE_ID": [file_id] * len(photometry),
        "MASTER_ID": positions.id.tolist(),
        "XPIX": positions.x.tolist(),
        "YPIX": positions.y.tolist(),
        "SHIFT": _nullable(positions.shift),
        "SKY": _nullable(photometry.sky),
        "SKYSTDEV": _nullable(photometry.sky_std),
        "NUMSKY": photometry.n_sky.tolist(),
        "TOTBKGRD": _nullable(photometry.background),
    }
    for k, aperture in enumerate(photometry.aprads):
        label = aperture_label(aperture)
        columns[f"FLUX_{label}"] = _nullable(photometry.flux[k])
        columns[f"FLUXERR_{label}"] = _nullable(photometry.flux_err[k])
        columns[f"FLAGS_{label}"] = photometry.flags[k].tolist()
    return columns


def _nullable(values):
    if np.isfinite(values).all():
        return values.tolist()
    return [value if finite else None for value, finite in zip(values.tolist(), np.isfinite(values), strict=True)]


def fileinfo_row(
    exposure: Exposure, measured: dict[str, Any], ingest_date: datetime.date | None = None
) -> dict[str, Any]:
    """A row of fileinfo.

    Parameters
    ----------
    exposure : `records.Exposure`
    measured : dict
        The columns that are not of the header: PHOTPATH, COOFILE, MAGFILE, CHIP, backgrounds, numbers, corners.
    ingest_date : `datetime.date`, optional
        Today by default.
    """
    return {
        **exposure.keywords,  # First: what is known otherwise is right.
        "IMAGENAME": exposure.imagename,
        "ROOTNAME": exposure.rootname,
        "IMAGEPATH": str(exposure.path.parent),
        "INGEST_DATE": ingest_date or datetime.date.today(),
        "PROPOSID": exposure.program,
        "VISIT": exposure.visit,
        "TARGNAME": exposure.target,
        "FILTER": exposure.filter,
        "EXPTIME": exposure.exptime,
        "EXPSTART": exposure.expstart,
        "LENGTH": exposure.length,
        "FLASHLVL": exposure.flashlvl,
        "CTECORR": int(exposure.ctecorr),
        "CHIP": exposure.chip,
        "POSTARG1": exposure.postarg1,
        "POSTARG2": exposure.postarg2,
        "PA_V3": exposure.pa_v3,
        **measured,
    }


def results_row(
    pair: ExposurePair,
    aperture: float,
    measured: dict[str, Any],
    fits: Iterable[SlopeFit],
    ingest_date: datetime.date | None = None,
) -> dict[str, Any]:
    """A row of results.

    Parameters
    ----------
    pair : `records.ExposurePair`
    aperture : float
        Radius [px].
    measured : dict
        SLOPEFILE, SLOPEFILE_PATH, BACKGROUND_1, BACKGROUND_2, NUMSTARS.
    fits : sequence of `records.SlopeFit`
    ingest_date : `datetime.date`, optional
        Today by default.
    """
    row = {
        "IMAGENAME_1": pair.one.imagename,
        "IMAGENAME_2": pair.two.imagename,
        "APERTURE": aperture,
        "INGEST_DATE": ingest_date or datetime.date.today(),
        "MJD": pair.mjd,
        **measured,
    }
    for fit in fits:
        row |= {f"{name}_{fit.bin.label}": value for name, value in _fit_values(fit).items()}
    return row


def _fit_values(fit):
    """Missing is None, never 0."""
    if fit.mag is None:
        return dict.fromkeys((*_OF_BIN, *_MIDDLE.values()))
    return {
        "SLOPE": fit.ratio.slope,
        "SLOPESTDEV": float(fit.ratio.slope_std),
        "NUMPOINTS": fit.n_points,
        "MAGSLOPE": fit.mag.slope,
        "MAGSLOPESTDEV": float(fit.mag.slope_std),
        "MEANFLUX": fit.mean_flux,
        "MIDSLOPE": fit.mid_ratio and fit.mid_ratio.slope,
        "MIDSLOPESTDEV": fit.mid_ratio and float(fit.mid_ratio.slope_std),
        "MIDMAGSLOPE": fit.mid_mag and fit.mid_mag.slope,
        "MIDMAGSLOPESTDEV": fit.mid_mag and float(fit.mid_mag.slope_std),
    }


def exposure_of(row):
    """The `records.Exposure` of a fileinfo row, without the keywords that only the table keeps."""
    return Exposure(
        path=Path(row["IMAGEPATH"]) / row["IMAGENAME"],
        rootname=row["ROOTNAME"],
        program=row["PROPOSID"],
        target=row["TARGNAME"],
        filter=row["FILTER"],
        exptime=row["EXPTIME"],
        expstart=row["EXPSTART"],
        flashlvl=row["FLASHLVL"],
        ctecorr=bool(row["CTECORR"]),
        chip=row["CHIP"],
        postarg1=row["POSTARG1"],
        postarg2=row["POSTARG2"],
        pa_v3=row["PA_V3"],
    )
