"""Uniform tasks among those that can be solved, and environments that can tell which these are."""

from dataclasses import replace

import numpy as np
import pytest
from gymnasium import spaces

from teachrl.classroom import Classroom
from teachrl.errors import ContractBroken, InvalidEnvironment, InvalidTeacher
from teachrl.teachers import UniformSolvable
from teachrl.testing import ToyEnv, check_env, check_teacher
from teachrl.vector import make_vec
from toys import Reachable

SQUARE = spaces.Box(0.0, 1.0, (2,))


def below_the_diagonal(tasks):
    return [bool(task[1] < task[0]) for task in tasks]


def begun(setup):
    teacher = UniformSolvable()
    teacher.begin(setup)
    return teacher


def test_tasks_are_uniform_over_what_can_be_solved(make_setup):
    teacher = begun(replace(make_setup(SQUARE), solvable=below_the_diagonal))
    tasks = np.array([lesson.task for lesson in teacher.sample_tasks(8000)])
    assert (tasks[:, 1] < tasks[:, 0]).all()
    counts = np.histogram(tasks[:, 0] ** 2, bins=8, range=(0, 1))[0]  # x has the density 2x
    assert ((counts - 1000) ** 2 / 1000).sum() < 24.4  # chi-square, 7 degrees of freedom: 1 in 1000
    counts = np.histogram(tasks[:, 1] / tasks[:, 0], bins=8, range=(0, 1))[0]
    assert ((counts - 1000) ** 2 / 1000).sum() < 24.4
    assert teacher.scalars()["solvable"] == pytest.approx(0.5, abs=0.02)


def test_a_rare_task_is_found_and_a_missing_one_given_up(make_setup):
    rare = begun(replace(make_setup(SQUARE), solvable=lambda tasks: [bool(task[0] < 0.003) for task in tasks]))
    assert all(lesson.task[0] < 0.003 for lesson in rare.sample_tasks(2))
    hopeless = begun(replace(make_setup(SQUARE), solvable=lambda tasks: [False] * len(tasks)))
    with pytest.raises(InvalidEnvironment, match=r"None of the last 10,00\d tasks .* can be solved, says Test-v0"):
        hopeless.sample_tasks(8)


def test_an_environment_that_cannot_tell(make_setup):
    with pytest.raises(InvalidTeacher, match="Test-v0 cannot tell which these are: it has no method solvable"):
        begun(make_setup(SQUARE))
    with pytest.raises(InvalidTeacher, match="it has no task space"):
        begun(replace(make_setup(None), solvable=below_the_diagonal))
    with pytest.raises(InvalidTeacher, match="PointMass-v0 cannot tell"):
        Classroom(make_vec("TeachRL/PointMass-v0", 2), UniformSolvable())
    with pytest.raises(InvalidEnvironment, match=r"PointMass-v0 cannot tell .* tells_solvable = True"):
        make_vec("TeachRL/PointMass-v0", 2).solvable([None])
    with pytest.raises(InvalidEnvironment, match="no method solvable"):
        make_vec(ToyEnv, 2).solvable([None])


@pytest.mark.parametrize("workers", [0, 1])
def test_a_classroom_asks_its_environments(workers):
    classroom = Classroom(make_vec(Reachable, 3, workers=workers), UniformSolvable())
    classroom.reset()
    assert all(Reachable().solvable(lesson.task) for lesson in classroom.lessons)
    classroom.close()


def test_the_toy_tells_the_truth():
    """Walking at the goal as fast as possible succeeds for some seed where it says so, and nowhere else."""
    env = Reachable()
    for goal in (1.0, 1.3, 1.6, 2.1, 2.6):
        task = np.array([goal, 0.25], np.float32)
        assert any(_reaches(env, task, seed) for seed in range(60)) == env.solvable(task)


def _reaches(env, task, seed):
    position = env.reset(seed=seed, options={"task": task})[0][0]
    for _ in range(4):
        position, *_ = (step := env.step(np.clip([(task[0] - position) / task[1]], -1, 1)))[0]
        if step[2]:
            return True
    return False


def test_it_keeps_the_contract_of_teachers():
    check_teacher(UniformSolvable(), envs=Reachable, rollouts=5)


# What an environment that tells promises


def test_the_toy_keeps_the_contract_of_environments():
    check_env(Reachable)


class Vague(Reachable):
    def solvable(self, task):
        return 0.3


class Fickle(Reachable):
    def solvable(self, task):
        return bool(self.np_random.random() < 0.5)


class Partial(Reachable):
    def solvable(self, task):
        if task[0] > 2:
            raise ValueError("nobody knows")
        return True


@pytest.mark.parametrize(
    ("env", "message"), [(Vague, "must return a bool"), (Fickle, "same answers"), (Partial, "answer for every task")]
)
def test_environments_that_break_it(env, message):
    with pytest.raises(ContractBroken, match=message):
        check_env(env)


def test_an_answer_that_is_no_bool_is_an_error_in_training_too():
    with pytest.raises(InvalidEnvironment, match=r"must return a bool, got 0\.3"):
        make_vec(Vague, 2).solvable([np.ones(2)])
