"""What the two programs say of arguments that they do not know, and where nobody reads what they print."""

import subprocess
import sys

import pytest
from running import run_tool, run_wrapper

from wfc3_cte_monitor.commands import uvis_external_cte


@pytest.mark.parametrize(
    ("run", "arguments", "meant"),
    [
        (run_wrapper, ("--program", "last"), "--program: --pr?"),
        (run_wrapper, ("--pr", "last", "--flashlevel=12"), "--flashlevel: --flashlvl?"),
        (run_tool, ("corect", "in.ecsv"), "corect: correct?"),
        (run_tool, ("correct", "in.ecsv", "--backgruond", "9"), "--backgruond: --background?"),
        (run_tool, ("database", "bakup"), "bakup: backup?"),
    ],
)
def test_a_misspelt_word_is_one_line_with_what_may_have_been_meant(run, arguments, meant):
    outcome = run(*arguments)
    assert (outcome.code, len(outcome.lines)) == (2, 1)
    assert f"({meant})" in outcome.err and "--help" in outcome.err


def test_nothing_is_meant_by_a_word_like_no_other():
    assert "?" not in run_tool("correct", "--zzzzzz").err


def test_nobody_reading_what_is_printed_is_no_error(observatory, make_config):
    """As with a pager that is left, or head."""
    config = make_config(path_to_data=observatory / "data")
    assert uvis_external_cte.main(["database", "create", "--config", str(config)]) == 0
    module = "wfc3_cte_monitor.commands.uvis_external_cte"
    command = [sys.executable, "-m", module, "database", "status", "--config", str(config)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True) as process:
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (141, "")


def test_exposures_as_from_the_archive_come_with_what_to_do_next(tmp_path):
    few = ("--archive", "--targets", "ngc104", "--epochs", 1, "--lengths", "s", "--flashlvl", 0, "--columns", 32)
    outcome = run_tool("simulate", tmp_path, *few, "--jobs", 1)
    assert outcome.code == 0 and "newdata" in outcome.out and "build_master_catalog" in outcome.out
