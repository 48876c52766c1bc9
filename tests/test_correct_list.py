"""Lists of stars, corrected by the command: what goes in comes out in its own format, with what is new beside it."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from running import run_tool
from test_correct import BACKGROUNDS, MJD, coefficients, losing

from wfc3_cte_monitor.outputs import read_star_list, write_coefficients

FACTS = ("--mjd", MJD, "--exptime", 350, "--background", 1.5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Coefficients of two post-flash levels."""
    folder = tmp_path_factory.mktemp("coefficients")
    for flash in BACKGROUNDS:
        write_coefficients(coefficients(flash), folder / f"pf{flash:g}_mjd58400_coeffs.txt")
    return folder


def stars(n=50):
    before, after, transfers = losing(n)
    table = Table({"id": np.arange(n), "x": np.full(n, 100.0), "y": transfers, "flux": after})
    return table, before


def correct(folder, source, target, *arguments):
    return run_tool("correct", source, "-o", target, "--coeffs", folder, *FACTS, *arguments)


# ---- Formats ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("suffix", "kind"), [("ecsv", "ascii.ecsv"), ("fits", "fits"), ("csv", "ascii.csv")])
def test_tables_come_out_as_they_were_with_columns_and_provenance(folder, tmp_path, suffix, kind):
    table, before = stars()
    table.write(tmp_path / f"in.{suffix}", format=kind)
    outcome = correct(folder, tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}", "--chip", 2)
    assert outcome.code == 0, outcome.lines
    out = Table.read(tmp_path / f"out.{suffix}", format=kind)
    assert out.colnames == [*table.colnames, "flux_cte", "cte_correction", "cte_correction_err", "cte_flags"]
    np.testing.assert_allclose(out["flux_cte"], before, rtol=1e-6)
    np.testing.assert_array_equal(out["flux"], table["flux"])
    beside = tmp_path / f"out.{suffix}_provenance.txt"
    assert "pf0_mjd58400_coeffs.txt" in (beside.read_text() if suffix == "csv" else str(out.meta))
    assert beside.exists() == (suffix == "csv")


HST1PASS = """\
# hst1pass
# x y m q k
{}
"""
DAOPHOT = """\
 NL   NX   NY  LOWBAD HIGHBAD  THRESH     AP1  PH/ADU  RNOISE    FRAD
  1 4096 2051   -50.0 60000.0   20.00    3.00    1.50    3.10    12.0

{}
"""


def lines_of(table, template):
    mag = 25.0 - 2.5 * np.log10(table["flux"] / 350.0)
    if template is DAOPHOT:
        rows = [
            f"{i:6d} {100:8.3f} {y:8.3f} {m:8.5f}  0.010" for i, y, m in zip(table["id"], table["y"], mag, strict=True)
        ]
    else:
        rows = [f"{100:9.4f} {y:9.4f} {m:9.5f} 0.05 a" for y, m in zip(table["y"], mag, strict=True)]
    return template.format("\n".join(rows))


@pytest.mark.parametrize("template", [HST1PASS, DAOPHOT], ids=["hst1pass", "daophot"])
def test_text_comes_out_line_by_line_with_what_is_new_behind_it(folder, tmp_path, template):
    table, before = stars()
    text = lines_of(table, template)
    (tmp_path / "in.txt").write_text(text)
    outcome = correct(folder, tmp_path / "in.txt", tmp_path / "out.txt", "--chip", 2, "--zeropoint", 25)
    assert outcome.code == 0, outcome.lines
    out = (tmp_path / "out.txt").read_text().splitlines()
    original = text.splitlines()
    for line in original:
        assert any(one.startswith(line) for one in out)
    values = np.array([line.split()[-4:] for line in out if line.startswith(tuple(original[-50:]))], dtype=float)
    np.testing.assert_allclose(values[:, 0], 25 - 2.5 * np.log10(before / 350), atol=2e-5)
    again = read_star_list(tmp_path / "out.txt").table
    assert len(again) == 50 and len(again.colnames) == 9
    assert (again.colnames[-1] == "cte_flags") == (template is HST1PASS)


# ---- Columns ---------------------------------------------------------------------------------------------------------


def test_columns_of_any_name_can_be_named(folder, tmp_path):
    table, before = stars()
    table.rename_columns(["y", "flux"], ["row on chip", "light"])
    table["amp"] = 2
    table.write(tmp_path / "in.ecsv")
    named = ("--y", "row on chip", "--flux", "light", "--chip-column", "amp")
    assert correct(folder, tmp_path / "in.ecsv", tmp_path / "out.ecsv", *named).code == 0
    np.testing.assert_allclose(Table.read(tmp_path / "out.ecsv")["flux_cte"], before, rtol=1e-6)


def test_date_and_time_come_from_an_image(folder, tmp_path, observatory):
    image = next((observatory / "data").rglob("*_flt.fits"))
    header = fits.getheader(image)
    table, _ = stars()
    table.write(tmp_path / "in.ecsv")
    kept = ("--coeffs", folder, "--chip", 2, "--background", 1.5)
    by_image = run_tool("correct", tmp_path / "in.ecsv", "-o", tmp_path / "a.ecsv", "--image", image, *kept)
    times = ("--mjd", header["EXPSTART"], "--exptime", header["EXPTIME"])
    by_hand = run_tool("correct", tmp_path / "in.ecsv", "-o", tmp_path / "b.ecsv", *times, *kept)
    assert by_image.code == by_hand.code == 0, by_image.lines
    a, b = (Table.read(tmp_path / name)["flux_cte"] for name in ("a.ecsv", "b.ecsv"))
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("change", "arguments", "words"),
    [
        ({"y": None}, ["--chip", 2], "which column has the rows (--y)?"),
        ({"flux": None}, ["--chip", 2], "which column has the light"),
        ({}, [], "which chip"),
        ({}, ["--chip", 2, "--flux", "brightness"], "no column brightness"),
        ({}, ["--chip", 2, "--flc", "y"], "no coefficients of ngc104, F502N, FLC"),
        ({}, ["--chip", 2, "--coeffs", "nothing_there"], "nothing_there"),
    ],
)
def test_what_is_missing_is_one_line(folder, tmp_path, change, arguments, words):
    table, _ = stars()
    table.remove_columns([name for name, value in change.items() if value is None])
    table.write(tmp_path / "in.ecsv")
    outcome = correct(folder, tmp_path / "in.ecsv", tmp_path / "out.ecsv", *arguments)
    assert (outcome.code, len(outcome.err.splitlines())) == (2, 1)
    assert words in outcome.err
    assert not (tmp_path / "out.ecsv").exists()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("in.txt", ""),
        ("in.txt", "# x y\n"),
        ("in.txt", "1 2 3\n1 2\n"),
        ("in.txt", "1 2 \\\n3 4\n"),
        ("in.fits", "no"),
        ("in.ecsv", "x,y\n1,2"),
        ("in.csv", ""),
    ],
)
def test_a_list_that_is_none_is_one_line(folder, tmp_path, name, text):
    (tmp_path / name).write_text(text)
    outcome = correct(folder, tmp_path / name, tmp_path / "out", "--chip", 2)
    assert (outcome.code, len(outcome.err.splitlines())) == (2, 1), outcome.lines
    assert name in outcome.err


def test_a_list_that_is_not_there_is_one_line(folder, tmp_path):
    assert "No such file" in correct(folder, tmp_path / "in.txt", tmp_path / "out").err


# ---- Questions -------------------------------------------------------------------------------------------------------


def test_what_if(folder):
    question = ("--what-if", "--mjd", MJD, "--flux", 700, "--y", 1800, "--chip", 2, "--background", 1.5)
    outcome = run_tool("correct", "--coeffs", folder, *question)
    assert outcome.code == 0, outcome.lines
    table, _ = stars(1)
    said = float(outcome.out.split()[1])
    assert 0.05 < said < 0.5
    assert "corrected" in outcome.out
    late = run_tool("correct", "--coeffs", folder, *question, "--mjd", 60_000)
    assert "flagged  1: date" in late.out


def test_a_plan_has_less_loss_with_more_background_and_grows_uncertain_with_time(folder):
    def plan(mjd):
        outcome = run_tool("correct", "--plan", "--coeffs", folder, "--mjd", mjd, "--flux", 700)
        assert outcome.code == 0, outcome.lines
        rows = [line.split() for line in outcome.out.splitlines() if line[:18].strip().isdigit()]
        return np.array(rows, dtype=float).T

    background, loss, error, flags = plan(58000)
    assert len(background) >= 8 and loss[0] > loss[-1] > 0
    assert np.all(np.diff(loss) <= 1e-9)
    assert np.all(plan(65_000)[2] >= error) and np.all(plan(65_000)[3].astype(int) & 1)


@pytest.mark.parametrize(
    "arguments",
    [("--what-if",), ("--plan",), ("--what-if", "--mjd", 57000, "--chip", 2, "--flux", "bright", "--y", 9), ()],
)
def test_an_incomplete_question_is_one_line(folder, arguments):
    outcome = run_tool("correct", "--coeffs", folder, *arguments)
    assert (outcome.code, len(outcome.err.splitlines())) == (2, 1)
