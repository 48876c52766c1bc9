"""Closure as a command: it passes on what is true, and does not on what is not."""

import sqlite3

import numpy as np
import pytest
from astropy.table import Table
from running import run_tool

from wfc3_cte_monitor.pipeline.validate import Check, validate
from wfc3_cte_monitor.settings import read_settings


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
