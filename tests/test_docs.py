"""README, --help, CHANGES and the code tell the same story."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_correct import coefficients

from wfc3_cte_monitor import __version__
from wfc3_cte_monitor.commands import correct, retrieve, run_uvis_external_cte, uvis_external_cte
from wfc3_cte_monitor.outputs import write_coefficients
from wfc3_cte_monitor.settings import CONFIG_VARIABLE

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
CARE = (ROOT / "docs" / "database.md").read_text()
PARSERS = {"run_uvis_external_cte": run_uvis_external_cte.parser, "uvis_external_cte": uvis_external_cte.parser}
TOOLS = "database|retrieve|correct |simulate|photom_tests|validate|plot_|print_|compare_|cte180"
SHOWN = rf"(?:run_)?uvis_external_cte (?:-|[a-z0-9]+_|{TOOLS})[^`\n|]*"
NEW_EPOCH = README.split("## A new epoch")[1].split("\n## ")[0]


def commands(text):
    """The command lines that a text shows, without their trailing remarks."""
    return sorted({line.split("  ")[0].strip() for line in re.findall(SHOWN, text) if "..." not in line})


@pytest.mark.parametrize(
    "line", commands(README + CARE + run_uvis_external_cte.parser().epilog + retrieve.EXAMPLES + correct.EXAMPLES)
)
def test_every_command_shown_is_understood(line):
    program, *arguments = shlex.split(line)
    if "--help" in arguments:
        return
    PARSERS[program]().parse_args(arguments)


def test_the_commands_of_the_readme_are_found():
    assert len(commands(README)) >= 8


def test_every_option_is_explained():
    for make in PARSERS.values():
        for parser in walk(make()):
            for action in parser._actions:
                assert action.help or action.metavar in ("COMMAND", "ACTION", "FOLDER"), (
                    parser.prog,
                    action.option_strings,
                )


def walk(parser):
    yield parser
    for action in parser._actions:
        if action.metavar in ("COMMAND", "ACTION"):
            for child in action.choices.values():
                yield from walk(child)


def test_python_of_the_readme_runs(make_config, monkeypatch):
    config = make_config()
    uvis_external_cte.main(["database", "create", "--config", str(config)])
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)
    monkeypatch.chdir(config.parent)
    folder = config.parent / "outputs" / "finalresults" / "pf12" / "most_recent" / "cte_vs_logflux"
    write_coefficients(coefficients(12.0), folder / "x_mjd58400_coeffs.txt")
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})


@pytest.mark.slow
def test_a_new_epoch_works_line_by_line_from_an_empty_data_folder(tmp_path):
    """Guide 3.3, with a folder of simulated archive files: rehearse, make catalogues, check, align, mask, measure."""
    steps, catalogs, rehearsal = (block.strip().splitlines() for block in re.findall(r"```\n(.*?)```", NEW_EPOCH, re.S))
    shell = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    shell.pop(CONFIG_VARIABLE, None)
    folder, codes, said = tmp_path, {}, ""
    for line in (*rehearsal, *catalogs, *steps):
        if line.startswith("cd "):
            folder = folder / line.removeprefix("cd ")
            continue
        done = subprocess.run(line, shell=True, cwd=folder, env=shell, capture_output=True, text=True)
        codes[line], said = done.returncode, said + done.stdout + done.stderr
    # The simulated programs hold less than the real ones, which check_newdata says.
    assert {line for line, code in codes.items() if code} <= {"uvis_external_cte check_newdata"}, said
    assert "Traceback" not in said
    assert not list((folder / "data" / "newdata").glob("*.fits"))
    assert list((folder / "outputs" / "finalresults" / "pf0" / "most_recent" / "cte_vs_logflux").glob("*_coeffs.txt"))


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
    text = (ROOT / "docs" / "database.md").read_text().replace("/tmp/elsewhere.db", str(tmp_path / "elsewhere.db"))
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
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_readme_has_exactly_two_commands_for_a_fresh_machine():
    block = README.split("## Two commands")[1].split("```")[1]
    assert block.split("\n")[1:-1] == ["make demo", "make test"]


def test_changes_tell_of_this_version():
    assert f"## {__version__}" in (ROOT / "CHANGES.md").read_text()


def test_ci_calls_the_test_command_of_the_readme():
    assert "\nmake test\n" in (ROOT / ".ci" / "run").read_text()
