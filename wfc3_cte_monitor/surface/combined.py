"""Losses at all post-flash levels -> one surface with the background as its third variable, chosen by cross-validation.

Leaving an epoch out does not need a fit of its own: of the weighted residuals r of the fit to all points, those of an
epoch would have been (1 - H)^-1 r without it, where H is its block of the matrix from points to fitted points.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np

from wfc3_cte_monitor.errors import MonitorError, NotEnoughPointsError
from wfc3_cte_monitor.records import BackgroundSurface, CteSurface
from wfc3_cte_monitor.surface.basis import (
    TERMS,
    intrinsic_scatter,
    powers,
    scale_of,
    scaled,
    unscaling,
    weighted_least_squares,
)
from wfc3_cte_monitor.surface.evaluate import background_term, predict
from wfc3_cte_monitor.surface.fit import fit_surface
from wfc3_cte_monitor.uvis import MJD_ZERO

__all__ = ["LossPoints", "Candidate", "Trial", "CANDIDATES", "SEPARATE", "MIN_EPOCHS", "compare_models", "choose"]

MIN_EPOCHS = 3
"""With one of two epochs left out there is no change in time to be seen."""
_MIN_LEVELS = 2
_SIGNIFICANT = 2.0
"""Standard errors."""
_SINGULAR = 1e-8
"""An epoch of which so little is left that the others do not tell has told its own terms."""


@dataclass(frozen=True)
class LossPoints:
    """Losses of pairs in flux bins, of all post-flash levels of a target, filter, length, and FLT or FLC.

    Arrays of shape (n,), all finite, errors above 0.
    """

    mjd: np.ndarray
    log_flux: np.ndarray
    """log10 of the mean flux of the pair's stars in the bin [dex of e-]."""
    loss: np.ndarray
    loss_err: np.ndarray
    """Standard error."""
    epoch: np.ndarray
    """Which epoch: any numbers, the same for the points of one."""
    flux_group: np.ndarray
    """Which flux bin."""
    background: np.ndarray
    """Measured: sky + post-flash + dark [e-/px]."""
    level: np.ndarray
    """Post-flash level [e-/px]."""
    unit: str
    """'mag' or 'flux'."""

    def __len__(self) -> int:
        return len(self.mjd)

    def chosen(self, which: Any) -> "LossPoints":
        """Some of the points; `which` as an array is indexed."""
        columns = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "unit"}
        return replace(self, **{name: values[which] for name, values in columns.items()})


@dataclass(frozen=True)
class Candidate:
    """A form that a surface of all backgrounds may have: every power of d and f with every power of g."""

    form: str
    """See `background_term`."""
    offset: float
    """[e-/px]"""
    shape: tuple[int, ...]
    """Numbers of powers of d, f and g, that of 0 being the first."""

    @property
    def name(self) -> str:
        g = {"log": "log10(B + {:g})", "inverse": "{0:g} / (B + {0:g})"}[self.form].format(self.offset)
        return f"{' x '.join(map(str, self.shape))} powers of d, f, g = {g}"


@dataclass(frozen=True)
class Trial:
    """What cross-validation said of a model."""

    name: str
    n_terms: int
    scatter: float
    """Intrinsic, of the fit to all points; NaN for several surfaces, which have their own."""
    residual: np.ndarray
    """Shape (n,): each loss minus what the model of all other epochs predicts; NaN where that predicts nothing."""
    surface: BackgroundSurface | None
    """Fitted to all points; None for several."""


SEPARATE = "a surface for each post-flash level"

_SHAPES = tuple((n_d, TERMS, n_g) for n_d in (2, TERMS) for n_g in (2, 3))
"""Where epochs are few a straight line in time may predict better than a parabola. What is stiffer still (all terms of
degree 2, or 9 + 4) predicts as well, but the truth lies too often outside of its errors. With a fourth power of g
left-out epochs were off by a tenth to a fifth more, and years without post-flash by up to 0.12 mag at backgrounds that
were not observed then; the truth lay within one standard error in 67 instead of 65 %.
"""
_SCALES = {"log": (1.0, 4.0, 16.0), "inverse": (2.0, 4.0, 8.0, 16.0)}
"""Offsets from the sky of a short exposure to a post-flash [e-/px]."""

CANDIDATES = tuple(
    Candidate(form, offset, shape) for shape in _SHAPES for form, offsets in _SCALES.items() for offset in offsets
)


def compare_models(points: LossPoints) -> list[Trial]:
    """Predict each epoch from all others, with every candidate and with separate surfaces.

    Parameters
    ----------
    points : `LossPoints`

    Returns
    -------
    trials : list of `Trial`
        The separate surfaces first, then the candidates that the points determine.

    Raises
    ------
    NotEnoughPointsError
        Fewer than three epochs or two post-flash levels.
    """
    n_epochs, n_levels = len(np.unique(points.epoch)), len(np.unique(points.level))
    if n_epochs < MIN_EPOCHS or n_levels < _MIN_LEVELS:
        short = (n_epochs, MIN_EPOCHS) if n_epochs < MIN_EPOCHS else (n_levels, _MIN_LEVELS)
        raise NotEnoughPointsError(*short)
    # What a point at either end would have to be extrapolated by without its epoch.
    # As many powers of g as levels would be separate surfaces once more, but for two, which a line must join.
    most = min(n_epochs - 1, TERMS), min(len(np.unique(points.flux_group)), TERMS), max(n_levels - 1, 2)
    trials = [_separate(points)]
    for candidate in dict.fromkeys(replace(c, shape=tuple(map(min, c.shape, most))) for c in CANDIDATES):
        try:
            trials.append(_tried(candidate, points))
        except MonitorError:  # the points do not determine it
            continue
    return trials


def choose(points: LossPoints, trials: Sequence[Trial]) -> Trial | None:
    """The most flexible of the candidates that do not predict worse than the best.

    Worse is: the squared, weighted residuals, summed over the epochs, are larger by more than two standard errors of
    the difference, which its scatter among epochs gives. Of models that predict alike the more flexible one has the
    truer errors, since what a stiff one does to the losses is not in its covariance: on simulated losses the truth lay
    within one standard error of the best in 56-70 % of the cases, of this choice in 65-70 %.

    Parameters
    ----------
    points : `LossPoints`
    trials : list of `Trial`
        Of `compare_models`.

    Returns
    -------
    best : `Trial` or None
        None where separate surfaces predict better by more than that, or no candidate predicts every point.
    """
    separate, *candidates = trials
    candidates = [one for one in candidates if np.isfinite(one.residual).all()]
    if not candidates:
        return None
    floor = min(one.scatter for one in candidates)
    cost = {id(one): _cost(points, one.residual, floor) for one in candidates}
    best = min(candidates, key=lambda one: cost[id(one)].sum())
    as_good = [one for one in candidates if not _is_worse(cost[id(one)], cost[id(best)])]
    chosen = min(as_good, key=lambda one: (-one.n_terms, cost[id(one)].sum()))
    both = np.isfinite(separate.residual)
    costs = (_cost(points, np.where(both, one.residual, 0.0), floor) for one in (chosen, separate))
    return None if _is_worse(*costs) else chosen


def _cost(points: LossPoints, residual: np.ndarray, floor: float) -> np.ndarray:
    """Squared residuals in units of error and floor, summed in each epoch."""
    _, epoch = np.unique(points.epoch, return_inverse=True)
    return np.bincount(epoch, residual**2 / (points.loss_err**2 + floor**2))


def _is_worse(cost: np.ndarray, reference: np.ndarray) -> bool:
    """Whether the costs of the epochs are higher than others by more than chance would have it."""
    difference = cost - reference
    return difference.sum() > _SIGNIFICANT * np.sqrt(len(difference)) * np.std(difference, ddof=1)


# ---- One model -------------------------------------------------------------------------------------------------------


def _tried(candidate: Candidate, points: LossPoints) -> Trial:
    design, to_plain = _design(candidate, points)
    weighted_least_squares(design, points.loss, points.loss_err)
    scatter = intrinsic_scatter(design, points.loss, points.loss_err)
    errors = np.hypot(points.loss_err, scatter)
    solution, covariance, u = weighted_least_squares(design, points.loss, errors)
    fitted = design @ solution
    surface = _surface(candidate, points, to_plain @ solution, to_plain @ covariance @ to_plain.T, fitted, scatter)
    residual = errors * _left_out(u, (points.loss - fitted) / errors, points.epoch)
    return Trial(candidate.name, len(solution), scatter, residual, surface)


def _design(candidate: Candidate, points: LossPoints) -> tuple[np.ndarray, np.ndarray]:
    """Powers of scaled variables, shape (n, n_terms), g running fastest, and the matrix to plain coefficients."""
    g = background_term(candidate.form, candidate.offset, points.background)
    variables = points.mjd - MJD_ZERO, points.log_flux, g
    scales = [scale_of(values) for values in variables]
    d, f, g = (
        powers(scaled(values, scale), n) for values, scale, n in zip(variables, scales, candidate.shape, strict=True)
    )
    design = (d[:, None, None] * f[:, None] * g).reshape(-1, len(points)).T
    of_each = (unscaling(n, *scale) for scale, n in zip(scales, candidate.shape, strict=True))
    return design, reduce(np.kron, of_each)


def _surface(
    candidate: Candidate,
    points: LossPoints,
    coefficients: np.ndarray,
    covariance: np.ndarray,
    fitted: np.ndarray,
    scatter: float,
) -> BackgroundSurface:
    n_d, n_f, n_g = candidate.shape
    shape = TERMS, TERMS, n_g
    place = np.arange(np.prod(shape)).reshape(shape)[:n_d, :n_f].ravel()
    full, full_covariance = np.zeros(np.prod(shape)), np.zeros((np.prod(shape),) * 2)
    full[place] = coefficients
    full_covariance[np.ix_(place, place)] = covariance
    return BackgroundSurface(
        coefficients=full.reshape(shape),
        covariance=full_covariance,
        form=candidate.form,
        offset=candidate.offset,
        unit=points.unit,
        rank=len(place),
        chi2=float(np.sum(((points.loss - fitted) / points.loss_err) ** 2)),
        n_points=len(points),
        n_epochs=len(np.unique(points.epoch)),
        d_range=_range(points.mjd - MJD_ZERO),
        f_range=_range(points.log_flux),
        background_range=_range(points.background),
        scatter=scatter,
    )


def _range(values: np.ndarray) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _left_out(u: np.ndarray, residual: np.ndarray, epoch: np.ndarray) -> np.ndarray:
    """Weighted residuals of each epoch from the fit to the others; NaN where these do not determine all terms."""
    away = np.full(len(residual), np.nan)
    for one in np.unique(epoch):
        here = epoch == one
        left = np.eye(int(np.count_nonzero(here))) - u[here] @ u[here].T
        if np.linalg.eigvalsh(left)[0] > _SINGULAR:
            away[here] = np.linalg.solve(left, residual[here])
    return away


def _separate(points: LossPoints) -> Trial:
    """Each level by itself, each epoch predicted from the others of its level."""
    residual, n_terms = np.full(len(points), np.nan), 0
    for level in np.unique(points.level):
        of_level = points.level == level
        n_terms += getattr(_fitted(points.chosen(of_level)), "rank", 0)
        for epoch in np.unique(points.epoch[of_level]):
            here = of_level & (points.epoch == epoch)
            surface = _fitted(points.chosen(of_level & ~here))
            if surface is not None:
                residual[here] = points.loss[here] - predict(surface, points.mjd[here], points.log_flux[here])[0]
    return Trial(SEPARATE, n_terms, np.nan, residual, None)


def _fitted(points: LossPoints) -> CteSurface | None:
    """The surface of one level, or None."""
    columns = (points.mjd, points.log_flux, points.loss, points.loss_err, points.epoch, points.flux_group)
    try:
        return fit_surface(*columns, points.unit)
    except MonitorError:
        return None
