"""A master catalogue from exposures: the stars that are there, where they are, under ids that stay."""

import shutil
from dataclasses import dataclass, replace

import numpy as np
import pytest
from astropy.table import Table
from running import run, run_step
from scipy.spatial import cKDTree
from truth import compare, truth

from wfc3_cte_monitor import simulate
from wfc3_cte_monitor.catalogs import read_catalog
from wfc3_cte_monitor.commands.setup import default_answers, set_up
from wfc3_cte_monitor.settings import read_settings

SEED = 7
SCALE = 0.0396
"""[arcsec/px]"""
MIN_FOUND = 0.95
MAX_FALSE = 0.01
MAX_MEDIAN = 0.1


# ---- What is built, and what is true ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Archive:
    """Exposures with wrong pointings in newdata, and no catalogue."""

    root: object
    config: object
    target: str
    cluster: simulate.Cluster

    @property
    def names(self):
        """The FLC."""
        return sorted(path.name for path in (self.root / "data" / "newdata").glob("*_flc.fits"))

    @property
    def catalog_path(self):
        return self.root / "data" / "master_cat" / "final" / f"{self.target}_master.cat"

    def catalog(self):
        return read_catalog(self.catalog_path, self.target)[0]

    def table(self, filter_name="F502N"):
        return Table.read(self.catalog_path.with_name(f"{self.target}_{filter_name}_master.ecsv"))

    def build(self, *arguments, filter_name="F502N", jobs=1):
        names = ("--target", self.target, "--filter", filter_name)
        return run_step(self.config, "build_master_catalog", *names, *arguments, jobs=jobs)


def archive(root, target="ngc104", n_columns=256, **plan):
    settings = {"n_epochs": 1, "lengths": ("l",), "flashlvls": (0.0,), "ctecorr": (True,), "filters": ("F502N",)}
    plan = simulate.default_plan(targets=(target,), wcs_error=0.5, roll_error=0.05, **(settings | plan))
    cluster = simulate.make_cluster(target, n_columns=n_columns, seed=SEED)
    clusters = {target: cluster}
    simulate.simulate_observatory(root, plan, seed=SEED, n_columns=n_columns, clusters=clusters, archive=True)
    for path in (root / "archive").iterdir():
        path.rename(root / "data" / "newdata" / path.name)
    return Archive(root, set_up(default_answers(root)), target, cluster)


def on_plane(ra, dec, cluster):
    """East and north [px of the mosaic], shape (n, 2)."""
    ra0, dec0 = np.median(cluster.ra), np.median(cluster.dec)
    east = ((np.asarray(ra) - ra0 + 180) % 360 - 180) * np.cos(np.radians(dec0))
    return np.column_stack([east, np.asarray(dec) - dec0]) * 3600 / SCALE


def without_frame(found, true, start):
    """Positions moved and turned as one so that they fall on the true ones; `start` is how far they are off."""
    found, tree = found - start, cKDTree(true)
    for radius in (3.0, 1.5, 1.0, 1.0):
        distance, nearest = tree.query(found)
        near = distance < radius
        design = np.column_stack([found[near], np.ones(near.sum())])
        terms, *_ = np.linalg.lstsq(design, true[nearest[near]], rcond=None)
        found = np.column_stack([found, np.ones(len(found))]) @ terms
    return found


def frame_of_first(archive, names):
    """By how much the first exposure's WCS is off [px]."""
    table = Table.read(archive.root / "truth" / names[0].replace(".fits", ".ecsv"))
    return np.array(table.meta["wcs_error"]) / SCALE


def expected(archive, names):
    """Which stars a catalogue must have: isolated, on two exposures, above 10 sigma on one of them."""
    tables = [Table.read(archive.root / "truth" / name.replace(".fits", ".ecsv")) for name in names]
    seen = np.concatenate([np.unique(np.asarray(table["id"])) for table in tables])
    covered = np.bincount(seen, minlength=len(archive.cluster) + 1) >= 2
    flux = np.concatenate([np.asarray(table["flux_3"]) for table in tables])
    ids = np.concatenate([np.asarray(table["id"]) for table in tables])
    bright = np.bincount(ids, flux > 10 * np.sqrt(flux + np.pi * 9 * (3.1**2 + 2)), minlength=len(covered)) > 0
    places = on_plane(archive.cluster.ra, archive.cluster.dec, archive.cluster)
    isolated = cKDTree(places).query(places, k=2)[0][:, 1] > 8
    return (covered & bright)[archive.cluster.id] & isolated


def quality(archive, names, places):
    """Part of the expected stars that is found, part of what is found that is false, median distance [px]."""
    true = on_plane(archive.cluster.ra, archive.cluster.dec, archive.cluster)
    wanted = expected(archive, names)
    assert wanted.sum() > 100
    found, _ = cKDTree(places).query(true[wanted])
    own, _ = cKDTree(true).query(places)
    return (found < 1).mean(), (own > 1).mean(), np.median(own[own <= 1])


def assert_good(numbers):
    found, false, median = numbers
    assert found >= MIN_FOUND and false < MAX_FALSE and median < MAX_MEDIAN, numbers


def quality_without_frame(archive, names):
    catalog = archive.catalog()
    true = on_plane(archive.cluster.ra, archive.cluster.dec, archive.cluster)
    places = on_plane(catalog.ra, catalog.dec, archive.cluster)
    return quality(archive, names, without_frame(places, true, frame_of_first(archive, names)))


def gaia_of(archive, path):
    """A catalogue such as Gaia's: the bright stars, where they are."""
    bright = archive.cluster.flux > 3000
    table = Table({"ra": archive.cluster.ra[bright], "dec": archive.cluster.dec[bright]}, units=("deg", "deg"))
    table.write(path, format="ascii.ecsv")
    return path


# ---- A build without any catalogue -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """(archive, outcome, bytes of the exposures before); nobody may change it."""
    one = archive(tmp_path_factory.mktemp("built"))
    before = {name: (one.root / "data" / "newdata" / name).read_bytes() for name in one.names}
    return one, one.build(), before


@pytest.mark.slow
def test_stars_are_found_where_they_are_and_little_else(built):
    one, outcome, _ = built
    assert outcome.code == 0, outcome.err
    assert_good(quality_without_frame(one, one.names))


@pytest.mark.slow
def test_the_summary_counts(built):
    one, outcome, _ = built
    catalog = one.catalog()
    assert outcome.count("made from") == 2 and all(name in outcome.out for name in one.names)
    assert outcome.count("stars found") == len(catalog) == outcome.count("  new")
    assert outcome.count("could not take part") == outcome.count("kept from before") == 0
    np.testing.assert_array_equal(catalog.id, np.arange(1, len(catalog) + 1))


@pytest.mark.slow
def test_exposures_stay_as_they_are_and_nothing_stays_in_tempfiles(built):
    one, _, before = built
    assert {name: (one.root / "data" / "newdata" / name).read_bytes() for name in one.names} == before
    assert not [path for path in (one.root / "outputs" / "tempfiles").iterdir() if path.name != "README"]


@pytest.mark.slow
def test_the_table_beside_says_what_is_known_of_each_star(built):
    one, _, _ = built
    table, catalog = one.table(), one.catalog()
    assert {name: str(table[name].unit) for name in table.colnames if table[name].unit} == {
        "x": "pix",
        "y": "pix",
        "ra": "deg",
        "dec": "deg",
        "rate": "electron / s",
        "rate_err": "electron / s",
    }
    assert set(table.colnames) >= {"id", "n_exposures", "n_good", "saturated", "crowded", "flags"}
    assert table.meta["target"] == "ngc104" and table.meta["filter"] == "F502N"
    assert sorted(table.meta["exposures"]) == one.names
    np.testing.assert_array_equal(table["id"], catalog.id)
    np.testing.assert_allclose(table["ra"], catalog.ra, atol=2e-9)
    np.testing.assert_allclose(table["x"], catalog.x, atol=2e-3)


@pytest.mark.slow
def test_rates_are_those_of_the_stars(built):
    one, _, _ = built
    table, cluster = one.table(), one.cluster
    true = on_plane(cluster.ra, cluster.dec, cluster)
    places = without_frame(on_plane(table["ra"], table["dec"], cluster), true, frame_of_first(one, one.names))
    chip2 = truth(one.root, one.names[0], 2)
    flux = np.full(len(cluster) + 1, np.nan)
    flux[chip2["id"]] = chip2["flux_3"]
    distance, nearest = cKDTree(true).query(places)
    good = (distance < 0.5) & (table["n_good"] == 2) & ~table["crowded"] & (table["rate"] > 5)
    ratio = np.asarray(table["rate"][good]) * 350 / flux[cluster.id[nearest[good]]]
    assert np.isfinite(ratio).sum() > 50 and np.nanmedian(ratio) == pytest.approx(1, abs=0.03)


# ---- What cannot be built --------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--target", "ngc7078", "--filter", "F502N"), "ngc7078: not in target_list"),
        (("--target", "ngc104", "--filter", "F814W"), "F814W: not in filter_list"),
        (("--target", "ngc6791", "--filter", "F502N"), "0 FLC in newdata and the programs' folders, two are needed"),
        (("--target", "ngc104", "--filter", "F502N", "--pr", "12379"), "0 FLC in newdata"),
        (("--target", "ngc104", "--filter", "F502N", "--sigma", "0"), "must be above 0"),
        (("--target", "ngc104", "--filter", "F502N", "--refcat", "gaia.ecsv"), "gaia.ecsv: no such catalogue"),
    ],
)
def test_what_is_asked_for_wrongly_is_one_line(built, arguments, words):
    outcome = run_step(built[0].config, "build_master_catalog", *arguments)
    assert outcome.code == 2
    (line,) = (line for line in outcome.err.splitlines() if "error:" in line)
    assert words in line


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda ra, dec: (ra / 15, dec), "its RA seems to be in hours"),
        (lambda ra, dec: (dec, ra), "seem to be exchanged"),
        (lambda ra, dec: (ra + 50, dec), "is it of this field?"),
    ],
)
def test_a_reference_of_other_places_is_one_short_line(built, tmp_path, change, words):
    one, _, _ = built
    ra, dec = change(one.cluster.ra, one.cluster.dec)
    Table({"ra": ra, "dec": dec}).write(tmp_path / "r.csv", format="ascii.csv")
    outcome = one.build("--refcat", tmp_path / "r.csv")
    (line,) = outcome.lines
    assert outcome.code == 2 and words in line and len(line) < 250


@pytest.mark.slow
def test_a_reference_without_right_ascension_is_one_line(built, tmp_path):
    (tmp_path / "r.csv").write_text("x,dec\n1,2\n")
    outcome = built[0].build("--refcat", tmp_path / "r.csv")
    (line,) = outcome.lines
    assert outcome.code == 2 and "no column named ra (it has x, dec)" in line


@pytest.mark.slow
def test_one_exposure_and_exposures_without_stars_make_no_catalogue(tmp_path):
    plan = simulate.default_plan(n_epochs=1, targets=("ngc104",), lengths=("l",), flashlvls=(0.0,), ctecorr=(True,))
    nothing = {"ngc104": simulate.make_cluster("ngc104", n_columns=64, flux=np.full(5, 1e-3))}
    simulate.simulate_observatory(tmp_path, plan, n_columns=64, clusters=nothing)
    config = set_up(default_answers(tmp_path))
    shutil.rmtree(tmp_path / "data" / "master_cat")
    arguments = ("--target", "ngc104", "--filter", "F502N")
    outcome = run_step(config, "build_master_catalog", *arguments)
    assert outcome.code == 2 and "error: " in outcome.err.splitlines()[-1]
    next((tmp_path / "data" / "12348").iterdir()).unlink()
    outcome = run_step(config, "build_master_catalog", *arguments)
    assert outcome.code == 2 and "1 FLC in newdata and the programs' folders" in outcome.err
    assert not list(tmp_path.glob("data/master_cat/**/*.cat"))


@pytest.mark.slow
def test_an_exposure_that_cannot_be_aligned_is_left_out_and_one_in_two_places_counts_once(tmp_path):
    """The first has no stars to align the others to; the second lies in its program's folder, too; one is cut off."""
    plan = simulate.default_plan(n_epochs=1, targets=("ngc104",), lengths=("l",), flashlvls=(0.0,), ctecorr=(True,))
    third = replace(plan[0], number=9, mjd=plan[0].mjd + 0.1)
    simulate.simulate_observatory(tmp_path, [*plan, third], seed=SEED, n_columns=128)
    folder, newdata = tmp_path / "data" / "12348", tmp_path / "data" / "newdata"
    nothing = simulate.make_cluster("ngc104", n_columns=128, flux=np.full(5, 1e-3))
    empty = simulate.simulate_exposure(plan[0], nothing, ctecorr=True, n_columns=128, effects=simulate.IDEAL)
    empty.writeto(folder / plan[0].imagename(True), overwrite=True)
    shutil.copy(folder / plan[1].imagename(True), newdata)
    (newdata / "i9j00199q_flc.fits").write_bytes((newdata / plan[1].imagename(True)).read_bytes()[:90_000])
    config = set_up(default_answers(tmp_path))
    shutil.rmtree(tmp_path / "data" / "master_cat")
    outcome = run_step(config, "build_master_catalog", "--target", "ngc104", "--filter", "F502N")
    assert outcome.code == 1
    assert (outcome.count("made from"), outcome.count("could not take part")) == (2, 2)
    assert "    i9j00199q_flc.fits: truncated file; retrieve it again" in outcome.out.splitlines()
    (line,) = (line for line in outcome.out.splitlines() if line.startswith("    ") and plan[0].rootname in line)
    assert "too few to align the others to" in line


# ---- Slow: again, from others, in another filter, to a reference -----------------------------------------------------


@pytest.fixture(scope="module", params=["ngc104", "ngc6791"])
def wide(request, tmp_path_factory):
    """512 columns: the archive of two epochs and the short exposures, and a catalogue of the first epoch."""
    root = tmp_path_factory.mktemp(f"wide_{request.param}")
    one = archive(root, request.param, 512, n_epochs=2, lengths=("s", "l"), filters=("F502N", "F606W"))
    return one, one.build("--at-most", "2", jobs=2)


def used_by(outcome):
    (line,) = (line for line in outcome.out.splitlines() if line.startswith("  made from"))
    return [name.strip(",") for name in line.split()[3:]]


@pytest.mark.slow
def test_a_whole_build_is_complete_and_clean(wide):
    one, outcome = wide
    assert outcome.code == 0 and len(used_by(outcome)) == 2
    assert_good(quality_without_frame(one, used_by(outcome)))


def copy_of(one, folder):
    """The same archive with what was built, to change."""
    shutil.copytree(one.root / "data" / "master_cat", folder / "data" / "master_cat")
    shutil.copytree(one.root / "truth", folder / "truth")
    (folder / "data" / "newdata").symlink_to(one.root / "data" / "newdata")
    return replace(one, root=folder, config=set_up(default_answers(folder)))


@pytest.mark.slow
@pytest.mark.parametrize("wide", ["ngc6791"], indirect=True)
def test_built_again_every_star_keeps_its_id(wide, tmp_path):
    again = copy_of(wide[0], tmp_path)
    before = again.catalog()
    assert again.build("--at-most", "2").code == 0
    after = again.catalog()
    assert set(before.id) <= set(after.id) and len(set(after.id)) == len(after)
    assert len(after) <= 1.01 * len(before)
    assert_same_stars(before, after, again.cluster)


def assert_same_stars(before, after, cluster):
    """A star of both catalogues is at one place in both: within a pixel, the frames taken out."""
    _, i, j = np.intersect1d(before.id, after.id, return_indices=True)
    difference = on_plane(after.ra[j], after.dec[j], cluster) - on_plane(before.ra[i], before.dec[i], cluster)
    difference -= np.median(difference, axis=0)
    assert (np.hypot(*difference.T) < 1).mean() > 0.99


@pytest.mark.slow
@pytest.mark.parametrize("wide", ["ngc104"], indirect=True)
def test_from_other_exposures_the_same_stars_have_the_same_ids(wide, tmp_path):
    """The other epoch, aligned to the first one's catalogue, with its own cosmic rays."""
    other = copy_of(wide[0], tmp_path)
    before = other.catalog()
    outcome = other.build("--pr", 14541)
    assert outcome.code == 0
    assert not set(used_by(outcome)) & set(used_by(wide[1]))
    after = other.catalog()
    assert set(before.id) <= set(after.id) and len(set(after.id)) == len(after)
    assert outcome.count("  known before") > 0.9 * outcome.count("stars found")
    assert_same_stars(before, after, other.cluster)


@pytest.mark.slow
@pytest.mark.parametrize("wide", ["ngc104"], indirect=True)
def test_a_second_filter_adds_its_stars(wide, tmp_path):
    second = copy_of(wide[0], tmp_path)
    before = second.catalog()
    outcome = second.build("--at-most", "2", filter_name="F606W", jobs=2)
    after = second.catalog()
    assert outcome.code == 0 and outcome.count("  new") > 0
    assert set(before.id) <= set(after.id) and len(set(after.id)) == len(after)
    assert outcome.count("  known before") > 0.85 * len(before)
    assert after.id[~np.isin(after.id, before.id)].min() > before.id.max()
    assert_same_stars(before, after, second.cluster)
    assert_good(quality_without_frame(second, used_by(wide[1])))


@pytest.mark.slow
def test_aligned_to_a_reference_the_stars_are_where_that_has_them(wide, tmp_path):
    absolute = copy_of(wide[0], tmp_path)
    shutil.rmtree(tmp_path / "data" / "master_cat")
    outcome = absolute.build("--at-most", "2", "--refcat", gaia_of(absolute, tmp_path / "gaia.ecsv"))
    catalog = absolute.catalog()
    assert outcome.code == 0
    places = on_plane(catalog.ra, catalog.dec, absolute.cluster)
    assert_good(quality(absolute, used_by(outcome), places))


@pytest.mark.slow
def test_short_exposures_alone_make_a_catalogue(tmp_path):
    one = archive(tmp_path, lengths=("s",), n_columns=512)
    outcome = one.build()
    assert outcome.code == 0 and len(used_by(outcome)) == 2
    assert_good(quality_without_frame(one, one.names))


# ---- Slow: is the answer right with it -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def losses(tmp_path_factory):
    """catalogue ('true' or 'built') -> losses of three epochs, FLT, from newdata to the database."""
    one = archive(tmp_path_factory.mktemp("losses"), n_columns=512, n_epochs=3, ctecorr=(False, True))
    assert one.build("--at-most", "2", jobs=2).code == 0
    tables = {}
    flt = ("--ctecorr", "flt")
    for kind, folder in (("true", one.root / "truth"), ("built", one.catalog_path.parent)):
        root = one.root / kind
        shutil.copytree(one.root / "data" / "newdata", root / "data" / "newdata")
        config = set_up(default_answers(root))
        shutil.copy(folder / "ngc104_master.cat", root / "data" / "master_cat" / "final")
        (root / "truth").symlink_to(one.root / "truth")
        outcome = run(config, "--pr", "all", "--ap", "3", "--pl", "none", "--jobs", "2", *flt, fast=False)
        assert outcome.code == 0, outcome.out
        tables[kind] = compare(root, read_settings(config), False)
    return tables


def bias_of(table, lo, hi):
    rows = table[(table["lo"] == lo) & (table["hi"] == hi)]
    weights = rows["loss_err"] ** -2.0
    return np.average(rows["loss"] - rows["true"], weights=weights), weights.sum() ** -0.5, int(rows["n_points"].sum())


@pytest.mark.slow
@pytest.mark.parametrize("flux_bin", [(250, 500), (500, 1000), (1000, 2000), (2000, 4000), (4000, 8000), (8000, 32000)])
def test_losses_are_as_true_with_a_built_catalogue_as_with_the_true_one(losses, flux_bin):
    """Three epochs of 512 columns; bias [mag / 2051 px] with the true catalogue and with a built one.

    250-500 e- +0.008 +- 0.006 and +0.010, 500-1000 +0.001 +- 0.005 and -0.001, 1000-2000 0.000 and +0.001,
    2000-4000 +0.003 and +0.004, 4000-8000 -0.001 and 0.000, 8000-32000 +0.001 and +0.002 +- 0.002.
    """
    told = {kind: bias_of(table, *flux_bin) for kind, table in losses.items()}
    line = "; ".join(f"{kind}: {bias:+.4f} +- {err:.4f}, {n} stars" for kind, (bias, err, n) in told.items())
    difference = abs(told["built"][0] - told["true"][0])
    assert difference < told["true"][1] and difference < 0.01, line
    assert told["built"][2] > 0.9 * told["true"][2], line
