"""Steps to a level, with runs that never get there: by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from report_studies import declared_study, outcomes_of

from teachrl.errors import InvalidStudy
from teachrl.studies.analysis import analyse
from teachrl.studies.page import render, study_data
from teachrl.studies.reaching import Reach, Sooner, factor_of, first_reached
from teachrl.studies.study import Study


def at(*steps):
    """Runs by seed; None is one that did not get there in 1,000."""
    return {k: Sooner(1000, math.inf) if s is None else Sooner(s, s) for k, s in enumerate(steps)}


def test_the_first_evaluation_at_the_level_counts():
    assert first_reached([10, 20, 30, 40], [0.1, 0.8, 0.3, 0.9], 0.8) == Sooner(20, 20)
    assert first_reached([10, 20], [0.1, 0.2], 0.8) == Sooner(20, math.inf)
    assert not first_reached([], [], 0.8).reached


def test_a_factor_is_a_geometric_mean_over_seeds():
    factor, bound = factor_of(at(200, 800, 400), at(100, 100, 100))
    assert factor.value == pytest.approx(4)
    assert factor.low < 4 < factor.high
    assert factor.n == 3
    assert bound == ""


def test_runs_of_the_control_that_never_got_there_make_it_a_lower_bound():
    factor, bound = factor_of(at(None, 500, None), at(100, 100, 100))
    assert bound == "at least"
    assert factor.value == pytest.approx((10 * 5 * 10) ** (1 / 3))
    assert math.isinf(factor.high)
    exact, _ = factor_of(at(1000, 500, 1000), at(100, 100, 100))
    assert factor.low == pytest.approx(exact.low)


def test_runs_of_the_arm_that_never_got_there_make_it_an_upper_bound():
    factor, bound = factor_of(at(100, 100), at(None, 500))
    assert bound == "at most"
    assert factor.value == pytest.approx((0.1 * 0.2) ** 0.5)
    assert factor.low == 0


def test_nothing_is_said_where_neither_always_got_there():
    factor, bound = factor_of(at(None, 100), at(100, None))
    assert bound == "unknown"
    assert math.isnan(factor.value)
    assert factor_of({}, {})[1] == "unknown"


def test_no_steps_at_all_have_a_log():
    assert first_reached([0, 10], [0.9, 0.9], 0.8) == Sooner(1, 1)
    assert first_reached([0], [0.1], 0.8) == Sooner(1, math.inf)
    assert first_reached([], [], 0.8) == Sooner(1, math.inf)
    assert factor_of({0: first_reached([0], [0.1], 0.8)}, {0: first_reached([0], [0.9], 0.8)})[0].value == 1


def test_an_end_that_is_not_known_is_not_told():
    def told(control, other):
        return Reach("a", {}, math.nan, None, *factor_of(control, other), level=0.5).sentence("return")

    assert told(at(100), at(None)).endswith("the control needs at most 0.1 times as many.")
    assert told(at(None, 100), at(100, None)).endswith("since neither always got there.")
    assert told(at(100), {7: Sooner(5, 5)}).endswith("since no seed was run with both.")


def test_a_study_with_a_level_tells_how_soon():
    declared = replace(declared_study(causal=False, seeds=4), level=0.3)
    found = analyse(declared, outcomes_of(declared))
    uniform, taught = found.reaches
    assert (uniform.factor, uniform.median) == (None, None)
    assert set(uniform.steps.values()) == {None}
    assert taught.bound == "at least"
    assert all(s in (80, 120) for s in taught.steps.values())
    expected = np.exp(np.mean(np.log([160 / s for s in taught.steps.values()])))
    assert taught.factor.value == pytest.approx(expected)
    assert "alp-gmm reached a success_rate of 0.3 in 4 of 4 runs" in found.verdict
    assert "the control needs at least" in found.verdict
    assert "uniform reached a success_rate of 0.3 in 0 of 4 runs; the others did not in 160." in found.verdict


def test_without_a_level_nothing_is_told():
    declared = declared_study(causal=False)
    assert not analyse(declared, outcomes_of(declared)).reaches


def test_the_page_has_it_as_data():
    declared = replace(declared_study(causal=False, seeds=4), level=0.3)
    data = study_data(declared, outcomes_of(declared))
    assert data["analysis"]["reaches"][1]["level"] == 0.3
    assert data["analysis"]["reaches"][1]["factor"]["high"] is None
    assert "How soon it is learned" in render(data)


def test_a_level_is_a_number():
    text = "base: {env: TeachRL/Hypercube-v0}\narms: {a: {}, b: {teachers: [Uniform]}}\ncontrol: a\nseeds: 2\nlevel: %s"
    assert Study.parse(text % "0.8", "s").level == 0.8
    assert Study.parse(text % "{TeachRL/Hypercube-v0: 0.5}", "s").level == {"TeachRL/Hypercube-v0": 0.5}
    with pytest.raises(InvalidStudy, match=r"`level` must be a number.*success_rate.*'high'"):
        Study.parse(text % "high", "s")


def test_every_environment_may_have_a_level_of_its_own():
    declared = declared_study(causal=False, seeds=4)
    there = replace(declared, level={"TeachRL/Hypercube-v0": 0.3})
    elsewhere = replace(declared, level={"TeachRL/PointMass-v0": 0.3})
    assert len(analyse(there, outcomes_of(there)).reaches) == 2
    assert not analyse(elsewhere, outcomes_of(elsewhere)).reaches
