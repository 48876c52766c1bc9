"""Time the steps from a full-frame file to rows in the database.

Every step is timed several times, in turn with its floor: the least that anybody would have to do for it. The ratio of
the medians is what counts; seconds on a shared machine say little.
"""

import argparse
import sqlite3
import tempfile
import time
from pathlib import Path

import numpy as np
import sep
from astropy.io import fits
from scipy.ndimage import median_filter

from benchmarks import archive, figures
from wfc3_cte_monitor import exposures, iraf, photometry, quality, simulate
from wfc3_cte_monitor.cosmic_rays import find_cosmic_rays
from wfc3_cte_monitor.database import Database, fileinfo_row
from wfc3_cte_monitor.database.rows import phot_columns
from wfc3_cte_monitor.errors import ConfigurationError
from wfc3_cte_monitor.iraf import task
from wfc3_cte_monitor.matching import stars_on_chip
from wfc3_cte_monitor.records import Exposure, FluxBin, PhotometrySetup
from wfc3_cte_monitor.settings import Settings
from wfc3_cte_monitor.tables import Schema
from wfc3_cte_monitor.uvis import sci_extver

APRADS, BAD_BITS = (3.0, 5.0, 10.0), Settings.bad_dq_bits
SETUP = PhotometrySetup(APRADS, Settings.sky_annulus, Settings.max_shift)
CHIP = 2


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--stars", type=int, default=20_000, help="on the chip (default 20000)")
    parser.add_argument("--repeats", type=int, default=5, help="timings of each step (default 5)")
    parser.add_argument("--growth", type=int, nargs="*", default=[1000, 5000, 20_000, 50_000], help="numbers of stars")
    parser.add_argument("--exposures", type=int, nargs=2, default=[8, 32], help="of two archives (default 8 32)")
    parser.add_argument("--columns", type=int, default=512, help="of their exposures (default 512)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path, catalog = full_frame(Path(folder), args.stars)
        rows = [compare(*step, args.repeats) for step in steps(path, catalog, Path(folder))]
        rows += archive.rows(Path(folder) / "archive", args.exposures, args.columns)
        rows += figures.rows(Path(folder) / "figures")
        print(f"full-frame chip, {args.stars} stars, medians of {args.repeats}; whole archives and figures once\n")
        print(f"{'step':34s} {'seconds':>9s}   {'floor or peer':42s} {'seconds':>9s} {'ratio':>7s}")
        for name, seconds, floor_name, floor_seconds in rows:
            print(f"{name:34s} {seconds:9.4f}   {floor_name:42s} {floor_seconds:9.4f} {seconds / floor_seconds:7.2f}")
        ingest = next(seconds for name, seconds, *_ in rows if name.startswith("ingest"))
        print(f"\ningest: {args.stars / ingest:,.0f} rows/s")
        print(f"peak memory of a worker on full frames: {archive.worker_memory(path, catalog, Path(folder)):.0f} MB")
        print("\nphotometry against the number of stars")
        for number in args.growth:
            seconds = photometry_of(*full_frame(Path(folder), number), args.repeats)
            print(f"{number:8d} stars {seconds:8.3f} s {1e6 * seconds / number:8.1f} us per star")


def photometry_of(path, catalog, repeats):
    """Median seconds of the photometry of a chip."""
    step = next(step for name, step, *_ in steps(path, catalog, path.parent) if name == "photometry, all of it")
    step()
    return np.median([timed(step) for _ in range(repeats)])


def compare(name, step, floor_name, floor, repeats):
    """Median seconds of a step and of its floor, run in turn so that both meet the same machine."""
    step(), floor()
    seconds = np.array([(timed(step), timed(floor)) for _ in range(repeats)])
    return name, np.median(seconds[:, 0]), floor_name, np.median(seconds[:, 1])


def timed(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def full_frame(folder, n_stars):
    """A simulated full frame with `n_stars` on the chip, and their catalogue."""
    plan = simulate.default_plan(n_epochs=1, targets=("ngc104",), lengths=("l",), flashlvls=(0.0,), ctecorr=(False,))
    exposure = next(e for e in plan if e.chip == CHIP)
    cluster = simulate.make_cluster("ngc104", 2 * n_stars, n_columns=4096)
    stars = simulate.stars_on_chip(exposure, cluster, CHIP, n_columns=4096)
    chosen = np.isin(cluster.id, stars.id[:n_stars])
    cluster = simulate.Cluster("ngc104", *(v[chosen] for v in (cluster.id, cluster.ra, cluster.dec, cluster.flux)))
    path = folder / exposure.imagename(False)
    simulate.simulate_exposure(exposure, cluster, n_columns=4096).writeto(path, overwrite=True)
    return path, cluster


def steps(path, catalog, folder):
    """(name, step, name of the floor, floor) of each step."""
    image = exposures.read_chip(path, CHIP)
    masks = quality.pixel_masks(image, BAD_BITS)
    index, x, y = stars_on_chip(image.wcs, image.data.shape, catalog.ra, catalog.dec)
    area = exposures.pixel_area(image, x, y)
    positions = photometry.find(image, catalog.id[index], x, y, SETUP)
    masks = quality.with_stars(masks, image, positions)
    measured = quality.flagged(photometry.measure(image, masks, positions, area, SETUP), masks)

    def measure():
        found = photometry.find(image, catalog.id[index], x, y, SETUP)
        not_sky = quality.with_stars(masks, image, found)
        one = photometry.measure(image, not_sky, found, exposures.pixel_area(image, x, y), SETUP)
        quality.flagged(one, masks)

    def sums():
        for radius in APRADS:
            sep.sum_circle(image.data, x - 1, y - 1, radius, subpix=0)

    ra, dec = image.wcs.all_pix2world(np.random.default_rng(0).uniform(1, 2051, (100_000, 2)), 1).T
    return [
        ("read a chip", lambda: exposures.read_chip(path, CHIP), "read its bytes", lambda: chip_bytes(path)),
        (
            "sky to pixel",
            lambda: stars_on_chip(image.wcs, image.data.shape, catalog.ra, catalog.dec),
            "wcslib without distortion",
            lambda: image.wcs.wcs_world2pix(catalog.ra, catalog.dec, 1),
        ),
        (
            "sky to pixel, 100,000 stars",
            lambda: stars_on_chip(image.wcs, image.data.shape, ra, dec),
            f"photometry of {len(x)} stars",
            measure,
        ),
        ("cosmic rays", lambda: find_cosmic_rays(image, ~masks.bad), "one 5 x 5 median", lambda: median(image)),
        ("photometry, all of it", measure, "C calls of the three aperture sums", sums),
        *iraf_steps(measure, image, x, y, folder),
        ("ingest", *ingestion(measured, folder)),
    ]


def iraf_steps(measure, image, x, y, folder):
    """IRAF's phot on the same stars, centring, three apertures and sky: with its files written and read."""
    try:
        iraf.require_iraf()
    except ConfigurationError as error:
        print(f"left out: {error}")
        return

    def phot():
        fits.PrimaryHDU(image.data).writeto(folder / "image.fits", overwrite=True)
        how = {"centerpars__calgorithm": "ofilter", "fitskypars__salgorithm": "mean"}
        radii = ",".join(f"{radius:g}" for radius in APRADS)
        task.phot(folder, "image.fits", x, y, len(APRADS), photpars__apertures=radii, **how)

    yield "photometry, all of it", measure, "IRAF's phot, its files written and read", phot


def chip_bytes(path):
    """Read what SCI and DQ of a chip hold on disk."""
    with fits.open(path, memmap=False) as hdus:
        places = [hdus[name, sci_extver(CHIP)].fileinfo() for name in ("SCI", "DQ")]
    with path.open("rb") as file:
        for place in places:
            file.seek(place["datLoc"])
            file.read(place["datSpan"])


def median(image):
    return median_filter(image.data, 5)


def ingestion(measured, folder):
    """The pipeline's own way into a fresh database, and sqlite3's executemany of the same rows into the same table."""
    schema = Schema(["ngc104"], APRADS, [FluxBin(250, 500)])
    exposure = Exposure(
        Path("i/ibxx01aaq_flt.fits"), "ibxx01aaq", 1, "ngc104", "F502N", 350.0, 55e3, 0.0, False, 2, 0, 0, 0
    )
    fileinfo = fileinfo_row(exposure, {"PHOTPATH": "", "COOFILE": "", "MAGFILE": ""})
    database = Database(f"sqlite:///{folder / 'bench.db'}", schema)
    database.create()
    ids = measured.positions.id
    with database.transaction() as connection:
        rows = [{"id": int(i), "XPIX": 0.0, "YPIX": 0.0, "RA": 0.0, "DEC": 0.0} for i in ids]
        database.upsert(connection, "ngc104", "master", rows)
    database.store_exposure("ngc104", fileinfo, measured)
    columns = phot_columns(measured, 1)

    def raw():
        connection = sqlite3.connect(folder / "bench.db", isolation_level=None)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("BEGIN")
        connection.execute("DELETE FROM ngc104_phot")
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        connection.executemany(
            f"INSERT INTO ngc104_phot ({names}) VALUES ({marks})", zip(*columns.values(), strict=True)
        )
        connection.execute("COMMIT")
        connection.close()

    return lambda: database.store_exposure("ngc104", fileinfo, measured), "sqlite3's executemany", raw


if __name__ == "__main__":
    main()
