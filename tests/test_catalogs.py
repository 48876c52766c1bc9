import numpy as np
import pytest

from wfc3_cte_monitor.catalogs import catalog_path, read_catalog
from wfc3_cte_monitor.errors import CatalogError


def write(tmp_path, text):
    path = catalog_path(tmp_path, "ngc104")
    path.write_text(text)
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
    ],
)
def test_a_bad_line_is_named_and_the_rest_is_used(tmp_path, bad):
    catalog, problems = read_catalog(write(tmp_path, f"9 1 2 5 -72\n{bad}\n10 1 2 5 -72\n"), "ngc104")
    np.testing.assert_array_equal(catalog.id, [9, 10])
    (problem,) = problems
    assert problem.startswith("ngc104_master.cat, line 2: ")


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
