"""Which exposures count, and what is read of those that do: section 2 of METHOD, rule by rule, on real headers."""

import logging
import shutil
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from stsci.skypac.pamutils import pam_from_file

from wfc3_cte_monitor.database import fileinfo_row
from wfc3_cte_monitor.errors import UnusableExposureError
from wfc3_cte_monitor.exposures import (
    area_from_wcs,
    find_files,
    footprint,
    headers,
    pixel_area,
    read_chip,
    read_exposure,
)
from wfc3_cte_monitor.records import Exposure, Rejection
from wfc3_cte_monitor.settings import read_settings
from wfc3_cte_monitor.simulate import IDEAL, PlannedExposure, make_cluster, simulate_exposure
from wfc3_cte_monitor.simulate.observatory import _write_area_map
from wfc3_cte_monitor.simulate.templates import primary_template, sci_template
from wfc3_cte_monitor.tables import shipped_file
from wfc3_cte_monitor.uvis import sci_extver

COLUMNS = 64
ROWS = 2051


@pytest.fixture(scope="module")
def legal():
    return read_settings(shipped_file("config.example.py"))


@pytest.fixture(scope="module")
def write(tmp_path_factory):
    """Writes an exposure with some keywords changed (None removes one) and returns its path."""
    cluster = make_cluster("ngc104", n_columns=COLUMNS, flux=[])
    plans, hdulists = {}, {}

    def write(primary=None, sci=None, *, folder=None, ctecorr=False, name=None, hdus=None, **plan):
        plans.setdefault(key := repr((ctecorr, plan)), PlannedExposure(**{**NOMINAL, **plan}))
        if key not in hdulists:
            hdulists[key] = simulate_exposure(
                plans[key], cluster, ctecorr=ctecorr, n_columns=COLUMNS, effects=replace(IDEAL, noise=True)
            )
        copy = fits.HDUList([hdu.copy() for hdu in hdulists[key]])
        change(copy[0].header, primary)
        for number in (1, 2):
            change(copy["SCI", number].header, sci)
        if hdus:
            copy = hdus(copy)
        path = (folder or tmp_path_factory.mktemp("data")) / (name or plans[key].imagename(ctecorr))
        path.parent.mkdir(parents=True, exist_ok=True)
        copy.writeto(path)
        return path

    return write


NOMINAL = {"program": 14541, "visit": "0a", "number": 1, "mjd": 57770.5, "target": "ngc104"}


def change(header, keywords):
    for keyword, value in (keywords or {}).items():
        if value is None:
            header.remove(keyword)
        else:
            header[keyword] = value


# ---- What is read of an exposure that counts -------------------------------------------------------------------------


def test_nominal_exposure_is_read(write, legal):
    path = write(flashlvl=12.0)
    exposure = read_exposure(path, legal)
    assert isinstance(exposure, Exposure)
    assert exposure.path == path
    assert exposure.rootname == path.name[:9]
    assert (exposure.program, exposure.visit, exposure.target) == (14541, "0a", "ngc104")
    assert (exposure.filter, exposure.exptime, exposure.length) == ("F502N", 350.0, "l")
    assert (exposure.expstart, exposure.flashlvl, exposure.ctecorr) == (57770.5, 12.0, False)
    assert (exposure.postarg1, exposure.postarg2) == (0.0, 0.0)
    assert exposure.pa_v3 == fits.getval(path, "PA_V3")
    assert exposure.keywords["MEANFLSH"] == 12.0
    assert exposure.keywords["CHINJECT"] == "NONE"


@pytest.fixture
def more_columns(tmp_path, monkeypatch):
    """Definitions in which fileinfo has further columns."""
    folder = shutil.copytree(shipped_file("table_definitions"), tmp_path / "definitions")
    with (folder / "fileinfo.txt").open("a") as file:
        file.write("\nSOMETEXT, String\nSOMENUM, Float\nSOMEINT, Integer\nSOMEDAY, Date\nINSCI, Float\nNOWHERE, Float")
    monkeypatch.setattr(headers, "shipped_file", lambda name: folder)
    headers._columns.cache_clear()
    yield
    headers._columns.cache_clear()


def test_a_column_with_the_name_of_a_keyword_gets_its_value(write, legal, more_columns):
    known = {"SOMETEXT": " a b ", "SOMENUM": 2, "SOMEINT": 3.0, "SOMEDAY": "2026-03-01T12:00:00"}
    path = write(known, {"INSCI": 1.5, "SOMENUM": 7.0})
    keywords = read_exposure(path, legal).keywords
    expected = {"SOMETEXT": "a b", "SOMENUM": 2.0, "SOMEINT": 3, "SOMEDAY": date(2026, 3, 1), "INSCI": 1.5}
    assert {name: keywords[name] for name in expected} == expected
    assert keywords["NOWHERE"] is None


@pytest.mark.parametrize(
    ("keyword", "value", "words"),
    [
        ("SOMENUM", "cold", "SOMENUM = 'cold' is not a number"),
        ("SOMEINT", 1.5, "SOMEINT = 1.5 is not a whole number"),
        ("SOMEDAY", "Monday", "SOMEDAY = Monday is not a date"),
    ],
)
def test_a_keyword_that_does_not_fit_its_column_is_named(write, legal, more_columns, keyword, value, words):
    with pytest.raises(UnusableExposureError, match=words):
        read_exposure(write({keyword: value}), legal)


def test_what_is_known_otherwise_is_not_taken_from_a_keyword(write, legal):
    exposure = read_exposure(write({"IMAGENAM": "x", "VISIT": "zz", "CHIP": 7}), legal)
    row = fileinfo_row(exposure, {"CHIP": 2})
    assert (row["VISIT"], row["CHIP"], row["IMAGENAME"]) == ("0a", 2, exposure.imagename)


def test_a_new_column_does_not_ask_for_new_photometry(write, legal, more_columns):
    """The text of an exposure goes into its fingerprint."""
    path = write({"SOMENUM": 2.0})
    exposure = read_exposure(path, legal)
    assert exposure.keywords["SOMENUM"] == 2.0 and "SOMENUM" not in repr(exposure)


def test_flc_is_told_by_its_name(write, legal):
    exposure = read_exposure(write(ctecorr=True), legal)
    assert exposure.ctecorr
    assert exposure.imagename.endswith("_flc.fits")


def test_both_kinds_of_files_are_found_in_order_of_name(tmp_path):
    names = ["b_flt.fits", "a_flc.fits", "a_flt.fits", "a_raw.fits", "a_flt.fits.part", "a_flt_hlet.fits"]
    for name in names:
        (tmp_path / name).touch()
    assert [path.name for path in find_files(tmp_path)] == ["a_flc.fits", "a_flt.fits", "b_flt.fits"]
    assert find_files(tmp_path / "missing") == []


@pytest.mark.parametrize("targname", ["NGC-104", "NGC104", "ngc 104"])
def test_spellings_of_a_target_are_one_target(write, legal, targname):
    assert read_exposure(write({"TARGNAME": targname}), legal).target == "ngc104"


def test_visit_is_of_the_rootname_and_never_of_the_path(write, legal, tmp_path):
    # Program and visit of a forbidden one, everywhere but in the rootname.
    path = write(folder=tmp_path / "12379" / "07" / "visit13", program=12379, visit="01")
    assert read_exposure(path, legal).visit == "01"


def test_visit_is_in_lower_case(write, legal):
    assert read_exposure(write({"ROOTNAME": "IB880AC6Q"}, name="ib880ac6q_flt.fits"), legal).visit == "0a"


@pytest.mark.parametrize(("exptime", "length"), [(0.5, "s"), (60.0, "s"), (60.001, "l"), (350.0, "l")])
def test_short_is_up_to_60_seconds(write, legal, exptime, length):
    assert read_exposure(write({"EXPTIME": exptime}), legal).length == length


@pytest.mark.parametrize(
    ("postarg2", "chip"), [(0.0, 2), (0.1, 2), (-0.1, 2), (80.0, 1), (82.0, 1), (-80.0, 1), (-82.0, 1)]
)
def test_postarg2_says_which_chip_holds_the_field(write, legal, postarg2, chip):
    assert read_exposure(write({"POSTARG2": postarg2}), legal).chip == chip


@pytest.mark.parametrize("postarg1", [0.1, -0.1])
def test_small_postarg1_is_none(write, legal, postarg1):
    assert isinstance(read_exposure(write({"POSTARG1": postarg1}), legal), Exposure)


# ---- Post-flash ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "header_level", "level"),
    [("SUCCESSFUL", 12, 12.0), ("SUCCESSFUL", 0, 0.0), ("NOT PERFORMED", 12, 0.0), ("NOT PERFORMED", None, 0.0)],
)
def test_flash_level_counts_where_the_flash_was_successful(write, legal, status, header_level, level):
    path = write({"FLASHSTA": status, "FLASHLVL": header_level})
    assert read_exposure(path, legal).flashlvl == level


@pytest.mark.parametrize("removed", [["FLASHLVL"], ["FLASHLVL", "FLASHSTA"]])
def test_flc_without_flash_level_takes_that_of_its_flt(write, legal, tmp_path, removed):
    write(folder=tmp_path, flashlvl=12.0)
    flc = write(dict.fromkeys(removed), folder=tmp_path, ctecorr=True, flashlvl=12.0)
    assert read_exposure(flc, legal).flashlvl == 12.0


def test_flc_without_flash_keywords_fails_with_its_flt(write, legal, tmp_path):
    write({"FLASHSTA": "ABORTED"}, folder=tmp_path, flashlvl=12.0)
    flc = write({"FLASHLVL": None, "FLASHSTA": None}, folder=tmp_path, ctecorr=True, flashlvl=12.0)
    assert read_exposure(flc, legal).reason == "failed post-flash"


def test_flc_without_flash_level_and_without_flt_is_unusable(write, legal):
    path = write({"FLASHLVL": None}, ctecorr=True)
    with pytest.raises(UnusableExposureError, match=f"{path.name}.*FLASHLVL.*_flt.fits"):
        read_exposure(path, legal)


# ---- What is left out, and why ---------------------------------------------------------------------------------------

LEFT_OUT = [
    ("program not in program_list", {"PROPOSID": 99999}, {}, "99999"),
    ("charge injection", {"CHINJECT": "CONT"}, {}, "CONT"),
    ("charge injection", {"CHINJECT": "LINE10"}, {}, "LINE10"),
    ("x-dither", {"POSTARG1": 0.11}, {}, "0.11"),
    ("x-dither", {"POSTARG1": -5.0}, {}, "-5"),
    ("sub-dither", {"POSTARG2": 0.11}, {}, "0.11"),
    ("sub-dither", {"POSTARG2": 40.0}, {}, "40"),
    ("sub-dither", {"POSTARG2": 79.9}, {}, "79.9"),
    ("sub-dither", {"POSTARG2": -79.9}, {}, "-79.9"),
    ("off-field", {"TARGNAME": "NGC-104-CAL2"}, {}, "NGC-104-CAL2"),
    ("subarray", {"SUBARRAY": True}, {}, ""),
    ("binned", {}, {"BINAXIS1": 2, "BINAXIS2": 2}, ""),
    ("binned", {}, {"BINAXIS2": 3}, ""),
    ("failed post-flash", {"FLASHLVL": 12, "FLASHSTA": "ABORTED"}, {}, "ABORTED"),
    ("flash level not in flashlvl_list", {"FLASHLVL": 13, "FLASHSTA": "SUCCESSFUL"}, {}, "13"),
    ("flash level not in flashlvl_list", {"FLASHLVL": -6, "FLASHSTA": "SUCCESSFUL"}, {}, "-6"),
    ("filter not in filter_list", {"FILTER": "F814W"}, {}, "F814W"),
]


@pytest.mark.parametrize(("reason", "primary", "sci", "detail"), LEFT_OUT)
@pytest.mark.parametrize("ctecorr", [False, True])
def test_exposure_is_left_out_with_its_reason(write, legal, reason, primary, sci, detail, ctecorr):
    path = write(primary, sci, ctecorr=ctecorr)
    rejection = read_exposure(path, legal)
    assert isinstance(rejection, Rejection)
    assert rejection.imagename == path.name
    assert rejection.reason == reason
    assert detail in rejection.detail
    assert rejection.exposure.imagename == path.name


@pytest.mark.parametrize(
    ("program", "visit", "words"),
    [(12379, "07", "undithered"), (12379, "13", "guide-star failure"), (14012, "05", "binned")],
)
def test_forbidden_visit_is_left_out_with_the_reason_of_the_configuration(write, legal, program, visit, words):
    rejection = read_exposure(write(program=program, visit=visit), legal)
    assert rejection.reason.startswith(f"forbidden visit {program}/{visit}")
    assert words in rejection.reason


@pytest.mark.parametrize(("program", "visit"), [(12379, "05"), (14012, "07"), (12692, "07")])
def test_visit_is_forbidden_in_its_program_alone(write, legal, program, visit):
    assert isinstance(read_exposure(write(program=program, visit=visit), legal), Exposure)


@pytest.mark.parametrize("visit", ["10", "11"])
def test_same_chip_visits_are_for_the_180_degree_set(write, legal, visit):
    assert "180" in read_exposure(write(program=12692, visit=visit), legal).reason


def test_target_that_is_not_asked_for_is_left_out(write, legal):
    rejection = read_exposure(write(), replace(legal, target_list=("ngc6791",)))
    assert rejection.reason == "target not in target_list"


@pytest.mark.parametrize("targname", ["OMEGACEN", "ANY", "", "x'); DROP TABLE ngc104_phot; --", "../../etc"])
def test_unknown_target_is_an_error(write, legal, targname):
    path = write({"TARGNAME": targname})
    with pytest.raises(UnusableExposureError, match=f"{path.name}: unknown target"):
        read_exposure(path, legal)


def test_real_headers_are_read(legal, tmp_path):
    """ib4606c6q: a real exposure of another program, as the archive delivers its headers."""
    hdus = [fits.PrimaryHDU(header=primary_template())]
    for chip, number in ((2, 1), (1, 2)):
        header = sci_template(chip)
        hdus += [fits.ImageHDU(np.zeros((4, 6), np.float32), header, "SCI", ver=number)]
        hdus += [fits.ImageHDU(name=name, ver=number) for name in ("ERR", "DQ")]
    path = tmp_path / "ib4606c6q_flt.fits"
    fits.HDUList(hdus).writeto(path)
    assert read_exposure(path, legal).reason == "program not in program_list"
    wide = replace(legal, program_list=(11665,), target_list=("any",), filter_list=("F555W",))
    exposure = read_exposure(path, wide)
    assert (exposure.program, exposure.visit, exposure.filter, exposure.exptime) == (11665, "06", "F555W", 170.0)
    assert (exposure.flashlvl, exposure.chip, exposure.length) == (0.0, 2, "l")
    assert exposure.expstart == pytest.approx(55611.02794798)


def one_chip(hdus):
    """A subarray as calwf3 writes it: SCI, ERR and DQ of one chip."""
    return fits.HDUList(hdus[:4])


def test_real_subarray_has_one_chip_and_is_left_out_not_failed(write, legal):
    assert read_exposure(write({"SUBARRAY": True}, hdus=one_chip), legal).reason == "subarray"


def test_one_chip_of_a_full_frame_is_an_error(write, legal):
    with pytest.raises(UnusableExposureError, match="SCI,2"):
        read_exposure(write(hdus=one_chip), legal)


# ---- Headers that cannot be used -------------------------------------------------------------------------------------

NEEDED = (
    *("ROOTNAME", "PROPOSID", "TARGNAME", "FILTER", "EXPTIME", "EXPSTART", "POSTARG1", "POSTARG2", "PA_V3"),
    *("CHINJECT", "SUBARRAY", "FLASHSTA", "INSTRUME", "DETECTOR"),
)


@pytest.mark.parametrize("keyword", NEEDED)
def test_missing_keyword_is_named(write, legal, keyword):
    path = write({keyword: None})
    with pytest.raises(UnusableExposureError, match=keyword) as caught:
        read_exposure(path, legal)
    assert caught.value.filename == path.name


IMPOSSIBLE = [
    *[(keyword, "abc") for keyword in ("EXPTIME", "EXPSTART", "POSTARG1", "POSTARG2", "PROPOSID", "PA_V3")],
    *[(keyword, True) for keyword in ("EXPTIME", "PROPOSID")],
    *[("EXPTIME", value) for value in (0.0, -350.0, 1e9)],
    *[("EXPSTART", value) for value in (-57770.0, 0.0, 1e12)],
    ("SUBARRAY", "F"),
    ("ROOTNAME", "../../x"),
    ("ROOTNAME", "id7b0a01q"),
    ("ROOTNAME", "'; drop"),
]


@pytest.mark.parametrize(("keyword", "value"), IMPOSSIBLE)
def test_impossible_value_is_named(write, legal, keyword, value):
    path = write({keyword: value})
    with pytest.raises(UnusableExposureError, match=keyword) as caught:
        read_exposure(path, legal)
    assert caught.value.filename == path.name


@pytest.mark.parametrize("name", ["{root}_copy_flt.fits", "{root}x_flt.fits", "other_flt.fits"])
def test_copy_under_another_name_is_not_the_exposure(write, legal, name):
    root = PlannedExposure(**NOMINAL).rootname
    with pytest.raises(UnusableExposureError, match="file name"):
        read_exposure(write(name=name.format(root=root)), legal)


@pytest.mark.parametrize("value", ["NaN", "", "1.0.0"])
def test_card_without_a_number_is_named(write, legal, value):
    path = write()
    card, wanted = b"EXPSTART", f"EXPSTART= {value:>20}".ljust(80).encode()
    content = path.read_bytes()
    at = content.index(card)
    path.write_bytes(content[:at] + wanted + content[at + 80 :])
    with pytest.raises(UnusableExposureError, match="EXPSTART") as caught:
        read_exposure(path, legal)
    assert caught.value.filename == path.name


# ---- Pixels ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def path(write):
    return write(flashlvl=12.0)


def test_chip_2_is_the_first_extension(path):
    with fits.open(path) as hdus:
        for chip, number in ((2, 1), (1, 2)):
            image = read_chip(path, chip)
            assert image.chip == chip
            np.testing.assert_array_equal(image.data, hdus["SCI", number].data)
            np.testing.assert_array_equal(image.dq, hdus["DQ", number].data)


def test_pixels_are_native_float32(path):
    image = read_chip(path, 2)
    assert image.data.dtype == np.float32
    assert image.data.dtype.isnative
    assert image.data.flags.c_contiguous
    assert image.data.shape == image.dq.shape == (ROWS, COLUMNS)


def test_chips_in_the_wrong_order_are_refused(write):
    path = write(hdus=lambda hdus: fits.HDUList([hdus[0], *swapped(hdus)]))
    with pytest.raises(UnusableExposureError, match="CCDCHIP"):
        read_chip(path, 2)


def swapped(hdus):
    for hdu in hdus[1:7]:
        hdu.ver = 3 - hdu.ver
    return [*hdus[4:7], *hdus[1:4], *hdus[7:]]


@pytest.mark.parametrize("bunit", ["COUNTS", "ELECTRONS/S", ""])
def test_other_units_than_electrons_are_refused(write, bunit):
    with pytest.raises(UnusableExposureError, match="BUNIT"):
        read_chip(write(sci={"BUNIT": bunit}), 2)


def test_dq_without_pixels_is_all_good(write):
    def emptied(hdus):
        for number in (1, 2):
            index = hdus.index_of(("DQ", number))
            hdus[index] = fits.ImageHDU(name="DQ", ver=number)
            hdus[index].header.update({"NPIX1": COLUMNS, "NPIX2": ROWS, "PIXVALUE": 0})
        return hdus

    dq = read_chip(write(hdus=emptied), 1).dq
    assert dq.shape == (ROWS, COLUMNS)
    assert not dq.any()


def test_dq_of_another_shape_is_refused(write):
    def cut(hdus):
        hdus["DQ", 1].data = hdus["DQ", 1].data[:-1]
        return hdus

    with pytest.raises(UnusableExposureError, match="DQ,1"):
        read_chip(write(hdus=cut), 2)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_image_without_a_finite_pixel_is_refused(write, value):
    def filled(hdus):
        hdus["SCI", 1].data[:] = value
        return hdus

    path = write(hdus=filled)
    with pytest.raises(UnusableExposureError, match="SCI,1 holds no finite pixel"):
        read_chip(path, 2)
    read_chip(path, 1)


@pytest.mark.parametrize(
    ("primary", "removed"),
    [
        ({}, 12.0 + 3.0),
        ({"FLSHCORR": "OMIT"}, 3.0),
        ({"DARKCORR": "OMIT"}, 12.0),
    ],
)
def test_background_removed_is_what_calwf3_says(write, primary, removed):
    image = read_chip(write(primary, {"MEANFLSH": 12.0, "MEANDARK": 3.0}, flashlvl=12.0), 2)
    assert image.background_removed == pytest.approx(removed)


def test_read_noise_is_of_the_chips_own_amplifiers(write):
    path = write({"READNSEA": 1.0, "READNSEB": 2.0, "READNSEC": 5.0, "READNSED": 7.0})
    assert read_chip(path, 1).read_noise == 1.5
    assert read_chip(path, 2).read_noise == 6.0


@pytest.mark.parametrize("keyword", ["READNSEC", "MEANDARK", "MEANFLSH", "IDCSCALE"])
def test_pixel_keyword_of_the_wrong_type_is_named(write, keyword):
    where = {"primary": {keyword: "abc"}} if keyword == "READNSEC" else {"sci": {keyword: "abc"}}
    path = write(**where, flashlvl=12.0)
    with pytest.raises(UnusableExposureError, match=keyword) as caught:
        read_chip(path, 2)
    assert caught.value.filename == path.name


# ---- WCS and pixel area ----------------------------------------------------------------------------------------------


def grid():
    x, y = np.meshgrid(np.linspace(1, COLUMNS, 9), np.linspace(1, ROWS, 101))
    return x.ravel(), y.ravel()


@pytest.mark.parametrize("chip", [1, 2])
def test_wcs_has_the_tables_of_the_file(path, chip):
    wcs = read_chip(path, chip).wcs
    assert wcs.sip is not None
    assert wcs.cpdis1 is not None
    assert wcs.det2im1 is not None
    bare = wcs.deepcopy()
    bare.cpdis1 = bare.cpdis2 = bare.det2im1 = bare.det2im2 = None
    x, y = grid()
    moved = np.hypot(*np.subtract(bare.all_world2pix(*wcs.all_pix2world(x, y, 1), 1), (x, y)))
    assert 0.01 < moved.max() < 0.1


def test_file_that_lost_its_tables_is_refused(write):
    with pytest.raises(UnusableExposureError, match="WCS"):
        read_chip(write(hdus=lambda hdus: fits.HDUList(hdus[:7])), 2)


def test_image_without_celestial_wcs_is_refused(write):
    path = write(sci={"CTYPE1": "LINEAR", "CTYPE2": "LINEAR", "CPDIS1": None, "CPDIS2": None})
    with pytest.raises(UnusableExposureError, match="WCS"):
        read_chip(path, 2)


@pytest.mark.parametrize("chip", [1, 2])
def test_pixel_area_is_that_of_the_quadrangle_on_the_sphere(path, chip):
    """Independently: the four corners of a pixel through astropy's coordinates; without the noise of the tables."""
    image = read_chip(path, chip)
    x, y = grid()
    corners = [image.wcs.pixel_to_world(x - 1 + dx, y - 1 + dy) for dx, dy in ((-5, -5), (5, -5), (5, 5), (-5, 5))]
    centre = SkyCoord(image.wcs.pixel_to_world(x - 1, y - 1))
    offsets = np.array([[axis.to_value("arcsec") for axis in centre.spherical_offsets_to(c)] for c in corners])
    area = shoelace(offsets[:, 0], offsets[:, 1])
    np.testing.assert_allclose(area_from_wcs(image.wcs, x, y), area / 100, rtol=2e-3)


def shoelace(x, y):
    """Area of quadrangles, corners along the first axis."""
    return 0.5 * np.abs(np.sum(x * np.roll(y, -1, axis=0) - y * np.roll(x, -1, axis=0), axis=0))


@pytest.fixture(scope="module")
def maps(tmp_path_factory):
    """PA maps as `simulate` writes them: from the derivatives of the SIP polynomials."""
    folder = tmp_path_factory.mktemp("PA_MAPS")
    for chip in (1, 2):
        _write_area_map(chip, COLUMNS, folder / f"UVIS{chip}wfc3_map.fits")
    return folder


@pytest.mark.parametrize("chip", [1, 2])
def test_pixel_area_from_wcs_is_that_of_the_map(path, maps, chip):
    image = read_chip(path, chip)
    x, y = grid()
    from_map, from_wcs = pixel_area(image, x, y, maps), pixel_area(image, x, y)
    assert np.ptp(from_map) > 0.01
    np.testing.assert_allclose(from_wcs, from_map, rtol=1e-4)


@pytest.mark.parametrize("chip", [1, 2])
def test_pixel_area_is_that_of_the_instruments_software(path, tmp_path, chip):
    map_path = tmp_path / "pam.fits"
    pam_from_file(str(path), ("SCI", sci_extver(chip)), str(map_path))
    image = read_chip(path, chip)
    x, y = grid()
    expected = fits.getdata(map_path)[np.rint(y).astype(int) - 1, np.rint(x).astype(int) - 1]
    np.testing.assert_allclose(pixel_area(image, np.rint(x), np.rint(y)), expected, rtol=1e-5)


def test_map_is_read_at_the_one_based_position(path, tmp_path):
    image = read_chip(path, 2)
    area = np.ones(image.data.shape, np.float32)
    area[99, 49] = 2.0
    fits.PrimaryHDU(area).writeto(tmp_path / "UVIS2wfc3_map.fits")
    np.testing.assert_array_equal(
        pixel_area(image, [50.0, 50.4, 51.0, 50.0], [100, 100, 100, 99], tmp_path), [2, 2, 1, 1]
    )
    assert pixel_area(image, 0.6, ROWS + 0.4, tmp_path) == 1


def write_map(path, content):
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is None:
        fits.PrimaryHDU().writeto(path)
    else:
        fits.PrimaryHDU(content).writeto(path)


@pytest.mark.parametrize(
    "content", [np.full((10, 10), 9.0), None, b"", b"not FITS"], ids=["shape", "no", "empty", "bad"]
)
def test_map_that_cannot_be_used_is_ignored_with_a_warning(path, tmp_path, caplog, content):
    image = read_chip(path, 2)
    write_map(tmp_path / "UVIS2wfc3_map.fits", content)
    with caplog.at_level(logging.WARNING, logger="wfc3_cte_monitor"):
        area = pixel_area(image, [10.0], [20.0], tmp_path)
    np.testing.assert_array_equal(area, pixel_area(image, [10.0], [20.0]))
    assert "UVIS2wfc3_map.fits" in caplog.text


def test_missing_map_is_no_news(path, tmp_path, caplog):
    pixel_area(read_chip(path, 2), [10.0], [20.0], tmp_path)
    assert not caplog.text


def test_scale_is_computed_where_the_header_has_none(write):
    image = read_chip(write(sci={"IDCSCALE": None}), 2)
    assert image.pixel_scale == pytest.approx(0.0396, abs=5e-4)


def test_footprint_is_the_outer_edge_of_the_corner_pixels(path):
    image = read_chip(path, 2)
    x, y = image.wcs.all_world2pix(*footprint(image).T, 1)
    np.testing.assert_allclose(x, [0.5, COLUMNS + 0.5, COLUMNS + 0.5, 0.5], atol=1e-3)
    np.testing.assert_allclose(y, [0.5, 0.5, ROWS + 0.5, ROWS + 0.5], atol=1e-3)


def test_wcs_is_that_of_astropy_with_the_whole_file(path):
    with fits.open(path) as hdus:
        expected = WCS(hdus["SCI", 2].header, hdus).all_pix2world([[10.0, 20.0]], 1)
    np.testing.assert_array_equal(read_chip(path, 1).wcs.all_pix2world([[10.0, 20.0]], 1), expected)
