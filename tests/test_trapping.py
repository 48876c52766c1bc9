"""Traps take charge, keep none of it for themselves, and meet more of it far from the amplifier."""

from dataclasses import replace

import numpy as np
import pytest
import sep

from wfc3_cte_monitor import simulate
from wfc3_cte_monitor.simulate.psf import draw_stars
from wfc3_cte_monitor.simulate.trapping import TRAPPING, read_out

ROWS, COLUMNS = 600, 48
Y = np.array([150.0, 350.0, 550.3])
FLUX = 1000.0
YEARS = 14.0


def scene(sky, flux=FLUX):
    """Three stars of one brightness in columns of their own."""
    return draw_stars((ROWS, COLUMNS), np.array([8.0, 24.2, 40.4]), Y, np.full(3, flux), np.full(3, 0.7)) + sky


def aperture_flux(image, sky):
    data = np.ascontiguousarray(image - sky, dtype=np.float32)
    return sep.sum_circle(data, np.array([8.0, 24.2, 40.4]) - 1, Y - 1, 3.0, subpix=0)[0]


def lost(sky, years=YEARS, **options):
    """Magnitudes that each star loses in 3 px, against a sky that went through the same traps."""
    image, _ = read_out(scene(sky), years, **options)
    empty, _ = read_out(np.full((ROWS, COLUMNS), float(sky)), years, **options)
    return -2.5 * np.log10(aperture_flux(image, empty) / aperture_flux(scene(sky), sky))


def test_no_charge_is_made_or_lost():
    image = np.random.default_rng(1).poisson(scene(2.0)).astype(float)
    arrived, left = read_out(image, YEARS)
    assert np.all(left > 0)
    np.testing.assert_allclose(arrived.sum(axis=0) + left, image.sum(axis=0), rtol=1e-4)
    assert np.all(arrived >= 0)


def test_no_traps_change_nothing():
    image = scene(2.0)
    for trapping, years in ((TRAPPING, 0.0), (replace(TRAPPING, n_low=0.0, n_high=0.0), YEARS)):
        arrived, left = read_out(image, years, trapping)
        np.testing.assert_allclose(arrived, image, rtol=1e-6)
        assert not left.any()


def test_loss_grows_with_rows_and_years_and_shrinks_with_flash():
    loss = lost(2.0)
    assert np.all(np.diff(loss) > 0.05)
    np.testing.assert_allclose(loss / loss[-1], Y / Y[-1], atol=0.1)
    assert np.all(lost(2.0, years=YEARS / 2) < loss)
    assert np.all(lost(22.0) < 0.5 * loss)


def test_fainter_stars_lose_a_larger_part():
    bright, _ = read_out(scene(2.0, 10 * FLUX), YEARS)
    part = aperture_flux(bright, 2.0) / aperture_flux(scene(2.0, 10 * FLUX), 2.0)
    assert np.all(-2.5 * np.log10(part) < 0.6 * lost(2.0))


def test_trails_point_away_from_the_amplifier():
    image = np.full((ROWS, 3), 2.0)
    image[300, 1] = 5000.0
    for towards_first in (True, False):
        arrived, _ = read_out(image, YEARS, towards_first=towards_first)
        after, before = arrived[301:330, 1] - arrived[301:330, 0], arrived[271:300, 1] - arrived[271:300, 0]
        trail, front = (after, before) if towards_first else (before, after)
        assert trail.sum() > 10
        assert abs(front.sum()) < 0.1 * trail.sum()


def test_both_chips_have_the_same_traps():
    image = scene(2.0)
    first, left_first = read_out(image, YEARS)
    last, left_last = read_out(image[::-1], YEARS, towards_first=False)
    np.testing.assert_array_equal(first, last[::-1])
    np.testing.assert_array_equal(left_first, left_last)


def test_steps_of_many_rows_are_as_good_as_of_one():
    np.testing.assert_allclose(lost(2.0, rows_per_step=16), lost(2.0, rows_per_step=1), rtol=0.02)


@pytest.mark.parametrize("radius", [3.0, 10.0])
def test_light_in_an_aperture_of_the_optical_psf(radius):
    psf = simulate.OpticalPsf(0.03)
    rng = np.random.default_rng(2)
    x, y = rng.uniform(60, 70, (2, 60)).round(1)
    images = [psf.draw((130, 130), *np.array([[a], [b], [1.0]])).astype(np.float32) for a, b in zip(x, y, strict=True)]
    sums = [sep.sum_circle(image, x[[k]] - 1, y[[k]] - 1, radius, subpix=0)[0] for k, image in enumerate(images)]
    assert np.mean(sums) == pytest.approx(psf.encircled_energy(radius), abs=2e-3)


def test_optical_psf_is_sharp_at_focus_and_has_spikes_and_halo():
    at_focus, blurred = (
        simulate.OpticalPsf(defocus).draw((121, 121), *np.array([[61.0], [61.0], [1e6]])) for defocus in (0.0, 0.08)
    )
    assert 1.05 * blurred.max() < at_focus.max() < 0.3e6
    assert 0.75 < simulate.OpticalPsf(0.0).encircled_energy(3.0) < 0.85
    offsets = np.arange(15, 40)
    spike = at_focus[60 + offsets, 60 + offsets].mean()
    beside = at_focus[60, 60 + np.rint(offsets * 1.414).astype(int).clip(0, 60)].mean()
    assert spike > 3 * beside > 0


def test_an_exposure_is_read_out_through_traps():
    plan = simulate.default_plan(n_epochs=2, targets=("ngc104",), lengths=("l",), flashlvls=(0.0,), ctecorr=(False,))
    cluster = simulate.make_cluster("ngc104", n_columns=16)
    quiet = {"cosmic_rays": False, "bad_pixels": False, "saturation": False, "noise": False, "loss": False}
    exposure = next(e for e in plan[::-1] if e.chip == 2)
    plain, trapped = (
        simulate.simulate_exposure(exposure, cluster, n_columns=16, effects=simulate.Effects(trapping=t, **quiet))
        for t in (None, TRAPPING)
    )
    for extver, last in ((1, slice(1500, None)), (2, slice(None, 500))):
        difference = trapped["SCI", extver].data - plain["SCI", extver].data
        assert difference[last].min() < -30
        assert difference[last].max() > 3
