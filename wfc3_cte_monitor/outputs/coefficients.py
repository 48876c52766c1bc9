"""The coefficients of a surface and their covariance, for people and for ``numpy.loadtxt``."""

from wfc3_cte_monitor.outputs.files import replace_file

__all__ = ["write_coefficients"]

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
