"""Is the answer right: a known loss goes in, and must come back through the whole command."""

import numpy as np
import pytest
from astropy.table import vstack
from truth import compare

from wfc3_cte_monitor import simulate
from wfc3_cte_monitor.commands import run_uvis_external_cte
from wfc3_cte_monitor.commands.setup import default_answers, set_up
from wfc3_cte_monitor.pairing import epochs
from wfc3_cte_monitor.records import FluxBin
from wfc3_cte_monitor.settings import read_settings
from wfc3_cte_monitor.surface import MIN_STARS, finest_bins, fit_surface, predict
from wfc3_cte_monitor.uvis import MJD_ZERO

pytestmark = pytest.mark.slow

SEEDS = (1, 2)
MIN_STARS_COMPARED = 40
MAX_BIAS = 0.006
PULL_WIDTH = (0.8, 1.25)
MAX_SURFACE_ERROR = 0.02
MAX_PREDICTION_ERROR = 0.03


@pytest.fixture(scope="module", params=SEEDS)
def losses(request, tmp_path_factory):
    """One row per pair and flux bin of ten epochs: measured and true loss [mag / 2051 px]."""
    root = tmp_path_factory.mktemp(f"closure{request.param}")
    plan = simulate.default_plan(n_epochs=10, targets=("ngc104",), lengths=("l",), flashlvls=(0.0,))
    simulate.simulate_observatory(root, plan, seed=request.param, n_columns=512, jobs=2)
    config = set_up(default_answers(root))
    arguments = ["--pr", "all", "--config", str(config), "--ap", "3", "--pl", "none", "--jobs", "2"]
    assert run_uvis_external_cte.main(arguments) == 0
    table = vstack([compare(root, read_settings(config), ctecorr) for ctecorr in (False, True)])
    table.meta["root"] = root
    return table


def compared(losses, ctecorr):
    return losses[(losses["n_points"] >= MIN_STARS_COMPARED) & (losses["ctecorr"] == ctecorr)]


@pytest.mark.parametrize("ctecorr", [False, True])
def test_loss_in_each_bin_is_unbiased(losses, ctecorr):
    check_unbiased(compared(losses, ctecorr))


def check_unbiased(table):
    for lo in np.unique(table["lo"]):
        for hi in np.unique(table["hi"][table["lo"] == lo]):
            rows = table[(table["lo"] == lo) & (table["hi"] == hi)]
            assert len(rows) == 10, "every epoch must fill every bin"
            bias = np.average(rows["loss"] - rows["true"], weights=rows["loss_err"] ** -2.0)
            assert abs(bias) < MAX_BIAS, f"{lo:g}-{hi:g} e-: {bias:+.4f}"


@pytest.mark.parametrize("ctecorr", [False, True])
def test_standard_errors_are_true(losses, ctecorr):
    table = compared(losses, ctecorr)
    finest = [FluxBin(row["lo"], row["hi"]) in finest_bins(bins_of(table)) for row in table]
    pulls = ((table["loss"] - table["true"]) / table["loss_err"])[finest]
    assert PULL_WIDTH[0] < np.std(pulls) < PULL_WIDTH[1]


@pytest.mark.parametrize("losses", SEEDS[:1], indirect=True)
def test_iraf_closes_too_and_its_slopes_are_those_of_python(losses):
    """FLT only, to be quick."""
    root = losses.meta["root"]
    arguments = ["--pr", "all", "--config", str(root / "config.py"), "--ap", "3", "--pl", "none", "--jobs", "2"]
    assert run_uvis_external_cte.main([*arguments, "--ctecorr", "flt", "--irafphot", "y"]) == 0
    found = compare(root, read_settings(root / "config.py").of_engine("iraf"), False)
    check_unbiased(found[found["n_points"] >= MIN_STARS_COMPARED])
    python = {key(row): row for row in losses[~losses["ctecorr"]]}
    assert {key(row) for row in found} == python.keys()
    # The stars are the same and so is their noise: the two differ by much less than either may be wrong.
    pulls = np.array([(row["loss"] - python[key(row)]["loss"]) / python[key(row)]["loss_err"] for row in found])
    enough = np.array([row["n_points"] >= MIN_STARS_COMPARED for row in found])
    assert np.abs(pulls[enough]).max() < 1.5
    assert np.std(pulls[enough]) < 0.5


@pytest.mark.parametrize("losses", SEEDS[:1], indirect=True)
def test_postgresql_gives_the_same_losses(losses, postgresql):
    """Of the first program only, to be quick."""
    root, url = losses.meta["root"], postgresql.new()
    config = root / "postgresql.py"
    config.write_text(f'{(root / "config.py").read_text()}\ndb_url = {url!r}\npath_to_outputs = "postgresql"\n')
    settings = read_settings(config)
    program = str(losses["proposid"][0])
    arguments = ["--pr", program, "--config", str(config), "--ap", "3", "--pl", "none", "--jobs", "2"]
    assert run_uvis_external_cte.main(arguments) == 0
    found = compare(root, settings, False)
    assert len(found) > 0
    rows = {key(row): row for row in losses[~losses["ctecorr"]]}
    for row in found:
        same = rows[key(row)]
        for name in ("n_points", "mean_flux", "loss", "loss_err"):
            np.testing.assert_array_equal(row[name], same[name])


def key(row):
    return row["imagename_1"], row["imagename_2"], row["lo"], row["hi"]


def bins_of(table):
    return {FluxBin(row["lo"], row["hi"]) for row in table}


def fitted(losses, without=None):
    """The FLT surface as the pipeline fits it, of all epochs or without one."""
    finest = finest_bins(bins_of(losses))
    used = [not r["ctecorr"] and FluxBin(r["lo"], r["hi"]) in finest and r["n_points"] >= MIN_STARS for r in losses]
    points = losses[used]
    epoch = epochs(points["mjd"])
    points, epoch = points[epoch != without], epoch[epoch != without]
    columns = (np.asarray(points[name]) for name in ("mjd", "mean_flux", "loss", "loss_err"))
    mjd, flux, value, error = columns
    return fit_surface(mjd, np.log10(flux), value, error, epoch, points["lo"], "mag")


def surface_error(surface, mjd):
    """Largest distance from the true surface over the fitted range of flux, at some dates."""
    log_flux = np.linspace(*surface.f_range, 50)
    value, _ = predict(surface, mjd[:, None], log_flux)
    return np.abs(value - simulate.true_loss(mjd[:, None] - MJD_ZERO, log_flux)).max()


def test_surface_is_true_at_every_epoch(losses):
    assert surface_error(fitted(losses), np.unique(losses["mjd"])) < MAX_SURFACE_ERROR


def test_surface_predicts_a_middle_epoch_that_was_left_out(losses):
    dates = np.unique(losses["mjd"])
    middle = len(dates) // 2
    surface = fitted(losses, without=np.unique(epochs(losses["mjd"]))[middle])
    assert surface.n_epochs == len(dates) - 1
    assert surface_error(surface, dates[[middle]]) < MAX_PREDICTION_ERROR
