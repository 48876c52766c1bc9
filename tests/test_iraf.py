"""The real IRAF measures the same stars as the Python engine, under the same contract."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace

import numpy as np
import pytest
from running import dump, run
from test_photometry import SHAPE, chip_image, draw, expected_share, grid

from wfc3_cte_monitor import iraf, photometry, quality
from wfc3_cte_monitor.commands import run_uvis_external_cte
from wfc3_cte_monitor.errors import ConfigurationError, IrafError
from wfc3_cte_monitor.iraf import task
from wfc3_cte_monitor.pipeline.model_stars import IRAF_WEIGHTS, compare, make_stars
from wfc3_cte_monitor.records import Flag, PhotometrySetup
from wfc3_cte_monitor.simulate.psf import draw_stars

SETUP = PhotometrySetup((3.0, 5.0, 10.0), (12.0, 20.0), 1.5)


@pytest.fixture(scope="module")
def installed():
    try:
        iraf.require_iraf()
    except ConfigurationError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


def measure(engine, image, x, y, *, start=0.0, setup=SETUP, dq_bits=4):
    masks = quality.pixel_masks(image, dq_bits)
    positions = engine.find(image, np.arange(len(x)), np.asarray(x) + start, np.asarray(y), setup)
    masks = quality.with_stars(masks, image, positions)
    return quality.flagged(engine.measure(image, masks, positions, np.full(len(x), 1.0), setup), masks)


@pytest.fixture(scope="module")
def field():
    """Model stars over a noisy sky: (image, x, y, flux)."""
    x, y = grid()
    flux = np.geomspace(10000, 30000, len(x))
    rng = np.random.default_rng(1)
    model = draw(x, y, flux) + 20.0
    return chip_image(rng.poisson(model) + rng.normal(0, 3.1, SHAPE)), x, y, flux


pytestmark = pytest.mark.usefixtures("installed")


def test_fluxes_are_those_of_the_python_engine_but_for_the_weights_of_pixels():
    """IRAF takes clip(r + 0.5 - distance, 0, 1) of a pixel, which at 3 px is 0.07-0.08 % more than the exact part."""
    x, y = grid(spacing=30)
    stars = draw_stars(SHAPE, x, y, np.full(len(x), 20000.0), np.full(len(x), 0.70))
    image = chip_image(stars + 20.0)
    one, two = (measure(engine, image, x, y, start=1.0) for engine in (photometry, iraf))
    difference = np.median(two.flux / one.flux - 1, axis=1)
    np.testing.assert_allclose(difference, [0.0007, 0.0004, 0], atol=0.00015)
    rows, columns = np.mgrid[1 : SHAPE[0] + 1, 1 : SHAPE[1] + 1]
    for k in range(0, len(x), 10):
        distance = np.hypot(columns - two.positions.x[k], rows - two.positions.y[k])
        sums = [np.sum(np.clip(r + 0.5 - distance, 0, 1) * (image.data - two.sky[k])) for r in SETUP.aprads]
        np.testing.assert_allclose(two.flux[:, k], sums, rtol=1e-4)


def test_errors_sky_and_flags_are_those_of_the_python_engine(field):
    image, x, y, flux = field
    one, two = (measure(engine, image, x, y, start=1.0) for engine in (photometry, iraf))
    assert np.median(two.flux[0] / flux) == pytest.approx(expected_share(3.0), abs=2e-3)
    np.testing.assert_allclose(two.flux_err, one.flux_err, rtol=0.05)
    np.testing.assert_allclose(two.sky, one.sky, atol=0.5)
    assert np.mean(two.sky - one.sky) == pytest.approx(0, abs=0.1)
    np.testing.assert_allclose(two.sky_std, one.sky_std, rtol=0.1)
    np.testing.assert_array_equal(two.flags, one.flags)


def test_positions_are_one_based_and_come_back_from_a_start_one_pixel_off(field):
    image, x, y, _ = field
    result = measure(iraf, image, x, y, start=1.0)
    assert np.sqrt(np.mean((result.positions.x - x) ** 2)) < 0.04
    assert abs(np.mean(result.positions.x - x)) < 0.01
    assert abs(np.mean(result.positions.y - y)) < 0.01
    np.testing.assert_allclose(result.positions.shift, 1.0, atol=0.1)


def test_a_star_that_is_not_there_is_measured_where_the_catalogue_has_it():
    image = chip_image(draw([100.0, 103.0], [100.0, 100.0], [5.0, 9000.0]) + 2.0)
    result = measure(iraf, image, [100.1234, 103.0], [100.0, 100.0], setup=replace(SETUP, max_shift=0.5))
    assert (result.flags[:, 0] & Flag.NOT_CENTRED).all()
    assert not (result.flags[:, 1] & Flag.NOT_CENTRED).any()
    assert (result.positions.x[0], result.positions.y[0]) == (100.1234, 100.0)
    assert np.isnan(result.positions.shift[0])
    assert np.isfinite(result.flux).all()


def test_a_pixel_that_is_not_finite_spoils_its_star_alone(field):
    image, x, y, _ = field
    data = image.data.copy()
    data[int(y[0]) - 1, int(x[0]) - 1] = np.nan
    data[0, 0] = np.inf
    result, before = measure(iraf, chip_image(data), x, y), measure(iraf, image, x, y)
    assert (result.flags[:, 0] & Flag.BAD_PIXEL).all()
    np.testing.assert_array_equal(result.flux[:, 5:], before.flux[:, 5:])


def test_masked_pixels_are_no_sky_and_stay_in_the_apertures(field):
    image, x, y, _ = field
    data, dq = image.data.copy(), np.zeros(SHAPE, np.int16)
    dq[:, ::3] = 4
    data[:, ::3] += 500.0
    spoilt = chip_image(data, dq)
    result, before = measure(iraf, spoilt, x, y), measure(iraf, image, x, y)
    np.testing.assert_allclose(result.sky, before.sky, atol=1.0)
    assert (result.flux[0] > before.flux[0] + 2000).all()


def test_apertures_that_leave_the_chip_have_no_flux_and_are_flagged():
    x, y = np.array([5.0, 200.0, 396.5]), np.array([100.0, 8.0, 150.0])
    result = measure(iraf, chip_image(draw(x, y, np.full(3, 5000.0)) + 2.0), x, y)
    cut = [[False, False, False], [True, False, True], [True, True, True]]
    np.testing.assert_array_equal((result.flags & Flag.EDGE) != 0, cut)
    np.testing.assert_array_equal(np.isnan(result.flux), cut)


@pytest.mark.parametrize("n", [0, 1])
def test_few_stars(field, n):
    image, x, y, _ = field
    result = measure(iraf, image, x[:n], y[:n])
    assert result.flux.shape == result.flags.shape == (3, n)
    assert np.isfinite(result.flux).all()


def test_a_star_far_off_the_chip_is_flagged_and_not_the_end(field):
    image, x, y, _ = field
    result = measure(iraf, image, [*x[:2], 3000.0], [*y[:2], -50.0])
    assert np.isnan(result.flux[:, 2]).all()
    assert (result.flags[:, 2] & Flag.NOT_FINITE).all()
    assert np.isfinite(result.flux[:, :2]).all()


def test_two_at_once_agree_to_the_last_digit(field):
    image, x, y, _ = field
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(lambda _: measure(iraf, image, x, y), range(2))
    for name in (f.name for f in fields(one)):
        if name not in ("positions", "aprads"):
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def test_columns_that_run_together_are_read(tmp_path):
    lines = (
        "image.fits             100.000   100.000   1     coordinates            1      \\",
        "   1000.123   1000.456   -10.123 -10.456 1.123   1.123          0    NoError   \\",
        "   -12345.67      123456.7       -12345.67      123456 12345    0    NoError   \\",
        "   1.             INDEF          INDEF                  INDEF                  \\",
        "   3.00     -1234567.     28.38807   -1234567.     -11.5700.005 0    NoError  *\\",
        "   10.00    -1234567.     314.3881   -123456.7     INDEF  INDEF 305  BadPixels* ",
    )
    (tmp_path / "output").write_text("#K\n" + "\n".join(lines) + "\n")
    columns = task._read(tmp_path / "output", 1, 2)
    assert (columns["XCENTER"][0], columns["MSKY"][0], columns["NSKY"][0]) == (1000.123, -12345.67, 123456)
    np.testing.assert_array_equal(columns["FLUX"][:, 0], [-1234567, -123456.7])
    np.testing.assert_array_equal(columns["PIER"][:, 0], [0, 305])


def test_a_task_that_fails_says_why_in_one_line(tmp_path):
    with pytest.raises(IrafError, match=r"IRAF's phot failed with code \d+: ERROR .*Cannot open image") as caught:
        task.phot(tmp_path, "nothing.fits", np.array([1.0]), np.array([1.0]), 1)
    assert "\n" not in str(caught.value)
    with pytest.raises(IrafError, match="wrote 0 lines for 1 stars, not 5"):
        task._read(tmp_path / "output", 1, 1)


def test_where_iraf_is_not_installed_the_message_names_the_packages(monkeypatch, make_config, tmp_path):
    monkeypatch.setenv("iraf", str(tmp_path / "nowhere"))
    outcome = run(make_config(), "--pr", "all", "--irafphot", "y")
    assert outcome.code == 2
    assert "apt install iraf iraf-noao" in outcome.err
    assert not (tmp_path / "outputs").exists()


# ---- The whole command -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_run_with_iraf_has_a_database_and_folders_of_its_own(observatory, make_config, tmp_path):
    config = make_config(path_to_data=observatory / "data", aprads=[3, 5], path_to_automated_outputs=tmp_path / "web")
    selection = ("--pr", "14541", "--ctecorr", "flt")
    assert run(config, *selection).code == 0
    (tmp_path / "database" / "uvis_external_cte.db").rename(tmp_path / "python.db")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "outputs").rglob("*.txt")}
    outcome = run(config, *selection, "--irafphot", "y")
    assert outcome.code == 0, outcome.lines
    assert [path.name for path in (tmp_path / "database").glob("*.db")] == ["uvis_external_cte_iraf.db"]
    rows = dump(tmp_path / "database")
    assert {row["PHOTENGINE"] for row in rows["ngc104_fileinfo"]} == {"iraf"}
    assert len(rows["ngc104_results"]) == 2
    for row in rows["ngc104_fileinfo"]:
        assert "photom_iraf/pf0/ngc104_F502N_l" in row["PHOTPATH"]
    assert all("finalresults_iraf/pf0/most_recent" in row["SLOPEFILE_PATH"] for row in rows["ngc104_results"])
    assert {path: path.stat().st_mtime_ns for path in before} == before
    compare_with_python(rows, tmp_path)
    # Figures of IRAF's database, with no word of it in the configuration.
    again = run(config, *selection, "--irafphot", "y", "--dofind", "n", "--dophot", "n", "--pl", "cte_time", fast=False)
    assert (again.code, again.count("pairs unchanged"), again.count("figures")) == (0, 1, 2)


def compare_with_python(rows, tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "python.db").rename(tmp_path / "kept" / "python.db")
    python = dump(tmp_path / "kept")["ngc104_phot"]
    assert [row["MASTER_ID"] for row in python] == [row["MASTER_ID"] for row in rows["ngc104_phot"]]
    flux = np.array([[a["FLUX_3"], b["FLUX_3"]] for a, b in zip(python, rows["ngc104_phot"], strict=True)], float)
    flags = np.array([[a["FLAGS_3"], b["FLAGS_3"]] for a, b in zip(python, rows["ngc104_phot"], strict=True)])
    good = (flags == 0).all(axis=1) & (flux[:, 0] > 1000)
    assert good.sum() > 30
    assert np.median(flux[good, 1] / flux[good, 0]) == pytest.approx(1, abs=0.003)
    assert np.mean((flags == 0)[:, 0] != (flags == 0)[:, 1]) < 0.05


def test_coordinates_and_photometry_are_read_again(observatory, make_config, tmp_path):
    """--dofind n takes the .coo files, which IRAF itself can read, too."""
    config = make_config(path_to_data=observatory / "data", aprads=[3])
    selection = ("--pr", "14541", "--ctecorr", "flt", "--irafphot", "y")
    assert run(config, *selection, "--dophot", "n").code == 0
    coo = next((tmp_path / "outputs" / "photom_iraf").rglob("*.coo"))
    n_stars = len([line for line in coo.read_text().splitlines() if not line.startswith("#")]) - 1
    folder = tmp_path / "scratch"
    folder.mkdir()
    image = chip_image(np.ones((2051, 64)))
    iraf.engine._write(folder / "image.fits", image.data)
    words = {"image": "image.fits", "coords": str(coo), "output": "output", "fitskypars.salgorithm": "constant"}
    parameters = task._PARAMETERS | words
    (folder / "parameters").write_text("".join(f"{name}={value}\n" for name, value in parameters.items()))
    task._call(folder)
    assert len(task._read(folder / "output", n_stars, 1)["XCENTER"]) == n_stars
    assert run(config, *selection, "--dofind", "n").code == 0


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        (
            {"db_url": "postgresql+psycopg://me@host:1/cte?sslmode=off"},
            "postgresql+psycopg://me@host:1/cte_iraf?sslmode=off",
        ),
        ({"db_url": "sqlite:///some.where/cte.db"}, "sqlite:///some.where/cte_iraf.db"),
        ({"db_name": "cte"}, "cte_iraf"),
    ],
)
def test_the_database_of_iraf_is_named_after_that_of_python(make_config, changes, name):
    settings = run_uvis_external_cte.load_settings(
        run_uvis_external_cte.parser().parse_args(["--pr", "all", "--config", str(make_config(**changes))])
    )
    url = settings.of_engine("iraf").database_url
    assert str(url).endswith(name)
    assert settings.of_engine("python").database_url == settings.database_url


def test_the_engines_on_model_stars():
    apertures, _, centres = compare(make_stars(8), {"Python": photometry, "IRAF": iraf})
    real, weights = (apertures[apertures["engine"] == name]["difference"] for name in ("IRAF", IRAF_WEIGHTS))
    np.testing.assert_allclose(real[2:], weights[2:], atol=0.03)
    assert real[2] == pytest.approx(0.08, abs=0.02)
    assert (centres[centres["engine"] == "IRAF"]["rms"][-2:] < 0.05).all()
