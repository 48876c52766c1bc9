"""Completion in real shells: what is offered, from what, and how soon."""

import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import argcomplete
import pytest

from wfc3_cte_monitor.commands import coefficients, run_uvis_external_cte, uvis_external_cte
from wfc3_cte_monitor.outputs import FORMATS
from wfc3_cte_monitor.settings import CONFIG_VARIABLE

ROOT = Path(__file__).parent.parent
RUN, TOOLS = "run_uvis_external_cte", "uvis_external_cte"
PROGRAMS = ["14012", "15722"]


@pytest.fixture(scope="module")
def bin_(tmp_path_factory):
    """The two commands as pip installs them, of this checkout."""
    folder = tmp_path_factory.mktemp("bin")
    for name in (RUN, TOOLS):
        script = (
            f"#!{sys.executable}\nimport sys\nfrom wfc3_cte_monitor.commands.{name} import main\nsys.exit(main())\n"
        )
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    # Of this environment; Debian has an old one, which zsh does not understand.
    register = "register-python-argcomplete"
    (folder / register).symlink_to(Path(sys.executable).parent / register)
    return folder


@pytest.fixture
def shell(bin_, tmp_path, monkeypatch):
    """Environment of a shell that has the commands, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    path = f"{bin_}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "TERM": "dumb", "LC_ALL": "C.UTF-8"}


@pytest.fixture
def completions(shell):
    """``completions(line)`` is what bash offers where a line ends, by the function that it has been given."""

    def offered(line, **environment):
        program = line.split()[0]
        words = [*shlex.split(line), *([""] if line.endswith(" ") else [])]
        script = f"""
{argcomplete.shellcode([program], shell="bash")}
COMP_LINE={shlex.quote(line)} COMP_POINT={len(line)} COMP_TYPE=9
COMP_WORDS=({shlex.join(words)}) COMP_CWORD={len(words) - 1}
_python_argcomplete {program} 2>/dev/null
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
        done = subprocess.run(
            ["bash", "-c", script], env=shell | environment, capture_output=True, text=True, check=True
        )
        assert not done.stderr
        return [word.strip() for word in done.stdout.splitlines() if word.strip()]

    return offered


@pytest.fixture
def configured(make_config, tmp_path):
    """A configuration in the working directory."""
    dq = {"none": 0, "warmest": 80}
    return make_config(
        tmp_path, program_list=[int(program) for program in PROGRAMS], dq_choices=dq, aprads=[3, 4.5, 10]
    )


def options_of(parser):
    return {word for action in parser._actions for word in action.option_strings if word.startswith("--")}


def test_every_option_is_offered(completions):
    assert set(completions(f"{RUN} --")) == options_of(run_uvis_external_cte.parser())


def test_every_command_and_action_is_offered(completions):
    def children(parser):
        return next((a.choices for a in parser._actions if a.metavar in ("COMMAND", "ACTION")), {})

    commands = children(uvis_external_cte.parser())
    assert {*commands} <= set(completions(f"{TOOLS} "))
    assert {*children(commands["database"])} <= set(completions(f"{TOOLS} database "))
    assert completions(f"{TOOLS} database una") == []
    assert completions(f"{TOOLS} database unl") == ["unlock"]


@pytest.mark.parametrize("program", [f"{RUN} --pr all", f"{TOOLS} database reset"])
def test_choices_and_yes_or_no(completions, program):
    assert completions(f"{program} --irafphot ") == ["y", "n"]
    assert completions(f"{RUN} --pr all --ctecorr f") == ["flc", "flt"]
    assert completions(f"{TOOLS} database reset master fil") == ["fileinfo"]
    assert "cte_flashlvl" in completions(f"{RUN} --pl cte_time cte_")


def test_without_a_configuration_the_words_that_need_none(completions):
    assert completions(f"{RUN} --pr ") == ["all", "last", "180"]
    assert completions(f"{TOOLS} run_adriz --pr ") == ["all", "last"]
    assert completions(f"{RUN} --dq ") == []


def test_what_the_configuration_lists(completions, configured):
    assert completions(f"{RUN} --pr ") == ["all", "last", "180", *PROGRAMS]
    assert completions(f"{RUN} --pr 1") == ["180", *PROGRAMS]
    assert completions(f"{TOOLS} retrieve --pr 14012 1") == PROGRAMS
    assert completions(f"{TOOLS} build_master_catalog --pr ") == PROGRAMS
    assert completions(f"{RUN} --pr all --dq ") == ["none", "warmest"]
    assert completions(f"{RUN} --pr all --ap ") == ["3", "4.5", "10"]
    assert completions(f"{RUN} --pr all --chinject C") == ["CONT"]
    assert completions(f"{RUN} --pr all --field ") == ["cal2"]
    assert "ngc104" in completions(f"{TOOLS} build_master_catalog --target ")
    assert completions(f"{TOOLS} print_coeff_latextable --filter F5") == ["F502N"]


@pytest.mark.parametrize(
    "line", [f"{RUN} --config other/config.py --pr 9", f"{TOOLS} retrieve --config other/config.py --pr 9"]
)
def test_the_configuration_of_the_line_counts_first(completions, configured, make_config, tmp_path, line):
    make_config(tmp_path / "other", program_list=[99999])
    assert completions(line) == ["99999"]


def test_the_configuration_of_the_environment(completions, make_config, tmp_path):
    config = make_config(tmp_path / "other", program_list=[99999])
    assert completions(f"{RUN} --pr 9", **{CONFIG_VARIABLE: str(config)}) == ["99999"]


@pytest.mark.parametrize("fault", ["others can write it", "syntax", "raises", "exits"])
def test_a_configuration_that_is_refused_gives_nothing_and_is_not_executed(completions, configured, tmp_path, fault):
    trace = tmp_path / "executed"
    configured.write_text(f"open({str(trace)!r}, 'w')\n{configured.read_text()}")
    if fault == "others can write it":
        configured.chmod(0o666)
    else:
        with configured.open("a") as file:
            file.write({"syntax": "\n(", "raises": "\n1 / 0", "exits": "\nraise SystemExit"}[fault])
    assert completions(f"{RUN} --pr ") == ["all", "last", "180"]
    assert trace.exists() == (fault in ("raises", "exits"))


def test_a_configuration_that_prints_spoils_nothing(completions, configured):
    with configured.open("a") as file:
        file.write("\nimport os, sys\nprint('x' * 99)\nos.write(1, b'y')\nprint('z', file=sys.stderr)\n")
    assert completions(f"{RUN} --pr 14") == ["14012"]


def test_files_are_files_and_numbers_are_not(completions, tmp_path):
    (tmp_path / "stars.ecsv").touch()
    (tmp_path / "folder").mkdir()
    for line in ("correct ", "correct -o ", "compare_results ", "database copy ", "database restore ", "simulate "):
        assert {"stars.ecsv", "folder/"} <= set(completions(f"{TOOLS} {line}")), line
    assert completions(f"{RUN} --config st") == ["stars.ecsv"]
    assert completions(f"{TOOLS} initial_setup --path_to_data fol") == ["folder/"]
    assert completions(f"{RUN} --pr all --v ") == completions(f"{TOOLS} simulate x --seed ") == []


def test_formats_of_tables():
    """The command spells them, for the room that knows them imports astropy."""
    parser = uvis_external_cte.parser()
    for given in FORMATS:
        assert parser.parse_args(["print_coeff_latextable", "--format", given]).run is coefficients._run
    with pytest.raises(SystemExit):
        parser.parse_args(["print_coeff_latextable", "--format", "html"])


@pytest.mark.parametrize("program", [RUN, TOOLS])
def test_who_waits_for_a_completion_waits_for_no_library(program):
    """A key that answers after two seconds is pressed once."""
    code = f"import sys, wfc3_cte_monitor.commands.{program} as command; command.parser(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert {"argcomplete", "wfc3_cte_monitor"} <= loaded
    slow = {"astropy", "scipy", "matplotlib", "sqlalchemy", "alembic", "joblib", "drizzlepac", "stwcs", "tqdm", "sep"}
    assert not loaded & slow


# ---- Interactive shells ----------------------------------------------------------------------------------------------

STARTED = {
    "bash": ("bash --norc --noprofile -i", ()),
    "zsh": ("zsh -f -i", ("autoload -U compinit", "compinit -u -D")),
}


@pytest.mark.parametrize("name", STARTED)
def test_the_key_works_in_an_interactive_shell(name, shell, configured):
    """With the lines of docs/setup.md; the completed line is made the argument of echo, which prints it."""
    if not shutil.which(name):
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"no {name} here")
    command, before = STARTED[name]
    lines = re.findall(r"^eval .*register-python-argcomplete .*$", (ROOT / "docs" / "setup.md").read_text(), re.M)
    assert len(lines) == 2
    switched_on = "; ".join([*before, *lines, 'echo READ""Y'])
    with_keys = [
        (switched_on + "\r", "READY"),
        (f"{RUN} --pr 15\t", "--pr 15722"),
        ("\x01echo GOT\x05\r", "[\r\n]GOT[^\n]*\n"),
    ]
    screen = typed(command.split(), with_keys, shell)
    assert re.search(rf"GOT ?{RUN} --pr 15722 ?\r?\n", screen), screen


def typed(command, steps, environment, patience=60):
    """What stands on the screen after keys were pressed, each when the screen shows what was waited for."""
    pid, terminal = pty.fork()
    if not pid:
        os.execvpe(command[0], command, environment)
    screen = ""
    try:
        for keys, awaited in steps:
            os.write(terminal, keys.encode())
            seen, end = len(screen), time.monotonic() + patience
            while not re.search(awaited, screen[seen:]) and time.monotonic() < end:
                if select.select([terminal], [], [], 0.1)[0]:
                    screen += os.read(terminal, 4096).decode(errors="replace")
    finally:
        os.close(terminal)
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    return screen
