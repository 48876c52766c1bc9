"""The same-chip set: chips and pairs from headers and stars, losses of each chip, results beside the nominal ones."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from running import dump, run, run_tool
from truth import truth

from wfc3_cte_monitor.commands.setup import default_answers, set_up
from wfc3_cte_monitor.errors import NotEnoughPointsError
from wfc3_cte_monitor.exposures import read_exposure
from wfc3_cte_monitor.pairing import same_chip_pairs
from wfc3_cte_monitor.records import Exposure, FluxBin, Rejection, StarPairs
from wfc3_cte_monitor.settings import read_settings
from wfc3_cte_monitor.simulate import default_plan, same_chip_plan, simulate_observatory
from wfc3_cte_monitor.slopes import fit_line, fit_line_through, loss, measure_slopes
from wfc3_cte_monitor.uvis import MIDDLE_ROW, rows_to_amplifier

FIRST = Exposure(
    Path("i9sk1001q_flt.fits"), "i9sk1001q", 12692, "ngc6583", "F502N", 350.0, 56006.0, 0.0, False, 2, 0.0, 0.0, 10.0
)


def exposure(rootname, days, roll, **changes):
    return replace(FIRST, rootname=rootname, expstart=56006.0 + days, pa_v3=roll, **changes)


def names(pairs):
    return [(pair.one.rootname, pair.two.rootname) for pair in pairs]


# ---- Pairs -----------------------------------------------------------------------------------------------------------


def test_like_exposures_of_opposite_rolls_are_paired_in_order_of_time_whatever_their_names():
    late, early = exposure("i9sk11aaq", 1.0, 190.2), exposure("i9sk11zzq", 0.9, 189.9)
    first, second = exposure("i9sk10zzq", 0.0, 10.0), exposure("i9sk10aaq", 0.1, 10.0)
    pairs, unpaired = same_chip_pairs([late, second, early, first])
    assert names(pairs) == [("i9sk10zzq", "i9sk11zzq"), ("i9sk10aaq", "i9sk11aaq")]
    assert all(pair.same_chip for pair in pairs) and not unpaired


@pytest.mark.parametrize(
    "change",
    [{"chip": 1}, {"filter": "F606W"}, {"exptime": 30.0}, {"ctecorr": True}, {"flashlvl": 12.0}, {"program": 12379}],
)
def test_what_differs_is_no_pair(change):
    pairs, unpaired = same_chip_pairs([FIRST, exposure("i9sk1105q", 1.0, 190.0, **change)])
    assert not pairs and len(unpaired) == 2


@pytest.mark.parametrize("roll", [10.0, 100.0, 196.0])
def test_rolls_that_are_not_opposite_are_no_pair(roll):
    pairs, unpaired = same_chip_pairs([FIRST, exposure("i9sk1105q", 1.0, roll)])
    assert not pairs and len(unpaired) == 2


@pytest.mark.parametrize("roll", [190.0, -170.0, 194.9])
def test_rolls_are_compared_modulo_360(roll):
    assert len(same_chip_pairs([FIRST, exposure("i9sk1105q", 1.0, roll)])[0]) == 1


def test_each_exposure_is_used_once():
    three = [FIRST, exposure("i9sk1105q", 1.0, 190.0), exposure("i9sk1106q", 1.1, 190.0)]
    pairs, unpaired = same_chip_pairs(three)
    assert names(pairs) == [("i9sk1001q", "i9sk1105q")]
    assert [e.rootname for e in unpaired] == ["i9sk1106q"]


# ---- Lines -----------------------------------------------------------------------------------------------------------


def test_a_line_through_a_point_goes_through_it_and_its_error_is_true():
    random = np.random.default_rng(1)
    x = np.linspace(100, 1900, 60)
    fits = [fit_line_through(x, 2e-4 * (x - 1026) + random.normal(0, 0.1, x.size), 1026.0, 0.0) for _ in range(400)]
    assert all(fit.intercept + fit.slope * 1026.0 == pytest.approx(0, abs=1e-12) for fit in fits)
    slopes, errors = (np.array([getattr(fit, name) for fit in fits]) for name in ("slope", "slope_err"))
    assert slopes.mean() == pytest.approx(2e-4, abs=4 * slopes.std() / 20)
    assert np.std((slopes - 2e-4) / errors) == pytest.approx(1, abs=0.12)
    one = fits[0]
    at_1900 = one.intercept_err**2 + (1900 * one.slope_err) ** 2 + 2 * 1900 * one.covariance
    assert np.sqrt(at_1900) == pytest.approx((1900 - 1026) * one.slope_err)


def test_a_line_through_a_point_needs_three_others():
    with pytest.raises(NotEnoughPointsError):
        fit_line_through(np.array([1.0, 2.0]), np.array([0.0, 0.0]), 5.0, 0.0)
    with pytest.raises(NotEnoughPointsError):
        fit_line_through(np.full(4, 5.0), np.zeros(4), 5.0, 0.0)


@pytest.mark.parametrize("chip", [1, 2])
def test_chips_that_lose_have_a_positive_loss_whichever_way_they_read_out(chip):
    """0.2 mag per 2051 px on either chip: the later exposure has the rows the other way round."""
    y = np.linspace(20.0, 2030.0, 200)
    later, earlier = (rows_to_amplifier(rows, chip) for rows in (y, 2052 - y))
    flux1, flux2 = (700 * 10 ** (-0.4 * 0.2 * n / 2051) for n in (earlier, later))
    stars = StarPairs(np.arange(200), later, flux1, flux2)
    (fit,) = measure_slopes(stars, [FluxBin(500, 1000)], middle=MIDDLE_ROW)
    assert loss(fit.mag.slope, "mag") == pytest.approx(0.2)
    assert loss(fit.mid_mag.slope, "mag") == pytest.approx(0.2)
    assert np.sign(fit_line(y, np.log10(flux1 / flux2)).slope) == {1: -1, 2: 1}[chip]


def test_nominal_pairs_have_no_forced_line():
    stars = StarPairs(np.arange(9), np.arange(9.0) * 200, np.full(9, 700.0), np.full(9, 700.0))
    (fit,) = measure_slopes(stars, [FluxBin(500, 1000)])
    assert fit.mid_mag is None and fit.mid_ratio is None


# ---- The whole run ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """The same-chip set, long ones and F606W, and NGC 104 of the same program."""
    root = tmp_path_factory.mktemp("same_chip")
    plan = default_plan(n_epochs=4, targets=("ngc104",), lengths=("l",), flashlvls=(0.0,), ctecorr=(False,))
    plan = [one for one in plan if one.program == 12692]
    plan += same_chip_plan(exptimes=(30.0, 350.0), filters=("F502N", "F606W"), ctecorr=(False,))
    simulate_observatory(root, plan, seed=7, n_columns=384, jobs=2)
    set_up(default_answers(root))
    return root


def test_headers_do_not_tell_the_chip(root):
    settings = read_settings(root / "config.py")
    for path in sorted((root / "data" / "12692").glob("i9sk1*_flt.fits")):
        assert isinstance(read_exposure(path, settings), Rejection)
        assert read_exposure(path, settings, same_chip=True).chip is None
    nominal = next((root / "data" / "12692").glob("i9sk03*_flt.fits"))
    assert read_exposure(nominal, settings, same_chip=True).reason == "not of the same-chip set"


@pytest.fixture(scope="module")
def finished(root):
    config = root / "config.py"
    nominal = run(config, "--pr", "12692", "--ctecorr", "flt", "--pl", "cte_logflux", fast=False)
    assert nominal.code == 0, nominal.lines
    outcome = run(config, "--pr", "180", "--ctecorr", "flt", "--ap", "3", "--through1", "y", fast=False)
    assert outcome.code == 0, outcome.lines
    return outcome


@pytest.mark.slow
def test_run_finds_chips_and_pairs(root, finished):
    assert (finished.count("exposures found"), finished.count("extracted")) == (12, 12)
    assert (finished.count("pairs measured"), finished.count("without a partner")) == (6, 0)
    rows = dump(root / "database")
    chips = {row["IMAGENAME"]: row["CHIP"] for row in rows["ngc6583_fileinfo"]}
    true = {one.imagename(False): one.chip for one in same_chip_plan(filters=("F502N", "F606W"))}
    assert chips == true
    assert len(rows["ngc6583_results"]) == 6 * 3
    for row in rows["ngc6583_results"]:
        one, two = row["IMAGENAME_1"], row["IMAGENAME_2"]
        assert (one[4:6], two[4:6]) == ("10", "11") and chips[one] == chips[two]
        assert f"_slopes_ch{chips[two]}.txt" in row["SLOPEFILE"]
        assert (row["MIDMAGSLOPE_250_500"] is None) == (row["MAGSLOPE_250_500"] is None)
    assert all(row["MIDMAGSLOPE_250_500"] is None for row in rows["ngc104_results"])


@pytest.mark.slow
def test_output_tree(root, finished):
    results = root / "outputs" / "finalresults" / "pf0" / "most_recent"
    sets = {path.name for path in results.iterdir() if path.name.startswith("ngc6583")}
    assert sets == {"ngc6583_F502N_s", "ngc6583_F502N_l", "ngc6583_F606W_l"}
    for chip in (1, 2):
        assert list((results / "ngc6583_F502N_l").glob(f"*_r3_slopes_ch{chip}.png"))
    stem = "pf0_ctecorrFalse_r3"
    wanted = {f"180cteVSexpt_ngc6583_{name}_{stem}_ch{chip}" for name in ("F502N", "F606W") for chip in (1, 2)}
    wanted |= {f"180cteVSlogflux_ngc6583_{name}_{stem}" for name in ("F502N_s", "F502N_l", "F606W_l")}
    wanted |= {f"{name}_mid" for name in wanted}
    files = {path.name for path in (results / "180cte_expt").iterdir()}
    assert files == {f"{name}.{suffix}" for name in wanted for suffix in ("png", "pdf", "txt")}
    assert list((results / "cte_vs_logflux").glob("cteVSlogflux_ngc104_*")), "the nominal results stay"


@pytest.mark.slow
def test_losses_of_both_chips_are_true(root, finished):
    """What the same estimator gives on the noise-free fluxes of all stars."""
    settings = read_settings(root / "config.py")
    results, pulls = root / "outputs" / "finalresults" / "pf0" / "most_recent" / "180cte_expt", []
    for path in results.glob("180cteVSexpt_ngc6583_F502N_*_ch?.txt"):
        table = Table.read(path, format="ascii.ecsv")
        for row in table[np.isfinite(table["loss"]) & (table["n_points"] >= 10)]:
            one, two = (truth(root, row[name], row["chip"]) for name in ("imagename_1", "imagename_2"))
            ids, i, j = np.intersect1d(one["id"], two["id"], return_indices=True)
            far = rows_to_amplifier(np.array(two["y"][j]), row["chip"])
            stars = StarPairs(ids, far, np.array(one["flux_3"][i]), np.array(two["flux_3"][j]))
            (fit,) = (f for f in measure_slopes(stars, settings.bins) if (f.bin.lo, f.bin.hi) == (row["lo"], row["hi"]))
            assert loss(fit.mag.slope, "mag") > 0
            pulls.append((row["loss"] - loss(fit.mag.slope, "mag")) / row["loss_err"])
    assert len(pulls) >= 12
    assert abs(np.mean(pulls)) < 3 / np.sqrt(len(pulls))
    assert np.std(pulls) < 1.6


@pytest.mark.slow
def test_the_systematic_is_the_difference_of_the_two_lines(root, finished):
    results = root / "outputs" / "finalresults" / "pf0" / "most_recent" / "180cte_expt"
    stem = "180cteVSlogflux_ngc6583_F502N_l_pf0_ctecorrFalse_r3"
    free, forced = (Table.read(results / f"{stem}{line}.txt", format="ascii.ecsv") for line in ("", "_mid"))
    same = free["chip"] > 0
    np.testing.assert_allclose(np.abs(free["loss"] - forced["loss"])[same], free["systematic"][same], atol=1e-9)
    np.testing.assert_array_equal(free["systematic"][same], forced["systematic"][same])
    assert set(free["target"][~same]) == {"ngc104"} and set(free["chip"]) == {0, 1, 2}
    assert np.nanmax(free["systematic"]) > 0


@pytest.mark.slow
def test_a_nominal_run_keeps_the_same_chip_set_and_a_rerun_is_quick(root, finished):
    config = root / "config.py"
    before = dump(root / "database")["ngc6583_results"]
    again = run(config, "--pr", "all", "--ctecorr", "flt")
    assert (again.code, again.count("unchanged"), again.count("left out by rule")) == (0, 2, 12)
    assert dump(root / "database")["ngc6583_results"] == before
    folder = root / "outputs" / "finalresults" / "pf0" / "most_recent" / "180cte_expt"
    assert len(list(folder.iterdir())) == 3 * 14
    again = run(config, "--pr", "180", "--ctecorr", "flt", "--ap", "3", fast=False)
    assert (again.count("unchanged"), again.count("pairs unchanged"), again.count("figures")) == (12, 6, 0)


@pytest.mark.slow
def test_the_figures_alone_by_their_own_command(root, finished):
    outcome = run_tool("cte180test_plots", "--config", root / "config.py", "--jobs", "1")
    assert outcome.code == 0, outcome.lines
    assert outcome.count("figures") == 2 * 3 * 3


def test_without_its_cluster_there_is_no_same_chip_set(make_config):
    outcome = run(make_config(target_list=["ngc104"]), "--pr", "180")
    assert (outcome.code, len(outcome.err.splitlines())) == (2, 1)
    assert "--pr 180: ngc6583 is not in target_list" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--pr", "180", "--pl", "cte_time"), "--pl cte_time: with --pr 180 there are ratio_ypos, 180cte_expt"),
        (("--pr", "all", "--pl", "180cte_expt"), "--pl 180cte_expt: with --pr all there are ratio_ypos, cte_time"),
    ],
)
def test_figures_of_the_other_set_are_refused(root, arguments, words):
    outcome = run(root / "config.py", *arguments, fast=False)
    assert outcome.code == 2
    assert words in outcome.err
