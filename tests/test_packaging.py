"""What is installed, cited and promised: wheel, source distribution, versions, environments."""

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from packaging.metadata import Metadata
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from wfc3_cte_monitor import __version__

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NOT_SOURCES = ("build", "dist", ".*", "demo", "*.egg-info", "__pycache__", "_build")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Wheel and source distribution, the first made from the second, without a network.

    From a copy: what an earlier build left beside the sources must not get in, nor anything be left there.
    """
    folder = tmp_path_factory.mktemp("built")
    source, dist = folder / "source", folder / "dist"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*NOT_SOURCES))
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(dist), str(source)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    return SimpleNamespace(wheel=wheel, sdist=sdist)


@pytest.mark.slow
def test_the_source_distribution_has_all_that_a_checkout_has(built):
    with tarfile.open(built.sdist) as archive:
        names = {member.name.split("/", 1)[1] for member in archive if member.isfile()}
    tracked = {
        str(path.relative_to(ROOT))
        for folder in ("wfc3_cte_monitor", "table_definitions", "tests", "benchmarks", "docs")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and not {"__pycache__", "_build"} & {*path.parts}
    }
    files = {"Makefile", "README.md", "LICENSE", "CHANGES.md", "CITATION.cff", "CONTRIBUTING.md", "setup.py"}
    files |= {"config.example.py", "constraints.txt", "environment.yml", "pyproject.toml"}
    assert tracked | files <= names
    assert not [name for name in names if name.endswith(".pyc")]


@pytest.mark.slow
def test_the_metadata_are_valid_and_say_what_pyproject_says(built):
    with zipfile.ZipFile(built.wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Metadata.from_email(archive.read(name), validate=True)  # as an index does
        assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())
    assert (metadata.name, str(metadata.version)) == (PROJECT["name"], __version__)
    assert metadata.license_expression == "BSD-3-Clause"
    assert metadata.description_content_type == "text/markdown"
    assert metadata.description.strip() == (ROOT / "README.md").read_text().strip()


@pytest.mark.slow
def test_an_installed_wheel_works_by_itself(built, tmp_path):
    """In an environment of its own, whose other packages are those of this one; far from any checkout."""
    home = tmp_path / "environment"
    venv.create(home, symlinks=True)
    (packages,) = home.glob("lib/python*/site-packages")
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(home / "bin" / "python"), "install", "--quiet"]
        + ["--no-index", "--no-deps", "--disable-pip-version-check", str(built.wheel)],
        env={"PATH": ""},  # where a PYTHONPATH may lead, the package is there already
        check=True,
    )
    others = [place for place in sys.path if place.endswith("-packages")]
    (packages / "others.pth").write_text("\n".join([*others, ""]))
    assert (packages / "wfc3_cte_monitor" / "py.typed").is_file()

    def run(program, *arguments):
        command = [str(home / "bin" / program), *arguments]
        done = subprocess.run(command, cwd=tmp_path, env={"PATH": ""}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    for program in PROJECT["scripts"]:
        assert run(program, "--version") == f"{program} {__version__}\n"
    where = run("python", "-c", "import wfc3_cte_monitor; print(wfc3_cte_monitor.__file__)")
    assert where.startswith(str(packages))
    # With files that are shipped: the example of a configuration, the definitions of tables, headers to simulate on.
    run("uvis_external_cte", "initial_setup", "--folder", "work")
    assert "ngc104_master, " in run("uvis_external_cte", "database", "create", "--config", "work/config.py")
    few = ("--epochs", "1", "--targets", "ngc104", "--lengths", "l", "--flashlvl", "0", "--columns", "32")
    assert "exposures in" in run("uvis_external_cte", "simulate", "made", *few, "--jobs", "1")


# ---- One version, one list -------------------------------------------------------------------------------------------


def test_one_version():
    assert PROJECT["dynamic"] == ["version"]
    assert version(PROJECT["name"]) == __version__, "install the package again"
    assert re.search(r"^## (\S+)", (ROOT / "CHANGES.md").read_text(), re.M).group(1) == __version__
    assert citation()["version"] == __version__


def citation():
    return yaml.safe_load((ROOT / "CITATION.cff").read_text())


def test_the_citation_is_as_its_format_asks():
    """The required keys of CFF 1.2.0, and of its references, persons and entities; no healthy validator exists."""
    cff = citation()
    assert {"cff-version", "message", "title", "authors"} <= cff.keys()
    assert cff["cff-version"] == "1.2.0" and cff["type"] == "software"
    assert cff["license"] == PROJECT["license"] and cff["keywords"] == PROJECT["keywords"]
    for one in (cff, *cff["references"]):
        assert one["authors"] and all(author.keys() in PEOPLE for author in one["authors"])
    for reference in cff["references"]:
        assert (
            {"type", "title", "authors"} <= reference.keys() <= {"type", "title", "authors", "number", "year", "month"}
        )
        assert isinstance(reference["year"], int) and 1 <= reference.get("month", 1) <= 12


PEOPLE = ({"name"}, {"family-names", "given-names"})


def test_every_dependency_has_a_version_that_ci_runs_with():
    listed = [*PROJECT["dependencies"], *(one for extra in PROJECT["optional-dependencies"].values() for one in extra)]
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and line[0] != "#"]
    pinned = {canonicalize_name(line.split("==")[0]): line.split("==")[1] for line in lines}
    for requirement in map(Requirement, listed):
        assert pinned[canonicalize_name(requirement.name)] in requirement.specifier, requirement
    names = [line.split("==")[0].lower() for line in lines]
    assert names == sorted(names) and len(names) == len(pinned)


def test_conda_users_get_what_pyproject_lists():
    """Its pip installs this package, and so reads the one list; Python and the versions must be those."""
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip, by_pip = environment["dependencies"]
    assert environment["name"] == PROJECT["name"]
    assert (python, pip) == (f"python{PROJECT['requires-python']}", "pip")
    assert by_pip == {"pip": ["-c constraints.txt", "-e ."]}
