"""What the study of sky, neighbours and cosmic rays found stays true."""

import numpy as np
import pytest

from benchmarks.harsh import COLUMNS, ROWS, Conditions, make_field
from benchmarks.sky_and_crowding import bias, measured
from wfc3_cte_monitor.cosmic_rays import find_cosmic_rays

pytestmark = pytest.mark.slow

SEEDS = (11, 12)


@pytest.fixture(scope="module")
def pairs():
    """Dense fields of 2017, read out through traps, without post-flash."""
    return [make_field(seed, Conditions()) for seed in SEEDS]


def test_sky_of_the_dense_cluster_is_unbiased(pairs):
    """Against what lies under the stars that enter a slope: sky, halos, trails, stars that no catalogue has."""
    excess = []
    for field in (field for pair in pairs for field in pair):
        one = measured(field, field.clean)
        good = (one.flags[0] == 0) & np.isfinite(field.own)
        excess.append((one.sky - field.under)[good])
    assert abs(np.median(np.concatenate(excess))) < 0.05


def test_clean_stars_that_are_taken_for_hits_hardly_bend_the_loss(pairs):
    """Eight fields: -0.010 +- 0.004, -0.002 +- 0.001, 0.007 +- 0.003, 0.003 +- 0.002; limits: 3 sigma."""
    differences = []
    for pair in pairs:
        clean = bias(pair, [measured(field, field.clean) for field in pair])
        hits = [find_cosmic_rays(field.clean, np.ones((ROWS, COLUMNS), bool)) for field in pair]
        flagged = bias(pair, [measured(field, field.clean, hit=hit) for field, hit in zip(pair, hits, strict=True)])
        assert np.all(flagged["stars"][:4] > 0.75 * clean["stars"][:4])
        differences.append((flagged["bias"] - clean["bias"])[:4])
    assert np.all(np.abs(np.mean(differences, axis=0)) < (0.036, 0.010, 0.025, 0.015))
