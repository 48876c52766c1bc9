"""The comparison of engines on model stars: a difference that is known comes back."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.table import Table

from wfc3_cte_monitor import photometry
from wfc3_cte_monitor.commands import uvis_external_cte
from wfc3_cte_monitor.pipeline.model_stars import IRAF_WEIGHTS, compare, make_stars


class Faulty:
    """The Python engine with 1 % more flux and centres that are 0.1 px too far right."""

    @staticmethod
    def find(*args):
        positions = photometry.find(*args)
        return replace(positions, x=positions.x + 0.1)

    @staticmethod
    def measure(image, masks, positions, area, setup):
        true = replace(positions, x=positions.x - 0.1)
        measured = photometry.measure(image, masks, true, area, setup)
        return replace(measured, positions=positions, flux=1.01 * measured.flux)


@pytest.fixture(scope="module")
def tables():
    return compare(make_stars(12), {"Python": photometry, "faulty": Faulty})


def of(table, engine):
    return table[table["engine"] == engine]


def test_the_python_engine_has_the_true_flux_at_every_radius(tables):
    difference = of(tables[0], "Python")["difference"]
    np.testing.assert_allclose(difference[2:], 0, atol=0.01)


def test_the_known_difference_of_iraf_s_apertures(tables):
    difference = of(tables[0], IRAF_WEIGHTS)["difference"]
    assert difference[2] == pytest.approx(0.08, abs=0.01)
    assert abs(difference[9]) < 0.005


def test_a_fault_of_flux_and_place_comes_back(tables):
    apertures, phases, centres = tables
    np.testing.assert_allclose(of(apertures, "faulty")["difference"][2:], 1.0, atol=0.01)
    np.testing.assert_allclose(of(phases, "faulty")["error"] - of(phases, "Python")["error"], 0.1, atol=1e-4)
    bright = of(centres, "faulty")["rms"][-1]
    assert bright == pytest.approx(0.1 / np.sqrt(2), abs=0.005)


def test_centres_are_as_good_as_a_gaussian(tables):
    _, phases, centres = tables
    assert np.abs(of(phases, "Python")["error"]).max() < 0.005
    python = of(centres, "Python")
    assert python["rms"][-1] < 0.01
    assert (python["not_centred"][1:] == 0).all()


def test_the_command_writes_figure_and_tables(tmp_path, capsys):
    folder = tmp_path / "new"
    assert uvis_external_cte.main(["photom_tests_modeldata", "--folder", str(folder), "--side", "4"]) == 0
    assert (folder / "photom_tests.png").read_bytes().startswith(b"\x89PNG")
    table = Table.read(folder / "photom_tests_apertures.txt", format="ascii.ecsv")
    assert list(table["radius"][:12]) == list(range(1, 13))
    assert str(table["difference"].unit) == "%"
    assert "photom_tests.png" in capsys.readouterr().out


def test_without_iraf_a_line_names_the_packages(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("iraf", str(tmp_path / "nowhere"))
    assert uvis_external_cte.main(["photom_tests_modeldata", "--folder", str(tmp_path), "--side", "3"]) == 0
    assert "apt install iraf iraf-noao" in capsys.readouterr().err
    assert set(Table.read(tmp_path / "photom_tests_centres.txt", format="ascii.ecsv")["engine"]) == {"Python"}


def test_outputs_of_the_configuration_are_the_default(make_config, capsys):
    config = make_config()
    assert uvis_external_cte.main(["photom_tests_modeldata", "--side", "3", "--config", str(config)]) == 0
    assert list(config.parent.rglob("photom_tests/photom_tests_centres.txt"))
