"""The room of TweakReg and headerlets: what a fit is judged by, and the process that drizzlepac lives in."""

import os
import shutil
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from wfc3_cte_monitor import alignment
from wfc3_cte_monitor.alignment.host import Host
from wfc3_cte_monitor.errors import AlignmentError
from wfc3_cte_monitor.exposures import read_wcs
from wfc3_cte_monitor.records import Alignment
from wfc3_cte_monitor.settings.record import ALIGNMENT_LIMITS

GOOD = Alignment(
    imagename="iabc01xyq_flc.fits",
    n_stars=480,
    n_sources=60,
    n_matches=40,
    rms=(0.04, 0.05),
    shift=0.4,
    rotation=-0.03,
    n_checked=42,
    n_chance=1.5,
    offset=(0.01, -0.02),
    edge=0.05,
)
NAN = float("nan")


# ---- Judgement -------------------------------------------------------------------------------------------------------


def test_a_good_fit_has_nothing_against_it():
    assert alignment.judge(GOOD, ALIGNMENT_LIMITS) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"n_matches": 9}, "9 matches, fewer than 10"),
        ({"rms": (0.51, 0.04)}, "rms 0.51 px, above 0.5"),
        ({"rms": (0.04, 0.51)}, "rms 0.51 px, above 0.5"),
        ({"rms": (NAN, 0.04)}, "rms nan px, above 0.5"),
        ({"rms": (0.04, NAN)}, "rms nan px, above 0.5"),
        ({"shift": 2.01}, "shift 2.01 arcsec, above 2"),
        ({"shift": NAN}, "shift nan arcsec, above 2"),
        ({"rotation": 0.21}, "rotation 0.210 deg, above 0.2"),
        ({"rotation": -0.21}, "rotation -0.210 deg, above 0.2"),
        ({"rotation": NAN}, "rotation nan deg, above 0.2"),
        ({"n_checked": 9}, "9 of 60 sources near stars of the catalogue, 2 would be by chance"),
        ({"n_chance": 15.0}, "42 of 60 sources near stars of the catalogue, 15 would be by chance"),
        ({"offset": (0.15, 0.15)}, "stars 0.21 px off, above 0.2"),
        ({"offset": (0.0, -0.21)}, "stars 0.21 px off, above 0.2"),
        ({"offset": (NAN, 0.0)}, "stars nan px off, above 0.2"),
        ({"offset": (0.0, NAN)}, "stars nan px off, above 0.2"),
        ({"edge": 0.31}, "stars 0.31 px off at the edge, above 0.3"),
        ({"edge": NAN}, "stars nan px off at the edge, above 0.3"),
    ],
)
def test_one_wrong_number_is_one_reason(changes, reason):
    assert alignment.judge(replace(GOOD, **changes), ALIGNMENT_LIMITS) == [reason]


@pytest.mark.parametrize(
    "changes",
    [
        {"n_matches": 10},
        {"rms": (0.5, 0.5)},
        {"shift": 2.0},
        {"rotation": -0.2},
        {"n_checked": 10},
        {"n_chance": 14.0},
        {"offset": (0.2, 0.0)},
        {"edge": 0.3},
    ],
)
def test_a_limit_itself_is_allowed(changes):
    assert alignment.judge(replace(GOOD, **changes), ALIGNMENT_LIMITS) == []


def test_every_reason_is_given():
    worst = replace(GOOD, n_matches=0, rms=(9, 9), shift=9, rotation=9, n_checked=0, offset=(9, 9), edge=9)
    assert len(alignment.judge(worst, ALIGNMENT_LIMITS)) == 7


@pytest.mark.parametrize(
    ("name", "limit"),
    [("matches", 41), ("rms", 0.049), ("offset", 0.02), ("edge", 0.04), ("shift", 0.39), ("rotation", 0.029)],
)
def test_limits_are_the_configurations(name, limit):
    assert alignment.judge(GOOD, ALIGNMENT_LIMITS | {name: limit})


# ---- Sources against stars -------------------------------------------------------------------------------------------

SHAPES = {1: (2051, 256), 2: (2051, 256)}


def scattered(n, seed=0, shape=SHAPES[1]):
    return np.random.default_rng(seed).uniform(1, shape[::-1], (n, 2))


def test_a_known_offset_comes_back():
    stars = {extver: scattered(300, extver) for extver in (1, 2)}
    sources = {extver: stars[extver][:100] + (0.3, -0.2) for extver in (1, 2)}
    n_checked, n_chance, offset, edge = alignment.check_solution(sources, stars, SHAPES)
    assert n_checked == 200
    np.testing.assert_allclose(offset, (0.3, -0.2), atol=1e-9)
    assert edge == pytest.approx(np.hypot(0.3, 0.2))
    assert n_chance == pytest.approx(200 * 300 * np.pi / (2051 * 256), rel=0.01)


def test_chance_is_what_random_points_give():
    stars = {extver: scattered(4000, extver) for extver in (1, 2)}
    sources = {extver: scattered(20_000, 10 + extver) for extver in (1, 2)}
    n_checked, n_chance, offset, edge = alignment.check_solution(sources, stars, SHAPES)
    assert n_checked == pytest.approx(n_chance, abs=4 * np.sqrt(n_chance))
    assert np.hypot(*offset) < 0.05
    assert edge < 0.2


def test_a_rotation_that_the_middle_does_not_show_is_seen_at_the_edge():
    """As TweakReg's fits to the stars of one region are wrong."""
    stars = {1: scattered(200)}
    sources = {1: stars[1] + np.column_stack([(stars[1][:, 1] - 1026) * 0.6 / 1026, np.zeros(200)])}
    sources[1] = np.concatenate([sources[1], scattered(300, 1)])
    _, _, offset, edge = alignment.check_solution(sources, stars, SHAPES)
    assert np.hypot(*offset) < 0.1
    assert edge == pytest.approx(0.6, abs=0.05)


def test_a_few_stars_say_nothing_of_the_edge():
    n_checked, _, _, edge = alignment.check_solution({1: scattered(5)}, {1: scattered(5)}, SHAPES)
    assert n_checked == 5
    assert np.isnan(edge)


@pytest.mark.parametrize("sources", [{}, {1: np.empty((0, 2))}, {2: scattered(5)}])
def test_nothing_to_compare_is_no_star_and_no_offset(sources):
    n_checked, n_chance, offset, edge = alignment.check_solution(
        sources, {1: scattered(9), 2: np.empty((0, 2))}, SHAPES
    )
    assert (n_checked, n_chance) == (0, 0)
    assert np.isnan([*offset, edge]).all()


def test_sources_a_pixel_away_are_not_the_stars():
    stars = {1: np.array([[100.0, 100.0]])}
    for distance, n in ((0.99, 1), (1.01, 0)):
        assert alignment.check_solution({1: stars[1] + (distance, 0)}, stars, SHAPES)[0] == n


# ---- Displacement ----------------------------------------------------------------------------------------------------

PIXEL = 0.04 / 3600


def plain_wcs(ra, dec, angle=0.0):
    """A chip of 2051 x 256 px whose middle looks at a place, its rows turned from north through east [deg]."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    wcs.wcs.crval, wcs.wcs.crpix = (ra, dec), (128, 1025.5)
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    wcs.wcs.cd = PIXEL * np.array([[-cos, sin], [sin, cos]])
    return wcs


@pytest.mark.parametrize(("ra", "dec"), [(6.0, -72.1), (290.0, 37.8), (0.0, 0.0), (0.0, 80.0), (180.0, -60.0)])
@pytest.mark.parametrize("turn", [0.0, 0.05, -0.2, 1.0])
def test_a_known_shift_and_rotation_come_back(ra, dec, turn):
    east, north = 0.3, -0.4
    before = plain_wcs((ra - east / 7200 / np.cos(np.radians(dec))) % 360, dec, 40.0)
    after = plain_wcs((ra + east / 7200 / np.cos(np.radians(dec))) % 360, dec + north / 3600, 40.0 + turn)
    shift, rotation = alignment.displacement(before, after, (2051, 256))
    assert shift == pytest.approx(0.5, abs=1e-4)
    assert rotation == pytest.approx(turn, abs=2e-3)


def test_a_chip_that_stays_has_moved_by_nothing():
    wcs = plain_wcs(0.0, 0.0, 180.0)
    assert alignment.displacement(wcs, wcs, (2051, 256)) == (0, 0)


def test_rotation_is_the_short_way_round():
    before, after = plain_wcs(10, 10, 179.99), plain_wcs(10, 10, -179.99)
    assert alignment.displacement(before, after, (2051, 256))[1] == pytest.approx(0.02, abs=1e-6)


# ---- TweakReg's files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [None, "", "# only\n# a header\n\n"])
def test_no_matches_are_no_fit(tmp_path, text):
    path = tmp_path / "a_catalog_fit.match"
    if text is not None:
        path.write_text(text)
    with pytest.raises(AlignmentError, match="found no fit"):
        alignment.read_solution(path)


def test_rms_is_that_of_the_residuals(tmp_path):
    path = tmp_path / "a_catalog_fit.match"
    path.write_text("# a header\n" + "".join(f"1 2 3 4 5 6 {dx} {dy} 9 0\n" for dx, dy in ((0.3, 0), (-0.3, 0.2))))
    n_matches, rms = alignment.read_solution(path)
    assert n_matches == 2
    assert rms == pytest.approx((0.3, 0.2 / np.sqrt(2)))


# ---- The real thing --------------------------------------------------------------------------------------------------

PARAMETERS = {"searchrad": 1.0, "searchunits": "arcseconds", "tolerance": 3.0, "separation": 5.0}
PARAMETERS |= {"threshold": 100.0, "conv_width": 3.5, "minobj": 5, "fitgeometry": "rscale", "nclip": 5, "sigma": 3.0}


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with Host(tmp_path_factory.mktemp("hosts")) as one:
        yield one


def align(host, archive, rootname="ib7x0101q", target="ngc104", **changes):
    host.clear()
    image = host.folder / f"{rootname}_flc.fits"
    shutil.copy(archive / "archive" / image.name, image)
    _, _, _, ra, dec = np.loadtxt(archive / "truth" / f"{target}_master.cat").T
    near = np.hypot((ra - np.median(ra)) * np.cos(np.radians(dec)), dec - np.median(dec)) < 0.1
    alignment.align(host, image, ra[near], dec[near], PARAMETERS | changes)
    return image


@pytest.fixture(scope="module")
def products(host, archive, tmp_path_factory):
    """A folder with an exposure that the real TweakReg aligned, and what it wrote beside."""
    image = align(host, archive)
    return shutil.copytree(image.parent, tmp_path_factory.mktemp("aligned") / "folder")


@pytest.fixture(scope="module")
def aligned(products):
    """The exposure."""
    return products / "ib7x0101q_flc.fits"


def test_the_match_file_of_tweakreg_is_understood(products, aligned):
    n_matches, rms = alignment.read_solution(products / f"{aligned.stem}_catalog_fit.match")
    log = (products / "drizzlepac.log").read_text()
    assert n_matches > 20
    assert max(rms) < 0.2
    (line,) = (line for line in log.splitlines() if "Final solution based on" in line)
    assert int(line.split()[-2]) == n_matches
    (line,) = (line for line in log.splitlines() if "FIT RMSE(TAN)" in line or "XRMS" in line)
    for value in rms:
        assert f"{value:.2g}" in line, line


def test_sources_count_pixels_from_1_as_the_truth_does(archive, aligned):
    truth = Table.read(archive / "truth" / f"{aligned.stem}.ecsv", format="ascii.ecsv")
    chips = {extver: truth[truth["chip"] == {1: 2, 2: 1}[extver]] for extver in (1, 2)}
    stars = {extver: np.column_stack([chip["x"], chip["y"]]) for extver, chip in chips.items()}
    sources = alignment.read_sources(aligned.parent, aligned.stem)
    n_checked, n_chance, offset, edge = alignment.check_solution(sources, stars, dict.fromkeys((1, 2), (2051, 128)))
    assert n_checked > 5 * n_chance
    assert edge < 0.15
    assert np.abs(offset).max() < 0.05


def test_the_new_wcs_is_ours_by_name(aligned, archive):
    with fits.open(aligned) as hdus:
        assert alignment.is_aligned(hdus)
    with fits.open(archive / "archive" / aligned.name) as hdus:
        assert not alignment.is_aligned(hdus)
        assert not alignment.is_aligned(fits.HDUList([fits.PrimaryHDU()]))


def test_the_headerlet_carries_the_wcs_to_the_flt(host, archive, aligned):
    host.clear()
    hlet = alignment.headerlet_path(aligned)
    flt = host.folder / aligned.name.replace("_flc", "_flt")
    shutil.copy(archive / "archive" / flt.name, flt)
    alignment.apply_headerlet(host, flt, Path(shutil.copy(hlet, host.folder)))
    one, other = read_wcs(aligned), read_wcs(flt)
    points = np.random.default_rng(0).uniform(1, (128, 2051), (50, 2))
    for extver in (1, 2):
        sky = [wcs[extver][0].all_pix2world(points, 1) for wcs in (one, other)]
        np.testing.assert_allclose(*sky, rtol=0, atol=1e-9)


# ---- The process -----------------------------------------------------------------------------------------------------


def write_headerlet(host, aligned):
    """A quick call that works on files."""
    host.clear()
    image = host.folder / aligned.name
    shutil.copy(aligned, image)
    alignment.write_headerlet(host, image)
    return alignment.headerlet_path(image).is_file()


def test_an_error_in_a_task_is_one_line_and_the_next_call_works(host, aligned):
    host.clear()
    with pytest.raises(AlignmentError) as caught:
        host.call("tweakreg", filename="nowhere_flc.fits")
    assert "\n" not in str(caught.value)
    assert str(caught.value).partition(":")[0].endswith(("Error", "Exit"))
    assert write_headerlet(host, aligned)


def test_an_unknown_parameter_of_tweakreg_is_named(host, archive):
    host.clear()
    with pytest.raises(AlignmentError, match="does not know tolerence, sigm "):
        align(host, archive, tolerence=3, sigm=2)


def test_a_process_killed_between_calls_is_one_error_and_the_next_call_works(host, aligned):
    assert write_headerlet(host, aligned)
    os.kill(host._process.pid, signal.SIGKILL)
    host._process.wait()
    with pytest.raises(AlignmentError, match="ended with code -9"):
        write_headerlet(host, aligned)
    assert write_headerlet(host, aligned)


def test_a_process_killed_at_work_is_one_error_and_the_next_call_works(host, archive, aligned):
    assert write_headerlet(host, aligned)
    killer = threading.Timer(0.2, os.kill, (host._process.pid, signal.SIGKILL))
    killer.start()
    began = time.monotonic()
    with pytest.raises(AlignmentError, match="ended with code -9"):
        align(host, archive)
    assert time.monotonic() - began < 5
    assert write_headerlet(host, aligned)


@pytest.mark.slow
def test_nothing_of_drizzlepac_is_on_our_terminal(host, archive, capfd):
    align(host, archive)
    assert tuple(capfd.readouterr()) == ("", "")
    assert len(host.log.read_text().splitlines()) > 20


def test_closing_ends_the_process_and_removes_the_folder(tmp_path):
    host = Host(tmp_path)
    with pytest.raises(AlignmentError):
        host.call("no such task")
    process = host._process
    host.close()
    assert process.returncode == -signal.SIGKILL  # whatever it was at
    assert process.stdin.closed
    assert process.stdout.closed
    assert list(tmp_path.iterdir()) == []
    host.close()


def test_a_host_that_never_worked_is_closed_too(tmp_path):
    with Host(tmp_path) as host:
        assert host.folder.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_the_headerlet_of_an_aligned_exposure_can_be_written_again(host, archive, aligned):
    assert write_headerlet(host, aligned)
    written = alignment.headerlet_path(host.folder / aligned.name)
    before, after = (fits.getheader(path, ("SIPWCS", 1)) for path in (alignment.headerlet_path(aligned), written))
    for keyword in ("CRVAL1", "CRVAL2", "CD1_1", "CD1_2", "CD2_1", "CD2_2", "WCSNAME"):
        assert before[keyword] == after[keyword]


def test_the_folder_is_emptied_whatever_is_in_it(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").touch()
    with Host(tmp_path) as host:
        (host.folder / "folder").mkdir()
        (host.folder / "folder" / "file").touch()
        (host.folder / "link").symlink_to(elsewhere)
        host.clear()
        assert list(host.folder.iterdir()) == []
    assert (elsewhere / "kept").is_file()


def test_a_worker_keeps_one_host_and_closes_that_of_an_earlier_folder(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    first = alignment.host_in(tmp_path / "one")
    assert alignment.host_in(tmp_path / "one") is first
    second = alignment.host_in(tmp_path / "two")
    assert not first.folder.exists()
    assert second.folder.is_dir()
    second.close()


def test_who_interrupts_a_call_does_not_get_its_answer_to_the_next(tmp_path, monkeypatch):
    with Host(tmp_path) as host:
        process = host._running()
        with monkeypatch.context() as during:
            during.setattr(process.stdout, "readline", interrupted)
            with pytest.raises(KeyboardInterrupt):
                host.call("no such task")
        assert process.returncode
        with pytest.raises(AlignmentError, match="KeyError: 'another task'"):
            host.call("another task")


def interrupted():
    raise KeyboardInterrupt


def test_the_package_is_found_from_a_folder_where_it_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.path.relpath(Path(alignment.__file__).parents[2]))
    with Host(tmp_path) as host, pytest.raises(AlignmentError, match="KeyError"):
        host.call("no such task")
