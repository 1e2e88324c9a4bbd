"""The teacher that plays a fixed set of levels."""

import numpy as np
import pytest
from gymnasium import spaces

from teachrl.classroom import Classroom
from teachrl.errors import InvalidHyperparameter
from teachrl.teachers import Levels
from teachrl.teachers.tasks.levels import as_seeds
from teachrl.testing import check_teacher
from teachrl.vector import make_vec


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [
        ("0:4", [0, 1, 2, 3]),
        ("7", [7]),
        (" 3, 5 ,9:12", [3, 5, 9, 10, 11]),
        ("0:3,1:4", [0, 1, 2, 3]),
        ([4, 0, 4], [4, 0]),
        (np.array([2, 1]), [2, 1]),
    ],
)
def test_seeds_in_words(seeds, expected):
    assert as_seeds(seeds) == expected


@pytest.mark.parametrize(
    "seeds", ["", "a", "3:3", "5:2", "1:2:3", "-1", "0:1000,", "1.5", [], [1.5], [-1], [True], [2**31], 560, None]
)
def test_what_is_no_set_of_seeds(seeds):
    with pytest.raises(InvalidHyperparameter, match=r"Levels\.seeds must be seeds from 0 .*'0:1000'"):
        as_seeds(seeds, "Levels.seeds")


def test_too_many_seeds():
    with pytest.raises(InvalidHyperparameter, match=r"10,000,000 seeds, got 20,000,000"):
        as_seeds("0:20000000")


def begun(setup, seeds="0:5"):
    teacher = Levels(seeds)
    teacher.begin(setup)
    return teacher


def test_seeds_are_uniform_and_nothing_else_varies(make_setup):
    lessons = begun(make_setup(task_space=None)).sample_tasks(5000)
    assert {lesson.task for lesson in lessons} == {None}
    counts = np.bincount([lesson.seed for lesson in lessons], minlength=5)
    assert len(counts) == 5
    assert ((counts - 1000) ** 2 / 1000).sum() < 18.5  # chi-square, 4 degrees of freedom: 1 in 1000


def test_tasks_are_uniform_where_there_are_any(make_setup):
    lessons = begun(make_setup(task_space=spaces.Discrete(3))).sample_tasks(300)
    assert {(lesson.task, lesson.seed) for lesson in lessons} == {(t, s) for t in range(3) for s in range(5)}


def test_state_goes_round(make_setup):
    teacher, other = begun(make_setup()), begun(make_setup(seed=5))
    teacher.sample_tasks(3)
    other.load_state_dict(teacher.state_dict())
    a, b = teacher.sample_tasks(4), other.sample_tasks(4)
    assert [lesson.seed for lesson in a] == [lesson.seed for lesson in b]
    np.testing.assert_array_equal([lesson.task for lesson in a], [lesson.task for lesson in b])


def test_a_classroom_plays_its_seeds_and_no_others():
    with pytest.raises(InvalidHyperparameter, match="must be seeds"):
        Classroom(make_vec("CartPole-v1", 2), Levels("all"))
    classroom = Classroom(make_vec("CartPole-v1", 2), Levels([3, 8]))
    classroom.reset()
    seen = set()
    for _ in range(200):
        classroom.step(np.ones(2, dtype=np.int64))
        seen |= {episode.seed for episode in classroom.take_episodes()}
    assert seen == {3, 8}
    classroom.close()


def test_it_keeps_its_contract():
    check_teacher(Levels())
