"""The room of the web page: what moved, what changed, what scripts get, and that no text is obeyed."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import Table

from wfc3_cte_monitor import outputs, report
from wfc3_cte_monitor.pipeline.sharing import name_of, place_in, shareable, shareable_command
from wfc3_cte_monitor.records import FluxBin, set_title

BIN = (500.0, 1000.0)
META = {
    **{"target": "ngc104", "filter": "F502N", "length": "l", "flashlvl": 0.0, "ctecorr": False},
    **{"aperture": 3.0, "loss_unit": "mag / 2051 px"},
}


def losses(*rows, **meta):
    """A table of (image number, epoch, loss, error), all in one bin."""
    columns = {
        "imagename_1": [f"i{number}a_flt.fits" for number, *_ in rows],
        "imagename_2": [f"i{number}b_flt.fits" for number, *_ in rows],
        "mjd": [epoch + 0.25 for _, epoch, *_ in rows],
        "epoch": [epoch for _, epoch, *_ in rows],
        "background": [1.5] * len(rows),
        "lo": [BIN[0]] * len(rows),
        "hi": [BIN[1]] * len(rows),
        "n_points": [50] * len(rows),
        "logflux": [2.85] * len(rows),
        "loss": [loss for *_, loss, _ in rows],
        "loss_err": [err for *_, err in rows],
    }
    return Table(columns, meta=META | meta)


def data_of(table):
    return report.explorer_data([table], {}, [FluxBin(*BIN)], [FluxBin(*BIN)])


# ---- At a glance -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("now", "arrow"), [(0.13, "up"), (0.101, "same"), (0.07, "down")])
def test_the_arrow_tells_a_change_beyond_two_standard_errors(now, arrow):
    (move,) = report.movements(losses((1, 57000, 0.1, 0.003), (2, 57200, now, 0.004)))
    assert (move.lo, move.hi, move.epoch, move.before, move.arrow) == (*BIN, 57200, 57000, arrow)
    assert np.isclose(move.change, now - 0.1) and np.isclose(move.change_err, 0.005)


def test_pairs_of_an_epoch_are_averaged_by_their_errors():
    (move,) = report.movements(losses((1, 57000, 0.1, 0.01), (2, 57000, 0.2, 0.02)))
    assert np.isclose(move.loss, (0.1 * 4 + 0.2) / 5) and np.isclose(move.loss_err, 5**-0.5 * 0.02)
    assert move.arrow is None and np.isnan(move.before), "there is no epoch before"


@pytest.mark.parametrize(("expected", "surprise"), [(0.10, False), (0.07, True), (0.13, True)])
def test_a_surprise_is_off_the_coefficients_of_before(expected, surprise):
    asked = []

    def predicted(mjd, log_flux):
        asked.append((mjd, log_flux))
        return expected, 0.004

    table = losses((1, 57000, 0.05, 0.003), (2, 57200, 0.1, 0.003))
    (move,) = report.movements(table, predicted)
    assert asked == [(57200, 2.85)]
    assert move.is_surprise is surprise and np.isclose(move.deviation, (0.1 - expected) / 0.005)


@pytest.mark.parametrize(("err", "constrained"), [(0.2, True), (0.8, False), (np.nan, False)])
def test_what_coefficients_hardly_know_is_no_expectation(err, constrained):
    (move,) = report.movements(losses((1, 57000, 0.05, 0.003), (2, 57200, 0.1, 0.003)), lambda *_: (0.1, err))
    assert move.is_constrained is constrained


def test_nothing_measured_nothing_moved():
    assert report.movements(losses()) == []
    assert report.movements(losses((1, 57000, np.nan, np.nan))) == []


# ---- Data of the scripts ---------------------------------------------------------------------------------------------


def test_the_explorer_gets_every_measurement_and_no_number_that_is_none():
    table = losses((1, 57000, 0.123456789, 0.003), (2, 57200, np.nan, np.nan))
    pages = {("i1a_flt.fits", "i1b_flt.fits"): "pairs/1.html"}
    bins = [FluxBin(250.0, 500.0), FluxBin(*BIN)]
    data = report.explorer_data([table], pages, bins, bins[1:])
    assert [one["finest"] for one in data["bins"]] == [False, True]
    assert data["values"]["3"]["loss"] == [[None, 0.123457], [None, None]]
    assert data["values"]["3"]["n"] == [[None, 50], [None, 50]]
    assert [pair["page"] for pair in data["pairs"]] == ["pairs/1.html", None]
    json.dumps(data, allow_nan=False)


def test_a_script_comes_back_and_ends_no_script():
    value = {"name": "</script><script>alert(1)</script>", "values": [1.5, None, "ü"]}
    text = report.script_text("cteLosses", value)
    assert text.startswith("window.cteLosses = ") and "<" not in text
    assert report.read_script(text) == value
    assert report.read_script("window.x = {") is None


# ---- The run before --------------------------------------------------------------------------------------------------


def model(value):
    of_set = {name: META[name] for name in ("target", "filter", "length", "flashlvl", "ctecorr", "aperture")}
    return of_set | {"terms": [[0, 0, 0], [0, 1, 0]], "values": [value, 0.01], "d_range": [0.0, 2000.0]}


def test_what_changed_since_the_run_before():
    before = data_of(losses((1, 57000, 0.1, 0.002), (2, 57200, 0.12, 0.002), (3, 57300, 0.13, 0.002)))
    now = data_of(losses((1, 57000, 0.1, 0.002), (2, 57200, 0.125, 0.002), (4, 57400, 0.14, 0.002)))
    (row,) = report.compare_reports(before, now, [model(0.05)], [model(0.06)], 3.0)
    assert (row["new"], row["gone"], row["changed"]) == (1, 1, 1)
    assert np.isclose(row["largest"], 0.005) and np.isclose(row["sigma"], 2.5)
    assert np.isclose(row["before"], 0.08) and np.isclose(row["now"], 0.09)


def test_nothing_changed():
    data = data_of(losses((1, 57000, 0.1, 0.002)))
    assert report.compare_reports(data, data, [model(0.05)], [model(0.05)], 3.0) == []


# ---- Pages -----------------------------------------------------------------------------------------------------------


def test_texts_of_files_are_shown_and_not_obeyed():
    hostile = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"
    table = {"aperture": 3, "picture": None, "slopes": []}
    text = report.page(
        "pair.html",
        **dict.fromkeys(("title", "heading", "set_title", "set_page", "earlier", "later", "unit"), hostile),
        **{"root": "../", "software": hostile, "made": hostile, "version": "", "mjd": 57000.0, "program": hostile},
        exposures=[{"imagename": hostile}],
        facts=[(hostile, [hostile])],
        pictures=[{"png": hostile, "alt": hostile, "files": [(hostile, hostile)]}],
        apertures=[table],
        radii=[3],
        way=[(hostile, [1])],
        flag_names=[hostile],
        flags=[],
    )
    assert "<script>" not in text and "<img src=x" not in text and "&lt;script&gt;" in text


def test_the_words_of_a_set():
    assert set_title("ngc104", "F502N", "l", 0.0, False) == "NGC 104   F502N   long   no post-flash   FLT"


def test_the_plotting_library_is_that_of_the_installed_package():
    name, read = report.plotting_library()
    assert name.startswith("plotly-") and name.endswith(".min.js")
    assert "plotly.js v" in read()[:100]


# ---- Texts without the machine ---------------------------------------------------------------------------------------


def test_texts_tell_of_no_machine():
    folders = {"path_to_data": Path("/disk/cte/data"), "path_to_outputs": Path("/disk/cte/my outputs")}
    settings = SimpleNamespace(**folders, path_to_db=None, path_to_automated_outputs=None)
    url = SimpleNamespace(database="uvis_cte")
    database = SimpleNamespace(file=None, url=url, place="postgresql+psycopg://monitor:***@server/uvis_cte")
    assert name_of(database) == "uvis_cte"
    for text, shared in (
        ("/disk/cte/data/12348/a_flt.fits: damaged", "12348/a_flt.fits: damaged"),
        ("/disk/cte/my outputs/photom/a.coo: No space left", "photom/a.coo: No space left"),
        ("config (/home/me/config.py) and '/opt/x/y.cat'", "config (config.py) and 'y.cat'"),
        (f"database {database.place}: is locked", "database uvis_cte: is locked"),
        ("F1/F2 of 12 e-/px, see https://archive.org/a/b", "F1/F2 of 12 e-/px, see https://archive.org/a/b"),
    ):
        assert shareable(text, database, settings) == shared
    command = "run_uvis_external_cte --pr all --config '/home/my dir/config.py' --dbfile=/x/y.db --jobs 2"
    assert shareable_command(command) == "run_uvis_external_cte --pr all --config config.py --dbfile=y.db --jobs 2"
    assert place_in(Path("/disk/data"), "/disk/data/12348/a.fits") == "12348/a.fits"
    assert place_in(Path("/disk/data"), "/elsewhere/a.fits") == "a.fits"


# ---- Copies ----------------------------------------------------------------------------------------------------------


def test_only_what_changed_is_copied_and_what_went_goes(tmp_path):
    folder, copy = tmp_path / "report", tmp_path / "copy"
    (folder / "pairs").mkdir(parents=True)
    copy.mkdir()
    for name in ("index.html", "pairs/a.html", "pairs/b.html", ".1-host_x"):
        (folder / name).write_text(name)
    outputs.copy_changed(folder, copy)
    assert {path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()} == {
        *("index.html", "pairs/a.html", "pairs/b.html")
    }
    inode = (copy / "pairs" / "a.html").stat().st_ino
    (folder / "index.html").write_text("new")
    (folder / "pairs" / "b.html").unlink()
    outputs.copy_changed(folder, copy)
    assert (copy / "index.html").read_text() == "new" and not (copy / "pairs" / "b.html").exists()
    assert (copy / "pairs" / "a.html").stat().st_ino == inode, "what is the same is left alone"


def test_a_second_name_follows_the_file_that_takes_the_place(tmp_path):
    source, target = tmp_path / "source", tmp_path / "there" / "target"
    assert not outputs.link_file(source, target)
    source.write_text("old")
    assert outputs.link_file(source, target) and target.samefile(source)
    outputs.replace_file(source, lambda new: new.write_text("new"))
    assert target.read_text() == "old"
    assert outputs.link_file(source, target) and target.read_text() == "new"
