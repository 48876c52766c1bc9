"""``run_tweakreg`` on whole folders: what is aligned, what stays where it is as it was, and what is said of it."""

import contextlib
import hashlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from running import Outcome, run, run_tool

from wfc3_cte_monitor import alignment, simulate
from wfc3_cte_monitor.exposures import read_wcs
from wfc3_cte_monitor.pipeline import newdata
from wfc3_cte_monitor.settings.record import TWEAKREG
from wfc3_cte_monitor.tables import shipped_file

SHORT, LONG, PARTNER = "ib7x0101q", "ib7x0103q", "ib7x0104q"
"""Of ngc104, program 14541."""
SPARSE = "ib7x0201q"
"""Of ngc6791, 30 s, program 14541."""
KINDS = ("flc", "flt")


@dataclass
class Place:
    """A folder with a configuration, in which the command runs."""

    root: Path
    archive: Path

    @property
    def newdata(self):
        return self.root / "data" / "newdata"

    @property
    def products(self):
        return self.root / "outputs" / "tweakreg"

    @property
    def config(self):
        return self.root / "config.py"

    def put(self, rootname, name=None, kinds=KINDS, change=None, pixels_of=None):
        """A copy of an exposure in newdata, perhaps under another name, changed, or with another one's pixels."""
        for kind in kinds:
            source, path = (
                self.archive / "archive" / f"{rootname}_{kind}.fits",
                self.newdata / f"{name or rootname}_{kind}.fits",
            )
            shutil.copyfile(source, path)
            if name or change or pixels_of:
                with fits.open(path, mode="update") as hdus:
                    _alter(hdus, path, change, pixels_of and source.with_name(f"{pixels_of}_{kind}.fits"))
        return self.newdata / f"{name or rootname}_{kinds[0]}.fits"

    def align(self, *arguments, jobs=1):
        return run_tool("run_tweakreg", "--config", self.config, "--jobs", jobs, *arguments)

    def configure(self, **changes):
        lines = [f"{name} = {value!r}" for name, value in changes.items()]
        self.config.write_text("\n".join([shipped_file("config.example.py").read_text(), *lines, ""]))

    def state(self):
        """Name -> hash of what is in newdata."""
        return {path.name: digest(path) for path in self.newdata.iterdir() if path.is_file()}

    def home(self, name, program=14541):
        return self.root / "data" / str(program) / name

    def exposures(self):
        """Every FLT and FLC in newdata and in the folders of the programs, hidden files too."""
        return sorted(path for path in (self.root / "data").glob("*/*.fits") if path.parent.name != "PA_MAPS")

    def catalog(self, target="ngc104"):
        return self.root / "data" / "master_cat" / "final" / f"{target}_master.cat"

    def leftovers(self):
        """What no command should leave."""
        hidden = [path for path in (self.root / "data").rglob(".*")] + list((self.root / "data").rglob("*.part"))
        return hidden + list((self.root / "outputs" / "tempfiles").glob("*"))


def _alter(hdus, path, change, pixels_of):
    hdus[0].header["ROOTNAME"] = path.name[:9]
    for keyword, value in (change or {}).items():
        header = hdus["SCI", 1].header if keyword in hdus["SCI", 1].header else hdus[0].header
        header[keyword] = value
        if header is hdus["SCI", 1].header:
            hdus["SCI", 2].header[keyword] = value
    if pixels_of:
        for extver in (1, 2):
            hdus["SCI", extver].data = fits.getdata(pixels_of, ("SCI", extver))


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def make_place(root, archive):
    place = Place(root, archive)
    place.newdata.mkdir(parents=True)
    place.catalog().parent.mkdir(parents=True)
    for target in ("ngc104", "ngc6791"):
        shutil.copy(archive / "truth" / f"{target}_master.cat", place.catalog(target))
    place.configure()
    return place


@pytest.fixture
def place(tmp_path, archive):
    return make_place(tmp_path, archive)


def only_line(outcome, name):
    """The line of the summary that names a file, which must be the only one; and it is in the log, too."""
    lines = [line for line in outcome.out.splitlines() if name in line]
    assert len(lines) == 1, (name, outcome)
    assert [line for line in outcome.err.splitlines() if name in line], outcome.err
    return lines[0].strip()


def off_truth(path, archive):
    """EXTVER -> median distance of the catalogue stars, by the file's WCS, from where they truly are [px]."""
    truth = Table.read(archive / "truth" / path.name.replace(".fits", ".ecsv"), format="ascii.ecsv")
    ids, _, _, ra, dec = np.loadtxt(archive / "truth" / f"{truth.meta['target']}_master.cat").T
    sky = dict(zip(ids.astype(int), zip(ra, dec, strict=True), strict=True))
    distances = {}
    for extver, (wcs, _) in read_wcs(path).items():
        stars = [star for star in truth if star["chip"] == {1: 2, 2: 1}[extver] and star["id"] in sky]
        x, y = wcs.all_world2pix([sky[star["id"]] for star in stars], 1).T
        distances[extver] = np.median(np.hypot(x - [s["x"] for s in stars], y - [s["y"] for s in stars]))
    return distances


def assert_aligned(path, archive):
    for extver, distance in off_truth(path, archive).items():
        assert distance < 0.1, (path.name, extver, distance)


def assert_aligned_everywhere(place, names):
    assert place.exposures()
    assert sorted(path.name for path in place.exposures()) == sorted(names)
    for path in place.exposures():
        assert path.parent.name == str(fits.getval(path, "PROPOSID"))
        assert_aligned(path, place.archive)


# ---- Exposures as the archive delivers them --------------------------------------------------------------------------

FOUR = ("i9780101q", "i9j00103q", SHORT, "ib7x0203q")
"""ngc6791 early and short, ngc104 early and long, ngc104 late and short, ngc6791 late and long."""


@pytest.fixture(scope="module")
def four(tmp_path_factory, archive):
    """(place, outcome) of four exposures, for tests that change nothing."""
    place = make_place(tmp_path_factory.mktemp("four"), archive)
    for rootname in FOUR:
        place.put(rootname)
    return place, place.align()


def test_what_the_archive_delivers_is_wrong_by_pixels(archive):
    for rootname in FOUR:
        assert max(off_truth(archive / "archive" / f"{rootname}_flc.fits", archive).values()) > 1


@pytest.mark.slow
def test_short_and_long_early_and_late_are_aligned_in_flc_and_flt(four):
    place, outcome = four
    assert outcome.code == 0
    assert outcome.count("files in newdata") == outcome.count("aligned to") == 8
    assert outcome.count("stay in newdata") == outcome.count("warnings") == 0
    assert_aligned_everywhere(place, [f"{rootname}_{kind}.fits" for rootname in FOUR for kind in KINDS])
    assert list(place.newdata.iterdir()) == []
    assert place.leftovers() == []


@pytest.mark.slow
def test_pictures_matches_headerlet_and_log_are_kept(four):
    place, _ = four
    names = {path.name for path in place.products.iterdir()}
    wanted = {f"{kind}_{root}_flc.png" for root in FOUR for kind in ("hist2d", "residuals", "vector")}
    wanted |= {f"{root}_flc_{end}" for root in FOUR for end in ("catalog_fit.match", "tweakreg.log")}
    assert names == wanted | {f"{root}_hlet.fits" for root in FOUR} | {"alignments.txt"}
    assert all(path.stat().st_size > 500 for path in place.products.iterdir())
    assert "TweakReg" in (place.products / f"{SHORT}_flc_tweakreg.log").read_text()


@pytest.mark.slow
def test_the_table_has_a_row_for_each_flc_with_the_numbers_of_its_fit(four):
    place, outcome = four
    table = Table.read(place.products / "alignments.txt", format="ascii.ecsv")
    assert list(table["imagename"]) == sorted(f"{rootname}_flc.fits" for rootname in FOUR)
    for row in table:
        assert f"{row['n_matches']} matches, rms {row['rms_x']:.3f} {row['rms_y']:.3f} px" in outcome.err
        truth = Table.read(place.archive / "truth" / row["imagename"].replace(".fits", ".ecsv"), format="ascii.ecsv")
        assert row["shift"] == pytest.approx(np.hypot(*truth.meta["wcs_error"]), abs=0.05)
        assert row["rotation"] == pytest.approx(-truth.meta["roll_error"], abs=0.005)
    assert str(table["shift"].unit) == "arcsec"


NEW_IN_PRIMARY = ("UPWCSVER", "PYWCSVER", "HISTORY", "COMMENT", "NEXTEND", "")


@pytest.mark.slow
def test_only_the_wcs_of_a_file_changes(four):
    place, _ = four
    for path in place.exposures():
        with fits.open(path) as after, fits.open(place.archive / "archive" / path.name) as before:
            for name in ("SCI", "ERR", "DQ"):
                for extver in (1, 2):
                    np.testing.assert_array_equal(after[name, extver].data, before[name, extver].data)
            changed = {
                keyword
                for keyword in before["SCI", 1].header
                if keyword and after["SCI", 1].header.get(keyword) != before["SCI", 1].header[keyword]
            }
            assert changed <= {"CRVAL1", "CRVAL2", "CD1_1", "CD1_2", "CD2_1", "CD2_2", "ORIENTAT", "WCSNAME", "WCSTYPE"}
            kept = {k: v for k, v in before[0].header.items() if k not in NEW_IN_PRIMARY}
            assert {k: after[0].header.get(k) for k in kept} == kept
            assert ("MDRIZSKY" in after["SCI", 1].header) == ("MDRIZSKY" in before["SCI", 1].header)


@pytest.mark.slow
def test_twenty_of_twenty_are_aligned_by_two_processes_and_by_one_alike(tmp_path):
    """By one a third of them, of both clusters and lengths."""
    plan = simulate.default_plan(n_epochs=5, flashlvls=(0.0,), wcs_error=0.5, roll_error=0.05)
    plan = [one for one in plan if one.number in (1, 4)]
    assert len(plan) == 20
    simulate.simulate_observatory(tmp_path / "archive", plan, seed=11, n_columns=256, archive=True, jobs=2)
    by_one, by_two = (make_place(tmp_path / str(jobs), tmp_path / "archive") for jobs in (1, 2))
    for place, jobs, exposures in ((by_one, 1, plan[::3]), (by_two, 2, plan)):
        for one in exposures:
            place.put(one.rootname)
        outcome = place.align(jobs=jobs)
        assert outcome.code == 0, outcome
        assert outcome.count("aligned to") == 2 * len(exposures)
        assert_aligned_everywhere(place, [one.imagename(kind) for one in exposures for kind in (True, False)])
    for path in by_one.exposures():
        other = read_wcs(by_two.home(path.name, path.parent.name))
        for extver, (wcs, _) in read_wcs(path).items():
            np.testing.assert_array_equal(wcs.wcs.crval, other[extver][0].wcs.crval)
            np.testing.assert_array_equal(wcs.wcs.cd, other[extver][0].wcs.cd)
    one, two = ((place.products / "alignments.txt").read_text().splitlines() for place in (by_one, by_two))
    assert set(one) < set(two)


# ---- TweakReg's silent failures --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with alignment.Host(tmp_path_factory.mktemp("hosts")) as one:
        yield one


def tweakreg_alone(host, archive, rootname, target, parameters):
    """How far TweakReg's fit is from the truth, whatever it says of it [px]."""
    host.clear()
    image = host.folder / f"{rootname}_flc.fits"
    shutil.copy(archive / "archive" / image.name, image)
    _, _, _, ra, dec = np.loadtxt(archive / "truth" / f"{target}_master.cat").T
    near = np.hypot((ra - np.median(ra)) * np.cos(np.radians(dec)), dec - np.median(dec)) < 0.1
    alignment.align(host, image, ra[near], dec[near], TWEAKREG | parameters)
    return max(off_truth(image, archive).values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rootname", "target", "parameters", "reason"),
    [
        (SPARSE, "ngc6791", {"tolerance": 1.0}, "off at the edge"),
        (LONG, "ngc104", {"fitgeometry": "shift"}, "off at the edge"),
        (SHORT, "ngc104", {"searchrad": 0.1}, "sources near stars"),
        (SHORT, "ngc104", {"threshold": 5.0}, "rms"),
    ],
)
def test_a_fit_that_is_wrong_without_a_word_is_refused(place, host, rootname, target, parameters, reason):
    assert tweakreg_alone(host, place.archive, rootname, target, parameters) > 0.3, "TweakReg's fit must be wrong"
    place.configure(tweakreg_parameters={("*", "*", "*"): parameters}, tweakreg_retries=[])
    path = place.put(rootname)
    before = place.state()
    outcome = place.align()
    assert outcome.code == 1
    assert reason in only_line(outcome, path.name)
    assert place.state() == before
    assert not place.home(path.name).exists()
    assert place.leftovers() == []
    names = [product.name for product in place.products.iterdir()]
    assert f"hist2d_{rootname}_flc.png" in names
    assert f"{rootname}_hlet.fits" not in names, "nobody must take it for a good one"


@pytest.mark.slow
def test_what_the_first_parameters_do_not_align_the_retries_do(place):
    """The sparse 30 s image, with the defaults."""
    place.configure(tweakreg_retries=[])
    path = place.put(SPARSE)
    assert "TweakReg's fit cannot be trusted" in only_line(place.align(), path.name)
    place.configure()
    outcome = place.align()
    assert outcome.code == 0, outcome
    assert_aligned_everywhere(place, [f"{SPARSE}_{kind}.fits" for kind in KINDS])


# ---- A folder of everything that may be wrong, in one run ------------------------------------------------------------

NEIGHBOUR = "i9j00103q"


def rename(number):
    return f"ib7x01{number:02d}q"


def content(text):
    def write(place, name):
        place.put(SHORT, name)
        (place.newdata / f"{name}_flc.fits").write_bytes(text)

    return write


def header(source=SHORT, kinds=KINDS, pixels_of=None, **change):
    return lambda place, name: place.put(source, name, kinds, change, pixels_of)


def truncated(place, name):
    path = place.put(SHORT, name)
    os.truncate(path, 1_000_000)


def one_chip(place, name):
    for kind in KINDS:
        path = place.put(SHORT, name, (kind,))
        with fits.open(path) as hdus:
            kept = fits.HDUList([hdu.copy() for hdu in hdus if hdu.ver == 1])
        kept.writeto(path, overwrite=True)


def misnamed(place, name):
    place.put(SHORT, name, change={})
    for kind in KINDS:
        fits.setval(place.newdata / f"{name}_{kind}.fits", "ROOTNAME", value=rename(99))


def folder(place, name):
    (place.newdata / f"{name}_flc.fits").mkdir()


def dangling(place, name):
    (place.newdata / f"{name}_flc.fits").symlink_to("nowhere")


STAYING = {
    "not FITS": (content(b"<html>404</html>\n" * 500), "flc.fits: cannot be read"),
    "empty": (content(b""), "flc.fits: empty file; retrieve it again"),
    "truncated": (truncated, "flc.fits: truncated file; retrieve it again"),
    "of another instrument": (header(DETECTOR="IR"), "flc.fits: not a WFC3/UVIS exposure"),
    "one chip only": (one_chip, "extension missing: SCI,2"),
    "of an unknown program": (header(PROPOSID=99999), "PROPOSID 99999 is not in program_list"),
    "FLT without FLC": (header(kinds=("flt",)), "flt.fits: no FLC beside it, which it is aligned with; retrieve it"),
    "named otherwise": (misnamed, "file name and ROOTNAME (ib7x0199q) differ"),
    "a folder": (folder, "flc.fits: not a file but a directory, pipe or device"),
    "a link to nowhere": (dangling, "flc.fits: cannot be read (No such file"),
    "of another field by its pixels": (header(pixels_of=SPARSE), "TweakReg's fit cannot be trusted"),
    "degrees away": (header(CRVAL1=16.0, CRVAL2=-70.0), "looks at RA 16.0000, Dec -70.0000, the catalogue of ngc104"),
    "by its name of the other cluster": (header(TARGNAME="NGC-6791"), "the catalogue of ngc6791 is around"),
    "of a target without a catalogue": (header(TARGNAME="NGC-6583"), "no such master catalogue"),
    "of a target with a catalogue in hours": (header(SPARSE), "its RA seems to be in hours, multiply it by 15"),
    "of a strange target": (header(TARGNAME="OMEGACEN"), "unknown target 'OMEGACEN'"),
}
LEFT_OUT = {
    "binned": (header(BINAXIS1=2), 14541, "left out by rule (binned)"),
    "a subarray": (header(SUBARRAY=True), 14541, "left out by rule (subarray)"),
    "off-field": (header(TARGNAME="NGC-104-CAL2"), 14541, "left out by rule (off-field)"),
    "charge-injected": (
        header(CHINJECT="CONT"),
        14541,
        "aligned to ngc104_master, left out by rule (charge injection)",
    ),
    "charge-injected and of another field": (
        header(SPARSE, CHINJECT="CONT"),
        14541,
        "left out by rule (charge injection)",
    ),
}
NAMES = {what: rename(number) for number, what in enumerate([*STAYING, *LEFT_OUT], start=20)}
FORBIDDEN = "iabc1301q"


@dataclass
class Museum:
    place: Place
    outcome: Outcome
    before: dict
    elsewhere: Path


@pytest.fixture(scope="module")
def museum(tmp_path_factory, archive):
    """Good exposures among everything that is wrong or odd, in a path with blanks and accents; after the command."""
    root = tmp_path_factory.mktemp("museum") / "données du moniteur β"
    place = make_place(root, archive)
    catalog = np.loadtxt(place.catalog("ngc6791"))
    catalog[:, 3] /= 15
    np.savetxt(place.catalog("ngc6791"), catalog, fmt="%d %.4f %.4f %.9f %.9f")
    for what, (make, *_) in (STAYING | LEFT_OUT).items():
        make(place, NAMES[what])
    place.put(SHORT, FORBIDDEN, change={"PROPOSID": 12379})
    place.put(SHORT)
    place.put(LONG, kinds=("flc",))
    place.home("").mkdir()
    place.home(f"{SHORT}_flc.fits").write_text("an older copy")
    (place.newdata / f"{SHORT}_flc.fits").chmod(0o444)
    elsewhere = root / "elsewhere"
    elsewhere.mkdir()
    for kind in KINDS:
        link = place.put(NEIGHBOUR, kinds=(kind,))
        link.rename(elsewhere / link.name)
        link.symlink_to(Path("../../elsewhere") / link.name)
    place.put(LONG, rename(90), change={"SUBARRAY": True}, kinds=("flt",))
    link = place.newdata / f"{rename(90)}_flt.fits"
    link.rename(elsewhere / link.name)
    link.symlink_to(Path("../../elsewhere") / link.name)
    before = place.state() | {path.name: digest(path) for path in elsewhere.iterdir()}
    place.configure(tweakreg_retries=[])
    return Museum(place, place.align(), before, elsewhere)


@pytest.mark.slow
@pytest.mark.parametrize("what", STAYING)
def test_what_cannot_be_aligned_stays_as_it_was_with_one_clear_line(museum, what):
    line = only_line(museum.outcome, NAMES[what])
    assert line.startswith(NAMES[what])
    assert STAYING[what][1] in line
    assert "Error" not in line
    assert not list((museum.place.root / "data").glob(f"1*/{NAMES[what]}*"))
    files = {name: value for name, value in museum.before.items() if name.startswith(NAMES[what])}
    after = museum.place.state()
    assert {name: after.get(name) for name in files} == files


@pytest.mark.slow
@pytest.mark.parametrize("what", LEFT_OUT)
def test_what_a_rule_leaves_out_is_moved_all_the_same(museum, what):
    _, program, how = LEFT_OUT[what]
    for kind in KINDS:
        assert museum.place.home(f"{NAMES[what]}_{kind}.fits", program).is_file()
    assert not list(museum.place.newdata.glob(f"{NAMES[what]}*"))
    lines = [line for line in museum.outcome.out.splitlines() if line.strip().startswith(f"{NAMES[what]}_flc.fits, ")]
    assert lines == [f"    {NAMES[what]}_flc.fits, {NAMES[what]}_flt.fits: {how}"]
    path = museum.place.home(f"{NAMES[what]}_flc.fits", program)
    with fits.open(path) as hdus:
        assert alignment.is_aligned(hdus) == how.startswith("aligned")
    if not how.startswith("aligned"):
        assert digest(path) == museum.before[path.name]


@pytest.mark.slow
def test_a_forbidden_visit_is_aligned_and_moved(museum):
    """Its rootname is 13 by the visit, which 12379 forbids."""
    with fits.open(museum.place.home(f"{FORBIDDEN}_flt.fits", 12379)) as hdus:
        assert alignment.is_aligned(hdus)
    assert "forbidden visit 12379/13 (guide-star failure)" in only_line(museum.outcome, FORBIDDEN)


@pytest.mark.slow
def test_the_good_ones_among_them_are_aligned(museum):
    for kind in KINDS:
        assert_aligned(museum.place.home(f"{SHORT}_{kind}.fits"), museum.place.archive)
    assert_aligned(museum.place.home(f"{LONG}_flc.fits"), museum.place.archive)


@pytest.mark.slow
def test_an_flc_without_flt_is_moved_with_a_warning(museum):
    assert only_line(museum.outcome, LONG) == f"{LONG}_flc.fits: no FLT beside it"


@pytest.mark.slow
def test_of_a_link_the_file_it_points_to_stays_untouched(museum):
    for name in (f"{NEIGHBOUR}_flc.fits", f"{NEIGHBOUR}_flt.fits", f"{rename(90)}_flt.fits"):
        assert digest(museum.elsewhere / name) == museum.before[name]
        assert not (museum.place.newdata / name).is_symlink()
    for kind in KINDS:
        path = museum.place.home(f"{NEIGHBOUR}_{kind}.fits", 12348)
        assert not path.is_symlink()
        assert_aligned(path, museum.place.archive)
    moved = museum.place.home(f"{rename(90)}_flt.fits")
    assert moved.is_file()
    assert not moved.is_symlink()


@pytest.mark.slow
def test_the_summary_counts_every_file(museum):
    outcome = museum.outcome
    assert outcome.code == 1
    names = [path.name for path in museum.place.newdata.iterdir()]
    staying = sum(name.startswith(tuple(NAMES[what] for what in STAYING)) for name in names)
    assert outcome.count("stay in newdata") == staying
    parts = ("aligned to", "aligned already", "left out by rule", "stay in newdata")
    assert outcome.count("files in newdata") == sum(outcome.count(label) for label in parts)


@pytest.mark.slow
def test_nothing_but_lines_of_the_monitor_is_on_the_terminal(museum):
    strangers = [
        line for line in museum.outcome.err.splitlines() if not line.startswith(("INFO: ", "WARNING: ", "ERR"))
    ]
    assert strangers == []
    assert museum.place.leftovers() == []


# ---- Catalogues ------------------------------------------------------------------------------------------------------


def rewritten(change):
    def rewrite(path):
        rows = np.loadtxt(path)
        np.savetxt(path, change(rows), fmt="%d %.4f %.4f %.9f %.9f")

    return rewrite


def radians(rows):
    rows[:, 3:] = np.radians(rows[:, 3:])
    rows[:, 3] %= 2 * np.pi
    return rows


def few(path):
    lines = path.read_text().splitlines()
    middle = np.median(np.loadtxt(path), axis=0)
    near = sorted(lines, key=lambda line: np.hypot(*(np.array(line.split()[3:], dtype=float) - middle[3:])))
    path.write_text("\n".join(near[:3]))


def unreadable(path):
    path.write_bytes(bytes(range(256)) * 100)


CATALOGS = {
    "3 stars": (few, "3 stars of the catalogue ngc6791 fall on it, 10 are needed"),
    "radians": (rewritten(radians), "its RA and Dec seem to be in radians"),
    "exchanged": (rewritten(lambda rows: rows[:, [0, 1, 2, 4, 3]]), "exchanged"),
    "missing": (Path.unlink, "no such master catalogue"),
    "unreadable": (unreadable, "no line with id x y ra dec"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "no such master catalogue"),
}


@pytest.mark.parametrize("what", CATALOGS)
def test_exposures_of_a_wrong_catalogue_stay_with_one_line(place, what):
    change, reason = CATALOGS[what]
    change(place.catalog("ngc6791"))
    path = place.put("ib7x0203q")
    before = place.state()
    outcome = place.align()
    assert outcome.code == 1
    assert reason in only_line(outcome, path.name)
    assert place.state() == before


# ---- Folders ---------------------------------------------------------------------------------------------------------


def test_no_newdata_folder_is_bad_input(place):
    place.newdata.rmdir()
    outcome = place.align()
    assert (outcome.code, outcome.out) == (2, "")
    (line,) = outcome.err.splitlines()
    assert str(place.newdata) in line


def test_empty_newdata_is_well(place):
    outcome = place.align()
    assert outcome.code == 0
    assert outcome.count("files in newdata") == 0
    assert outcome.err == ""


def test_a_file_for_the_programs_folder_is_said_before_anything_changes(place):
    path = place.put(SHORT)
    before = place.state()
    (place.root / "data" / "14541").write_text("not a folder")
    outcome = place.align()
    assert outcome.code == 1
    assert f"{place.root / 'data' / '14541'} cannot be made (File exists)" in only_line(outcome, path.name)
    assert place.state() == before


def test_a_folder_in_the_place_of_the_file_is_said(place):
    path = place.put(SHORT, change={"SUBARRAY": True})
    place.home(path.name).mkdir(parents=True)
    outcome = place.align()
    assert outcome.code == 1
    assert "cannot be moved to" in only_line(outcome, path.name)


# ---- What is aligned already -----------------------------------------------------------------------------------------


def again(four, place, rootname):
    """The aligned files of an exposure in another place's newdata."""
    for path in four[0].exposures():
        if path.name.startswith(rootname):
            shutil.copyfile(path, place.newdata / path.name)


@pytest.mark.slow
def test_aligned_files_are_moved_on_without_tweakreg(four, place):
    again(four, place, SHORT)
    before = place.state()
    outcome = place.align()
    assert outcome.code == 0
    assert outcome.count("aligned already") == 2
    assert {path.name: digest(path) for path in place.home("").iterdir()} == before
    assert list(place.products.iterdir()) == []


@pytest.mark.slow
def test_an_flt_that_lost_its_solution_gets_it_again_from_the_flc_in_data(four, place):
    again(four, place, SHORT)
    place.align()
    place.put(SHORT, kinds=("flt",))
    outcome = place.align()
    assert outcome.code == 0, outcome
    assert outcome.count("aligned already") == 1
    assert_aligned(place.home(f"{SHORT}_flt.fits"), place.archive)


@pytest.mark.slow
def test_an_flt_whose_flc_lies_unaligned_in_data_is_aligned_with_it(place):
    path = place.put(SHORT)
    place.home("").mkdir()
    path.rename(place.home(path.name))
    outcome = place.align()
    assert outcome.code == 0, outcome
    assert_aligned_everywhere(place, [f"{SHORT}_{kind}.fits" for kind in KINDS])


@pytest.mark.slow
def test_a_newer_pair_replaces_that_in_data(four, place):
    again(four, place, SHORT)
    place.align()
    place.put(SHORT, change={"CAL_VER": "9.9"})
    outcome = place.align()
    assert outcome.count("aligned to") == 2
    for kind in KINDS:
        path = place.home(f"{SHORT}_{kind}.fits")
        assert fits.getval(path, "CAL_VER") == "9.9"
        assert_aligned(path, place.archive)


@pytest.mark.slow
def test_forced_again_and_again_an_alignment_stays_right_and_files_do_not_grow(four, place):
    again(four, place, SHORT)
    seen = []
    for _ in range(3):
        outcome = place.align("--force")
        assert outcome.code == 0, outcome
        assert outcome.count("aligned to") == 2
        assert_aligned_everywhere(place, [f"{SHORT}_{kind}.fits" for kind in KINDS])
        with contextlib.ExitStack() as stack:
            opened = [stack.enter_context(fits.open(path)) for path in place.exposures()]
            seen.append([(len(hdus), sum(len(hdu.header) for hdu in hdus)) for hdus in opened])
        for path in place.exposures():
            path.rename(place.newdata / path.name)
    assert seen[1] == seen[2]
    assert len(Table.read(place.products / "alignments.txt", format="ascii.ecsv")) == 1


# ---- Whole files only ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def file_size_limit(size):
    """No file may become larger, in this process and those that it starts: as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_scratch_folder_leaves_the_exposure_as_it_was(place):
    path = place.put(SHORT)
    before = place.state()
    with file_size_limit(3_000_000):
        outcome = place.align()
    assert outcome.code == 1
    assert "cannot be copied to" in only_line(outcome, path.name)
    assert place.state() == before
    assert place.leftovers() == []


def test_a_full_program_folder_leaves_the_exposure_as_it_was(place, archive):
    """A link is copied to data/<program>."""
    path = place.put(SHORT, kinds=("flt",), change={"SUBARRAY": True})
    path.rename(place.root / path.name)
    path.symlink_to(place.root / path.name)
    before = digest(path)
    with file_size_limit(3_000_000):
        outcome = place.align()
    assert outcome.code == 1
    assert "cannot be written to" in only_line(outcome, path.name)
    assert digest(path) == before
    assert list(place.home("").iterdir()) == []
    assert place.leftovers() == []


@pytest.mark.slow
def test_a_full_disk_under_newdata_leaves_the_exposure_as_it_was(place, small_disk):
    small_disk(place.newdata, "12m")
    path = place.put(SHORT)
    before = place.state()
    outcome = place.align()
    assert outcome.code == 1
    assert "cannot be written to" in only_line(outcome, path.name)
    assert place.state() == before
    assert place.leftovers() == []


@pytest.mark.slow
def test_a_full_disk_under_the_program_leaves_the_exposure_whole_in_newdata(place, small_disk):
    """Another file system: files are copied there, and one fits."""
    small_disk(place.home(""), "8m")
    path = place.put(SHORT)
    outcome = place.align()
    assert outcome.code == 1
    assert "cannot be written to" in only_line(outcome, path.name.replace("_flc", "_flt"))
    assert_aligned_everywhere_whole(place, 2)
    assert place.leftovers() == []


def assert_aligned_everywhere_whole(place, n):
    """Every exposure is whole, and in one place."""
    paths = [path for path in place.exposures() if not path.name.startswith(".")]
    assert len({path.name for path in paths}) == len(paths) == n
    for path in paths:
        with fits.open(path, memmap=False) as hdus:
            assert all(hdu.data is not None for hdu in hdus[1:])
            hdus.verify("exception")


def start(place, jobs=2):
    return subprocess.Popen(
        [sys.executable, "-m", "wfc3_cte_monitor.commands.uvis_external_cte", "run_tweakreg"]
        + ["--config", str(place.config), "--jobs", str(jobs)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.slow
def test_a_killed_run_leaves_whole_files_each_in_one_place_and_the_next_completes_it(place):
    rootnames = [*FOUR, LONG, PARTNER, NEIGHBOUR, SPARSE]
    rootnames = list(dict.fromkeys(rootnames))
    for rootname in rootnames:
        place.put(rootname)
    chance = random.Random(5)
    for _ in range(5):
        process = start(place)
        time.sleep(chance.uniform(2.0, 9.0))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert_aligned_everywhere_whole(place, 2 * len(rootnames))
    outcome = place.align()
    assert outcome.code == 0, outcome
    assert_aligned_everywhere(place, [f"{rootname}_{kind}.fits" for rootname in rootnames for kind in KINDS])
    assert not [path for path in place.leftovers() if "tempfiles" not in path.parts]


def test_what_a_killed_run_was_writing_is_removed_and_no_exposure(place):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    place.home("").mkdir()
    for folder in (place.newdata, place.home("")):
        (folder / f".{gone.pid}_{SHORT}_flc.fits").write_bytes(b"half")
    mine = place.newdata / f".{os.getpid()}_{SHORT}_flc.fits"
    mine.touch()
    outcome = place.align()
    assert outcome.code == 0
    assert outcome.count("files in newdata") == 0
    assert place.leftovers() == [mine]


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupted_run_ends_soon_and_leaves_whole_files(place, jobs):
    for rootname in FOUR:
        place.put(rootname)
    process = start(place, jobs)
    time.sleep(6)
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=30)
    assert time.monotonic() - began < 5
    assert process.returncode
    assert_aligned_everywhere_whole(place, 8)


@pytest.mark.slow
def test_numbers_that_a_killed_run_did_not_gather_are_gathered(place):
    place.put(SHORT)
    assert place.align().code == 0
    table = place.products / "alignments.txt"
    before = table.read_bytes()
    table.rename(place.products / f"{SHORT}_numbers.txt")
    (place.newdata / f"{LONG}_flc.fits").touch()
    assert place.align().code == 1
    assert table.read_bytes() == before
    assert not [*place.products.glob("*_numbers.txt")]


# ---- The wrapper -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_what_a_run_aligned_before_it_was_ended_is_masked_by_the_next(place, monkeypatch):
    place.put(LONG)
    place.put(PARTNER)

    def end(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(newdata, "make_masks", end)
        ended = run(place.config, "--pr", "last", "--ctecorr", "flt")
    assert (ended.code, ended.count("came from newdata")) == (130, 4)
    note = place.root / "outputs" / "crmasks" / "not_masked_yet.txt"
    assert note.read_text().split() == [LONG, PARTNER]
    outcome = run(place.config, "--pr", "last", "--ctecorr", "flt")
    assert (outcome.code, outcome.count("cosmic rays masked"), outcome.count("extracted")) == (0, 2, 2)
    assert not note.exists()
    assert "cosmic rays masked" not in run(place.config, "--pr", "last", "--ctecorr", "flt").out


@pytest.mark.slow
def test_the_wrapper_takes_in_what_lies_in_newdata(place):
    for rootname in (LONG, PARTNER, FOUR[0]):
        place.put(rootname)
    program = fits.getval(place.newdata / f"{FOUR[0]}_flc.fits", "PROPOSID")
    run_tool("populate_master_tables", "--config", place.config)
    before = place.state()
    untouched = run(place.config, "--pr", "last", "--dotweak", "n")
    assert place.state() == before
    assert untouched.count("exposures found") == 0
    outcome = run(place.config, "--pr", "last", "--ctecorr", "flt")
    assert outcome.code == 0, outcome
    assert outcome.count("came from newdata") == 6
    assert f"    2  of {program}, which was not asked for\n" in outcome.out
    assert outcome.count("cosmic rays masked") == 2
    assert outcome.count("extracted") == 2
    assert outcome.count("pairs measured") == 1
    assert list(place.newdata.iterdir()) == []
    for kind in KINDS:
        assert_aligned(place.home(f"{LONG}_{kind}.fits"), place.archive)
    empty = run(place.config, "--pr", "last", "--ctecorr", "flt")
    assert empty.code == 0
    assert "came from newdata" not in empty.out
    assert (empty.count("extracted"), empty.count("unchanged")) == (0, 2)
    assert place.leftovers() == []
