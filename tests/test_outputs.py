"""Names as the guide spells them; whole files and folders, or nothing."""

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from wfc3_cte_monitor import outputs
from wfc3_cte_monitor.errors import ConfigurationError, UnusableExposureError
from wfc3_cte_monitor.records import (
    Coefficients,
    CteSurface,
    Exposure,
    ExposurePair,
    ExposureSet,
    Photometry,
    StarPositions,
)

ONE = Exposure(
    Path("i/icxx01abq_flc.fits"), "icxx01abq", 14012, "ngc104", "F502N", 350.0, 57001.0, 12.0, True, 1, 0.0, 82.0, 0.0
)
SURFACE = CteSurface(
    np.arange(9.0).reshape(3, 3) / 7, np.eye(9) * 4, "mag", 9, 12.5, 60, 10, (-300.0, 2400.0), (2.5, 4.2)
)

COEFFICIENTS = Coefficients(SURFACE, "ngc104", "F502N", "l", 12.0, False, 3.0, 13.5, 57000.0, programs=(14012, 14378))


def test_names_are_those_of_the_guide():
    assert outputs.flash_folder(12.0, True) == "pf12_ctecorr"
    assert outputs.flash_folder(0.0, False) == "pf0"
    assert outputs.set_folder(ONE.set) == "ngc104_F502N_l"
    assert outputs.exposure_stem(ONE) == "icxx01abq_flc"
    other = replace(ONE, rootname="icxx01aaq", chip=2)
    assert outputs.pair_stem(ExposurePair(ONE, other), 3.0) == "icxx01abq_icxx01aaq_r3_slopes"
    same = ExposurePair(replace(ONE, chip=2), other)
    assert outputs.pair_stem(same, 3.0) == "icxx01abq_icxx01aaq_r3_slopes_ch2"
    assert outputs.cte_time_name("F502N", "l", 12.0, True, 3.0) == "cteVStime_F502N_l_pf12_ctecorrTrue_r3"
    assert (
        outputs.set_name("cteVSlogflux", ExposureSet("ngc104", "F502N", "s", 0.0, False), 5)
        == "cteVSlogflux_ngc104_F502N_s_pf0_ctecorrFalse_r5"
    )


def staged(tmp_path, text):
    folder = tmp_path / "staged"
    (folder / "pf0").mkdir(parents=True)
    (folder / "pf0" / "a.txt").write_text(text)
    return folder


def test_most_recent_is_replaced_whole(tmp_path):
    final = tmp_path / "finalresults"
    outputs.publish(staged(tmp_path, "old"), final, "t1")
    (final / "pf0" / "t1" / "only_old.txt").touch()
    (folder,) = outputs.publish(staged(tmp_path, "new"), final, "t2")
    assert folder == final / "pf0" / "t2"
    assert [p.name for p in (final / "pf0" / "most_recent").iterdir()] == ["a.txt"]
    assert (final / "pf0" / "most_recent" / "a.txt").read_text() == "new"
    assert (final / "pf0" / "t1" / "a.txt").read_text() == "old"


def test_a_failure_while_publishing_leaves_the_old_results(tmp_path, monkeypatch):
    final = tmp_path / "finalresults"
    outputs.publish(staged(tmp_path, "old"), final, "t1")
    monkeypatch.setattr(Path, "symlink_to", lambda *args, **kwargs: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(OSError, match="No space"):
        outputs.publish(staged(tmp_path, "new"), final, "t2")
    assert (final / "pf0" / "most_recent" / "a.txt").read_text() == "old"


def test_a_folder_called_most_recent_is_put_aside_and_not_lost(tmp_path):
    final = tmp_path / "finalresults"
    (final / "pf0" / "most_recent").mkdir(parents=True)
    (final / "pf0" / "most_recent" / "kept.txt").touch()
    outputs.publish(staged(tmp_path, "new"), final, "t1")
    assert (final / "pf0" / "most_recent" / "a.txt").read_text() == "new"
    assert (final / "pf0" / "most_recent_before_t1" / "kept.txt").exists()


def test_only_the_flash_levels_of_the_run_are_published(tmp_path):
    final = tmp_path / "finalresults"
    folder = staged(tmp_path, "old")
    (folder / "pf12_ctecorr").mkdir()
    (folder / "pf12_ctecorr" / "b.txt").touch()
    assert outputs.publish(folder, final, "t1") == [final / "pf0" / "t1", final / "pf12_ctecorr" / "t1"]
    outputs.publish(staged(tmp_path, "new"), final, "t2")
    assert (final / "pf12_ctecorr" / "most_recent").resolve() == final / "pf12_ctecorr" / "t1"
    assert (final / "pf0" / "most_recent").resolve() == final / "pf0" / "t2"
    assert list(folder.iterdir()) == []


def test_a_run_without_results_publishes_nothing(tmp_path):
    (tmp_path / "staged").mkdir()
    assert outputs.publish(tmp_path / "staged", tmp_path / "finalresults", "t1") == []
    assert not (tmp_path / "finalresults").exists()


def test_most_recent_stays_true_where_the_tree_is_moved(tmp_path):
    outputs.publish(staged(tmp_path, "new"), tmp_path / "finalresults", "t1")
    (tmp_path / "finalresults").rename(tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere" / "pf0" / "most_recent" / "a.txt").read_text() == "new"


def test_a_link_left_by_a_killed_run_is_no_obstacle(tmp_path, monkeypatch):
    final = tmp_path / "finalresults"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", lambda self, _: (_ for _ in ()).throw(OSError("killed")))
        (final / "pf0" / "t0").mkdir(parents=True)
        with pytest.raises(OSError, match="killed"):
            outputs.results._point_to(final / "pf0" / "most_recent", final / "pf0" / "t0")
    outputs.publish(staged(tmp_path, "new"), final, "t1")
    assert (final / "pf0" / "most_recent" / "a.txt").read_text() == "new"


def test_two_runs_in_one_second_have_folders_of_their_own(tmp_path):
    final = tmp_path / "finalresults"
    folders = [outputs.publish(staged(tmp_path, text), final, "t")[0] for text in ("1", "2")]
    assert [(folder / "a.txt").read_text() for folder in folders] == ["1", "2"]


def test_copies_for_the_web_site_replace_what_is_there(tmp_path):
    final, site = tmp_path / "finalresults", tmp_path / "site"
    (site / "pf0").mkdir(parents=True)
    (site / "pf0" / "stale.txt").touch()
    outputs.copy_tree(outputs.publish(staged(tmp_path, "new"), final, "t1"), site)
    assert [path.name for path in (site / "pf0").iterdir()] == ["a.txt"]


def test_a_file_whose_writing_fails_stays_as_it_was(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("old")

    def write_half(new):
        new.write_text("ha")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        outputs.replace_file(path, write_half)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.txt"]


def test_rows_of_a_growing_table_replace_those_of_the_same_key(tmp_path):
    path = tmp_path / "a.txt"
    for names, value in ((["b", "a"], 1.0), (["b", "c"], 2.123456789)):
        outputs.update_table(Table({"name": names, "value": [value] * 2}), path, "name")
    table = Table.read(path, format="ascii.ecsv")
    assert [tuple(row) for row in table] == [("a", 1.0), ("b", 2.12346), ("c", 2.12346)]


@pytest.mark.parametrize("text", ["coffee\n", "", "# %ECSV 1.0\n# ---\n", "a b\n1 2\n"])
def test_a_growing_table_that_was_damaged_is_put_aside(tmp_path, text):
    path = tmp_path / "a.txt"
    path.write_text(text)
    outputs.update_table(Table({"name": ["b"], "value": [1.0]}), path, "name")
    assert len(Table.read(path, format="ascii.ecsv")) == 1
    assert (tmp_path / "a_unreadable.txt").read_text() == text


def test_only_what_dead_processes_were_writing_is_swept(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    kept = [f".{os.getpid()}_a.fits", ".hidden", "1_a.fits", ".a_1"]
    kept.append(f".{gone.pid}-elsewhere_a.fits")
    left = f".{gone.pid}-{socket.gethostname().replace('_', '-')}_a_flc.fits"
    for name in (*kept, left, f".{gone.pid}_a_flc.fits", ".99999999999999999999_a.fits"):
        (tmp_path / name).touch()
    (tmp_path / f".{gone.pid}_scratch" / "folder").mkdir(parents=True)
    outputs.sweep(tmp_path)
    outputs.sweep(tmp_path / "nowhere")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="file/outputs"):
        outputs.make_folder(tmp_path / "file" / "outputs")


def photometry(n=5):
    rng = np.random.default_rng(1)
    positions = StarPositions(np.arange(n) + 7, *rng.uniform(1, 2000, (2, n)), np.array([0.1] * (n - 1) + [np.nan]))
    flux = rng.normal(500, 300, (2, n))
    flux[0, :2] = -3.0, np.nan
    flags, sky = np.array([[0] * n, [4] * n]), rng.normal(size=n)
    return Photometry(positions, (3.0, 5.0), flux, np.abs(flux) / 10, flags, sky, sky + 3, np.full(n, 300), sky + 12)


def test_mag_files_are_read_back_whole(tmp_path):
    measured = photometry()
    outputs.write_table(outputs.photometry_table(measured, {"imagename": "icxx01abq_flc.fits"}), tmp_path / "a.mag")
    table = Table.read(tmp_path / "a.mag", format="ascii.ecsv")
    for k, radius in enumerate((3, 5)):
        np.testing.assert_array_equal(table[f"flux_{radius}"], measured.flux[k])
        np.testing.assert_array_equal(table[f"flags_{radius}"], measured.flags[k])
    assert str(table["flux_3"].unit) == "electron"
    assert str(table["mag_3"].unit) == "mag"
    assert np.isnan(table["mag_3"][:2]).all(), "no magnitude of a flux that is not positive"
    np.testing.assert_allclose(table["mag_3"][2:], -2.5 * np.log10(measured.flux[0, 2:]))
    assert table.meta["imagename"] == "icxx01abq_flc.fits"
    for name in ("id", "x", "y", "shift"):
        np.testing.assert_array_equal(table[name], getattr(measured.positions, name))
    for name in ("sky", "sky_std", "n_sky", "background"):
        np.testing.assert_array_equal(table[name], getattr(measured, name))
    good = measured.flux[1] > 0
    relative = (measured.flux_err[1] / measured.flux[1])[good]
    np.testing.assert_allclose(table["mag_err_5"][good], relative * 1.0857362, rtol=1e-7)


def test_every_number_with_a_unit_says_it(tmp_path):
    measured = photometry()
    table = outputs.positions_table(measured.positions, measured.sky, measured.sky, {})
    assert {name: str(table[name].unit) for name in table.colnames if table[name].unit} == {
        **dict.fromkeys(("x", "y", "shift"), "pix"),
        **dict.fromkeys(("ra", "dec"), "deg"),
    }
    table = outputs.photometry_table(measured, {})
    assert {name for name in table.colnames if not table[name].unit} == {"id", "n_sky", "flags_3", "flags_5"}


def test_coo_files_are_read_back_whole(tmp_path):
    positions = photometry().positions
    table = outputs.positions_table(positions, positions.x, positions.y, {"chip": 1})
    outputs.write_table(table, tmp_path / "deeper" / "a.coo")
    again, chip = outputs.read_positions(tmp_path / "deeper" / "a.coo")
    assert chip == 1
    written = Table.read(tmp_path / "deeper" / "a.coo", format="ascii.ecsv")
    assert (written.meta["chip"], str(written["ra"].unit)) == (1, "deg")
    assert "(1, 1)" in written.meta["convention"]
    for name in ("id", "x", "y", "shift"):
        np.testing.assert_array_equal(getattr(again, name), getattr(positions, name))


@pytest.mark.parametrize("text", [None, "", "id x y\n1 2 3\n", "# %ECSV 1.0\n# ---\n# datatype: broken"])
def test_a_missing_or_damaged_coo_file_says_what_to_do(tmp_path, text):
    path = tmp_path / "a.coo"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UnusableExposureError, match="--dofind y"):
        outputs.read_positions(path)


@pytest.mark.parametrize(("unit", "words"), [("mag", "mag / 2051 px"), ("flux", "flux fraction / 2048 px")])
def test_coefficients_say_their_unit(tmp_path, unit, words):
    path = tmp_path / "x_coeffs.txt"
    outputs.write_coefficients(replace(COEFFICIENTS, surface=replace(SURFACE, unit=unit)), path)
    assert f"# unit: {words}\n" in path.read_text()


def test_coefficients_are_read_back_by_numpy(tmp_path):
    path = tmp_path / "x_mjd57000_coeffs.txt"
    outputs.write_coefficients(COEFFICIENTS, path)
    row, col, coefficient, error = np.loadtxt(path, unpack=True)
    np.testing.assert_array_equal(row * 3 + col, np.arange(9))
    np.testing.assert_allclose(coefficient, SURFACE.coefficients.ravel(), rtol=1e-12)
    np.testing.assert_allclose(error, 2.0)
    header = path.read_text()
    for said in (
        "unit: mag / 2051 px",
        "rank: 9",
        "chi2: 12.5",
        "points: 60",
        "epochs: 10",
        "range_d",
        "range_f",
        "scatter: 0",
        "3 px",
        "14012 14378",
    ):
        assert said in header
    covariance = [line.split(": ")[1].split() for line in header.splitlines() if line.startswith("# covariance c")]
    np.testing.assert_allclose(np.array(covariance, dtype=float), SURFACE.covariance, rtol=1e-12)
