"""``check_newdata``: an archive against what is expected of it. Each kind of finding on real files, one at a time."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from astropy.io import fits

from wfc3_cte_monitor import simulate
from wfc3_cte_monitor.commands import uvis_external_cte
from wfc3_cte_monitor.simulate import PlannedExposure, make_cluster, simulate_exposure
from wfc3_cte_monitor.simulate.plan import PlannedVisit, same_chip_plan

EXPECTED = {
    14012: {"03": ["ngc104 F502N s l pf0 x1", "ngc104 F502N 350 pf12"]},
    12692: {"10 11": "ngc6583 F502N s l pf0 x2"},
}
COLUMNS = 64
MJD = 57190.5
"""In June 2015."""


def visit_plan(program=14012, visit="03", target="ngc104", mjd=MJD, **settings):
    return PlannedVisit(program, visit, mjd, target, **settings).exposures()


NOMINAL = tuple(e for e in visit_plan(flashlvls=(0.0, 12.0)) if e.exptime > 60 or e.flashlvl == 0)
"""Short and long without flash, and long with 12 e-/px: three pairs."""


def write(folder, exposures, **keywords):
    """Real UVIS files without stars; the keywords are those of the primary header."""
    for exposure in exposures:
        cluster = make_cluster(exposure.target, n_columns=COLUMNS, flux=[])
        for ctecorr in exposure.variants:
            hdus = simulate_exposure(exposure, cluster, ctecorr=ctecorr, n_columns=COLUMNS, effects=simulate.IDEAL)
            hdus[0].header.update(keywords)
            folder.mkdir(parents=True, exist_ok=True)
            hdus.writeto(folder / exposure.imagename(ctecorr), overwrite=True)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Complete data of a visit of 14012 and of the 180-degree set, which nobody may change."""
    data = tmp_path_factory.mktemp("archive")
    write(data / "newdata", NOMINAL)
    write(data / "12692", same_chip_plan())
    return data


@pytest.fixture
def data(archive, tmp_path):
    """A copy of one's own, in a folder whose name is not ASCII."""
    return Path(shutil.copytree(archive, tmp_path / "donn\u00e9es \u661f"))


@pytest.fixture
def check(make_config, tmp_path, capsys):
    """``check(data, *arguments, **changes)`` -> exit code, output."""

    def run(data, *arguments, **changes):
        changes.setdefault("expected_exposures", EXPECTED)
        config = make_config(tmp_path / "here", path_to_data=data, **changes)
        code = uvis_external_cte.main(["check_newdata", "--jobs", "1", "--config", str(config), *map(str, arguments)])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return code, captured.out + captured.err

    return run


def findings(out):
    """The lines of the findings."""
    lines = out.partition("Findings\n")[2].partition("\n\n")[0].splitlines()
    return [line.strip() for line in lines]


def only_finding(outcome):
    """The one finding there is."""
    code, out = outcome
    assert code == 1
    (line,) = findings(out)
    assert " -> " in line
    return line


def rows(out):
    """Cells of the table."""
    return [line.split() for line in out.partition("\n\n")[0].splitlines()[1:]] if out.startswith("program") else []


def file_of(data, number, kind="flt", folder="newdata"):
    """File of a planned exposure, counted from 0."""
    return data / folder / f"{NOMINAL[number].rootname}_{kind}.fits"


def both(data, number):
    return [file_of(data, number, kind) for kind in ("flt", "flc")]


# ---- Complete --------------------------------------------------------------------------------------------------------


def test_complete_archive(check, archive):
    code, out = check(archive)
    assert code == 0
    assert out.splitlines()[-1] == "complete and consistent"
    assert rows(out) == [
        ["14012", "03", "ngc104", "F502N", "30", "0", "1", "2", "2", "1", "ok"],
        ["14012", "03", "ngc104", "F502N", "350", "0", "1", "2", "2", "1", "ok"],
        ["14012", "03", "ngc104", "F502N", "350", "12", "1+", "2", "2", "1", "ok"],
    ]
    assert max(map(len, out.splitlines())) <= 120


def test_complete_same_chip_set(check, archive):
    code, out = check(archive, "--pr", "12692")
    assert code == 0
    assert [row[1:2] + row[6:] for row in rows(out)] == [
        [v, "2", "2", "2", "2", "ok"] for v in ("10", "10", "11", "11")
    ]
    assert "newdata: 12 files of programs that --pr does not name" in out


def test_several_programs_and_all_and_last(check, archive):
    assert {row[0] for row in rows(check(archive, "--pr", "12692", "14012")[1])} == {"12692", "14012"}
    code, out = check(archive, "--pr", "all")
    assert code == 0
    assert {row[0] for row in rows(out)} == {"12692", "14012"}
    assert "13083: not in expected_exposures" in out
    assert {row[0] for row in rows(check(archive, "--pr", "last")[1])} == {"14012"}


def test_part_in_newdata_part_in_the_folder_of_the_program(check, data):
    (data / "14012").mkdir()
    for path in [*both(data, 0), *both(data, 3)]:
        path.rename(data / "14012" / path.name)
    assert check(data)[0] == 0


def test_nothing_in_newdata(check, tmp_path):
    (tmp_path / "newdata").mkdir()
    (tmp_path / "newdata" / "README").touch()
    code, out = check(tmp_path)
    assert (code, rows(out)) == (0, [])
    assert "nothing to check" in out


def test_program_without_any_file(check, tmp_path):
    code, out = check(tmp_path, "--pr", "14012")
    assert code == 1
    assert findings(out) == [
        "missing: 14012/03: all of ngc104 -> retrieve the visit if it was observed, forbid it if it failed"
    ]
    assert rows(out)[0][-1] == "MISSING"


def test_program_without_expectation(check, archive):
    code, out = check(archive, expected_exposures={})
    assert code == 0
    assert "14012: not in expected_exposures" in out
    assert {row[-1] for row in rows(out)} == {"consistent"}


# ---- Missing and unpaired --------------------------------------------------------------------------------------------


def test_flt_without_flc_and_the_reverse(check, data):
    file_of(data, 2, "flc").unlink()
    line = only_finding(check(data))
    assert line.startswith(f"unpaired: 14012/03: {NOMINAL[2].rootname}_flt.fits: FLT without FLC")
    shutil.copy(file_of(data, 2), file_of(data, 2, "flc"))
    file_of(data, 2).unlink()
    assert f"{NOMINAL[2].rootname}_flc.fits: FLC without FLT" in only_finding(check(data))


def test_row_of_an_unpaired_file_is_incomplete(check, data):
    file_of(data, 0, "flc").unlink()
    assert rows(check(data)[1])[0][6:] == ["1", "2", "1", "1", "INCOMPLETE"]


@pytest.mark.parametrize(
    ("number", "partner"),
    [(0, "POSTARG2 82 without its partner near 0"), (1, "POSTARG2 0 without its partner near +82")],
)
def test_one_dither_without_the_other(check, data, number, partner):
    for path in both(data, number):
        path.unlink()
    line = only_finding(check(data))
    assert line.startswith("unpaired: 14012/03: ngc104 F502N 30 s pf0: ")
    assert partner in line


def test_partner_of_another_day_is_none(check, data):
    for path in both(data, 1):
        fits.setval(path, "EXPSTART", value=MJD + 2)
    assert len(findings(check(data)[1])) == 2


def test_missing_flash_level(check, data):
    for number in (4, 5):
        for path in both(data, number):
            path.unlink()
    code, out = check(data)
    assert only_finding((code, out)) == "missing: 14012/03: ngc104 F502N 350 pf12 -> retrieve the exposures"
    assert rows(out)[-1] == ["14012", "03", "ngc104", "F502N", "350", "12", "1+", "0", "0", "0", "MISSING"]


def test_fewer_pairs_than_expected(check, archive):
    outcome = check(archive, expected_exposures={14012: {"03": ["ngc104 F502N s x2", "ngc104 F502N l"]}})
    assert "missing: 14012/03: ngc104 F502N s: 1 of 2 pairs" in only_finding(outcome)


def test_whole_visit_is_missing(check, archive):
    outcome = check(archive, expected_exposures={14012: {"03": "ngc104", "04": "ngc6791 F502N s l"}})
    assert only_finding(outcome).startswith("missing: 14012/04: all of ngc6791")
    assert ["14012", "04", "ngc6791", "F502N", "s", "l", "any", "1+", "each", "0", "0", "0", "MISSING"] in rows(
        outcome[1]
    )


@pytest.mark.parametrize(
    ("months", "code"), [("Jun 2015", 0), ("Jun-Jul 2015", 0), ("May/Jun 2015", 0), ("Feb 2015, Jun 2015", 1)]
)
def test_months_in_the_place_of_visits(check, archive, months, code):
    outcome = check(archive, expected_exposures={14012: {months: "ngc104 F502N l"}})
    assert outcome[0] == code
    assert not code or only_finding(outcome).startswith("missing: 14012/Feb 2015: all of ngc104")
    assert rows(outcome[1])[0][-1] == "besides"


def test_anywhere_in_the_program(check, archive):
    assert check(archive, expected_exposures={14012: {"*": "ngc104 pf12"}})[0] == 0
    assert "14012: ngc104 pf6" in only_finding(check(archive, expected_exposures={14012: {"*": "ngc104 pf6"}}))


@pytest.mark.parametrize(("time", "code"), [("345", 0), ("356", 0), ("340", 1), ("s", 1)])
def test_exposure_times_fit_to_two_per_cent(check, data, time, code):
    for number in (0, 1):
        for path in both(data, number):
            path.unlink()
    assert check(data, expected_exposures={14012: {"*": f"ngc104 {time}"}})[0] == code


def test_visits_asked_for(check, archive):
    expected = {14012: {"03": "ngc104", "04": "ngc6791"}}
    assert check(archive, "--v", "3", expected_exposures=expected)[0] == 0
    code, out = check(archive, "--v", "3", expected_exposures={14012: {"Feb 2015": "ngc104"}})
    assert code == 0
    assert "names no visits" in out


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"forbidden_visits": {14012: {"03": "lost lock"}}}, "forbidden visit"),
        ({"flashlvl_list": [0]}, "not in flashlvl_list"),
        ({"target_list": ["ngc6791", "ngc6583"]}, "not in target_list"),
        ({"filter_list": ["F606W"]}, "not in filter_list"),
    ],
)
def test_what_the_configuration_does_not_want_is_left_out_and_not_missing(check, archive, changes, status):
    code, out = check(archive, **changes)
    assert code == 0
    assert f"  {status}\n" in out
    assert "Left out by rule" in out


# ---- Double, and more than expected ----------------------------------------------------------------------------------


def test_same_file_in_two_places(check, data):
    (data / "14012").mkdir()
    shutil.copy(file_of(data, 0), data / "14012")
    line = only_finding(check(data))
    assert line.startswith(f"double: {file_of(data, 0).name}: in 14012 (CAL_VER ")
    assert "and in newdata (CAL_VER" in line


def test_more_pairs_than_expected(check, data):
    again = [replace(e, number=e.number + 20, mjd=e.mjd + 0.1) for e in NOMINAL[:2]]
    write(data / "newdata", again)
    code, out = check(data)
    assert "double: 14012/03: ngc104 F502N s pf0: 2 pairs, expected 1: " in only_finding((code, out))
    assert rows(out)[0][-2:] == ["TOO", "MANY"]


def test_visit_that_nobody_expects(check, data):
    write(data / "newdata", visit_plan(visit="07", exptimes=(30.0,)))
    assert only_finding(check(data)).startswith("not expected: 14012/07: ngc104 F502N 30 s pf0")


# ---- Calibration, places, strangers ----------------------------------------------------------------------------------


def test_different_versions_of_the_calibration(check, data):
    for path in both(data, 0):
        fits.setval(path, "CAL_VER", value="3.1 (old)")
    line = only_finding(check(data))
    assert line.startswith(f"calibration: CAL_VER 3.1 (old): 2 files ({NOMINAL[0].rootname}_flc.fits, ")
    assert ": 10 files" in line


def test_file_in_the_folder_of_another_program(check, data):
    shutil.move(file_of(data, 0), data / "12692")
    lines = findings(check(data, "--pr", "all")[1])
    assert lines == [f"misplaced: 12692/{file_of(data, 0).name}: its PROPOSID is 14012 -> move it to 14012"]


def test_tree_of_a_download(check, data):
    folder = data / "newdata" / "mastDownload" / "HST"
    folder.mkdir(parents=True)
    for path in both(data, 0):
        path.rename(folder / path.name)
    code, out = check(data)
    assert "misplaced: newdata/mastDownload: a folder with FLT or FLC in it -> move its files to newdata" in findings(
        out
    )


def test_program_that_is_not_listed(check, data):
    write(data / "newdata", [PlannedExposure(15000, "01", 1, MJD, "ngc104")])
    line = only_finding(check(data))
    assert line.startswith("foreign: program 15000 is not in program_list: newdata/")
    assert "add the program" in line


@pytest.mark.parametrize(
    ("keyword", "value", "words"),
    [("INSTRUME", "ACS", "not a WFC3/UVIS exposure"), ("TARGNAME", "M31", "unknown target 'M31'")],
)
def test_other_instrument_or_target(check, data, keyword, value, words):
    stranger = PlannedExposure(14012, "05", 1, MJD, "ngc104", variants=(False,))
    write(data / "newdata", [stranger], **{keyword: value})
    line = only_finding(check(data, forbidden_visits={}))
    assert line.startswith(f"unusable: newdata/{stranger.imagename(False)}: {words}")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda b: b"not FITS" * 99, "cannot be read"),
        (lambda b: b[: len(b) // 2], "truncated"),
        (lambda b: b"", "empty file"),
    ],
)
def test_damaged_file(check, data, damage, words):
    path = file_of(data, 0, "flc")
    path.write_bytes(damage(path.read_bytes()))
    line = only_finding(check(data))
    assert line.startswith(f"unusable: newdata/{path.name}: ")
    assert words in line
    assert "retrieve it again" in line


def test_other_files_are_noted(check, data):
    for name in ("a_raw.fits", "preview.jpg"):
        (data / "newdata" / name).touch()
    code, out = check(data)
    assert code == 0
    assert "newdata: neither FLT nor FLC, not looked at (2): a_raw.fits, preview.jpg" in out


# ---- Left out by rule ------------------------------------------------------------------------------------------------


def test_forbidden_visit_is_named_with_its_reason(check, data):
    write(data / "newdata", visit_plan(visit="05", exptimes=(30.0,)))
    code, out = check(data)
    assert code == 0
    assert "14012/05: forbidden visit 14012/05 (binned, a separate experiment): 4 files" in out


def test_subarray_is_left_out_and_missing(check, data):
    for number in (0, 1):
        for path in both(data, number):
            fits.setval(path, "SUBARRAY", value=True)
    code, out = check(data)
    assert "14012/03: subarray: 4 files" in out
    assert only_finding((code, out)).startswith("missing: 14012/03: ngc104 F502N s pf0")


# ---- The 180-degree set ----------------------------------------------------------------------------------------------


def test_same_chip_exposure_without_a_partner(check, data):
    lost = same_chip_plan()[-1]
    for ctecorr in (False, True):
        (data / "12692" / lost.imagename(ctecorr)).unlink()
    code, out = check(data, "--pr", "12692")
    lines = findings(out)
    assert any(line.startswith("unpaired: 12692/10: ngc6583 F502N 350 s pf0: ") for line in lines)
    assert "missing: 12692/11: ngc6583 F502N l pf0: 1 of 2 pairs -> retrieve the others" in lines
    assert len(lines) == 2
    assert code == 1


def test_same_chip_visits_with_the_same_roll_are_no_pair(check, data):
    for exposure in same_chip_plan():
        for ctecorr in exposure.variants:
            fits.setval(data / "12692" / exposure.imagename(ctecorr), "PA_V3", value=10.0)
    assert len(findings(check(data, "--pr", "12692")[1])) == 8


def test_one_same_chip_visit_is_checked_with_its_partner(check, archive):
    code, out = check(archive, "--pr", "12692", "--v", "10")
    assert code == 0
    assert {row[1] for row in rows(out)} == {"10", "11"}


# ---- Arguments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["180", "15000", "newest", "-1"])
def test_unknown_program_is_bad_input(check, archive, word):
    code, out = check(archive, f"--pr={word}")
    assert code == 2
    assert f"--pr {word}: must be all, last or of program_list" in out


def test_folder_of_data_that_does_not_exist(check, tmp_path):
    code, out = check(tmp_path / "nowhere")
    assert code == 2
    assert "path_to_data: no such folder" in out


def test_jobs_do_not_matter(check, archive):
    assert check(archive, "--jobs", "2") == check(archive)
