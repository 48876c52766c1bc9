"""Records -> rows of the tables, and back."""

import datetime
from pathlib import Path

import numpy as np

from wfc3_cte_monitor.records import Exposure

__all__ = [
    "SLOPE_COLUMNS",
    "aperture_label",
    "slope_row",
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


def slope_row(target, row, label):
    """One pair and flux bin of a results row, in the order of `SLOPE_COLUMNS`; errors are standard errors."""
    n_points = row[f"NUMPOINTS_{label}"] or 0
    slope, slope_std, magslope, magslope_std, mean_flux = (
        np.nan if row[f"{name}_{label}"] is None else row[f"{name}_{label}"]
        for name in ("SLOPE", "SLOPESTDEV", "MAGSLOPE", "MAGSLOPESTDEV", "MEANFLUX")
    )
    root_n = np.sqrt(n_points) if n_points else np.nan
    background = [value for value in (row["BACKGROUND_1"], row["BACKGROUND_2"]) if value is not None]
    return (
        target,
        row["IMAGENAME_1"],
        row["IMAGENAME_2"],
        row["PROPOSID"],
        row["MJD"],
        np.mean(background) if background else np.nan,
        *(float(edge) for edge in label.split("_")),
        n_points,
        mean_flux,
        slope,
        slope_std / root_n,
        magslope,
        magslope_std / root_n,
    )


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


def fileinfo_row(exposure, measured, ingest_date=None):
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
        **exposure.keywords,
        **measured,
    }


def results_row(pair, aperture, measured, fits, ingest_date=None):
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
        return dict.fromkeys(("SLOPE", "SLOPESTDEV", "NUMPOINTS", "MAGSLOPE", "MAGSLOPESTDEV", "MEANFLUX"))
    return {
        "SLOPE": fit.ratio.slope,
        "SLOPESTDEV": float(fit.ratio.slope_std),
        "NUMPOINTS": fit.n_points,
        "MAGSLOPE": fit.mag.slope,
        "MAGSLOPESTDEV": float(fit.mag.slope_std),
        "MEANFLUX": fit.mean_flux,
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
