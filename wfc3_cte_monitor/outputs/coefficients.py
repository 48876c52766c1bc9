"""The coefficients of a surface and their covariance: as text for ``numpy.loadtxt``, and as ECSV to be published."""

import numpy as np
from astropy.table import Table
from astropy.time import Time

from wfc3_cte_monitor.errors import CoefficientError, said
from wfc3_cte_monitor.outputs.files import replace_file, write_table
from wfc3_cte_monitor.records import BackgroundSurface, Coefficients, CteSurface

__all__ = ["write_coefficients", "publish_coefficients", "read_coefficients"]

_POWERS = [(i, j) for i in range(3) for j in range(3)]
_NAMES = [f"c{i}{j}" for i, j in _POWERS]
_UNITS = {"mag": "mag / 2051 px", "flux": "flux fraction / 2048 px"}
_LENGTHS = {"s": "short (EXPTIME <= 60 s)", "l": "long (EXPTIME > 60 s)"}
_VARIABLES = (
    "d = MJD - 55400 [days]; f = log10 of sqrt(F1 F2) [e- in the aperture], the flux after half a chip of transfers"
)
_BACKGROUND_TERMS = {
    "log": "g = log10(background + {:g})",
    "inverse": "g = {0:g} / (background + {0:g})",
}


# ---- Text ------------------------------------------------------------------------------------------------------------


def write_coefficients(coefficients, path):
    """Write the nine coefficients of a set with their errors, and under them, as comments, their covariance.

    One file has all that a correction and its uncertainty need, so that no half of it can be lost.

    Parameters
    ----------
    coefficients : `records.Coefficients`
        With a `records.CteSurface`.
    path : `pathlib.Path`
        ``..._coeffs.txt``
    """
    surface = coefficients.surface
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        f"{i:3d} {j:3d} {surface.coefficients[i, j]: .12e} {surface.errors[i, j]:.6e}"
        for i in range(3)
        for j in range(3)
    ]
    covariance = [
        f"# covariance {name}: {' '.join(f'{value: .12e}' for value in row)}"
        for name, row in zip(_NAMES, surface.covariance, strict=True)
    ]
    header = [f"# {name}: {value}" for name, value in _header(coefficients).items()]
    text = "\n".join([*header, "# row col coefficient error", *rows, *covariance])
    replace_file(path, lambda new: new.write_text(text + "\n"))


def _header(coefficients):
    surface, c = coefficients.surface, coefficients
    return {
        "model": f"S(d, f) = sum over row i, col j of c_ij d^i f^j; {_VARIABLES}",
        "unit": _UNITS[surface.unit],
        "rank": f"{surface.rank} of 9 (missing coefficients are 0)",
        "chi2": f"{surface.chi2:.3f}",
        "points": surface.n_points,
        "epochs": surface.n_epochs,
        "range_d": f"{surface.d_range[0]:.3f} {surface.d_range[1]:.3f}",
        "range_f": f"{surface.f_range[0]:.4f} {surface.f_range[1]:.4f}",
        "scatter": f"{surface.scatter:.6f} (of the points beyond their standard errors, part of the weights)",
        "covariance": f"in the last lines, rows and columns in the order {' '.join(_NAMES)}",
        "target": c.target,
        "filter": c.filter,
        "exposure_length": _LENGTHS[c.length],
        "flashlvl": f"{c.flashlvl:g} e-/px",
        "ctecorr": f"{c.ctecorr} ({'FLC' if c.ctecorr else 'FLT'})",
        "aperture": f"{c.aperture:g} px",
        **c.photometry,
        "background": f"{c.background:.2f} e-/px (median of sky + MEANFLSH + MEANDARK)",
        "epoch_mjd": f"{c.epoch_mjd:.3f}",
        **_of_subset(c),
        "programs": " ".join(map(str, c.programs)),
        "software": c.software,
    }


def _of_subset(c):
    """Nominal coefficients say nothing of it."""
    return {"subset": c.subset} if c.subset else {}


def _read_text(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    said = dict(line[2:].split(": ", 1) for line in lines if line.startswith("# ") and ": " in line)
    values = np.array([line.split() for line in lines if line and not line.startswith("#")], dtype=float)
    words = {name: text.split() for name, text in said.items()}
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
        scatter=float(words["scatter"][0]),
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
        programs=tuple(int(word) for word in words["programs"]),
        software=said["software"],
        photometry={name: said[name] for name in said if name in _OF_PHOTOMETRY},
        subset=said.get("subset", ""),
    )


_OF_PHOTOMETRY = ("photometry", "sky", "bad_dq_bits", "recentred")


# ---- ECSV ------------------------------------------------------------------------------------------------------------


def publish_coefficients(coefficients, path, extra=None):
    """Write a set of coefficients as one small ECSV file that can be published and cited.

    Parameters
    ----------
    coefficients : `records.Coefficients`
    path : `pathlib.Path`
        ``..._coeffs.ecsv``
    extra : dict, optional
        What the metadata say besides.
    """
    surface = coefficients.surface
    shape = np.reshape(surface.coefficients, (3, 3, -1)).shape
    term = np.flatnonzero(np.diag(surface.covariance))
    i, j, k = np.unravel_index(term, shape)
    table = Table(
        {
            "i": i,
            "j": j,
            "k": k,
            "coefficient": surface.coefficients.ravel()[term],
            "error": surface.errors.ravel()[term],
            "covariance": surface.covariance[np.ix_(term, term)],
        }
    )
    table.meta = _metadata(coefficients) | (extra or {})
    write_table(table, path)


def _metadata(coefficients):
    surface, c = coefficients.surface, coefficients
    until = Time(c.epoch_mjd, format="mjd").iso[:10]
    meta = {
        "what": "loss of charge transfer of WFC3/UVIS: to be subtracted from a magnitude is S n / 2051, n the rows to "
        "the amplifier",
        "model": "S = sum of c_ijk d^i f^j g^k",
        "variables": _VARIABLES,
        "unit": _UNITS[surface.unit],
        "covariance": "of the coefficients in the order of the rows; errors are standard errors",
        "target": c.target,
        "filter": c.filter,
        "length": c.length,
        "flashlvl": c.flashlvl,
        "ctecorr": c.ctecorr,
        "aperture": c.aperture,
        "photometry": dict(c.photometry),
        "range_d": list(surface.d_range),
        "range_f": list(surface.f_range),
        "rank": surface.rank,
        "chi2": surface.chi2,
        "points": surface.n_points,
        "epochs": surface.n_epochs,
        "scatter": surface.scatter,
        **_of_subset(c),
        "epoch_mjd": c.epoch_mjd,
        "date": f"data until {until}",
        "programs": list(c.programs),
        "software": c.software,
    }
    if not isinstance(surface, BackgroundSurface):
        return meta | {"background": c.background}
    g = _BACKGROUND_TERMS[surface.form].format(surface.offset)
    return meta | {
        "variables": f"{_VARIABLES}; {g} [e-/px], background = sky + post-flash + dark, not below 0",
        "form": surface.form,
        "offset": surface.offset,
        "powers_of_g": surface.coefficients.shape[2],
        "range_background": list(surface.background_range),
    }


def _read_ecsv(path):
    table = Table.read(path, format="ascii.ecsv")
    meta = table.meta
    shape = 3, 3, meta.get("powers_of_g", 1)
    place = np.ravel_multi_index([np.asarray(table[name]) for name in "ijk"], shape)
    coefficients, covariance = np.zeros(np.prod(shape)), np.zeros((np.prod(shape),) * 2)
    coefficients[place] = table["coefficient"]
    covariance[np.ix_(place, place)] = table["covariance"]
    common = {
        "covariance": covariance,
        "unit": {text: unit for unit, text in _UNITS.items()}[meta["unit"]],
        "rank": int(meta["rank"]),
        "chi2": float(meta["chi2"]),
        "n_points": int(meta["points"]),
        "n_epochs": int(meta["epochs"]),
        "d_range": _floats(meta["range_d"]),
        "f_range": _floats(meta["range_f"]),
        "scatter": float(meta["scatter"]),
    }
    if meta["flashlvl"] is None:
        of_background = {"form": str(meta["form"]), "offset": float(meta["offset"])}
        of_background["background_range"] = _floats(meta["range_background"])
        surface = BackgroundSurface(coefficients=coefficients.reshape(shape), **common, **of_background)
    else:
        surface = CteSurface(coefficients=coefficients.reshape(3, 3), **common)
    return Coefficients(
        surface=surface,
        **{name: str(meta[name]) for name in ("target", "filter", "length", "software")},
        **{name: float(meta[name]) for name in ("aperture", "epoch_mjd")},
        flashlvl=None if meta["flashlvl"] is None else float(meta["flashlvl"]),
        ctecorr={True: True, False: False}[meta["ctecorr"]],
        photometry=dict(meta["photometry"]),
        background=float(meta.get("background", np.nan)),
        source=path.name,
        programs=tuple(int(program) for program in meta["programs"]),
        subset=str(meta.get("subset", "")),
    )


def _floats(values):
    return tuple(float(value) for value in values)


# ---- Either ----------------------------------------------------------------------------------------------------------


def read_coefficients(path):
    """Read a coefficient file.

    Parameters
    ----------
    path : `pathlib.Path`
        As `write_coefficients` or `publish_coefficients` writes it; the latter ends with ``.ecsv``.

    Returns
    -------
    coefficients : `records.Coefficients`

    Raises
    ------
    CoefficientError
        There is no such file, or it is something else.
    """
    try:
        coefficients = (_read_ecsv if path.suffix == ".ecsv" else _read_text)(path)
        _check(coefficients)
        return coefficients
    except OSError as error:
        raise CoefficientError(f"{path}: {error.strerror or error}") from error
    except Exception as error:  # YAML in a file that is damaged may be anything
        problem = f"{path}: no coefficient file of this version, or damaged ({said(error)})"
        raise CoefficientError(problem) from error


def _check(coefficients):
    """What is computed with must be numbers; ValueError where it is not."""
    surface = coefficients.surface
    ranges = [surface.d_range, surface.f_range]
    if isinstance(surface, BackgroundSurface):
        ranges.append(surface.background_range)
    numbers = (surface.coefficients.ravel(), surface.covariance.ravel(), surface.scatter, *ranges)
    if not all(np.isfinite(values).all() for values in numbers) or np.any(np.diag(surface.covariance) < 0):
        raise ValueError("coefficients, variances and ranges must be numbers")
    if not all(len(limits) == 2 and limits[0] <= limits[1] for limits in ranges):
        raise ValueError("a range must have two ends, the smaller first")
    if coefficients.length not in _LENGTHS:
        raise ValueError(f"length {coefficients.length!r} is neither s nor l")
