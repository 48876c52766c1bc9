"""The configuration: found where it should be, taken whole or refused in one line that names what is wrong."""

from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from wfc3_cte_monitor.commands import uvis_external_cte
from wfc3_cte_monitor.errors import ConfigurationError
from wfc3_cte_monitor.records import Expectation, FluxBin, Subset
from wfc3_cte_monitor.settings import CONFIG_VARIABLE, Settings, find_config, read_settings
from wfc3_cte_monitor.tables import shipped_file

NAMES = [field.name for field in fields(Settings) if field.name not in ("config_file", "engine", "dq", "subset")]
OPTIONAL = {field.name: field.default for field in fields(Settings) if field.default is not MISSING}
OPTIONAL |= {field.name: field.default_factory() for field in fields(Settings) if field.default_factory is not MISSING}
DOCUMENTED_DEFAULTS = {
    "db_url",
    "sky_annulus",
    "max_shift",
    "bad_dq_bits",
    "dq_choices",
    "chinject_modes",
    "off_fields",
    "subdithers",
    "xdithers",
    "min_shared_field",
    "recommended_background",
    "logs_kept",
    "mast_server",
}
OF_THE_ALIGNMENT = ("tweakreg_parameters", "tweakreg_retries", "alignment_limits")
MAY_BE_MISSING = {*DOCUMENTED_DEFAULTS, *OF_THE_ALIGNMENT, "expected_exposures"}


def refusal(path):
    """The one line with which a configuration is refused."""
    with pytest.raises(ConfigurationError) as caught:
        read_settings(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message.removeprefix(str(path))


# ---- The example -----------------------------------------------------------------------------------------------------


def test_example_is_valid_as_it_is(settings_file):
    settings = read_settings(settings_file)
    assert settings.target_list == ("ngc104", "ngc6791", "ngc6583")
    assert settings.program_list[-1] == 14541
    assert settings.aprads == (3, 5, 10)
    assert settings.loss_unit == "mag"
    assert set(settings.forbidden_visits) == {12379, 14012}
    assert set(settings.forbidden_visits[12379]) == {"07", "13"}
    assert settings.same_chip_visits == {12692: ("10", "11")}
    assert settings.config_file == settings_file


def test_example_has_the_eight_bins_of_the_method(settings_file):
    edges = "250-500 500-1000 500-2000 1000-2000 2000-4000 2000-8000 4000-8000 8000-32000"
    assert {f"{b.lo:g}-{b.hi:g}" for b in read_settings(settings_file).bins} == set(edges.split())


def test_example_states_every_name(settings_file):
    text = shipped_file("config.example.py").read_text()
    assert [name for name in NAMES if f"\n{name} = " not in text] == []


@pytest.mark.parametrize("name", sorted(DOCUMENTED_DEFAULTS))
def test_default_that_the_example_documents_is_the_default(make_config, name):
    settings = read_settings(make_config(**{name: ...}))
    example = read_settings(shipped_file("config.example.py"))
    assert getattr(settings, name) == getattr(example, name) == OPTIONAL[name]


def test_a_choice_of_bits_has_a_database_and_results_of_its_own(make_config):
    plain = read_settings(make_config(dq_choices={"Hot": 16, "none": 0}))
    hot, iraf = plain.with_dq("hot"), plain.of_engine("iraf").with_dq("none")
    assert (plain.bad_dq_bits & 16, hot.bad_dq_bits, iraf.bad_dq_bits) == (0, 16, 0)
    assert hot.database_url.name == "uvis_external_cte_dqhot.db"
    assert hot.path_to_finalresults.name == "finalresults_dqhot"
    assert iraf.path_to_photom.name == "photom_iraf_dqnone"


def test_a_subset_has_a_database_results_and_copies_of_its_own(make_config):
    plain = read_settings(make_config(path_to_automated_outputs="web"))
    subset = Subset(chinject="LI10", visits_anyway=True)
    chosen = plain.of_engine("iraf").with_dq("hot").of_subset(subset)
    own = "_iraf_dqhot_chinjectli10_visitsanyway"
    assert chosen.database_url.name == f"uvis_external_cte{own}.db"
    assert (chosen.path_to_photom.name, chosen.path_to_finalresults.name) == (f"photom{own}", f"finalresults{own}")
    assert chosen.path_to_copies == plain.path_to_copies / own[1:]
    assert subset.title == "charge injection LI10, with forbidden visits"
    assert plain.of_subset(Subset()) == plain


def test_a_field_off_the_clusters_is_the_one_target_of_its_subset(make_config):
    plain = read_settings(make_config())
    assert plain.of_subset(Subset(field="cal2")).target_list == ("ngc104cal2",)
    assert plain.of_subset(Subset(xdithers=True)).target_list == plain.target_list


@pytest.mark.parametrize("name", OF_THE_ALIGNMENT)
def test_default_of_the_alignment_is_the_one_of_the_example(make_config, name):
    example = read_settings(shipped_file("config.example.py"))
    assert getattr(read_settings(make_config(**{name: ...})), name) == getattr(example, name)


def test_parameters_of_tweakreg_stand_on_the_general_ones(make_config):
    given = {("ngc6791", "*", "s"): {"threshold": 50.0}, ("*", "F502N", "*"): {"threshold": 70.0, "nclip": 4}}
    settings = read_settings(make_config(tweakreg_parameters=given, tweakreg_retries=[{"tolerance": 2.0}]))
    first, second = settings.tweakreg_for("ngc6791", "F502N", "s")
    assert (first["threshold"], first["nclip"], first["tolerance"]) == (50.0, 4, 3.0)
    assert second == first | {"tolerance": 2.0}
    assert settings.tweakreg_for("ngc104", "F502N", "s")[0]["threshold"] == 70.0
    assert settings.tweakreg_for("ngc104", "F606W", "s")[0]["threshold"] == 100.0


def test_settings_are_frozen(settings_file):
    with pytest.raises(AttributeError):
        read_settings(settings_file).loss_unit = "flux"


# ---- Refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(set(NAMES) - MAY_BE_MISSING))
def test_missing_name_is_named(make_config, name):
    assert refusal(make_config(**{name: ...})) == f": missing: {name}"


def test_several_missing_names_are_named_together(make_config):
    assert refusal(make_config(aprads=..., loss_unit=...)) == ": missing: aprads, loss_unit"


@pytest.mark.parametrize("name", ["programm_list", "config_file", "path_to_database", "Aprads"])
def test_unknown_name_is_named(make_config, name):
    assert f"unknown name {name!r}" in refusal(make_config(**{name: [3]}))


WRONG = {
    "path_to_data": ["", "  ", None, 5, b"data", ["data"]],
    "path_to_outputs": ["", None, 5],
    "path_to_automated_outputs": [5, ["a"]],
    "path_to_db": ["", None, 5],
    "db_name": ["", None, 5],
    "db_url": [5, ["sqlite://"]],
    "program_list": [14541, [], ["x"], [12.5], [True], [14541, 14541], [14541, "14541"], [-1], None],
    "flashlvl_list": [0, [], ["0"], [-1], [float("nan")], [float("inf")], [False], [12, 12.0]],
    "target_list": ["ngc104", [], ["ngc 104"], ["ngc104", "NGC104"], [104], ["ngc104; drop table x"], ["../ngc104"]],
    "filter_list": ["F502N", [], [502], [""], ["F502N", "F502N"]],
    "fluxbins_lo": ["250", [], [0] * 8, [-250] * 8, ["250"] * 8, [250], [1000000.5, *range(1, 8)]],
    "fluxbins_hi": [[500], [1] * 8, [250] * 8, None, [2000.00001] * 8],
    "aprads": [3, [], [0], [-3], ["3"], [3, 3.0], [3, None], [3.0000001], {3, 5}],
    "forbidden_visits": [
        [],
        None,
        {12379: ["07"]},
        {12379: {"007": "x"}},
        {12379: {"07": ""}},
        {"x": {}},
        {1: {"?": "x"}},
    ],
    "same_chip_visits": [["10", "11"], {12692: "10"}, {12692: []}, {12692: ["10", 10]}, {12692: ["1.0"]}],
    "loss_unit": ["magnitude", "", None, 1, ["mag"], "MAG"],
    "sky_annulus": [12, (20, 12), (12, 12), (12,), (12, 20, 30), ("12", "20"), (0, 20), (12, float("inf"))],
    "max_shift": [0, -1, "1.5", None, True, float("nan")],
    "recommended_background": [0, -1, "12", None],
    "logs_kept": [0, -1, 1.5, None, True, "many"],
    "bad_dq_bits": [1.5, "x", None, True, -1],
    "dq_choices": [16, ["hot"], {"hot": "x"}, {"hot": -1}, {5: 16}, {"../x": 16}, {"": 16}],
    "chinject_modes": [None, [], "CONT", ["NONE"], ["none"], ["LI 10"], ["CONT", "cont"], [10]],
    "off_fields": [["cal2"], {"cal 2": "NGC-104-CAL2"}, {"cal2": ""}, {"cal2": "---"}, {"x": "NGC-104"}, {5: "A"}],
    "subdithers": [None, 5, (0.1,), (80, 0.1), (0.1, 0.1), ("0", "1"), (-1, 80), (0.1, 40, 80)],
    "xdithers": [(40, 0.1)],
    "min_shared_field": [0, 1.1, -1, "0.5", None, True],
    "tweakreg_parameters": [
        None,
        {"ngc104": {}},
        {("ngc104", "F502N"): {}},
        {("ngc104", "F502N", "x"): {}},
        {("*", "*", "*"): {"refcat": "x"}},
        {("*", "*", "*"): {5: "x"}},
        {("*", "*", "*"): []},
    ],
    "tweakreg_retries": [None, 5, [5], [{"updatehdr": False}]],
    "alignment_limits": [None, [], {"rsm": 0.1}, {"rms": 0}, {"rms": "1"}, {"matches": None}],
    "expected_exposures": [None, [14012], {"x": {}}, {14012: ["03"]}, {14012: {"03": 5}}, {14012: {"03": []}}],
    "mast_server": [
        *(5, "  ", "mast.stsci.edu", "ftp://mast.stsci.edu", "https://", "https:///path", "file:///etc/passwd"),
        *("http://a:b@mast.stsci.edu", "http://mast.stsci.edu?x=1", "http://mast.stsci.edu:x", "http://ma st.edu"),
    ],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_wrong_value_is_refused_by_name(make_config, name, value):
    path = make_config()
    path.write_text(f"{path.read_text()}\n{name} = {source(value)}\n")
    assert name in refusal(path).split(": ")[1]


def source(value):
    """Python source of a value; repr knows no nan and no inf."""
    return repr(value).replace("nan", "float('nan')").replace("inf", "float('inf')")


def test_every_name_has_a_wrong_value_to_try():
    assert set(WRONG) == set(NAMES)


def test_same_bin_twice_is_refused(make_config):
    assert "same bin twice" in refusal(make_config(fluxbins_lo=[250, 250], fluxbins_hi=[500, 500.0]))


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("def f(:", "SyntaxError"),
        ("import no_such_module_at_all", "ModuleNotFoundError"),
        ("raise SystemExit(0)", "SystemExit"),
        ("raise ValueError('two\\nlines')", "two lines"),
    ],
)
def test_file_that_does_not_run_is_refused_in_one_line(make_config, code, expected):
    path = make_config()
    path.write_text(f"{path.read_text()}\n{code}\n")
    assert expected in refusal(path)


def test_file_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "config.py"
    path.write_bytes(b"\xff\xfe\x00\x01")
    refusal(path)


WRONG_EXPECTATIONS = [
    ("03", "ngc104 F502", "14012, visit 03: 'F502' is not a target, a filter"),
    ("03", "ngc104 F502N 12e-", "14012, visit 03: '12e-' is not"),
    ("03 04", ["ngc104", "F502N s"], "14012, '03 04': one of targets in a line, not 0: 'F502N s'"),
    ("03", "ngc104 ngc6791", "14012, visit 03: one of targets in a line, not 2"),
    ("03", "ngc104 x2 x3", "14012, visit 03: one of pairs in a line, not 2"),
    ("03", "ngc104 x0", "14012, visit 03: 'x0' is not"),
    ("03", "ngc105", "14012, visit 03: unknown target 'ngc105'"),
    ("03", "", "14012, visit 03: one of targets"),
    (4, {"ngc104": "s"}, "14012, visit 4: must be a line"),
    ("003", "ngc104", "14012, '003': must be visits"),
    ("Sept 2010", "ngc104", "14012, 'Sept 2010': must be visits"),
    ("Jul-Jun 2010", "ngc104", "14012, 'Jul-Jun 2010': must be visits"),
    ("Feb 2015, 03", "ngc104", "14012, 'Feb 2015, 03': must be visits"),
    ("03", ["ngc104 F502N s", "ngc104 F502N s l"], "14012, visit 03: the same is said twice (ngc104 F502N s)"),
]


@pytest.mark.parametrize(("place", "lines", "words"), WRONG_EXPECTATIONS)
def test_wrong_expectation_names_program_and_visit(make_config, place, lines, words):
    message = refusal(make_config(expected_exposures={14012: {place: lines}}))
    assert message.startswith(f": expected_exposures: {words}")


# ---- What is taken, and in which form --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "taken"),
    [
        ("program_list", ["14541", 12348], (14541, 12348)),
        ("target_list", ["NGC104"], ("ngc104",)),
        ("aprads", (10, 3, 4.5), (3, 4.5, 10)),
        ("flashlvl_list", [0, 12.5], (0, 12.5)),
        ("forbidden_visits", {"12379": {7: "undithered", "0A": "why"}}, {12379: {"07": "undithered", "0a": "why"}}),
        ("forbidden_visits", {}, {}),
        ("same_chip_visits", {12692: ["5", 6]}, {12692: ("05", "06")}),
        ("loss_unit", "flux", "flux"),
        ("chinject_modes", ["cont", "Li17"], ("CONT", "LI17")),
        ("off_fields", {"Cal2": "NGC 104 CAL2"}, {"cal2": "ngc104cal2"}),
        ("off_fields", {}, {}),
        ("subdithers", [1, 40.5], (1, 40.5)),
        ("min_shared_field", 1, 1),
        ("path_to_automated_outputs", "", None),
        ("db_url", "", None),
        ("mast_server", "", None),
        ("mast_server", " https://mast.stsci.edu/ ", "https://mast.stsci.edu"),
        ("mast_server", "http://127.0.0.1:8000/mast", "http://127.0.0.1:8000/mast"),
        ("sky_annulus", [10, 15.5], (10, 15.5)),
    ],
)
def test_value_is_brought_to_its_one_form(make_config, name, value, taken):
    assert getattr(read_settings(make_config(**{name: value})), name) == taken


def test_expectations_are_every_combination_of_the_words(make_config):
    lines = ["ngc104 F502N s 350 pf0 pf12 x2", "NGC-6791 30s"]
    settings = read_settings(make_config(expected_exposures={"14012": {"3 0A": lines}}))
    expected = settings.expected_exposures[14012]
    assert len(expected) == 2 * (2 * 2 + 1)
    assert expected[0] == Expectation(14012, "03", "ngc104", "F502N", "s", 0.0, 2)
    assert expected[3] == Expectation(14012, "03", "ngc104", "F502N", 350.0, 12.0, 2)
    assert expected[-1] == Expectation(14012, "0a", "ngc6791", None, 30.0, None, None)
    assert expected[-1].visit == "0a"


def test_expectations_of_months_and_of_anywhere(make_config):
    value = {14012: {"Feb 2015, Jun/Jul 2015": "ngc104", "*": "ngc104 F606W"}}
    expected = read_settings(make_config(expected_exposures=value)).expected_exposures[14012]
    assert [(e.place, e.months, e.visit) for e in expected] == [
        ("Feb 2015", ((2015, 2), (2015, 2)), None),
        ("Jun/Jul 2015", ((2015, 6), (2015, 7)), None),
        ("*", None, None),
    ]


def test_example_expects_something_of_every_program(settings_file):
    settings = read_settings(settings_file)
    assert set(settings.expected_exposures) == set(settings.program_list)
    assert {e.flashlvl for p in settings.expected_exposures.values() for e in p} - {None} <= {*settings.flashlvl_list}
    assert {e.visit for e in settings.expected_exposures[12692]} == {None, "10", "11"}


def test_without_expectations(make_config):
    assert read_settings(make_config(expected_exposures=...)).expected_exposures == {}


def test_bins_come_in_the_order_of_the_file(make_config):
    settings = read_settings(make_config(fluxbins_lo=[500, 250], fluxbins_hi=[1000, 500.5]))
    assert settings.bins == (FluxBin(500, 1000), FluxBin(250, 500.5))


def test_imports_and_private_helpers_are_no_settings(make_config):
    path = make_config()
    code = ["import os", "from pathlib import Path", "_root = Path('/somewhere')", "path_to_data = _root / 'data'"]
    path.write_text("\n".join([path.read_text(), *code, "def helper(): pass", ""]))
    assert read_settings(path).path_to_data == Path("/somewhere/data")


def test_configuration_in_another_encoding_than_the_locale(make_config):
    path = make_config()
    path.write_text(path.read_text() + "path_to_data = '/données/星'\n", encoding="utf-8")
    assert read_settings(path).path_to_data == Path("/données/星")


# ---- Paths -----------------------------------------------------------------------------------------------------------


def test_relative_paths_are_relative_to_the_file(make_config, tmp_path, monkeypatch):
    path = make_config(tmp_path / "there", path_to_automated_outputs="../web")
    monkeypatch.chdir(tmp_path)
    settings = read_settings(find_config("there/config.py"))
    there = path.parent
    assert settings.path_to_data == there / "data"
    assert settings.path_to_outputs == there / "outputs"
    assert settings.path_to_db == there / "database"
    assert settings.path_to_automated_outputs == there / ".." / "web"
    assert settings.path_to_master_cat == there / "data" / "master_cat" / "final"
    assert settings.path_to_pa_maps == there / "data" / "PA_MAPS"
    assert settings.database_url == there / "database" / "uvis_external_cte.db"


def test_absolute_paths_and_home_stay_what_they_are(make_config):
    settings = read_settings(make_config(path_to_data="/data/uvis", path_to_outputs="~/cte"))
    assert settings.path_to_data == Path("/data/uvis")
    assert settings.path_to_outputs == Path.home() / "cte"


def test_db_url_wins_over_path_and_name(make_config):
    assert read_settings(make_config(db_url="sqlite:///elsewhere.db")).database_url == "sqlite:///elsewhere.db"


def test_with_db_url_path_and_name_may_be_left_out(make_config):
    settings = read_settings(make_config(db_url="sqlite://", path_to_db=..., db_name=...))
    assert settings.database_url == "sqlite://"
    assert settings.path_to_db is None


# ---- Where it is found -----------------------------------------------------------------------------------------------


@pytest.fixture
def three_places(make_config, tmp_path):
    """Configurations as --config, in the environment, and in the working directory."""
    given, environment, here = (make_config(tmp_path / name) for name in ("given", "environment", "here"))
    return given, {CONFIG_VARIABLE: str(environment)}, here


def test_config_argument_wins(three_places):
    given, environment, here = three_places
    assert find_config(given, environment, here.parent) == given


def test_environment_wins_over_the_working_directory(three_places):
    _, environment, here = three_places
    assert find_config(None, environment, here.parent) == Path(environment[CONFIG_VARIABLE])


def test_working_directory_is_the_last_resort(three_places):
    _, _, here = three_places
    assert find_config(None, {}, here.parent) == here
    assert find_config(None, {CONFIG_VARIABLE: ""}, here.parent) == here


@pytest.mark.parametrize(("place", "origin"), [(0, "--config"), (1, f"${CONFIG_VARIABLE}"), (2, "working directory")])
def test_place_without_a_file_is_named_and_nothing_else_is_tried(three_places, place, origin):
    given, environment, here = three_places
    lost = [given, Path(environment[CONFIG_VARIABLE]), here][place]
    lost.unlink()
    with pytest.raises(ConfigurationError) as caught:
        find_config(given if place == 0 else None, environment if place == 1 else {}, here.parent)
    assert str(lost) in str(caught.value)
    assert origin in str(caught.value)


def test_commands_find_it_in_all_three_places(three_places, monkeypatch, capsys):
    """`database create` says which database it made, and so which configuration it read."""
    given, environment, here = three_places
    monkeypatch.chdir(here.parent)
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)

    def folder_of_database(*arguments):
        assert uvis_external_cte.main(["database", "create", *arguments]) == 0
        return capsys.readouterr().out

    assert str(here.parent / "database") in folder_of_database()
    monkeypatch.setenv(CONFIG_VARIABLE, environment[CONFIG_VARIABLE])
    assert str(Path(environment[CONFIG_VARIABLE]).parent / "database") in folder_of_database()
    assert str(given.parent / "database") in folder_of_database("--config", str(given))


def test_bad_configuration_is_one_line_and_exit_code_2(make_config, capsys):
    path = make_config(aprads=3)
    assert uvis_external_cte.main(["database", "create", "--config", str(path)]) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1
    assert "aprads" in error[0]
