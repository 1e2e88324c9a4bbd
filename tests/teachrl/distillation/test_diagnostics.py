"""How near a student is to its teacher on recorded paths."""

import math

import numpy as np
import pytest
import torch
from gymnasium import spaces
from tiny_network import TinyNetwork

from teachrl.distillation.diagnostics import Path, compare, follow
from teachrl.distillation.trees import harmless
from teachrl.errors import InvalidTeacher
from teachrl.lessons import Labels

TWO, BOX = spaces.Discrete(2), spaces.Box(-2.0, 2.0, (1,), np.float32)


def labels(actions, parameters=None, mask=None):
    actions = np.array(actions)
    mask = np.ones(len(actions), bool) if mask is None else np.array(mask)
    return Labels(actions, None if parameters is None else {k: np.array(v) for k, v in parameters.items()}, mask)


def test_numbers_are_those_worked_out_by_hand():
    said = [labels([0], {"logits": np.log([[0.8, 0.2]])}), labels([1], {"logits": np.log([[0.4, 0.6]])})]
    given = [labels([0], {"logits": np.log([[0.5, 0.5]])}), labels([0], {"logits": np.log([[0.9, 0.1]])})]
    found = compare(TWO, said, given)
    divergence = [
        0.5 * math.log(0.5 / 0.8) + 0.5 * math.log(0.5 / 0.2), 0.9 * math.log(0.9 / 0.4) + 0.1 * math.log(0.1 / 0.6),
    ]  # fmt: skip
    entropy = [-sum(p * math.log(p) for p in pair) for pair in ((0.8, 0.2), (0.4, 0.6))]
    assert found["loss"] == pytest.approx(np.mean(divergence), rel=1e-5)
    assert found["entropy"] == pytest.approx(np.mean(entropy), rel=1e-5)
    assert found["agreement"] == 0.5
    assert found["calibration_error"] == pytest.approx((0.2 + 0.6) / 2, rel=1e-5)
    bare = compare(TWO, said, [labels([0]), labels([0], mask=[False])])
    assert bare["loss"] == pytest.approx(-math.log(0.8), rel=1e-5)  # the likelihood of what is labelled


def test_a_student_without_a_distribution_agrees_or_not():
    assert compare(TWO, [labels([0, 1])], [labels([0, 0])]) == {"agreement": 0.5}
    assert compare(BOX, [labels([[1.0]])], [labels([[0.0]])]) == {"agreement": 0.75}
    assert compare(BOX, [labels([[1.0]])], [labels([[0.0]], {"mean": [[0.0]], "std": [[1.0]]})]) == {"agreement": 0.75}


def test_where_no_label_counts_there_is_nothing_to_say():
    assert compare(TWO, [labels([0])], [labels([0], mask=[False])]) == {}
    assert compare(TWO, [], []) == {}


def test_labels_must_keep_their_form():
    rows = [labels([0], {"logits": [[0.0, 1.0]]}), labels([0])]
    with pytest.raises(InvalidTeacher, match="same parameters"):
        compare(TWO, [labels([0])] * 2, rows)


def test_who_follows_has_the_memory_and_the_actions_of_the_path():
    rng, seen = np.random.default_rng(0), spaces.Box(-1, 1, (2,), np.float32)
    net = TinyNetwork(5).build(seen, spaces.Discrete(3), seed=1)
    observations = rng.uniform(-1, 1, (12, 3, 2)).astype(np.float32)
    first = rng.random((12, 3)) < 0.2
    first[0] = True
    executed = rng.integers(3, size=(12, 3))
    said = follow(net.policy(), Path(list(observations), list(first), list(executed), []))
    previous = np.concatenate([np.zeros((1, 3), np.int64), executed[:-1]])
    whole = net(*map(torch.as_tensor, (observations, previous, first)), net.initial_state(3))
    found = np.stack([row.parameters["logits"] for row in said])
    np.testing.assert_allclose(found, whole.parameters["logits"].detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "space",
    [spaces.Discrete(3, start=2), BOX, spaces.Box(1.0, 2.0, (2,)), spaces.MultiDiscrete([2, 3]), spaces.MultiBinary(4)],
)
def test_harmless_actions_are_in_their_space(space):
    assert all(action in space for action in harmless(space, 3))
