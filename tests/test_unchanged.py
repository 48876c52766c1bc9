"""Nothing is done twice: what a measurement was made from decides whether it is made again."""

import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
from running import dump, run

from wfc3_cte_monitor.pipeline import fingerprints
from wfc3_cte_monitor.records import Exposure, MasterCatalog
from wfc3_cte_monitor.settings import read_settings
from wfc3_cte_monitor.tables import shipped_file
from wfc3_cte_monitor.uvis import crmask_name

pytestmark = pytest.mark.slow

COUNTS = ("extracted", "unchanged", "pairs measured", "pairs unchanged")
EVERYTHING = ("--pr", "all", "--ctecorr", "flt")


def counts(outcome):
    assert outcome.code == 0, outcome.lines
    return [outcome.count(label) for label in COUNTS]


@pytest.fixture(scope="module")
def measured(observatory, tmp_path_factory):
    """Root of a finished run in ``live``, which tests may change, and a copy of it, which they may not."""
    root = tmp_path_factory.mktemp("unchanged")
    shutil.copytree(observatory / "data", root / "live" / "data")
    configure(root / "live")
    assert counts(again(root / "live" / "config.py", "--jobs", 2)) == [4, 0, 2, 0]
    shutil.copytree(root / "live", root / "copy", symlinks=True)
    return root


@pytest.fixture
def site(measured):
    """Folder and configuration of a finished run, always in the same place: a fingerprint knows where it was made."""
    live = measured / "live"
    shutil.rmtree(live)
    shutil.copytree(measured / "copy", live, symlinks=True)
    return live, live / "config.py"


def configure(root, **changes):
    text = shipped_file("config.example.py").read_text()
    values = {"aprads": [3, 5], **changes}
    (root / "config.py").write_text(text + "".join(f"{name} = {value!r}\n" for name, value in values.items()))


def again(config, *arguments):
    return run(config, *EVERYTHING, "--pl", "ratio_ypos", "--jobs", 1, *arguments, fast=False)


def test_a_second_run_does_nothing_twice_and_its_results_are_whole(site):
    root, config = site
    before = dump(root / "database", without=())
    results = root / "outputs" / "finalresults" / "pf0" / "most_recent"
    files = {path.relative_to(results): path.read_bytes() for path in (results / "").rglob("*.*")}
    first = results.resolve()
    outcome = again(config)
    assert counts(outcome) == [0, 4, 0, 2]
    assert outcome.count("figures") == 0
    assert dump(root / "database", without=()) == before
    assert results.resolve() != first
    assert {path.relative_to(results): path.read_bytes() for path in (results / "").rglob("*.*")} == files


def test_force_does_it_all_again_with_the_same_outcome(site):
    root, config = site
    before = dump(root / "database")
    assert counts(again(config, "--force")) == [4, 0, 2, 0]
    assert dump(root / "database") == before


def touch(path):
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))


def test_a_new_file_is_measured_again_and_its_pair(site):
    root, config = site
    name = next((root / "data" / "14541").glob("*_flt.fits"))
    touch(name)
    assert counts(again(config)) == [1, 3, 1, 1]
    assert counts(again(config)) == [0, 4, 0, 2]


def test_another_configuration_measures_again_what_it_concerns(site):
    root, config = site
    configure(root, loss_unit="flux", flashlvl_list=[0, 6])
    assert counts(again(config)) == [0, 4, 0, 2]
    configure(root, max_shift=1.4)
    assert counts(again(config)) == [4, 0, 2, 0]


@pytest.mark.parametrize("suffix", [".coo", ".mag", ".png"])
def test_a_lost_file_of_an_exposure_is_made_again(site, suffix):
    root, config = site
    lost = next((root / "outputs" / "photom").rglob(f"*{suffix}"))
    lost.unlink()
    assert counts(again(config)) == [1, 3, 0, 2]
    assert lost.is_file()


@pytest.mark.parametrize("suffix", [".txt", ".png"])
def test_a_lost_file_of_a_pair_is_made_again(site, suffix):
    root, config = site
    lost = next((root / "outputs" / "finalresults" / "pf0" / "most_recent" / "").rglob(f"*_slopes{suffix}"))
    lost.unlink()
    assert counts(again(config)) == [0, 4, 1, 1]
    assert (root / "outputs/finalresults/pf0/most_recent" / lost.parent.name / lost.name).is_file()


def test_results_of_other_programs_and_apertures_stay_in_the_newest(site):
    root, config = site
    results = root / "outputs" / "finalresults" / "pf0" / "most_recent"
    names = sorted(path.name for path in (results / "").rglob("*_slopes.*"))
    assert len(names) == 2 * 2 * len(("txt", "png", "pdf"))
    outcome = run(config, "--pr", "14541", "--ctecorr", "flt", "--ap", "3", "--force")
    assert counts(outcome) == [2, 0, 1, 0]
    assert sorted(path.name for path in (results / "").rglob("*_slopes.*")) == names
    # Measured anew with another annulus: what the files of the other aperture tell is not in the database any more.
    configure(root, sky_annulus=(11, 20))
    assert run(config, "--pr", "14541", "--ctecorr", "flt", "--ap", "3").code == 0
    new = sorted(path.name for path in (results / "").rglob("*_slopes.txt"))
    assert len(new) == 3


@pytest.fixture
def thing(make_config, tmp_path):
    """An exposure whose file is there, and its settings."""
    path = tmp_path / "data" / "14541" / "ibxx01aaq_flt.fits"
    path.parent.mkdir(parents=True)
    path.touch()
    exposure = Exposure(
        path, "ibxx01aaq", 14541, "ngc104", "F502N", 350.0, 55e3, 0.0, False, 2, 0, 0, 0, {"MEANDARK": 1.0}
    )
    return exposure, read_settings(make_config())


def mask_appears(exposure, settings):
    folder = settings.path_to_outputs / "crmasks"
    folder.mkdir(parents=True)
    (folder / crmask_name(exposure.rootname, 1)).touch()


def area_map_appears(exposure, settings):
    settings.path_to_pa_maps.mkdir(parents=True)
    (settings.path_to_pa_maps / "UVIS2wfc3_map.fits").touch()


@pytest.mark.parametrize(
    "happens",
    [
        lambda exposure, settings: touch(exposure.path),
        mask_appears,
        area_map_appears,
        lambda exposure, settings: (exposure, replace(settings, bad_dq_bits=4)),
        lambda exposure, settings: (exposure, replace(settings, sky_annulus=(10, 20))),
        lambda exposure, settings: (exposure, settings, "another catalogue"),
        lambda exposure, settings: (exposure, settings, "catalogue", False),
    ],
)
def test_everything_that_decides_the_photometry_is_in_the_fingerprint(thing, happens):
    before = printed(*thing)
    assert printed(*thing) == before
    assert printed(*(happens(*thing) or thing)) != before


def printed(exposure, settings, catalog="catalogue", maskcr=True):
    return fingerprints.of_exposure(exposure, catalog, settings, maskcr=maskcr)


def test_a_catalogue_is_told_by_its_stars():
    stars = np.arange(3), *(np.arange(3.0) for _ in range(4))
    catalog = MasterCatalog("ngc104", *stars)
    moved = replace(catalog, dec=catalog.dec + 1e-9)
    assert fingerprints.of_catalog(catalog) == fingerprints.of_catalog(replace(catalog, dec=catalog.dec.copy()))
    assert fingerprints.of_catalog(catalog) != fingerprints.of_catalog(moved)


def test_code_is_in_the_fingerprints(thing, monkeypatch):
    before = printed(*thing), fingerprints.of_pair("a", "b", thing[1])
    monkeypatch.setattr(fingerprints, "_code", lambda names: "another version")
    assert not {*before} & {printed(*thing), fingerprints.of_pair("a", "b", thing[1])}


@pytest.mark.parametrize("names", [fingerprints._MEASURES_STARS, fingerprints._MEASURES_SLOPES, fingerprints._DRAWS])
def test_the_code_of_the_fingerprints_is_where_they_look_for_it(names):
    assert [name for name in names if not (fingerprints._PACKAGE / name).exists()] == []
