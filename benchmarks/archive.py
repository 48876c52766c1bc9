"""Whole runs of the command over simulated archives: two processes against one, a rerun, growth, memory."""

import pickle
import shutil
import subprocess
import sys
import time

import numpy as np

from wfc3_cte_monitor import simulate
from wfc3_cte_monitor.commands.setup import default_answers, set_up
from wfc3_cte_monitor.exposures import read_exposure
from wfc3_cte_monitor.pipeline.one_exposure import Task
from wfc3_cte_monitor.records import MasterCatalog
from wfc3_cte_monitor.settings import read_settings

__all__ = ["rows", "worker_memory"]


def rows(folder, numbers, columns):
    """(name, seconds, name of the peer, seconds of the peer) of runs over archives of two sizes."""
    few, many = numbers
    small, large = (make(folder / str(number), number, columns) for number in numbers)
    one, two = run(small, 1), run(small, 2)
    again = run(small, 2, again=True)
    grown = run(large, 2)
    return [
        (f"{few} exposures, two processes", two, "one process", one),
        (f"{few} exposures again, unchanged", again, "the first run", two),
        (f"one of {many} exposures", grown / many, f"one of {few}", two / few),
    ]


def make(folder, n_exposures, columns):
    """The configuration of an archive of narrow frames."""
    flashes = (0.0, 6.0, 12.0, 18.0, 24.0, 33.0)
    plan = simulate.default_plan(n_epochs=None, targets=("ngc104",), lengths=("l",), flashlvls=flashes)
    # Pairs of all dates alike: an exposure of the large archive is like one of the small.
    pairs = [plan[k : k + 2] for k in range(0, len(plan), 2)]
    chosen = np.linspace(0, len(pairs) - 1, n_exposures // 4).round().astype(int)
    simulate.simulate_observatory(folder, [one for k in chosen for one in pairs[k]], n_columns=columns, jobs=2)
    return set_up(default_answers(folder))


def run(config, jobs, again=False):
    """Seconds of --pr all without figures; into a new database unless it is done again."""
    if not again:
        for name in ("outputs", "database"):
            shutil.rmtree(config.parent / name, ignore_errors=True)
    command = [sys.executable, "-m", "wfc3_cte_monitor.commands.run_uvis_external_cte", "--pr", "all", "--pl", "none"]
    begin = time.perf_counter()
    subprocess.run([*command, "--config", config, "--jobs", str(jobs)], check=True, capture_output=True)
    return time.perf_counter() - begin


MEMORY = r"""
import pickle, re, sys
from pathlib import Path
from wfc3_cte_monitor.pipeline.one_exposure import extract
extract(pickle.loads(Path(sys.argv[1]).read_bytes()))
print(int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024)
"""
"""Linux only. The peak that getrusage tells is no less than what the parent had when it started the process."""


def worker_memory(path, cluster, folder):
    """Peak memory of a process that extracts a full frame, as a worker does [MB]."""
    settings = read_settings(set_up(default_answers(folder / "memory")))
    zeros = np.zeros(len(cluster.id))
    catalog = MasterCatalog("ngc104", cluster.id, zeros, zeros, cluster.ra, cluster.dec)
    task = Task(read_exposure(path, legal=settings), catalog, settings, True, True, True, "")
    (folder / "task").write_bytes(pickle.dumps(task))
    done = subprocess.run([sys.executable, "-c", MEMORY, folder / "task"], check=True, capture_output=True, text=True)
    return float(done.stdout)
