from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from wfc3_cte_monitor.pairing import dithered_pairs, epochs, nominal_pairs, shared_field, with_partners
from wfc3_cte_monitor.records import Exposure


def exposure(name, chip, mjd, **changes):
    base = Exposure(
        path=Path(f"{name}_flt.fits"),
        rootname=name,
        program=14012,
        target="ngc104",
        filter="F502N",
        exptime=350.0,
        expstart=mjd,
        flashlvl=0.0,
        ctecorr=False,
        chip=chip,
        postarg1=0.0,
        postarg2={1: 82.0, 2: 0.0}[chip],
        pa_v3=0.0,
    )
    return replace(base, **changes)


def names(pairs):
    return [(pair.one.rootname, pair.two.rootname) for pair in pairs]


TWO, ONE = exposure("icxx01aaq", 2, 57000.99), exposure("icxx01abq", 1, 57001.02)


def test_a_pair_may_straddle_midnight():
    pairs, unpaired = nominal_pairs([TWO, ONE])
    assert names(pairs) == [("icxx01abq", "icxx01aaq")]
    assert unpaired == []
    assert pairs[0].mjd == pytest.approx(57001.005)


@pytest.mark.parametrize(
    "difference",
    [
        {"program": 14378},
        {"rootname": "icxx02abq"},
        {"target": "ngc6791"},
        {"filter": "F606W"},
        {"exptime": 420.0},
        {"flashlvl": 12.0},
        {"ctecorr": True},
        {"postarg1": 0.2},
        {"expstart": 57003.0},
        {"chip": 2},
    ],
)
def test_partners_agree(difference):
    pairs, unpaired = nominal_pairs([TWO, replace(ONE, **difference)])
    assert pairs == []
    assert len(unpaired) == 2


def test_postarg1_may_differ_by_a_tenth_of_an_arcsecond():
    assert len(nominal_pairs([TWO, replace(ONE, postarg1=0.1)])[0]) == 1


def test_each_exposure_is_used_once_with_its_closest_partner_in_any_order():
    twos = [exposure("icxx01aaq", 2, 57000.00), exposure("icxx01acq", 2, 57000.10)]
    ones = [exposure("icxx01abq", 1, 57000.05), exposure("icxx01adq", 1, 57000.15)]
    spare = exposure("icxx01aeq", 1, 57000.60)
    for order in permutations([*twos, *ones, spare]):
        pairs, unpaired = nominal_pairs(order)
        assert names(pairs) == [("icxx01abq", "icxx01aaq"), ("icxx01adq", "icxx01acq")]
        assert unpaired == [spare]


def test_flt_and_flc_are_paired_apart():
    both = [replace(e, ctecorr=c) for e in (ONE, TWO) for c in (False, True)]
    pairs, _ = nominal_pairs(both)
    assert sorted((pair.one.ctecorr, pair.two.ctecorr) for pair in pairs) == [(False, False), (True, True)]


def test_epochs_link_what_is_within_30_days():
    mjd = [56000, 55000, 56029, 56058, 56090]
    np.testing.assert_array_equal(epochs(mjd), [1, 0, 1, 1, 2])
    assert epochs([]).shape == (0,)
    np.testing.assert_array_equal(epochs([56000.0]), [0])


# ---- Dithered exposures ----------------------------------------------------------------------------------------------

MINUTE = 1 / 1440


def dithered(name, chip, minutes, x, y):
    return exposure(name, chip, 57001 + minutes * MINUTE, postarg1=x, postarg2=y)


NOMINAL = dithered("icxx01aaq", 2, 0, 0.0, 0.0), dithered("icxx01abq", 1, 8, 0.0, 82.0)
SIDE = dithered("icxx01acq", 2, 16, 5.0, 0.0), dithered("icxx01adq", 1, 24, 5.0, 82.0)
HALF = dithered("icxx01aeq", 2, 32, 0.0, 40.0)
FAR = dithered("icxx01agq", 2, 48, 0.0, 70.0)


@pytest.mark.parametrize(("one", "two", "shared"), [(1, 0, 0.994), (3, 2, 0.994), (3, 0, 0.963), (1, 4, 0.50)])
def test_what_two_exposures_share_is_geometry(one, two, shared):
    both = [*NOMINAL, *SIDE, HALF]
    assert shared_field(both[one], both[two]) == pytest.approx(shared, abs=0.005)


DITHERED = {
    "of one dither, before nominal ones": ([*NOMINAL, *SIDE], [("icxx01adq", "icxx01acq")], {}),
    "one alone, with a nominal one": ([*NOMINAL, SIDE[0]], [("icxx01abq", "icxx01acq")], {}),
    "half a chip, with the one of the other chip": ([*NOMINAL, HALF], [("icxx01abq", "icxx01aeq")], {}),
    "nominal ones alone": (NOMINAL, [], {}),
    "without the other chip": ([NOMINAL[0], HALF], [], {"icxx01aeq": "nothing of its visit, filter, time and flash"}),
    "of another time": (
        [*NOMINAL, replace(HALF, exptime=30.0)],
        [],
        {"icxx01aeq": "nothing of its visit, filter, time and flash on chip 1"},
    ),
    "too little in common": ([*NOMINAL, FAR], [], {"icxx01agq": "shares at most 13 % of its field with one on chip 1"}),
    "more than partners": (
        [*NOMINAL, SIDE[0], HALF],
        [("icxx01abq", "icxx01acq")],
        {"icxx01aeq": "what it shares stars with on chip 1 is paired with others"},
    ),
}


@pytest.mark.parametrize("case", DITHERED)
@pytest.mark.parametrize("order", [1, -1])
def test_dithered_exposures_are_paired_as_far_as_they_share_stars(case, order):
    exposures, expected, reasons = DITHERED[case]
    pairs, unpaired = dithered_pairs(exposures[::order], 0.25)
    assert names(pairs) == expected
    assert unpaired.keys() == {one for one in exposures if one.rootname in reasons}
    for one, reason in unpaired.items():
        assert reason.startswith(reasons[one.rootname])


def test_partners_are_nominal_exposures_of_the_same_kind():
    others = [replace(one, exptime=30.0) for one in NOMINAL]
    assert with_partners([*NOMINAL, HALF, *others]) == [*NOMINAL, HALF]
    assert with_partners(NOMINAL) == []
