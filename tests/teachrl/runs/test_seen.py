"""Seen and unseen tasks: which of a suite's are within the bounds, and how the student does on each part."""

import numpy as np
import pytest

from teachrl import FromPolicy
from teachrl.runs.evaluation import Evaluation
from teachrl.runs.seen import seen_and_unseen, task_bounds
from teachrl.teachers import Uniform

NUMBERS = [[0.0, 0.0], [1.0, 1.0], [1.5, 0.0], [2.0, 1.0], [3.0, 3.0]]


def evaluation(successes=True):
    told = np.array([[True, True], [True, False], [False, False], [True, True], [False, False]])
    returns = np.array([[1.0, 3.0], [4.0, 4.0], [0.0, 2.0], [10.0, 0.0], [7.0, 9.0]])
    return Evaluation(
        "test", 0, list("abcde"), NUMBERS, returns, np.ones((5, 2), np.int64), told if successes else None
    )


def test_bounds_count_where_they_end_and_once_where_they_overlap():
    found = seen_and_unseen(evaluation(), [[[0, 1], [0, 1]], [[1, 2], [1, 2]]])
    assert found["seen"] == {"tasks": 3, "mean_return": 22 / 6, "success": 5 / 6}
    assert found["unseen"] == {"tasks": 2, "mean_return": 4.5, "success": 0.0}


def test_a_part_may_be_empty_and_success_untold():
    found = seen_and_unseen(evaluation(successes=False), [[[0, 9], [0, 9]]])
    assert found["unseen"] == {"tasks": 0}
    assert found["seen"] == {"tasks": 5, "mean_return": 4.0, "success": None}


def test_default_tasks_are_nobodys():
    part = Evaluation("test", 0, ["a"], [None], np.ones((1, 1)), np.ones((1, 1), np.int64), None)
    assert seen_and_unseen(part, [[[0, 9]]])["seen"] == {"tasks": 0}


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        ([[[0, 1]], [[1, 2]]], [[[0.0, 1.0]], [[1.0, 2.0]]]),
        ([[], []], []),
        ([[[0, 1]], []], []),  # the second is asked about everything
    ],
)
def test_teachers_without_bounds_leave_nothing_unseen(tasks, expected):
    teachers = [FromPolicy(np.zeros_like, tasks=own) for own in tasks]
    assert task_bounds([*teachers, Uniform(), FromPolicy(np.zeros_like, channels=("actions",))]) == expected
