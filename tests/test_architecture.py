"""The house: who may know whom, one home for each library, nothing at import."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import wfc3_cte_monitor
from wfc3_cte_monitor.tables import shipped_file

PACKAGE = Path(wfc3_cte_monitor.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

GROUND = {"records", "uvis", "tables", "errors"}
ROOMS = {
    *("settings", "exposures", "alignment", "cosmic_rays", "catalogs", "matching", "photometry", "quality"),
    *(
        "iraf",
        "pairing",
        "slopes",
        "surface",
        "archive",
        "inventory",
        "database",
        "outputs",
        "plots",
        "report",
        "simulate",
    ),
}
MAY_KNOW = (
    {"commands": {"pipeline", *ROOMS, *GROUND}, "pipeline": {*ROOMS, *GROUND}}
    | dict.fromkeys(ROOMS, GROUND)
    | {"tables": {"errors", "records"}, "records": {"uvis"}, "uvis": {"errors"}, "errors": set()}
)
HOMES = {
    "sqlalchemy": {"tables", "database"},
    "alembic": {"database"},
    "matplotlib": {"plots"},
    "argparse": {"commands"},
    "argcomplete": {"commands"},
    "sep": {"photometry", "quality"},
    "scipy.spatial": {"quality", "photometry", "alignment", "catalogs"},
    "photutils": {"catalogs"},
    "drizzlepac": {"alignment"},
    "stwcs": {"alignment"},
    "astroscrappy": {"cosmic_rays"},
    "jinja2": {"report"},
    "plotly": {"report"},
    "joblib": {"pipeline"},
    "psutil": {"database", "outputs", "pipeline"},
    "threadpoolctl": {"pipeline"},
    "distributed": {"pipeline"},
    "runpy": {"settings"},
    "astroquery": {"archive"},
    "requests": {"archive"},
}


@cache
def tree(path):
    return ast.parse(path.read_text())


def room_of(path):
    """'database' for database/core.py and for database.py; '' for the package itself."""
    name = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "" if name == "__init__" else name


def imports(path):
    """Dotted names that a module imports, with what it imports from a package spelled out."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms_known(path):
    names = [name.split(".") for name in imports(path) if name.startswith("wfc3_cte_monitor.")]
    return {parts[1] for parts in names if parts[1] != "__version__"}


def calls(path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_arrows_point_down_only(path):
    room = room_of(path)
    # The package itself hands on what observers import.
    allowed = {room, *MAY_KNOW[room]} if room else {"pipeline"}
    assert rooms_known(path) <= allowed


def test_every_room_is_in_the_plan():
    assert {room_of(path) for path in MODULES} - {""} == set(MAY_KNOW)


def test_imports_are_absolute():
    """The checks of this file read the names as they are written."""
    nodes = [(path, node) for path in MODULES for node in ast.walk(tree(path))]
    assert not [path for path, node in nodes if isinstance(node, ast.ImportFrom) and node.level]
    assert not [path for path, node in nodes if isinstance(node, ast.Name) and node.id in ("__import__", "importlib")]


@pytest.mark.parametrize(("library", "homes"), HOMES.items())
def test_a_library_has_one_home(library, homes):
    users = {room_of(path) for path in MODULES if any(f"{name}.".startswith(f"{library}.") for name in imports(path))}
    assert users, "the check must see its library"
    assert users <= homes


def test_nobody_talks_to_a_database_past_sqlalchemy():
    names = {(room_of(path), name.split(".")[0]) for path in MODULES for name in imports(path)}
    assert ("database", "sqlalchemy") in names, "the check must see the imports"
    assert not [use for use in names if use[1] in ("sqlite3", "psycopg")]


def test_no_pyplot():
    assert not [path for path in MODULES for name in imports(path) if "pyplot" in name]


def test_no_print_outside_the_commands_and_no_chdir():
    assert not [path for path in MODULES for call in calls(path) if call == "print" and room_of(path) != "commands"]
    assert not [path for path in MODULES for call in calls(path) if call.endswith("chdir")]


def test_no_bare_except():
    handlers = [(p, node) for p in MODULES for node in ast.walk(tree(p))]
    assert not [p for p, node in handlers if isinstance(node, ast.ExceptHandler) and node.type is None]


def test_public_names_have_docstrings():
    missing = [
        f"{path.name}: {node.name}"
        for path in MODULES
        for node in tree(path).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and node.name in _public(path)
        and not ast.get_docstring(node)
    ]
    assert missing == []


def _public(path):
    for node in tree(path).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value)
    return []


AUDIT = """
import sys
opened = []
def hook(event, args):
    if event == "sqlite3.connect" or event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        opened.append((event, str(args[0])))
sys.addaudithook(hook)
import {modules}
assert "astroquery" not in sys.modules and "requests" not in sys.modules, "only who retrieves should wait for them"
assert "distributed" not in sys.modules, "only who has a cluster should wait for it"
assert not {"photutils", "scipy.signal", "scipy.stats"} & set(sys.modules), "they are slow, and few ask for them"
print([entry for entry in opened if ".pyc" not in entry[1] and "matplotlib" not in entry[1]])
"""


def test_import_opens_nothing():
    commands = [path for path in MODULES if room_of(path) == "commands"]
    nodes = [node for path in commands for node in ast.walk(tree(path)) if isinstance(node, ast.ImportFrom)]
    modules = {
        node.module for node in nodes if node.module.startswith("wfc3_cte_monitor.")
    }  # and what functions import
    assert "wfc3_cte_monitor.pipeline.recipe" in modules
    code = AUDIT.replace("{modules}", ", ".join(sorted(modules)))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_definitions_are_found_in_a_checkout():
    assert (shipped_file("table_definitions") / "phot.txt").is_file()
    assert shipped_file("config.example.py").is_file()
