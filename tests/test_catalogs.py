"""Master catalogues: every good line is used, every bad one named; and the pieces that a new one is made of."""

import numpy as np
import pytest
from astropy.table import Table

from wfc3_cte_monitor.catalogs import (
    StarMeasurements,
    catalog_path,
    check_field,
    combine,
    keep_ids,
    read_catalog,
    read_reference,
    write_catalog,
)
from wfc3_cte_monitor.catalogs.detection import find_sources
from wfc3_cte_monitor.errors import CatalogError
from wfc3_cte_monitor.records import Flag, MasterCatalog


def write(tmp_path, text):
    path = catalog_path(tmp_path, "ngc104")
    path.write_text(text, encoding="latin-1")
    return path


def test_columns_are_id_x_y_ra_dec(tmp_path):
    catalog, problems = read_catalog(
        write(tmp_path, "7 1.5 2.5 5.67 -72.1\n\n# comment\n8 1 2 6 -72 extra\n"), "ngc104"
    )
    assert problems == []
    np.testing.assert_array_equal(catalog.id, [7, 8])
    assert (catalog.x[0], catalog.y[0], catalog.ra[0], catalog.dec[0]) == (1.5, 2.5, 5.67, -72.1)


@pytest.mark.parametrize(
    "bad",
    [
        "1 2 3",
        "x 1 2 3 4",
        "1 2 3 abc 4",
        "1.5 1 2 3 4",
        "1 nan 2 3 4",
        "1 1 2 400 4",
        "1 1 2 3 -91",
        "9 1 2 3 4",
        "1e300 1 2 3 4",
        "inf 1 2 3 4",
        "9223372036854775808 1 2 3 4",
        "-9.5 1 2 3 4",
        "1 1 2 -0.1 4",
        "1 1 2 360.1 4",
        "1 1 2 3 90.1",
        "1 1 2 nan 4",
        "1 1 inf 3 4",
        "1,1,2,3,4",
        "1 1 2 00:22:04 -72:04:00",
        "id x y ra dec",
        "1 1 2 \xff 4",
    ],
)
def test_a_bad_line_is_named_and_the_rest_is_used(tmp_path, bad):
    catalog, problems = read_catalog(write(tmp_path, f"9 1 2 5 -72\n{bad}\n10 1 2 5 -72\n"), "ngc104")
    np.testing.assert_array_equal(catalog.id, [9, 10])
    (problem,) = problems
    assert problem.startswith("ngc104_master.cat, line 2: ")


def test_limits_and_ids_that_other_programs_write_are_good(tmp_path):
    text = "\ufeff1.0 1 2 0 -90\n-3 1 2 360 90\r\n0\t1e3 -5 5.1 4\n"
    path = catalog_path(tmp_path, "ngc104")
    path.write_bytes(text.encode())
    catalog, problems = read_catalog(path, "ngc104")
    assert problems == []
    np.testing.assert_array_equal(catalog.id, [1, -3, 0])
    np.testing.assert_array_equal(catalog.x, [1, 1, 1000])


def test_every_bad_line_is_named_by_its_own_number(tmp_path):
    _, problems = read_catalog(write(tmp_path, "# c\n1 2\n9 1 2 5 -72\n\n9 3 4 5 -72\nx\n"), "ngc104")
    assert [problem.split(":")[0] for problem in problems] == [f"ngc104_master.cat, line {n}" for n in (2, 5, 6)]
    assert "a second time" in problems[1]


def test_of_two_lines_of_one_star_the_first_counts(tmp_path):
    catalog, _ = read_catalog(write(tmp_path, "9 1 2 5 -72\n9.0 3 4 6 -71\n"), "ngc104")
    assert (len(catalog), catalog.x[0], catalog.target) == (1, 1.0, "ngc104")


def test_hours_cannot_be_told_from_degrees(tmp_path):
    """0.4 h looks like 0.4 deg: only the field of an exposure shows it."""
    catalog, problems = read_catalog(write(tmp_path, "1 1 2 0.4 -72\n"), "ngc104")
    assert (len(catalog), problems) == (1, [])


def test_long_ids_keep_their_last_digit(tmp_path):
    catalog, _ = read_catalog(write(tmp_path, "4689637956899105793 1 2 5 -72\n"), "ngc104")
    assert catalog.id[0] == 4689637956899105793


@pytest.mark.parametrize("text", ["", "nothing good\n"])
def test_a_catalogue_without_a_good_line_is_refused(tmp_path, text):
    with pytest.raises(CatalogError, match="ngc104_master.cat"):
        read_catalog(write(tmp_path, text), "ngc104")


def test_a_missing_catalogue_says_where_to_put_it(tmp_path):
    with pytest.raises(CatalogError, match=r"id x y ra dec"):
        read_catalog(catalog_path(tmp_path, "ngc6791"), "ngc6791")


# ---- Writing ---------------------------------------------------------------------------------------------------------


def field(n, seed=0, ra=6.02, dec=-72.08, size=60.0):
    """RA and Dec of stars at random in a square, `size` arcsec wide [deg]."""
    east, north = np.random.default_rng(seed).uniform(-size / 2, size / 2, (2, n)) / 3600
    return (ra + east / np.cos(np.radians(dec))) % 360, dec + north


def catalog_of(ra, dec, ids=None):
    ids = np.arange(1, len(ra) + 1) if ids is None else np.asarray(ids)
    return MasterCatalog("ngc104", ids, np.linspace(1, 4000, len(ra)), np.linspace(5, 2000, len(ra)), ra, dec)


def test_what_is_written_is_read_back(tmp_path):
    catalog = catalog_of(*field(50), ids=[4689637956899105793, *range(2, 51)])
    path = catalog_path(tmp_path, "ngc104")
    write_catalog(catalog, path)
    again, problems = read_catalog(path, "ngc104")
    assert problems == []
    np.testing.assert_array_equal(again.id, catalog.id)
    np.testing.assert_allclose([again.x, again.y], [catalog.x, catalog.y], atol=5e-5)
    np.testing.assert_allclose([again.ra, again.dec], [catalog.ra, catalog.dec], atol=5e-10)


# ---- Catalogues to align to ------------------------------------------------------------------------------------------

RA, DEC = np.array([6.0, 6.5, 7.0]), np.array([-72.0, -72.1, -72.2])


def write_table(path, ra=RA, dec=DEC, names=("ra", "dec"), units=(None, None), kind=None):
    Table([ra, dec], names=names, units=units).write(path, format=kind)
    return path


@pytest.mark.parametrize("name", ["gaia.ecsv", "gaia.csv", "gaia.fits", "gaia.vot", "gaia.xml", "gaia.txt"])
def test_a_reference_is_read_in_every_form(tmp_path, name):
    kinds = {"csv": "ascii.csv", "vot": "votable", "xml": "votable", "txt": "ascii.commented_header"}
    units = ("deg", "deg") if name.endswith(("ecsv", "fits", "vot", "xml")) else (None, None)
    path = write_table(tmp_path / name, units=units, kind=kinds.get(name.rpartition(".")[2]))
    catalog = read_reference(path)
    np.testing.assert_allclose([catalog.ra, catalog.dec], [RA, DEC])
    np.testing.assert_array_equal(catalog.id, [1, 2, 3])
    assert catalog.target == name


def test_a_master_catalogue_is_a_reference(tmp_path):
    path = write(tmp_path, "7 1.5 2.5 5.67 -72.1\n")
    assert (read_reference(path).ra[0], read_reference(path).id[0]) == (5.67, 7)


@pytest.mark.parametrize(
    ("units", "factors"), [(("hourangle", "deg"), (15, 1)), (("rad", "rad"), (180 / np.pi, 180 / np.pi))]
)
def test_units_of_a_reference_are_heeded(tmp_path, units, factors):
    path = write_table(tmp_path / "r.ecsv", RA / factors[0], DEC / factors[1], units=units)
    catalog = read_reference(path)
    np.testing.assert_allclose([catalog.ra, catalog.dec], [RA, DEC])


@pytest.mark.parametrize("names", [("RA_ICRS", "DE_ICRS"), ("RAJ2000", "DEJ2000"), ("Ra", "DEC")])
def test_positions_have_the_names_that_archives_give_them(tmp_path, names):
    path = write_table(tmp_path / "r.csv", names=names)
    np.testing.assert_allclose(read_reference(path).dec, DEC)


def test_rows_without_a_position_are_left_out(tmp_path):
    table = Table({"ra": np.ma.masked_array(RA, [False, True, False]), "dec": [-72.0, -72.1, np.nan]})
    table.write(tmp_path / "r.ecsv")
    catalog = read_reference(tmp_path / "r.ecsv")
    assert (len(catalog), catalog.ra[0]) == (1, 6.0)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("r.csv", "x,dec\n1,2\n", "no column named ra (it has x, dec)"),
        ("r.csv", "ra,x\n1,2\n", "no column named dec (it has ra, x)"),
        ("r.csv", "ra,dec\n00:24:05,-72:04:52\n", "column ra is not an angle in degrees"),
        ("r.csv", "ra,dec\n", "no row with RA and Dec"),
        ("r.csv", "", "no column named ra (it has none)"),
        ("r.ecsv", "no header\n", "not a table"),
        ("r.fits", "SIMPLE\n", "not a table"),
        ("r.vot", "<html>", "not a table"),
        ("r.cat", "id x y ra dec\n", "no line with id x y ra dec"),
    ],
)
def test_what_is_no_reference_is_one_line(tmp_path, name, content, words):
    (tmp_path / name).write_text(content)
    with pytest.raises(CatalogError) as caught:
        read_reference(tmp_path / name)
    line = str(caught.value)
    assert line.startswith(str(tmp_path / name)) and words in line and "\n" not in line


def test_a_unit_that_is_no_angle_is_refused(tmp_path):
    path = write_table(tmp_path / "r.ecsv", units=("m", "deg"))
    with pytest.raises(CatalogError, match="column ra is not an angle"):
        read_reference(path)


def test_a_missing_reference_is_said(tmp_path):
    with pytest.raises(CatalogError, match="gaia.ecsv: no such catalogue"):
        read_reference(tmp_path / "gaia.ecsv")


@pytest.mark.parametrize(
    ("ra", "dec", "hint"),
    [
        (RA / 15, DEC, "its RA seems to be in hours"),
        (np.radians(RA), np.radians(DEC), "seem to be in radians"),
        (DEC, RA, "seem to be exchanged"),
        (RA + 90, DEC, "is it of this field?"),
    ],
)
def test_a_catalogue_of_other_places_is_told_with_a_hint(ra, dec, hint):
    with pytest.raises(CatalogError) as caught:
        check_field(catalog_of(ra, dec), 6.5, -72.1, "iabc01xyq_flc.fits")
    line = str(caught.value)
    assert "iabc01xyq_flc.fits: looks at RA 6.5000, Dec -72.1000" in line and hint in line


@pytest.mark.parametrize("ra", [0.001, 359.999])
def test_the_field_is_the_same_on_both_sides_of_0_h(ra):
    check_field(catalog_of(*field(5, ra=0.0)), ra, -72.08, "iabc01xyq_flc.fits")


# ---- Who is who ------------------------------------------------------------------------------------------------------


def test_the_first_catalogue_counts_from_1():
    nothing = np.empty(0)
    old = MasterCatalog("ngc104", np.empty(0, int), nothing, nothing, nothing, nothing)
    identities = keep_ids(*field(4), old)
    np.testing.assert_array_equal(identities.id, [1, 2, 3, 4])
    assert not identities.known.any() and not identities.missed.size and identities.offset == (0.0, 0.0)


@pytest.mark.parametrize(("east", "north"), [(0.0, 0.0), (1.0, 0.0), (-0.6, 0.7), (0.025, -0.95)])
@pytest.mark.parametrize("ra0", [6.02, 0.0])
def test_old_stars_keep_their_ids_in_a_frame_that_moved(east, north, ra0):
    """By an arcsecond, and at RA 0; new stars get ids that were never used."""
    ra, dec = field(400, ra=ra0)
    ids = np.random.default_rng(1).permutation(400) * 7 + 5
    noise = np.random.default_rng(2).normal(0, 0.004, (2, 400))
    moved_ra = (ra + (east + noise[0]) / 3600 / np.cos(np.radians(dec))) % 360
    moved_dec = dec + (north + noise[1]) / 3600
    identities = keep_ids(moved_ra[100:], moved_dec[100:], catalog_of(ra[:350], dec[:350], ids[:350]))
    np.testing.assert_allclose(identities.offset, (east, north), atol=0.005)
    assert identities.known[:250].mean() > 0.98
    known = identities.known[:250]
    np.testing.assert_array_equal(identities.id[:250][known], ids[100:350][known])
    new = identities.id[~identities.known]
    assert new.min() > ids[:350].max() and len(set(identities.id)) == 300
    assert set(range(100)) <= set(identities.missed)


def test_of_two_stars_at_one_place_the_nearer_is_the_old_one():
    ra, dec = field(50)
    twin = ra[:1], dec[:1] + 0.03 / 3600
    identities = keep_ids(np.append(twin[0], ra), np.append(twin[1], dec), catalog_of(ra, dec))
    np.testing.assert_array_equal(identities.id[1:], np.arange(1, 51))
    assert identities.id[0] == 51 and not identities.known[0]


def test_a_catalogue_of_another_field_shares_nothing():
    ra, dec = field(30)
    identities = keep_ids(ra, dec + 0.5, catalog_of(ra, dec))
    assert not identities.known.any() and len(identities.missed) == 30


# ---- What is a star --------------------------------------------------------------------------------------------------

CR, HOT, FULL, MANY = (int(flag) for flag in (Flag.COSMIC_RAY, Flag.BAD_PIXEL, Flag.SATURATED, Flag.CROWDED))
SKYLESS = int(Flag.NO_SKY)
NAN = np.nan


def combined(rate, flags, *, err=1.0, ra=None, x=None, peak=50.0, core=None):
    """Columns for detections with the rates and flags (n_exposures, n), far from each other unless x is given."""
    rate, flags = np.atleast_2d(np.asarray(rate, float)), np.atleast_2d(flags)
    n = rate.shape[1]
    ra = np.broadcast_to(6.0 if ra is None else np.asarray(ra, float), rate.shape)
    own = np.where(flags >= 0, ra, NAN)
    errors = np.where(np.isfinite(rate), err, NAN)
    core = np.where(flags & CR, NAN, np.where(np.isfinite(rate), rate / errors, np.inf)) if core is None else core
    measured = StarMeasurements(rate, errors, flags, core, own, np.where(flags >= 0, -72.0, NAN))
    x = 100.0 * np.arange(n) if x is None else np.asarray(x, float)
    flux = np.nan_to_num(rate).max(axis=0)
    return combine(measured, x, 0 * x, np.full(n, 6.0), np.full(n, -72.0), np.full(n, peak), flux)


@pytest.mark.parametrize(
    ("rate", "flags", "is_star"),
    [
        ([[20], [21]], [[0], [0]], True),
        ([[20], [0.5]], [[0], [0]], False),  # a cosmic ray that no mask has
        ([[90], [0.5]], [[CR], [0]], False),
        ([[90], [20]], [[CR], [0]], True),
        ([[90], [20], [0.1]], [[CR], [0], [0]], False),
        ([[20], [NAN]], [[0], [-1]], False),  # seen by one exposure alone
        ([[2], [2]], [[0], [0]], False),  # below 5 sigma together
        ([[4], [4]], [[0], [0]], True),
        ([[900], [900]], [[FULL], [FULL]], True),
        ([[NAN], [NAN]], [[FULL], [FULL]], True),
        ([[20], [21]], [[MANY], [MANY]], True),
        ([[20], [21]], [[HOT], [HOT]], True),  # and the mosaic has it at 50 sigma
        ([[90], [1]], [[CR], [HOT]], False),
    ],
)
def test_what_two_exposures_show_is_a_star(rate, flags, is_star):
    assert combined(rate, flags)["is_star"].tolist() == [is_star]


def test_a_star_whose_core_no_hit_touches_in_one_exposure_is_there():
    hit = {"rate": [[90], [70]], "flags": [[CR], [CR]]}
    assert combined(**hit, core=np.array([[NAN], [30.0]]))["is_star"].tolist() == [True]
    assert combined(**hit, core=np.array([[NAN], [2.0]]))["is_star"].tolist() == [False]


def test_what_spoils_every_exposure_must_stand_out_on_the_mosaic():
    assert combined([[20], [21]], [[HOT], [HOT]], peak=9.0)["is_star"].tolist() == [False]


def test_the_rate_is_that_of_the_good_exposures():
    columns = combined([[90, 10], [20, 14]], [[CR, 0], [0, 0]])
    np.testing.assert_allclose(columns["rate"], [20, 12])
    np.testing.assert_allclose(columns["rate_err"], [1, np.sqrt(0.5)])
    assert (columns["n_exposures"].tolist(), columns["n_good"].tolist()) == ([2, 2], [1, 2])
    assert columns["flags"].tolist() == [CR, 0]


def test_saturated_and_crowded_are_what_most_exposures_say():
    columns = combined([[20, 20, 20]] * 3, [[FULL, MANY, 0], [FULL, 0, 0], [0, MANY, 0]])
    assert columns["saturated"].tolist() == [True, False, False]
    assert columns["crowded"].tolist() == [False, True, False]


def test_a_faint_thing_beside_a_bright_star_may_be_a_part_of_it():
    """A thousandth at 4 px; not as much at 20 px, a hundredth at 4 px, a thousandth far away."""
    rate = [[1e5, 100, 100, 1e3, 100]] * 2
    columns = combined(rate, [[0] * 5] * 2, x=[0, 4, 20, -4, 300])
    assert columns["is_star"].tolist() == [True, False, True, True, True]
    columns = combined([[1e6, 100]] * 2, [[0] * 2] * 2, x=[0, 20])
    assert columns["is_star"].tolist() == [True, False]


def test_what_has_no_sky_in_the_halo_of_a_bright_star_is_a_part_of_it():
    columns = combined([[1e5, 3e3, 3e3]] * 2, [[0, SKYLESS, SKYLESS]] * 2, x=[0, 12, 30])
    assert columns["is_star"].tolist() == [True, False, True]


def test_what_has_no_centroid_beside_a_brighter_star_is_a_piece_of_a_blend():
    columns = combined([[100, 40, 40]] * 2, [[0] * 3] * 2, ra=[[6, NAN, NAN]] * 2, x=[0, 3, 9])
    assert columns["is_star"].tolist() == [True, False, True]


def test_positions_are_averaged_across_ra_0():
    columns = combined([[20], [20]], [[0], [0]], ra=[[359.9999999], [0.0000003]])
    assert columns["ra"][0] == pytest.approx(1e-7, abs=1e-9)


def test_without_a_centroid_the_place_on_the_mosaic_serves():
    columns = combined([[NAN], [NAN]], [[FULL], [FULL]], ra=NAN)
    assert (columns["ra"][0], columns["dec"][0]) == (6.0, -72.0)


# ---- Sources on an image ---------------------------------------------------------------------------------------------


def starry(stars, shape=(400, 300), sky=10.0, noise=3.0):
    """An image with stars (x, y, flux), 1-based, of 2 px FWHM."""
    row, column = np.indices(shape)
    image = np.random.default_rng(3).normal(sky, noise, shape)
    for x, y, flux in stars:
        image += flux / (2 * np.pi * 0.85**2) * np.exp(-((column + 1 - x) ** 2 + (row + 1 - y) ** 2) / 2 / 0.85**2)
    return image


def test_stars_are_found_where_they_are():
    stars = [(50.0, 60.0, 400.0), (120.3, 60.4, 1000.0), (200.5, 300.5, 5000.0), (126.0, 60.0, 800.0)]
    x, y, peak, flux = find_sources(starry(stars), np.zeros((400, 300), dtype=bool))
    assert len(x) == 4
    order = np.lexsort((x, y.round(-1)))
    np.testing.assert_allclose(x[order], [50.0, 120.3, 126.0, 200.5], atol=0.2)
    np.testing.assert_allclose(y[order], [60.0, 60.4, 60.0, 300.5], atol=0.2)
    assert peak.min() > 10 and peak.argmax() == np.abs(x - 200.5).argmin()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("image", [starry([]), np.zeros((400, 300)), np.full((400, 300), 7.0), starry([])[:30, :20]])
def test_an_image_without_stars_has_no_sources(image):
    assert [len(column) for column in find_sources(image, np.zeros(image.shape, dtype=bool))] == [0, 0, 0, 0]


@pytest.mark.filterwarnings("error")
def test_bad_pixels_hold_no_sources():
    image, bad = starry([(50.0, 60.0, 5000.0), (200.0, 300.0, 5000.0)]), np.zeros((400, 300), dtype=bool)
    bad[:100] = True
    image[20, 20] = np.nan
    x, *_ = find_sources(image, bad)
    np.testing.assert_allclose(x, [200.0], atol=0.1)
    assert [len(column) for column in find_sources(image, np.ones_like(bad))] == [0, 0, 0, 0]
