"""Numbers: the same whatever the machine does beside them, none that is none, and no warning that nobody sees."""

import ast
import contextlib
import logging
import os
import shutil
import sqlite3
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from astropy.io import fits
from running import dump, run, run_script

import wfc3_cte_monitor
from benchmarks.wholeness import without_fingerprint
from wfc3_cte_monitor.pipeline.parallel import in_order, warnings_logged
from wfc3_cte_monitor.settings import read_settings
from wfc3_cte_monitor.tables import Schema

PATHS = ("IMAGEPATH", "PHOTPATH", "SLOPEFILE_PATH", "FINGERPRINT", "INGEST_DATE")
"""What knows where, when and from which file it was made."""


# ---- Independent of everything beside --------------------------------------------------------------------------------


def content(root):
    """What a run made of numbers: the rows of the database, and the bytes of the tables."""
    files = [path for path in (root / "outputs").rglob("*") if path.suffix in (".coo", ".mag")]
    files += (root / "outputs").rglob("*_slopes.txt")
    assert len(files) >= 6
    return dump(root / "database", without=PATHS), {path.name: without_fingerprint(path) for path in files}


@pytest.fixture(scope="module")
def here(copied, make_example, tmp_path_factory):
    """The data, and what one process makes of them."""
    root = tmp_path_factory.mktemp("here")
    data = copied(root, names=("*_fl?.fits",))
    assert run(make_example(root), "--pr", "all").code == 0
    return data, content(root)


@pytest.fixture(scope="module")
def make_example():
    def make(root):
        example = Path(wfc3_cte_monitor.__file__).parent.parent / "config.example.py"
        (root / "config.py").write_text(example.read_text() + "aprads = [3, 5]\n")
        return root / "config.py"

    return make


def with_comma():
    """A locale in which 0,5 is a half; without one C, which at least is not that of the other runs."""
    listed = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False).stdout.split()
    return next((name for name in listed if name.startswith(("de_", "fr_", "it_", "es_", "ru_"))), "C")


@pytest.mark.slow
@pytest.mark.parametrize(("jobs", "locale"), [(1, with_comma()), (2, "C.UTF-8")])
def test_results_do_not_depend_on_processes_order_of_files_or_locale(here, make_example, tmp_path, jobs, locale):
    data, expected = here
    shutil.copytree(data / "master_cat", tmp_path / "data" / "master_cat")
    (tmp_path / "data" / "14541").mkdir()
    for number, path in enumerate(sorted((data / "14541").iterdir(), reverse=True)):
        copy = shutil.copy(path, tmp_path / "data" / "14541")
        os.utime(copy, (1e9 + number, 1e9 + number))
    environment = {"LC_ALL": locale, "PYTHONUTF8": "0", "TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": str(jobs)}
    arguments = ("--pr", "all", "--pl", "none", "--jobs", jobs, "--config", make_example(tmp_path))
    outcome = run_script(*arguments, **environment)
    assert outcome.code == 0, outcome.err
    rows, files = content(tmp_path)
    assert rows == expected[0]
    assert files == expected[1]


# ---- No number that is none ------------------------------------------------------------------------------------------

_STORED_AS = {sa.Float: ("real",), sa.Integer: ("integer",), sa.String: ("text",), sa.Date: ("text",)}


def wrong_values(config):
    """(table, column, value) of what is stored and is not of its column's type, or infinite; SQLite takes anything."""
    settings = read_settings(config)
    schema = Schema(settings.target_list, settings.aprads, settings.bins)
    with contextlib.closing(sqlite3.connect(settings.database_url)) as connection:
        for table in schema.metadata.sorted_tables:
            for column in table.columns:
                kinds = next(kinds for kind, kinds in _STORED_AS.items() if isinstance(column.type, kind))
                marks = ", ".join("?" * len(kinds))
                query = (
                    f'SELECT "{column.name}" FROM "{table.name}" WHERE "{column.name}" IS NOT NULL AND '
                    f'(typeof("{column.name}") NOT IN ({marks}) OR abs("{column.name}") > 1e308)'
                )
                yield from ((table.name, column.name, value) for (value,) in connection.execute(query, kinds))


def test_what_is_no_number_is_not_stored_as_one(copied, make_config, tmp_path):
    data = copied(tmp_path)
    for number, path in enumerate(sorted((data / "14541").iterdir())):
        with fits.open(path, mode="update") as hdus:
            for version, bad in ((1, np.nan), (2, np.inf)):
                hdus["SCI", version].data[number * 500 : number * 500 + 400] = bad
                hdus["SCI", version].data[:, 5::17] = -bad
    config = make_config(tmp_path)
    assert run(config, "--pr", "all", "--ctecorr", "flt").count("pairs measured") == 1
    assert [*wrong_values(config)] == []
    with contextlib.closing(sqlite3.connect(tmp_path / "database" / "uvis_external_cte.db")) as connection:
        (n_missing,) = connection.execute("SELECT count(*) FROM ngc104_phot WHERE FLUX_3 IS NULL").fetchone()
        assert n_missing > 0, "the test must have something to look at"
        first = "MASTER_ID = (SELECT min(MASTER_ID) FROM ngc104_phot)"
        connection.execute(f"UPDATE ngc104_phot SET FLUX_3 = 'nan', FLUX_5 = 9e999 WHERE {first}")
        connection.commit()
    assert {name for _, name, _ in wrong_values(config)} == {"FLUX_3", "FLUX_5"}, "and must see it"


# ---- No warning that nobody sees -------------------------------------------------------------------------------------


def warn(number):
    warnings.warn(f"number\n{number}", RuntimeWarning, stacklevel=1)
    return number


def test_a_warning_of_a_library_is_a_line_of_the_log(caplog):
    caplog.set_level(logging.WARNING, logger="wfc3_cte_monitor")
    with warnings_logged():  # as every command is
        assert [result for _, result, _ in in_order(warn, [7], jobs=1)] == [7]
    assert {record.getMessage() for record in caplog.records} == {"RuntimeWarning: number 7"}


MODULES = sorted(Path(wfc3_cte_monitor.__file__).parent.rglob("*.py"))
SILENCERS = ("simplefilter", "filterwarnings", "errstate", "seterr")


def silencers():
    """(lines of the module, call) of what keeps warnings back."""
    for path in MODULES:
        text = path.read_text()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in SILENCERS:
                yield path, text.splitlines(), node


def test_only_named_warnings_are_kept_back_each_with_a_reason():
    found = list(silencers())
    assert len(found) >= 5, "the check must see them"
    for path, lines, call in found:
        place = f"{path.name}:{call.lineno}"
        assert len(call.args) + len(call.keywords) >= 2 or "errstate" in ast.unparse(call), f"{place}: which?"
        assert "seterr" not in ast.unparse(call), f"{place}: for everybody"
        assert "#" in lines[call.lineno - 1] + lines[call.lineno - 2], f"{place}: why?"
