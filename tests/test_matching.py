"""Master stars on a chip: the whole sky goes in, the stars of the chip come out, where their light is."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.coordinates import angular_separation
from astropy.wcs import WCS

from wfc3_cte_monitor.exposures import read_chip
from wfc3_cte_monitor.matching import seen_by_others, stars_on_chip
from wfc3_cte_monitor.photometry import find
from wfc3_cte_monitor.records import PhotometrySetup
from wfc3_cte_monitor.simulate import IDEAL, PlannedExposure, make_cluster, simulate_exposure
from wfc3_cte_monitor.simulate.pointing import attitude_of, chip_wcs, wcs_header
from wfc3_cte_monitor.uvis import zero_based

COLUMNS, ROWS = 4096, 2051
SHAPE = (ROWS, COLUMNS)


def wcs_at(ra, dec, chip=2, n_columns=COLUMNS):
    """The real distortion (SIP, NPOL, D2IM), pointed anywhere."""
    return chip_wcs(wcs_header(chip, attitude_of(ra, dec, 100.0), n_columns), n_columns)


def random_pixels(n, seed=0, margin=0.0):
    rng = np.random.default_rng(seed)
    return rng.uniform(0.5 - margin, COLUMNS + 0.5 + margin, n), rng.uniform(0.5 - margin, ROWS + 0.5 + margin, n)


def all_sky(n, seed=1):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))


@pytest.mark.parametrize("chip", [1, 2])
@pytest.mark.parametrize(
    ("ra", "dec"), [(6.02, -72.08), (0.0, 0.0), (359.9999, 37.8), (273.96, 89.99), (120.0, -89.999), (80.0, 90.0)]
)
def test_ten_thousand_stars_come_back_to_their_pixels(ra, dec, chip):
    """At RA 0/360 and at the poles as well."""
    wcs = wcs_at(ra, dec, chip)
    x, y = random_pixels(10_000)
    index, x_found, y_found = stars_on_chip(wcs, SHAPE, *wcs.all_pix2world(x, y, 1))
    np.testing.assert_array_equal(index, np.arange(x.size))
    np.testing.assert_allclose(x_found, x, rtol=0, atol=1e-3)
    np.testing.assert_allclose(y_found, y, rtol=0, atol=1e-3)


@pytest.mark.parametrize("turn", [-360.0, 0.0, 360.0])
def test_right_ascension_counts_modulo_a_full_turn(turn):
    wcs = wcs_at(0.0, 10.0)
    x, y = random_pixels(200)
    ra, dec = wcs.all_pix2world(x, y, 1)
    assert ra.min() < 1 and ra.max() > 359
    index, x_found, _ = stars_on_chip(wcs, SHAPE, ra + turn, dec)
    np.testing.assert_array_equal(index, np.arange(200))
    np.testing.assert_allclose(x_found, x, rtol=0, atol=1e-3)


def test_stars_all_over_the_sky_stay_out():
    """The tangent projection shows the other half of the sky a second time, and SIP explodes far from the frame."""
    wcs = wcs_at(6.02, -72.08)
    x, y = random_pixels(500)
    ra, dec = wcs.all_pix2world(x, y, 1)
    other_ra, other_dec = all_sky(20_000)
    antipodes = (ra + 180) % 360, -dec
    catalog = np.concatenate([other_ra, ra, antipodes[0]]), np.concatenate([other_dec, dec, antipodes[1]])
    index, x_found, y_found = stars_on_chip(wcs, SHAPE, *catalog)
    np.testing.assert_array_equal(index, np.arange(20_000, 20_500))
    assert np.isfinite([x_found, y_found]).all()
    np.testing.assert_allclose([x_found, y_found], [x, y], rtol=0, atol=1e-3)


def test_the_edge_is_that_of_the_outer_pixels():
    wcs = wcs_at(6.02, -72.08)
    inside, outside = (0.51, COLUMNS + 0.49), (0.49, COLUMNS + 0.51)
    assert_kept(wcs, inside, (1000.0, 1000.0), [True, True])
    assert_kept(wcs, outside, (1000.0, 1000.0), [False, False])
    assert_kept(wcs, (1000.0, 1000.0), (0.51, ROWS + 0.49), [True, True])
    assert_kept(wcs, (1000.0, 1000.0), (0.49, ROWS + 0.51), [False, False])


def assert_kept(wcs, x, y, expected):
    index, _, _ = stars_on_chip(wcs, SHAPE, *wcs.all_pix2world(x, y, 1))
    np.testing.assert_array_equal(np.isin([0, 1], index), expected)


def test_stars_around_the_chip_are_sorted_out_by_the_full_distortion():
    wcs = wcs_at(6.02, -72.08)
    x, y = random_pixels(5000, margin=60.0)
    index, _, _ = stars_on_chip(wcs, SHAPE, *wcs.all_pix2world(x, y, 1))
    on_chip = (x > 0.5) & (x < COLUMNS + 0.5) & (y > 0.5) & (y < ROWS + 0.5)
    np.testing.assert_array_equal(index, np.flatnonzero(on_chip))


@pytest.mark.parametrize(("ra", "dec"), [([], []), ([186.0], [72.0]), ([6.02], [72.08])])
def test_no_star_on_the_chip_is_an_empty_answer(ra, dec):
    index, x, y = stars_on_chip(wcs_at(6.02, -72.08), SHAPE, ra, dec)
    assert index.shape == x.shape == y.shape == (0,)


def test_the_distortion_is_inverted_in_one_call(monkeypatch):
    wcs, calls = wcs_at(6.02, -72.08), []
    original = WCS.all_world2pix
    monkeypatch.setattr(
        WCS, "all_world2pix", lambda self, *args, **kwargs: calls.append(args) or original(self, *args, **kwargs)
    )
    stars_on_chip(wcs, SHAPE, *wcs.all_pix2world(*random_pixels(3000), 1))
    assert len(calls) == 1


def test_positions_are_those_of_an_independent_inversion():
    """Newton's method with numerical derivatives on `all_pix2world`, to 0.1 mas."""
    wcs = wcs_at(6.02, -72.08)
    ra, dec = wcs.all_pix2world(*random_pixels(50, seed=3), 1)
    _, x, y = stars_on_chip(wcs, SHAPE, ra, dec)
    ra_back, dec_back = wcs.all_pix2world(x, y, 1)
    distance = np.degrees(angular_separation(*np.radians([ra, dec, ra_back, dec_back]))) * 3600
    assert distance.max() < 1e-4


# ---- Pixels count from 1 ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def injected(tmp_path_factory):
    """A frame with 20 bright stars and nothing else, and the catalogue that they are of."""
    cluster = make_cluster("ngc104", n_columns=64, flux=np.full(20, 2e4))
    exposure = PlannedExposure(14541, "01", 1, 57770.0, "ngc104")
    hdus = simulate_exposure(exposure, cluster, n_columns=64, effects=replace(IDEAL, noise=True))
    path = tmp_path_factory.mktemp("injected") / exposure.imagename(False)
    hdus.writeto(path)
    return read_chip(path, 2), cluster


def test_the_brightest_pixel_is_at_the_one_based_position(injected):
    image, cluster = injected
    _, x, y = stars_on_chip(image.wcs, image.data.shape, cluster.ra, cluster.dec)
    inner = (x > 4) & (x < 60) & (y > 4) & (y < 2047)
    assert inner.sum() >= 5
    for column, row in zip(zero_based(x[inner]), zero_based(y[inner]), strict=True):
        assert light_centre(image.data, column, row) == pytest.approx((column, row), abs=0.1)


def light_centre(data, column, row, half=4):
    """Centre of light of a 9 x 9 box above its median, in numpy's convention."""
    j, i = round(row), round(column)
    box = data[j - half : j + half + 1, i - half : i + half + 1]
    box = np.clip(box - np.median(box), 0.02 * box.max(), None) - 0.02 * box.max()
    rows, columns = np.indices(box.shape)
    return i - half + np.sum(columns * box) / box.sum(), j - half + np.sum(rows * box) / box.sum()


def test_centroids_are_where_the_catalogue_says(injected):
    image, cluster = injected
    index, x, y = stars_on_chip(image.wcs, image.data.shape, cluster.ra, cluster.dec)
    positions = find(image, cluster.id[index], x, y, PhotometrySetup((3.0,), (12.0, 20.0), 1.5))
    assert np.nanmedian(positions.shift) < 0.05


# ---- What other exposures see ----------------------------------------------------------------------------------------


def chips_at(postarg2=0.0, ra=6.02, n_columns=512):
    attitude = attitude_of(ra, -72.08, 280.0, (0.0, postarg2))
    return {chip: (chip_wcs(wcs_header(chip, attitude, n_columns), n_columns), (ROWS, n_columns)) for chip in (1, 2)}


def seen_part(chip, here, there):
    seen = seen_by_others(*here[chip], there.values())
    assert seen.shape == here[chip][1] and seen.dtype == bool
    return seen.mean()


def test_the_field_is_seen_from_the_other_chip_and_the_rest_is_not():
    here, there = chips_at(0.0), chips_at(82.0)
    assert seen_part(2, here, there) > 0.8 and seen_part(1, there, here) > 0.8
    assert seen_part(1, here, there) < 0.01 and seen_part(2, there, here) < 0.01


def test_at_the_same_pointing_all_is_seen_and_elsewhere_nothing():
    here = chips_at()
    for chip in (1, 2):
        assert seen_part(chip, here, chips_at()) == 1.0
        assert seen_part(chip, here, chips_at(ra=6.5)) == 0.0
        assert seen_by_others(*here[chip], []).sum() == 0


def test_the_seam_of_what_is_seen_is_within_a_step():
    """Against every pixel of a few rows, through the full distortion; what is called seen must be so."""
    here, there = chips_at(0.0), chips_at(70.0)
    seen = seen_by_others(*here[2], there.values())
    rows = np.arange(0, ROWS, 97)
    y, x = (grid.ravel() for grid in np.meshgrid(rows, np.arange(512), indexing="ij"))
    ra, dec = here[2][0].all_pix2world(x, y, 0)
    truly = np.isin(np.arange(x.size), np.concatenate([stars_on_chip(*one, ra, dec)[0] for one in there.values()]))
    said = seen[y, x]
    assert not (said & ~truly).any() and (truly & ~said).mean() < 0.15
