"""The coefficients of a surface, for people, and their covariance."""

from astropy.table import Table

from wfc3_cte_monitor.outputs.files import replace_file, write_table

__all__ = ["write_coefficients"]


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
