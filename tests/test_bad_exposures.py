"""Every kind of spoiled exposure, beside a good pair in one run: one line that names it, the rest is measured.

The kinds are the table of `spoiled`.
"""

import re
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from running import dump, run_script
from spoiled import HARMLESS, NAMES, SPOILED

from wfc3_cte_monitor.exposures import read_chip, read_exposure
from wfc3_cte_monitor.records import Exposure
from wfc3_cte_monitor.settings import read_settings
from wfc3_cte_monitor.simulate import IDEAL, PlannedExposure, make_cluster, simulate_exposure
from wfc3_cte_monitor.tables import shipped_file

pytestmark = pytest.mark.slow

GOOD = ("ib7x0101q", "ib7x0102q")
"""The pair of program 14541 in the `observatory`."""
FAILED = [what for what, row in SPOILED.items() if not row.left_out]
LEFT_OUT = [what for what, row in SPOILED.items() if row.left_out]


@pytest.fixture(scope="module")
def template():
    """An exposure of 8 columns without stars."""
    plan, cluster = PlannedExposure(14541, "01", 1, 57770.0, "ngc104"), make_cluster("ngc104", n_columns=8, flux=[])
    return simulate_exposure(plan, cluster, n_columns=8, effects=replace(IDEAL, noise=True))


@pytest.fixture(scope="module")
def museum(copied, template, tmp_path_factory):
    """Folder of a run, in a process of its own, over a good pair and everything that is spoiled; and its outcome."""
    root = tmp_path_factory.mktemp("museum")
    folder = copied(root) / "14541"
    for what, row in SPOILED.items():
        hdus = fits.HDUList([hdu.copy() for hdu in template])
        hdus[0].header["ROOTNAME"] = NAMES[what][:9]
        row.spoil(hdus, folder / NAMES[what])
    text = shipped_file("config.example.py").read_text()
    (root / "config.py").write_text(text + "aprads = [3]\n")
    arguments = ("--pr", "all", "--ctecorr", "flt", "--pl", "none", "--jobs", 2, "--config", root / "config.py")
    return root, run_script(*arguments)


def test_the_table_has_many_kinds():
    assert len(SPOILED) >= 120


def test_run_over_spoiled_files_ends_well_for_the_rest(museum):
    _, outcome = museum
    assert outcome.code == 1
    assert outcome.count("exposures found") == len(SPOILED) + 2
    assert outcome.count("extracted") == 2
    assert outcome.count("failed") == len(FAILED)
    assert outcome.count("left out by rule") == len(LEFT_OUT)
    assert outcome.count("pairs measured") == 1
    assert outcome.count("without a partner") == 0


@pytest.mark.parametrize("what", FAILED)
def test_spoiled_file_is_named_once_with_what_is_wrong(museum, what):
    _, outcome = museum
    for stream, start in ((outcome.out, "    "), (outcome.err, "ERROR: failed: ")):
        lines = [line for line in stream.splitlines() if NAMES[what] in line and not line.startswith("WARNING")]
        assert len(lines) == 1, lines
        assert lines[0].startswith(f"{start}{NAMES[what]}: ")
        assert re.search(SPOILED[what].words, lines[0]), lines[0]


@pytest.mark.parametrize("what", LEFT_OUT)
def test_what_a_rule_leaves_out_is_said_in_one_line_of_the_log(museum, what):
    _, outcome = museum
    (line,) = (line for line in outcome.err.splitlines() if NAMES[what] in line)
    assert re.search(f"^INFO: left out: {NAMES[what]}: {SPOILED[what].words}", line), line


def test_nothing_but_lines_of_the_monitor_is_on_the_terminal(museum):
    _, outcome = museum
    assert "Traceback" not in outcome.out + outcome.err
    strangers = [line for line in outcome.err.splitlines() if not line.startswith(("INFO: ", "WARNING: ", "ERROR: "))]
    assert not strangers
    assert all(line.isprintable() and len(line) < 600 for line in outcome.lines)
    assert not [line for line in outcome.lines if "Error" in line or "object at 0x" in line]


def test_spoiled_files_leave_nothing_behind(museum):
    root, _ = museum
    rows = dump(root / "database")
    assert {row["ROOTNAME"] for row in rows["ngc104_fileinfo"]} == set(GOOD)
    assert {row["FILE_ID"] for row in rows["ngc104_phot"]} == {row["id"] for row in rows["ngc104_fileinfo"]}
    assert len(rows["ngc104_results"]) == 1
    written = [
        path.name
        for path in (root / "outputs").rglob("*")
        if path.is_file() and "report" not in path.parts and path.suffix not in (".log", ".jsonl", ".json")
    ]
    assert written
    assert not [name for name in written if not name.startswith(GOOD)]
    assert list((root / "outputs" / "tempfiles").iterdir()) == []


def test_spoiled_files_are_still_there(museum):
    root, _ = museum
    assert {*NAMES.values()} <= {path.name for path in (root / "data" / "14541").iterdir()}


def test_log_file_has_every_failure(museum):
    root, _ = museum
    (log,) = (root / "outputs" / "logs").glob("*.log")
    text = log.read_text()
    assert not [what for what in FAILED if f"failed: {NAMES[what]}" not in text]
    assert not [line for line in text.split("\n") if line and not re.match(r"\d{4}-\d\d-\d\d ", line)]


# ---- What is odd, but no fault ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", HARMLESS)
def test_what_is_odd_but_no_fault_is_read(template, make_config, tmp_path, what):
    path = tmp_path / f"{GOOD[0]}_flt.fits"
    hdus = fits.HDUList([hdu.copy() for hdu in template])
    expected = hdus["SCI", 1].data.copy()
    HARMLESS[what](hdus, path)
    legal = read_settings(make_config())
    exposure, image = read_exposure(path, legal), read_chip(path, 2)
    assert isinstance(exposure, Exposure)
    assert (exposure.rootname, exposure.exptime, exposure.chip) == (GOOD[0], 350.0, 2)
    np.testing.assert_allclose(image.data, expected, atol=0.5 if "integers" in what else 0)
