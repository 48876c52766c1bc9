"""Master catalogues: every good line is used, every bad one named."""

import numpy as np
import pytest

from wfc3_cte_monitor.catalogs import catalog_path, read_catalog
from wfc3_cte_monitor.errors import CatalogError


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
