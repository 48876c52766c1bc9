"""The losses of all pairs of a set, and what the coefficients of them must say of themselves."""

import numpy as np

from wfc3_cte_monitor import __version__
from wfc3_cte_monitor.pairing import epochs
from wfc3_cte_monitor.pipeline.engines import engine_of
from wfc3_cte_monitor.records import Coefficients, FluxBin
from wfc3_cte_monitor.slopes import LOSS_UNITS, loss
from wfc3_cte_monitor.surface import MIN_STARS, finest_bins

__all__ = ["losses_of", "of_finest_bins", "with_enough_stars", "mean_epoch", "coefficients_of"]


def losses_of(exposure_set, aperture, database, settings):
    """The losses of all pairs of a set.

    Returns
    -------
    losses : `astropy.table.Table`
        One row per pair and flux bin: what `database.Database.slopes` gives, with columns epoch (mean MJD of the
        epoch), flashlvl [e-/px], logflux [dex of e-], loss and loss_err in the unit of the settings.
    """
    table = database.slopes(
        exposure_set.target,
        aperture,
        FILTER=exposure_set.filter,
        LENGTH=exposure_set.length,
        FLASHLVL=exposure_set.flashlvl,
        CTECORR=int(exposure_set.ctecorr),
    )
    unit = settings.loss_unit
    measure = {"mag": "magslope", "flux": "slope"}[unit]
    table["epoch"] = mean_epoch(table["mjd"])
    table["flashlvl"] = np.full(len(table), float(exposure_set.flashlvl))
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
        **settings.subset.meta,
    }
    return table


def mean_epoch(mjd):
    """The mean date of each observation's epoch [MJD]."""
    mjd = np.asarray(mjd)
    number = epochs(mjd)
    return (np.bincount(number, mjd) / np.bincount(number))[number]


def of_finest_bins(losses, bins):
    """The rows of bins that do not overlap: each star counts once."""
    finest = finest_bins(bins)
    return losses[np.array([FluxBin(row["lo"], row["hi"]) in finest for row in losses], dtype=bool)]


def with_enough_stars(losses):
    """The rows whose errors can be weights."""
    return losses[losses["n_points"] >= MIN_STARS]


def coefficients_of(surface, points, settings, source, until=np.inf):
    """A surface with what it was measured on.

    Parameters
    ----------
    surface : `records.CteSurface` or `records.BackgroundSurface`
    points : `astropy.table.Table`
        Losses; the metadata tell the set, flashlvl being None where it is of all levels.
    settings : `settings.Settings`
    source : str
        Name of the file.
    until : float, optional
        The last epoch of the points that it was fitted to [MJD].

    Returns
    -------
    coefficients : `records.Coefficients`
    """
    meta, past = points.meta, np.asarray(points["epoch"]) <= until
    background = np.nan if meta["flashlvl"] is None else np.nanmedian(np.asarray(points["background"])[past])
    return Coefficients(
        surface=surface,
        target=meta["target"],
        filter=meta["filter"],
        length=meta["length"],
        flashlvl=meta["flashlvl"],
        ctecorr=bool(meta["ctecorr"]),
        aperture=float(meta["aperture"]),
        background=float(background),
        epoch_mjd=float(np.max(np.asarray(points["epoch"])[past])),
        source=source,
        programs=tuple(int(program) for program in np.unique(np.asarray(points["proposid"])[past])),
        software=f"wfc3_cte_monitor {__version__}",
        photometry=_photometry(settings),
        subset=settings.subset.title,
    )


def _photometry(settings):
    """How the stars were measured: a coefficient is of no photometry but its own."""
    how = engine_of(settings).HOW
    return {
        "photometry": settings.engine,
        "sky": f"annulus {settings.sky_annulus[0]:g} to {settings.sky_annulus[1]:g} px, {how['sky']}",
        "bad_dq_bits": settings.bad_dq_bits,
        "recentred": f"{how['recentred']}, at most {settings.max_shift:g} px from the catalogue",
    }
