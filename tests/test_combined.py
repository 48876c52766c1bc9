"""One surface for all post-flash levels: the truth comes back, its errors are true, and the better model is chosen."""

import numpy as np
import pytest

from wfc3_cte_monitor.errors import NotEnoughPointsError
from wfc3_cte_monitor.simulate import true_loss
from wfc3_cte_monitor.surface import LossPoints, choose, compare_models, predict
from wfc3_cte_monitor.surface.basis import intrinsic_scatter
from wfc3_cte_monitor.uvis import MJD_ZERO

FLUXES = np.log10([350.0, 700, 1400, 2800, 5600, 16000])
DATES = np.linspace(55200.0, 57800.0, 10)
SKY = 1.8


def simulated(d, f, flash):
    return true_loss(d, f, flash)


def power_law(d, f, flash):
    """Of another kind than the simulation's: no candidate has this form."""
    return true_loss(d, f) * ((flash + SKY) / 2) ** -0.5


def points(truth=simulated, seed=1, dates=DATES, levels=(0.0, 6.0, 12.0, 33.0), noise=0.01, first_flashed=0):
    random = np.random.default_rng(seed)
    grid = [(e, g, level) for e in range(len(dates)) for g in range(6) for level in levels]
    epoch, group, level = np.array([one for one in grid if one[0] >= first_flashed or one[2] == 0]).T
    epoch, group = epoch.astype(int), group.astype(int)
    f = FLUXES[group] + random.normal(0, 0.01, len(group))
    error = noise * 10 ** (0.3 * (3.0 - f))
    true = truth(dates[epoch] - MJD_ZERO, f, level)
    loss = true + random.normal(0, 1, len(f)) * error
    return LossPoints(dates[epoch], f, loss, error, epoch, group, level + SKY, level, "mag"), true


def test_leaving_out_needs_no_second_fit():
    """The closed form gives what a fit without the epoch gives."""
    some, _ = points(levels=(0.0, 12.0))
    trial = compare_models(some)[1]
    here = some.epoch == 4
    again = next(t for t in compare_models(some.chosen(~here)) if t.name == trial.name)
    away = some.chosen(here)
    value, _ = predict(again.surface, away.mjd, away.log_flux, away.background)
    np.testing.assert_allclose(trial.residual[here], away.loss - value, atol=1e-10)


@pytest.mark.parametrize("truth", [simulated, power_law])
def test_the_truth_comes_back_nearer_than_from_separate_surfaces(truth):
    off, left_out, separate = [], [], []
    for seed in range(10):
        some, true = points(truth, seed)
        trials = compare_models(some)
        best = choose(some, trials)
        value, _ = predict(best.surface, some.mjd, some.log_flux, some.background)
        off.append(np.mean((value - true) ** 2))
        for found, trial in ((left_out, best), (separate, trials[0])):
            found.append(np.mean((some.loss - trial.residual - true) ** 2))
    assert np.sqrt(np.mean(off)) < 0.005
    assert np.mean(left_out) < 0.9 * np.mean(separate)


@pytest.mark.parametrize("truth", [simulated, power_law])
def test_its_errors_are_true(truth):
    """The truth lies within one standard error in two of three cases."""
    inside = []
    for seed in range(30):
        some, true = points(truth, seed)
        surface = choose(some, compare_models(some)).surface
        value, error = predict(surface, some.mjd, some.log_flux, some.background)
        inside.append(np.mean(np.abs(value - true) < np.hypot(error, surface.scatter)))
    assert 0.58 < np.mean(inside) < 0.76


def test_levels_that_came_later_are_part_of_it():
    some, true = points(first_flashed=4)
    surface = choose(some, compare_models(some)).surface
    value, _ = predict(surface, some.mjd, some.log_flux, some.background)
    assert np.sqrt(np.mean((value - true) ** 2)) < 0.008
    assert (surface.n_epochs, surface.n_points) == (10, len(some))
    assert surface.background_range == (SKY, SKY + 33.0)


def test_where_the_background_is_not_what_matters_separate_surfaces_win():
    """Levels whose losses do not follow their backgrounds: no function of the background describes them."""

    def jumping(d, f, flash):
        return 0.1 + 0.2 * (flash % 12 > 0) + 0.05 * np.sin(9 * flash)

    some, _ = points(jumping, levels=(0.0, 6.0, 12.0, 18.0, 24.0, 33.0, 55.0, 91.0), noise=0.002)
    assert choose(some, compare_models(some)) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [({"dates": DATES[:2]}, "2 points, 3 needed"), ({"levels": (0.0,)}, "1 points, 2 needed")],
)
def test_too_little_is_refused_with_numbers(change, words):
    with pytest.raises(NotEnoughPointsError, match=words):
        compare_models(points(**change)[0])


def test_three_epochs_have_no_curvature_in_time():
    surface = choose(*(lambda p: (p, compare_models(p)))(points(dates=DATES[:3])[0])).surface
    assert not surface.coefficients[2].any()
    assert surface.coefficients[1].any()


# ---- Scatter ---------------------------------------------------------------------------------------------------------


def lines(scatter, n=200, seed=0):
    random = np.random.default_rng(seed)
    x = random.uniform(-1, 1, n)
    errors = random.uniform(0.005, 0.02, n)
    return np.stack([np.ones(n), x], axis=1), 0.3 + 0.1 * x + random.normal(0, np.hypot(errors, scatter)), errors


def test_a_scatter_beyond_the_errors_comes_back():
    found = [intrinsic_scatter(*lines(0.02, seed=seed)) for seed in range(50)]
    assert np.mean(found) == pytest.approx(0.02, rel=0.05)


def test_errors_that_explain_all_leave_no_scatter():
    found = [intrinsic_scatter(*lines(0.0, seed=seed)) for seed in range(100)]
    assert np.count_nonzero(found) <= 4


def test_as_many_points_as_coefficients_say_nothing_of_scatter():
    design, values, errors = lines(0.1, n=2)
    assert intrinsic_scatter(design, values, errors) == 0.0
