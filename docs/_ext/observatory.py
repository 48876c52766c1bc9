"""The small simulated observatory that the tutorial works on, made beside the built pages."""

import os
import subprocess
import sys
from pathlib import Path

from sphinx.errors import ExtensionError

from wfc3_cte_monitor import simulate
from wfc3_cte_monitor.commands.setup import default_answers, set_up

__all__ = ["setup"]

_PLAN = {"n_epochs": 4, "targets": ("ngc104",), "lengths": ("l",), "flashlvls": (0.0, 12.0), "ctecorr": (False,)}
_COLUMNS = 64
"""Few, for the build must not take long."""
_RUN = "--pr all --ctecorr flt --pl cte_logflux --ap 3 --config {folder}/config.py"


def setup(app):
    """Make it before anything is read."""
    app.connect("builder-inited", _prepare)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _prepare(app):
    """Simulated once; the run finds by itself what is unchanged, and measures again what other code would."""
    folder = Path(app.outdir).parent / "observatory"
    if not (folder / "config.py").is_file():
        simulate.simulate_observatory(folder, simulate.default_plan(**_PLAN), n_columns=_COLUMNS)
        set_up(default_answers(folder))  # last, so that a build that was broken off does it again
    _call("run_uvis_external_cte", _RUN.format(folder=folder))
    # The kernel of the notebook inherits it, and so finds the configuration as anybody's would.
    os.environ["UVIS_CTE_CONFIG"] = str(folder / "config.py")


def _call(program, arguments):
    command = [sys.executable, "-m", f"wfc3_cte_monitor.commands.{program}", *arguments.split()]
    here = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sys.path))}
    done = subprocess.run(command, env=here, capture_output=True, text=True)
    if done.returncode:
        raise ExtensionError(f"{program} {arguments}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
