"""What the monitor measured on simulated exposures, beside what the simulation put in."""

import numpy as np
from astropy.table import Table, vstack

from wfc3_cte_monitor.pipeline.correct import correct_photometry
from wfc3_cte_monitor.quality import neighbour_light
from wfc3_cte_monitor.records import StarPairs
from wfc3_cte_monitor.simulate import true_loss
from wfc3_cte_monitor.slopes import loss, measure_slopes
from wfc3_cte_monitor.uvis import MJD_ZERO, ROWS, rows_to_amplifier

__all__ = ["true_stars", "true_losses", "injected_losses", "corrected_stars"]

_NEAR, _LITTLE = 8.0, 0.05
"""So far from a star [px], so much of its light."""


def true_stars(folder, imagename, chip):
    """The stars that the simulation put on a chip of an exposure.

    Parameters
    ----------
    folder : `pathlib.Path`
        The simulated observatory.
    imagename : str
    chip : int

    Returns
    -------
    stars : `astropy.table.Table`
        See `simulate.truth_table`.
    """
    table = Table.read(folder / "truth" / imagename.replace(".fits", ".ecsv"))
    return table[table["chip"] == chip]


def true_losses(folder, imagename_1, imagename_2, bins):
    """What the monitor's own estimator gives on the noise-free fluxes of all stars of a pair.

    Parameters
    ----------
    folder : `pathlib.Path`
    imagename_1, imagename_2 : str
        On chip 1 and on chip 2.
    bins : sequence of `records.FluxBin`

    Returns
    -------
    losses : dict
        (lo, hi) -> loss [mag / 2051 px]
    """
    one, two = (true_stars(folder, name, chip) for name, chip in ((imagename_1, 1), (imagename_2, 2)))
    star_id, i, j = np.intersect1d(one["id"], two["id"], return_indices=True)
    stars = StarPairs(star_id, np.array(two["y"][j]), np.array(one["flux_3"][i]), np.array(two["flux_3"][j]))
    return {
        (fit.bin.lo, fit.bin.hi): np.nan if fit.mag is None else float(loss(fit.mag.slope, "mag"))
        for fit in measure_slopes(stars, bins)
    }


def injected_losses(losses, folder, bins):
    """The losses of pairs with what was put in.

    Parameters
    ----------
    losses : `astropy.table.Table`
        With imagename_1, imagename_2, lo, hi, mjd, logflux, flashlvl and, in the metadata, ctecorr.
    folder : `pathlib.Path`
    bins : sequence of `records.FluxBin`

    Returns
    -------
    losses : `astropy.table.Table`
        The same with columns injected, of the stars that there were, and law, the simulation's law at the pair's own
        mean flux [mag / 2051 px].
    """
    pairs = {(row["imagename_1"], row["imagename_2"]) for row in losses}
    true = {pair: true_losses(folder, *pair, bins) for pair in sorted(pairs)}
    losses["injected"] = [true[row["imagename_1"], row["imagename_2"]][row["lo"], row["hi"]] for row in losses]
    losses["law"] = [
        true_loss(row["mjd"] - MJD_ZERO, row["logflux"], row["flashlvl"], losses.meta["ctecorr"]) for row in losses
    ]
    return losses


def corrected_stars(folder, exposures, coefficients, database, aperture=3.0):
    """The photometry of exposures, corrected as an observer would, beside the stars' true fluxes.

    Parameters
    ----------
    folder : `pathlib.Path`
    exposures : sequence of `records.Exposure`
    coefficients : sequence of `records.Coefficients`
    database : `database.Database`
    aperture : float, optional
        [px]; the simulation knows the truth in 3 px.

    Returns
    -------
    stars : `astropy.table.Table`
        A row per star without a flag and without neighbours, whose light is another matter: imagename, flashlvl
        [e-/px], n_transfers [px], flux_true (in 3 px, before any loss), flux_mid (true, after half a chip), flux
        (measured), flux_level (corrected with the surface of the exposure's flash level) and flux_background (with
        that of all levels, at the exposure's measured background) [e-], and the standard errors flux_level_err and
        flux_background_err of these two corrections [mag].
    """
    return vstack(
        [_corrected_stars(folder, exposure, coefficients, database, aperture) for exposure in exposures],
        metadata_conflicts="silent",
    )


def _without_neighbours(true):
    """Whether all others within some pixels together have little light against a star's own."""
    x, y, light = (np.asarray(true[name]) for name in ("x", "y", "flux_3"))
    return neighbour_light(x, y, light, _NEAR) < _LITTLE * light


def _corrected_stars(folder, exposure, coefficients, database, aperture):
    star_id, y, flux, flags = database.star_fluxes(exposure.target, exposure.imagename, aperture)
    true = true_stars(folder, exposure.imagename, exposure.chip)
    good = np.isfinite(flux) & (flux > 0) & (flags == 0)
    _, i, j = np.intersect1d(star_id[good], np.asarray(true["id"]), return_indices=True)
    alone = _without_neighbours(true)[j]
    i, j = i[alone], j[alone]
    y, flux = y[good][i], flux[good][i]
    lost = np.asarray(true["flux"][j]) / np.asarray(true["flux0"][j])
    before, n = np.asarray(true["flux_3"][j]) / lost, rows_to_amplifier(y, exposure.chip)
    # Charge is lost as exp(-k n): what is left after half a chip is a power of what is left after n.
    at_half = before * lost ** (0.5 * ROWS / np.asarray(true["n_transfers"][j]))
    asked = {"flux": flux, "n_transfers": n, "mjd": exposure.expstart, "exptime": exposure.exptime}
    asked |= {"ctecorr": exposure.ctecorr, "aperture": aperture, "target": exposure.target, "filter": exposure.filter}
    background = database.background(exposure.target, exposure.imagename)
    of_level = correct_photometry(coefficients, **asked, flashlvl=exposure.flashlvl)
    of_background = correct_photometry(coefficients, **asked, background=background)
    return Table(
        {
            "imagename": np.full(len(flux), exposure.imagename),
            "flashlvl": np.full(len(flux), exposure.flashlvl),
            "n_transfers": n,
            "flux_true": before,
            "flux_mid": at_half,
            "flux": flux,
            "flux_level": of_level.value,
            "flux_level_err": of_level.correction_err,
            "flux_background": of_background.value,
            "flux_background_err": of_background.correction_err,
        }
    )
