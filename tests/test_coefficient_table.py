"""Coefficients as a table for a report: chosen sets and epochs, numbers that give the loss again."""

import re

import numpy as np
import pytest
from astropy.table import Table
from running import run_tool
from test_correct import coefficients

from wfc3_cte_monitor.outputs import coefficient_table, table_text, write_coefficients
from wfc3_cte_monitor.surface import predict


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two epochs of FLT, one of FLC with post-flash."""
    folder = tmp_path_factory.mktemp("coefficients")
    for name, flash, changes in (
        ("a", 0.0, {"epoch_mjd": 57000.4}),
        ("b", 0.0, {}),
        ("c", 12.0, {"ctecorr": True}),
    ):
        write_coefficients(coefficients(flash, **changes), folder / f"{name}_coeffs.txt")
    return folder


def printed(folder, *arguments):
    outcome = run_tool("print_coeff_latextable", "--coeffs", folder, *arguments)
    assert outcome.code == 0, outcome.lines
    return outcome.out


def test_the_newest_epoch_of_each_set_is_a_row(folder):
    text = printed(folder)
    assert text.startswith(r"\begin{tabular}") and text.rstrip().endswith(r"\end{tabular}")
    rows = [line for line in text.splitlines() if line.startswith("ngc104")]
    assert [row.split(" & ")[:2] for row in rows] == [
        ["ngc104 F502N long pf0 FLT r=3", "58400"],
        ["ngc104 F502N long pf12 FLC r=3", "58400"],
    ]
    assert all(row.count("&") == 10 and row.endswith(r"\\") for row in rows)


@pytest.mark.parametrize(
    ("arguments", "number"),
    [
        (("--epochs", "all"), 3),
        (("--epochs", "57000"), 1),
        (("--ctecorr", "flc"), 1),
        (("--flashlvl", "0", "--epochs", "all"), 2),
        (("--ap", "3", "--length", "l", "--target", "ngc104", "--filter", "F502N"), 2),
    ],
)
def test_sets_and_epochs_are_chosen(folder, arguments, number):
    assert printed(folder, "--format", "markdown", *arguments).count("| ngc104") == number


def test_the_numbers_of_the_table_give_the_loss_again():
    """Rounded as they are printed, and although they are strongly correlated."""
    text = table_text(coefficient_table([coefficients()]), "markdown").splitlines()[-1]
    cells = [cell.strip() for cell in text.strip("|").split("|")][2:]
    values = [re.fullmatch(r"\((\S+) ± \S+\)e(\S+)", cell).groups() for cell in cells]
    c = np.array([float(value) * 10 ** float(power) for value, power in values]).reshape(3, 3)
    loss, error = predict(coefficients().surface, 57000.0, 3.0)
    assert np.polynomial.polynomial.polyval2d(1600.0, 3.0, c) == pytest.approx(loss, abs=0.1 * error)


def test_ecsv_has_every_digit(folder, tmp_path):
    assert "2 sets" in printed(folder, "--format", "ecsv", "-o", tmp_path / "t.ecsv")
    table = Table.read(tmp_path / "t.ecsv")
    assert table["c11"][0] == pytest.approx(coefficients().surface.coefficients[1, 1], rel=1e-11)
    assert list(table["kind"]) == ["FLT", "FLC"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("--ap", "7"), "none of 3 coefficient files"), (("--epochs", "yesterday"), "--epochs yesterday")],
)
def test_what_is_not_there_is_one_line(folder, arguments, words):
    outcome = run_tool("print_coeff_latextable", "--coeffs", folder, *arguments)
    assert (outcome.code, len(outcome.err.splitlines())) == (2, 1)
    assert words in outcome.err
