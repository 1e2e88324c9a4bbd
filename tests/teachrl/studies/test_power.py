import math

import numpy as np
import pytest

from teachrl.errors import InvalidHyperparameter
from teachrl.studies.intervals import paired_interval, sign_flip_test
from teachrl.studies.power import detectable


def power_of_the_rule(seeds, difference, contrasts, studies=2000, sd=1.0):
    """Share of studies in which Holm's first step rejects and the interval leaves 0 out on the right side."""
    d = sd * np.random.default_rng(seeds + 100).standard_normal((seeds, studies)) + difference
    return ((sign_flip_test(d) <= 0.05 / contrasts) & (paired_interval(d)[0] > 0)).mean()


@pytest.mark.parametrize(("seeds", "contrasts"), [(6, 1), (8, 2), (10, 1), (10, 4), (12, 3), (13, 2), (14, 1)])
def test_the_rule_detects_it_in_four_of_five_studies(seeds, contrasts):
    found = detectable(seeds, 0.3, contrasts)
    studies = 2000 if seeds <= 12 else 800
    assert power_of_the_rule(seeds, found, contrasts, studies, sd=0.3) == pytest.approx(0.8, abs=0.04)


def test_many_seeds_agree_with_a_simulation_and_with_the_normal_limit():
    assert power_of_the_rule(24, detectable(24, None), 1, studies=500) == pytest.approx(0.8, abs=0.055)
    assert detectable(1000, None) == pytest.approx((1.960 + 0.8416) / math.sqrt(1000), rel=0.01)


def test_more_seeds_or_fewer_contrasts_detect_less():
    found = [detectable(seeds, None) for seeds in (6, 7, 8, 9, 10, 12, 13, 14, 20)]
    assert found == sorted(found, reverse=True)
    assert detectable(10, None, contrasts=3) > detectable(10, None)
    assert detectable(10, None, power=0.9) > detectable(10, None)
    assert detectable(20, None, contrasts=3) > detectable(20, None)


def test_the_answer_is_in_units_of_the_sd():
    assert detectable(10, 2.0) == pytest.approx(2 * detectable(10, None))
    assert detectable(10, 0.0) == 0.0


@pytest.mark.parametrize(("seeds", "contrasts"), [(1, 1), (5, 1), (6, 2), (10, 26)])
def test_too_few_seeds_detect_nothing_however_large(seeds, contrasts):
    assert detectable(seeds, None, contrasts) == math.inf
    assert sign_flip_test(np.full(seeds, 1e6)) > 0.05 / contrasts


@pytest.mark.parametrize(
    "arguments",
    [{"seeds": 0}, {"contrasts": 0}, {"power": 1.0}, {"power": 0.0}, {"level": 0.0}, {"sd": -1.0}, {"sd": math.nan}],
)
def test_bad_arguments_are_named(arguments):
    with pytest.raises(InvalidHyperparameter, match=f"{next(iter(arguments))}="):
        detectable(**{"seeds": 10, "sd": None, **arguments})
