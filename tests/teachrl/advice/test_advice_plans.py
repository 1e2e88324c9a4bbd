"""Distributions over tasks: what they draw, and how much of them lies where."""

import numpy as np
import pytest
from gymnasium import spaces

from teachrl.advice import Partition, Plan
from teachrl.advice.plans import entropy

UNIT = Partition(spaces.Box(0.0, 1.0, (2,), np.float64), ("a", "b"), [2, 2])


def plan(*boxes):
    lows, highs, weights = zip(*boxes, strict=True)
    return Plan(np.array(lows, float), np.array(highs, float), np.array(weights, float), "because")


TWO = plan(([0, 0], [0.5, 1], 3.0), ([0.75, 0.75], [0.75, 0.75], 1.0))


def test_boxes_are_drawn_by_weight_and_uniform_inside():
    rng = np.random.default_rng(0)
    tasks = np.array([TWO.draw(UNIT, rng) for _ in range(4000)])
    points = (tasks == 0.75).all(axis=1)
    assert abs(points.mean() - 0.25) < 0.023  # 3.3 standard deviations
    counts = np.histogram2d(*tasks[~points].T, bins=[2, 4], range=[(0, 0.5), (0, 1)])[0]
    assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 24.3  # 7 degrees of freedom: 1 in 1000


def test_masses_by_hand():
    np.testing.assert_allclose(TWO.masses(UNIT), [0.375, 0.375, 0, 0.25])
    np.testing.assert_allclose(plan(([0.25, 0], [0.75, 0.25], 1.0)).masses(UNIT), [0.5, 0, 0.5, 0])
    slices = Partition(spaces.Box(0.0, 1.0, (2,), np.float64), (), [1000, 2])
    assert not slices.joint
    np.testing.assert_allclose(TWO.masses(slices)[-2:], [0.375, 0.625])
    whole = Partition(spaces.Discrete(5000), (), None)  # groups of 4 and 5
    np.testing.assert_allclose(plan(([2], [5], 1.0)).masses(whole)[:2], [0.5, 0.5])


@pytest.mark.parametrize("partition", [UNIT, Partition(spaces.MultiDiscrete([3, 4]), (), None)])
def test_masses_are_shares_of_draws(partition):
    rng = np.random.default_rng(1)
    low, high = partition.lows.min(axis=0), partition.highs.max(axis=0)
    some = plan((low, high, 1.0), (low, (low + high) // 2, 2.0))
    counts = np.bincount([partition.find(some.draw(partition, rng))[0] for _ in range(6000)], minlength=len(partition))
    np.testing.assert_allclose(counts / 6000, some.masses(partition), atol=0.022)


def test_entropy_is_in_parts_of_the_uniform_ones():
    everything = Plan.everything(UNIT).masses(UNIT)
    assert entropy(everything, everything) == pytest.approx(1.0)
    assert entropy(np.array([0.5, 0.5, 0, 0]), everything) == pytest.approx(0.5)
    assert entropy(np.array([0, 1.0, 0, 0]), everything) == 0
    assert entropy(np.ones(1), np.ones(1)) == 1


def test_it_says_the_heaviest_boxes():
    assert TWO.say(UNIT) == "75% a 0 to 0.5; 25% a 0.75, b 0.75"
    assert TWO.say(UNIT, most=1) == "75% a 0 to 0.5; and 1 more"
    assert Plan.everything(UNIT).say(UNIT) == "100% any task"


def test_it_is_data():
    again = Plan.from_data(TWO.to_data())
    assert again.reason == "because"
    assert [again.draw(UNIT, np.random.default_rng(s)).tolist() for s in range(5)] == [
        TWO.draw(UNIT, np.random.default_rng(s)).tolist() for s in range(5)
    ]
