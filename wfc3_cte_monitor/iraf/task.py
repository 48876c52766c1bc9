"""IRAF's compiled task `phot`, called without CL and terminal; its files are written and read here."""

import os
import subprocess
from pathlib import Path

import numpy as np

from wfc3_cte_monitor.errors import ConfigurationError, IrafError

__all__ = ["require_iraf", "phot", "write_lines"]

_DEFAULT_ROOT = "/usr/lib/iraf"
_TASK = Path("noao", "bin", "x_apphot.e")
_TIMEOUT = 600.0
"""A full frame with 20,000 stars takes seconds [s]."""

# Every parameter must be said: for one that is missing, the task would ask the CL.
_PARAMETERS = {
    "skyfile": "",
    "plotfile": "",
    "interactive": "no",
    "radplots": "no",
    "icommands": "",
    "icommands.p_filename": "",
    "gcommands": "",
    "gcommands.p_filename": "",
    "wcsin": "logical",
    "wcsout": "logical",
    "cache": "yes",  # without it the task takes a hundred times as long
    "verify": "no",
    "update": "no",
    "verbose": "no",
    "graphics": "",
    "display": "",
    "datapars.scale": 1.0,
    "datapars.fwhmpsf": 1.8,
    "datapars.emission": "yes",
    "datapars.sigma": "INDEF",
    "datapars.datamin": "INDEF",
    "datapars.datamax": "INDEF",
    "datapars.noise": "poisson",
    "datapars.ccdread": "",
    "datapars.gain": "",
    "datapars.readnoise": 3.1,
    "datapars.epadu": 1.0,
    "datapars.exposure": "",
    "datapars.airmass": "",
    "datapars.filter": "",
    "datapars.obstime": "",
    "datapars.itime": 1.0,
    "datapars.xairmass": "INDEF",
    "datapars.ifilter": "INDEF",
    "datapars.otime": "INDEF",
    "centerpars.calgorithm": "none",
    "centerpars.cbox": 5.0,
    "centerpars.cthreshold": 0.0,
    "centerpars.minsnratio": 0.0,
    "centerpars.cmaxiter": 10,
    "centerpars.maxshift": 1.5,
    "centerpars.clean": "no",
    "centerpars.rclean": 1.0,
    "centerpars.rclip": 2.0,
    "centerpars.kclean": 3.0,
    "centerpars.mkcenter": "no",
    "fitskypars.salgorithm": "file",
    "fitskypars.annulus": 12.0,
    "fitskypars.dannulus": 8.0,
    "fitskypars.skyvalue": 0.0,
    "fitskypars.smaxiter": 10,
    "fitskypars.sloclip": 0.0,
    "fitskypars.shiclip": 0.0,
    "fitskypars.snreject": 50,
    "fitskypars.sloreject": 3.0,
    "fitskypars.shireject": 3.0,
    "fitskypars.khist": 3.0,
    "fitskypars.binsize": 0.1,
    "fitskypars.smooth": "no",
    "fitskypars.rgrow": 0.0,
    "fitskypars.mksky": "no",
    "photpars.weighting": "constant",
    "photpars.apertures": 3.0,
    "photpars.zmag": 25.0,
    "photpars.mkapert": "no",
}

# Line of a star, first and last letter: the widths that the head of an output file tells (#F). IRAF fills them, so that
# columns run together.
_FIELDS = {
    "XCENTER": (1, 0, 14),
    "YCENTER": (1, 14, 25),
    "CIER": (1, 64, 69),
    "MSKY": (2, 0, 18),
    "STDEV": (2, 18, 33),
    "NSKY": (2, 48, 55),
}
_APERTURE_FIELDS = {"AREA": (26, 37), "FLUX": (37, 51), "PIER": (64, 69)}
_LINES_BEFORE_APERTURES = 4


def require_iraf():
    """The compiled task and the root of the installation that it belongs to.

    Returns
    -------
    task, root : `pathlib.Path`

    Raises
    ------
    ConfigurationError
        IRAF is not installed where $iraf says, nor in its place on Debian.
    """
    root = Path(os.environ.get("iraf") or _DEFAULT_ROOT)  # noqa: SIM112 IRAF's own name
    if not (root / _TASK).is_file():
        raise ConfigurationError(
            f"IRAF's phot is not installed ({root / _TASK}): apt install iraf iraf-noao, or set $iraf to its folder"
        )
    return root / _TASK, root


def phot(folder, image, x, y, n_apertures, **parameters):
    """Run `phot`.

    Parameters
    ----------
    folder : `pathlib.Path`
        Scratch folder, where the image and a sky file are.
    image : str
        Name of a FITS file there.
    x, y : ndarray, shape (n,)
        1-based [px].
    n_apertures : int
    **parameters
        Those that are not the defaults; a dot of their names is written as two underscores, as in
        ``centerpars__calgorithm="ofilter"``.

    Returns
    -------
    columns : dict
        XCENTER, YCENTER, CIER, MSKY, STDEV, NSKY of shape (n,); AREA, FLUX, PIER of shape (n_apertures, n). INDEF is
        NaN.

    Raises
    ------
    IrafError
        The task failed.
    """
    if not len(x):
        return {name: np.empty(0) for name in _FIELDS} | {n: np.empty((n_apertures, 0)) for n in _APERTURE_FIELDS}
    write_lines(folder / "coordinates", x, y)
    output = folder / "output"
    output.unlink(missing_ok=True)
    given = {name.replace("__", "."): value for name, value in parameters.items()}
    words = _PARAMETERS | {"image": image, "coords": "coordinates", "output": output.name} | given
    (folder / "parameters").write_text("".join(f"{name}={value}\n" for name, value in words.items()))
    _call(folder)
    return _read(output, len(x), n_apertures)


def write_lines(path, *columns):
    """Write columns of numbers for IRAF; NaN becomes INDEF."""
    numbers = np.column_stack(columns)
    path.write_text("".join(" ".join(map(_word, row)) + "\n" for row in numbers.tolist()))


def _word(number):
    return f"{number:.4f}" if np.isfinite(number) else "INDEF"


def _call(folder):
    task, root = require_iraf()
    # Nothing of the user's: IRAF would look for a login.cl and for parameters in their home.
    environment = {
        "iraf": f"{root}/",
        "host": f"{root}/unix/",
        "tmp": f"{folder}/",
        "HOME": str(folder),
        "PATH": "/usr/bin:/bin",
    }
    try:
        done = subprocess.run(
            [task, "phot", "@parameters"],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise IrafError(f"IRAF's phot did not end within {_TIMEOUT:g} s") from error
    if done.returncode:
        said = " ".join((done.stdout + done.stderr).split()) or "no message"
        raise IrafError(f"IRAF's phot failed with code {done.returncode}: {said}")


def _read(path, n_stars, n_apertures):
    """The columns of an output file, by the places of their letters."""
    try:
        lines = [line for line in path.read_text(errors="replace").splitlines() if not line.startswith("#")]
    except FileNotFoundError:
        lines = []
    step = _LINES_BEFORE_APERTURES + n_apertures
    if len(lines) != n_stars * step:
        raise IrafError(f"IRAF's phot wrote {len(lines)} lines for {n_stars} stars, not {n_stars * step}")
    columns = {name: _column(lines[line::step], first, last) for name, (line, first, last) in _FIELDS.items()}
    return columns | {
        name: np.stack([_column(lines[_LINES_BEFORE_APERTURES + k :: step], *place) for k in range(n_apertures)])
        for name, place in _APERTURE_FIELDS.items()
    }


def _column(lines, first, last):
    words = [line[first:last].strip() for line in lines]
    return np.array([np.nan if word == "INDEF" else float(word) for word in words])
