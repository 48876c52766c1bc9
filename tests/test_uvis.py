import numpy as np
import pytest

from wfc3_cte_monitor import uvis
from wfc3_cte_monitor.errors import UnusableExposureError


def test_rows_to_amplifier_count_from_the_outer_edges():
    assert uvis.rows_to_amplifier(1, 2) == 1
    assert uvis.rows_to_amplifier(1, 1) == 2051
    assert uvis.rows_to_amplifier(2051, 1) == 1
    np.testing.assert_array_equal(uvis.rows_to_amplifier([1, 500.5], [2, 1]), [1, 1551.5])


def test_rows_to_amplifier_follow_the_frame():
    assert uvis.rows_to_amplifier(1, 1, n_rows=100) == 100


@pytest.mark.parametrize(("chip", "extver"), [(2, 1), (1, 2)])
def test_chip_2_comes_first_in_the_file(chip, extver):
    assert uvis.sci_extver(chip) == extver


def test_visit_is_characters_5_and_6():
    assert uvis.visit_of("ib4606c6q") == "06"


@pytest.mark.parametrize("rootname", ["", "ib4606c6", "ib4606c6q1", "../../x", "jb4606c6q", "IB4606C6Q", "ib46 6c6q"])
def test_other_names_are_refused(rootname):
    with pytest.raises(UnusableExposureError, match="ipppssoot"):
        uvis.visit_of(rootname)


@pytest.mark.parametrize(("exptime", "length"), [(0.5, "s"), (60.0, "s"), (60.1, "l"), (350, "l")])
def test_short_is_up_to_60_seconds(exptime, length):
    assert uvis.exposure_length(exptime) == length


@pytest.mark.parametrize(
    ("targname", "target"),
    [("NGC-104", "ngc104"), ("NGC104", "ngc104"), ("NGC 6791", "ngc6791"), ("x'; drop table--", "xdroptable")],
)
def test_targets_become_safe_short_names(targname, target):
    assert uvis.target_of(targname) == target


def test_calibration_field_is_off_field():
    assert uvis.is_off_field(uvis.target_of("NGC-104-CAL2"))
    assert not uvis.is_off_field("ngc104")


def test_one_based_and_zero_based_are_inverse():
    assert uvis.one_based(0.0) == 1.0
    np.testing.assert_array_equal(uvis.zero_based(uvis.one_based([0.25, 7])), [0.25, 7])
