import numpy as np
import pytest

from wfc3_cte_monitor.errors import NotEnoughPointsError
from wfc3_cte_monitor.records import FluxBin, StarPairs
from wfc3_cte_monitor.slopes import clip_line, fit_line, join_stars, loss, measure_slopes
from wfc3_cte_monitor.uvis import ROWS

BIN = FluxBin(500, 1000)


def star_pairs(loss_mag, n=4000, noise=0.0, flux=(250.0, 2000.0), seed=1):
    """Stars on equal chips that lose `loss_mag` on the whole way."""
    rng = np.random.default_rng(seed)
    y, f0 = rng.uniform(1, ROWS, n), np.exp(rng.uniform(*np.log(flux), n))
    lost = 10 ** (-0.4 * loss_mag * np.stack([ROWS + 1 - y, y]) / ROWS)
    flux1, flux2 = f0 * lost + rng.normal(0, noise, (2, n))
    return StarPairs(np.arange(n), y, flux1, flux2)


@pytest.mark.parametrize("loss_mag", [0.0, 0.05, 0.35, 0.7])
def test_a_loss_in_magnitudes_comes_back_exactly(loss_mag):
    (fit,) = measure_slopes(star_pairs(loss_mag), [BIN])
    assert loss(fit.mag.slope, "mag") == pytest.approx(loss_mag, abs=1e-9)


def test_flux_ratio_loss_is_that_of_the_curved_ratio():
    """METHOD section 5: the ratio is exp(2 k (y - middle)), through which the straight line has a known slope."""
    k = 0.7 * np.log(10) / 2.5
    expected = 3 * (k * np.cosh(k) - np.sinh(k)) / k**2
    (fit,) = measure_slopes(star_pairs(0.7, n=200_000, flux=(700, 701)), [FluxBin(1, 10_000)])
    assert loss(fit.ratio.slope, "flux") == pytest.approx(expected, rel=5e-3)
    assert 0.6 < expected < 0.7


def test_bin_is_that_of_the_geometric_mean():
    stars = StarPairs(
        np.arange(4), np.arange(4.0), np.array([250.0, 1000, 500, 999]), np.array([1000.0, 1000, 499, 999])
    )
    (fit,) = measure_slopes(stars, [BIN])
    assert fit.n_points == 2, "lo <= sqrt(F1 F2) < hi"


def test_noise_does_not_flatten_the_slope():
    """Asking for both fluxes in the bin would: 0.007 mag at 0.2 mag."""
    found = [measure_slopes(star_pairs(0.3, noise=25.0, seed=s), [BIN])[0].mag for s in range(40)]
    bias = np.mean([loss(fit.slope, "mag") for fit in found]) - 0.3
    assert abs(bias) < 0.002
    pulls = [(loss(fit.slope, "mag") - 0.3) / loss(fit.slope_err, "mag") for fit in found]
    assert 0.8 < np.std(pulls) < 1.25


def test_outliers_are_clipped_in_both_measures():
    stars = star_pairs(0.2, n=1000, noise=5.0)
    flux1 = stars.flux1.copy()
    spoiled = np.flatnonzero((stars.flux > 520) & (stars.flux < 600))[:10]
    flux1[spoiled] *= 2.5
    clean, dirty = (
        measure_slopes(s, [FluxBin(500, 2000)])[0] for s in (stars, StarPairs(stars.id, stars.y, flux1, stars.flux2))
    )
    assert loss(dirty.mag.slope, "mag") == pytest.approx(loss(clean.mag.slope, "mag"), abs=0.003)
    assert dirty.n_points <= clean.n_points
    np.testing.assert_array_equal(dirty.mag.kept, dirty.ratio.kept)


def test_standard_deviation_is_error_times_root_n():
    (fit,) = measure_slopes(star_pairs(0.2, noise=20.0), [BIN])
    assert fit.mag.slope_std == pytest.approx(fit.mag.slope_err * np.sqrt(fit.n_points))


@pytest.mark.parametrize("n", [0, 1, 2])
def test_fewer_than_three_points_are_no_slope(n):
    stars = StarPairs(np.arange(n), np.arange(n, dtype=float), np.full(n, 700.0), np.full(n, 700.0))
    (fit,) = measure_slopes(stars, [BIN])
    assert fit.mag is None
    assert fit.ratio is None
    assert fit.n_points == n


def test_stars_are_joined_by_id():
    flux = np.array([1.0, 2.0, 3.0, 4.0])
    stars = join_stars(
        np.array([4, 3, 2, 1]), flux, np.zeros(4, int), np.array([1, 2, 9]), flux[:3], np.zeros(3, int), flux[:3]
    )
    np.testing.assert_array_equal(stars.id, [1, 2])
    np.testing.assert_array_equal(stars.flux1, [4, 3])
    np.testing.assert_array_equal(stars.flux2, [1, 2])


@pytest.mark.parametrize("spoil", ["flag", "negative", "nan"])
def test_flagged_negative_and_missing_fluxes_never_enter(spoil):
    ids, flux, flags = np.arange(3), np.full(3, 700.0), np.zeros(3, int)
    bad_flux, bad_flags = flux.copy(), flags.copy()
    if spoil == "flag":
        bad_flags[1] = 4
    else:
        bad_flux[1] = {"negative": -700.0, "nan": np.nan}[spoil]
    for one, two in ((1, 0), (0, 1), (1, 1)):
        sides = [(ids, bad_flux, bad_flags) if bad else (ids, flux, flags) for bad in (one, two)]
        np.testing.assert_array_equal(join_stars(*sides[0], *sides[1], np.ones(3)).id, [0, 2])


def test_line_errors_are_those_of_least_squares():
    rng = np.random.default_rng(2)
    x = rng.uniform(0, 2000, 50)
    y = 1 + 2e-4 * x + rng.normal(0, 0.1, 50)
    fit = fit_line(x, y)
    coefficients, covariance = np.polyfit(x, y, 1, cov=True)
    np.testing.assert_allclose([fit.slope, fit.intercept], coefficients)
    np.testing.assert_allclose(
        [fit.slope_err**2, fit.intercept_err**2, fit.covariance], [covariance[0, 0], covariance[1, 1], covariance[0, 1]]
    )


def test_a_line_needs_three_points_and_two_places():
    with pytest.raises(NotEnoughPointsError, match="2 points, 3 needed"):
        fit_line(np.array([1.0, 2.0]), np.array([1.0, 2.0]))
    with pytest.raises(NotEnoughPointsError):
        fit_line(np.ones(5), np.arange(5.0))


def test_clipping_leaves_clean_points_alone():
    x = np.linspace(0, 1, 200)
    assert clip_line(x, x + np.random.default_rng(3).uniform(-1, 1, 200)).all()
