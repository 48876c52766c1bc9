"""What the mistakes of the pipeline of 2016 do to the numbers: ``python -m benchmarks.pipeline_2016``.

Exposures with a known loss are simulated and measured as the monitor does; then each mistake is made on purpose, alone,
on the same exposures. Shown is the mean of measured minus true loss per flux bin, [mag / 2051 px], and how far the
coefficients of each epoch alone are off at other dates.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from wfc3_cte_monitor import photometry, quality, simulate
from wfc3_cte_monitor.commands.setup import default_answers, set_up
from wfc3_cte_monitor.cosmic_rays import find_cosmic_rays
from wfc3_cte_monitor.exposures import pixel_area, read_chip
from wfc3_cte_monitor.matching import stars_on_chip
from wfc3_cte_monitor.pipeline.closure import true_losses
from wfc3_cte_monitor.pipeline.recipe import opened_database, run
from wfc3_cte_monitor.pipeline.request import Request
from wfc3_cte_monitor.records import Flag, FluxBin, StarPairs, StarPositions
from wfc3_cte_monitor.settings import read_settings
from wfc3_cte_monitor.simulate import true_loss
from wfc3_cte_monitor.slopes import join_stars, loss, measure_slopes
from wfc3_cte_monitor.surface import finest_bins, fit_surface, predict
from wfc3_cte_monitor.uvis import MJD_ZERO

TARGET, ENOUGH = "ngc104", 10
YEARS = (0, 1, 2, 5)


def main():
    """Simulate, measure, make the mistakes, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pipeline_2016", description=__doc__)
    parser.add_argument("--epochs", type=int, default=10, help="number of epochs (default 10)")
    parser.add_argument("--columns", type=int, default=384, help="columns of a chip (default 384)")
    parser.add_argument("--seed", type=int, default=0, help="of the simulation (default 0)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plan = simulate.default_plan(
            n_epochs=args.epochs, targets=(TARGET,), lengths=("l",), flashlvls=(0.0,), ctecorr=(False,)
        )
        simulate.simulate_observatory(folder, plan, seed=args.seed, n_columns=args.columns, jobs=args.jobs)
        settings = read_settings(set_up(default_answers(folder)))
        run(Request("all", aprads=(3,), plots=(), jobs=args.jobs), settings)
        with opened_database(settings) as database:
            losses = measured_losses(folder, database, settings)
    print(f"{args.epochs} epochs, {args.columns} columns, seed {args.seed}: measured minus true loss [mag / 2051 px]\n")
    print(f"{'':34s}" + "".join(f"{f'{b.lo:g}-{b.hi:g} e-':>20s}" for b in finest_bins(settings.bins)))
    for name, rows in losses.items():
        print(f"{name:34s}" + "".join(bias(rows, b) for b in finest_bins(settings.bins)))
    print(f"\n{'rms error of the model after':34s}" + "".join(f"{f'{year} years':>12s}" for year in YEARS))
    for name, errors in model_errors(losses["as it is"], settings).items():
        print(f"{name:34s}" + "".join(f"{np.sqrt(np.mean(np.square(one))):12.4f}" for one in errors))


def measured_losses(folder, database, settings):
    """Way of measuring -> rows (flux bin, loss, its error, true loss, mean flux, MJD)."""
    exposures = {e.imagename: e for e in database.exposures(TARGET, settings.program_list)}
    catalog = database.catalog(TARGET)
    table = database.slopes(TARGET, 3)
    pairs = sorted({(row["imagename_1"], row["imagename_2"], row["mjd"]) for row in table}, key=lambda p: p[2])
    rows = {name: [] for name in ("as it is", "both fluxes in the bin", "hits of cosmic rays not flagged", "1 px off")}
    ratios = []
    for one, two, mjd in pairs:
        true = true_losses(folder, one, two, settings.bins)
        stored = {name: database.star_fluxes(TARGET, name, 3) for name in (one, two)}
        shifted = {name: one_pixel_off(exposures[name], catalog, settings) for name in (one, two)}
        ratios += [flux_ratios(shifted[name], stored[name]) for name in (one, two)]
        of_way = {
            "as it is": measure_slopes(joined(stored, one, two), settings.bins),
            "both fluxes in the bin": [both_in_bin(joined(stored, one, two), b) for b in settings.bins],
            "hits of cosmic rays not flagged": measure_slopes(
                joined(stored, one, two, ignored=Flag.COSMIC_RAY), settings.bins
            ),
            "1 px off": measure_slopes(joined(shifted, one, two), settings.bins),
        }
        for name, fits in of_way.items():
            rows[name] += [
                (fit.bin, *loss([fit.mag.slope, fit.mag.slope_err], "mag"), true[fit.bin.lo, fit.bin.hi], fit, mjd)
                for fit in fits
                if fit.mag and fit.n_points >= ENOUGH
            ]
    middle = np.median(np.concatenate(ratios))
    print(f"flux in 3 px, 1 px off in x and y: {100 * (middle - 1):+.1f} % (median of {sum(map(len, ratios))} stars)")
    return rows


def flux_ratios(stars, reference):
    """Flux of bright stars against their reference."""
    (id1, _, flux1, flags1), (id2, _, flux2, flags2) = stars, reference
    _, i, j = np.intersect1d(id1, id2, assume_unique=True, return_indices=True)
    good = (flux2[j] > 2000) & (flags1[i] == 0) & (flags2[j] == 0)
    return flux1[i][good] / flux2[j][good]


def joined(stars, one, two, ignored=0):
    """The stars of both exposures, some flags being ignored."""
    (id1, _, flux1, flags1), (id2, y2, flux2, flags2) = stars[one], stars[two]
    return join_stars(id1, flux1, flags1 & ~ignored, id2, flux2, flags2 & ~ignored, y2)


def both_in_bin(stars, flux_bin):
    """The slope of the stars both of whose fluxes lie in the bin."""
    inside = [(flux >= flux_bin.lo) & (flux < flux_bin.hi) for flux in (stars.flux1, stars.flux2)]
    chosen = inside[0] & inside[1]
    stars = StarPairs(*(getattr(stars, name)[chosen] for name in ("id", "y", "flux1", "flux2")))
    (fit,) = measure_slopes(stars, [FluxBin(flux_bin.lo, flux_bin.hi)])
    return fit


def one_pixel_off(exposure, catalog, settings):
    """id, y, flux, flags as `Database.star_fluxes`: 1-based positions are taken for 0-based, and nothing is centred."""
    image = read_chip(exposure.path, exposure.chip)
    index, x, y = stars_on_chip(image.wcs, image.data.shape, catalog.ra, catalog.dec)
    there = StarPositions(catalog.id[index], x, y, np.zeros(len(index)))
    hit = find_cosmic_rays(image, ~quality.pixel_masks(image, settings.bad_dq_bits).bad)
    masks = quality.with_stars(quality.pixel_masks(image, settings.bad_dq_bits, hit), image, there)
    area = pixel_area(image, x, y, settings.path_to_pa_maps)
    off = StarPositions(there.id, x + 1, y + 1, there.shift)
    stars = quality.flagged(photometry.measure(image, masks, off, area, settings.photometry_setup), masks)
    return there.id, y, stars.flux[0], stars.flags[0]


def bias(rows, flux_bin):
    """Mean of measured minus true, weighted by the errors, and its standard error."""
    chosen = [(measured - true, error) for b, measured, error, true, *_ in rows if b == flux_bin]
    if not chosen:
        return f"{'-':>20s}"
    difference, error = np.array(chosen).T
    weight = error**-2.0
    return f"{np.average(difference, weights=weight):+10.4f} +- {weight.sum() ** -0.5:.4f} "


def model_errors(rows, settings):
    """Model -> for each number of years ahead its errors against the law that was put in."""
    points = [row for row in rows if row[0] in finest_bins(settings.bins)]
    mjd = np.array([row[-1] for row in points])
    log_flux = np.log10([row[4].mean_flux for row in points])
    measured, error = (np.array([row[k] for row in points]) for k in (1, 2))
    groups, dates = np.array([row[0].lo for row in points]), np.unique(mjd)
    asked = np.linspace(log_flux.min(), log_flux.max(), 20)
    alone, together = ([[] for _ in YEARS] for _ in range(2))
    surface = fit_surface(mjd, log_flux, measured, error, mjd, groups, "mag")
    for date in dates:
        own = mjd == date
        d, f = mjd[own] - MJD_ZERO, log_flux[own]
        design = np.stack([d**i * f**j for i in range(3) for j in range(3)], axis=-1)
        coefficients = np.linalg.lstsq(design, measured[own], rcond=None)[0]
        for k, year in enumerate(YEARS):
            later = date + 365.25 * year
            if later > dates[-1] + 1:
                continue
            truth = true_loss(later - MJD_ZERO, asked)
            said = sum(c * (later - MJD_ZERO) ** (n // 3) * asked ** (n % 3) for n, c in enumerate(coefficients))
            alone[k].extend(said - truth)
            together[k].extend(predict(surface, later, asked)[0] - truth)
    return {"each epoch fitted alone (2016)": alone, "one surface for all epochs": together}


if __name__ == "__main__":
    main()
