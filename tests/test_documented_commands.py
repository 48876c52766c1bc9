"""Every command that the documents show, called as it stands there, where all that it speaks of is there.

Those of the pages that tests/test_docs.py runs line by line are left to it.
"""

import contextlib
import re
import shlex
import shutil
from dataclasses import replace

import numpy as np
import pytest
from astropy.table import Table
from mast_server import MastServer
from running import run_tool, run_wrapper
from test_distributed import TheirCluster, free_port
from test_docs import GUIDES, IN_BLOCKS, LINE_BY_LINE, NAMES, blocks, commands

from wfc3_cte_monitor import simulate
from wfc3_cte_monitor.commands.setup import default_answers, set_up
from wfc3_cte_monitor.settings import CONFIG_VARIABLE

COLUMNS = 64

DONE = {line for text in LINE_BY_LINE for line in commands("\n".join(blocks(text)))}
ORDER = (
    "uvis_external_cte initial_setup",
    "uvis_external_cte simulate",
    "uvis_external_cte validate",
    "uvis_external_cte retrieve",
    "uvis_external_cte database create",
    "uvis_external_cte populate",
    "uvis_external_cte build",
    "uvis_external_cte run_",
    "run_uvis_external_cte --pr all$",
    "run_uvis_external_cte",
    "uvis_external_cte database backup",
    "uvis_external_cte",
)
"""What later ones need comes first."""
SMALLER = {
    "simulate": ("--epochs", "1", "--targets", "ngc104", "--lengths", "l", "--flashlvl", "0", "--columns", "32"),
    "photom_tests_modeldata": ("--side", "6"),
}
"""Given once more, they count instead of what stands there or is the default, which takes minutes."""
NOT_ALL_WELL = {
    "check_newdata": "expected exposures are missing",
    "validate": "few stars are no closure",
    "--xdithers": "chips so narrow do not see the field from so far",
}
"""Commands that may end with 1 here, and why."""


def place_of(line):
    return next(k for k, start in enumerate(ORDER) if re.match(start, line)), line


# A sentence may name a command, too, and show no line to be copied.
SHOWN = {line for line in commands(GUIDES) if line not in NAMES or line in IN_BLOCKS}
LINES = sorted({"run_uvis_external_cte --pr all", *SHOWN} - DONE, key=place_of)


def plan():
    """A few exposures of each kind that a command asks for, by their programs and visits."""
    options = {"targets": ("ngc104", "ngc6583"), "lengths": ("l",), "flashlvls": (0.0, 12.0)}
    every = simulate.default_plan(n_epochs=10, oddities=True, **options)
    some = [one for one in every if one.program in (12348, 12379)]
    some += [one for one in every if one.program == 14541 and one.flashlvl == 0]
    some += [one for one in every if one.target == "ngc6583" and one.number in (1, 2, 5, 6)]
    some += [replace(one, visit=f"{3 + int(one.flashlvl > 0):02d}") for one in every if one.program == 14012]
    pair = [one for one in some if one.program == 12379 and one.visit == "03"][:2]
    return [*some, *(replace(one, filter="F606W", number=90 + k, mjd=one.mjd + 0.05) for k, one in enumerate(pair))]


class Scene:
    """A folder of the monitor in which the documents' commands can be called."""

    def __init__(self, root, substitutes):
        self.root, self._substitutes = root, substitutes

    def call(self, line):
        """What a command says and ends with, with the documents' names of other places and servers replaced."""
        for name, here in self._substitutes.items():
            line = re.sub(name, here, line)
        program, *words = shlex.split(line)
        words += SMALLER.get(words[0], ())
        with contextlib.chdir(self.root):
            return (run_wrapper if program == "run_uvis_external_cte" else run_tool)(*words)


@pytest.fixture(scope="module")
def scene(tmp_path_factory, postgresql):
    root = tmp_path_factory.mktemp("scene")
    dense = {"ngc104cal2": simulate.make_cluster("ngc104cal2", 4000, n_columns=COLUMNS, seed=5)}
    simulate.simulate_observatory(root, plan(), seed=1, n_columns=COLUMNS, clusters=dense, jobs=2)
    config = set_up(default_answers(root))
    dask = TheirCluster(tmp_path_factory.mktemp("dask"), free_port())
    with pytest.MonkeyPatch.context() as patch, MastServer() as mast:
        patch.delenv(CONFIG_VARIABLE, raising=False)
        patch.setenv("HOME", str(root / "home"))
        for program in PROGRAMS:
            one_of_visit = {path.name[4:6]: path for path in (root / "data" / str(program)).glob("*.fits")}
            for path in one_of_visit.values():
                mast.add(program, path.name, path.read_bytes())
        changes = f"mast_server = {mast.url!r}\nprogram_list = {PROGRAMS!r}\naprads = [3]\n"
        config.write_text(f"{config.read_text()}\n{changes}")
        put_files(root)
        try:
            dask.start_workers(1)
            yield Scene(root, substitutes(root, dask.address, postgresql))
        finally:
            dask.stop()


PROGRAMS = [12348, 12379, 12692, 14012, 14541]


def substitutes(root, scheduler, postgresql):
    """What the documents call so -> what it is here."""
    return {
        "tcp://host:8786": scheduler,
        r"postgresql\+psycopg://monitor@localhost/uvis_cte": postgresql.new(),
        "copy URL": f"copy {postgresql.new()}",
        "copy elsewhere.db": "copy copied.db",
        " A B": " before.db database/uvis_external_cte.db",
        "validate somewhere": "validate smaller",
        "initial_setup$": "initial_setup --folder new",
        "~/uvis_cte --path_to_data /data/uvis_cte": f"~/other --path_to_data {root / 'other_data'}",
        "ibxx01aaq": "ib7x0101q",
    }


def put_files(root):
    """Lists of stars, coefficients, an exposure and a catalogue, by the names that the documents have for them."""
    shutil.copy(root / "data" / "14541" / "ib7x0101q_flt.fits", root)
    stars = Table({"y": [200.0, 1800.0], "flux": [12_000.0, 700.0], "chip": [2, 1]})
    for name in ("in.ecsv", "stars.ecsv", "in.csv"):
        stars.write(root / name)
    _, _, _, ra, dec = np.loadtxt(root / "data" / "master_cat" / "final" / "ngc104_master.cat").T
    Table({"ra": ra, "dec": dec}, units=("deg", "deg")).write(root / "gaia.ecsv")
    (root / "some").symlink_to(root / "outputs" / "finalresults")


@pytest.mark.slow
@pytest.mark.parametrize("line", LINES)
def test_it_does_what_it_says(scene, line):
    outcome = scene.call(line)
    allowed = {0, 1} if any(name in line for name in NOT_ALL_WELL) else {0}
    assert outcome.code in allowed, outcome.lines
    assert "Traceback" not in outcome.err
