"""The simulator is the yardstick of every other test: here its own answers are checked by independent means."""

import numpy as np
import pytest
import sep
from astropy.io import fits
from astropy.table import QTable, Table
from astropy.time import Time
from astropy.wcs import WCS

from wfc3_cte_monitor.errors import CatalogError, ConfigurationError
from wfc3_cte_monitor.simulate import (
    IDEAL,
    SURFACE,
    Effects,
    PlannedExposure,
    PlannedVisit,
    default_plan,
    loss_factor,
    make_cluster,
    master_catalog,
    oddities_plan,
    same_chip_plan,
    simulate_exposure,
    simulate_observatory,
    stars_on_chip,
    surface_table,
    true_loss,
    truth_table,
)
from wfc3_cte_monitor.simulate.detector import FULL_WELL, READ_NOISE, cosmic_rays
from wfc3_cte_monitor.simulate.observatory import _write
from wfc3_cte_monitor.simulate.pointing import attitude_of, chip_wcs, pixel_area, pixel_area_map, wcs_header
from wfc3_cte_monitor.simulate.psf import core_width, draw_stars, encircled_energy
from wfc3_cte_monitor.simulate.templates import primary_template, sci_template
from wfc3_cte_monitor.uvis import ROWS, rows_to_amplifier, visit_of

COLUMNS = 64
MJD_LATE = 57770.0


def exposure_on(chip, **changes):
    settings = {"mjd": MJD_LATE, "postarg2": 82.0 if chip == 1 else 0.0, "number": 3 - chip} | changes
    return PlannedExposure(14541, "01", target="ngc104", **settings)


@pytest.fixture(scope="module")
def cluster():
    return make_cluster("ngc104", n_columns=COLUMNS)


@pytest.fixture(scope="module")
def empty():
    return make_cluster("ngc104", n_columns=COLUMNS, flux=[])


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    destination = tmp_path_factory.mktemp("observatory")
    plan = default_plan(n_epochs=2, targets=("ngc104",), lengths=("l",), flashlvls=(0,))
    seen = []
    paths = simulate_observatory(destination, plan, n_columns=COLUMNS, progress=seen.append)
    assert seen == paths
    return destination, plan, paths


# --- where the light falls -------------------------------------------------------------------------------------------


def test_attitude_of_the_templates_is_found_again():
    two = sci_template(2)
    attitude = attitude_of(two["CRVAL1"], two["CRVAL2"], primary_template()["PA_V3"])
    for chip in (1, 2):
        header = sci_template(chip)
        np.testing.assert_allclose(attitude.crval[chip], (header["CRVAL1"], header["CRVAL2"]), rtol=0, atol=1e-11)
        np.testing.assert_allclose(attitude.cd[chip].ravel(), [header[f"CD{k}"] for k in ("1_1", "1_2", "2_1", "2_2")])


@pytest.mark.parametrize("dec", [-72.0, 37.8])
def test_chips_stay_one_rigid_body_anywhere_on_the_sky(dec):
    """A point of chip 1 has the same place in chip 2's linear frame, wherever the telescope looks."""

    def seen_from_chip_2(attitude):
        one, two = (_without_tables(wcs_header(chip, attitude, 4096)) for chip in (1, 2))
        return np.array(two.wcs_world2pix(*one.wcs_pix2world([100.0, 4000.0], [50.0, 1900.0], 1), 1))

    two = sci_template(2)
    here = seen_from_chip_2(attitude_of(two["CRVAL1"], two["CRVAL2"], primary_template()["PA_V3"]))
    there = seen_from_chip_2(attitude_of(123.0, dec, 17.0))
    np.testing.assert_allclose(there, here, atol=0.01)


def test_narrow_frame_has_the_distortion_of_the_central_columns():
    attitude = attitude_of(6.0, -72.0, 30.0)
    x, y = np.array([1.0, 20.0, 64.0]), np.array([1.0, 1000.3, 2051.0])
    narrow = chip_wcs(wcs_header(1, attitude, 64), 64).all_pix2world(x, y, 1)
    full = chip_wcs(wcs_header(1, attitude, 4096), 4096).all_pix2world(x + 2016, y, 1)
    np.testing.assert_allclose(narrow, full, rtol=0, atol=1e-10)


def test_written_file_holds_the_full_distortion(tree):
    destination, plan, paths = tree
    cluster = make_cluster("ngc104", n_columns=COLUMNS)
    truth = QTable.read(destination / "truth" / f"{paths[0].stem}.ecsv")
    on_two = truth[truth["chip"] == 2]
    with fits.open(paths[0]) as hdulist:
        assert hdulist["SCI", 1].header["CCDCHIP"] == 2
        wcs = WCS(hdulist["SCI", 1].header, hdulist)
        sip_only = _without_tables(hdulist["SCI", 1].header)
    star = on_two["id"] - 1
    x, y = on_two["x"].value, on_two["y"].value
    ra, dec = wcs.all_pix2world(x, y, 1)
    np.testing.assert_allclose(dec, cluster.dec[star], atol=1e-9)
    np.testing.assert_allclose(ra, cluster.ra[star], atol=3e-9)
    again = wcs.all_world2pix(ra, dec, 1, tolerance=1e-6)
    np.testing.assert_allclose(again, (x, y), atol=1e-4)
    assert np.abs(np.array(sip_only.all_pix2world(x, y, 1)) - (ra, dec)).max() * 3600 > 0.02 * 0.04


def _without_tables(header):
    tables = "CPDIS", "DP", "D2IM"
    return WCS(fits.Header([card for card in header.cards if not card.keyword.startswith(tables)]))


@pytest.mark.parametrize("chip", [1, 2])
def test_postarg_puts_the_field_on_its_chip(cluster, chip):
    exposure = exposure_on(chip)
    assert exposure.chip == chip
    here, there = (len(stars_on_chip(exposure, cluster, c, n_columns=COLUMNS).id) for c in (chip, 3 - chip))
    assert here > 0.9 * len(cluster)
    assert 0 < there < 0.1 * len(cluster)


def test_pair_shows_the_same_stars_at_nearly_the_same_place(cluster):
    one, two = (stars_on_chip(exposure_on(chip), cluster, chip, n_columns=COLUMNS) for chip in (1, 2))
    _, i, j = np.intersect1d(one.id, two.id, return_indices=True)
    assert i.size > 0.9 * len(cluster)
    # 82.0 of the 82.45 arcsec between the chips, and rows of different height.
    assert abs(np.median(one.y[i] - two.y[j])) < 15
    assert np.abs(one.y[i] - two.y[j]).max() < 30
    assert np.abs(one.x[i] - two.x[j]).max() < 10


def test_postargs_move_the_field_along_the_detector(cluster):
    still, right, up = (
        stars_on_chip(exposure_on(2, **shift), cluster, 2, n_columns=COLUMNS)
        for shift in ({}, {"postarg1": 1.0}, {"postarg2": 1.0})
    )
    for moved, expected in ((right, (25, 0)), (up, (0, 25))):
        _, i, j = np.intersect1d(still.id, moved.id, return_indices=True)
        step = np.median(moved.x[j] - still.x[i]), np.median(moved.y[j] - still.y[i])
        np.testing.assert_allclose(step, expected, atol=2.5)


def test_opposite_rolls_turn_the_same_chip(empty):
    cluster = make_cluster("ngc6583", n_columns=COLUMNS)
    plan = same_chip_plan(exptimes=(350.0,))
    assert {exposure.visit for exposure in plan} == {"10", "11"}
    for chip in (1, 2):
        first, second = (exposure for exposure in plan if exposure.chip == chip)
        header = [simulate_exposure(e, empty, n_columns=COLUMNS, effects=IDEAL)[0].header for e in (first, second)]
        assert abs(abs(header[0]["PA_V3"] - header[1]["PA_V3"]) - 180) < 0.5
        assert header[0]["POSTARG2"] == header[1]["POSTARG2"] == 0
        a, b = (stars_on_chip(e, cluster, chip, n_columns=COLUMNS) for e in (first, second))
        _, i, j = np.intersect1d(a.id, b.id, return_indices=True)
        assert i.size > 0.9 * len(cluster)
        assert np.abs(a.y[i] + b.y[j] - 2052).max() < 20


def test_wcs_error_is_what_the_header_does_not_know(empty):
    exact, wrong = (
        simulate_exposure(exposure_on(2, wcs_error=error), empty, n_columns=COLUMNS, effects=IDEAL)[1].header
        for error in ((0.0, 0.0), (0.5, -0.2))
    )
    east = (wrong["CRVAL1"] - exact["CRVAL1"]) * np.cos(np.radians(exact["CRVAL2"])) * 3600
    assert east == pytest.approx(0.5, abs=1e-4)
    assert (wrong["CRVAL2"] - exact["CRVAL2"]) * 3600 == pytest.approx(-0.2, abs=1e-4)


# --- how much light ---------------------------------------------------------------------------------------------------


def isolated(stars, distance=27.0):
    separation = np.hypot(stars.x[:, None] - stars.x, stars.y[:, None] - stars.y)
    np.fill_diagonal(separation, np.inf)
    edge = (stars.x > 8) & (stars.x < COLUMNS - 8) & (stars.y > 8) & (stars.y < ROWS - 8)
    return edge & (separation.min(axis=1) > distance)


@pytest.mark.parametrize("chip", [1, 2])
def test_aperture_finds_the_injected_flux(chip):
    flux = np.geomspace(300, 3e4, 80)
    cluster = make_cluster("ngc104", n_columns=COLUMNS, flux=flux)
    effects = Effects(loss=True, noise=False, cosmic_rays=False, bad_pixels=False, saturation=False)
    hdulist = simulate_exposure(exposure_on(chip), cluster, n_columns=COLUMNS, effects=effects)
    image = hdulist["SCI", 3 - chip].data
    stars = stars_on_chip(exposure_on(chip), cluster, chip, n_columns=COLUMNS)
    use = isolated(stars)
    assert use.sum() > 10
    x, y = stars.x[use], stars.y[use]
    counts = sep.sum_circle(np.ascontiguousarray(image - np.median(image)), x - 1, y - 1, 3.0, subpix=0)[0]
    area = pixel_area_map(hdulist["SCI", 3 - chip].header)[np.rint(y - 1).astype(int), np.rint(x - 1).astype(int)]
    np.testing.assert_allclose(counts * area, stars.flux_3[use], rtol=2e-3)
    assert np.abs(area - 1).max() > 5e-3  # without the pixel area the line above would not hold


def test_encircled_energy_is_the_mean_of_drawn_stars():
    rng = np.random.default_rng(3)
    x, y = (40.0 * grid.ravel() + rng.uniform(30, 31, 400) for grid in np.mgrid[:20, :20])
    for width in (0.62, 0.7, 0.8):
        image = draw_stars((840, 840), x, y, np.ones(400), np.full(400, width))
        drawn = sep.sum_circle(image, x - 1, y - 1, 3.0, subpix=0)[0]
        assert drawn.mean() == pytest.approx(encircled_energy(width), abs=2e-4)
        assert 0.80 < drawn.mean() < 0.85


def test_psf_is_narrow_and_varies_differently_on_the_two_chips():
    y = np.linspace(1, ROWS, 50)
    one, two = (core_width(np.full(50, 2048.0), y, chip) for chip in (1, 2))
    for width in (one, two):
        assert 0.02 < np.ptp(width) / width.mean() < 0.15
    assert np.corrcoef(one, two)[0, 1] < 0
    profile = draw_stars((41, 41), np.array([21.0]), np.array([21.0]), np.ones(1), np.full(1, 0.7))[20]
    fwhm = 2 * np.interp(-profile.max() / 2, -profile[20:], np.arange(21))
    assert 1.6 < fwhm < 2.1


def test_pixel_area_is_that_of_the_sky():
    header = wcs_header(1, attitude_of(6.0, -72.0, 30.0), COLUMNS)
    wcs = _without_tables(header)
    x, y = np.array([3.0, 32.0, 60.0]), np.array([2.0, 1030.0, 2049.0])
    # SIP alone, in the tangent plane: two sides of the pixel by finite differences.
    step = [wcs.pix2foc(x + dx, y + dy, 1) for dx, dy in ((0.5, 0), (-0.5, 0), (0, 0.5), (0, -0.5))]
    (ax, ay), (bx, by) = np.subtract(step[0], step[1]), np.subtract(step[2], step[3])
    scale = abs(np.linalg.det(wcs.wcs.cd)) / (header["IDCSCALE"] / 3600) ** 2
    np.testing.assert_allclose(pixel_area(header, x, y), scale * np.abs(ax * by - ay * bx), rtol=1e-6)
    corner = pixel_area_map(header)[[1, 1029, 2048], [2, 31, 59]]
    np.testing.assert_allclose(corner, pixel_area(header, x, y), rtol=1e-6)


def test_short_exposure_is_the_long_one_scaled(cluster):
    long, short = (stars_on_chip(exposure_on(2, exptime=t), cluster, 2, n_columns=COLUMNS) for t in (350.0, 35.0))
    np.testing.assert_allclose(short.flux0, long.flux0 / 10)


def test_every_flux_bin_has_stars_and_the_faint_ones_most():
    stars = {target: make_cluster(target, n_columns=512).flux for target in ("ngc104", "ngc6791")}
    edges = 250, 500, 1000, 2000, 4000, 8000, 32000
    counts = {target: np.histogram(flux, edges)[0] for target, flux in stars.items()}
    assert np.all(counts["ngc104"] > 60) and np.all(counts["ngc6791"] > 15)
    assert counts["ngc104"].argmax() == 0
    assert 3 < counts["ngc104"].sum() / counts["ngc6791"].sum() < 5
    assert 0 < np.count_nonzero(stars["ngc104"] > 4e5) < 60


# --- the loss ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ctecorr, flashlvl, factor", [(False, 0, 1.0), (False, 12, 0.4), (True, 0, 0.2), (True, 12, 0.08)]
)
def test_truth_is_the_stated_surface(cluster, ctecorr, flashlvl, factor):
    exposure = exposure_on(1, flashlvl=float(flashlvl))
    truth = truth_table(exposure, cluster, ctecorr=ctecorr, n_columns=COLUMNS)
    n, flux0, flux, flux_3 = (truth[name].value for name in ("n_transfers", "flux0", "flux", "flux_3"))
    np.testing.assert_allclose(n, rows_to_amplifier(truth["y"].value, truth["chip"]))
    loss = 2.5 * np.log10(flux0 / flux) * 2051 / n
    f = np.log10(flux_3 * 10 ** (0.4 * loss * (n / 2051 - 0.5)))
    d, f = exposure.mjd - 55400, np.clip(f, 2.2, 4.8)
    surface = sum(np.array(truth.meta["coefficients"])[i][j] * d**i * f**j for i in range(3) for j in range(3))
    np.testing.assert_allclose(loss, factor * surface, rtol=1e-6)
    assert truth.meta["factor"] == pytest.approx(factor)
    assert truth.meta["flashlvl"] == flashlvl and truth.meta["ctecorr"] is ctecorr


def test_flc_loses_a_fifth_in_magnitudes():
    d, f = np.array([0.0, 1000.0, 2500.0])[:, None], np.array([2.6, 3.5, 4.4])
    np.testing.assert_allclose(true_loss(d, f, ctecorr=True), true_loss(d, f) / 5)
    np.testing.assert_allclose(true_loss(d, f, flashlvl=8.0), true_loss(d, f) / 2)


def test_surface_is_physical():
    d, f = np.linspace(-350, 2700, 60)[:, None], np.linspace(2.2, 4.8, 60)
    loss = true_loss(d, f)
    assert np.all(loss > 0) and np.all(np.diff(loss, axis=1) < 0) and np.all(np.diff(loss, axis=0) > 0)
    np.testing.assert_allclose(true_loss(0, 2.6), 0.045, atol=0.015)
    np.testing.assert_allclose(true_loss(2500, [2.6, 3.0, 3.75, 4.4]), [0.30, 0.2, 0.10, 0.06], atol=0.025)
    assert true_loss(2000, 6.0) == true_loss(2000, 4.8)


def test_pair_of_truths_gives_the_surface_back(cluster):
    """The magnitude slope of a pair, without noise; each star's own f, so that the width of a bin does not matter."""
    tables = [truth_table(exposure_on(chip), cluster, n_columns=COLUMNS) for chip in (1, 2)]
    one, two = (table[table["chip"] == chip] for table, chip in zip(tables, (1, 2), strict=True))
    _, i, j = np.intersect1d(one["id"], two["id"], return_indices=True)
    one, two = one[i], two[j]
    f = np.log10(np.sqrt(one["flux_3"].value * two["flux_3"].value))
    measured = 2.5 * np.log10(one["flux"].value / two["flux"].value) / true_loss(MJD_LATE - 55400, f)
    assert f.size > 500
    slope = np.polyfit(two["y"].value, measured, 1)[0] / 2 * 2051
    # Chip 1 shows a step of one row of chip 2 as 1.012 rows: the mean of both rows, against chip 2's, is in the slope.
    stretch = np.polyfit(two["y"].value, one["y"].value + two["y"].value, 1)[0] / 2
    assert stretch == pytest.approx(1.006, abs=0.001)
    assert slope == pytest.approx(stretch, abs=1e-3)


def test_surface_table_states_every_set():
    table = surface_table()
    row = table[(table["flashlvl"].value == 12) & table["ctecorr"]][0]
    assert row["factor"] == pytest.approx(0.08)
    assert row["c12"].value == pytest.approx(0.08 * SURFACE[1, 2])
    assert loss_factor(0.0, False) == 1.0


def test_files_of_the_truth_say_what_they_hold(cluster, tmp_path):
    """Every column is described, has its unit where it has one, and the formula gives the loss."""
    for name, table in {"surface": surface_table(), "stars": truth_table(exposure_on(1), cluster)}.items():
        table.write(tmp_path / f"{name}.ecsv")
        read = Table.read(tmp_path / f"{name}.ecsv")
        assert all(read[column].description for column in read.colnames)
        without = {column for column in read.colnames if read[column].unit is None}
        assert without == {"surface": {"ctecorr", "factor"}, "stars": {"id", "chip"}}[name]
    surface = Table.read(tmp_path / "surface.ecsv")
    assert surface["c21"].unit == "mag / day2" and "c_ij d^i f^j" in surface.meta["formula"]
    one = surface[(surface["flashlvl"] == 12) & ~surface["ctecorr"]][0]
    loss = sum(one[f"c{i}{j}"] * 2000**i * 3.1**j for i in range(3) for j in range(3))
    assert loss == pytest.approx(true_loss(2000, 3.1, 12.0))


# --- what the detector adds -------------------------------------------------------------------------------------------


def test_noise_is_that_of_all_charge_and_means_are_subtracted(empty):
    effects = Effects(cosmic_rays=False, bad_pixels=False, saturation=False)
    hdulist = simulate_exposure(exposure_on(2, flashlvl=12.0), empty, n_columns=COLUMNS, effects=effects)
    sci, header = hdulist["SCI", 1].data.astype(float), hdulist["SCI", 1].header
    sky = 0.003 * 350
    assert header["MEANFLSH"] == 12 and 0.2 < header["MEANDARK"] < 2
    expected = sky + header["MEANDARK"] + 12 + READ_NOISE**2
    assert sci.mean() == pytest.approx(sky, abs=5 * np.sqrt(expected / sci.size))
    assert sci.var() == pytest.approx(expected, rel=0.02)
    assert np.sqrt(np.mean(hdulist["ERR", 1].data.astype(float) ** 2)) == pytest.approx(sci.std(), rel=0.02)


def test_cosmic_rays_cover_half_a_percent():
    image = cosmic_rays((2051, 512), 350.0, np.random.default_rng(0))
    hits = 350 * 2051 * 512 * 15e-4**2
    assert np.mean(image > 0) == pytest.approx(0.0055, rel=0.1)
    assert np.count_nonzero(image) / hits == pytest.approx(7, rel=0.1)
    # Log-normal with a median of 1000 e- and sigma 0.8, less what runs off the frame.
    assert image.sum() / hits == pytest.approx(1000 * np.exp(0.8**2 / 2), rel=0.1)
    assert not cosmic_rays((50, 50), 0.0, np.random.default_rng(0)).any()


def test_flt_and_flc_share_rays_sky_and_read_noise(empty):
    flt, flc = (simulate_exposure(exposure_on(1), empty, ctecorr=c, n_columns=COLUMNS) for c in (False, True))
    np.testing.assert_array_equal(flt["SCI", 1].data, flc["SCI", 1].data)
    assert np.mean(flt["SCI", 1].data > 40) > 0.002
    assert np.any(flt["SCI", 1].data != flt["SCI", 2].data)


def test_bad_and_saturated_pixels_are_flagged(cluster):
    hdulist = simulate_exposure(exposure_on(2), cluster, n_columns=COLUMNS)
    other = simulate_exposure(exposure_on(1), cluster, n_columns=COLUMNS)
    sci, dq = hdulist["SCI", 1].data, hdulist["DQ", 1].data
    assert set(np.unique(dq & ~np.int16(256))) == {0, 4, 16, 512}
    assert np.mean((dq & 532) > 0) == pytest.approx(0.003, rel=0.01)
    np.testing.assert_array_equal(dq & 532, other["DQ", 1].data & 532)
    full = (dq & 256) > 0
    assert 0 < full.sum() < 300
    subtracted = hdulist["SCI", 1].header["MEANDARK"]
    np.testing.assert_allclose(sci[full], FULL_WELL - subtracted, rtol=1e-6)
    assert sci[~full].max() < FULL_WELL
    assert np.median(sci[(dq & 16) > 0]) > 100
    assert hdulist["SCI", 1].header["NGOODPIX"] == np.count_nonzero(dq == 0)


# --- headers and plan -------------------------------------------------------------------------------------------------


def test_headers_say_what_the_monitor_reads(empty):
    exposure = exposure_on(1, flashlvl=12.0, mjd=57770.99)
    flt, flc = (simulate_exposure(exposure, empty, ctecorr=c, n_columns=COLUMNS) for c in (False, True))
    primary = flt[0].header
    expected = {
        "ROOTNAME": exposure.rootname,
        "FILENAME": f"{exposure.rootname}_flt.fits",
        "TARGNAME": "NGC-104",
        "PROPOSID": 14541,
        "FILTER": "F502N",
        "EXPTIME": 350.0,
        "EXPSTART": 57770.99,
        "FLASHLVL": 12,
        "FLASHSTA": "SUCCESSFUL",
        "FLSHCORR": "COMPLETE",
        "CHINJECT": "NONE",
        "SUBARRAY": False,
        "POSTARG1": 0.0,
        "POSTARG2": 82.0,
        "PCTECORR": "OMIT",
        "TELESCOP": "HST",
        "CCDGAIN": 1.5,
    }
    assert {keyword: primary[keyword] for keyword in expected} == expected
    assert flc[0].header["PCTECORR"] == "COMPLETE" and flc[0].header["FILENAME"].endswith("_flc.fits")
    assert Time(f"{primary['DATE-OBS']}T{primary['TIME-OBS']}").mjd == pytest.approx(57770.99, abs=2e-5)
    assert primary["EXPEND"] == pytest.approx(57770.99 + 350 / 86400, abs=1e-9)
    assert set(primary_template()) <= set(primary)
    for extver, chip in ((1, 2), (2, 1)):
        sci = flt["SCI", extver].header
        assert sci["CCDCHIP"] == chip and sci["BUNIT"] == "ELECTRONS" and sci["EXPNAME"] == exposure.rootname
        assert (sci["NAXIS1"], sci["NAXIS2"]) == (sci["SIZAXIS1"], sci["SIZAXIS2"]) == (COLUMNS, 2051)
        assert f"UVIS{chip} F502N" in sci["PHOTMODE"]
        assert not {"CRVAL1A", "CRVAL1O", "WCSNAMEB", "S_REGION"} & set(sci)
        assert flt["DQ", extver].data.dtype == np.int16
    flt.verify("exception")


def test_failed_flash_reaches_nothing(empty):
    failed = exposure_on(2, flashlvl=12.0, flashsta="ABORTED")
    hdulist = simulate_exposure(failed, empty, n_columns=COLUMNS, effects=IDEAL)
    assert hdulist[0].header["FLASHLVL"] == 12 and hdulist[0].header["FLASHSTA"] == "ABORTED"
    assert hdulist[0].header["FLSHCORR"] == "OMIT" and hdulist["SCI", 1].header["MEANFLSH"] == 0


def test_default_plan_follows_the_guide():
    plan = default_plan(n_epochs=None, targets=("ngc104", "ngc6791", "ngc6583"), oddities=True)
    rootnames = [exposure.rootname for exposure in plan]
    assert len(set(rootnames)) == len(rootnames)
    assert all(visit_of(exposure.rootname) == exposure.visit for exposure in plan)
    assert [exposure.mjd for exposure in plan] == sorted(exposure.mjd for exposure in plan)
    assert {exposure.program for exposure in plan if exposure.flashlvl} == {13083, 13566, 14012, 14378, 14541}
    assert {exposure.program for exposure in plan if exposure.target == "ngc104"} >= {12348, 14541}
    assert 11924 not in {exposure.program for exposure in plan if exposure.target == "ngc104"}
    forbidden = {(12379, "07"), (14012, "05")}
    assert not forbidden & {(exposure.program, exposure.visit) for exposure in plan}


@pytest.mark.parametrize("n_epochs", [1, 4, 10])
def test_epochs_are_chosen_evenly(n_epochs):
    plan = default_plan(n_epochs=n_epochs, targets=("ngc104",), lengths=("l",), flashlvls=(0,))
    days = sorted({exposure.visit + str(exposure.program): exposure.mjd for exposure in plan}.values())
    assert len(days) == n_epochs and len(plan) == 2 * n_epochs
    if n_epochs > 1:
        assert Time(days[0], format="mjd").isot[:7] == "2010-09" and Time(days[-1], format="mjd").isot[:7] == "2017-01"
        assert np.diff(days).min() > 30


def test_visit_takes_pairs_minutes_apart():
    exposures = PlannedVisit(13083, "0a", 56500.0, "ngc6791", flashlvls=(0, 12)).exposures()
    assert len(exposures) == 8 and {exposure.visit for exposure in exposures} == {"0a"}
    for two, one in zip(exposures[::2], exposures[1::2], strict=True):
        assert (two.chip, one.chip) == (2, 1)
        assert (two.exptime, two.flashlvl, two.filter) == (one.exptime, one.flashlvl, one.filter)
        assert 0 < (one.mjd - two.mjd) * 24 * 60 < 15


def test_oddities_each_have_their_reason():
    plan = oddities_plan(ctecorr=(False,))
    assert sum(exposure.chinject != "NONE" and exposure.program == 12348 for exposure in plan) == 2
    assert sum(exposure.target == "ngc104cal2" for exposure in plan) == 2
    assert sum(exposure.flash_status == "ABORTED" for exposure in plan) == 1
    assert sum(exposure.postarg1 == 5 for exposure in plan) == 2
    assert sum(exposure.postarg2 == 40 for exposure in plan) == 1
    assert sum((exposure.program, exposure.visit) == (12379, "13") for exposure in plan) == 2


# --- the tree ---------------------------------------------------------------------------------------------------------


def test_tree_is_laid_out_as_the_monitor_expects(tree):
    destination, plan, paths = tree
    names = [exposure.imagename(ctecorr) for exposure in plan for ctecorr in (False, True)]
    assert [path.name for path in paths] == names
    assert all(path.parent == destination / "data" / str(e.program) for e, path in zip(plan, paths[::2], strict=True))
    assert (destination / "data" / "newdata").is_dir()
    assert {path.stem for path in (destination / "truth").iterdir()} == {path.stem for path in paths} | {"surface"}
    for target in ("ngc104", "ngc6791", "ngc6583"):
        catalog = np.loadtxt(destination / "data" / "master_cat" / "final" / f"{target}_master.cat")
        expected = master_catalog(make_cluster(target, n_columns=COLUMNS))
        np.testing.assert_allclose(catalog.T, [getattr(expected, k) for k in ("id", "x", "y", "ra", "dec")], atol=1e-4)
        np.testing.assert_allclose(catalog[:, 4], expected.dec, rtol=0, atol=1e-9)
    area = fits.getdata(destination / "data" / "PA_MAPS" / "UVIS1wfc3_map.fits")
    assert area.shape == (2051, COLUMNS) and area.dtype.kind == "f"
    assert not list(destination.rglob("*.part"))


def test_files_depend_on_the_seed_alone(tree, tmp_path):
    destination, plan, paths = tree
    simulate_observatory(tmp_path / "again", plan[::-1], n_columns=COLUMNS, jobs=2)
    simulate_observatory(tmp_path / "other", plan[:1], n_columns=COLUMNS, seed=1)
    for path in paths:
        assert (tmp_path / "again" / path.relative_to(destination)).read_bytes() == path.read_bytes()
    other = tmp_path / "other" / paths[0].relative_to(destination)
    assert other.read_bytes() != paths[0].read_bytes()


def test_interrupted_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.fits"
    path.write_text("old")

    def fails_halfway(temporary):
        temporary.write_text("ne")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        _write(path, fails_halfway)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.fits", "old")]


def test_bad_options_fail_at_once(tmp_path):
    with pytest.raises(ConfigurationError, match="n_epochs = 0"):
        default_plan(n_epochs=0)
    with pytest.raises(ConfigurationError, match="n_columns = 63"):
        simulate_observatory(tmp_path / "a", n_columns=63)
    with pytest.raises(ConfigurationError, match="two exposures of the same"):
        simulate_observatory(tmp_path / "a", [exposure_on(2), exposure_on(2)])
    with pytest.raises(ConfigurationError, match="F814W"):
        simulate_observatory(tmp_path / "a", [exposure_on(2, filter="F814W")], n_columns=COLUMNS)
    with pytest.raises(CatalogError, match="m31"):
        make_cluster("m31")
