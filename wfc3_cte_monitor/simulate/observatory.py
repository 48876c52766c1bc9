"""A data tree of simulated exposures, as the monitor expects it, and the truth beside it."""

import logging
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import QTable

from wfc3_cte_monitor.errors import ConfigurationError
from wfc3_cte_monitor.simulate.clusters import Cluster, make_cluster, master_catalog
from wfc3_cte_monitor.simulate.exposure import CHIPS, simulate_exposure, stars_on_chip
from wfc3_cte_monitor.simulate.loss import F_RANGE, SURFACE, loss_factor
from wfc3_cte_monitor.simulate.plan import PlannedExposure, default_plan
from wfc3_cte_monitor.simulate.pointing import attitude_of, inside, pixel_area_map, wcs_header
from wfc3_cte_monitor.simulate.templates import DETECTOR_COLUMNS
from wfc3_cte_monitor.uvis import MJD_ZERO, MONITOR_TARGETS, ROWS, exposure_length

__all__ = ["simulate_observatory", "truth_table", "surface_table", "write_master_catalog"]

_LOG = logging.getLogger(__name__)

_FLASHLVLS = (0.0, 6.0, 12.0, 18.0, 24.0, 33.0, 55.0, 91.0, 116.0)

_FORMULA = (
    "S(d, f) = sum of c_ij d^i f^j [mag / 2051 px]; d = MJD - 55400 [d]; f = log10 of the flux in 3 px after half a"
    " chip of transfers [e-], clipped to f_range; in n transfers a star loses S n / 2051 mag"
)
_STARS = {
    "id": (None, "of the master catalogue"),
    "chip": (None, "1: UVIS1, 2: UVIS2"),
    "x": ("pix", "column, 1-based"),
    "y": ("pix", "row, 1-based"),
    "n_transfers": ("pix", "rows to the amplifier"),
    "flux0": ("electron", "total, before the loss"),
    "flux": ("electron", "total, after the loss"),
    "flux_3": ("electron", "in 3 px, after the loss, times the pixel area"),
}
"""Column of `truth_table` -> its unit, and what it is."""


@dataclass(frozen=True)
class _Task:
    """What a worker process needs to write one file and its truth."""

    exposure: PlannedExposure
    ctecorr: bool
    cluster: Cluster
    destination: Path
    seed: int
    n_columns: int
    archive: bool


def simulate_observatory(
    destination: str | os.PathLike[str],
    plan: Iterable[PlannedExposure] | None = None,
    *,
    seed: int = 0,
    n_columns: int = 256,
    full_frame: bool = False,
    clusters: dict[str, Cluster] | None = None,
    archive: bool = False,
    jobs: int = 1,
    progress: Callable[[Path], object] | None = None,
) -> list[Path]:
    """Write exposures, master catalogues, pixel area maps and the truth.

    Parameters
    ----------
    destination : path-like
        Folder; made where it does not exist. Files of the same name are replaced.
    plan : iterable of PlannedExposure, optional
        By default `default_plan()`.
    seed : int, optional
        Fixes every number in every file, however many `jobs` write them.
    n_columns : int, optional
        The central columns of the chips to simulate [px].
    full_frame : bool, optional
        All 4096 columns.
    clusters : dict of str to Cluster, optional
        Clusters to use instead of `make_cluster(target)`.
    archive : bool, optional
        As an archive delivers them: exposures in the folder ``archive``, nothing in ``data``, the master catalogues
        beside the truth.
    jobs : int, optional
        Processes.
    progress : callable, optional
        Called with the path of every exposure that is written.

    Returns
    -------
    paths : list of `pathlib.Path`
        The exposures, in the order of the plan, FLT before FLC.
    """
    destination = Path(destination)
    n_columns = _checked_columns(DETECTOR_COLUMNS if full_frame else n_columns)
    plan = _checked_plan(default_plan() if plan is None else plan)
    clusters = _clusters(plan, clusters or {}, seed, n_columns)
    _write_surroundings(destination, clusters, n_columns, archive)
    tasks = [
        _Task(exposure, ctecorr, clusters[exposure.target], destination, seed, n_columns, archive)
        for exposure in plan
        for ctecorr in exposure.variants
    ]
    _LOG.info("simulating %d files of %d columns in %s", len(tasks), n_columns, destination)
    return _run(tasks, jobs, progress or (lambda path: None))


def _checked_plan(plan):
    plan = tuple(plan)
    if len({exposure.rootname for exposure in plan}) < len(plan):
        raise ConfigurationError("the plan has two exposures of the same program, visit and number")
    return plan


def _checked_columns(n_columns):
    if not 1 <= n_columns <= DETECTOR_COLUMNS or n_columns % 2:
        raise ConfigurationError(f"n_columns = {n_columns}: an even number up to {DETECTOR_COLUMNS} is needed")
    return n_columns


def _clusters(plan, given, seed, n_columns):
    """Target -> cluster, for the monitor's targets and those of the plan."""
    made = {
        target: make_cluster(target, n_columns=n_columns, seed=seed)
        for target in dict.fromkeys((*MONITOR_TARGETS, *(exposure.target for exposure in plan)))
        if target not in given
    }
    return made | given


def _run(tasks, jobs, progress):
    """Write the files of all tasks, here or in worker processes; paths in the order of the tasks."""
    if jobs <= 1:
        return [_reported(_write_exposure(task), progress) for task in tasks]
    with ProcessPoolExecutor(max_workers=jobs) as pool:
        return [_reported(path, progress) for path in pool.map(_write_exposure, tasks)]


def _reported(path, progress):
    progress(path)
    return path


def _write_exposure(task):
    """Write an exposure and its truth; the path of the exposure."""
    exposure, ctecorr = task.exposure, task.ctecorr
    name = exposure.imagename(ctecorr)
    hdulist = simulate_exposure(exposure, task.cluster, ctecorr=ctecorr, seed=task.seed, n_columns=task.n_columns)
    folder = Path("archive") if task.archive else Path("data") / str(exposure.program)
    path = task.destination / folder / name
    _write(path, hdulist.writeto)
    truth = truth_table(exposure, task.cluster, ctecorr=ctecorr, n_columns=task.n_columns)
    _write(task.destination / "truth" / name.replace(".fits", ".ecsv"), _ecsv_writer(truth))
    return path


def _write(path, writer):
    """Let `writer` write to a temporary name beside `path`, then rename: no reader ever sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        writer(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _ecsv_writer(table):
    return partial(table.write, format="ascii.ecsv")


def truth_table(exposure: PlannedExposure, cluster: Cluster, *, ctecorr: bool = False, n_columns: int = 256) -> QTable:
    """The stars inside the frames of an exposure, as they truly are.

    Parameters
    ----------
    exposure : PlannedExposure
    cluster : Cluster
    ctecorr : bool, optional
    n_columns : int, optional

    Returns
    -------
    table : `astropy.table.QTable`
        id, chip, x, y (1-based) [px], n_transfers [px], flux0 (total, before the loss), flux (total, after it) and
        flux_3 (after it, in 3 px, corrected for the pixel area) [e-]; the meta says what the loss was made of.
    """
    columns = {name: [] for name in _STARS}
    for chip in CHIPS:
        stars = stars_on_chip(exposure, cluster, chip, ctecorr=ctecorr, n_columns=n_columns)
        shown = inside((n_columns, ROWS), stars.x, stars.y)
        for name, values in columns.items():
            values.append(np.full(shown.sum(), chip) if name == "chip" else getattr(stars, name)[shown])
    table = QTable({name: np.concatenate(values) for name, values in columns.items()})
    for name, (unit, description) in _STARS.items():
        _describe(table, name, unit, description)
    table.meta = _truth_meta(exposure, ctecorr)
    return table


def _describe(table, name, unit, description):
    if unit:
        table[name].unit = unit
    table[name].info.description = description


def _truth_meta(exposure, ctecorr):
    return {
        "rootname": exposure.rootname,
        "mjd": exposure.mjd,
        "d": exposure.mjd - MJD_ZERO,
        "target": exposure.target,
        "filter": exposure.filter,
        "length": exposure_length(exposure.exptime),
        "flashlvl": exposure.flash,
        "ctecorr": bool(ctecorr),
        "field_chip": exposure.chip,
        "wcs_error": list(exposure.wcs_error),
        "roll_error": exposure.roll_error,
        "coefficients": SURFACE.tolist(),
        "factor": loss_factor(exposure.flash, ctecorr),
    }


def surface_table() -> QTable:
    """The surface, one row for each post-flash level and for FLT and FLC, as an `astropy.table.QTable`.

    Columns flashlvl [e-/px], ctecorr, factor and c_ij (factor included) [mag per 2051 px and day^i]; meta: the formula,
    c_ij of the FLT without post-flash, and the range that f is clipped to.
    """
    sets = [(flashlvl, ctecorr) for flashlvl in _FLASHLVLS for ctecorr in (False, True)]
    factor = np.array([loss_factor(*one) for one in sets])
    columns = {"flashlvl": [one[0] for one in sets], "ctecorr": [one[1] for one in sets], "factor": factor}
    terms = {f"c{i}{j}": factor * SURFACE[i, j] for i in range(3) for j in range(3)}
    meta = {"formula": _FORMULA, "coefficients": SURFACE.tolist(), "f_range": list(F_RANGE)}
    table = QTable(columns | terms, meta=meta)
    _describe(table, "flashlvl", "electron / pix", "post-flash level")
    _describe(table, "ctecorr", None, "True: FLC, False: FLT")
    _describe(table, "factor", None, "what the loss of an FLT without post-flash is multiplied with")
    for i in range(3):
        for j in range(3):
            unit = f"mag / day{i}" if i else "mag"
            _describe(table, f"c{i}{j}", unit, f"of d^{i} f^{j}, factor included, per 2051 px")
    return table


def write_master_catalog(cluster, path):
    """Write the master catalogue of a cluster: id x y ra dec, separated by blanks, without a header."""
    catalog = master_catalog(cluster)
    rows = zip(catalog.id, catalog.x, catalog.y, catalog.ra, catalog.dec, strict=True)
    lines = [f"{id_:7d} {x:11.4f} {y:11.4f} {ra:14.9f} {dec:14.9f}\n" for id_, x, y, ra, dec in rows]
    _write(Path(path), lambda temporary: temporary.write_text("".join(lines), encoding="ascii"))


def _write_surroundings(destination, clusters, n_columns, archive):
    """Everything but the exposures."""
    data = destination / "data"
    (data / "newdata").mkdir(parents=True, exist_ok=True)
    catalogs = destination / "truth" if archive else data / "master_cat" / "final"
    for target, cluster in clusters.items():
        write_master_catalog(cluster, catalogs / f"{target}_master.cat")
    for chip in () if archive else CHIPS:
        _write_area_map(chip, n_columns, data / "PA_MAPS" / f"UVIS{chip}wfc3_map.fits")
    _write(destination / "truth" / "surface.ecsv", _ecsv_writer(surface_table()))


def _write_area_map(chip, n_columns, path):
    # The distortion and the scale of CD are the same at every attitude.
    header = wcs_header(chip, attitude_of(0.0, 0.0, 0.0), n_columns)
    hdu = fits.PrimaryHDU(pixel_area_map(header))
    hdu.header["CCDCHIP"] = chip, "CCD chip"
    hdu.header["IDCSCALE"] = header["IDCSCALE"], "side of a pixel of unit area [arcsec]"
    _write(path, hdu.writeto)
