"""What nominal runs leave out, asked for by name: a known loss comes back, and nominal results stay as they were."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.table import Table
from matplotlib.figure import Figure
from running import PROGRAM, run, run_step, run_tool

from benchmarks.wholeness import rows_of
from wfc3_cte_monitor import correct_photometry, simulate
from wfc3_cte_monitor.commands.setup import default_answers, set_up
from wfc3_cte_monitor.database import Database
from wfc3_cte_monitor.errors import CoefficientError
from wfc3_cte_monitor.exposures import read_exposure
from wfc3_cte_monitor.pipeline.closure import true_losses
from wfc3_cte_monitor.records import Exposure, Rejection, Subset
from wfc3_cte_monitor.settings import read_settings
from wfc3_cte_monitor.slopes import loss
from wfc3_cte_monitor.tables import Schema

pytestmark = pytest.mark.slow

COLUMNS = 64
MINUTES = 1.0 / 1440.0
CHOICES = {
    "chinjectcont": ("--chinject", "cont"),
    "chinjectli10": ("--chinject", "LI10"),
    "fieldcal2": ("--field", "cal2"),
    "xdithers": ("--xdithers",),
    "subdithers": ("--subdithers",),
    "visitsanyway": ("--visits-anyway",),
}
"""What its names end with -> the options that ask for it."""

# chip 2, chip 1
NOMINAL = ("ib7x0101q", "ib7x0102q")
INJECTED = ("ib7x010bq", "ib7x010cq")
INJECTED_ALONE = "ib7x010dq"
OFF_FIELD = ("ib7x010lq", "ib7x010mq")
MOVED_ALONG_ROWS = ("ib7x010vq", "ib7x010wq")
MOVED_ALONG_ROWS_ALONE = "ib7x010xq"
BEFORE = ("i9j00101q", "i9j00102q")
MOVED_ALONG_COLUMNS = ("i9j00115q", "ib7x0115q")
"""By 40 and by 8 arcsec."""
UNDITHERED = ("i9jv0701q", "i9jv0702q")
LOST_STAR = ("i9jv1301q", "i9jv1302q")

PAIRS = {
    "chinjectcont": {INJECTED},
    "chinjectli10": set(),
    "fieldcal2": {OFF_FIELD},
    "xdithers": {MOVED_ALONG_ROWS, (MOVED_ALONG_ROWS_ALONE, NOMINAL[1])},
    "subdithers": {(MOVED_ALONG_COLUMNS[0], BEFORE[1]), (MOVED_ALONG_COLUMNS[1], NOMINAL[1])},
    "visitsanyway": {BEFORE, NOMINAL, LOST_STAR},
}
"""What each measures: (chip 2, chip 1)."""


def plan():
    """Two nominal epochs, and in and after the second what a nominal run must leave out; FLT alone."""
    kind = {"targets": ("ngc104",), "lengths": ("l",), "flashlvls": (0.0,), "ctecorr": (False,)}
    nominal = simulate.default_plan(n_epochs=2, **kind)
    early, late = nominal[:2], nominal[2:]

    def like(exposures, number, **changes):
        return [
            replace(exposure, number=number + k, mjd=exposure.mjd + 8 * number * MINUTES, **changes)
            for k, exposure in enumerate(exposures)
        ]

    injected = [*like(late, 11, chinject="CONT"), *like(late[:1], 13, chinject="LI10")]
    along_rows = [*like(late, 31, postarg1=1.0), *like(late[:1], 33, postarg1=-0.8)]
    along_columns = [*like(early[:1], 41, postarg2=40.0), *like(late[:1], 41, postarg2=8.0)]
    forbidden = [*like(late, 1, program=12379, visit="07", postarg2=0.0), *like(late, 1, program=12379, visit="13")]
    return [*nominal, *injected, *like(late, 21, target="ngc104cal2"), *along_rows, *along_columns, *forbidden]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Folder of a simulated observatory with a configuration."""
    root = tmp_path_factory.mktemp("subsets")
    dense = {"ngc104cal2": simulate.make_cluster("ngc104cal2", 4000, n_columns=COLUMNS, seed=5)}
    simulate.simulate_observatory(root, plan(), seed=5, n_columns=COLUMNS, clusters=dense)
    config = set_up(default_answers(root))
    config.write_text(f"{config.read_text()}\naprads = [3]\n")
    return root


@pytest.fixture(scope="module")
def finished(root):
    """Name of each subset -> outcome of its run, '' of a nominal one before them; what that left, before and after."""
    nominal = run(root / "config.py", "--pr", "all", "--pl", "cte_logflux", "--jobs", "1", fast=False)
    before = left_by_nominal(root)
    outcomes = {name: run(root / "config.py", "--pr", "all", *choice) for name, choice in CHOICES.items()}
    return outcomes | {"": nominal}, before, left_by_nominal(root)


def left_by_nominal(root):
    """Everything that the nominal run wrote but its log: rows of the database, and files by name."""
    folders = [root / "outputs" / name for name in ("finalresults", "photom")]
    files = {path: path.read_bytes() for folder in folders for path in folder.rglob("*.*") if path.is_file()}
    (path,) = (root / "database").glob("uvis_external_cte.db")
    return path.read_bytes(), files


def settings_of(root, name):
    subsets = {
        "": Subset(),
        "chinjectcont": Subset(chinject="CONT"),
        "chinjectli10": Subset(chinject="LI10"),
        "fieldcal2": Subset(field="cal2"),
        "xdithers": Subset(xdithers=True),
        "subdithers": Subset(subdithers=True),
        "visitsanyway": Subset(visits_anyway=True),
    }
    return read_settings(root / "config.py").of_subset(subsets[name])


def losses(root, name):
    """One row per pair and flux bin in the database of a subset: measured and true loss [mag / 2051 px]."""
    settings = settings_of(root, name)
    with Database(settings.database_url, Schema(settings.target_list, settings.aprads, settings.bins)) as database:
        table = database.slopes(settings.target_list[0], 3)
    table["loss"], table["loss_err"] = loss(table["magslope"], "mag"), loss(table["magslope_err"], "mag")
    pairs = {(row["imagename_1"], row["imagename_2"]) for row in table}
    true = {pair: true_losses(root, *pair, settings.bins) for pair in pairs}
    table["true"] = [true[row["imagename_1"], row["imagename_2"]][row["lo"], row["hi"]] for row in table]
    return table


# ---- Is the answer right ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHOICES)
def test_a_subset_measures_its_pairs_and_no_others(root, finished, name):
    assert finished[0][name].code == 0, finished[0][name].lines
    table = losses(root, name)
    pairs = {(row["imagename_2"][:9], row["imagename_1"][:9]) for row in table}
    assert pairs == PAIRS[name]


@pytest.mark.parametrize("name", [name for name, pairs in PAIRS.items() if pairs])
def test_the_loss_that_was_put_in_comes_back(root, finished, name):
    table = losses(root, name)
    # 500-1000 and 1000-2000 are in 500-2000, 2000-4000 and 4000-8000 in 2000-8000.
    table = table[(table["n_points"] >= 6) & np.isin(table["lo"], (250, 500, 2000)) & (table["hi"] != 1000)]
    table = table[table["hi"] != 4000]
    pulls = (table["loss"] - table["true"]) / table["loss_err"]
    assert len(table) >= 3
    assert np.abs(pulls).max() < 4
    assert abs(np.sum(pulls)) / np.sqrt(len(pulls)) < 3
    late = table[table["mjd"] > 57000]
    assert np.average(late["loss"], weights=late["loss_err"] ** -2.0) > 0.08


# ---- Apart from what is nominal --------------------------------------------------------------------------------------


def test_nominal_rows_and_files_stay_as_they_were(root, finished):
    outcomes, before, after = finished
    assert outcomes[""].count("pairs measured") == 2
    assert after == before
    rows = rows_of(root / "database" / "uvis_external_cte.db")
    again = run(root / "config.py", "--pr", "all")
    counts = [again.count(label) for label in ("unchanged", "extracted", "pairs unchanged")]
    assert (again.code, counts) == (0, [4, 0, 2])
    assert rows_of(root / "database" / "uvis_external_cte.db") == rows


@pytest.mark.parametrize("name", CHOICES)
def test_a_subset_has_a_database_and_folders_of_its_own(root, finished, name):
    assert (root / "database" / f"uvis_external_cte_{name}.db").is_file()
    assert {path.name for path in (root / "outputs").glob(f"*_{name}")} == {f"photom_{name}", f"finalresults_{name}"}


def test_subsets_go_together(root, finished):
    """Of the same injection and of a forbidden visit, or both kinds of dithers."""
    outcome = run(root / "config.py", "--pr", "14541", "--subdithers", "--xdithers")
    assert (outcome.code, outcome.count("pairs measured"), outcome.count("without a partner")) == (0, 2, 1)
    assert (root / "outputs" / "finalresults_subdithers_xdithers" / "pf0" / "most_recent").is_dir()
    outcome = run(root / "config.py", "--pr", "12379", "--chinject", "CONT", "--visits-anyway")
    assert (outcome.code, outcome.count("left out by rule")) == (0, 4)
    assert "        4  no charge injection" in outcome.out


def test_tables_figures_and_coefficients_say_what_they_are_of(root, finished, monkeypatch):
    titles = {}
    saved = Figure.savefig

    def savefig(figure, path, **options):
        titles[path.name] = [text.get_text() for text in figure.texts]
        return saved(figure, path, **options)

    monkeypatch.setattr(Figure, "savefig", savefig)
    figures = ("--pl", "ratio_ypos", "cte_time", "cte_logflux", "--jobs", "1", "--force")
    assert run(root / "config.py", "--pr", "all", "--chinject", "CONT", *figures, fast=False).code == 0
    assert len(titles) == 2 + 2 * 3, "of each exposure one, three of the pair, as PNG and as PDF"
    for name, texts in titles.items():
        assert any("charge injection CONT" in text for text in texts), name
    own = [root / "outputs" / f"{name}_chinjectcont" / "pf0" for name in ("photom", "finalresults")]
    tables = [path for folder in own for kind in ("*.txt", "*.coo", "*.mag", "*.ecsv") for path in folder.rglob(kind)]
    assert len(tables) >= 2 * 2 + 3 + 2
    for path in tables:
        if path.name.endswith("_coeffs.txt"):
            assert "\n# subset: charge injection CONT\n" in path.read_text()
        else:
            assert Table.read(path, format="ascii.ecsv").meta["subset"] == "charge injection CONT", path.name


@pytest.fixture(scope="module")
def coefficients(root, finished):
    """Folders of the coefficients of a nominal run and of one of a subset."""
    choice = ("--chinject", "CONT", "--pl", "cte_logflux", "--jobs", "1")
    assert run(root / "config.py", "--pr", "all", *choice, fast=False).code == 0
    return [root / "outputs" / f"finalresults{name}" / "pf0" / "most_recent" for name in ("", "_chinjectcont")]


STAR = {"flux": 1000.0, "y": 1800.0, "chip": 2, "mjd": 57772.0, "exptime": 350.0}


def test_coefficients_of_a_subset_are_taken_where_it_is_named_alone(coefficients):
    nominal, injected = coefficients
    with pytest.raises(CoefficientError, match=r"there are: ngc104 F502N FLT 3 px \(charge injection CONT\)"):
        correct_photometry(injected, **STAR)
    own = correct_photometry(injected, subset="charge injection CONT", **STAR).correction
    assert np.isfinite(own)
    assert correct_photometry([nominal, injected], **STAR).correction == correct_photometry(nominal, **STAR).correction
    both = correct_photometry([nominal, injected], subset="charge injection CONT", **STAR).correction
    assert both == own != correct_photometry(nominal, **STAR).correction


@pytest.mark.parametrize("source", [[], ["--db"], ["--coeffs"]])
def test_the_correct_command_names_a_subset_too(root, coefficients, source):
    source = [*source, coefficients[1]] if source == ["--coeffs"] else source
    question = ("correct", "--what-if", "--mjd", 57772, "--flux", 1000, "--y", 1800, "--chip", 2, "--config")
    outcome = run_tool(*question, root / "config.py", *source, "--chinject", "cont")
    assert outcome.code == 0, outcome.lines
    expected = correct_photometry(coefficients[1], subset="charge injection CONT", **STAR).correction
    assert f"correction  {expected:.4f} +-" in outcome.out


def test_the_table_of_coefficients_says_it(root, coefficients):
    table = ("print_coeff_latextable", "--format", "markdown", "--config", root / "config.py")
    assert "| ngc104 F502N long pf0 FLT r=3 (charge injection CONT) |" in run_tool(*table, "--chinject", "CONT").out
    assert "| ngc104 F502N long pf0 FLT r=3 |" in run_tool(*table).out


# ---- What is let in --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", *CHOICES])
def test_rules_let_in_what_is_asked_for(root, name):
    """Of dithered ones also the nominal ones, which may be partners."""
    nominal = {*NOMINAL, *BEFORE}
    expected = {
        "": nominal,
        "chinjectcont": {*INJECTED},
        "chinjectli10": {INJECTED_ALONE},
        "fieldcal2": {*OFF_FIELD},
        "xdithers": {*nominal, *MOVED_ALONG_ROWS, MOVED_ALONG_ROWS_ALONE},
        "subdithers": {*nominal, *MOVED_ALONG_COLUMNS},
        "visitsanyway": {*nominal, *UNDITHERED, *LOST_STAR},
    }
    read = [read_exposure(path, settings_of(root, name)) for path in sorted((root / "data").glob("*/*_flt.fits"))]
    assert all(isinstance(one, Exposure | Rejection) for one in read)
    assert {one.rootname for one in read if isinstance(one, Exposure)} == expected[name]


def test_limits_of_dithers_are_those_of_the_configuration(root):
    paths = {path.name[:9]: path for path in (root / "data").glob("*/*.fits")}
    narrow = replace(settings_of(root, "subdithers"), subdithers=(0.1, 10.0))
    assert read_exposure(paths[MOVED_ALONG_COLUMNS[0]], narrow).reason == "sub-dither"
    assert isinstance(read_exposure(paths[MOVED_ALONG_COLUMNS[1]], narrow), Exposure)


def test_the_summary_says_why_there_is_no_partner(root, finished):
    outcomes, *_ = finished
    alone = f"    {INJECTED_ALONE}_flt.fits: no partner: none on the other chip"
    assert alone in outcomes["chinjectli10"].out.splitlines()
    for name in UNDITHERED:
        assert f"    {name}_flt.fits: no partner: none on the other chip" in outcomes["visitsanyway"].out
    config = root / "strict.py"
    config.write_text(f"{(root / 'config.py').read_text()}\nmin_shared_field = 0.6\n")
    outcome = run(config, "--pr", "all", "--subdithers", "--i", "n")
    (line,) = (line for line in outcome.out.splitlines() if "no partner: " in line)
    assert line.startswith(f"    {MOVED_ALONG_COLUMNS[0]}_flt.fits: no partner: shares at most 5")


def test_nominal_exposures_that_are_nobodys_partners_are_not_measured(finished):
    outcome = finished[0]["xdithers"]
    assert (outcome.count("extracted"), outcome.count("not asked for")) == (5, 2)


def test_without_its_catalogue_a_field_says_in_one_line_what_to_do(root, tmp_path):
    config = tmp_path / "config.py"
    places = {"path_to_outputs": tmp_path / "outputs", "path_to_db": tmp_path}
    changes = "".join(f"{name} = {str(path)!r}\n" for name, path in places.items())
    config.write_text(f"{(root / 'config.py').read_text()}\noff_fields = {{'other': 'NGC-104-CAL'}}\n{changes}")
    assert run(config, "--pr", "all", "--field", "other").count("extracted") == 0
    config.write_text(f"{(root / 'config.py').read_text()}\n{changes}")
    catalog = root / "data" / "master_cat" / "final" / "ngc104cal2_master.cat"
    hidden = catalog.rename(catalog.with_suffix(".hidden"))
    try:
        outcome = run(config, "--pr", "all", "--field", "cal2")
    finally:
        hidden.rename(catalog)
    assert outcome.code == 1
    assert "Traceback" not in outcome.err
    (line,) = (line for line in outcome.out.splitlines() if "ngc104cal2_master.cat" in line)
    assert "no such master catalogue; copy it there" in line and "build_master_catalog" in line


def test_a_field_is_built_aligned_beside_the_nominal_and_measured(tmp_path):
    """From wrong pointings in newdata to losses, with the commands of the README; a catalogue of ngc104 is there."""
    kind = {"targets": ("ngc104",), "lengths": ("l",), "flashlvls": (0.0,)}
    nominal = simulate.default_plan(n_epochs=1, wcs_error=0.5, roll_error=0.05, **kind)
    off = [replace(e, number=20 + k, mjd=e.mjd + 0.1, target="ngc104cal2") for k, e in enumerate(nominal)]
    dense = {"ngc104cal2": simulate.make_cluster("ngc104cal2", 4000, n_columns=128, seed=5)}
    simulate.simulate_observatory(tmp_path, [*nominal, *off], seed=5, n_columns=128, archive=True, clusters=dense)
    config = set_up(default_answers(tmp_path))
    for path in (tmp_path / "archive").glob("*.fits"):
        path.rename(tmp_path / "data" / "newdata" / path.name)
    catalogs = tmp_path / "data" / "master_cat" / "final"
    (tmp_path / "truth" / "ngc104_master.cat").rename(catalogs / "ngc104_master.cat")
    assert run_step(config, "build_master_catalog", "--field", "cal2", "--filter", "F502N").code == 0
    assert len(np.loadtxt(catalogs / "ngc104cal2_master.cat")) > 1000
    aligned = run_step(config, "run_tweakreg")
    assert (aligned.code, aligned.count("aligned to"), aligned.count("stay in newdata")) == (0, 8, 0)
    outcome = run(config, "--pr", "all", "--field", "cal2", "--ap", "3")
    assert (outcome.code, outcome.count("extracted"), outcome.count("pairs measured")) == (0, 4, 2)
    assert run(config, "--pr", "all", "--ap", "3").count("extracted") == 4


def test_master_table_of_a_subset_is_filled_by_its_command(root, finished):
    config = ("--config", root / "config.py")
    outcome = run_tool("populate_master_tables", "--field", "cal2", *config)
    assert (outcome.code, len(outcome.lines)) == (0, 1)
    assert outcome.out.startswith("ngc104cal2_master: ")
    assert "ngc104cal2_master" in run_tool("database", "create", "--field", "cal2", *config).out


# ---- Bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--pr", "all", "--chinject", "NONE"), "--chinject NONE: not in chinject_modes (CONT, LI10, LI17, LI25)"),
        (("--pr", "all", "--chinject", "LI11"), "--chinject LI11: not in chinject_modes (CONT, LI10, LI17, LI25)"),
        (("--pr", "all", "--chinject", ""), "--chinject : not in chinject_modes (CONT, LI10, LI17, LI25)"),
        (("--pr", "all", "--chinject"), "--chinject"),
        (("--pr", "all", "--field", "cal3"), "--field cal3: not in off_fields (cal2)"),
        (("--pr", "all", "--field", "NGC-104-CAL2"), "--field NGC-104-CAL2: not in off_fields (cal2)"),
        (("--pr", "all", "--field", "../cal2"), "--field ../cal2: not in off_fields"),
        (("--pr", "all", "--xdithers", "5"), "unrecognized arguments: 5"),
        (("--pr", "180", "--chinject", "CONT"), "--pr 180: the same-chip set has no subset (charge injection CONT)"),
        (("--pr", "180", "--visits-anyway"), "--pr 180: the same-chip set has no subset (with forbidden visits)"),
        (("--pr", "180", "--field", "cal2", "--xdithers"), "has no subset (field cal2, x-dithers)"),
    ],
)
def test_bad_argument_is_refused_in_one_line_before_any_work(make_config, tmp_path, arguments, words):
    (tmp_path / "data").mkdir()
    outcome = run(make_config(), *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.splitlines()[-1].startswith(f"{PROGRAM}: error: ")
    assert words in outcome.err.splitlines()[-1]
    assert not (tmp_path / "outputs").exists() and not (tmp_path / "database").exists()


def test_a_field_or_a_target_is_built_not_both(make_config):
    both = ("build_master_catalog", "--field", "cal2", "--target", "ngc104", "--filter", "F502N")
    outcome = run_step(make_config(), *both)
    assert outcome.code == 2
    assert "--target: not allowed with argument --field" in outcome.err.splitlines()[-1]
