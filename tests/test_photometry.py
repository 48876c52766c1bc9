"""Stars of known flux and place, drawn here and not by the simulator, come back."""

from dataclasses import replace

import astroscrappy
import numpy as np
import pytest
from scipy.special import erf

from wfc3_cte_monitor import photometry, quality, simulate
from wfc3_cte_monitor.cosmic_rays import find_cosmic_rays
from wfc3_cte_monitor.records import ChipImage, Flag, PhotometrySetup

SIGMA = 1.8 / 2.3548
SHAPE = (300, 400)


def draw(x, y, flux, shape=SHAPE):
    """Pixel-integrated Gaussians at 1-based positions."""
    columns, rows = np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5
    image = np.zeros(shape)
    for xs, ys, f in zip(np.atleast_1d(x), np.atleast_1d(y), np.atleast_1d(flux), strict=True):
        image += f * np.outer(_slices(rows, ys), _slices(columns, xs))
    return image


def _slices(edges, centre):
    """The part of a Gaussian in each pixel; pixel 1 reaches from 0.5 to 1.5."""
    upper = erf((edges + 1 - centre) / (SIGMA * np.sqrt(2)))
    return 0.5 * (upper - erf((edges - centre) / (SIGMA * np.sqrt(2))))


def chip_image(data, dq=None, removed=0.0):
    dq = np.zeros(data.shape, np.int16) if dq is None else dq
    return ChipImage(2, np.ascontiguousarray(data, np.float32), dq, removed, 3.1, None, 0.0396)


def grid(spacing=40, jitter=0.5, seed=0):
    """Isolated stars away from the edges, anywhere within their pixels."""
    rng = np.random.default_rng(seed)
    x, y = (v.ravel().astype(float) for v in np.meshgrid(range(40, 370, spacing), range(40, 270, spacing)))
    return x + rng.uniform(-jitter, jitter, x.size), y + rng.uniform(-jitter, jitter, x.size)


def measure(image, x, y, *, cosmic_ray=None, start=0.0, max_shift=1.5, area=1.0, bad_bits=4):
    masks = quality.pixel_masks(image, bad_bits, cosmic_ray)
    setup = PhotometrySetup((3.0, 5.0, 10.0), (12.0, 20.0), max_shift)
    positions = photometry.find(image, np.arange(len(x)), np.asarray(x) + start, np.asarray(y), setup)
    masks = quality.with_stars(masks, image, positions)
    measured = photometry.measure(image, masks, positions, np.full(len(x), area), setup)
    return quality.flagged(measured, masks)


def expected_share(radius):
    """Of a Gaussian widened by the pixel, in a circle (to 1e-3 at FWHM 1.8 px and 3 px)."""
    return 1 - np.exp(-(radius**2) / (2 * (SIGMA**2 + 1 / 12)))


def test_flux_and_position_come_back_from_a_start_one_pixel_off():
    x, y = grid()
    flux = np.geomspace(300, 30000, len(x))
    result = measure(chip_image(draw(x, y, flux) + 2.0), x, y, start=1.0)
    np.testing.assert_allclose(result.positions.x, x, atol=0.02)
    np.testing.assert_allclose(result.positions.y, y, atol=0.02)
    np.testing.assert_allclose(result.positions.shift, 1.0, atol=0.02)
    np.testing.assert_allclose(result.flux[0] / flux, expected_share(3.0), atol=2e-3)
    np.testing.assert_allclose(result.flux[2] / flux, 1.0, atol=2e-3)
    np.testing.assert_allclose(result.sky, 2.0, atol=1e-3)
    assert not result.flags.any()


def offsets(catalogue_scatter, n_bright=30):
    """Errors of the positions of faint and bright stars, whose catalogue lies 0.2 px beside the image; and of flux."""
    rng = np.random.default_rng(6)
    x, y = grid(spacing=20, seed=6)
    flux = np.where(np.arange(len(x)) < n_bright, 20000.0, 250.0)
    data = rng.poisson(draw(x, y, flux) + 2.0) + rng.normal(0, 3.1, SHAPE)
    start = rng.normal(0.2, catalogue_scatter, (2, len(x)))
    setup = PhotometrySetup((3.0,), (12.0, 20.0), 2.0)
    found = photometry.find(chip_image(data), np.arange(len(x)), x + start[0], y + start[1], setup)
    error = np.hypot(found.x - x, found.y - y)
    return error[n_bright:], error[:n_bright]


def test_faint_stars_are_where_the_bright_ones_say():
    faint, bright = offsets(0.02)
    assert np.median(bright) < 0.03
    assert np.median(faint) < 0.05
    alone, _ = offsets(0.02, n_bright=5)
    assert np.median(alone) > 2 * np.median(faint), "five stars are too few to tell"


def test_a_poor_catalogue_counts_for_little():
    faint, bright = offsets(0.5)
    assert np.median(bright) < 0.03
    assert np.median(faint) < 0.2


def test_pixel_area_scales_flux_and_error():
    x, y = grid()
    image = chip_image(draw(x, y, np.full(len(x), 5000.0)) + np.random.default_rng(1).normal(2, 3, SHAPE))
    plain, scaled = measure(image, x, y), measure(image, x, y, area=1.03)
    np.testing.assert_allclose(scaled.flux, 1.03 * plain.flux)
    np.testing.assert_allclose(scaled.flux_err, 1.03 * plain.flux_err)
    np.testing.assert_array_equal(scaled.sky, plain.sky)


def test_background_is_all_that_the_charge_met():
    x, y = grid()
    result = measure(chip_image(draw(x, y, np.full(len(x), 5000.0)) + 2.0, removed=12.5), x, y)
    np.testing.assert_allclose(result.background, 14.5, atol=1e-3)


@pytest.mark.parametrize(
    ("sky", "removed", "flux"),
    [(2.0, 0.0, 400.0), (2.0, 0.0, 5000.0), (2.0, 0.0, 50000.0), (30.0, 0.0, 1000.0)]
    + [(2.0, 12.0, 400.0), (2.0, 116.0, 1000.0), (15.0, 12.0, 20000.0)],
)
def test_errors_are_true(sky, removed, flux):
    """Post-flash and dark are gone from the image, but not their noise."""
    x, y = grid()
    rng = np.random.default_rng(2)
    model = draw(x, y, np.full(len(x), flux)) + sky + removed
    fluxes, errors = [], []
    for _ in range(30):
        result = measure(chip_image(rng.poisson(model) + rng.normal(0, 3.1, SHAPE) - removed), x, y)
        fluxes.append(result.flux)
        errors.append(result.flux_err)
    pulls = (np.array(fluxes) - np.mean(fluxes, axis=0)) / np.array(errors)
    width = np.std(pulls, axis=(0, 2)) * np.sqrt(30 / 29)
    assert (np.abs(width - 1) < 0.1).all(), width
    share = np.array([expected_share(radius) for radius in (3.0, 5.0, 10.0)])
    # The mean over stars and images: within its own error or a per cent.
    mean_error = np.mean(errors, axis=(0, 2)) / np.sqrt(30 * len(x))
    assert (np.abs(np.mean(fluxes, axis=(0, 2)) - flux * share) < 0.01 * flux + 3 * mean_error).all()


def test_sky_ignores_neighbours_and_hits():
    """A quarter of the annulus is spoiled by stars that are in the catalogue, and some pixels by hits that are not."""
    rng = np.random.default_rng(3)
    x, y = rng.uniform(30, 370, 250), rng.uniform(30, 270, 250)
    data = draw(x, y, rng.pareto(0.7, 250).clip(0, 200) * 300 + 150) + rng.normal(2.0, 3.2, SHAPE)
    data[rng.integers(0, 300, 400), rng.integers(0, 400, 400)] += 200
    result = measure(chip_image(data), x, y)
    used = result.n_sky >= 100
    assert used.mean() > 0.8
    assert np.mean(result.sky[used]) == pytest.approx(2.0, abs=0.06)
    assert np.median(result.sky_std[used]) == pytest.approx(3.2, rel=0.05)


def test_sky_of_a_clipped_annulus_is_that_of_a_plain_loop():
    rng = np.random.default_rng(4)
    data = rng.normal(5, 3, SHAPE).astype(np.float32)
    data[rng.integers(0, 300, 2000), rng.integers(0, 400, 2000)] = 100
    masked = rng.random(SHAPE) < 0.1
    x, y = rng.uniform(0, 399, 40), rng.uniform(0, 299, 40)
    sky, std, n = photometry.annulus_sky(data, masked, x, y, 6, 10)
    for k in range(40):
        values = plain_annulus(data, masked, x[k], y[k])
        assert n[k] == len(values)
        assert sky[k] == pytest.approx(values.mean(), abs=1e-5)
        assert std[k] == pytest.approx(values.std(), rel=1e-4)


def plain_annulus(data, masked, x, y):
    rows, columns = np.mgrid[: data.shape[0], : data.shape[1]]
    distance = np.hypot(columns - np.rint(x), rows - np.rint(y))
    values = data[(distance >= 6) & (distance < 10) & ~masked].astype(float)
    while True:
        middle, scatter = np.median(values), values.std()
        kept = values[np.abs(values - middle) <= 3 * scatter]
        if len(kept) == len(values):
            return values
        values = kept


def flag_at(result, flag):
    """For each aperture, which stars have a flag."""
    return (result.flags & int(flag)) != 0


@pytest.mark.parametrize(
    ("bit", "flag"), [(4, Flag.BAD_PIXEL), (256, Flag.SATURATED), (2048, Flag.SATURATED), (4096, Flag.COSMIC_RAY)]
)
def test_data_quality_flags_only_the_apertures_that_it_touches(bit, flag):
    x, y = np.array([100.0, 200.0]), np.array([100.0, 200.0])
    dq = np.zeros(SHAPE, np.int16)
    dq[99, 99 + 7] = bit  # 7 px from the first star
    result = measure(chip_image(draw(x, y, [5000, 5000]), dq), x, y)
    np.testing.assert_array_equal(flag_at(result, flag), [[False, False], [False, False], [True, False]])
    np.testing.assert_array_equal(result.flags != 0, flag_at(result, flag))


def test_data_quality_that_is_not_called_bad_is_good():
    dq = np.full(SHAPE, 64, np.int16)
    assert not measure(chip_image(draw(100.0, 100.0, 5000), dq), [100.0], [100.0]).flags.any()


def test_a_pixel_that_is_not_finite_is_bad_and_spoils_nothing_else():
    x, y = grid()
    data = draw(x, y, np.full(len(x), 5000.0))
    data[int(y[0]) - 1, int(x[0]) - 1] = np.nan
    result = measure(chip_image(data), x, y)
    assert flag_at(result, Flag.BAD_PIXEL)[:, 0].all()
    assert not result.flags[:, 1:].any()
    assert np.isfinite(result.flux).all()


def test_a_hit_just_outside_the_aperture_counts():
    hit = np.zeros(SHAPE, bool)
    hit[99, 99 + 4] = True
    result = measure(chip_image(draw(100.0, 100.0, 5000)), [100.0], [100.0], cosmic_ray=hit)
    assert flag_at(result, Flag.COSMIC_RAY).all()


@pytest.mark.parametrize(("chip", "row"), [(2, 92), (1, 108)])
def test_the_trail_of_a_hit_counts(chip, row):
    """It points away from the amplifier, which is below on chip 2 and above on chip 1."""
    for where in (row, 200 - row):
        hit = np.zeros(SHAPE, bool)
        hit[where - 1, 99] = True
        image = replace(chip_image(draw(100.0, 100.0, 5000)), chip=chip)
        result = measure(image, np.array([100.0]), np.array([100.0]), cosmic_ray=hit)
        assert flag_at(result, Flag.COSMIC_RAY)[0].all() == (where == row)


def test_apertures_that_leave_the_chip_are_flagged():
    x, y = np.array([5.0, 200.0, 396.5]), np.array([100.0, 8.0, 150.0])
    result = measure(chip_image(draw(x, y, np.full(3, 5000.0))), x, y)
    np.testing.assert_array_equal(
        flag_at(result, Flag.EDGE), [[False, False, False], [True, False, True], [True, True, True]]
    )


def test_a_star_that_is_not_there_stays_where_the_catalogue_has_it():
    data = draw([100.0, 103.0], [100.0, 100.0], [5.0, 90000.0])
    result = measure(chip_image(data), [100.0], [100.0], max_shift=1.0)
    assert flag_at(result, Flag.NOT_CENTRED).all()
    assert (result.positions.x[0], result.positions.y[0]) == (100.0, 100.0)
    assert np.isnan(result.positions.shift[0])


def test_centres_do_not_depend_on_the_place_in_the_pixel():
    """Brighter than any noise; the start is one pixel off, anywhere around the star."""
    x, y = grid(spacing=10)
    angle = np.linspace(0, 40, len(x))
    data = np.ascontiguousarray(draw(x, y, np.full(len(x), 1e7)), np.float32)
    xc, yc, centred = photometry.centroids(data, x - 1 + np.cos(angle), y - 1 + np.sin(angle), 1.5)
    assert centred.all()
    np.testing.assert_allclose(np.stack([xc + 1, yc + 1]), np.stack([x, y]), atol=0.008)


def test_every_isolated_star_above_20_sigma_is_centred():
    """FWHM 1.8 px once in the pixels, sky 15 e-/px: 20 sigma in 3 px is about 800 e-."""
    x, y = grid(spacing=10)
    rng = np.random.default_rng(6)
    noisy = rng.poisson(draw(x, y, np.full(len(x), 800.0)) + 15.0) + rng.normal(0, 3.1, SHAPE)
    angle = rng.uniform(0, 2 * np.pi, len(x))
    xc, yc, centred = photometry.centroids(noisy.astype(np.float32), x - 1 + np.cos(angle), y - 1 + np.sin(angle), 1.5)
    assert centred.all()
    assert np.sqrt(np.mean((xc + 1 - x) ** 2)) < 0.06
    assert np.sqrt(np.mean((yc + 1 - y) ** 2)) < 0.06


def test_a_star_that_falls_onto_its_neighbour_goes_back_to_the_catalogue():
    """All starts are 1 px off, towards the neighbour as seen from the fainter star."""
    x, y = np.array([100.0, 102.2]), np.array([100.0, 100.0])
    result = measure(chip_image(draw(x, y, [500.0, 10000.0]) + 2.0), x, y, start=1.0)
    np.testing.assert_array_equal(flag_at(result, Flag.NOT_CENTRED)[0], [True, False])
    assert result.positions.x[0] == 101.0
    assert result.positions.x[1] == pytest.approx(102.2, abs=0.03)


def test_stars_off_the_chip_are_not_centred_and_stop_nothing():
    x, y = np.array([-30.0, 0.4, 100.0, np.nan, 450.0]), np.array([100.0, 2.0, 100.0, 50.0, 900.0])
    data = np.ascontiguousarray(draw(100.3, 100.2, 5000.0), np.float32)
    _, _, centred = photometry.centroids(data, x - 1, y - 1, 1.5)
    np.testing.assert_array_equal(centred, [False, False, True, False, False])


def test_the_light_of_neighbours_is_flagged_on_the_fainter_star():
    x, y = np.array([100.0, 104.0, 200.0, 230.0]), np.array([100.0, 100.0, 100.0, 100.0])
    result = measure(chip_image(draw(x, y, [500.0, 20000.0, 500.0, 20000.0])), x, y)
    np.testing.assert_array_equal(flag_at(result, Flag.CROWDED)[0], [True, False, False, False])


def test_no_stars_are_no_rows():
    result = measure(chip_image(np.zeros(SHAPE)), np.empty(0), np.empty(0))
    assert len(result) == 0
    assert result.flux.shape == (3, 0)


def test_hits_are_found_and_star_cores_are_not():
    x, y = grid(spacing=15)
    rng = np.random.default_rng(5)
    flux = np.geomspace(300, 60000, len(x))
    data = rng.poisson(draw(x, y, flux) + 2.0) + rng.normal(0, 3.1, SHAPE)
    truth = np.zeros(SHAPE, bool)
    for row, column in rng.integers(10, 290, (40, 2)):
        truth[row, column : column + 4] = True
    hit = find_cosmic_rays(chip_image(data + 150 * truth), np.ones(SHAPE, bool))
    stars = draw(x, y, np.full(len(x), 1.0)) > 0.01
    assert hit[truth & ~stars].mean() > 0.9
    near = hit & ~truth
    touched = [near[int(b) - 3 : int(b) + 2, int(a) - 3 : int(a) + 2].any() for a, b in zip(x, y, strict=True)]
    assert np.mean(touched) < 0.05


@pytest.mark.parametrize("objlim", [2.0, 6.0, 10.0])
@pytest.mark.parametrize("shape", [SHAPE, (300, 4), (37, 400), (5, 400)])
def test_hits_are_those_of_astroscrappy(shape, objlim):
    rng = np.random.default_rng(8)
    x, y = grid(spacing=15)
    data = rng.poisson(draw(x, y, np.geomspace(300, 60000, len(x))) + 5.0) + rng.normal(0, 3.1, SHAPE)
    data += rng.exponential(300, SHAPE) * (rng.random(SHAPE) < 0.02)
    good = rng.random(SHAPE) > 0.003
    data, good = np.where(good, data, np.nan)[-shape[0] :, -shape[1] :], good[-shape[0] :, -shape[1] :]
    image = chip_image(data, removed=1.7)
    expected, _ = astroscrappy.detect_cosmics(
        np.where(good, image.data, 0) + np.float32(1.7),
        inmask=~good,
        sigclip=5.0,
        objlim=objlim,
        gain=1.0,
        readnoise=image.read_noise,
        satlevel=np.inf,
        sepmed=False,
        niter=1,
    )
    np.testing.assert_array_equal(find_cosmic_rays(image, good, objlim), expected)


@pytest.mark.parametrize("shape", [(1, 400), (300, 1), (1, 1)])
def test_a_single_row_or_column_has_no_hits(shape, monkeypatch):
    """astroscrappy's median writes past the end of such an image: it must not be asked, nor here compared with."""
    monkeypatch.setattr("wfc3_cte_monitor.cosmic_rays.medfilt5", None)
    hit = find_cosmic_rays(chip_image(np.full(shape, 500.0)), np.ones(shape, bool))
    assert hit.shape == shape
    assert not hit.any()


@pytest.mark.slow
@pytest.mark.parametrize(("exptime", "flashlvl"), [(60.0, 0.0), (350.0, 0.0), (350.0, 12.0), (350.0, 116.0)])
def test_errors_are_true_on_simulated_exposures(exptime, flashlvl):
    """Fifteen exposures of one field that differ in nothing but their noise; bright and faint stars apart."""
    exposure = simulate.PlannedExposure(12379, "01", 1, 55600.0, "ngc6791", exptime=exptime, flashlvl=flashlvl)
    effects = simulate.Effects(cosmic_rays=False, bad_pixels=False, saturation=False)
    cluster = simulate.make_cluster("ngc6791", seed=1)
    stars = simulate.stars_on_chip(exposure, cluster, 2, ctecorr=False, n_columns=128, loss=True)
    keep = (stars.x > 12) & (stars.x < 116) & (stars.y > 12) & (stars.y < 2040)
    x, y = stars.x[keep], stars.y[keep]
    fluxes, errors, bad = [], [], np.zeros((3, len(x)), bool)
    for seed in range(15):
        hdus = simulate.simulate_exposure(exposure, cluster, seed=seed, n_columns=128, effects=effects)
        result = measure(chip_image(hdus[1].data), x, y)
        fluxes.append(result.flux)
        errors.append(result.flux_err)
        bad |= result.flags != 0
    pulls = (np.array(fluxes) - np.mean(fluxes, axis=0)) / np.array(errors) * np.sqrt(15 / 14)
    brightness = np.mean(fluxes, axis=0)[0]
    for k in range(3):
        for lo, hi in ((250, 1000), (1000, 60000)):
            chosen = ~bad[k] & (brightness >= lo) & (brightness < hi)
            assert chosen.sum() >= 10
            assert 0.9 < np.std(pulls[:, k, chosen]) < 1.1, (k, lo, chosen.sum())


def test_a_faint_star_is_drawn_to_the_catalogue_and_one_that_has_moved_is_not():
    x, y = grid()
    flux = np.where(np.arange(len(x)) % 2, 20000.0, 1500.0)
    rng = np.random.default_rng(6)
    image = chip_image(rng.poisson(draw(x, y, flux) + 2.0) + rng.normal(0, 3.1, SHAPE))
    catalog_x = x.copy()
    catalog_x[0] += 0.9
    setup = PhotometrySetup((3.0,), (12.0, 20.0), 1.5)
    drawn, alone = (
        photometry.find(image, np.arange(len(x)), catalog_x, y, replace(setup, trust_catalog=trust))
        for trust in (True, False)
    )
    assert drawn.x[0] == alone.x[0] == pytest.approx(x[0], abs=0.1)
    faint = np.arange(2, len(x), 2)
    assert np.std((drawn.x - x)[faint]) < 0.5 * np.std((alone.x - x)[faint])
    np.testing.assert_allclose(drawn.x[1::2], alone.x[1::2], atol=0.02)


def test_a_hot_pixel_that_is_seen_as_a_hit_is_bad_without_margin_and_trail():
    dq, hit = np.zeros(SHAPE, np.int16), np.zeros(SHAPE, bool)
    dq[99, 50:54] = 16
    hit[99, [52, 200]] = True
    masks = quality.pixel_masks(chip_image(np.zeros(SHAPE), dq), 4, hit)
    assert [*np.argwhere(masks.bad).tolist()] == [[99, 52]]
    assert np.argwhere(masks.cosmic_ray).tolist() == [[row, 200] for row in range(99, 105)]
