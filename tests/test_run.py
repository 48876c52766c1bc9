"""The wrapper over a simulated observatory: what its options choose, and what a run leaves."""

import hashlib
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from running import PROGRAM, dump, run, run_script

from wfc3_cte_monitor.commands.setup import default_answers, set_up
from wfc3_cte_monitor.pipeline import recipe
from wfc3_cte_monitor.pipeline.request import Request
from wfc3_cte_monitor.settings import read_settings
from wfc3_cte_monitor.simulate import oddities_plan, simulate_observatory
from wfc3_cte_monitor.tables import shipped_file

ALL = ["i9j00101q", "i9j00102q", "ib7x0101q", "ib7x0102q"]
OLD, NEW = ALL[:2], ALL[2:]
"""Chip 2, chip 1 of programs 12348 and 14541."""


@pytest.fixture(scope="module")
def config_of(observatory):
    """Writes a configuration for the shared observatory, with outputs and database in a folder of its own."""

    def write(folder, **changes):
        values = {"path_to_data": str(observatory / "data"), "aprads": [3, 5], **changes}
        text = shipped_file("config.example.py").read_text()
        text += "".join(f"{name} = {value!r}\n" for name, value in values.items())
        (folder / "config.py").write_text(text)
        return folder / "config.py"

    return write


@pytest.fixture
def config(config_of, tmp_path):
    return config_of(tmp_path)


@pytest.fixture(scope="module")
def finished(config_of, tmp_path_factory):
    """Folder and outcome of ``--pr all`` with all figures, in a process of its own. Nobody may change it."""
    root = tmp_path_factory.mktemp("finished")
    return root, run_script("--pr", "all", "--jobs", 2, "--config", config_of(root))


@pytest.fixture
def again(finished, config_of, tmp_path):
    """A copy of the finished run to run something else in: (folder, configuration)."""
    shutil.copytree(finished[0], tmp_path / "again", symlinks=True)
    return tmp_path / "again", config_of(tmp_path / "again")


def rootnames(root):
    return sorted({row["ROOTNAME"] for row in dump(root / "database")["ngc104_fileinfo"]})


# ---- A whole run -----------------------------------------------------------------------------------------------------


def test_run_ends_well_and_its_summary_counts(finished):
    root, outcome = finished
    assert outcome.code == 0
    labels = ("exposures found", "extracted", "left out by rule", "without a partner", "failed", "warnings")
    assert [outcome.count(label) for label in labels] == [8, 8, 0, 0, 0, 0]
    assert outcome.count("pairs measured") == 4
    assert outcome.count("figures") == len([*(root / "outputs" / "finalresults").glob("*/2*/**/*.png")])
    assert "Traceback" not in outcome.err


def test_database_holds_every_exposure_star_and_pair(finished):
    root, _ = finished
    rows = dump(root / "database")
    assert sorted(row["IMAGENAME"] for row in rows["ngc104_fileinfo"]) == sorted(
        f"{name}_{kind}.fits" for name in ALL for kind in ("flt", "flc")
    )
    pairs = {(row["IMAGENAME_1"], row["IMAGENAME_2"], row["APERTURE"]) for row in rows["ngc104_results"]}
    assert pairs == {
        (f"{one}_{kind}.fits", f"{two}_{kind}.fits", aperture)
        for two, one in (OLD, NEW)
        for kind in ("flt", "flc")
        for aperture in (3, 5)
    }
    stars = {row["IMAGENAME"]: row["NUMSTARS"] for row in rows["ngc104_fileinfo"]}
    assert len(rows["ngc104_phot"]) == sum(stars.values())
    assert rows["ngc6791_fileinfo"] == rows["ngc6791_phot"] == rows["ngc6791_results"] == []


def test_output_tree_has_the_names_of_the_guide(finished):
    outputs = finished[0] / "outputs"
    for kind, flash, flag in (("flt", "pf0", "False"), ("flc", "pf0_ctecorr", "True")):
        photom = outputs / "photom" / flash / "ngc104_F502N_l"
        for name in ALL:
            assert (photom / f"{name}_{kind}.coo").is_file()
            assert (photom / f"{name}_{kind}.mag").is_file()
            assert is_png(photom / "diagnostics" / f"{name}_{kind}.png")
        results = outputs / "finalresults" / flash / "most_recent"
        for two, one in (OLD, NEW):
            for radius in (3, 5):
                stem = results / "ngc104_F502N_l" / f"{one}_{two}_r{radius}_slopes"
                assert is_png(stem.with_name(f"{stem.name}.png"))
                assert Table.read(stem.with_name(f"{stem.name}.txt"), format="ascii.ecsv").meta["aperture"] == radius
        stem = f"F502N_l_pf0_ctecorr{flag}_r3"
        assert is_png(results / "cte_vs_time" / f"cteVStime_{stem}.png")
        assert len(Table.read(results / "cte_vs_time" / f"cteVStime_{stem}.txt", format="ascii.ecsv")) == 2 * 8
        stem = f"cteVSlogflux_ngc104_{stem}"
        assert is_png(results / "cte_vs_logflux" / f"{stem}.png")
        for mjd in (55468, 57772):
            coefficients = results / "cte_vs_logflux" / f"{stem}_mjd{mjd}_coeffs.txt"
            assert np.loadtxt(coefficients).shape == (9, 4)
            said = {
                "unit",
                "rank",
                "chi2",
                "points",
                "epochs",
                "range_d",
                "range_f",
                "covariance c00",
                "covariance c22",
            }
            assert said <= header_of(coefficients)


def is_png(path):
    return path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def header_of(path):
    return {line[2:].partition(":")[0] for line in path.read_text().splitlines() if line.startswith("# ")}


def test_files_of_an_exposure_are_read_back_whole(finished):
    root, _ = finished
    photom = root / "outputs" / "photom" / "pf0" / "ngc104_F502N_l"
    coo, mag = (Table.read(photom / f"{ALL[0]}_flt.{kind}", format="ascii.ecsv") for kind in ("coo", "mag"))
    assert coo.meta["imagename"] == mag.meta["imagename"] == f"{ALL[0]}_flt.fits"
    assert coo.meta["chip"] == 2
    np.testing.assert_array_equal(coo["id"], mag["id"])
    with sqlite3.connect(root / "database" / "uvis_external_cte.db") as connection:
        query = (
            "SELECT MASTER_ID, YPIX, FLUX_3, FLAGS_3 FROM ngc104_phot JOIN ngc104_fileinfo i ON FILE_ID = i.id "
            f"WHERE IMAGENAME = '{ALL[0]}_flt.fits' ORDER BY MASTER_ID"
        )
        ids, y, flux, flags = zip(*connection.execute(query), strict=True)
    mag.sort("id")
    np.testing.assert_array_equal(mag["id"], ids)
    np.testing.assert_array_equal(mag["flags_3"], flags)
    np.testing.assert_allclose(mag["y"], y, atol=1e-4)
    np.testing.assert_allclose(mag["flux_3"], np.array(flux, dtype=float), atol=1e-3)


def test_paths_in_the_database_exist(finished):
    rows = dump(finished[0] / "database")
    for row in rows["ngc104_fileinfo"]:
        assert (Path(row["IMAGEPATH"]) / row["IMAGENAME"]).is_file()
        assert (Path(row["PHOTPATH"]) / row["COOFILE"]).is_file()
        assert (Path(row["PHOTPATH"]) / row["MAGFILE"]).is_file()
    for row in rows["ngc104_results"]:
        assert (Path(row["SLOPEFILE_PATH"]) / row["SLOPEFILE"]).is_file()


def test_most_recent_is_the_last_run_and_earlier_ones_stay(again):
    root, config = again
    results = root / "outputs" / "finalresults" / "pf0"
    before = (results / "most_recent").resolve()
    outcome = run(config, "--pr", "last", "--ctecorr", "flt", "--ap", "3")
    after = (results / "most_recent").resolve()
    assert before.is_dir()
    assert after != before
    assert not drawn_in(after)
    assert f"results in {results / 'most_recent'} ({after.name})" in outcome.out


def drawn_in(folder):
    """Names of the figures that a run drew: those taken over from earlier results have a second name there.

    What they are called in the report does not count.
    """
    report = folder.parents[1] / "report" / "files" / folder.parent.name
    return [path.name for path in (folder / "").rglob("*.png") if _names(path, report / path.relative_to(folder)) == 1]


def _names(path, in_report):
    return path.stat().st_nlink - (in_report.is_file() and in_report.samefile(path))


def test_nothing_temporary_is_left(finished):
    root, _ = finished
    assert not list((root / "outputs" / "tempfiles").iterdir())
    assert not [path for path in (root / "outputs").rglob(".*")]


def test_rerun_gives_the_same_database_apart_from_the_date(finished, again):
    root, config = again
    assert run(config, "--pr", "all").code == 0
    assert dump(root / "database") == moved(dump(finished[0] / "database"), finished[0], root)


def moved(tables, old, new):
    """Rows of a run in one folder as they would be in another."""
    return {name: [replaced(row, str(old), str(new)) for row in rows] for name, rows in tables.items()}


def replaced(row, old, new):
    return {name: value.replace(old, new) if isinstance(value, str) else value for name, value in row.items()}


def test_one_process_gives_the_results_of_two(finished, config, tmp_path):
    assert run(config, "--pr", "all", "--jobs", 1).code == 0
    assert dump(tmp_path / "database") == moved(dump(finished[0] / "database"), finished[0], tmp_path)


# ---- What is worked on -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--pr", "last"], NEW),
        (["--pr", "12348"], OLD),
        (["--pr", "14541", "--v", "1"], NEW),
        (["--pr", "14541", "--v", "01", "3"], NEW),
        (["--pr", "14541", "--v", "3"], []),
        (["--pr", "all", "--flashlvl", "0"], ALL),
        (["--pr", "all", "--flashlvl", "12"], []),
    ],
)
def test_exposures_are_chosen(config, tmp_path, arguments, names):
    run(config, *arguments, "--ctecorr", "flt", "--ap", "3")
    assert rootnames(tmp_path) == names


def test_last_is_the_newest_listed_program_that_has_data(config_of, tmp_path):
    """14541 is not listed, 14378 has no data."""
    config = config_of(tmp_path, program_list=[12348, 14378])
    assert run(config, "--pr", "last", "--ctecorr", "flt").code == 0
    assert rootnames(tmp_path) == OLD


@pytest.mark.parametrize(("kind", "folders"), [("flt", {"pf0"}), ("flc", {"pf0_ctecorr"})])
def test_kind_is_chosen(config, tmp_path, kind, folders):
    outcome = run(config, "--pr", "last", "--ctecorr", kind, "--ap", "3")
    assert outcome.code == 0
    assert {row["IMAGENAME"][-8:] for row in dump(tmp_path / "database")["ngc104_fileinfo"]} == {f"{kind}.fits"}
    assert {path.name for path in (tmp_path / "outputs" / "finalresults").iterdir()} == folders


def test_other_bits_of_bad_pixels_are_measured_into_a_database_of_their_own(config, tmp_path):
    arguments = ("--pr", "last", "--ctecorr", "flt", "--ap", "3", "--pl", "none")
    assert run(config, *arguments, "--dq", "warm").code == 0
    assert [path.name for path in (tmp_path / "database").glob("*.db")] == ["uvis_external_cte_dqwarm.db"]
    assert {path.name for path in (tmp_path / "outputs").glob("*_dq*")} == {"photom_dqwarm", "finalresults_dqwarm"}
    outcome = run(config, *arguments, "--dq", "cold")
    assert outcome.code == 2
    assert "--dq cold: not in dq_choices (none, bad, hot, warm)" in outcome.err


def test_files_are_of_the_aperture_in_their_name_in_whatever_order_it_is_asked_for(config, tmp_path):
    settings = read_settings(config)
    request = Request(programs=(14541,), aprads=(5, 3), ctecorr=(False,), plots=())
    assert recipe.run(request, settings).exit_code == 0
    files = list((tmp_path / "outputs" / "finalresults").rglob("*_slopes.txt"))
    tables = {path.name.split("_")[2]: Table.read(path, format="ascii.ecsv") for path in files}
    assert {name: table.meta["aperture"] for name, table in tables.items()} == {"r3": 3.0, "r5": 5.0}
    stored = {row["APERTURE"]: row["NUMSTARS"] for row in dump(tmp_path / "database")["ngc104_results"]}
    assert {table.meta["aperture"]: table.meta["joined_stars"] for table in tables.values()} == stored


def test_apertures_are_chosen_for_files_and_all_are_measured(config, tmp_path):
    """Results of an aperture that was not asked for would else be of photometry that is no more."""
    assert run(config, "--pr", "last", "--ctecorr", "flt", "--ap", "5").code == 0
    rows = dump(tmp_path / "database")
    assert {row["APERTURE"] for row in rows["ngc104_results"]} == {3, 5}
    assert rows["ngc104_phot"][0]["FLUX_3"] is not None
    assert {path.name[-14:] for path in (tmp_path / "outputs" / "finalresults").rglob("*.txt")} == {"_r5_slopes.txt"}


@pytest.mark.parametrize(
    ("plots", "patterns"),
    [
        (["none"], set()),
        (["ratio_ypos"], {"_slopes.png"}),
        (["cte_time", "cte_logflux"], {"cteVStime", "cteVSlogflux"}),
    ],
)
def test_figures_are_chosen(again, plots, patterns):
    root, config = again
    arguments = (
        "--pr",
        "last",
        "--ctecorr",
        "flt",
        "--ap",
        "3",
        "--dofind",
        "n",
        "--dophot",
        "n",
        "--jobs",
        1,
        "--force",
    )
    outcome = run(config, *arguments, "--pl", *plots, fast=False)
    assert outcome.code == 0
    names = drawn_in(root / "outputs" / "finalresults" / "pf0" / "most_recent")
    assert len(names) == outcome.count("figures") == len(patterns)
    assert all(any(pattern in name for name in names) for pattern in patterns)


# ---- Steps and what they keep ----------------------------------------------------------------------------------------


def content(root):
    """Digests of the database's rows and of the file."""
    path = root / "database" / "uvis_external_cte.db"
    return dump(root / "database", without=()), hashlib.sha256(path.read_bytes()).hexdigest()


def test_without_insertion_the_database_stays_as_it_was(again):
    root, config = again
    with sqlite3.connect(root / "database" / "uvis_external_cte.db") as connection:
        connection.execute("UPDATE ngc104_phot SET FLUX_3 = 0")
        connection.execute("DELETE FROM ngc104_results")
    connection.close()
    before = content(root)
    outcome = run(config, "--pr", "all", "--ctecorr", "flt", "--ap", "3", "--i", "n", "--force")
    assert outcome.code == 0
    assert content(root) == before
    assert outcome.count("pairs measured") == 2
    table = Table.read(next((root / "outputs/finalresults/pf0/most_recent").rglob("*_slopes.txt")), format="ascii.ecsv")
    assert table["n_points"].sum() > 50, "the rehearsal measures the exposures, not what the database has"


def test_without_insertion_a_new_database_has_no_rows(config, tmp_path):
    assert run(config, "--pr", "last", "--ctecorr", "flt", "--i", "n").code == 0
    assert not any(dump(tmp_path / "database").values())


def test_results_come_from_the_database_without_finding_and_photometry(finished, again):
    root, config = again
    with sqlite3.connect(root / "database" / "uvis_external_cte.db") as connection:
        connection.execute("DELETE FROM ngc104_results")
    connection.close()
    photom = {path: path.stat().st_mtime_ns for path in (root / "outputs" / "photom").rglob("*.*")}
    outcome = run(config, "--pr", "all", "--dofind", "n", "--dophot", "n")
    assert outcome.code == 0
    assert outcome.count("extracted") == 0
    before, after = moved(dump(finished[0] / "database"), finished[0], root), dump(root / "database")
    assert after["ngc104_results"] == before["ngc104_results"]
    assert after["ngc104_phot"] == before["ngc104_phot"]
    assert {path: path.stat().st_mtime_ns for path in (root / "outputs" / "photom").rglob("*.*")} == photom


def test_photometry_without_finding_is_at_the_positions_of_the_coo_files(again):
    root, config = again
    path = root / "outputs" / "photom" / "pf0" / "ngc104_F502N_l" / f"{NEW[0]}_flt.coo"
    table = Table.read(path, format="ascii.ecsv")
    table = table[:100]
    table.write(path, format="ascii.ecsv", overwrite=True)
    before = path.read_bytes()
    assert run(config, "--pr", "last", "--ctecorr", "flt", "--dofind", "n").code == 0
    stars = {
        row["ROOTNAME"]: row["NUMSTARS"] for row in dump(root / "database")["ngc104_fileinfo"] if not row["CTECORR"]
    }
    assert stars[NEW[0]] == 100
    assert path.read_bytes() == before


def test_photometry_without_any_coo_file_says_what_to_do(config):
    outcome = run(config, "--pr", "last", "--ctecorr", "flt", "--dofind", "n")
    assert outcome.code == 1
    assert outcome.count("failed") == 2
    assert f"{NEW[0]}_flt.coo: no such coordinate file; run with --dofind y" in outcome.out


def test_finding_without_photometry_writes_the_coo_files_alone(config, tmp_path):
    assert run(config, "--pr", "last", "--ctecorr", "flt", "--dophot", "n").code == 0
    files = {path.name for path in (tmp_path / "outputs" / "photom").rglob("*.*")}
    assert files == {f"{name}_flt.coo" for name in NEW}
    assert rootnames(tmp_path) == []


@pytest.mark.parametrize(("answer", "copied"), [("y", True), ("n", False)])
def test_results_are_copied_where_asked(config_of, tmp_path, answer, copied):
    config = config_of(tmp_path, path_to_automated_outputs="web")
    assert run(config, "--pr", "last", "--ctecorr", "flt", "--ap", "3", "--ao", answer).code == 0
    results = tmp_path / "outputs" / "finalresults" / "pf0" / "most_recent"
    original = {path.relative_to(results): path.read_bytes() for path in results.rglob("*.txt")}
    web = tmp_path / "web" / "pf0"
    assert original
    assert {path.relative_to(web): path.read_bytes() for path in web.rglob("*.*")} == (original if copied else {})


# ---- What is left out ------------------------------------------------------------------------------------------------

ODDITIES = {
    "charge injection": 2,
    "off-field": 2,
    "failed post-flash": 1,
    "x-dither": 2,
    "sub-dither": 1,
    "forbidden visit 12379/13 (guide-star failure)": 2,
}


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """Folder of a run over exposures that must all be left out; plan; outcome."""
    root = tmp_path_factory.mktemp("odd")
    plan = oddities_plan(ctecorr=[False])
    simulate_observatory(root, plan, n_columns=8)
    return root, plan, run(set_up(default_answers(root)), "--pr", "all")


def test_exposures_left_out_are_counted_by_reason(odd):
    _, plan, outcome = odd
    assert outcome.code == 0
    assert outcome.count("exposures found") == outcome.count("left out by rule") == len(plan) == sum(ODDITIES.values())
    for reason, number in ODDITIES.items():
        assert f"    {number:5d}  {reason}\n" in outcome.out


def test_log_file_names_every_exposure_left_out_and_repeats_the_summary(odd):
    root, plan, outcome = odd
    (log,) = (root / "outputs" / "logs").glob("*.log")
    text = log.read_text()
    for exposure in plan:
        (line,) = (line for line in text.splitlines() if exposure.imagename(False) in line)
        assert any(reason in line for reason in ODDITIES)
    assert f"log in {log}" in outcome.out
    for line in outcome.out.splitlines():
        assert line in text


def test_every_run_has_a_log_of_its_own(odd):
    root, _, _ = odd
    before = set((root / "outputs" / "logs").glob("*.log"))
    for _ in range(2):
        run(root / "config.py", "--pr", "12379")
    assert len(set((root / "outputs" / "logs").glob("*.log")) - before) == 2


def test_exposures_not_asked_for_are_counted_too(config):
    """So that the numbers of the summary add up."""
    outcome = run(config, "--pr", "last", "--ctecorr", "flt", "--ap", "3")
    assert outcome.count("exposures found") == outcome.count("extracted") + outcome.count("not asked for")


# ---- Arguments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["--i", "--ao", "--dofind", "--dophot", "--irafphot"])
@pytest.mark.parametrize("answer", ["yes", "Y", "1", "True", "not", ""])
def test_only_y_and_n_are_answers(config, tmp_path, flag, answer):
    outcome = run(config, "--pr", "all", flag, answer)
    assert outcome.code == 2
    assert f"argument {flag}: must be y or n, not {answer!r}" in outcome.err
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--pr", "11665"], "--pr 11665: not in program_list"),
        (["--pr", "newest"], "--pr newest"),
        (["--pr", "-1"], "--pr"),
        (["--pr", "²"], "--pr"),
        (["--pr", "all", "--ap", "4"], "--ap 4: not in aprads"),
        (["--pr", "all", "--ap", "nan"], "--ap nan"),
        (["--pr", "all", "--flashlvl", "7"], "--flashlvl 7: not in flashlvl_list"),
        (["--pr", "all", "--flashlvl", "-6"], "--flashlvl"),
        (["--pr", "all", "--ctecorr", "raw"], "--ctecorr"),
        (["--pr", "all", "--v", "003"], "--v"),
        (["--pr", "all", "--v", "../"], "--v"),
        (["--pr", "all", "--pl", "ratio"], "--pl"),
        (["--pr", "all", "--nonsense"], "--nonsense"),
        ([], "--pr"),
    ],
)
def test_bad_argument_is_refused_before_any_work(config, tmp_path, arguments, words):
    outcome = run(config, *arguments)
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.splitlines()[-1].startswith(f"{PROGRAM}: error: ")
    assert words in outcome.err.splitlines()[-1]
    assert not (tmp_path / "outputs").exists()
    assert not (tmp_path / "database").exists()


@pytest.mark.parametrize("jobs", ["0", "-1", "1.5", "many"])
def test_jobs_is_a_whole_number_above_0(config, jobs):
    outcome = run(config, "--pr", "all", "--pl", "none", "--jobs", jobs, fast=False)
    assert outcome.code == 2
    assert "argument --jobs" in outcome.err


def test_without_the_same_chip_set_its_run_says_so_and_leaves_all_as_it_is(config):
    outcome = run(config, "--pr", "180")
    assert outcome.code == 1
    assert outcome.count("exposures found") == 0
    assert "no FLT or FLC of 12692 visits 10 11" in outcome.out


def test_configuration_is_found_in_the_working_directory_and_by_environment(config, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.delenv("UVIS_CTE_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    assert "--pr 1: not in program_list" in run(None, "--pr", "1").err
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert "no configuration file" in run(None, "--pr", "1").err
    monkeypatch.setenv("UVIS_CTE_CONFIG", str(config))
    assert "--pr 1: not in program_list" in run(None, "--pr", "1").err
