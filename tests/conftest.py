"""What several test modules stand on: a configuration file of one's own, and a small simulated observatory."""

import os
import shutil
import signal
import subprocess

import pytest
from postgres_server import running_server

from wfc3_cte_monitor import simulate
from wfc3_cte_monitor.tables import shipped_file

LONGEST = (
    *("build", "newdata", "docs", "documented_commands", "closure", "masks"),
    *("subsets", "fuzz", "disk_full", "two_runs", "harsh", "distributed", "sync", "soak"),
)
"""Modules by the minutes that they take."""


def pytest_configure():
    """Ctrl-C works in the runs that tests start, also where the tests were started with it ignored (in background)."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """The longest modules first: workers, to which ``--dist loadfile`` gives one after the other, end together."""
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker("no_cover")  # to trace whole runs would make them a quarter slower
    place = {f"test_{name}": k for k, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.module.__name__, len(LONGEST)))


@pytest.fixture
def make_config(tmp_path):
    """``make_config(folder, **changes)`` writes ``folder/config.py``: the example with some values changed.

    The value `...` removes a name. Paths may be given as `pathlib.Path`.
    """

    def make(folder=tmp_path, **changes):
        lines = [f"del {name}" if value is ... else f"{name} = {_plain(value)!r}" for name, value in changes.items()]
        path = folder / "config.py"
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([shipped_file("config.example.py").read_text(), *lines, ""]))
        return path

    return make


def _plain(value):
    return str(value) if hasattr(value, "__fspath__") else value


@pytest.fixture
def settings_file(make_config):
    """A valid configuration file whose data, outputs and database lie beside it in ``tmp_path``."""
    return make_config()


@pytest.fixture(scope="session")
def observatory(tmp_path_factory):
    """Root of a simulated observatory that nobody may change: two pairs of ngc104, FLT and FLC, of two epochs.

    ``make_config(path_to_data=observatory / "data")`` has outputs and database of its own; a test that changes the
    data copies them first.
    """
    root = tmp_path_factory.mktemp("observatory")
    plan = simulate.default_plan(n_epochs=2, targets=("ngc104",), lengths=("l",), flashlvls=(0.0,))
    simulate.simulate_observatory(root, plan, seed=5, n_columns=64)
    return root


@pytest.fixture(scope="session")
def copied(observatory):
    """Copies the newer program of the observatory (FLT alone, unless asked) to a folder; returns its data folder."""

    def copy(folder, names=("*_flt.fits",), cats=("ngc104",)):
        data = folder / "data"
        for name in (f"master_cat/final/{target}_master.cat" for target in cats):
            (data / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(observatory / "data" / name, data / name)
        (data / "14541").mkdir(parents=True)
        for path in (path for name in names for path in (observatory / "data" / "14541").glob(name)):
            shutil.copy(path, data / "14541")
        return data

    return copy


@pytest.fixture(scope="session")
def archive(tmp_path_factory):
    """Root of exposures as an archive delivers them, which nobody may change: FLT and FLC in ``archive``.

    The pointing is wrong by up to 0.5 arcsec and 0.05 degrees. Both clusters, early and late, short (01) and long
    (03), and the long pair (03, 04) of the last visit of ngc104.
    """
    root = tmp_path_factory.mktemp("archive")
    plan = simulate.default_plan(n_epochs=2, flashlvls=(0.0,), wcs_error=0.5, roll_error=0.05)
    wanted = [one for one in plan if one.number in (1, 3) or one.rootname == "ib7x0104q"]
    simulate.simulate_observatory(root, wanted, seed=3, n_columns=128, archive=True)
    return root


@pytest.fixture(scope="session")
def postgresql():
    """A PostgreSQL server of one's own; ``postgresql.new()`` is the URL of an empty database on it."""
    with running_server() as server:
        yield server


@pytest.fixture(scope="session")
def browser():
    """A real, headless Chromium; ``browser.new_page()``."""
    playwright = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not program:
        missing = "Chromium is not installed; on Debian: apt-get install chromium"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def small_disk(tmp_path):
    """``small_disk(folder, size)`` mounts a small file system there, or skips the test where we may not."""
    mounted = []

    def mount(folder, size):
        folder.mkdir(parents=True, exist_ok=True)
        able = os.geteuid() == 0 and shutil.which("mount")
        options = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
        if not able or subprocess.run(options, check=False).returncode:
            pytest.skip("needs the right to mount a file system")
        mounted.append(folder)

    yield mount
    for folder in mounted:
        subprocess.run(["umount", folder], check=True)
