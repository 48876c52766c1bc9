"""Corrected photometry: what the simulation took comes back, and what is doubtful is flagged."""

from dataclasses import replace

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from astropy.time import Time

from wfc3_cte_monitor import correct_photometry, outputs
from wfc3_cte_monitor.errors import CoefficientError
from wfc3_cte_monitor.pipeline.correct import find_coefficients
from wfc3_cte_monitor.records import BackgroundSurface, Coefficients, CorrectionFlag, CteSurface
from wfc3_cte_monitor.simulate.loss import SURFACE, loss_factor, remaining
from wfc3_cte_monitor.surface import correct, fit_surface
from wfc3_cte_monitor.uvis import ROWS

MJD = 57000.0
BACKGROUNDS = {0.0: 1.5, 12.0: 13.5}


def surface(flashlvl=0.0, ctecorr=False):
    """The simulation's own surface, as if it had been measured."""
    return CteSurface(
        coefficients=loss_factor(flashlvl, ctecorr) * SURFACE,
        covariance=np.diag(np.full(9, 1e-16)),
        unit="mag",
        rank=9,
        chi2=50.0,
        n_points=60,
        n_epochs=10,
        d_range=(-200.0, 3000.0),
        f_range=(2.2, 4.8),
    )


def coefficients(flashlvl=0.0, length="l", **changes):
    background = BACKGROUNDS[flashlvl]
    one = Coefficients(
        surface(flashlvl), "ngc104", "F502N", length, flashlvl, False, 3.0, background, 58400.0, "a.txt", software="it"
    )
    return replace(one, **changes)


def losing(n=1000, mjd=MJD):
    """Fluxes before and after the loss, and transfers."""
    random = np.random.default_rng(2)
    before, transfers = 10 ** random.uniform(2.3, 4.7, n), random.uniform(1, 2051, n)
    return before, before * remaining(before, transfers, mjd), transfers


def test_it_says_which_files_had_a_say():
    sets = [coefficients(level, source=f"{level:g}.txt") for level in BACKGROUNDS]
    star = {"flux": 700.0, "n_transfers": 1800.0, "mjd": MJD, "exptime": 350.0}

    def sources(background):
        return correct_photometry(sets, background=background, **star).sources

    assert sources(6.0) == ("0.txt", "12.txt")
    assert (sources(1.0), sources(50.0)) == (("0.txt",), ("12.txt",))
    assert sources([1.0, 50.0]) == ("0.txt", "12.txt")


# ---- Right -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mjd", [55300.0, 57000.0, 58399.0])
def test_it_is_the_exact_inverse_of_the_loss(mjd):
    before, after, n = losing(mjd=mjd)
    corrected = correct_photometry(coefficients(), flux=after, n_transfers=n, mjd=mjd, exptime=350.0)
    np.testing.assert_allclose(corrected.value, before, rtol=1e-12)
    assert not corrected.flags.any()
    assert np.all(corrected.correction > 0)


def test_beyond_the_fluxes_of_the_surface_the_loss_is_that_at_their_end():
    before = np.array([50.0, 100.0, 90_000.0])
    after = before * remaining(before, 1800.0, MJD)
    corrected = correct_photometry(coefficients(), flux=after, n_transfers=1800.0, mjd=MJD, length="l")
    np.testing.assert_allclose(corrected.value, before, rtol=1e-12)
    assert np.all(corrected.flags == CorrectionFlag.FLUX)


@pytest.mark.parametrize(("chip", "y"), [(2, 1500.0), (1, 552.0)])
def test_rows_and_chips_are_transfers(chip, y):
    kept = {"flux": 700.0, "mjd": MJD, "exptime": 350}
    one = correct_photometry(coefficients(), y=y, chip=chip, **kept)
    other = correct_photometry(coefficients(), n_transfers=1500.0, **kept)
    assert one.correction == other.correction > 0
    assert np.shape(one.value) == ()


def test_a_chip_that_there_is_not_has_no_correction():
    one = correct_photometry(coefficients(), flux=700.0, y=[900, 900], chip=[2, 3], mjd=MJD, exptime=350)
    assert one.flags.tolist() == [0, CorrectionFlag.OFF_CHIP]


def test_magnitudes_are_corrected_by_what_their_electrons_lost():
    before, after, n = losing()
    mag = 25.3 - 2.5 * np.log10(after / 350.0)
    corrected = correct_photometry(coefficients(), mag=mag, zeropoint=25.3, n_transfers=n, mjd=MJD, exptime=350.0)
    np.testing.assert_allclose(corrected.value, 25.3 - 2.5 * np.log10(before / 350.0), rtol=1e-12)


def test_quantities_and_times_are_what_they_say():
    plain = correct_photometry(
        [coefficients(0.0), coefficients(12.0)], flux=700.0, y=1500, chip=2, mjd=MJD, exptime=350, background=5.0
    )
    dressed = correct_photometry(
        [coefficients(0.0), coefficients(12.0)],
        flux=700.0 * u.electron,
        y=1500 * u.pix,
        chip=2,
        mjd=Time(MJD, format="mjd"),
        exptime=(350 / 60) * u.min,
        background=5.0 * u.electron / u.pix,
    )
    assert dressed.value.unit == u.electron
    assert dressed.value.value == pytest.approx(plain.value)
    mag = correct_photometry(coefficients(), mag=20 * u.ABmag, zeropoint=25, n_transfers=9, mjd=MJD, exptime=350 * u.s)
    assert mag.value.unit == u.ABmag
    with pytest.raises(u.UnitConversionError):
        correct_photometry(coefficients(), flux=700.0 * u.s, n_transfers=9, mjd=MJD, length="l")


@pytest.mark.parametrize("unit", ["electron / s", "e-/s", "ELECTRONS/S"])
def test_electrons_per_second_are_of_the_whole_exposure(unit):
    kept = {"n_transfers": 1500, "mjd": MJD, "exptime": 350}
    rate = Table({"rate": [2.0]})["rate"]
    rate.unit = u.Unit(unit, parse_strict="silent")
    of_rate = correct_photometry(coefficients(), flux=rate, **kept)
    of_flux = correct_photometry(coefficients(), flux=700.0, **kept)
    assert of_rate.correction[0] == of_flux.correction
    assert of_rate.value[0] == pytest.approx(of_flux.value / 350)


@pytest.mark.parametrize("name", ["flux", "y", "exptime", "background"])
def test_a_unit_of_something_else_is_refused_of_columns_too(name):
    column = Table({"x": [700.0]})["x"]
    column.unit = "mJy"
    arguments = {"flux": 700.0, "y": 100, "chip": 1, "mjd": MJD, "exptime": 350, "background": 1.5}
    with pytest.raises(u.UnitConversionError, match=f"{name}: is in mJy"):
        correct_photometry(coefficients(), **arguments | {name: column})


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"length": "L", "exptime": None}, ValueError),
        ({"length": "long", "exptime": None}, ValueError),
        ({"y": 5, "chip": 1}, TypeError),
        ({"chip": 1}, TypeError),
        ({"n_transfers": None, "y": 5, "chip": "B"}, ValueError),
    ],
)
def test_what_is_no_answer_is_refused(arguments, error):
    kept = {"flux": 700.0, "n_transfers": 1500, "mjd": MJD, "exptime": 350} | arguments
    with pytest.raises(error):
        correct_photometry([coefficients(), coefficients(length="s")], **kept)


@pytest.mark.parametrize("exptime", [0.0, -350.0, np.nan, np.inf])
def test_what_is_no_exposure_time_corrects_nothing(exptime):
    both = [coefficients(), coefficients(length="s")]
    corrected = correct_photometry(both, flux=[700.0] * 2, n_transfers=1500, mjd=MJD, exptime=[350.0, exptime])
    assert np.isfinite(corrected.value).tolist() == [True, False]
    assert corrected.flags.tolist() == [0, CorrectionFlag.NOT_FINITE]


@pytest.mark.parametrize("mjd", [0.0, 50_000.0, 2017.5, 2_457_800.5])
def test_a_date_at_which_there_was_no_camera_corrects_nothing(mjd):
    corrected = correct_photometry(coefficients(), flux=700.0, n_transfers=1500, mjd=mjd, length="l")
    assert np.isnan(corrected.value) and corrected.flags & CorrectionFlag.DATE


def test_chips_may_have_their_names():
    kept = {"flux": 700.0, "y": [100, 100], "mjd": MJD, "length": "l"}
    named = correct_photometry(coefficients(), chip=["UVIS1", "uvis2"], **kept)
    numbered = correct_photometry(coefficients(), chip=[1, 2], **kept)
    np.testing.assert_array_equal(named.value, numbered.value)
    assert named.value[0] != named.value[1]


def test_a_level_that_does_not_count_changes_nothing():
    kept = {"flux": 700.0, "n_transfers": 2000.0, "mjd": [55300.0, 57000.0], "exptime": 350}
    late = coefficients(12.0)
    late = replace(late, surface=replace(late.surface, d_range=(1000.0, 3000.0), f_range=(3.5, 4.8)))
    alone = correct_photometry(coefficients(0.0), **kept)
    both = correct_photometry([coefficients(0.0), late], background=0.1, **kept)
    np.testing.assert_array_equal(both.correction, alone.correction)
    np.testing.assert_array_equal(both.flags & ~CorrectionFlag.BACKGROUND, alone.flags)
    between = correct_photometry([coefficients(0.0), late], background=5.0, **kept)
    assert np.all(between.flags & CorrectionFlag.FLUX) and between.flags[0] & CorrectionFlag.DATE


def test_of_several_runs_in_a_folder_the_last_counts(tmp_path):
    for run, factor in (("2026-01-01T00-00-00", 1.0), ("2026-02-01T00-00-00", 2.0)):
        one = coefficients()
        one = replace(one, surface=replace(one.surface, coefficients=factor * one.surface.coefficients))
        outputs.write_coefficients(one, tmp_path / run / "cte_vs_logflux" / "a_mjd58400_coeffs.txt")
    (found,) = find_coefficients(tmp_path)
    np.testing.assert_allclose(found.surface.coefficients, 2 * surface().coefficients, rtol=1e-10)


def test_copies_in_the_web_page_are_not_another_run(tmp_path):
    results = tmp_path / "outputs" / "finalresults"
    for folder, factor in (
        (results / "pf12" / "2026-01-01T00-00-00", 2.0),
        (results / "report" / "files" / "pf12", 1.0),
    ):
        one = coefficients()
        one = replace(one, surface=replace(one.surface, coefficients=factor * one.surface.coefficients))
        outputs.write_coefficients(one, folder / "cte_vs_logflux" / "a_mjd58400_coeffs.txt")
    for above in (results, tmp_path / "outputs"):
        (found,) = find_coefficients(above)
        np.testing.assert_allclose(found.surface.coefficients, 2 * surface().coefficients, rtol=1e-10)


def test_everything_broadcasts():
    corrected = correct_photometry(
        [coefficients(), coefficients(length="s")],
        flux=np.full((3, 1), 700.0),
        n_transfers=np.array([10.0, 500.0]),
        mjd=MJD,
        exptime=np.array([[30.0], [350.0], [30.0]]),
    )
    assert corrected.value.shape == corrected.correction_err.shape == corrected.flags.shape == (3, 2)


def test_between_backgrounds_the_loss_is_between():
    kept = {"flux": 700.0, "n_transfers": 2000.0, "mjd": MJD, "exptime": 350}
    both = [coefficients(12.0), coefficients(0.0)]
    levels = np.array([1.5, np.sqrt(1.5 * 13.5), 13.5])
    low, middle, high = correct_photometry(both, background=levels, **kept).correction
    assert low == pytest.approx(correct_photometry(coefficients(0.0), **kept).correction)
    assert high == pytest.approx(correct_photometry(coefficients(12.0), **kept).correction)
    assert middle == pytest.approx((low + high) / 2, rel=0.02)
    assert correct_photometry(both, flashlvl=12, **kept).correction == pytest.approx(high)


def test_the_error_is_the_scatter_of_repeated_measurements():
    random = np.random.default_rng(4)
    mjd, f = (grid.ravel() for grid in np.meshgrid(np.linspace(55300, 58300, 10), np.linspace(2.5, 4.4, 6)))
    true = np.polynomial.polynomial.polyval2d(mjd - 55400, f, SURFACE)
    found = []
    for _ in range(300):
        noisy = true + random.normal(0, 0.01, true.size)
        one = fit_surface(mjd, f, noisy, np.full(true.size, 0.01), mjd.astype(int), np.round(f, 3), "mag")
        found.append(correct([one], [1.0], np.array([700.0]), np.array([1900.0]), np.array([57000.0]), np.array([1.0])))
    values, errors, _ = np.array(found)[:, :, 0].T
    assert np.std(values) == pytest.approx(np.mean(errors), rel=0.12)


# ---- Doubtful --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "flag"),
    [
        ({"mjd": 55100.0}, CorrectionFlag.DATE),
        ({"mjd": 58431.0}, CorrectionFlag.DATE),
        ({"flux": 100.0}, CorrectionFlag.FLUX),
        ({"flux": 5e5, "saturated": False}, CorrectionFlag.FLUX | CorrectionFlag.SATURATED),
        ({"saturated": True}, CorrectionFlag.SATURATED),
        ({"background": 4.0}, CorrectionFlag.BACKGROUND),
        ({"background": 2.4}, 0),
        ({"mjd": 58429.0}, 0),
        ({"n_transfers": 0.4}, CorrectionFlag.OFF_CHIP),
        ({"n_transfers": 2052.0}, CorrectionFlag.OFF_CHIP),
        ({"flux": -3.0}, CorrectionFlag.NOT_FINITE),
        ({"flux": np.nan}, CorrectionFlag.NOT_FINITE),
        ({"n_transfers": np.nan}, CorrectionFlag.NOT_FINITE),
        ({"mjd": np.nan}, CorrectionFlag.NOT_FINITE),
    ],
)
def test_what_is_doubtful_is_flagged(change, flag):
    given = {"flux": 700.0, "n_transfers": 1000.0, "mjd": MJD, "exptime": 350.0} | change
    corrected = correct_photometry(coefficients(), **given)
    assert corrected.flags == flag
    without = CorrectionFlag.OFF_CHIP | CorrectionFlag.NOT_FINITE
    assert np.isnan(corrected.correction) == np.isnan(corrected.value) == bool(flag & without)


def test_masked_stars_are_not_finite():
    flux = np.ma.masked_array([700.0, 700.0], mask=[False, True])
    corrected = correct_photometry(coefficients(), flux=flux, n_transfers=1000.0, mjd=MJD, length="l")
    assert corrected.flags.tolist() == [0, CorrectionFlag.NOT_FINITE]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mag": 20.0}, "one of flux and mag"),
        ({"flux": None}, "one of flux and mag"),
        ({"length": "l"}, "one of exptime and length"),
        ({"n_transfers": None}, "y and chip, or n_transfers"),
        ({"flux": None, "mag": 20.0}, "zeropoint"),
    ],
)
def test_contradictions_are_refused(change, words):
    given = {"flux": 700.0, "n_transfers": 1000.0, "mjd": MJD, "exptime": 350.0} | change
    with pytest.raises(TypeError, match=words):
        correct_photometry(coefficients(), **given)


@pytest.mark.parametrize(
    ("sets", "change", "words"),
    [
        ([coefficients()], {"ctecorr": True}, "no coefficients of ngc104, F502N, FLC, 3 px"),
        ([coefficients()], {"aperture": 5}, "FLT, 5 px"),
        ([coefficients()], {"exptime": 30}, "short exposures"),
        ([coefficients()], {"flashlvl": 12}, "post-flash 12"),
        ([coefficients(), coefficients(12.0)], {}, "background is needed"),
        ([coefficients(surface=replace(surface(), unit="flux"))], {}, "flux ratios"),
        ([coefficients()], {"filter": "F606W"}, "F606W, FLT"),
    ],
)
def test_what_the_coefficients_do_not_have_is_one_line(sets, change, words):
    given = {"flux": 700.0, "n_transfers": 1000.0, "mjd": MJD, "exptime": 350.0} | change
    with pytest.raises(CoefficientError, match=words) as caught:
        correct_photometry(sets, **given)
    assert "\n" not in str(caught.value)


# ---- Files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".txt", ".ecsv"])
def test_a_file_is_read_back_as_it_was(tmp_path, suffix):
    path, said = tmp_path / f"x_mjd58400_coeffs{suffix}", coefficients(programs=(11924, 14541), software="it 1.0")
    write = outputs.write_coefficients if suffix == ".txt" else outputs.publish_coefficients
    write(said, path)
    check_the_same(outputs.read_coefficients(path), replace(said, source=path.name))


def check_the_same(again, said):
    for name in ("coefficients", "covariance"):
        np.testing.assert_allclose(getattr(again.surface, name), getattr(said.surface, name), rtol=1e-11)
    again, said = (replace(one, surface=replace(one.surface, coefficients=0, covariance=0)) for one in (again, said))
    np.testing.assert_equal(vars(again), vars(said))  # in which NaN is NaN


def test_of_a_folder_the_newest_file_of_each_set_counts(tmp_path):
    for epoch in (57000, 58400, 56000):
        old = replace(surface(), coefficients=SURFACE * (1 if epoch == 58400 else 9))
        outputs.write_coefficients(coefficients(surface=old, epoch_mjd=epoch), tmp_path / f"x_mjd{epoch}_coeffs.txt")
    before, after, n = losing()
    corrected = correct_photometry(tmp_path, flux=after, n_transfers=n, mjd=MJD, exptime=350.0)
    np.testing.assert_allclose(corrected.value, before, rtol=1e-9)


# ---- All backgrounds -------------------------------------------------------------------------------------------------


def of_all_levels(**changes):
    """The simulation's surface with its factor 1 / (1 + flash / 8) as a power of g, as if the sky were 0."""
    tensor = np.zeros((3, 3, 2))
    tensor[..., 1] = SURFACE
    one = surface()
    whole = BackgroundSurface(
        coefficients=tensor,
        covariance=np.diag(np.tile([0.0, 1e-16], 9)),
        form="inverse",
        offset=8.0,
        unit="mag",
        rank=18,
        chi2=50.0,
        n_points=600,
        n_epochs=10,
        d_range=one.d_range,
        f_range=one.f_range,
        background_range=(0.5, 116.0),
        scatter=0.0,
    )
    return replace(coefficients(), surface=whole, flashlvl=None, background=np.nan, **changes)


@pytest.mark.parametrize("flash", [1.0, 12.0, 50.0])
def test_with_all_levels_the_loss_of_any_background_comes_back(flash):
    random = np.random.default_rng(2)
    before, n = 10 ** random.uniform(2.3, 4.7, 500), random.uniform(1, 2051, 500)
    after = before * remaining(before, n, MJD, flash)
    sets = [coefficients(0.0), coefficients(12.0), of_all_levels()]
    corrected = correct_photometry(sets, flux=after, n_transfers=n, mjd=MJD, exptime=350.0, background=flash)
    np.testing.assert_allclose(corrected.value, before, rtol=1e-12)
    assert not corrected.flags.any()


def test_a_level_that_is_named_has_its_own_surface():
    kept = {"flux": 700.0, "n_transfers": 2000.0, "mjd": MJD, "exptime": 350}
    own = correct_photometry(coefficients(12.0), **kept)
    assert correct_photometry([of_all_levels(), coefficients(12.0)], flashlvl=12, **kept).correction == own.correction
    assert correct_photometry([of_all_levels(), coefficients(12.0)], **kept).correction == own.correction
    with pytest.raises(CoefficientError, match="background is needed"):
        correct_photometry(of_all_levels(), **kept)


def test_beyond_the_backgrounds_of_all_levels_the_nearest_counts():
    kept = {"flux": 700.0, "n_transfers": 2000.0, "mjd": MJD, "exptime": 350}
    inside, outside = correct_photometry(of_all_levels(), background=[116.0, 300.0], **kept).correction
    assert inside == outside
    flags = correct_photometry(of_all_levels(), background=[0.0, 120.0, 300.0, np.nan], **kept).flags
    assert flags.tolist() == [0, 0, CorrectionFlag.BACKGROUND, CorrectionFlag.NOT_FINITE]


def test_all_levels_are_published_as_one_file(tmp_path):
    path, said = tmp_path / "all_coeffs.ecsv", of_all_levels(programs=(13083,), software="it 1.0")
    outputs.publish_coefficients(said, path)
    check_the_same(outputs.read_coefficients(path), replace(said, source=path.name))
    meta = Table.read(path).meta
    assert (meta["unit"], meta["software"], meta["programs"]) == ("mag / 2051 px", "it 1.0", [13083])
    assert "g = 8 / (background + 8) [e-/px]" in meta["variables"]
    assert meta["date"] == "data until 2018-10-09"


def test_a_scatter_is_part_of_the_error():
    kept = {"flux": 700.0, "n_transfers": ROWS, "mjd": MJD, "exptime": 350}
    scattering = coefficients(surface=replace(surface(), scatter=0.03))
    plain, more = (correct_photometry(one, **kept).correction_err for one in (coefficients(), scattering))
    assert np.sqrt(more**2 - plain**2) == pytest.approx(0.03, rel=0.1)


# ---- Files that are none ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", [None, "", "1 2 3\n", "# unit: mag\n", "\0\1", "# unit: mag / 2051 px\n" + "0 0 1 1\n" * 9]
)
def test_a_file_that_is_none_is_one_line(tmp_path, text):
    path = tmp_path / "x_coeffs.txt"
    if text is not None:
        path.write_text(text)
    with pytest.raises(CoefficientError, match="x_coeffs.txt") as caught:
        outputs.read_coefficients(path)
    assert "\n" not in str(caught.value)


def test_a_folder_without_coefficients_is_one_line(tmp_path):
    with pytest.raises(CoefficientError, match="no coefficient files"):
        correct_photometry(tmp_path, flux=1.0, n_transfers=1.0, mjd=MJD, length="l")
