"""Advice without a model, worked out by hand."""

import numpy as np
import pytest
from gymnasium import spaces

from teachrl.advice import Partition, Question, RuleBased, Table
from teachrl.errors import InvalidHyperparameter

LINE = Partition(spaces.Box(0.0, 1.0, (1,), np.float64), ("x",), 5)


def weights(rules, *parts, partition=LINE):
    """The weights of cells after parts of (cell, return, success), with a question between two of them."""
    table = Table(len(partition), 1.0, (0.0, 1.0))
    for i, part in enumerate(parts):
        if i:
            table.turn()
        for cell, value, success in part:
            table.add([cell], value, success)
    data = rules.propose(question := Question(1, partition, table.standing(), []))
    question.check(data)
    return data, {entry["cell"]: entry["weight"] for entry in data["cells"]}


def test_half_solved_cells_get_the_weight():
    episodes = [
        (0, 0.0, True),
        (0, 0.0, False),
        (1, 0.0, True),
        (2, 0.0, False),
        (3, 0.0, True),
        *[(3, 0.0, False)] * 3,
    ]
    _, found = weights(RuleBased(beyond=0.0, mastered=1.0), episodes)
    assert found == pytest.approx({0: 1 / 1.75, 3: 0.75 / 1.75})  # 4 p (1 - p) of 1/2 and 1/4


def test_progress_counts_up_and_down():
    before = [(0, 0.5, False), (1, 0.5, False), (2, 0.5, False)]
    after = [(0, 0.9, False), (1, 0.3, False), (2, 0.5, False)]
    _, found = weights(RuleBased(beyond=0.0), before, after)
    assert found == pytest.approx({0: 1 / 1.5, 1: 0.5 / 1.5})


def test_neighbours_of_what_is_mastered_get_their_share():
    _, found = weights(RuleBased(beyond=0.4), [(1, 1.0, True), (4, 0.0, True), (4, 0.0, False)])
    assert found == pytest.approx({0: 0.2, 2: 0.2, 4: 0.6})


@pytest.mark.parametrize("episodes", [[], [(0, 0.0, False), (1, 0.0, False)]])
def test_while_nothing_is_known_it_is_the_whole_space(episodes):
    data, found = weights(RuleBased(), episodes)
    assert found == {}
    assert data["boxes"] == [{"bounds": [], "weight": 1.0}]


def test_it_names_as_many_cells_as_an_answer_may_have():
    large = Partition(spaces.Box(0.0, 1.0, (1,), np.float64), ("x",), 500)
    episodes = [(c, 0.0, s) for c in range(500) for s in (True, *[False] * (1 + c % 3))]
    _, found = weights(RuleBased(), episodes, partition=large)
    assert list(found) == list(range(0, 192, 3))  # those with p = 1/2, the first ones among equals


def test_arguments_are_shares():
    with pytest.raises(InvalidHyperparameter, match=r"RuleBased\.beyond must be a share from 0 to 1, got 2"):
        RuleBased(beyond=2).validate(None)
