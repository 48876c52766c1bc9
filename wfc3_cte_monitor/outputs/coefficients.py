"""The coefficients of a surface and their covariance, for people and for ``numpy.loadtxt``."""

import numpy as np

from wfc3_cte_monitor.errors import CoefficientError
from wfc3_cte_monitor.outputs.files import replace_file
from wfc3_cte_monitor.records import Coefficients, CteSurface

__all__ = ["write_coefficients", "read_coefficients"]

_NAMES = [f"c{i}{j}" for i in range(3) for j in range(3)]


def write_coefficients(surface, path, meta):
    """Write the nine coefficients with their errors, and under them, as comments, their covariance.

    One file has all that a correction and its uncertainty need, so that no half of it can be lost.

    Parameters
    ----------
    surface : `records.CteSurface`
    path : `pathlib.Path`
        ``..._coeffs.txt``
    meta : dict
        What the header says besides the surface's own numbers.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    header = [f"# {name}: {value}" for name, value in (_header(surface) | meta).items()]
    rows = [
        f"{i:3d} {j:3d} {surface.coefficients[i, j]: .12e} {surface.errors[i, j]:.6e}"
        for i in range(3)
        for j in range(3)
    ]
    covariance = [
        f"# covariance {name}: {' '.join(f'{value: .12e}' for value in row)}"
        for name, row in zip(_NAMES, surface.covariance, strict=True)
    ]
    text = "\n".join([*header, "# row col coefficient error", *rows, *covariance])
    replace_file(path, lambda new: new.write_text(text + "\n"))


def _header(surface):
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
        "covariance": f"in the last lines, rows and columns in the order {' '.join(_NAMES)}",
    }


def read_coefficients(path):
    """Read a coefficient file.

    Parameters
    ----------
    path : `pathlib.Path`
        As `write_coefficients` writes it.

    Returns
    -------
    coefficients : `records.Coefficients`

    Raises
    ------
    CoefficientError
        There is no such file, or it is something else.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        said = dict(line[2:].split(": ", 1) for line in lines if line.startswith("# ") and ": " in line)
        values = np.array([line.split() for line in lines if line and not line.startswith("#")], dtype=float)
        return _coefficients(path, {name: text.split() for name, text in said.items()}, values)
    except OSError as error:
        raise CoefficientError(f"{path}: {error.strerror}") from error
    except (KeyError, IndexError, ValueError) as error:
        problem = f"{path}: no coefficient file of this version, or damaged ({' '.join(str(error).split())})"
        raise CoefficientError(problem) from error


def _coefficients(path, words, values):
    """From the words of each line of the header, and the table."""
    if values.shape != (9, 4) or not np.array_equal(values[:, 0] * 3 + values[:, 1], np.arange(9)):
        raise ValueError("not nine coefficients")
    surface = CteSurface(
        coefficients=values[:, 2].reshape(3, 3),
        covariance=np.array([words[f"covariance {name}"] for name in _NAMES], dtype=float),
        unit={"mag": "mag", "flux": "flux"}[words["unit"][0]],
        rank=int(words["rank"][0]),
        chi2=float(words["chi2"][0]),
        n_points=int(words["points"][0]),
        n_epochs=int(words["epochs"][0]),
        d_range=tuple(float(word) for word in words["range_d"]),
        f_range=tuple(float(word) for word in words["range_f"]),
    )
    return Coefficients(
        surface=surface,
        target=words["target"][0],
        filter=words["filter"][0],
        length={"short": "s", "long": "l"}[words["exposure_length"][0]],
        flashlvl=float(words["flashlvl"][0]),
        ctecorr={"True": True, "False": False}[words["ctecorr"][0]],
        aperture=float(words["aperture"][0]),
        background=float(words["background"][0]),
        epoch_mjd=float(words["epoch_mjd"][0]),
        source=path.name,
    )
