"""How far sky estimator, neighbours, cosmic rays and hot pixels bend the loss, on fields read out through traps.

Every number is the loss that is measured in a flux bin minus that of the same stars' own fluxes, in mag / 2051 px: the
mean over independent fields with its standard error. Prints the tables and writes docs/sky_and_crowding.png.
"""

import argparse
import os
import pickle
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import astroscrappy
import numpy as np
from astropy.stats import sigma_clipped_stats
from joblib import Parallel, delayed
from matplotlib.figure import Figure
from scipy.spatial import cKDTree

from benchmarks.harsh import RADIUS, Conditions, aperture_sums, isolated_losses, make_field
from wfc3_cte_monitor import photometry, quality
from wfc3_cte_monitor.cosmic_rays import find_cosmic_rays
from wfc3_cte_monitor.records import Flag, FluxBin, PhotometrySetup
from wfc3_cte_monitor.settings import Settings
from wfc3_cte_monitor.simulate import detector
from wfc3_cte_monitor.slopes import join_stars, loss, measure_slopes

EDGES = (250, 500, 1000, 2000, 4000, 8000, 32000)
BINS = [FluxBin(lo, hi) for lo, hi in zip(EDGES[:-1], EDGES[1:], strict=True)]
ANNULUS = Settings.sky_annulus
PIXELS = np.pi * RADIUS**2
HOT_FRACTION, HOT_EXCESS = 0.02, (20.0, 100.0)

ESTIMATORS = {
    "mean": lambda mean, median, std: mean,
    "median": lambda mean, median, std: median,
    "mode": lambda mean, median, std: 3 * median - 2 * mean,
    "SExtractor": lambda mean, median, std: np.where(
        np.abs(mean - median) < 0.3 * std, 2.5 * median - 1.5 * mean, median
    ),
}
"""Of what is left of an annulus when it is clipped at 3 sigma."""

SKIES = {
    "mean, stars masked (in use)": ("mean", ANNULUS, True),
    "median, stars masked": ("median", ANNULUS, True),
    "mode, stars masked": ("mode", ANNULUS, True),
    "SExtractor, stars masked": ("SExtractor", ANNULUS, True),
    "mean, no mask": ("mean", ANNULUS, False),
    "median, no mask": ("median", ANNULUS, False),
    "mode, no mask": ("mode", ANNULUS, False),
    "SExtractor, no mask": ("SExtractor", ANNULUS, False),
    "mean, masked, 8-13 px": ("mean", (8, 13), True),
    "mean, masked, 10-15 px": ("mean", (10, 15), True),
    "mean, masked, 15-25 px": ("mean", (15, 25), True),
}
LACOSMIC = {
    "sigclip 5, objlim 4": {"objlim": 4.0},
    "sigclip 5, objlim 6": {"objlim": 6.0},
    "separable medians, objlim 10": {"sepmed": True, "objlim": 10.0},
}


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sky_and_crowding", description=__doc__)
    parser.add_argument("--fields", type=int, default=8, help="independent fields (default 8)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (default: the cores)")
    parser.add_argument("--keep", type=Path, help="folder for the simulated fields, from which they are taken again")
    parser.add_argument("--figure", type=Path, default=Path("docs/sky_and_crowding.png"), help="default: %(default)s")
    args = parser.parse_args()
    results = Parallel(args.jobs)(delayed(study)(seed, args.keep) for seed in range(1, args.fields + 1))
    tables = {part: summary([one[part] for one in results]) for part in results[0]}
    show_truth(args.fields)
    for part, rows in tables.items():
        show(part, rows)
    draw(tables).savefig(args.figure, dpi=110)


def study(seed, folder=None):
    """Of one field: part of the study -> row -> (values per bin or of the row)."""
    fields = kept_field(seed, folder)
    return {
        "sky": sky_rows(fields),
        "crowding": crowding_rows(fields),
        "cosmic rays": cosmic_ray_rows(fields),
        "hot pixels": hot_pixel_rows(fields, np.random.default_rng(seed)),
    }


def kept_field(seed, folder):
    path = folder and folder / f"field_{seed}.pickle"
    if path and path.exists():
        return pickle.loads(path.read_bytes())
    fields = make_field(seed, Conditions())
    if path:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(fields))
    return fields


# ---- Measuring -------------------------------------------------------------------------------------------------------


def measured(field, image, *, hit=None, bad_bits=Settings.bad_dq_bits, trust=True):
    """The field as the pipeline measures it."""
    masks = quality.pixel_masks(image, bad_bits, hit)
    setup = PhotometrySetup((RADIUS,), ANNULUS, Settings.max_shift, trust)
    positions = photometry.find(image, np.arange(len(field.x)), field.x, field.y, setup)
    masks = quality.with_stars(masks, image, positions)
    one = photometry.measure(image, masks, positions, np.ones(len(field.x)), setup)
    return quality.flagged(one, masks)


def with_sky(one, image, sky):
    """The same photometry with another sky."""
    x, y = one.positions.x, one.positions.y
    return replace(one, flux=(aperture_sums(image.data, x, y) - PIXELS * sky)[None], sky=sky)


def annulus_statistics(image, masked, x, y, inner, outer):
    """Mean, median and scatter of clipped annuli at 1-based positions."""
    reach = int(np.ceil(outer))
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    chosen = (np.hypot(rows, columns) >= inner) & (np.hypot(rows, columns) < outer)
    padded = np.pad(np.where(masked, np.nan, image.data), reach + 1, constant_values=np.nan)
    i, j = (np.rint(v).astype(int)[:, None] + reach for v in (y, x))
    pixels = padded[i + rows[chosen], j + columns[chosen]]
    return sigma_clipped_stats(pixels, axis=1, sigma=3.0, maxiters=10)


def losses(fields, fluxes, kept):
    """Loss of each bin, its error and the number of stars, shape (3, bins), of the stars kept."""
    two, index = fields[0], np.arange(len(kept))
    flag = np.where(kept, 0, 1)
    fits = measure_slopes(join_stars(index, fluxes[1], flag, index, fluxes[0], flag, two.y), BINS)
    values = [
        (loss(f.mag.slope, "mag"), loss(f.mag.slope_err, "mag"), f.n_points) if f.mag else (np.nan, np.nan, f.n_points)
        for f in fits
    ]
    return np.array(values, dtype=float).T


def bias(fields, photometries, chosen=True, ignored=0):
    """Measured loss minus that of the same stars' own fluxes; the error that is claimed; number of stars."""
    known = np.isfinite(fields[0].own) & np.isfinite(fields[1].own) & chosen
    clear = [(one.flags[0] & ~int(ignored)) == 0 for one in photometries]
    kept = known & clear[0] & clear[1]
    value, error, number = losses(fields, [one.flux[0] for one in photometries], kept)
    true, *_ = losses(fields, [field.own for field in fields], kept)
    return {"bias": value - true, "claimed": error, "stars": number}


# ---- The parts of the study ------------------------------------------------------------------------------------------


def sky_rows(fields):
    plain = [measured(field, field.clean) for field in fields]
    rows = {}
    nothing = [quality.pixel_masks(field.clean, 0) for field in fields]
    stars = [quality.with_stars(n, f.clean, p.positions).star for n, f, p in zip(nothing, fields, plain, strict=True)]
    statistics = {}
    for name, (estimator, annulus, masked) in SKIES.items():
        if (annulus, masked) not in statistics:
            statistics[annulus, masked] = [
                annulus_statistics(f.clean, m if masked else np.zeros_like(m), p.positions.x, p.positions.y, *annulus)
                for f, p, m in zip(fields, plain, stars, strict=True)
            ]
        skies = [ESTIMATORS[estimator](*values) for values in statistics[annulus, masked]]
        rows[name] = sky_row(fields, plain, skies)
    true = [field.under for field in fields]
    rows["the true sky"] = sky_row(fields, plain, true)
    rows["true sky, centroids alone"] = sky_row(fields, [measured(f, f.clean, trust=False) for f in fields], true)
    fixed = [replace(p, positions=replace(p.positions, x=f.x, y=f.y)) for p, f in zip(plain, fields, strict=True)]
    rows["true sky, true positions"] = sky_row(fields, fixed, true)
    with patch.object(quality, "_MAX_MASK", 30.0):
        before = [measured(f, f.clean, trust=False) for f in fields]
        rows["before: centroids alone, masks to 30 px"] = sky_row(fields, before, [one.sky for one in before])
    return rows


def sky_row(fields, plain, skies):
    other = [with_sky(p, f.clean, sky) for p, f, sky in zip(plain, fields, skies, strict=True)]
    row = bias(fields, other)
    good = [(o.flags[0] == 0) & np.isfinite(f.own) for o, f in zip(other, fields, strict=True)]
    excess = np.concatenate([(sky - f.under)[g] for sky, f, g in zip(skies, fields, good, strict=True)])
    row["sky"] = np.nanmedian(excess)
    for name, near in (("near", 0.0), ("far", 1400.0)):
        row[name] = np.nanmedian(
            np.concatenate([faint_excess(f, o, g, near) for f, o, g in zip(fields, other, good, strict=True)])
        )
    return row


def faint_excess(field, one, good, first_row):
    """Measured minus own flux of stars of 150-500 e- whose transfers are in the 650 rows from `first_row` on."""
    transfers = field.y if field.chip == 2 else 2052 - field.y
    chosen = good & (field.own > 150) & (field.own < 500) & (transfers >= first_row) & (transfers < first_row + 650)
    return (one.flux[0] - field.own)[chosen]


def crowding_rows(fields):
    position = np.stack([fields[0].x, fields[0].y], axis=1)
    distance = cKDTree(position).query(position, 2)[0][:, 1]
    plain = [measured(field, field.clean) for field in fields]
    rows = {
        "all stars, flag ignored": bias(fields, plain, ignored=Flag.CROWDED),
        "no neighbour within 5 px": bias(fields, plain, distance > 5),
        "neighbour within 5 px, not flagged": bias(fields, plain, distance <= 5),
        "neighbour within 5 px, flag ignored": bias(fields, plain, distance <= 5, Flag.CROWDED),
    }
    for limit in (0.03, 0.1, 0.3):
        with patch.object(quality, "_MAX_NEIGHBOUR_LIGHT", limit):
            row = bias(fields, [measured(field, field.clean) for field in fields])
        rows[f"flagged above {100 * limit:.0f} %" + (" (in use)" if limit == 0.1 else "")] = row
    return rows


def cosmic_ray_rows(fields):
    clean, ignored = ([measured(f, getattr(f, name)) for f in fields] for name in ("clean", "struck"))
    true = [np.abs(f.struck.data - f.clean.data) > 10 for f in fields]
    spoiled = [np.abs(b.flux[0] - a.flux[0]) > a.flux_err[0] for a, b in zip(clean, ignored, strict=True)]
    rows = {"no cosmic rays": bias(fields, clean), "cosmic rays, no flag": bias(fields, ignored)}
    hits = {"every true hit flagged": (true, [np.zeros_like(t) for t in true])}
    hits["L.A.Cosmic (in use: 5, 10)"] = tuple(
        [find_cosmic_rays(getattr(f, name), np.ones(f.clean.data.shape, bool)) for f in fields]
        for name in ("struck", "clean")
    )
    for name, options in LACOSMIC.items():
        hits[name] = tuple([lacosmic(getattr(f, kind), **options) for f in fields] for kind in ("struck", "clean"))
    for name, (found, false) in hits.items():
        flagged = [measured(f, f.struck, hit=h) for f, h in zip(fields, found, strict=True)]
        falsely = [measured(f, f.clean, hit=h) for f, h in zip(fields, false, strict=True)]
        rows[name] = bias(fields, flagged) | rates(flagged, falsely, spoiled)
    return rows


def rates(flagged, falsely, spoiled):
    """Part of the stars that a hit changes by more than their error which is found, and of clean ones [per cent]."""
    ray = int(Flag.COSMIC_RAY)
    stars = [np.nan_to_num(p.flux[0]) for p in falsely]
    found, false = [], {"faint": [], "bright": []}
    for one, clear, hit, flux in zip(flagged, falsely, spoiled, stars, strict=True):
        good = (clear.flags[0] & ~ray) == 0
        found.append(((one.flags[0] & ray) != 0)[good & hit & (flux > 250) & (flux < 8000)])
        false["faint"].append(((clear.flags[0] & ray) != 0)[good & (flux > 250) & (flux < 2000)])
        false["bright"].append(((clear.flags[0] & ray) != 0)[good & (flux > 2000) & (flux < 32000)])
    return {"found": 100 * np.concatenate(found).mean()} | {k: 100 * np.concatenate(v).mean() for k, v in false.items()}


def lacosmic(image, **options):
    options = {"sigclip": 5.0, "objlim": 6.0, "sepmed": False} | options
    data = image.data + np.float32(image.background_removed)
    return astroscrappy.detect_cosmics(
        data, gain=1.0, readnoise=image.read_noise, satlevel=np.inf, niter=1, cleantype="medmask", **options
    )[0]


def hot_pixel_rows(fields, rng):
    """Hot pixels whose dark was subtracted leave their noise and the flag 16; some flicker."""
    images = [with_hot_pixels(field.clean, rng) for field in fields]
    rows = {"no hot pixels": bias(fields, [measured(field, field.clean) for field in fields])}
    for name, bits in (("bit 16 is bad", 16), ("bit 16 is not bad", 0)):
        bad_bits = Settings.bad_dq_bits & ~16 | bits
        rows[name] = bias(fields, [measured(f, i, bad_bits=bad_bits) for f, i in zip(fields, images, strict=True)])
    # What the dark does not know: one pixel in a thousand, for which L.A.Cosmic stands in.
    spiky = [with_spikes(field.clean, rng) for field in fields]
    for name, bits in (("spikes, bit 16 is bad", 16), ("spikes, bit 16 is not bad", 0)):
        bad_bits = Settings.bad_dq_bits & ~16 | bits
        hits = [find_cosmic_rays(i, i.dq & bad_bits == 0) for i in spiky]
        rows[name] = bias(
            fields, [measured(f, i, hit=h, bad_bits=bad_bits) for f, i, h in zip(fields, spiky, hits, strict=True)]
        )
    return rows


def with_spikes(image, rng):
    """Hot pixels with hundreds of electrons that were not subtracted."""
    hot = rng.random(image.data.shape) < 0.001
    data = image.data + np.where(hot, rng.exponential(300.0, hot.shape), 0.0).astype(np.float32)
    return replace(image, data=data, dq=image.dq | np.where(hot, detector.DQ_HOT, 0).astype(image.dq.dtype))


def with_hot_pixels(image, rng):
    hot = rng.random(image.data.shape) < HOT_FRACTION
    excess = rng.uniform(*HOT_EXCESS, np.count_nonzero(hot))
    data = image.data.copy()
    # A tenth of them has changed by half since the dark was taken.
    change = np.where(rng.random(excess.size) < 0.1, 0.5, 0.0) * rng.choice([-1, 1], excess.size)
    data[hot] += rng.poisson(excess * (1 + change)) - excess
    return replace(image, data=data, dq=image.dq | np.where(hot, detector.DQ_HOT, 0).astype(image.dq.dtype))


# ---- Telling ---------------------------------------------------------------------------------------------------------


def summary(results):
    """Row -> quantity -> (mean, standard error) over the fields."""
    return {
        row: {name: mean_and_error([one[row][name] for one in results]) for name in results[0][row]}
        for row in results[0]
    }


def mean_and_error(values):
    values = np.array(values, dtype=float)
    return np.nanmean(values, axis=0), np.nanstd(values, axis=0, ddof=1) / np.sqrt(len(values))


def show_truth(number):
    conditions = Conditions()
    print(f"{number} fields; {conditions}\n\nisolated stars, light lost in mag after 500, 1000, 2000 rows")
    fluxes = (350, 700, 1400, 2800, 5600)
    for flux, values in zip(fluxes, isolated_losses(conditions, fluxes, (500, 1000, 2000)), strict=True):
        print(f"{flux:8d} e-   " + "  ".join(f"{value:6.3f}" for value in values))


def show(part, rows):
    print(f"\n{part}: bias of the loss in mag / 2051 px at {', '.join(f'{b.lo:g}-{b.hi:g}' for b in BINS)} e-")
    for name, row in rows.items():
        bins = "  ".join(f"{v:+.3f}({e:.3f})" for v, e in zip(*row["bias"], strict=True))
        rest = "  ".join(f"{k} {v[0]:.3f}({v[1]:.3f})" for k, v in row.items() if np.ndim(v[0]) == 0)
        stars = " ".join(f"{v:.0f}" for v in row["stars"][0])
        claimed = " ".join(f"{v:.3f}" for v in row["claimed"][0])
        print(f"{name:36s} {bins}  stars {stars}  claimed {claimed}  {rest}")


PANELS = {
    "sky": ("Sky estimator", ("mean, stars masked (in use)", "mode, stars masked", "mean, no mask", "mode, no mask")),
    "crowding": ("Neighbours", ("no neighbour within 5 px", "neighbour within 5 px, not flagged",
                                "neighbour within 5 px, flag ignored")),
    "cosmic rays": ("Cosmic rays, 350 s", ("no cosmic rays", "cosmic rays, no flag", "every true hit flagged",
                                           "L.A.Cosmic (in use: 5, 10)")),
    "hot pixels": ("Hot pixels, 2 %", ("no hot pixels", "bit 16 is bad", "bit 16 is not bad")),
}  # fmt: skip
_LOOKS = (("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"), ("#CC79A7", "D"))
"""Colours of Okabe & Ito, and another marker each."""


def draw(tables):
    """The bias of the loss per flux bin, one panel for each part of the study."""
    figure = Figure(figsize=(11, 8), layout="constrained")
    for axes, (part, (title, names)) in zip(figure.subplots(2, 2, sharex=True).flat, PANELS.items(), strict=True):
        axes.axhline(0.0, color="0.6", linewidth=1)
        for k, (name, (colour, marker)) in enumerate(zip(names, _LOOKS, strict=False)):
            value, error = tables[part][name]["bias"]
            x = [np.sqrt(b.lo * b.hi) * 1.06 ** (k - 1.5) for b in BINS]
            axes.errorbar(x, value, error, color=colour, marker=marker, linestyle="none", capsize=2, label=name)
        axes.set(xscale="log", title=title)
        axes.legend(fontsize=8)
    figure.supxlabel("Flux of the bin in 3 px [e-]")
    figure.supylabel("Measured minus true loss [mag / 2051 px]")
    return figure


if __name__ == "__main__":
    main()
