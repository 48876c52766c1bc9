"""TweakReg: an exposure's WCS, from the stars of a reference catalogue."""

import numpy as np

from wfc3_cte_monitor.alignment.headerlets import WCSNAME, headerlet_name
from wfc3_cte_monitor.errors import AlignmentError

__all__ = ["align", "products_of", "read_sources"]

_NOT_RECOGNIZED = "parameters were not recognized as valid inputs:"
_REFERENCE = "reference.cat"


def align(host, path, ra, dec, parameters):
    """Run TweakReg on an FLC in the host's scratch folder: its header gets the new WCS, a headerlet is written.

    Whether the solution is any good TweakReg does not tell: see `solution.read_solution` and `solution.judge`.

    Parameters
    ----------
    host : `host.Host`
    path : `pathlib.Path`
        In the host's scratch folder.
    ra, dec : ndarray, shape (n,)
        Stars of the reference catalogue [deg].
    parameters : dict
        TweakReg's own, and those of its imagefind section.

    Raises
    ------
    AlignmentError
        TweakReg broke off.
    """
    np.savetxt(host.folder / _REFERENCE, np.column_stack([ra, dec]), fmt="%.9f")
    host.call(
        "tweakreg",
        filename=path.name,
        refcat=_REFERENCE,
        refxcol=1,
        refycol=2,
        refxyunits="degrees",
        interactive=False,
        updatewcs=False,
        updatehdr=True,
        wcsname=WCSNAME,
        reusename=True,
        writecat=True,
        see2dplot=True,
        residplot="both",
        headerlet=True,
        attach=False,
        hdrname=headerlet_name(path),
        author="wfc3_cte_monitor",
        descrip="aligned to the monitor's master catalogue",
        clobber=True,
        **parameters,
    )
    _check_understood(host.log)


def _check_understood(log):
    """Of parameters that it does not know TweakReg only prints something before it ends, as if all were well."""
    _, _, behind = log.read_text(errors="replace").partition(_NOT_RECOGNIZED)
    if names := behind.partition("\n\n")[0].split():
        raise AlignmentError(f"it does not know {', '.join(names)} (tweakreg_parameters, tweakreg_retries)")


def products_of(folder, stem):
    """What people look at after an alignment.

    Parameters
    ----------
    folder : `pathlib.Path`
        The scratch folder.
    stem : str
        'iabc01xyq_flc'.

    Returns
    -------
    products : dict
        Name in the output tree -> path in the scratch folder, of those that exist.
    """
    rootname = stem.partition("_")[0]
    kept = {name: name for name in (f"{kind}_{stem}.png" for kind in ("hist2d", "residuals", "vector"))}
    kept |= {f"{stem}_catalog_fit.match": f"{stem}_catalog_fit.match", f"{rootname}_hlet.fits": f"{rootname}_hlet.fits"}
    kept |= {f"{stem}_tweakreg.log": "drizzlepac.log"}
    return {new: folder / old for new, old in kept.items() if (folder / old).is_file()}


def read_sources(folder, stem):
    """The sources that TweakReg found on an exposure.

    Returns
    -------
    sources : dict
        EXTVER of the chip -> ndarray, shape (n, 2): x, y, 1-based [px].
    """
    return {
        extver: _columns(folder / f"{stem}_sci{extver}_xy_catalog.coo", (0, 1))
        for extver in (1, 2)
        if (folder / f"{stem}_sci{extver}_xy_catalog.coo").is_file()
    }


def _columns(path, columns):
    """Some columns of a text table, shape (n, n_columns), also of an empty one."""
    lines = [line.split() for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
    return np.array([[float(line[column]) for column in columns] for line in lines]).reshape(-1, len(columns))
