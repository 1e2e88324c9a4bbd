"""The simulated student of the hypercube."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teachrl import Classroom, Lesson, Teacher, make_vec
from teachrl.errors import InvalidHyperparameter, InvalidStudent
from teachrl.teachers import Uniform
from teachrl_agents import SimulatedStudent
from toys import Line


class Itinerary(Teacher):
    """Sets the tasks of a list, over and over; learns from them only where told so."""

    def __init__(self, tasks: Any, learn: bool = True) -> None:
        self.tasks = tasks
        self.learn = learn

    def begin(self, setup: Any) -> None:
        super().begin(setup)
        self.served = 0

    def sample_tasks(self, n: int, student: int = 0) -> list[Lesson]:
        numbers = range(self.served, self.served + n)
        self.served += n
        return [Lesson(np.array(self.tasks[k % len(self.tasks)], np.float32), learn=self.learn) for k in numbers]


def visiting(
    tasks: Any, cubes: int = 10, dims: int = 2, num_envs: int = 1, dummies: int = 0, learn: bool = True
) -> Any:
    envs = make_vec("TeachRL/Hypercube-v0", num_envs, env_kwargs={"cubes": cubes, "dims": dims, "dummies": dummies})
    room = Classroom(envs, [Itinerary(tasks, learn)])
    student = SimulatedStudent(cubes, dims)
    student.begin(room, np.random.SeedSequence(0), 1000)
    room.attach(student)
    return room, student


def brute(tasks: Any, cubes: int, dims: int) -> Any:
    """The rules of the toy, word by word."""
    table = np.zeros((cubes,) * dims, dtype=int)
    for task in tasks:
        i = tuple(min(int(x * cubes), cubes - 1) for x in task[:dims])
        if i == (0,) * dims:
            table[i] = min(100, table[i] + 1)
            continue
        before = itertools.product(*[sorted({max(0, x - 1), x}) for x in i])
        if any(table[j] >= 75 for j in before if j != i):
            table[i] = min(100, table[i] + 1)
    return table


def test_the_corner_is_learned_by_seventy_six_visits() -> None:
    room, student = visiting([[0.05, 0.05]])
    student.learn(75)
    assert student.competence[0, 0] == 75
    assert student.scalars()["mastered"] == 0
    student.learn(1)
    assert student.scalars()["mastered"] == 0.01
    assert [e.success for e in room.take_episodes()[-2:]] == [False, True]
    student.learn(40)
    assert student.competence[0, 0] == 100


def test_performance_is_competence_after_the_visit() -> None:
    room, student = visiting([[0.05, 0.05]])
    student.learn(3)
    assert [e.episode_return for e in room.take_episodes()] == pytest.approx([0.01, 0.02, 0.03])


def test_diagonal_neighbours_unlock_and_later_ones_do_not() -> None:
    _, student = visiting([[0.15, 0.15]])
    student.learn(2)
    assert student.competence[1, 1] == 0
    student.load_state_dict({"competence": np.eye(1, 100, 0, dtype=int)[0] * 75})  # the corner
    student.learn(2)
    assert student.competence[1, 1] == 2
    student.load_state_dict({"competence": np.eye(1, 100, 22, dtype=int)[0] * 100})  # the one after
    student.learn(2)
    assert student.competence[1, 1] == 0


def test_the_right_edge_belongs_to_the_last_cube() -> None:
    _, student = visiting([[1.0, 0.0]], cubes=1)
    student.learn(1)
    assert student.competence[0, 0] == 1


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(0, 2**31), st.sampled_from([1, 3]))
def test_every_visit_follows_the_rules(cubes: int, dims: int, seed: int, num_envs: int) -> None:
    """Also with several environments, in their order."""
    tasks = np.random.default_rng(seed).uniform(size=(num_envs * 150, dims + 1)).astype(np.float32)
    tasks[: num_envs * 80, :dims] = 0.0
    _, student = visiting(tasks, cubes, dims, num_envs, dummies=1)
    student.learn(len(tasks))
    np.testing.assert_array_equal(student.competence, brute(tasks, cubes, dims))


def test_the_policy_performs_and_does_not_learn() -> None:
    room, student = visiting([[0.05, 0.05]])
    student.learn(50)
    observations = np.array([[0.0, 0.0], [0.5, 0.5]], dtype=np.float32)
    actions, _ = student.policy.act(observations)
    np.testing.assert_allclose(actions, [[0.5], [0.0]])
    np.testing.assert_allclose(student.values(observations), [0.5, 0.0])
    assert student.competence[0, 0] == 50
    assert room.single_action_space.contains(actions[0])


def test_lessons_only_scored_teach_nothing() -> None:
    room, student = visiting([[0.05, 0.05]], learn=False)
    student.learn(10)
    assert student.competence.sum() == 0
    assert [e.episode_return for e in room.take_episodes()] == [0.0] * 10


def test_the_table_is_the_state() -> None:
    tasks = np.random.default_rng(0).uniform(0, 0.2, (400, 2))
    _, whole = visiting(tasks)
    whole.learn(400)
    room, student = visiting(tasks)
    student.learn(150)
    other_room, other = visiting(tasks)
    other_room.load_state_dict(room.state_dict())
    other.load_state_dict(student.state_dict())
    other.learn(250)
    np.testing.assert_array_equal(other.competence, whole.competence)
    assert other.granularity == 1


@pytest.mark.slow
@pytest.mark.family
def test_uniform_tasks_complete_four_cubes_in_twenty_thousand_episodes() -> None:
    """Section 4.1 of the paper's code: about 200 visits a cube."""
    room = Classroom(make_vec("TeachRL/Hypercube-v0", 1), [Uniform()], seed=3)
    student = SimulatedStudent()
    student.begin(room, np.random.SeedSequence(0), 20_000)
    student.learn(20_000)
    assert student.scalars()["mastered"] == pytest.approx(0.04, abs=0.011)


def test_it_refuses_other_environments_and_impossible_sizes() -> None:
    with pytest.raises(InvalidStudent, match="Hypercube"):
        SimulatedStudent(dims=3).begin(Classroom(make_vec(Line, 1)), np.random.SeedSequence(0), 10)
    with pytest.raises(InvalidHyperparameter, match="cubes"):
        SimulatedStudent(cubes=0).validate(None)
