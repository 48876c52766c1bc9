"""The figures of models: loss against the background, the model on the losses, closure."""

import matplotlib
import numpy as np
import pytest
from astropy.table import Table
from matplotlib.collections import PathCollection
from test_plots import bars

from wfc3_cte_monitor import plots
from wfc3_cte_monitor.plots import style

BINS = [(250.0, 500.0), (500.0, 1000.0), (1000.0, 2000.0)]
EPOCHS = np.linspace(55500.0, 58500.0, 5)
LEVELS = (0.0, 12.0, 33.0)
META = {"unit": "mag", "filter": "F502N", "length": "l", "ctecorr": False, "aperture": 3.0, "target": "ngc104"}


def texts(figure):
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text)]


def model(mjd, lo, background):
    return 3e-5 * (mjd - 55000) * (lo / 250) ** -0.4 * 8 / (background + 8)


@pytest.fixture
def points():
    random = np.random.default_rng(4)
    rows = []
    for epoch in EPOCHS:
        for level in LEVELS:
            for lo, hi in BINS:
                background, error = level + 3.0, random.uniform(0.004, 0.01)
                truth = model(epoch, lo, background)
                residual = random.normal(0, error)
                rows.append((epoch, epoch, lo, hi, level, background, truth + residual, error, residual))
    names = ["epoch", "mjd", "lo", "hi", "flashlvl", "background", "loss", "loss_err", "residual"]
    meta = {**META, "flashlvl": None, "recommended": 12.0, "scatter": 0.0021, "no_model": "too few levels"}
    return Table(rows=rows, names=names, meta=meta)


@pytest.fixture
def against_background():
    """The model of the first and the last epoch."""
    grid = np.linspace(3.0, 36.0, 20)
    rows = [(e, lo, hi, b, model(e, lo, b), 0.002) for e in EPOCHS[[0, -1]] for lo, hi in BINS for b in grid]
    return Table(rows=rows, names=["epoch", "lo", "hi", "background", "loss", "loss_err"])


# ---- cte_flashlvl


@pytest.mark.parametrize("against", ["flashlvl", "background"])
def test_every_pair_is_drawn_with_its_error_in_the_panel_of_its_bin(points, against):
    figure = plots.plot_cte_flashlvl(points, against=against)
    for ax, (lo, hi) in zip(figure.axes, BINS, strict=False):
        here = points[points["lo"] == lo]
        middles, errors = bars(ax)
        np.testing.assert_allclose(np.sort(middles[:, 1]), np.sort(here["loss"]))
        np.testing.assert_allclose(np.sort(errors), np.sort(here["loss_err"]))
        assert {style.bin_label(lo, hi), "15 pairs"} <= {text.get_text() for text in ax.texts}
        if against == "background":
            np.testing.assert_allclose(np.sort(middles[:, 0] ** 2), np.sort(here["background"]))


def test_levels_are_told_apart_and_no_epoch_hides_another(points):
    ax = plots.plot_cte_flashlvl(points, against="flashlvl").axes[0]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "12", "33"]
    x = bars(ax)[0][:, 0]
    assert len(np.unique(np.round(x, 6))) == len(EPOCHS) * len(LEVELS)
    nearest = np.array([np.argmin(np.abs(np.sqrt(LEVELS) - one)) for one in x])
    np.testing.assert_array_equal(np.bincount(nearest), [5, 5, 5])


@pytest.mark.parametrize("against", ["flashlvl", "background"])
def test_the_recommended_level_is_marked_and_named(points, against):
    figure = plots.plot_cte_flashlvl(points, against=against)
    for ax in figure.axes[: len(BINS)]:
        assert any(np.allclose(line.get_xdata(), np.sqrt(12.0)) for line in ax.lines)
    assert "recommended to observers, 12 e⁻/px" in texts(figure)


def test_curves_of_the_model_or_why_there_are_none(points, against_background):
    figure = plots.plot_cte_flashlvl(points, against_background, against="background")
    assert "model of all levels, with its standard error" in texts(figure)
    curves = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 20]
    drawn = sorted(line.get_ydata()[0] for line in curves)
    np.testing.assert_allclose(drawn, sorted(model(e, 250, 3.0) for e in EPOCHS[[0, -1]]))
    without = plots.plot_cte_flashlvl(points, against_background[:0], against="background")
    assert any("no model: too few levels" in text for text in texts(without))


def test_epochs_are_colours_that_a_bar_explains(points):
    figure = plots.plot_cte_flashlvl(points, against="flashlvl")
    figure.draw_without_rendering()
    (marks,) = (one for one in figure.axes[0].collections if isinstance(one, PathCollection))
    assert len(np.unique(marks.get_facecolor(), axis=0)) == len(EPOCHS)
    bar = figure.axes[-1]
    assert bar.get_ylabel() == "epoch" and "2013" in [text.get_text() for text in bar.get_yticklabels()]


def test_loss_against_flash_of_nothing_is_an_empty_figure(points):
    assert "no pairs" in texts(plots.plot_cte_flashlvl(points[:0], against="background"))


# ---- model_on_reality


@pytest.fixture
def against_time():
    grid = np.linspace(55300.0, 58700.0, 30)
    rows = [(mjd, lo, hi, model(mjd, lo, 15.0), 0.003) for lo, hi in BINS for mjd in grid]
    return Table(rows=rows, names=["mjd", "lo", "hi", "loss", "loss_err"])


def test_losses_with_the_model_and_its_band_and_the_residuals_below(points, against_time):
    points = points[points["flashlvl"] == 12.0]
    points.meta["flashlvl"] = 12.0
    figure = plots.plot_model_on_reality(points, against_time)
    assert len(figure.axes) == 2 * len(BINS)
    for number, (lo, _) in enumerate(BINS):
        upper, lower = figure.axes[2 * number : 2 * number + 2]
        here, curve = points[points["lo"] == lo], against_time[against_time["lo"] == lo]
        for ax, name in ((upper, "loss"), (lower, "residual")):
            middles, errors = bars(ax)
            np.testing.assert_allclose(middles, np.transpose([here["mjd"], here[name]]), atol=1e-12)
            np.testing.assert_allclose(errors, here["loss_err"])
        assert any(np.array_equal(line.get_ydata(), curve["loss"]) for line in upper.lines)
        band = upper.collections[0].get_paths()[0].vertices
        assert band[:, 1].max() == pytest.approx(curve["loss"].max() + 0.003)
        pull = np.sqrt(np.mean((here["residual"] / here["loss_err"]) ** 2))
        assert f"5 pairs, rms {pull:.2f} σ" in texts(figure)
    assert "model at the median flux (intrinsic scatter 0.0021)" in texts(figure)
    assert upper.get_ylim() == figure.axes[0].get_ylim() and "2013" in texts(figure)


# ---- closure


def test_closure_of_very_little_draws_all_four_panels():
    losses = Table(names=["flashlvl", "injected", "loss", "loss_err", "pull"])
    losses.add_row([0.0, 0.1, 0.11, 0.01, 1.0])
    corrected = Table(
        rows=[(0.0, 250.0, 500.0, kind, 0.1 - 0.099 * (kind != "nothing"), 0.004) for kind in ("nothing", "own level")],
        names=["flashlvl", "lo", "hi", "corrected_with", "slope", "slope_err"],
    )
    left_out = Table(rows=[(55500.0, "own level", 0.004, 0.005)], names=["epoch", "model", "rms", "mean_err"])
    figure = plots.plot_validation(losses, corrected, left_out, title="Closure")
    recovered, pulls, after, epochs = figure.axes
    np.testing.assert_allclose(bars(recovered)[0], [[0.1, 0.11]])
    assert sum(patch.get_height() for patch in pulls.patches) == 1
    np.testing.assert_allclose(np.sort(bars(after)[0][:, 1]), [0.001, 0.1])
    assert epochs.lines[0].get_ydata() == [0.004]
