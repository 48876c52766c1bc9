"""Lists of stars, corrected by the command: what goes in comes out in its own format, with what is new beside it."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from running import run_tool
from test_correct import BACKGROUNDS, MJD, coefficients, losing

from wfc3_cte_monitor.errors import UnusableExposureError
from wfc3_cte_monitor.outputs import read_star_list, write_coefficients
from wfc3_cte_monitor.pipeline.correct_list import exposure_facts

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


@pytest.mark.parametrize("head", ["id y flux", "# id y flux", "ID\tY\tFlux"])
def test_a_first_line_of_words_names_the_columns(folder, tmp_path, head):
    (tmp_path / "in.txt").write_text(f"{head}\n1 1800 700\n2 INDEF 900\n")
    outcome = correct(folder, tmp_path / "in.txt", tmp_path / "out.txt", "--chip", 2)
    assert outcome.code == 0, outcome.lines
    out = (tmp_path / "out.txt").read_text().splitlines()
    assert f"{head} flux_cte cte_correction cte_correction_err cte_flags" in out
    assert float(out[-2].split()[3]) > 700 and out[-1].endswith(" 32")


@pytest.mark.parametrize("text", ["INDEF 1800 700\n1 1800 700\n", "a 1800 700\nb 1800 700\n", "a 1800 700\n"])
def test_a_star_whose_values_are_not_all_numbers_is_no_header(tmp_path, text):
    (tmp_path / "in.txt").write_text(text)
    assert len(read_star_list(tmp_path / "in.txt").table) == text.count("\n")


PHOTOMETRY = """\
 NL   NX   NY  LOWBAD HIGHBAD  THRESH     AP1  PH/ADU  RNOISE    FRAD
  2 4096 2051   -50.0 60000.0   20.00    3.00    1.50    3.10    12.0

{}
"""


def test_two_lines_of_daophot_are_one_star(folder, tmp_path):
    table, before = stars()
    mags = 25.0 - 2.5 * np.log10(table["flux"])
    rows = [f"{i:6d} {100:8.3f} {y:8.3f} {m:8.5f} {m:8.5f}\n 9.3 1.2 0.1 0.01 0.01\n" for i, y, m in zip(
        table["id"], table["y"], mags, strict=True)]  # fmt: skip
    (tmp_path / "in.ap").write_text(PHOTOMETRY.format("\n".join(rows)))
    assert correct(folder, tmp_path / "in.ap", tmp_path / "out.ap", "--chip", 2, "--instrumental", 25).code == 0
    out = [line.split() for line in (tmp_path / "out.ap").read_text().splitlines()[3:] if line.strip()]
    assert [len(words) for words in out] == [9, 5] * 50
    corrected = np.array([words[5] for words in out[::2]], dtype=float)
    np.testing.assert_allclose(corrected, 25 - 2.5 * np.log10(before), atol=2e-5)


def test_a_fits_file_keeps_what_it_has_besides(folder, tmp_path):
    table, _ = stars()
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.ones((2, 2)), name="MAP"), fits.table_to_hdu(table)])
    hdus[0].header["OBSERVER"], hdus[2].name = "me", "STARS"
    hdus.writeto(tmp_path / "in.fits")
    assert correct(folder, tmp_path / "in.fits", tmp_path / "out.fits", "--chip", 2).code == 0
    with fits.open(tmp_path / "out.fits") as out:
        assert [hdu.name for hdu in out] == ["PRIMARY", "MAP", "STARS"]
        assert out[0].header["OBSERVER"] == "me"
        assert Table.read(out[2])["cte_correction"].unit == "mag"


def test_a_csv_with_a_byte_order_mark_and_comments(folder, tmp_path):
    table, before = stars()
    table.write(tmp_path / "plain.csv", format="ascii.csv")
    (tmp_path / "in.csv").write_text("# mine\n" + (tmp_path / "plain.csv").read_text(), encoding="utf-8-sig")
    assert correct(folder, tmp_path / "in.csv", tmp_path / "out.csv", "--chip", 2).code == 0
    np.testing.assert_allclose(Table.read(tmp_path / "out.csv")["flux_cte"], before, rtol=1e-6)


def test_the_new_columns_have_the_units_of_the_old(folder, tmp_path):
    table, before = stars()
    table["flux"] /= 350.0
    table["flux"].unit = "electron / s"
    table.write(tmp_path / "in.ecsv")
    assert correct(folder, tmp_path / "in.ecsv", tmp_path / "out.ecsv", "--chip", 2).code == 0
    out = Table.read(tmp_path / "out.ecsv")
    assert [str(out[name].unit) for name in ("flux_cte", "cte_correction", "cte_flags")] == [
        "electron / s",
        "mag",
        "None",
    ]
    np.testing.assert_allclose(out["flux_cte"], before / 350, rtol=1e-6)


def test_the_provenance_names_what_was_used_alone(folder, tmp_path):
    write_coefficients(coefficients(length="s"), tmp_path / "both" / "short_mjd58400_coeffs.txt")
    write_coefficients(coefficients(), tmp_path / "both" / "long_mjd58400_coeffs.txt")
    stars()[0].write(tmp_path / "in.ecsv")
    outcome = correct(tmp_path / "both", tmp_path / "in.ecsv", tmp_path / "out.ecsv", "--chip", 2)
    assert "long_mjd58400" in outcome.out and "short_mjd58400" not in outcome.out


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


def set_unit(name, unit):
    def change(table):
        table[name].unit = unit

    return change


def set_column(name, value):
    def change(table):
        table.columns.pop(name, None)
        table[name] = np.repeat(np.atleast_1d(value), len(table), axis=0)

    return change


@pytest.mark.parametrize(
    ("change", "arguments", "words"),
    [
        (set_unit("flux", "mJy"), ["--chip", 2], "column of flux: is in mJy, and must be in electron"),
        (set_unit("y", "arcsec"), ["--chip", 2], "column of y: is in arcsec"),
        (set_column("chip", 4), [], "column chip: must be 1 or 2, not '4'"),
        (set_column("chip", "WFC1"), [], "column chip: must be 1 or 2, not 'WFC1'"),
        (set_column("extver", 1), ["--chip-column", "extver"], "column extver: counts extensions"),
        (set_column("flux", "bright"), ["--chip", 2], "column flux: not numbers: bright"),
        (set_column("mag", 20.0), ["--chip", 2, "--mag", "mag"], "Give --zeropoint or --instrumental"),
        (set_column("cte_correction", 0.1), ["--chip", 2], "it was corrected already"),
        (set_column("mag", 20.0), ["--chip", 2, "--mag", "mag", "--flux", "flux"], "--flux and --mag: one of them"),
        (set_column("flux", [[1.0, 2.0]]), ["--chip", 2], "column flux: has several values for each star"),
        (set_column("chip", 1), ["--chip", 2, "--chip-column", "chip"], "--chip and --chip-column: one of them"),
        (set_column("z", 1), ["--chip", 2, "--exptime", -350], "--exptime: must be above 0"),
        (set_column("z", 1), ["--chip", 2, "--mjd", 2_457_800.5], "is it a year, or a Julian date?"),
    ],
)
def test_what_would_give_a_wrong_number_is_one_line(folder, tmp_path, change, arguments, words):
    table, _ = stars()
    change(table)
    table.write(tmp_path / "in.ecsv")
    outcome = correct(folder, tmp_path / "in.ecsv", tmp_path / "out.ecsv", *arguments)
    assert outcome.code == 2 and words in outcome.err.splitlines()[-1]
    assert "Traceback" not in outcome.err and not (tmp_path / "out.ecsv").exists()


def test_the_chip_that_is_said_counts_more_than_a_column_that_is_guessed(folder, tmp_path):
    table, before = stars()
    table["chip"] = 1
    table.write(tmp_path / "in.ecsv")
    assert correct(folder, tmp_path / "in.ecsv", tmp_path / "out.ecsv", "--chip", 2).code == 0
    np.testing.assert_allclose(Table.read(tmp_path / "out.ecsv")["flux_cte"], before, rtol=1e-6)


def test_indef_is_no_number_and_chips_have_names(folder, tmp_path):
    table, _ = stars()
    lines = [
        f"{y} {'INDEF' if i == 3 else f} UVIS2" for i, (y, f) in enumerate(zip(table["y"], table["flux"], strict=True))
    ]
    (tmp_path / "in.txt").write_text("\n".join(["# y flux chip", *lines]))
    outcome = correct(folder, tmp_path / "in.txt", tmp_path / "out.txt")
    assert outcome.code == 0, outcome.lines
    assert "1 flagged 32: not finite" in outcome.out


@pytest.mark.parametrize(("name", "words"), [("out.csv", "the list is ecsv"), ("no/out.ecsv", "no/out.ecsv: No such")])
def test_a_place_that_will_not_do_is_one_line(folder, tmp_path, name, words):
    stars()[0].write(tmp_path / "in.ecsv")
    outcome = correct(folder, tmp_path / "in.ecsv", tmp_path / name, "--chip", 2)
    assert (outcome.code, len(outcome.err.splitlines())) == (2, 1)
    assert words in outcome.err


@pytest.mark.parametrize(
    ("name", "state", "kind"),
    [
        ("renamed.fits", "COMPLETE", True),
        ("x_FLC.fits", "COMPLETE", True),
        ("x_flc.fits", None, True),
        ("renamed.fits", "OMIT", False),
        ("x_flt.fits", "OMIT", False),
        ("x_flt.fits", "COMPLETE", None),
        ("x_flc.fits", "OMIT", None),
    ],
)
def test_an_image_is_an_flc_by_its_header_and_its_name(tmp_path, observatory, name, state, kind):
    image = next((observatory / "data").rglob("*_flt.fits"))
    with fits.open(image) as hdus:
        del hdus[0].header["PCTECORR"]
        if state:
            hdus[0].header["PCTECORR"] = state
        hdus.writeto(tmp_path / name)
    if kind is None:
        with pytest.raises(UnusableExposureError, match="Give --flc"):
            exposure_facts(tmp_path / name)
        assert exposure_facts(tmp_path / name, True)["ctecorr"] is True
    else:
        assert exposure_facts(tmp_path / name)["ctecorr"] is kind
        with pytest.raises(UnusableExposureError, match="says that it is none"):
            exposure_facts(tmp_path / name, not kind)


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
    assert "corrected" in outcome.out and "\nby          pf0_mjd58400_coeffs.txt\n" in outcome.out
    assert "poorly known" in outcome.out  # 0.19 mag
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
