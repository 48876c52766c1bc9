from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from wfc3_cte_monitor.pairing import epochs, nominal_pairs
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
