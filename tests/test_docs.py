"""README, documents, --help, CHANGES and the code tell the same story."""

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_correct import of_all_levels

from wfc3_cte_monitor import __version__
from wfc3_cte_monitor.commands import run_uvis_external_cte, uvis_external_cte
from wfc3_cte_monitor.outputs import publish_coefficients
from wfc3_cte_monitor.settings import CONFIG_VARIABLE

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
TUTORIAL = json.loads((DOCS / "tutorial.ipynb").read_text())
PARSERS = {"run_uvis_external_cte": run_uvis_external_cte.parser, "uvis_external_cte": uvis_external_cte.parser}
NOT_HERE = ("python3 -m venv", ". .venv/", "pip install")
"""How lines begin that would install what is being tested."""


def pages():
    """Name -> text of everything that is written for people, the tutorial's text among them."""
    paths = (ROOT / "README.md", ROOT / "CHANGES.md", *sorted(DOCS.glob("*.md")), *sorted(ROOT.glob("*/README.md")))
    cells = ("".join(cell["source"]) for cell in TUTORIAL["cells"] if cell["cell_type"] == "markdown")
    return {str(path.relative_to(ROOT)): path.read_text() for path in paths} | {"tutorial.ipynb": "\n".join(cells)}


PAGES = pages()
LINE_BY_LINE = (
    PAGES["docs/getting_started.md"].partition("\n## Your own data")[0],
    PAGES["docs/new_epoch.md"],
    PAGES["docs/database.md"],
)
"""Texts whose blocks tests run as a user would; tests/test_documented_commands.py runs the commands of all others."""


def parsers(parser, path=()):
    """Names -> parser of a command and of all its subcommands."""
    path = (*path, parser.prog.split()[-1])
    yield path, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from parsers(child, path)


ALL_PARSERS = {" ".join(path): parser for make in PARSERS.values() for path, parser in parsers(make())}
TOOLS = "|".join(name.split()[1] for name in ALL_PARSERS if len(name.split()) == 2)
SHOWN = rf"(?:\brun_uvis_external_cte (?=-)|\buvis_external_cte (?:-|(?:{TOOLS})\b))[^`\n|]*"


def commands(text):
    """The command lines that a text shows, without their trailing remarks."""
    # Only 'database' is a name of several commands; alone it is spoken of, not shown.
    lines = {re.split(r"  | && |; | > ", line)[0].strip() for line in re.findall(SHOWN, text)}
    return sorted(line for line in lines if "..." not in line and line != "uvis_external_cte database")


def blocks(text, language=""):
    """The blocks of a page that are marked as of this language."""
    fenced = re.findall(r"^(`{3,})([^`\n]*)\n(.*?)^\1$", text, flags=re.DOTALL | re.MULTILINE)
    return [block for _, marked, block in fenced if marked == language]


EXAMPLES = "\n".join(parser.epilog or "" for parser in ALL_PARSERS.values())
HISTORY = PAGES["CHANGES.md"]
NAMES = {f"uvis_external_cte {name}" for name in TOOLS.split("|")}
IN_BLOCKS = [line for text in (*PAGES.values(), EXAMPLES) for block in blocks(text) for line in commands(block)]
GUIDES = "\n".join([EXAMPLES, *(text for text in PAGES.values() if text != HISTORY)])


@pytest.mark.parametrize("line", commands(GUIDES))
def test_every_command_shown_is_understood(line):
    if line in NAMES and line not in IN_BLOCKS:
        return  # a sentence names the command and shows no line to be copied
    program, *arguments = shlex.split(line)
    if {"--help", "--version"} & set(arguments):
        return
    PARSERS[program]().parse_args(arguments)


def test_commands_and_options_that_changes_tell_of_are_there():
    """It names what is new of a command, without what else the command needs."""
    for line in commands(HISTORY):
        words = line.split()
        name = max((name for name in ALL_PARSERS if words[: len(name.split())] == name.split()), key=len)
        known = {option for action in ALL_PARSERS[name]._actions for option in action.option_strings}
        assert {word for word in words if word.startswith("--")} <= known, line


def test_the_commands_of_the_documents_are_found():
    """That the test above sees what is there."""
    assert len(commands(PAGES["README.md"])) >= 6
    shown = commands("\n".join(PAGES.values()))
    assert {f"uvis_external_cte {name}" for name in TOOLS.split("|")} <= {" ".join(c.split()[:2]) for c in shown}
    in_blocks = [line for text in PAGES.values() for block in blocks(text) for line in block.splitlines()]
    starts = tuple(f"{program} " for program in PARSERS)
    missed = [line for line in in_blocks if line.startswith(starts) and not commands(line)]
    assert not missed


@pytest.mark.parametrize("name", ALL_PARSERS)
def test_every_help_has_an_example_of_its_command(name):
    epilog = ALL_PARSERS[name].epilog or ""
    assert re.search(r"^examples?:$", epilog, flags=re.MULTILINE), f"{name} --help has none"
    assert any(line.startswith(name) for line in commands(epilog)), epilog


def test_every_option_is_explained():
    for name, parser in ALL_PARSERS.items():
        for action in parser._actions:
            assert action.help or action.metavar in ("COMMAND", "ACTION"), (name, action.option_strings)


@pytest.fixture(scope="module")
def measured(tmp_path_factory, observatory):
    """A folder as a user has it after a run: configuration, database, figures, coefficients."""
    folder = tmp_path_factory.mktemp("measured")
    uvis_external_cte.main(["initial_setup", "--folder", str(folder), "--path_to_data", str(observatory / "data")])
    argv = ["--pr", "all", "--ctecorr", "flt", "--ap", "3", "--pl", "cte_time", "--jobs", "1"]
    assert run_uvis_external_cte.main([*argv, "--config", str(folder / "config.py")]) == 0
    results = folder / "outputs" / "finalresults"
    publish_coefficients(of_all_levels(), results / "pfall" / "most_recent" / "cte_vs_flashlvl" / "x_coeffs.ecsv")
    (folder / "truth").symlink_to(observatory / "truth")
    for path in (results / "pf0" / "most_recent" / "cte_vs_time").glob("*.txt"):
        shutil.copy(path, folder)
    return folder


@pytest.mark.parametrize("name", [name for name, text in PAGES.items() if "```python\n" in text])
def test_python_of_the_documents_runs(name, measured, monkeypatch):
    """All blocks of a page, one after the other, in the folder of a configuration."""
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)
    monkeypatch.chdir(measured)
    namespace = {}
    for block in blocks(PAGES[name], "python"):
        exec(compile(block, name, "exec"), namespace)


def test_readme_and_guides_have_python():
    names = {name for name, text in PAGES.items() if blocks(text, "python")}
    assert {"README.md", "docs/correcting.md", "docs/python.md", "docs/extending.md"} <= names


class Shell:
    """Runs the lines of a page as a user would, with the commands of this environment."""

    def __init__(self, folder):
        self.folder, self.codes, self.said = folder, {}, ""
        path = os.pathsep.join([str(Path(sys.executable).parent), str(folder / "bin"), os.environ["PATH"]])
        self.environment = {**os.environ, "PATH": path}
        self.environment.pop(CONFIG_VARIABLE, None)
        sqlite3 = folder / "bin" / "sqlite3"
        sqlite3.parent.mkdir()
        sqlite3.write_text(f"#!{sys.executable}\n{SQLITE3}")
        sqlite3.chmod(0o755)

    def run(self, *lines):
        """Run lines one after the other; what they say and end with is remembered."""
        for line in lines:
            if line.startswith("cd "):
                self.folder = self.folder / line.removeprefix("cd ")
                continue
            done = subprocess.run(
                line, shell=True, cwd=self.folder, env=self.environment, capture_output=True, text=True
            )
            self.codes[line], self.said = done.returncode, self.said + done.stdout + done.stderr
        assert "Traceback" not in self.said, self.said


@pytest.mark.slow
def test_a_new_epoch_works_line_by_line_from_an_empty_data_folder(tmp_path):
    """Guide 3.3, with a folder of simulated archive files: rehearse, make catalogues, check, align, mask, measure."""
    steps, catalogs, rehearsal = (block.strip().splitlines() for block in blocks(PAGES["docs/new_epoch.md"]))
    shell = Shell(tmp_path)
    shell.run(*rehearsal, *catalogs, *steps)
    # The simulated programs hold less than the real ones, which check_newdata says.
    failed = {line for line, code in shell.codes.items() if code}
    assert failed <= {"uvis_external_cte check_newdata"}, shell.said
    assert not list((shell.folder / "data" / "newdata").glob("*.fits"))
    results = shell.folder / "outputs" / "finalresults" / "pf0" / "most_recent"
    assert list((results / "cte_vs_logflux").glob("*_coeffs.txt"))


@pytest.mark.slow
def test_getting_started_works_line_by_line(tmp_path, monkeypatch, capsys):
    """The first fifteen minutes, but for the installation; what the page points to must be there afterwards."""
    page = LINE_BY_LINE[0]
    lines = [line for block in blocks(page) for line in block.splitlines() if not line.startswith(NOT_HERE)]
    shell = Shell(tmp_path)
    shell.run(*lines)
    assert len(shell.codes) >= 4 and not any(shell.codes.values()), shell.said
    for pattern in re.findall(r"`(outputs/[^`]*)`", page):
        assert list(shell.folder.glob(pattern)), pattern
    assert re.search(r"extracted +24\n", shell.said) and re.search(r"unchanged +24\n", shell.said)
    assert re.search(r"correction +0\.\d+ \+- 0\.\d+ mag", shell.said)
    (check,) = blocks(page, "python")
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)
    monkeypatch.chdir(shell.folder)
    exec(compile(check, "Check it yourself", "exec"), {})
    said = [line.split() for line in capsys.readouterr().out.splitlines()]
    (shown,) = (block for block in blocks(page, "text") if "pull" in block)
    assert [words[:4] for words in said] == [line.split()[:4] for line in shown.splitlines()]
    assert all(abs(float(words[-1])) < 4 for words in said)


@pytest.mark.slow
def test_the_care_of_the_database_works_line_by_line(tmp_path):
    """docs/database.md, guide chapter 4: on a copy of the code, whose definitions may be edited."""
    code, bin_, work = (tmp_path / name for name in ("code", "bin", "work"))
    for name in ("wfc3_cte_monitor", "table_definitions"):
        shutil.copytree(ROOT / name, code / name)
    shutil.copy(ROOT / "config.example.py", code)
    bin_.mkdir()
    for name in PARSERS:
        (bin_ / name).write_text(f'#!/bin/sh\nexec {sys.executable} -m wfc3_cte_monitor.commands.{name} "$@"\n')
        (bin_ / name).chmod(0o755)
    (bin_ / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (bin_ / "sqlite3").write_text(f"#!{sys.executable}\n{SQLITE3}")
    for name in ("python", "sqlite3"):
        (bin_ / name).chmod(0o755)
    shell = {**os.environ, "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(code)}
    shell.pop(CONFIG_VARIABLE, None)

    def run(script, folder):
        done = subprocess.run(["sh", "-ec", script], cwd=folder, env=shell, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and "Traceback" not in done.stderr, script + done.stdout + done.stderr
        return done.stdout

    run("uvis_external_cte simulate work --epochs 1 --targets ngc104 --lengths l --flashlvl 0 --columns 64", tmp_path)
    run("rm data/*/*_flc.fits; uvis_external_cte database create; run_uvis_external_cte --pr all --pl none", work)
    text = PAGES["docs/database.md"].replace("/tmp/elsewhere.db", str(tmp_path / "elsewhere.db"))
    sync, definitions, *blocks = re.findall(r"```\n(.*?)```", text, re.S)
    said = [run(f"set -e\n{definitions}{block}", work) for block in (sync, *blocks)]
    assert "SUN_ALT" in said[1] and re.search(r"_fl[tc].fits\|-?\d+\.\d+", said[1])
    (checked,) = (out for block, out in zip((sync, *blocks), said, strict=True) if "database check" in block)
    assert "nothing was changed" in said[0] and "no findings" in checked
    assert re.search(r"ngc104_phot: new column FLUX_4\n", said[5]) and "ngc6397_phot: new table" in said[5]
    assert len(list((work / "database").glob("*.before_sync_*.db"))) >= 5


SQLITE3 = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
for row in connection.execute(sys.argv[2]):
    print(*row, sep="|")
connection.commit()
"""


def test_files_that_the_readme_links_exist():
    for target in re.findall(r"\]\(([^)#:]+)\)", PAGES["README.md"]):
        assert (ROOT / target).exists(), target


def test_readme_has_exactly_two_commands_for_a_fresh_machine():
    block = PAGES["README.md"].split("## Two commands")[1].split("```")[1]
    assert block.split("\n")[1:-1] == ["make demo", "make test"]


def test_changes_tell_of_this_version():
    assert f"## {__version__}" in (ROOT / "CHANGES.md").read_text()


def test_ci_calls_the_test_command_of_the_readme():
    assert "\nmake test\n" in (ROOT / ".ci" / "run").read_text()
