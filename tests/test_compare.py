"""Two measurements of the same pairs: what both have, by how much they differ, and whether that means anything."""

import shutil

import numpy as np
import pytest
from astropy.table import Table
from running import run, run_tool

from wfc3_cte_monitor.commands.setup import default_answers, set_up
from wfc3_cte_monitor.errors import ConfigurationError
from wfc3_cte_monitor.pipeline.compare import compare_losses, losses_in, summarised
from wfc3_cte_monitor.plots import plot_comparison
from wfc3_cte_monitor.settings import read_settings


def losses(shift=0.0, n_pairs=5, scatter=0.002, seed=0):
    random = np.random.default_rng(seed)
    rows = [
        {
            **{"target": target, "filter": "F502N", "length": "l", "flashlvl": 0.0, "ctecorr": False, "aperture": 3.0},
            "chip": 0,
            **{"lo": lo, "hi": 2 * lo, "imagename_1": f"{target}{k}a", "imagename_2": f"{target}{k}b"},
            **{"n_points": 100 + k, "mean_flux": 1.4 * lo, "loss": 0.1 + shift + random.normal(0, scatter)},
            "loss_err": 0.01,
        }
        for target in ("ngc104", "ngc6791")
        for k in range(n_pairs)
        for lo in (500.0, 1000.0)
    ]
    return Table(rows=rows)


def test_only_what_both_have_is_compared():
    a, b = losses(), losses(0.02, seed=1)[3:]
    b["loss"][0] = np.nan
    both = compare_losses(a, b)
    assert len(both) == len(a) - 4
    np.testing.assert_allclose(both["difference"], both["loss_b"] - both["loss_a"])


def test_a_shift_is_found_with_its_significance():
    summary = summarised(compare_losses(losses(), losses(0.02, seed=1)), "mag")
    assert len(summary) == 4 and set(summary["n_pairs"]) == {5} and set(summary["errors_are"]) == {"scatter"}
    np.testing.assert_allclose(summary["difference"], 0.02, atol=4 * 0.003 / np.sqrt(5))
    assert np.all(summary["difference_err"] < 0.004) and np.all(summary["significance"] > 4)
    assert set(summary["n_stars_a"]) == {102.0}


def test_pulls_of_equal_losses_are_true():
    pulls = [
        summarised(compare_losses(losses(n_pairs=20, seed=2 * k), losses(n_pairs=20, seed=2 * k + 1)), "mag")[
            "significance"
        ]
        for k in range(60)
    ]
    assert np.std(pulls) == pytest.approx(1.0, abs=0.15)


def test_few_pairs_have_formal_errors():
    summary = summarised(compare_losses(losses(n_pairs=2), losses(n_pairs=2, seed=1)), "mag")
    assert set(summary["errors_are"]) == {"formal"}
    np.testing.assert_allclose(summary["difference_err"], 0.01)


@pytest.mark.parametrize("n_pairs", [3, 5])
def test_the_scatter_of_few_pairs_makes_nothing_significant(n_pairs):
    """Without Student's distribution the pulls of three pairs have a width of 2 and more."""
    pulls = [
        summarised(compare_losses(losses(n_pairs=n_pairs, seed=2 * k), losses(n_pairs=n_pairs, seed=2 * k + 1)), "mag")[
            "significance"
        ]
        for k in range(80)
    ]
    assert np.std(pulls) == pytest.approx(1.0, abs=0.15)


def test_the_two_chips_of_a_same_chip_set_are_not_averaged():
    a, b = losses(), losses(0.02)
    for table in (a, b):
        table["chip"] = [1 + (name[-2] in "02") for name in table["imagename_1"]]
    summary = summarised(compare_losses(a, b), "mag")
    assert sorted(zip(summary["chip"], summary["n_pairs"], strict=True)) == [(1, 3)] * 4 + [(2, 2)] * 4


def test_equal_losses_differ_by_nothing():
    summary = summarised(compare_losses(losses(), losses()), "mag")
    assert not np.any(summary["difference"]) and not np.any(summary["significance"])


def test_the_figure_has_a_panel_per_kind_and_a_point_per_bin():
    summary = summarised(compare_losses(losses(), losses(0.02, seed=1)), "mag")
    figure = plot_comparison(summary, title="B − A")
    (ax,) = [ax for ax in figure.axes if ax.get_visible()]
    assert sum(len(line.get_xdata()) for line in ax.lines if line.get_linestyle() == "None") == 4
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["NGC 104", "NGC 6791"]
    plot_comparison(summary[:0], title="none").draw_without_rendering()


# ---- Databases and slope files ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def measured(tmp_path_factory, observatory):
    """A configuration whose pairs were measured with two choices of bad pixels."""
    folder = tmp_path_factory.mktemp("compare")
    config = set_up(default_answers(folder))
    shutil.copytree(observatory / "data", folder / "data", dirs_exist_ok=True)
    for choice in ((), ("--dq", "warm")):
        assert run(config, "--pr", "all", "--ctecorr", "flt", *choice).code == 0
    return config


@pytest.mark.slow
def test_databases_and_their_slope_files_say_the_same(measured):
    settings = read_settings(measured)
    in_database = losses_in(str(settings.database_url), settings)
    in_files = losses_in(str(settings.path_to_finalresults / "pf0" / "most_recent"), settings)
    both = compare_losses(in_database, in_files)
    assert len(both) == np.isfinite(in_database["loss"]).sum() > 10
    np.testing.assert_allclose(both["difference"], 0, atol=1e-6)


@pytest.mark.slow
def test_the_command_writes_tables_and_figures(measured, tmp_path):
    settings = read_settings(measured)
    a, b = settings.database_url, settings.with_dq("warm").database_url
    outcome = run_tool("compare_results", a, b, "--config", measured, "--folder", tmp_path)
    assert outcome.code == 0, outcome.lines
    for radius in (3, 5, 10):
        assert {path.suffix for path in tmp_path.glob(f"compare_results_r{radius}.*")} == {".txt", ".png", ".pdf"}
    table = Table.read(tmp_path / "compare_results_r3.txt", format="ascii.ecsv")
    assert np.all(np.abs(table["difference"]) < 0.1) and table.meta["a"] == str(a)
    assert np.any(table["n_stars_b"] != table["n_stars_a"])


@pytest.mark.parametrize("source", ["nothing.db", "empty", "slopes.txt"])
def test_a_source_that_is_none_is_one_line(make_config, tmp_path, source):
    settings = read_settings(make_config())
    (tmp_path / "empty").mkdir()
    (tmp_path / "slopes.txt").write_text("1 2\n")
    with pytest.raises(ConfigurationError, match=source):
        losses_in(str(tmp_path / source), settings)
    assert not (tmp_path / "nothing.db").exists()
