"""Whatever is wrong with the input: one clear line that names it, the rest is measured, nothing is half-written."""

import os
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from running import dump, run, run_script

from wfc3_cte_monitor.simulate import IDEAL, PlannedExposure, make_cluster, simulate_exposure
from wfc3_cte_monitor.tables import shipped_file

GOOD = ("ib7x0101q", "ib7x0102q")
"""The pair of program 14541 in the `observatory`."""

BLOCK = 2880


@pytest.fixture(scope="module")
def copied(observatory):
    """Copies the newer program of the observatory (FLT alone, unless asked) to a folder; returns its data folder."""

    def copy(folder, names=("*_flt.fits",), cats=("ngc104",)):
        data = folder / "data"
        for name in (f"master_cat/final/{target}_master.cat" for target in cats):
            (data / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(observatory / "data" / name, data / name)
        (data / "14541").mkdir(parents=True)
        for path in (path for name in names for path in (observatory / "data" / "14541").glob(name)):
            shutil.copy(path, data / "14541")
        return data

    return copy


@pytest.fixture
def place(copied, make_config, tmp_path):
    """(data folder with the good pair, configuration)."""
    return copied(tmp_path), make_config(tmp_path, aprads=[3])


# ---- A folder of broken files, in one run ----------------------------------------------------------------------------


def header(**keywords):
    """Keywords of the primary header, changed, or removed where None."""
    return lambda hdus, path: (apply(hdus[0].header, keywords), hdus.writeto(path))


def sci(**keywords):
    def change(hdus, path):
        for number in (1, 2):
            apply(hdus["SCI", number].header, keywords)
        hdus.writeto(path)

    return change


def apply(target, keywords):
    for keyword, value in keywords.items():
        if value is None:
            target.remove(keyword)
        else:
            target[keyword] = value


def pixels(value):
    def fill(hdus, path):
        hdus["SCI", 1].data[:] = value
        hdus.writeto(path)

    return fill


def without(*names):
    def remove(hdus, path):
        fits.HDUList([hdu for hdu in hdus if (hdu.name, hdu.ver) not in names]).writeto(path)

    return remove


def cut(extension, part, offset):
    """Ends at some bytes behind the begin of the header or of the data of an extension."""

    def shorten(hdus, path):
        hdus.writeto(path)
        with fits.open(path) as written:
            size = written[extension].fileinfo()[{"header": "hdrLoc", "data": "datLoc"}[part]] + offset
        os.truncate(path, size)

    return shorten


def content(text):
    return lambda hdus, path: path.write_bytes(text)


def card(keyword, value):
    """A card as no FITS library would write it."""

    def overwrite(hdus, path):
        hdus.writeto(path)
        whole = path.read_bytes()
        at = whole.index(keyword.ljust(8).encode() + b"=")
        path.write_bytes(whole[:at] + f"{keyword:8}= {value:>20}".ljust(80).encode() + whole[at + 80 :])

    return overwrite


def dangling(hdus, path):
    path.symlink_to(path.with_name("nowhere"))


def loop(hdus, path):
    path.symlink_to(path)


NEEDED = (
    *("ROOTNAME", "PROPOSID", "TARGNAME", "FILTER", "EXPTIME", "EXPSTART", "POSTARG1", "POSTARG2", "PA_V3", "CHINJECT"),
    *("SUBARRAY", "FLASHSTA", "INSTRUME", "DETECTOR"),
)

BROKEN = {
    "empty file": (content(b""), "empty file"),
    "text": (content(b"<html>404 not found</html>\n" * 300), "cannot be read"),
    "zeros": (content(b"\0" * 100_000), "cannot be read"),
    "cut in the primary header": (cut(0, "header", 1000), "cannot be read|truncated"),
    "cut at a block of the primary header": (cut(0, "header", BLOCK), "cannot be read|truncated"),
    "cut behind the primary header": (cut(1, "header", 0), "extension missing"),
    "cut in the header of SCI,1": (cut(("SCI", 1), "header", 1000), "missing|truncated"),
    "cut in the pixels of SCI,1": (cut(("SCI", 1), "data", 12_345), "truncated|missing"),
    "cut at a block of SCI,1": (cut(("SCI", 1), "data", 3 * BLOCK), "truncated|missing"),
    "cut between the chips": (cut(("SCI", 2), "header", 0), "SCI,2"),
    "cut in the header of SCI,2": (cut(("SCI", 2), "header", 500), "SCI,2|truncated"),
    "cut behind SCI,2": (cut(("ERR", 2), "header", 0), "DQ,2"),
    "cut in the last extension": (cut(-1, "data", 100), "truncated"),
    "cut before the distortion tables": (cut(7, "header", 0), "WCS"),
    "directory": (lambda hdus, path: path.mkdir(), "directory"),
    "dangling link": (dangling, "No such file"),
    "link to itself": (loop, "symbolic links"),
    "one chip missing": (without(("SCI", 2), ("ERR", 2), ("DQ", 2)), "SCI,2"),
    "no DQ": (without(("DQ", 1)), "DQ,1"),
    "NaN pixels": (pixels(np.nan), "finite pixel"),
    "infinite pixels": (pixels(np.inf), "finite pixel"),
    "not in electrons": (sci(BUNIT="COUNTS"), "COUNTS"),
    "chip unknown": (sci(CCDCHIP=None), "CCDCHIP"),
    "no read noise": (header(READNSEC=None), "READNSEC"),
    "no unit": (sci(BUNIT=None), "BUNIT"),
    "text for a number": (header(EXPTIME="abc"), "EXPTIME"),
    "text for a mean": (sci(MEANDARK="abc"), "MEANDARK"),
    "text for a kept number": (header(FLASHDUR="abc"), "FLASHDUR"),
    "blank number": (card("EXPSTART", ""), "EXPSTART"),
    "NaN date": (card("EXPSTART", "NaN"), "EXPSTART"),
    "negative date": (header(EXPSTART=-57770.0), "EXPSTART"),
    "date beyond all dates": (header(EXPSTART=1e300), "EXPSTART"),
    "negative time": (header(EXPTIME=-1.0), "EXPTIME"),
    "huge time": (header(EXPTIME=1e300), "EXPTIME"),
    "huge program": (header(PROPOSID=10**15), "PROPOSID"),
    "program of another folder": (header(PROPOSID=12348), "lies in 14541.*12348"),
    "path for a rootname": (header(ROOTNAME="../../x"), "ROOTNAME"),
    "rootname of another exposure": (header(ROOTNAME="ib7x0101q"), "ROOTNAME"),
    "unknown target": (header(TARGNAME="OMEGACEN"), "OMEGACEN"),
    "SQL for a target": (header(TARGNAME="x'); DROP TABLE ngc104_phot; --"), "DROP TABLE"),
    "script for a target": (header(TARGNAME="<script>alert(1)</script>"), "script"),
    "path for a target": (header(TARGNAME="../../../etc/passwd"), "passwd"),
    "field elsewhere": (sci(CRVAL1=10.0, CRVAL2=40.0), "none of the .* stars of ngc104_master"),
    "no stars": (header(), "catalogue stars are seen"),
    **{f"{keyword} missing": (header(**{keyword: None}), keyword) for keyword in NEEDED},
}


def name_of(number):
    return f"ib7x0{'ab'[number // 36]}{'0123456789abcdefghijklmnopqrstuvwxyz'[number % 36]}0q_flt.fits"


NAMES = {what: name_of(number) for number, what in enumerate(BROKEN)}


@pytest.fixture(scope="module")
def museum(copied, tmp_path_factory):
    """Folder of a run, in a process of its own, over a good pair and everything that is broken; and its outcome."""
    root = tmp_path_factory.mktemp("museum")
    data = copied(root)
    template = simulate_exposure(
        PlannedExposure(14541, "01", 1, 57770.0, "ngc104"),
        make_cluster("ngc104", n_columns=8, flux=[]),
        n_columns=8,
        effects=replace(IDEAL, noise=True),
    )
    for what, (damage, _) in BROKEN.items():
        path = data / "14541" / NAMES[what]
        hdus = fits.HDUList([hdu.copy() for hdu in template])
        hdus[0].header["ROOTNAME"] = path.name[:9]
        damage(hdus, path)
    text = shipped_file("config.example.py").read_text()
    (root / "config.py").write_text(text + "aprads = [3]\n")
    return root, run_script(
        *("--pr", "all", "--ctecorr", "flt", "--pl", "none", "--jobs", 2, "--config", root / "config.py")
    )


def test_run_over_broken_files_ends_well_for_the_rest(museum):
    _, outcome = museum
    assert outcome.code == 1
    assert outcome.count("exposures found") == len(BROKEN) + 2
    assert outcome.count("extracted") == 2
    assert outcome.count("failed") == len(BROKEN)
    assert outcome.count("pairs measured") == 1
    assert outcome.count("left out by rule") == outcome.count("without a partner") == 0


@pytest.mark.parametrize("what", BROKEN)
def test_broken_file_is_named_once_with_what_is_wrong(museum, what):
    _, outcome = museum
    for stream, start in ((outcome.out, "    "), (outcome.err, "ERROR: failed: ")):
        lines = [line for line in stream.splitlines() if NAMES[what] in line]
        assert len(lines) == 1, lines
        assert lines[0].startswith(f"{start}{NAMES[what]}: ")
        assert re.search(BROKEN[what][1], lines[0]), lines[0]


def test_nothing_but_lines_of_the_monitor_is_on_the_terminal(museum):
    _, outcome = museum
    assert "Traceback" not in outcome.out + outcome.err
    strangers = [line for line in outcome.err.splitlines() if not line.startswith(("INFO: ", "WARNING: ", "ERROR: "))]
    assert not strangers
    assert not [line for line in outcome.lines if "Error" in line or "object at 0x" in line]


def test_broken_files_leave_nothing_behind(museum):
    root, _ = museum
    rows = dump(root / "database")
    assert {row["ROOTNAME"] for row in rows["ngc104_fileinfo"]} == set(GOOD)
    assert {row["FILE_ID"] for row in rows["ngc104_phot"]} == {row["id"] for row in rows["ngc104_fileinfo"]}
    assert len(rows["ngc104_results"]) == 1
    written = [
        path.name
        for path in (root / "outputs").rglob("*")
        if path.is_file() and path.suffix not in (".log", ".json", ".jsonl")
    ]
    assert written
    assert not [name for name in written if not name.startswith(GOOD)]
    assert list((root / "outputs" / "tempfiles").iterdir()) == []


def test_log_file_has_every_failure(museum):
    root, _ = museum
    (log,) = (root / "outputs" / "logs").glob("*.log")
    text = log.read_text()
    assert not [name for name in NAMES.values() if f"failed: {name}" not in text]


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


def test_directory_for_the_database_is_named(copied, make_config, tmp_path):
    copied(tmp_path)
    (tmp_path / "database" / "uvis_external_cte.db").mkdir(parents=True)
    assert_one_line(run(make_config(tmp_path), "--pr", "all"), 2, "uvis_external_cte.db")


def test_file_that_is_no_database_is_named_and_kept(copied, make_config, tmp_path):
    copied(tmp_path)
    path = tmp_path / "database" / "uvis_external_cte.db"
    path.parent.mkdir()
    path.write_text("my notes\n" * 100)
    assert_one_line(run(make_config(tmp_path), "--pr", "all"), 2, "uvis_external_cte.db", "not a database")
    assert path.read_text() == "my notes\n" * 100


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


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("7 8 9", "3 columns"),
        ("99001 x 9 6.0 -72.0", "not numbers"),
        ("99001 8 9 nan -72.0", "not possible"),
        ("99001 8 9 6.0 -98.0", "not possible"),
        ("99001.5 8 9 6.0 -72.0", "not an integer"),
        ("{first} 8 9 6.0 -72.0", "a second time"),
    ],
)
def test_bad_line_of_a_catalog_is_named_and_the_rest_is_used(place, tmp_path, line, words):
    data, config = place
    lines = catalog_of(data).read_text().splitlines()
    first = lines[0].split()[0]
    catalog_of(data).write_text("\n".join([*lines[:3], line.format(first=first), *lines[3:]]) + "\n")
    outcome = run(config, "--pr", "all", "--ctecorr", "flt")
    assert outcome.code == 1
    assert outcome.count("failed") == 1
    assert words in only_line(outcome, "ngc104_master.cat, line 4: ")
    assert outcome.count("pairs measured") == 1
    assert len(dump(tmp_path / "database")["ngc104_master"]) == len(lines)


def test_damaged_area_map_is_named_and_the_exposures_are_measured(place):
    data, config = place
    (data / "PA_MAPS").mkdir()
    for chip in (1, 2):
        (data / "PA_MAPS" / f"UVIS{chip}wfc3_map.fits").write_text("nothing")
    outcome = run(config, "--pr", "all", "--ctecorr", "flt")
    assert outcome.count("extracted") == 2
    assert "UVIS1wfc3_map.fits" in outcome.err
    assert "UVIS2wfc3_map.fits" in outcome.err


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
