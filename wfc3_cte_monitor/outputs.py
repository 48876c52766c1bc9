"""Folder and file names of the output tree, and the text files in it."""

import json
import logging
import os
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.table import Table, vstack

from wfc3_cte_monitor.errors import ConfigurationError, UnusableExposureError
from wfc3_cte_monitor.records import StarPositions

__all__ = [
    "flash_folder",
    "set_folder",
    "exposure_stem",
    "pair_stem",
    "cte_time_name",
    "cte_logflux_name",
    "unique_path",
    "publish",
    "NewestResults",
    "newest_results",
    "complete",
    "write_table",
    "read_positions",
]

log = logging.getLogger(__name__)

FOLDERS = {
    "finalresults": "Final figures and coefficients, by flash level, FLT/FLC ('_ctecorr') and time of the run; "
    "most_recent is the last of them.",
    "photom": "Coordinates (.coo), photometry (.mag) and diagnostic pictures of every exposure.",
    "tempfiles": "Files of the run that is going on. Nothing in here is needed when none is.",
    "tweakreg": "Pictures, matches, headerlet and log of every alignment; alignments.txt has their numbers.",
    "crmasks": "Cosmic-ray masks of AstroDrizzle, 0 for hits; crmasks.txt says how much of the stars they take.",
    "logs": "One log file per run.",
}
"""The folders of the output tree, and what their READMEs say."""

MOST_RECENT = "most_recent"

_FINGERPRINTS = "fingerprints.json"
"""In each folder of results: what every file was made from."""


# ---- Names -----------------------------------------------------------------------------------------------------------


def flash_folder(flashlvl, ctecorr):
    """'pf12' for FLT, 'pf12_ctecorr' for FLC."""
    return f"pf{flashlvl:g}{'_ctecorr' if ctecorr else ''}"


def set_folder(exposure_set):
    """'ngc104_F502N_l'."""
    return f"{exposure_set.target}_{exposure_set.filter}_{exposure_set.length}"


def exposure_stem(exposure):
    """'iabc01xyq_flt': the name of an exposure's .coo, .mag and .png."""
    return exposure.imagename.removesuffix(".fits")


def pair_stem(pair, aperture):
    """'iabc01xyq_iabc01xzq_r3_slopes'."""
    return f"{pair.one.rootname}_{pair.two.rootname}_r{aperture:g}_slopes"


def cte_time_name(filter_name, length, flashlvl, ctecorr, aperture):
    """'cteVStime_F502N_l_pf12_ctecorrFalse_r3'."""
    return f"cteVStime_{filter_name}_{length}_pf{flashlvl:g}_ctecorr{ctecorr}_r{aperture:g}"


def cte_logflux_name(target, filter_name, length, flashlvl, ctecorr, aperture):
    """'cteVSlogflux_ngc104_F502N_l_pf12_ctecorrFalse_r3'."""
    return f"cteVSlogflux_{target}_{filter_name}_{length}_pf{flashlvl:g}_ctecorr{ctecorr}_r{aperture:g}"


# ---- Folders ---------------------------------------------------------------------------------------------------------


def make_folder(path):
    """Make a folder that can be written to.

    Raises
    ------
    ConfigurationError
        It cannot be made or written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        # Asking os.access is not enough: it tells root that a read-only file system can be written.
        probe = path / f".writable_{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written ({error.strerror})") from error
    return path


def unique_path(parent, name, suffix=""):
    """`parent` / `name` + `suffix`, with a number behind the name where that exists."""
    candidates = (parent / f"{name}{f'_{n}' if n else ''}{suffix}" for n in range(10_000))
    return next(path for path in candidates if not path.exists())


def publish(staged, finalresults, timestamp):
    """Move the finished results of a run to their place, and point ``most_recent`` to them.

    Each flash folder moves by one rename, and the link is replaced by another: a reader sees the old results or the
    new ones, never a part.

    Parameters
    ----------
    staged : `pathlib.Path`
        Holds one folder per flash level and FLT/FLC; on the same file system.
    finalresults : `pathlib.Path`
    timestamp : str
        Name of the run's folder.

    Returns
    -------
    folders : list of `pathlib.Path`
        Where the results are now.
    """
    published = []
    for source in sorted(path for path in staged.iterdir() if path.is_dir()):
        parent = finalresults / source.name
        parent.mkdir(parents=True, exist_ok=True)
        folder = unique_path(parent, timestamp)
        source.replace(folder)
        _point_to(parent / MOST_RECENT, folder)
        published.append(folder)
    return published


@dataclass(frozen=True)
class NewestResults:
    """The newest results of a flash level and FLT or FLC."""

    folder: Path
    made_from: dict
    """Name of a file, relative to the folder -> fingerprint of what it was made from."""

    def has(self, name, fingerprint):
        """Whether a file is there that was made from what the fingerprint tells."""
        return self.made_from.get(name) == fingerprint and (self.folder / name).is_file()


def newest_results(finalresults, flash):
    """The `NewestResults` of a flash folder such as 'pf12_ctecorr'; without files where there are none."""
    folder = finalresults / flash / MOST_RECENT
    try:
        made_from = json.loads((folder / _FINGERPRINTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        made_from = {}
    return NewestResults(folder, made_from if isinstance(made_from, dict) else {})


def complete(staged, newest, made_from, valid):
    """Take over the files of the newest results that are still true, and write what everything was made from.

    Parameters
    ----------
    staged : `pathlib.Path`
        Where this run makes the results that follow the newest ones.
    newest : `NewestResults`
    made_from : dict
        Name of a file that this run made, relative to `staged` -> fingerprint.
    valid : set of str
        Fingerprints: files that were made from something else are not taken over.
    """
    kept = {name: value for name, value in newest.made_from.items() if value in valid and name not in made_from}
    kept = {name: value for name, value in kept.items() if _link(newest.folder / name, staged / name)}
    text = json.dumps(made_from | kept, indent=0, sort_keys=True)
    replace_file(staged / _FINGERPRINTS, lambda new: new.write_text(text, encoding="utf-8"))


def _link(source, target):
    """Give a file a second name, or copy it where the file system can't: results are replaced, never written into.

    Returns
    -------
    done : bool
        False where there is no such file.
    """
    if not source.is_file():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copy2(source, target)
    return True


def _point_to(link, folder):
    if link.is_dir() and not link.is_symlink():
        link.replace(unique_path(link.parent, f"{MOST_RECENT}_before_{folder.name}"))
    new = link.with_name(f".{link.name}_{os.getpid()}")
    new.unlink(missing_ok=True)
    new.symlink_to(folder.name, target_is_directory=True)
    new.replace(link)


def copy_tree(folders, destination):
    """Copy published result folders for a web site, as ``<destination>/<flash folder>/``, replacing what is there."""
    for folder in folders:
        target = destination / folder.parent.name
        new = target.with_name(f".{target.name}_{os.getpid()}")
        shutil.rmtree(new, ignore_errors=True)
        shutil.copytree(folder, new, ignore=shutil.ignore_patterns(_FINGERPRINTS))
        shutil.rmtree(target, ignore_errors=True)
        new.replace(target)


# ---- Files -----------------------------------------------------------------------------------------------------------


def write_table(table, path):
    """Write a table as ECSV (whatever the suffix: the monitor's are .coo, .mag and .txt), whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, lambda new: table.write(new, format="ascii.ecsv", overwrite=True))


def replace_file(path, write):
    """Let `write(new_path)` write a file that then takes the place of `path` in one step."""
    # With the host: workers of a cluster write to the same folders, and in containers their process ids are alike.
    new = path.with_name(f".{os.getpid()}-{_host()}_{path.name}")
    try:
        write(new)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def sweep(folder):
    """Remove what `replace_file` left in a folder when its process was killed.

    Parameters
    ----------
    folder : `pathlib.Path`
        It need not exist.
    """
    for path in folder.glob(".[0-9]*_*"):
        pid, _, host = path.name[1:].partition("_")[0].partition("-")
        if pid.isdigit() and host in ("", _host()) and not _is_running(int(pid)):
            path.unlink(missing_ok=True)


def _host():
    return socket.gethostname().replace("_", "-")


def _is_running(pid):
    """Whether a process is there; one of another user is, too."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


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
        raise UnusableExposureError(path, f"not a coordinate file ({error}); run with --dofind y") from error


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
        log.warning("%s: not a table any more (%s); it is %s now", path, " ".join(str(error).split()), aside.name)
        return Table()


def write_coefficients(surface, path, meta):
    """Write the nine coefficients for people, and their covariance beside in ``<path without .txt>_covariance.ecsv``.

    Parameters
    ----------
    surface : `records.CteSurface`
    path : `pathlib.Path`
        ``..._coeffs.txt``
    meta : dict
        What the header says besides the surface's own numbers.

    Returns
    -------
    covariance : `pathlib.Path`
        The file with the covariance.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    header = _coefficient_header(surface) | meta
    rows = [
        f"{i:3d} {j:3d} {surface.coefficients[i, j]: .12e} {surface.errors[i, j]:.6e}"
        for i in range(3)
        for j in range(3)
    ]
    text = "\n".join([*(f"# {name}: {value}" for name, value in header.items()), "# row col coefficient error", *rows])
    replace_file(path, lambda new: new.write_text(text + "\n"))
    names = [f"c{i}{j}" for i in range(3) for j in range(3)]
    covariance = Table(surface.covariance, names=names, meta=header)
    covariance.add_column(names, index=0, name="coefficient")
    beside = path.with_name(f"{path.stem}_covariance.ecsv")
    write_table(covariance, beside)
    return beside


def _coefficient_header(surface):
    unit = {"mag": "mag / 2051 px", "flux": "flux fraction / 2048 px"}[surface.unit]
    return {
        "model": "S(d, f) = sum over row i, col j of c_ij d^i f^j; d = MJD - 55400 [days]; "
        "f = log10 of sqrt(F1 F2) [e- in the aperture], the flux after half a chip of transfers",
        "unit": unit,
        "rank": f"{surface.rank} of 9 (missing coefficients are 0)",
        "chi2": f"{surface.chi2:.3f}",
        "points": surface.n_points,
        "epochs": surface.n_epochs,
        "range_d": f"{surface.d_range[0]:.3f} {surface.d_range[1]:.3f}",
        "range_f": f"{surface.f_range[0]:.4f} {surface.f_range[1]:.4f}",
    }
