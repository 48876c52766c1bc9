"""Time run_tweakreg with two processes against one, and against TweakReg called bare on the same exposures.

The three are run in turn; the ratios of the medians count, seconds on a shared machine say little.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from wfc3_cte_monitor import simulate
from wfc3_cte_monitor.catalogs import read_catalog
from wfc3_cte_monitor.pipeline.align import align_newdata
from wfc3_cte_monitor.settings import Settings, read_settings
from wfc3_cte_monitor.tables import shipped_file

BARE = """
import json, sys
from drizzlepac.tweakreg import TweakReg
for name in sys.argv[2:]:
    TweakReg(name, configobj="defaults", refcat="reference.cat", refxcol=1, refycol=2, refxyunits="degrees",
             interactive=False, updatewcs=False, updatehdr=True, wcsname="BARE", reusename=True, writecat=True,
             see2dplot=True, residplot="both", headerlet=True, attach=False, hdrname=name, clobber=True,
             **json.loads(sys.argv[1]))
"""
TARGET = "ngc104"


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.alignment", description=__doc__)
    parser.add_argument("--columns", type=int, default=4096, help="of a chip (default 4096: full frames)")
    parser.add_argument("--epochs", type=int, default=2, help="of two exposures each (default 2)")
    parser.add_argument("--repeats", type=int, default=3, help="timings of each (default 3)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings, files = observatory(Path(folder), args)
        ways = {
            "bare TweakReg, one process": lambda: bare(settings, files),
            "run_tweakreg --jobs 1": lambda: aligned(settings, files, 1),
            "run_tweakreg --jobs 2": lambda: aligned(settings, files, 2),
        }
        seconds = np.median(
            [[timed(settings, files, way) for way in ways.values()] for _ in range(args.repeats)], axis=0
        )
    n_flc = len(files) // 2
    print(f"{n_flc} exposures of {args.columns} columns, FLC and FLT; medians of {args.repeats}\n")
    for name, value in zip(ways, seconds, strict=True):
        print(f"{name:28s} {value / n_flc:7.2f} s per exposure   {value / seconds[0]:5.2f} of the bare calls")
    print(f"\ntwo processes: {seconds[1] / seconds[2]:.2f} times one")


def observatory(folder, args):
    """Settings, and the files of a simulated archive."""
    plan = simulate.default_plan(
        n_epochs=args.epochs, targets=(TARGET,), lengths=("l",), flashlvls=(0.0,), wcs_error=0.5, roll_error=0.05
    )
    files = simulate.simulate_observatory(folder, plan, n_columns=args.columns, archive=True)
    catalog = folder / "data" / "master_cat" / "final" / f"{TARGET}_master.cat"
    catalog.parent.mkdir(parents=True)
    shutil.copy(folder / "truth" / catalog.name, catalog)
    (folder / "config.py").write_text(shipped_file("config.example.py").read_text())
    return read_settings(folder / "config.py"), files


def timed(settings, files, way):
    """Seconds of a way to align the files, which are put into newdata first."""
    for path in files:
        shutil.copy(path, settings.path_to_newdata)
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


def aligned(settings, files, jobs):
    summary = align_newdata(settings, jobs)
    assert not summary.failures, summary.failures


def bare(settings: Settings, files):
    """TweakReg alone, with the same parameters, on the FLC where they lie."""
    catalog, _ = read_catalog(settings.path_to_master_cat / f"{TARGET}_master.cat", TARGET)
    newdata = settings.path_to_newdata
    np.savetxt(newdata / "reference.cat", np.column_stack([catalog.ra, catalog.dec]), fmt="%.9f")
    names = [path.name for path in files if path.name.endswith("_flc.fits")]
    parameters = json.dumps(settings.tweakreg_for(TARGET, "F502N", "l")[0])
    subprocess.run(
        [sys.executable, "-c", BARE, parameters, *names],
        cwd=newdata,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for path in newdata.iterdir():
        path.unlink()


if __name__ == "__main__":
    main()
