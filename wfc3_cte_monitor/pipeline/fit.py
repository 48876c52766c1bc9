"""An exposure is fitted to a catalogue: parameters are tried until the result can be trusted."""

import logging

import numpy as np

from wfc3_cte_monitor import alignment
from wfc3_cte_monitor.catalogs import check_field
from wfc3_cte_monitor.errors import AlignmentError, UnusableExposureError
from wfc3_cte_monitor.exposures import read_wcs
from wfc3_cte_monitor.matching import stars_on_chip
from wfc3_cte_monitor.pipeline.moves import copy
from wfc3_cte_monitor.records import Alignment

__all__ = ["fit_to_catalog"]

log = logging.getLogger(__name__)

_POINTING_MARGIN = 60.0
"""Stars this far outside of the frame may truly be on it: the pointing is wrong by an arcsecond or two [px]."""


def fit_to_catalog(flc, catalog, attempts, limits, host):
    """Align a copy of an FLC, in the host's scratch folder, to a catalogue.

    Parameters
    ----------
    flc : `pathlib.Path`
        It stays as it is.
    catalog : `records.MasterCatalog`
    attempts : sequence of dict
        TweakReg's parameters; the next are tried where the limits refuse the fit of those before.
    limits : dict
        See `alignment.judge`.
    host : `alignment.Host`

    Returns
    -------
    fit : `records.Alignment`

    Raises
    ------
    UnusableExposureError
        No fit can be trusted.
    """
    before = read_wcs(flc)
    near = _stars(before, catalog, _POINTING_MARGIN)
    index = np.unique(np.concatenate([star for star, _ in near.values()]))
    if len(index) < limits["matches"]:
        check_field(catalog, *before[1][0].wcs.crval, flc.name)
        raise UnusableExposureError(
            flc.name, f"{len(index)} stars of the catalogue {catalog.target} fall on it, {limits['matches']} are needed"
        )
    refused = []
    for parameters in attempts:
        host.clear()
        copy(flc, host.folder / flc.name)
        try:
            fit = _one_fit(host.folder / flc.name, before, catalog, index, parameters, host)
        except AlignmentError as error:
            refused.append(str(error))
            continue
        reasons = alignment.judge(fit, limits)
        if not reasons:
            return fit
        refused.append("; ".join(reasons))
        log.debug("%s: fit refused: %s", flc.name, refused[-1])
    raise UnusableExposureError(flc.name, f"TweakReg's fit cannot be trusted: {refused[0]}")


def _one_fit(image, before, catalog, index, parameters, host):
    stem = image.name.removesuffix(".fits")
    alignment.align(host, image, catalog.ra[index], catalog.dec[index], parameters)
    n_matches, rms = alignment.read_solution(host.folder / f"{stem}_catalog_fit.match")
    after = read_wcs(image)
    stars = {extver: positions for extver, (_, positions) in _stars(after, catalog, 0.5).items()}
    sources = alignment.read_sources(host.folder, stem)
    shapes = {extver: shape for extver, (_, shape) in after.items()}
    n_checked, n_chance, offset, edge = alignment.check_solution(sources, stars, shapes)
    fullest = max(stars, key=lambda extver: len(stars[extver]))
    shift, rotation = alignment.displacement(before[fullest][0], after[fullest][0], shapes[fullest])
    return Alignment(
        imagename=image.name,
        n_stars=sum(map(len, stars.values())),
        n_sources=sum(map(len, sources.values())),
        n_matches=n_matches,
        rms=rms,
        shift=shift,
        rotation=rotation,
        n_checked=n_checked,
        n_chance=float(n_chance),
        offset=tuple(map(float, offset)),
        edge=edge,
    )


def _stars(chips, catalog, margin):
    """EXTVER -> (indices of the stars on a chip, their positions of shape (n, 2), 1-based [px])."""
    found = {}
    for extver, (wcs, shape) in chips.items():
        index, x, y = stars_on_chip(wcs, shape, catalog.ra, catalog.dec, margin)
        found[extver] = index, np.column_stack([x, y])
    return found
