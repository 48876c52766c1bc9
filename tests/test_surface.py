import numpy as np
import pytest

from wfc3_cte_monitor.errors import NotEnoughPointsError, UndeterminedFitError
from wfc3_cte_monitor.records import FluxBin
from wfc3_cte_monitor.surface import finest_bins, fit_surface, predict
from wfc3_cte_monitor.uvis import MJD_ZERO

TRUTH = np.array([[0.3, -0.1, 0.01], [3e-4, -1e-4, 1e-5], [1e-8, -4e-9, 5e-10]])
FLUXES = np.log10([350.0, 700, 1400, 2800, 5600, 16000])


def truth(d, f):
    return sum(TRUTH[i, j] * d**i * f**j for i in range(3) for j in range(3))


def points(dates, noise=0.01, seed=1, fluxes=FLUXES):
    rng = np.random.default_rng(seed)
    epoch, group = (v.ravel() for v in np.meshgrid(range(len(dates)), range(len(fluxes)), indexing="ij"))
    mjd, f = np.asarray(dates, dtype=float)[epoch], np.asarray(fluxes)[group] + rng.normal(0, 0.01, epoch.size)
    loss = truth(mjd - MJD_ZERO, f) + rng.normal(0, noise, epoch.size)
    return mjd, f, loss, np.full(epoch.size, max(noise, 1e-6)), epoch, group


DATES = np.linspace(55100, 57900, 10)


def test_nine_coefficients_come_back():
    surface = fit_surface(*points(DATES, noise=0.0), "mag")
    assert surface.rank == 9
    np.testing.assert_allclose(surface.coefficients, TRUTH, rtol=1e-5)
    assert (surface.n_points, surface.n_epochs) == (60, 10)
    assert surface.d_range == pytest.approx((55100 - MJD_ZERO, 57900 - MJD_ZERO))


def test_covariance_is_true():
    """Repeated with new noise, coefficients and predictions scatter as the covariance says."""
    surfaces = [fit_surface(*points(DATES, seed=s), "mag") for s in range(300)]
    pulls = [(s.coefficients - TRUTH) / s.errors for s in surfaces]
    np.testing.assert_allclose(np.std(pulls, axis=0), 1, atol=0.15)
    predictions = [predict(s, 56500.0, 3.0) for s in surfaces]
    pulls = [(value - truth(1100.0, 3.0)) / error for value, error in predictions]
    assert 0.85 < np.std(pulls) < 1.15
    assert np.mean([s.chi2 for s in surfaces]) == pytest.approx(60 - 9, rel=0.05)


@pytest.mark.parametrize(("n_epochs", "rank"), [(1, 3), (2, 6), (3, 9), (10, 9)])
def test_order_in_time_follows_the_epochs(n_epochs, rank):
    surface = fit_surface(*points(DATES[:n_epochs]), "mag")
    assert surface.rank == rank
    assert not surface.coefficients[rank // 3 :].any()
    assert np.all(surface.errors[: rank // 3] > 0)
    assert not surface.errors[rank // 3 :].any()


def test_order_in_flux_follows_the_bins():
    surface = fit_surface(*points(DATES, fluxes=FLUXES[:2]), "mag")
    assert surface.rank == 6
    assert not surface.coefficients[:, 2].any()


def test_weights_count():
    """A tenth of the points is off by a lot, and says so in its errors."""
    mjd, f, loss, err, epoch, group = points(DATES)
    off = np.arange(len(mjd)) % 10 == 0
    surface = fit_surface(mjd, f, loss + off, np.where(off, 1e3, err), epoch, group, "mag")
    value, _ = predict(surface, mjd, f)
    assert np.abs(value - truth(mjd - MJD_ZERO, f)).max() < 0.02


def test_missing_losses_take_no_part():
    mjd, f, loss, err, epoch, group = points(DATES)
    gone = np.arange(len(mjd)) % 7 == 0
    with_gaps = fit_surface(mjd, f, np.where(gone, np.nan, loss), err, epoch, group, "mag")
    without = fit_surface(*(v[~gone] for v in (mjd, f, loss, err, epoch, group)), "mag")
    np.testing.assert_array_equal(with_gaps.coefficients, without.coefficients)
    assert with_gaps.n_points == np.count_nonzero(~gone)


def test_error_of_a_prediction_grows_outside_the_data():
    surface = fit_surface(*points(DATES), "mag")
    inside, outside = (predict(surface, mjd, 3.0)[1] for mjd in (56500.0, 60000.0))
    assert outside > 5 * inside


def test_predictions_broadcast():
    value, error = predict(fit_surface(*points(DATES), "mag"), DATES[:, None], FLUXES)
    assert value.shape == error.shape == (10, 6)


def some(kept):
    return [v[kept] for v in points(DATES)]


@pytest.mark.parametrize(
    ("kept", "rank"),
    [
        (lambda epoch, group: (epoch == 0) | (group == 0), 3),  # one bin alone is seen to change
        (lambda epoch, group: (epoch < 2) | ((epoch == 9) & (group == 0)), 6),  # the third epoch has one bin
    ],
)
def test_powers_of_time_that_the_points_do_not_determine_are_given_up(kept, rank):
    """There are enough points and dates, but only the jitter of the mean fluxes would determine all powers."""
    surface = fit_surface(*some(kept(*np.divmod(np.arange(60), 6))), "mag")
    assert surface.rank == rank
    assert not surface.coefficients[rank // 3 :].any()


def test_too_few_points_are_refused_with_numbers():
    mjd, f, loss, err, epoch, group = some([0, 1, 2])
    with pytest.raises(NotEnoughPointsError, match="0 points, 1 needed"):
        fit_surface(mjd, f, np.full(3, np.nan), err, epoch, group, "mag")


def test_fluxes_that_do_not_differ_are_refused():
    mjd, _, loss, err, epoch, group = some(slice(None))
    with pytest.raises(UndeterminedFitError, match="determine 1 of 3"):
        fit_surface(mjd, np.full(60, 3.0), loss, err, epoch, group, "mag")


def test_finest_bins_do_not_overlap():
    lo, hi = [250, 500, 500, 1000, 2000, 2000, 4000, 8000], [500, 1000, 2000, 2000, 4000, 8000, 8000, 32000]
    bins = [FluxBin(a, b) for a, b in zip(lo, hi, strict=True)]
    assert [b.label for b in finest_bins(bins)] == [
        "250_500",
        "500_1000",
        "1000_2000",
        "2000_4000",
        "4000_8000",
        "8000_32000",
    ]
