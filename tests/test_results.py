"""The results for a notebook: tables of the database, and nothing can be written."""

import numpy as np
import pytest
import sqlalchemy as sa
from running import run_tool

from wfc3_cte_monitor import open_results
from wfc3_cte_monitor.commands import run_uvis_external_cte, uvis_external_cte
from wfc3_cte_monitor.errors import ConfigurationError, DatabaseError


@pytest.fixture(scope="module")
def config(tmp_path_factory, observatory):
    folder = tmp_path_factory.mktemp("results")
    uvis_external_cte.main(["initial_setup", "--folder", str(folder), "--path_to_data", str(observatory / "data")])
    argv = ["--pr", "14541", "--ctecorr", "flt", "--pl", "none", "--jobs", "1", "--config", str(folder / "config.py")]
    assert run_uvis_external_cte.main(argv) == 0
    return folder / "config.py"


def test_sets_and_losses(config):
    with open_results(config) as results:
        (one,) = results.sets()
        losses = results.losses(*one["target",], **{name: one[name] for name in one.colnames[1:]})
        every_bin = results.settings.bins
    assert tuple(one) == ("ngc104", "F502N", "l", 0.0, False)
    assert list(losses["lo"]) == [b.lo for b in every_bin]
    assert losses.meta["loss_unit"] == "mag / 2051 px"
    units = {name: str(losses[name].unit) for name in ("mjd", "background", "lo", "mean_flux", "loss", "loss_err")}
    assert set(units.values()) == {"d", "electron / pix", "electron", "mag"}, units
    assert np.allclose(losses["loss"], losses["magslope"] / 2 * 2051, equal_nan=True)


def test_tables_are_as_they_are(config):
    with open_results(config) as results:
        exposures = results.table("ngc104", "fileinfo", CTECORR=0)
        assert set(exposures["CHIP"]) == {1, 2}
        assert exposures["MDRIZSKY"].mask.all(), "NULL is masked"
        assert len(results.table("ngc104", "fileinfo", CTECORR=1)) == 0
        assert results.table(None, "runs")["OUTCOME"].tolist() == ["complete"]
        stars = results.table("ngc104", "phot", FILE_ID=exposures["id"][0])
        assert len(stars) == exposures["NUMSTARS"][0] and stars["FLUX_3"].dtype.kind == "f"


def test_where_there_is_no_model_there_is_no_figure_and_nothing_has_failed(config):
    """In 10 px few stars of a narrow field are good."""
    outcome = run_tool("plot_model_on_reality", "--config", config, "--ap", 10, "--jobs", 1)
    assert (outcome.code, outcome.count("failed"), outcome.count("figures")) == (0, 0, 0), outcome.lines
    assert any("no model over" in line for line in outcome.lines)


def test_nothing_can_be_written(config):
    refused = pytest.raises(sa.exc.OperationalError, match="readonly")
    with open_results(config) as results, results.database.engine.connect() as connection, refused:
        connection.execute(sa.text("delete from runs"))


def test_nothing_can_be_written_on_a_server(postgresql, make_config):
    config = make_config(db_url=postgresql.new())
    assert uvis_external_cte.main(["database", "create", "--config", str(config)]) == 0
    with open_results(config) as results:
        assert len(results.sets()) == 0 and len(results.table("ngc104", "phot")) == 0
        with results.database.engine.connect() as connection, pytest.raises(sa.exc.InternalError, match="read-only"):
            connection.execute(sa.text("delete from runs"))


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda r: r.table("ngc1", "phot"), "no table 'phot' of 'ngc1'"),
        (lambda r: r.table("ngc104", "photo"), "there are failures, fileinfo, master, phot, results"),
        (lambda r: r.table("ngc104", "phot", NOPE=1), "ngc104_phot has no column 'NOPE'"),
        (lambda r: r.losses("ngc1"), "ngc1: not in target_list"),
        (lambda r: r.losses(aperture=4), r"4: not in aprads \(3, 5, 10\)"),
    ],
)
def test_what_is_not_there_is_named(config, ask, said):
    with open_results(config) as results, pytest.raises(DatabaseError, match=said):
        ask(results)


def test_a_database_that_is_not_there_is_not_made(make_config):
    config = make_config()
    with pytest.raises(DatabaseError, match="does not exist"):
        open_results(config)
    assert not list(config.parent.rglob("*.db"))
    with pytest.raises(ConfigurationError, match="no configuration file"):
        open_results(config.with_name("other.py"))
