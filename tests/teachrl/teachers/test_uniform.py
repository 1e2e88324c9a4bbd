"""The uniform teacher."""

import numpy as np
import pytest
from gymnasium import spaces

from teachrl.errors import InvalidEnvironment, InvalidTeacher
from teachrl.teachers import Uniform


def begun(setup):
    teacher = Uniform()
    teacher.begin(setup)
    return teacher


def test_tasks_fill_the_box_evenly(make_setup):
    teacher = begun(make_setup())
    tasks = np.array([lesson.task for lesson in teacher.sample_tasks(9000)])
    assert tasks.dtype == np.float32
    counts = np.histogram2d(*tasks.T, bins=3, range=[(0, 3), (0, 6)])[0]
    assert ((counts - 1000) ** 2 / 1000).sum() < 26.1  # chi-square, 8 degrees of freedom: 1 in 1000


@pytest.mark.parametrize(
    "space",
    [spaces.Discrete(5), spaces.MultiBinary(4), spaces.Dict({"a": spaces.Discrete(3), "b": spaces.Box(0, 1, (2, 2))})],
)
def test_any_space_will_do(space, make_setup):
    teacher = begun(make_setup(task_space=space))
    assert all(space.contains(lesson.task) for lesson in teacher.sample_tasks(20))


def test_same_seed_same_lessons_others_differ(make_setup):
    a, b, c = (begun(make_setup(seed=seed)) for seed in (0, 0, 1))
    first = np.array([lesson.task for lesson in a.sample_tasks(7)])
    np.testing.assert_array_equal(first, [lesson.task for lesson in b.sample_tasks(7)])
    assert not np.array_equal(first, [lesson.task for lesson in c.sample_tasks(7)])


def test_state_goes_round(make_setup):
    teacher, other = begun(make_setup()), begun(make_setup(seed=5))
    teacher.sample_tasks(3)
    other.load_state_dict(teacher.state_dict())
    np.testing.assert_array_equal(teacher.sample_tasks(1)[0].task, other.sample_tasks(1)[0].task)


def test_no_task_space_is_an_error(make_setup):
    with pytest.raises(InvalidTeacher, match="Test-v0 has no task space"):
        begun(make_setup(task_space=None))


def test_an_unbounded_space_is_an_error(make_setup):
    with pytest.raises(InvalidEnvironment, match="unbounded"):
        begun(make_setup(task_space=spaces.Box(-np.inf, np.inf, (2,)))).sample_tasks(1)
