"""Closure as a command: it passes on what is true, and does not on what is not."""

import re
import sqlite3

import numpy as np
import pytest
from astropy.table import Table
from running import run_tool

from wfc3_cte_monitor.pipeline.validate import Check, validate
from wfc3_cte_monitor.settings import read_settings
from wfc3_cte_monitor.simulate import true_loss
from wfc3_cte_monitor.uvis import MJD_ZERO, ROWS


@pytest.mark.parametrize(
    ("value", "error", "passed"),
    [
        (0.004, 0.001, True),
        (0.0089, 0.001, True),
        (0.0091, 0.001, False),
        (-0.0061, np.nan, False),
        (np.nan, 0.1, False),
    ],
)
def test_a_check_allows_for_three_standard_errors(value, error, passed):
    assert Check("it", value, error, -0.006, 0.006).passed == passed


def test_too_few_epochs_to_judge_are_one_line(tmp_path):
    outcome = run_tool("validate", tmp_path / "few", "--epochs", 1, "--columns", 32, "--flashlvl", 0, "--jobs", 1)
    assert outcome.code == 2
    assert outcome.lines[-1].endswith("too few stars or epochs; more --epochs or --columns")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("validation")
    arguments = ("--epochs", 6, "--columns", 256, "--flashlvl", 0, 12, "--jobs", 2)
    return folder, run_tool("validate", folder, *arguments)


@pytest.mark.slow
def test_what_was_put_in_comes_back(finished):
    folder, outcome = finished
    assert outcome.code == 0, outcome.out
    assert "FAILED" not in outcome.out
    for name in (
        "bias of the loss, 250-500",
        "slope after correction, 500-1000",
        "left out",
        "next epoch",
        "law within",
    ):
        assert name in outcome.out
    assert {path.suffix for path in (folder / "validation").iterdir()} == {".png", ".pdf", ".ecsv", ".txt"}
    left = Table.read(folder / "validation" / "corrected.ecsv")
    before, after = (left[left["corrected_with"] == kind] for kind in ("nothing", "all levels"))
    assert np.all(np.abs(after["slope"]) < before["slope"])


QUESTION = ("--mjd", 56800, "--flux", 700, "--y", 200, "--chip", 1)


def correction_of(outcome):
    assert outcome.code == 0, outcome.out
    value, error = map(float, re.search(r"(-?\d\.\d+) \+- (\d\.\d+) mag", outcome.out).groups())
    assert ("poorly known" in outcome.out) == (error > 0.1)
    return value, error


@pytest.mark.slow
@pytest.mark.parametrize("background", [("--flashlvl", 12), ("--background", 6)])
def test_coefficients_from_the_database_answer_like_those_in_files(finished, background):
    config = finished[0] / "config.py"
    asked = ("correct", "--what-if", *QUESTION, *background, "--config", config)
    value, error = correction_of(run_tool(*asked, "--db"))
    assert (value, error) == pytest.approx(correction_of(run_tool(*asked)), abs=2e-4)
    lost = true_loss(56800 - MJD_ZERO, np.log10(700), 12.0 if "--flashlvl" in background else 6.0)
    assert value == pytest.approx(lost * 1851 / ROWS, abs=0.5 * lost)


@pytest.mark.slow
def test_the_model_is_drawn_on_what_the_database_has(finished):
    folder = finished[0]
    outcome = run_tool("plot_model_on_reality", "--config", folder / "config.py", "--ap", 3)
    assert (outcome.code, outcome.count("warnings")) == (0, 0)
    drawn = folder / "outputs" / "finalresults" / "pf0" / "most_recent" / "model_on_reality"
    (figure,) = drawn.glob("*.png")
    assert figure.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    (name,) = drawn.glob("*.txt")
    table = Table.read(name, format="ascii.ecsv")
    # The residuals are those of a fit: as wide as the errors, and 0 on average.
    pulls = table["residual"] / np.hypot(table["loss_err"], table.meta["scatter"])
    assert 0.4 < np.sqrt(np.mean(pulls**2)) < 1.6 and abs(np.mean(pulls)) < 0.4


@pytest.mark.slow
def test_what_is_wrong_is_found(finished):
    """All slopes of one bin a quarter too steep."""
    folder, _ = finished
    settings = read_settings(folder / "config.py")
    with sqlite3.connect(settings.database_url) as connection:
        connection.execute("UPDATE ngc104_results SET MAGSLOPE_500_1000 = 1.25 * MAGSLOPE_500_1000")
    failed = [check.name for check in validate(folder, settings).checks if not check.passed]
    assert "bias of the loss, 500-1000 e- [mag]" in failed
    assert len(failed) < 5
