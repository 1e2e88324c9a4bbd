"""Task spaces cut into cells: which cell a task lies in, what is beside it, and what is drawn from it."""

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from teachrl.advice import Partition
from teachrl.errors import InvalidHyperparameter, InvalidTeacher

BOX = spaces.Box(np.array([0.0, -4.0], np.float32), np.array([1.0, 4.0], np.float32))
SPACES = [
    BOX,
    spaces.Box(-2, 3, (2, 2), np.int64),
    spaces.Box(0.0, 1.0, (), np.float64),
    spaces.Discrete(5, start=-2),
    spaces.Discrete(5000),
    spaces.MultiDiscrete([3, 2], start=[1, 0]),
    spaces.MultiDiscrete([[40, 40], [2, 2]]),
    spaces.MultiBinary(3),
    spaces.Box(0.0, 1.0, (12,), np.float32),
    spaces.Box(np.array([1.0, 0.1], np.float32), np.array([1.0, 0.3], np.float32)),
]


def test_a_box_is_cut_evenly():
    partition = Partition(BOX, ("width", "gate"), [2, 4])
    assert partition.joint
    assert partition.lows.tolist()[:5] == [[0, -4], [0, -2], [0, 0], [0, 2], [0.5, -4]]
    assert partition.highs.tolist()[:5] == [[0.5, -2], [0.5, 0], [0.5, 2], [0.5, 4], [1, -2]]
    assert [partition.find(task) for task in ([0, -4], [0.49, 3.9], [0.5, -4], [1, 4], [0, -2])] == [
        [0], [3], [4], [7], [1],
    ]  # fmt: skip


@pytest.mark.parametrize(("d", "cells"), [(1, 16), (2, 64), (3, 64), (4, 32), (12, 60)])
def test_nobody_has_to_say_how_many(d, cells):
    assert len(Partition(spaces.Box(0.0, 1.0, (d,)), (), None)) == cells


def test_whole_numbers_are_cells_of_their_own():
    partition = Partition(spaces.Discrete(5, start=-2), (), None)
    assert partition.names == ("task",)
    assert partition.lows.tolist() == partition.highs.tolist() == [[-2], [-1], [0], [1], [2]]
    assert [partition.find(np.int64(task)) for task in range(-2, 3)] == [[0], [1], [2], [3], [4]]
    assert len(Partition(spaces.MultiDiscrete([3, 2]), (), None)) == 6


def test_very_many_whole_numbers_are_grouped():
    partition = Partition(spaces.Discrete(5000), (), None)
    assert len(partition) == 1024
    sizes = partition.highs[:, 0] - partition.lows[:, 0] + 1
    assert sizes.sum() == 5000
    assert set(sizes) == {4, 5}
    assert (partition.lows[1:, 0] == partition.highs[:-1, 0] + 1).all()


def test_too_many_cells_become_slices():
    partition = Partition(spaces.Box(0.0, 1.0, (3,)), ("a", "b", "c"), [20, 10, 30])
    assert not partition.joint
    assert len(partition) == 60
    assert partition.find([0.0, 0.55, 1.0]) == [0, 25, 59]
    assert partition.say(partition.lows[25], partition.highs[25]) == "b 0.5 to 0.6"
    assert partition.neighbours(19) == [18]
    assert partition.neighbours(20) == [21]
    assert partition.neighbours(25) == [24, 26]


def test_neighbours_differ_by_one_in_one_coordinate():
    partition = Partition(spaces.Box(0.0, 1.0, (2,)), (), [3, 4])
    for cell in range(12):
        row, column = divmod(cell, 4)
        beside = [(row + i, column + j) for i, j in ((-1, 0), (0, -1), (0, 1), (1, 0))]
        assert partition.neighbours(cell) == [4 * i + j for i, j in beside if 0 <= i < 3 and 0 <= j < 4]


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_what_is_drawn_from_a_cell_lies_in_it(space):
    partition, rng = Partition(space, (), None), np.random.default_rng(0)
    for cell in rng.integers(len(partition), size=30).tolist():
        task = partition.draw(partition.lows[cell], partition.highs[cell], rng)
        assert space.contains(task)
        vector = partition.vector(task)
        slack = 1e-6 * (partition.highs[cell] - partition.lows[cell])
        assert (vector >= partition.lows[cell] - slack).all()
        assert (vector <= partition.highs[cell] + slack).all()
        assert len(partition.find(task)) == (1 if partition.joint else len(partition.names))


def test_whole_numbers_are_drawn_with_both_ends():
    partition, rng = Partition(spaces.Discrete(10), (), None), np.random.default_rng(0)
    drawn = [int(partition.draw(np.array([3.0]), np.array([5.0]), rng)) for _ in range(3000)]
    counts = np.bincount(drawn, minlength=10)
    assert counts[[3, 4, 5]].sum() == 3000
    assert ((counts[3:6] - 1000) ** 2 / 1000).sum() < 13.8  # chi-square, 2 degrees of freedom: 1 in 1000


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=2), st.lists(st.integers(1, 7), min_size=2, max_size=2))
def test_every_task_is_in_the_cell_that_is_found(task, cells):
    partition = Partition(spaces.Box(0.0, 1.0, (2,), np.float64), (), cells)
    (cell,) = partition.find(task)
    assert (partition.lows[cell] <= task).all()
    assert (partition.highs[cell] >= task).all()


def test_regions_are_said_by_what_is_bounded():
    partition = Partition(BOX, ("width", "gate"), [2, 4])
    assert partition.say(np.array([0.25, -4.0]), np.array([0.25, 0.0])) == "width 0.25, gate -4 to 0"
    assert partition.say(np.array([0.0, -4.0]), np.array([1.0, 4.0])) == "any task"


@pytest.mark.parametrize(
    "space",
    [spaces.Dict({"a": spaces.Discrete(3)}), spaces.Text(5), spaces.Box(0, np.inf, (2,)), spaces.Box(0, 1, (0,))],
)
def test_other_spaces_are_refused(space):
    with pytest.raises(InvalidTeacher, match=r"bounded Box, Discrete, MultiDiscrete or MultiBinary; Maze-v0 has"):
        Partition(space, (), None, "Maze-v0")


def test_cells_must_fit_the_coordinates():
    with pytest.raises(InvalidHyperparameter, match=r"one for each of the 2 coordinates of a task, got \[2, 3, 4\]"):
        Partition(BOX, (), [2, 3, 4])
