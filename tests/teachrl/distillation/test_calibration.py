"""Agreement and calibration against numbers worked out by hand."""

import math
from statistics import NormalDist

import numpy as np
import pytest
import torch
from gymnasium import spaces

from teachrl.distillation import choose_family, make_targets
from teachrl.distillation.calibration import LEVELS, agreement, calibration_error, expected_error

TWO, BOX = spaces.Discrete(2), spaces.Box(-2.0, 2.0, (1,), np.float32)


def log(*rows):
    return {"logits": torch.tensor(rows).log()}


def error(space, parameters, actions, labels=None, mask=None):
    targets = make_targets(space, np.array(actions), labels, mask)
    return calibration_error(choose_family(space, parameters), parameters, targets)


def test_the_error_of_choices_is_that_of_bins_worked_out_by_hand():
    # 0.55 and 0.58 lie in (0.5, 0.6], one of two right; 0.92 and 0.98 in (0.9, 1], both right
    said = log([0.55, 0.45], [0.42, 0.58], [0.92, 0.08], [0.02, 0.98])
    by_hand = (abs(1 - 0.55 - 0.58) + abs(2 - 0.92 - 0.98)) / 4
    assert error(TWO, said, [0, 0, 0, 1]) == pytest.approx(by_hand, abs=1e-6)
    # the same with one that has no label
    assert error(TWO, said, [0, 0, 0, 0], mask=[True, True, True, False]) == pytest.approx(
        (abs(1 - 0.55 - 0.58) + abs(1 - 0.92)) / 3, abs=1e-6
    )


def test_bins_end_with_their_upper_bound():
    confidence, right = torch.tensor([0.5, 0.6, 0.6, 1.0]), torch.tensor([True, False, True, True])
    assert expected_error(confidence, right) == pytest.approx((0.5 + abs(1 - 1.2) + 0.0) / 4, abs=1e-6)


def test_several_choices_count_one_by_one():
    space = spaces.MultiDiscrete([2, 3])
    said = {"logits": torch.tensor([[0.8, 0.2, 0.1, 0.1, 0.8], [0.3, 0.7, 0.6, 0.2, 0.2]]).log()}
    # confidences 0.8, 0.8 in one bin, one right; 0.7, right; 0.6, wrong
    assert error(space, said, [[0, 0], [1, 1]]) == pytest.approx((abs(1 - 1.6) + 0.3 + 0.6) / 4, abs=1e-6)
    switches = spaces.MultiBinary(2)
    said = {"logits": torch.tensor([[math.log(3.0), -math.log(3.0)]])}  # on with 0.75, off with 0.75
    assert error(switches, said, [[1, 1]]) == pytest.approx(abs(1 - 1.5) / 2, abs=1e-6)


def test_what_is_likeliest_to_the_teacher_is_right_one_of_equals_too():
    space, said = spaces.Discrete(3), log([0.2, 0.7, 0.1], [0.2, 0.1, 0.7])
    labels = {"logits": np.log([[0.5, 0.5, 1e-9], [0.5, 0.5, 1e-9]])}
    family = choose_family(space, said)
    targets = make_targets(space, np.array([0, 0]), labels)
    assert agreement(family, family.mode(said), targets).tolist() == [1.0, 0.0]
    bare = make_targets(space, np.array([0, 2]))
    assert agreement(family, family.mode(said), bare).tolist() == [0.0, 1.0]
    both = spaces.MultiDiscrete([2, 2])
    half = make_targets(both, np.array([[0, 1], [1, 1]]))
    actions = torch.tensor([[0, 1], [0, 1]])
    assert agreement(choose_family(both, {"logits"}), actions, half).tolist() == [1.0, 0.0]


def test_agreement_of_numbers_is_in_half_ranges():
    family = choose_family(BOX, {"mean", "std"})
    targets = make_targets(BOX, np.array([[1.0], [-2.0]], np.float32))
    np.testing.assert_allclose(agreement(family, torch.tensor([[1.0], [2.0]]), targets), [1.0, 0.0])


def test_intervals_hold_actions_as_counted_by_hand():
    said = {"mean": torch.zeros(2, 1), "std": torch.ones(2, 1)}
    # one action in the middle, inside all; one between the intervals of 0.5 (0.674) and 0.6 (0.842)
    shares = [0.5] * 5 + [1.0] * 4
    by_hand = np.mean([abs(share - p) for share, p in zip(shares, LEVELS, strict=True)])
    assert error(BOX, said, [[0.0], [-0.7]]) == pytest.approx(by_hand)


@pytest.mark.parametrize("names", [("mean", "std"), ("pre_tanh_mean", "pre_tanh_std"), ("alpha", "beta")])
def test_a_copy_of_a_distribution_is_calibrated(names):
    generator = torch.Generator().manual_seed(0)
    said = {name: 0.2 + torch.rand(50, 1, generator=generator) for name in names}
    labels = {name: part.numpy() for name, part in said.items()}
    assert error(BOX, said, np.zeros((50, 1), np.float32), labels) == pytest.approx(0.0, abs=1e-6)


def test_a_narrower_teacher_is_inside_more_often_than_it_should():
    said = {"mean": torch.zeros(1, 1), "std": torch.full((1, 1), 2.0)}
    labels = {"mean": np.zeros((1, 1)), "std": np.ones((1, 1))}
    normal = NormalDist()
    shares = [2 * normal.cdf(2 * normal.inv_cdf(0.5 + p / 2)) - 1 for p in LEVELS]
    by_hand = np.mean([abs(share - p) for share, p in zip(shares, LEVELS, strict=True)])
    assert error(BOX, said, [[0.0]], labels) == pytest.approx(by_hand)


def test_squashed_and_beta_intervals_are_about_the_action_in_units():
    squashed = {"pre_tanh_mean": torch.zeros(1, 1), "pre_tanh_std": torch.ones(1, 1)}
    gaussian = {"mean": torch.zeros(1, 1), "std": torch.ones(1, 1)}
    # tanh(0.7) of half a range of 2
    assert error(BOX, squashed, [[2 * math.tanh(0.7)]]) == error(BOX, gaussian, [[0.7]])
    flat = {"alpha": torch.ones(1, 1), "beta": torch.ones(1, 1)}  # uniform on [-2, 2]: 0.9 is inside from p = 0.5 on
    shares = [0.0] * 4 + [1.0] * 5
    by_hand = np.mean([abs(share - p) for share, p in zip(shares, LEVELS, strict=True)])
    assert error(BOX, flat, [[0.9]]) == pytest.approx(by_hand)


def test_without_labels_there_is_no_error():
    assert error(TWO, log([0.5, 0.5]), [0], mask=[False]) is None
