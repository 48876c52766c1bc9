"""Whatever is wrong with the input: one clear line that names it, the rest is measured, nothing is half-written."""

import contextlib
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest
from astropy.io import fits
from running import dump, run, run_script, run_tool, run_wrapper

GOOD = ("ib7x0101q", "ib7x0102q")
"""The pair of program 14541 in the `observatory`."""


@pytest.fixture
def place(copied, make_config, tmp_path):
    """(data folder with the good pair, configuration)."""
    return copied(tmp_path), make_config(tmp_path, aprads=[3])


# ---- Exposures that look well but are not what they seem -------------------------------------------------------------


def damaged(path, change):
    with fits.open(path, mode="update") as hdus:
        change(hdus)


def only_line(outcome, name):
    """The line of the summary that names a file, which must be the only one."""
    lines = [line for line in outcome.out.splitlines() if name in line]
    assert len(lines) == 1, lines
    return lines[0]


def turned(arcsec):
    def turn(hdus):
        for number in (1, 2):
            hdus["SCI", number].header["CRVAL2"] += arcsec / 3600

    return turn


@pytest.mark.parametrize("arcsec", [0.1, -5.0])
def test_misaligned_exposure_is_not_measured(place, tmp_path, arcsec):
    """In a dense field many apertures hold some star, wherever they are put."""
    data, config = place
    damaged(data / "14541" / f"{GOOD[1]}_flt.fits", turned(arcsec))
    outcome = run(config, "--pr", "all", "--ctecorr", "flt")
    assert outcome.code == 1
    assert "misaligned" in only_line(outcome, f"{GOOD[1]}_flt.fits")
    assert [row["ROOTNAME"] for row in dump(tmp_path / "database")["ngc104_fileinfo"]] == [GOOD[0]]
    assert not list((tmp_path / "outputs").rglob(f"{GOOD[1]}*"))
    assert outcome.count("without a partner") == 1


def test_flc_without_flt_is_a_failure_and_flt_without_flc_a_warning(copied, make_config, tmp_path):
    data = copied(tmp_path, names=["*01q_flt.fits", "*02q_fl?.fits"])
    shutil.move(data / "14541" / f"{GOOD[1]}_flt.fits", tmp_path)
    outcome = run(make_config(tmp_path, aprads=[3]), "--pr", "all")
    assert outcome.code == 1
    assert outcome.count("failed") == 1
    assert f"{GOOD[1]}_flt.fits: missing beside {GOOD[1]}_flc.fits" in outcome.out
    assert outcome.count("warnings") == 1
    assert f"{GOOD[0]}_flt.fits: no FLC beside it" in outcome.out
    assert outcome.count("extracted") == 2


def test_rootname_in_two_programs_is_measured_in_neither(place, tmp_path):
    data, config = place
    twin = data / "12348" / f"{GOOD[1]}_flt.fits"
    twin.parent.mkdir()
    shutil.copy(data / "14541" / twin.name, twin)
    damaged(twin, lambda hdus: hdus[0].header.set("PROPOSID", 12348))
    outcome = run(config, "--pr", "all", "--ctecorr", "flt")
    assert outcome.code == 1
    lines = [line for line in outcome.out.splitlines() if "same rootname in two programs" in line]
    assert len(lines) == 2
    assert "(12348 and 14541)" in lines[0]
    assert [row["ROOTNAME"] for row in dump(tmp_path / "database")["ngc104_fileinfo"]] == [GOOD[0]]


def test_copy_in_the_wrong_folder_does_not_keep_the_exposure_from_being_measured(place):
    data, config = place
    (data / "12348").mkdir()
    shutil.copy(data / "14541" / f"{GOOD[1]}_flt.fits", data / "12348")
    outcome = run(config, "--pr", "all", "--ctecorr", "flt")
    assert outcome.code == 1
    assert "lies in 12348 but its PROPOSID is 14541" in only_line(outcome, f"{GOOD[1]}_flt.fits")
    assert outcome.count("pairs measured") == 1


def test_exposure_that_was_good_and_is_broken_now_is_said_to_be_an_old_result(place):
    """Else its old numbers would pass for fresh ones."""
    data, config = place
    assert run(config, "--pr", "all", "--ctecorr", "flt").code == 0
    os.truncate(data / "14541" / f"{GOOD[1]}_flt.fits", 100_000)
    outcome = run(config, "--pr", "all", "--ctecorr", "flt")
    assert outcome.code == 1
    assert outcome.count("failed") == outcome.count("warnings") == 1
    assert f"{GOOD[1]}_flt.fits: failed in this run; its earlier measurement is still in the database" in outcome.out


# ---- Folders and files around the exposures --------------------------------------------------------------------------


def assert_one_line(outcome, code, *words):
    """Nothing but one line that says what is wrong, and the exit code."""
    assert outcome.code == code
    assert outcome.out == ""
    (line,) = outcome.err.splitlines()
    assert line.startswith("run_uvis_external_cte: error: ")
    for word in words:
        assert str(word) in line


@pytest.mark.parametrize("programs", ["all", "last", "14541"])
def test_empty_data_folder_is_one_failure(make_config, tmp_path, programs):
    (tmp_path / "data").mkdir()
    outcome = run(make_config(tmp_path), "--pr", programs)
    assert outcome.code == 1
    assert outcome.count("exposures found") == 0
    assert outcome.count("failed") == 1
    assert f"{tmp_path / 'data'}: no FLT or FLC" in outcome.out
    assert "Traceback" not in outcome.err
    assert not list((tmp_path / "outputs" / "finalresults").iterdir())


def test_missing_data_folder_is_named(make_config, tmp_path):
    assert_one_line(run(make_config(tmp_path), "--pr", "all"), 2, "path_to_data", tmp_path / "data")
    assert not (tmp_path / "outputs").exists()
    assert not (tmp_path / "database").exists()


def test_file_for_the_data_folder_is_named(make_config, tmp_path):
    (tmp_path / "data").touch()
    assert_one_line(run(make_config(tmp_path), "--pr", "all"), 2, "path_to_data")


@pytest.mark.parametrize(
    "place_of_file", ["outputs", "outputs/photom", "outputs/logs", "outputs/finalresults", "copies"]
)
def test_file_in_place_of_a_folder_is_named_before_any_work(copied, make_config, tmp_path, place_of_file):
    copied(tmp_path)
    (tmp_path / place_of_file).parent.mkdir(exist_ok=True)
    (tmp_path / place_of_file).touch()
    config = make_config(tmp_path, path_to_automated_outputs="copies")
    assert_one_line(run(config, "--pr", "all"), 2, tmp_path / place_of_file)
    assert not (tmp_path / "database").exists()


@pytest.mark.parametrize("place_of_file", ["finalresults/pf0", "photom/pf0"])
def test_file_in_place_of_an_inner_folder_is_named(place, tmp_path, place_of_file):
    _, config = place
    (tmp_path / "outputs" / place_of_file).parent.mkdir(parents=True)
    (tmp_path / "outputs" / place_of_file).touch()
    outcome = run(config, "--pr", "all", "--ctecorr", "flt")
    assert outcome.code in (1, 2)
    assert "Traceback" not in outcome.err
    assert [line for line in outcome.lines if "pf0" in line and ("failed" in line or "error" in line)]
    assert list((tmp_path / "outputs" / "tempfiles").iterdir()) == []


@pytest.fixture
def read_only(tmp_path):
    """A folder on a file system that cannot be written, or a skipped test where we may not mount one."""
    folder = tmp_path / "read_only"
    folder.mkdir()
    mounted = os.geteuid() == 0 and shutil.which("mount")
    if not mounted or subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", folder], check=False).returncode:
        pytest.skip("needs the right to mount a read-only file system")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("name", ["path_to_outputs", "path_to_db", "path_to_automated_outputs"])
def test_read_only_file_system_is_named(copied, make_config, tmp_path, read_only, name):
    copied(tmp_path)
    assert_one_line(run(make_config(tmp_path, **{name: read_only}), "--pr", "all"), 2, read_only)


def no_database(path):
    path.write_text("my notes\n" * 100)


def cut_database(path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE ngc104_phot (FLUX_3 REAL)")
        connection.executemany("INSERT INTO ngc104_phot VALUES (?)", [(1.0,)] * 10_000)
    os.truncate(path, path.stat().st_size // 2 + 100)


def foreign_tables(path):
    """A table of the monitor's name with other columns."""
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE ngc104_fileinfo (name TEXT)")


def foreign_view(path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE VIEW ngc104_master AS SELECT 1 AS id")


DATABASES = {
    "folder": (Path.mkdir, "uvis_external_cte.db"),
    "text": (no_database, "not a database"),
    "cut": (cut_database, "malformed|lacks"),
    "pipe": (os.mkfifo, "uvis_external_cte.db"),
    "link to itself": (lambda path: path.symlink_to(path), "uvis_external_cte.db"),
    "link into nowhere": (lambda path: path.symlink_to("/nowhere/at/all.db"), "uvis_external_cte.db"),
    "tables of somebody else": (foreign_tables, "ngc104_fileinfo lacks"),
    "view of somebody else": (foreign_view, "ngc104_master"),
}


def held_by(path):
    """What a file has: all of a database, else its bytes; None where it is no file."""
    if not path.is_file():
        return None
    with contextlib.closing(sqlite3.connect(path)) as connection, contextlib.suppress(sqlite3.DatabaseError):
        return list(connection.iterdump())
    return path.read_bytes()


@pytest.mark.parametrize("what", DATABASES)
def test_what_is_no_database_of_the_monitor_is_named_and_kept(copied, make_config, tmp_path, what):
    copied(tmp_path)
    make, words = DATABASES[what]
    path = tmp_path / "database" / "uvis_external_cte.db"
    path.parent.mkdir()
    make(path)
    before = held_by(path)
    outcome = run(make_config(tmp_path), "--pr", "all")
    assert_one_line(outcome, 2, path)
    assert re.search(words, outcome.err)
    assert held_by(path) == before


def test_empty_file_becomes_a_database(place, tmp_path):
    _, config = place
    (tmp_path / "database").mkdir()
    (tmp_path / "database" / "uvis_external_cte.db").touch()
    assert run(config, "--pr", "all", "--ctecorr", "flt").code == 0


def test_missing_configuration_is_named(tmp_path):
    assert_one_line(run(tmp_path / "config.py", "--pr", "all"), 2, tmp_path / "config.py")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"aprads": ...}, "missing: aprads"),
        ({"apprads": [3]}, "apprads"),
        ({"aprads": "3"}, "aprads"),
        ({"program_list": []}, "program_list"),
        ({"loss_unit": "percent"}, "loss_unit"),
    ],
)
def test_broken_configuration_is_one_line(make_config, tmp_path, change, words):
    assert_one_line(run(make_config(tmp_path, **change), "--pr", "all"), 2, tmp_path / "config.py", words)


@pytest.mark.parametrize("text", ["aprads = [3,\n", "import nothing_of_this_name\n", "raise SystemExit(0)\n", "\0"])
def test_configuration_that_is_no_python_is_one_line(tmp_path, text):
    path = tmp_path / "config.py"
    path.write_text(text)
    assert_one_line(run(path, "--pr", "all"), 2, path)


# ---- Master catalogues -----------------------------------------------------------------------------------------------


def catalog_of(data):
    return data / "master_cat" / "final" / "ngc104_master.cat"


def test_missing_catalog_is_named(place, tmp_path):
    data, config = place
    catalog_of(data).unlink()
    outcome = run(config, "--pr", "all", "--ctecorr", "flt")
    assert outcome.code == 1
    assert "no such master catalogue" in only_line(outcome, str(catalog_of(data)))
    assert outcome.count("extracted") == 0
    assert dump(tmp_path / "database")["ngc104_master"] == []


@pytest.mark.parametrize("text", ["", "# id x y ra dec\n", "id x y ra dec\n", "1 2 3\n", "\0\1\2\n" * 100])
def test_catalog_without_a_star_is_named(place, tmp_path, text):
    data, config = place
    catalog_of(data).write_text(text)
    outcome = run(config, "--pr", "all", "--ctecorr", "flt")
    assert outcome.code == 1
    assert "no line with id x y ra dec" in only_line(outcome, str(catalog_of(data)))
    assert dump(tmp_path / "database")["ngc104_master"] == []


BAD_LINES = {
    "7 8 9": "3 columns",
    "99001 x 9 6.0 -72.0": "not numbers",
    "99001 8 9 nan -72.0": "not possible",
    "99001 8 inf 6.0 -72.0": "not possible",
    "99001 8 9 400.0 -72.0": "RA 400.0, Dec -72.0 or position not possible",
    "99001 8 9 6.0 -98.0": "not possible",
    "99001 8 9 -72.0 6.0": "exchanged?",
    "99001 8 9 1e999 -72.0": "not possible",
    "99001.5 8 9 6.0 -72.0": "not an integer",
    "nan 8 9 6.0 -72.0": "not an integer",
    f"{10**30} 8 9 6.0 -72.0": "not an integer",
    f"{'9' * 5000} 8 9 6.0 -72.0": "not an integer",
    "{first} 8 9 6.0 -72.0": "a second time",
    "٣ 8 9 6.0 -72.0": "not numbers",
    "99_001 8 9 6.0 -72.0": "not numbers",
    "0x10 8 9 6.0 -72.0": "not numbers",
    "99001,8,9,6.0,-72.0": "1 columns",
    "99001 8 9 6h -72d": "not numbers",
    "\x1b[2J 8 9 6.0 -72.0": r"\x1b[2J",
    "'; DROP TABLE ngc104_master; -- x": "not numbers",
    "x " * 100_000: "not numbers",
}


def test_bad_lines_of_a_catalog_are_named_and_the_rest_is_used(place, tmp_path):
    """With a byte-order mark, the line ends of another system, tabs, and comments, which are no faults."""
    data, config = place
    good = [line.replace(" ", "\t") for line in catalog_of(data).read_text().splitlines()]
    bad = [line.format(first=good[0].split()[0]) for line in BAD_LINES]
    lines = [*good[:3], *bad, "# a comment", "", *good[3:]]
    catalog_of(data).write_text("\ufeff" + "\r\n".join(lines) + "\r\n", encoding="utf-8", newline="")
    outcome = run(config, "--pr", "all", "--ctecorr", "flt")
    assert (outcome.code, outcome.count("failed"), outcome.count("pairs measured")) == (1, len(BAD_LINES), 1)
    for number, words in enumerate(BAD_LINES.values(), start=4):
        line = only_line(outcome, f"ngc104_master.cat, line {number}: ")
        assert words in line
        assert line.isprintable() and len(line) < 200
    assert len(dump(tmp_path / "database")["ngc104_master"]) == len(good)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_what_is_no_file_is_no_catalog(place, make):
    data, config = place
    catalog_of(data).unlink()
    make(catalog_of(data))
    outcome = run(config, "--pr", "all", "--ctecorr", "flt")
    assert outcome.code == 1
    assert "no such master catalogue" in only_line(outcome, str(catalog_of(data)))


def test_damaged_area_map_is_named_and_the_exposures_are_measured(place):
    data, config = place
    (data / "PA_MAPS").mkdir()
    for chip in (1, 2):
        (data / "PA_MAPS" / f"UVIS{chip}wfc3_map.fits").write_text("nothing")
    outcome = run(config, "--pr", "all", "--ctecorr", "flt")
    assert outcome.count("extracted") == 2
    assert "UVIS1wfc3_map.fits" in outcome.err
    assert "UVIS2wfc3_map.fits" in outcome.err


# ---- Arguments -------------------------------------------------------------------------------------------------------

ARGUMENTS = (
    "",
    "--pr",
    "--pr 99999",
    "--pr -1",
    "--pr 1.5",
    "--pr ALL",
    "--pr ../14541",
    "--pr ١٤٥٤١",
    "--pr 9999999999999999999999999999999999",
    "--pr all --v 123",
    "--pr all --v ../",
    "--pr all --flashlvl nan",
    "--pr all --flashlvl twelve",
    "--pr all --flashlvl 7",
    "--pr all --ap 4",
    "--pr all --ap -3",
    "--pr all --ap inf",
    "--pr all --jobs 0",
    "--pr all --jobs -2",
    "--pr all --jobs 1e3",
    "--pr all --jobs many",
    "--pr all --ctecorr FLT",
    "--pr all --dofind yes",
    "--pr all --i maybe",
    "--pr all --pl everything",
    "--pr all --dq ../x",
    "--pr all --dq ''",
    "--pr all --chinject NONE",
    "--pr all --field nowhere",
    "--pr all --scheduler localhost",
    "--pr all --scheduler tcp://h:99999",
    "--pr all --config /dev/null/x",
    "--pr all --config .",
    "--pr all --unknown",
    "--pr 180 --chinject CONT",
    "--pr 180 --pl cte_logflux cte_time",
)
TOOLS = (
    "",
    "unknown",
    "database",
    "database create --config nowhere.py",
    "database copy sqlite:// --config nowhere.py",
    "database copy mysql://x/y",
    "correct nowhere.csv -o out.csv --mjd 57800 --exptime 30 --coeffs nowhere",
    "correct --what-if --mjd soon",
    "correct --what-if --plan",
    "correct --plan --mjd 61000 --flux many --coeffs nowhere",
    "build_master_catalog --target ngc104",
    "build_master_catalog --target ../x --filter F502N",
    "build_master_catalog --target ngc104 --filter F502N --sigma -1",
    "build_master_catalog --target ngc104 --filter F502N --at-most 0",
    "build_master_catalog --target ngc104 --filter F502N --refcat nowhere.fits",
    "run_tweakreg --jobs none",
    "run_adriz --pr 99999",
    "check_newdata --pr ../x",
    "retrieve --pr 99999",
    "compare_results a",
    "compare_results a b",
    "print_coeff_latextable --coeffs nowhere",
    "print_coeff_latextable --format html",
    "simulate x --columns 0",
    "simulate x --targets m31",
)


@pytest.fixture
def idle(make_config, tmp_path, monkeypatch):
    """A configuration in the working directory, with an empty data folder; and whatever is made beside it."""
    make_config(tmp_path)
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    before = {*tmp_path.rglob("*")}
    return lambda: {*tmp_path.rglob("*")} - before


@pytest.mark.parametrize(
    ("command", "words"),
    [*((run_wrapper, words) for words in ARGUMENTS), *((run_tool, words) for words in TOOLS)],
    ids=[*ARGUMENTS, *(f"tool {words}" for words in TOOLS)],
)
def test_wrong_arguments_are_refused_before_anything_is_made(idle, command, words):
    outcome = command(*shlex.split(words))
    assert outcome.code == 2
    assert outcome.out == ""
    *usage, last = outcome.err.splitlines()
    assert re.match(r"(run_)?uvis_external_cte.*: error: ", last)
    assert not usage or usage[0].startswith("usage: ")
    assert not idle()


# ---- Paths -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["with blanks", "Ωμέγα-目", 'quote\'s "and" %s {x} #1?', "-rf"])
def test_any_folder_name_will_do(copied, tmp_path, make_config, name):
    root = tmp_path / name
    root.mkdir()
    copied(root)
    outcome = run(make_config(root, aprads=[3]), "--pr", "all", "--ctecorr", "flt")
    assert outcome.code == 0, outcome.err
    assert outcome.count("pairs measured") == 1
    assert len(dump(root / "database")["ngc104_results"]) == 1
    assert str(root / "outputs") in outcome.out


@pytest.mark.slow
def test_warnings_of_worker_processes_are_seen_and_logged(place, tmp_path):
    data, config = place
    (data / "PA_MAPS").mkdir()
    (data / "PA_MAPS" / "UVIS2wfc3_map.fits").write_text("nothing")
    outcome = run_script("--pr", "all", "--ctecorr", "flt", "--pl", "none", "--jobs", 2, "--config", config)
    assert outcome.code == 0
    assert len([line for line in outcome.err.splitlines() if "UVIS2wfc3_map.fits" in line]) == 1
    (log,) = (tmp_path / "outputs" / "logs").glob("*.log")
    assert "UVIS2wfc3_map.fits" in log.read_text()


def test_a_catalogue_that_changed_after_the_table_was_filled_is_told(copied, make_config, tmp_path):
    data = copied(tmp_path)
    config = make_config(path_to_data=data)
    assert run(config, "--pr", "all", "--ctecorr", "flt").count("warnings") == 0
    path = data / "master_cat" / "final" / "ngc104_master.cat"
    first, *others = path.read_text().splitlines()
    star_id, x, y, ra, dec = first.split()
    for changed in (f"{star_id} {x} {y} {float(ra) + 1e-5} {dec}", f"{first}\n999999 {x} {y} {ra} {dec}"):
        path.write_text("\n".join([changed, *others]) + "\n")
        told = run(config, "--pr", "all", "--ctecorr", "flt")
        assert told.count("warnings") == 1
        assert any("ngc104_master" in line and "populate_master_tables" in line for line in told.lines)
    path.write_text("\n".join(others) + "\n")
    assert run(config, "--pr", "all", "--ctecorr", "flt").count("warnings") == 0, "stars may go from the file"
