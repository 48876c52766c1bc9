"""The figures: what they show, not how their pixels look."""

import subprocess
import sys
import warnings
from functools import partial

import matplotlib
import numpy as np
import pytest
from astropy.table import MaskedColumn, Table
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgb
from matplotlib.markers import TICKDOWN

from wfc3_cte_monitor import plots
from wfc3_cte_monitor.plots import cte_logflux, cte_time, diagnostic, layout, ratio_ypos, style
from wfc3_cte_monitor.records import FluxBin, LineFit, SlopeFit, StarPairs

BINS = [(250, 500), (500, 1000), (500, 2000), (1000, 2000), (2000, 4000), (2000, 8000), (4000, 8000), (8000, 32000)]
META = {"unit": "mag", "filter": "F502N", "length": "l", "flashlvl": 12.0, "ctecorr": False, "aperture": 3.0}
TITLE = "NGC 104   F502N   long   post-flash 12 e⁻/px   FLT   r = 3 px"


# ---- synthetic data


def line(kept, slope=1e-4, intercept=0.9):
    return LineFit(slope, 1e-5, intercept, 0.01, -9e-8, kept)


def pair(n=600, seed=1):
    """Stars with a known slope, two of each bin clipped; the last bin has too few stars for a fit."""
    rng = np.random.default_rng(seed)
    y, flux = rng.uniform(1, 2051, n), 10 ** rng.uniform(2.4, 3.85, n)
    ratio = 0.9 + 1e-4 * y + rng.normal(0, 0.02, n)
    stars = StarPairs(np.arange(n), y, flux * np.sqrt(ratio), flux / np.sqrt(ratio))
    return stars, [slope_fit(stars, FluxBin(lo, hi)) for lo, hi in BINS]


def slope_fit(stars, flux_bin):
    n = np.count_nonzero((stars.flux >= flux_bin.lo) & (stars.flux < flux_bin.hi))
    if n < 3:
        return SlopeFit(flux_bin, n, np.nan, None, None)
    kept = np.arange(n) >= 2
    return SlopeFit(flux_bin, n - 2, 1000.0, line(kept), line(kept, slope=2e-4))


def losses(targets=("ngc104", "ngc6791"), n_epochs=6, seed=2):
    rng = np.random.default_rng(seed)
    noise = partial(rng.normal, 0, 0.01)
    rows = [
        (target, mjd, lo, hi, 1e-4 * (mjd - 55000) * (1 - lo / 9000) + noise(), rng.uniform(0.01, 0.03), 300)
        for target in targets
        for mjd in np.linspace(55200, 60100, n_epochs)
        for lo, hi in BINS
    ]
    return Table(rows=rows, names=["target", "mjd", "lo", "hi", "loss", "loss_err", "n_points"], meta=dict(META))


def model(epoch, logflux):
    return 1e-4 * (epoch - 55000) * (5 - logflux)


def logflux_tables(n_epochs=4, offset=0.01):
    """Points that lie `offset` above the curves of their epochs."""
    epochs, centres, grid = np.linspace(55200, 60100, n_epochs), np.linspace(2.6, 4.2, 8), np.linspace(2.5, 4.3, 30)
    points = [(e, f, model(e, f) + offset, 0.01 + 0.001 * i, 300) for e in epochs for i, f in enumerate(centres)]
    curves = [(e, f, model(e, f), 0.004) for e in epochs for f in grid]
    names = ["epoch", "logflux", "loss", "loss_err", "n_points"]
    points = Table(rows=points, names=names, meta={**META, "target": "ngc104"})
    return points, Table(rows=curves, names=names[:4])


def chip(shape=(60, 128)):
    image = np.random.default_rng(3).normal(12, 3, shape).astype(np.float32)
    image[9, 19] = 5000
    return image


# ---- what a figure shows


def panels(figure):
    return [ax for ax in figure.axes if ax.get_visible()]


def texts(figure):
    """Every word of a figure."""
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text)]


def legend_labels(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def is_bars(xy):
    """Whether a line is one of bars: two points and a gap, again and again."""
    return len(xy) > 0 and len(xy) % 3 == 0 and np.array_equal(np.isnan(xy[:, 1]), np.arange(len(xy)) % 3 == 2)


def bars(ax):
    """Positions and half-lengths of the error bars of an axes, in the order of drawing."""
    lines = [line.get_xydata() for line in ax.lines if is_bars(line.get_xydata())]
    segments = np.concatenate([np.empty((0, 2, 2)), *(xy.reshape(-1, 3, 2)[:, :2] for xy in lines)])
    assert np.all(np.ptp(segments[..., 0], axis=1) == 0)
    return segments.mean(axis=1), 0.5 * np.ptp(segments[..., 1], axis=1)


def arrows(ax):
    return [one for one in ax.lines if "arrow" in str(one.get_marker()) and len(one.get_xdata())]


def points_of(ax, marker):
    drawn = [one.get_xydata() for one in ax.lines if one.get_marker() == marker]
    return np.concatenate(drawn) if drawn else np.empty((0, 2))


def as_deuteranopes_see(color):
    """Linear RGB after the matrix of Machado et al. (2009) for a complete deuteranopia."""
    matrix = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    rgb = np.array(to_rgb(color))
    return np.array(matrix) @ np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


FIGURES = {
    "ratio_ypos": lambda: plots.plot_ratio_ypos(*pair(), title=TITLE),
    "cte_time": lambda: plots.plot_cte_time(losses()),
    "cte_logflux": lambda: plots.plot_cte_logflux(*logflux_tables()),
    "diagnostic": lambda: plots.plot_diagnostic(chip(), [20, 40], [10, 30], [0, 4], title=TITLE),
}


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("suffix", ["png", "pdf"])
def test_every_figure_is_saved_without_a_warning(name, suffix, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FIGURES[name]().savefig(tmp_path / f"figure.{suffix}", dpi=60)
    assert (tmp_path / f"figure.{suffix}").stat().st_size > 5000


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_its_title_and_nothing_runs_out_of_it(name):
    figure = FIGURES[name]()
    assert TITLE in texts(figure) or TITLE.replace("104", "104, NGC 6791") in texts(figure)
    drawn = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert drawn.x0 >= 0 and drawn.y0 >= 0 and drawn.x1 <= width and drawn.y1 <= height


@pytest.mark.parametrize("name", FIGURES)
def test_no_figure_changes_the_state_of_matplotlib(name):
    with matplotlib.rc_context({"font.size": 17.0, "legend.frameon": True}):
        before = dict(matplotlib.rcParams)
        FIGURES[name]()
        assert dict(matplotlib.rcParams) == before


def test_pyplot_is_never_imported():
    code = "import sys, wfc3_cte_monitor.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_module_and_its_function_have_names_of_their_own():
    for module in (cte_logflux, cte_time, diagnostic, ratio_ypos):
        name = f"plot_{module.__name__.rpartition('.')[2]}"
        assert getattr(plots, name) is getattr(module, name)


# ---- ratio_ypos


@pytest.fixture(scope="module")
def ratio_figure():
    return plots.plot_ratio_ypos(*pair(), title=TITLE)


def test_ratio_has_a_panel_per_bin(ratio_figure):
    assert len(panels(ratio_figure)) == 8
    assert {style.bin_label(lo, hi) for lo, hi in BINS} <= set(texts(ratio_figure))
    assert "[px]" in ratio_figure.get_supxlabel()


def test_ratio_shows_every_star_of_a_bin_once_kept_or_clipped(ratio_figure):
    stars, fits = pair()
    for ax, fit in zip(ratio_figure.axes, fits[:7], strict=False):
        chosen = (stars.flux >= fit.bin.lo) & (stars.flux < fit.bin.hi)
        expected = np.column_stack([stars.y, stars.ratio])[chosen]
        np.testing.assert_allclose(points_of(ax, "o"), expected[2:])
        np.testing.assert_allclose(points_of(ax, "x"), expected[:2])


def test_ratio_draws_the_fitted_line_and_its_band(ratio_figure):
    ax = ratio_figure.axes[0]
    (drawn,) = (one.get_xydata() for one in ax.lines if len(one.get_xdata()) == 40)
    np.testing.assert_allclose(drawn[:, 1], 0.9 + 1e-4 * drawn[:, 0])
    vertices = ax.collections[0].get_paths()[0].vertices
    at_end = vertices[np.isclose(vertices[:, 0], 2051), 1]
    sigma = np.sqrt(0.01**2 + (1e-5 * 2051) ** 2 - 2 * 9e-8 * 2051)
    assert np.ptp(at_end) == pytest.approx(2 * sigma)


def test_ratio_says_the_loss_in_both_units_and_the_numbers_of_stars(ratio_figure):
    words = "\n".join(texts(ratio_figure))
    assert "loss +0.205 ± 0.010 mag / 2051 px" in words
    assert "loss +0.102 ± 0.010 flux / 2048 px" in words
    assert f"N = {pair()[1][0].n_points}, 2 clipped" in words


def test_ratio_says_where_there_is_no_fit(ratio_figure):
    assert "0 stars: no fit" in texts(ratio_figure)
    assert len(ratio_figure.axes[7].collections) == 0


def test_ratio_limits_ignore_a_wild_star_and_say_so():
    stars, fits = pair()
    first = np.flatnonzero((stars.flux >= 250) & (stars.flux < 500))[0]
    flux1, flux2 = stars.flux1.copy(), stars.flux2.copy()
    flux1[first], flux2[first] = 40 * flux1[first], flux2[first] / 40
    figure = plots.plot_ratio_ypos(StarPairs(stars.id, stars.y, flux1, flux2), fits, title=TITLE)
    low, high = figure.axes[0].get_ylim()
    assert 0.5 < low < stars.ratio.min() and stars.ratio.max() < high < 1.6
    assert texts(figure).count("1 outside") == 1


def test_ratio_survives_stars_without_flux_and_bins_without_stars():
    flux1, flux2 = np.array([-3.0, np.nan, 8.0]), np.array([300.0, 9.0, 0.0])
    none = StarPairs(np.arange(3), np.array([5.0, 9.0, 11.0]), flux1, flux2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = plots.plot_ratio_ypos(none, [SlopeFit(FluxBin(250, 500), 0, np.nan, None, None)], title=TITLE)
    assert "0 stars: no fit" in texts(figure)


# ---- cte_time


def test_time_has_a_panel_per_bin_and_units_on_its_axes():
    figure = plots.plot_cte_time(losses())
    assert len(panels(figure)) == 8
    assert figure.get_supylabel() == "CTE loss [mag / 2051 px]"
    assert "MJD [days]" in figure.get_supxlabel() and "year" in figure.get_supxlabel()
    table = losses()
    table.meta["unit"] = "flux"
    assert plots.plot_cte_time(table).get_supylabel() == "CTE loss [flux fraction / 2048 px]"


def test_time_draws_every_point_with_its_standard_error_inside_the_limits():
    table = losses()
    figure = plots.plot_cte_time(table)
    for ax, (lo, hi) in zip(figure.axes, BINS, strict=False):
        rows = table[(table["lo"] == lo) & (table["hi"] == hi)]
        centres, half = bars(ax)
        np.testing.assert_allclose(centres, np.column_stack([rows["mjd"], rows["loss"]]))
        np.testing.assert_allclose(half, rows["loss_err"])
        (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
        assert left < rows["mjd"].min() and rows["mjd"].max() < right
        assert low < np.min(rows["loss"] - rows["loss_err"]) and np.max(rows["loss"] + rows["loss_err"]) < high
        assert low < 0 < high


def test_time_a_wild_point_becomes_an_arrow_and_does_not_squash_the_others():
    table = losses()
    calm = plots.plot_cte_time(table).axes[0].get_ylim()
    table["loss"][0], table["loss_err"][0] = 40.0, 90.0
    table["loss"][9] = -30.0
    figure = plots.plot_cte_time(table)
    np.testing.assert_allclose(figure.axes[0].get_ylim(), calm, atol=0.05)
    assert [one.get_marker() for ax in panels(figure) for one in arrows(ax)] == [r"$\uparrow$", r"$\downarrow$"]
    assert arrows(figure.axes[0])[0].get_xdata() == [table["mjd"][0]]
    assert "outside the axes (2)" in legend_labels(figure)
    assert len(bars(figure.axes[0])[1]) == 11


def test_time_limits_are_not_ruled_by_a_huge_error_of_an_ordinary_point():
    table = losses()
    table["loss_err"][3] = 50.0
    assert plots.plot_cte_time(table).axes[0].get_ylim()[1] < 1.0


def test_time_targets_keep_their_looks_and_the_colour_blind_tell_them_apart():
    looks = style.target_looks(["ngc6791", "ngc104", "ngc6583", "ngc104"])
    assert looks["ngc6791"] == style.target_looks(["ngc6791"])["ngc6791"]
    assert len({marker for _, marker in looks.values()}) == 3
    seen = [as_deuteranopes_see(color) for color, _ in looks.values()]
    distances = [np.linalg.norm(a - b) for i, a in enumerate(seen) for b in seen[:i]]
    red_and_green = np.linalg.norm(as_deuteranopes_see("#B33A3A") - as_deuteranopes_see("#6F6F1F"))
    assert min(distances) > 0.2 > red_and_green


def test_time_legend_names_the_targets():
    assert legend_labels(plots.plot_cte_time(losses())) == ["NGC 104", "NGC 6791"]
    assert legend_labels(plots.plot_cte_time(losses(("ngc6791",)))) == ["NGC 6791"]


def test_time_years_stand_above_the_dates():
    figure = plots.plot_cte_time(losses())
    ax = figure.axes[0]
    shown = {text.get_text(): text.xy for text in ax.texts}
    assert shown["2015"] == pytest.approx((57023.5, 1), abs=1)
    marks = points_of(ax, TICKDOWN)
    np.testing.assert_allclose(style.mjd_to_year(np.unique(marks[:, 0])), np.arange(2010, 2024))
    assert set(marks[:, 1]) == {1}


def test_time_drops_nan_and_masked_points_but_keeps_their_panel():
    table = losses()
    table["loss"][table["lo"] == 250] = np.nan
    table["loss_err"] = MaskedColumn(table["loss_err"], mask=np.arange(len(table)) == 1)
    figure = plots.plot_cte_time(table)
    assert len(panels(figure)) == 8
    assert [len(bars(ax)[1]) for ax in figure.axes[:3]] == [0, 11, 12]
    assert "no pairs" in texts(figure)


@pytest.mark.parametrize("table", [losses(("ngc104",), 1), losses()[:1], losses()[:0]], ids=["epoch", "point", "none"])
def test_time_of_very_little_data(table):
    figure = plots.plot_cte_time(table)
    figure.draw_without_rendering()
    left, right = figure.axes[0].get_xlim()
    assert right - left > 365
    assert len(panels(figure)) == max(len(table), 1)


# ---- cte_logflux


def test_logflux_draws_every_point_with_its_standard_error_inside_the_limits():
    points, curves = logflux_tables()
    ax = plots.plot_cte_logflux(points, curves).axes[0]
    centres, half = bars(ax)
    np.testing.assert_allclose(centres, np.column_stack([points["logflux"], points["loss"]]))
    np.testing.assert_allclose(half, points["loss_err"])
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    assert left < 2.5 and right > 4.3 and low < 0 and np.max(curves["loss"]) < high


def test_logflux_residuals_are_points_minus_the_curve_of_their_own_epoch():
    figure = plots.plot_cte_logflux(*logflux_tables(offset=0.013))
    upper, lower = panels(figure)
    centres, half = bars(lower)
    np.testing.assert_allclose(centres[:, 1], 0.013, atol=1e-6)
    np.testing.assert_allclose(half, bars(upper)[1])
    assert "mag / 2051 px" in lower.get_ylabel() and "mag / 2051 px" in upper.get_ylabel()
    assert "[e⁻]" in lower.get_xlabel()


def test_logflux_leaves_residuals_out_where_the_curve_ends():
    points, curves = logflux_tables()
    upper, lower = panels(plots.plot_cte_logflux(points, curves[curves["logflux"] < 3.9]))
    assert len(bars(upper)[1]) == 32
    assert len(bars(lower)[1]) == 4 * 6


def test_logflux_legend_gives_the_year_of_every_epoch_beside_the_axes():
    figure = plots.plot_cte_logflux(*logflux_tables(20))
    figure.draw_without_rendering()
    years = style.year_labels(np.linspace(55200, 60100, 20))
    assert legend_labels(figure) == [*years, "model"]
    frame = figure.legends[0].get_window_extent()
    assert frame.x0 > figure.axes[0].get_window_extent().x1 and frame.x1 < figure.bbox.x1


def test_logflux_colours_run_with_time_and_are_never_too_light():
    ax = plots.plot_cte_logflux(*logflux_tables(5)).axes[0]
    first_of_epochs = [one for one in ax.collections if isinstance(one, PathCollection)]
    colors = [one.get_facecolor()[0] for one in first_of_epochs]
    luminance = [np.dot((0.2126, 0.7152, 0.0722), to_rgb(color)) for color in colors]
    assert np.all(np.diff(luminance) > 0) and luminance[-1] < 0.8


def test_logflux_tells_many_epochs_by_a_bar_of_colours():
    figure = plots.plot_cte_logflux(*logflux_tables(60))
    figure.draw_without_rendering()
    assert legend_labels(figure) == ["model"]
    upper, _, bar = panels(figure)
    assert bar.get_ylabel() == "epoch" and "2017" in [text.get_text() for text in bar.get_yticklabels()]
    assert bar.get_window_extent().x0 > upper.get_window_extent().x1
    assert len(bars(upper)[1]) == 60 * 8


def test_logflux_without_a_model_says_why():
    points, curves = logflux_tables(1)
    points.meta["no_model"] = "rank 3 of 9"
    figure = plots.plot_cte_logflux(points, curves[:0])
    assert len(panels(figure)) == 1
    assert "no model: rank 3 of 9" in texts(figure)
    assert legend_labels(figure) == ["2010.01"]


def test_logflux_of_nothing_is_an_empty_figure():
    points, curves = logflux_tables()
    points["loss"] = np.nan
    figure = plots.plot_cte_logflux(points, curves[:0])
    figure.draw_without_rendering()
    assert len(bars(figure.axes[0])[1]) == 0


def test_logflux_takes_a_curve_without_points_and_points_without_a_curve():
    points, curves = logflux_tables(3)
    first, last = points["epoch"].min(), points["epoch"].max()
    upper, lower = panels(plots.plot_cte_logflux(points[points["epoch"] > first], curves[curves["epoch"] < last]))
    assert len(bars(upper)[1]) == 16 and len(bars(lower)[1]) == 8


# ---- diagnostic


def test_diagnostic_circles_stand_where_the_stars_are():
    image = chip()
    figure = plots.plot_diagnostic(image, [20, 40, 90], [10, 30, 50], [0, 4, 128], title=TITLE)
    ax = figure.axes[0]
    good, flagged = (one.get_xydata() for one in ax.lines)
    np.testing.assert_array_equal(good, [[20, 10]])
    np.testing.assert_array_equal(flagged, [[40, 30], [90, 50]])
    # The bright pixel [9, 19] lies under the circle at (20, 10) of the 1-based axes.
    (drawn,) = ax.images
    left, right, bottom, top = drawn.get_extent()
    row, column = np.unravel_index(np.argmax(drawn.get_array()), image.shape)
    assert (left + column + 0.5, bottom + row + 0.5) == (20, 10)
    assert (left, right, bottom, top) == (0.5, 128.5, 0.5, 60.5)


def test_diagnostic_legend_counts_and_colours_differ():
    figure = plots.plot_diagnostic(chip(), [20, 40, 90], [10, 30, 50], [0, 4, 128], title=TITLE)
    assert legend_labels(figure) == ["good (1)", "flagged (2)"]
    good, flagged = (as_deuteranopes_see(one.get_markeredgecolor()) for one in figure.axes[0].lines)
    assert np.linalg.norm(good - flagged) > 0.2
    assert figure.axes[0].get_xlabel() == "x [px]"


def test_diagnostic_shows_missing_pixels_in_a_grey_that_the_stretch_does_not_have():
    image = chip()
    image[:, 30] = np.nan
    figure = plots.plot_diagnostic(image, [], [], [], title=TITLE)
    (drawn,) = figure.axes[0].images
    assert np.all(np.ma.getmaskarray(drawn.get_array())[:, 30])
    assert "no data (60 px)" in legend_labels(figure)
    shades = drawn.cmap(np.linspace(0, 1, 256))[:, :3]
    assert np.linalg.norm(shades - drawn.cmap.get_bad()[:3], axis=1).min() > 0.1


def test_diagnostic_lays_a_narrow_frame_on_its_side():
    figure = plots.plot_diagnostic(chip((2051, 256)), [200.0], [1500.0], [0], title=TITLE)
    ax = figure.axes[0]
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), [[1500, 200]])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("y [px]", "x [px]")
    assert ax.get_xlim() == (0.5, 2051.5) and ax.get_ylim() == (0.5, 256.5)
    width, height = ax.get_position().size * figure.get_size_inches()
    assert width / height == pytest.approx(2051 / 256, rel=0.01)


def test_diagnostic_shrinks_a_big_image_without_losing_a_star_or_a_bad_column():
    image = np.full((700, 4096), 10, dtype=np.float32)
    image[699, 4095], image[0, 7], image[:, 2000] = 900, 800, np.nan
    (drawn,) = plots.plot_diagnostic(image, [], [], [], title=TITLE).axes[0].images
    assert drawn.get_array().size < image.size / 8
    step = 3
    assert drawn.get_array()[0, 7 // step] == 790
    assert drawn.get_array()[-1, -1] == 890
    masked = np.ma.getmaskarray(drawn.get_array())
    assert masked[:, 2000 // step].all() and masked.sum() == masked.shape[0]
    assert drawn.get_extent()[1] >= 4096.5 and drawn.get_extent()[3] >= 700.5


@pytest.mark.parametrize("value", [np.nan, 0.0, 7.0])
def test_diagnostic_of_a_flat_or_missing_image(value):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = plots.plot_diagnostic(np.full((20, 30), value), [3.0], [4.0], [0], title=TITLE)
        figure.draw_without_rendering()
    assert legend_labels(figure)[0] == "good (1)"


# ---- style and layout


def test_title_names_everything_that_a_set_is():
    assert style.set_title("ngc104", "F502N", "l", 12.0, False, 3.0) == TITLE
    other = style.set_title("ngc6791", "F606W", "s", 0, True, 5)
    assert other == "NGC 6791   F606W   short   no post-flash   FLC   r = 5 px"
    assert style.set_title("ngc104", "F502N", "l", 12.0, False, 3.0, "x-dithers") == f"{TITLE}   x-dithers"


def test_a_long_title_is_set_smaller_instead_of_being_cut():
    figure, _ = layout.panel_grid(1, header=1, row_gap=0)
    layout.write_header(figure, 3 * TITLE)
    (title,) = (text for text in figure.texts if text.get_text())
    assert title.get_window_extent().x1 < figure.bbox.x1
    assert title.get_fontsize() < 8


def test_years_and_dates_are_inverse():
    assert style.mjd_to_year(57388.0) == pytest.approx(2016.0, abs=0.003)
    assert style.year_to_mjd(style.mjd_to_year(56123.4)) == pytest.approx(56123.4)
    assert style.year_labels([57000.0, 57365.25]) == ["2014.94", "2015.94"]
    assert style.year_labels([57000.0, 57004.0]) == ["2014.94", "2014.95"]


@pytest.mark.parametrize(("n_panels", "shape"), [(1, (1, 1)), (3, (1, 3)), (5, (2, 3)), (8, (2, 4)), (10, (3, 4))])
def test_panel_grid(n_panels, shape):
    figure, axes = layout.panel_grid(n_panels, header=1.0, row_gap=0.3)
    assert axes.shape == shape and len(panels(figure)) == n_panels
    above_a_gap = axes.flat[n_panels - 1 if n_panels % shape[1] == 0 else n_panels - shape[1]]
    assert above_a_gap.xaxis.get_tick_params()["labelbottom"]


def test_robust_limits():
    assert layout.robust_limits([], include=1.0) == pytest.approx((0.9, 1.1))
    assert layout.robust_limits([1.0, np.nan], include=1.0) == pytest.approx((0.9, 1.1))
    assert layout.robust_limits([0.0, 1.0], [0.1, 0.1], include=0.0) == pytest.approx((-0.172, 1.172))
    low, high = layout.robust_limits([0.1, 0.2, 0.3, 0.25, 0.15, 0.2, 0.1, 50.0], 0.01, include=0.0)
    assert low < 0 and 0.3 < high < 0.4
