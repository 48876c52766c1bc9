"""Names and values that mean something to SQL, a shell, a path, LaTeX or a terminal: they are text, and stay it."""

import ast
import io
import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from astropy.io import fits
from astropy.table import Table
from matplotlib.figure import Figure
from running import dump, run, run_script
from test_correct import coefficients

import wfc3_cte_monitor
from wfc3_cte_monitor.errors import MonitorError, UnusableExposureError, printable
from wfc3_cte_monitor.outputs.coefficient_table import coefficient_table, table_text
from wfc3_cte_monitor.plots import layout

MODULES = sorted(Path(wfc3_cte_monitor.__file__).parent.rglob("*.py"))
FILES = {
    b"\x1b[2J\x1b]0;owned\x07_flt.fits": r"\x1b[2J\x1b]0;owned\x07_flt.fits",
    b"two\nlines_flt.fits": r"two\nlines_flt.fits",
    b"\xff\xfe_flt.fits": r"\udcff\udcfe_flt.fits",
    b"$(touch owned)`touch owned`;touch owned_flt.fits": "$(touch owned)`touch owned`;touch owned_flt.fits",
    b"'; DROP TABLE ngc104_phot; --_flt.fits": "'; DROP TABLE ngc104_phot; --_flt.fits",
    b"%s%n{0}{settings}_flt.fits": "%s%n{0}{settings}_flt.fits",
    b"<script>alert(1)<_flt.fits": "<script>alert(1)<_flt.fits",
}
"""Name of a file -> how the one line has it."""
VALUES = {
    "CAL_VER": "'; DROP TABLE ngc104_phot; --",
    "SHUTRPOS": '"><script>alert(1)</script>',
    "FLASHCUR": r"$\frac{1}{$ | `touch x`",
    "PCTETAB": "../../../../etc/passwd",
}


@pytest.fixture(scope="module")
def hostile(copied, tmp_path_factory):
    """Root and outcome of a run over a pair with hostile keywords and hostile neighbours, where names must be ASCII."""
    root = tmp_path_factory.mktemp("hostile") / "a $b$ 'c' \"%s\" \\x"
    folder = copied(root) / "14541"
    for path in folder.iterdir():
        with fits.open(path, mode="update") as hdus:
            hdus[0].header.update(VALUES)
    for name in FILES:
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_text("no exposure")
    example = Path(wfc3_cte_monitor.__file__).parent.parent / "config.example.py"
    (root / "config.py").write_text(example.read_text() + "aprads = [3]\n")
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    arguments = ("--pr", "all", "--ctecorr", "flt", "--jobs", 1, "--pl", "ratio_ypos", "--config", root / "config.py")
    return root, run_script(*arguments, **ascii_only)


def test_the_rest_is_measured_whatever_its_neighbours_are_called(hostile):
    root, outcome = hostile
    assert (outcome.code, outcome.count("failed"), outcome.count("pairs measured")) == (1, len(FILES), 1)
    assert outcome.count("figures") > 0
    assert not list(root.rglob("*owned")) and not Path("owned").exists()


@pytest.mark.parametrize("shown", FILES.values())
def test_a_name_is_one_line_of_letters(hostile, shown):
    _, outcome = hostile
    assert [line for line in outcome.out.splitlines() if f"    {shown}: " in line]
    assert all(line.isprintable() for line in outcome.lines)
    assert "Traceback" not in outcome.err and "Logging error" not in outcome.err


def test_the_log_has_whole_lines(hostile):
    root, _ = hostile
    (log,) = (root / "outputs" / "logs").glob("*.log")
    assert all(line.isprintable() and line[:3] in ("", "202") for line in log.read_text(encoding="utf-8").split("\n"))


def test_values_are_kept_as_they_are(hostile):
    root, _ = hostile
    rows = dump(root / "database")
    assert len(rows["ngc104_phot"]) > 0
    for row in rows["ngc104_fileinfo"]:
        assert {name: row[name] for name in VALUES} == VALUES


def test_files_of_results_can_be_read_again(hostile):
    root, _ = hostile
    tables = [path for path in (root / "outputs").rglob("*") if path.suffix in (".coo", ".mag")]
    assert tables
    for path in tables:
        assert len(Table.read(path, format="ascii.ecsv"))


# ---- One line --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Ω 目", "Ω 目"),
        ("a\nb\tc", r"a\nb\tc"),
        ("\x1b[31m", r"\x1b[31m"),
        ("\udcff\u202e", r"\udcff\u202e"),
    ],
)
def test_errors_are_printable(text, shown):
    assert printable(text) == str(MonitorError(text)) == shown
    assert str(UnusableExposureError(text, text)) == f"{shown}: {shown}"


def test_line_breaks_in_an_argument_do_not_break_the_line(make_config):
    outcome = run(make_config(), "--pr", "14541\n\x1b[2J")
    (line,) = outcome.err.splitlines()
    assert r"14541\n\x1b[2J" in line


def test_a_folder_that_is_no_text_is_refused(make_config, tmp_path):
    """SQLite and ECSV have text alone, and each exposure would fail on its way there."""
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    outcome = run(make_config(tmp_path, path_to_data=folder), "--pr", "all")
    assert outcome.code == 2
    (line,) = outcome.err.splitlines()
    assert r"path_to_data: " in line and r"caf\udce9 has letters that this locale does not know" in line


# ---- Figures and tables ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("title", [r"$\frac{$", "a$b$c", r"\undefined $x", "100 % & {}"])
def test_a_title_is_no_mathematics(title):
    figure = Figure(figsize=(4, 3))
    layout.write_header(figure, title)
    figure.savefig(io.BytesIO(), format="png")
    assert not any(text.get_parse_math() for text in figure.texts if text.get_text() == title)


def test_a_coefficient_file_commands_neither_latex_nor_markdown():
    foreign = replace(coefficients(), target=r"\input{/etc/passwd} & $x$", subset="a | [b](http://c) <script>")
    table = coefficient_table([foreign])
    latex, markdown = (table_text(table, form) for form in ("latex", "markdown"))
    (row,) = (line for line in latex.splitlines() if "passwd" in line)
    assert r"\textbackslash{}input\{/etc/passwd\} \& \$x\$" in row
    (row,) = (line for line in markdown.splitlines() if "passwd" in line)
    assert r"a \| \[b\](http://c) \<script\>" in row
    assert row.count(" | ") == markdown.splitlines()[0].count(" | "), "a bar in a name parts no cells"


# ---- The code --------------------------------------------------------------------------------------------------------


def calls():
    """(module, call) of the package."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield path.relative_to(MODULES[0].parent).as_posix(), node


def named(*names):
    return {module for module, call in calls() if ast.unparse(call.func).split(".")[-1] in names}


def test_sql_is_written_in_one_place_and_made_of_names_alone():
    written = [(module, call.args[0]) for module, call in calls() if _takes_sql(call)]
    assert {module.split("/")[0] for module, _ in written} == {"database"}
    # Beyond constants: names of tables and columns, and what SQLite keeps as the SQL of its indexes and triggers.
    assert {module for module, sql in written if not isinstance(sql, ast.Constant)} == {
        "database/engine.py",
        "database/restructure.py",
    }


def _takes_sql(call):
    name = ast.unparse(call.func)
    return name.split(".")[-1] == "exec_driver_sql" or name in ("sa.text", "sqlalchemy.text")


def test_no_shell_and_no_code_from_elsewhere():
    assert not [module for module, call in calls() if any(word.arg == "shell" for word in call.keywords)]
    bare = {ast.unparse(call.func) for _, call in calls()}
    assert not bare & {"eval", "exec", "os.system", "os.popen", "pickle.load", "yaml.load"}
    assert named("run_path") == {"settings/read.py"}
    assert named("Popen") == {"alignment/host.py"}, "the check must see its calls"


def test_a_database_of_something_else_keeps_what_it_has(make_config, tmp_path):
    path = tmp_path / "database" / "uvis_external_cte.db"
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute('CREATE TABLE "\'; DROP TABLE x; --" (a TEXT)')
        connection.execute("INSERT INTO \"'; DROP TABLE x; --\" VALUES ('kept')")
    (tmp_path / "data").mkdir()
    assert run(make_config(tmp_path), "--pr", "all").code == 1
    with sqlite3.connect(path) as connection:
        assert connection.execute('SELECT a FROM "\'; DROP TABLE x; --"').fetchall() == [("kept",)]
