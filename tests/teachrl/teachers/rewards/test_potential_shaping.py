"""Shaping by potentials: what it pays, and that it leaves the optimal policy as it is."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from teachrl.classroom import Classroom
from teachrl.errors import InvalidHyperparameter, InvalidTeacher, NonFiniteData, UnknownName
from teachrl.student import Student
from teachrl.teachers import PotentialShaping
from teachrl.testing import ToyEnv, check_teacher
from teachrl.vector import make_vec
from teachrl_envs.minigrid import Planner

GAMMA = 0.9


def nearness(observations):
    """The potential of `ToyEnv`, by its name."""
    return -np.abs(observations[:, 0] - observations[:, 1])


def begun(make_setup, n, potential, gamma=GAMMA, **arguments):
    teacher = PotentialShaping(potential, gamma=gamma, **arguments)
    teacher.begin(replace(make_setup(), num_envs=n))
    return teacher


def table(values):
    """A potential that looks the states up."""
    return lambda states: np.asarray(values)[states]


def test_what_is_paid_by_hand(make_setup, make_step):
    teacher = begun(make_setup, 3, table([1.0, 10.0, 100.0]), scale=2.0)
    step = make_step(np.array([0, 0, 0]), np.array([1, 1, 1]), [False, True, False], [False, False, True], first=True)
    # 2 (0.9 * 10 - 1); the end of the game has no potential; a time limit is not the end of the game
    assert teacher.shape_rewards(step).tolist() == [16.0, -2.0, 16.0]
    step = make_step(np.array([1, 2, 0]), np.array([2, 0, 0]), [True, False, False], first=[False, True, True])
    np.testing.assert_allclose(teacher.shape_rewards(step), [-20.0, 2 * (0.9 - 100), 2 * (0.9 - 1)])


def test_terminated_goes_before_truncated(make_setup, make_step):
    teacher = begun(make_setup, 1, table([1.0, 10.0]))
    assert teacher.shape_rewards(make_step(np.array([0]), np.array([1]), True, True, True)).tolist() == [-1.0]


@pytest.mark.parametrize("terminates", [True, False])
def test_an_episodes_payments_add_up(make_setup, make_step, terminates):
    rng = np.random.default_rng(0)
    values, states = rng.normal(size=20), rng.integers(20, size=(13, 4))
    teacher, total = begun(make_setup, 4, table(values)), np.zeros(4)
    for t in range(12):
        over = t == 11
        step = make_step(states[t], states[t + 1], over and terminates, over and not terminates, first=t == 0)
        total += GAMMA**t * teacher.shape_rewards(step)
    last = 0.0 if terminates else GAMMA**12 * values[states[-1]]
    np.testing.assert_allclose(total, last - values[states[0]])


def optimal_values(rewards, transitions):
    """Q* (states, actions) of a decision process whose last state is terminal, by value iteration."""
    q = np.zeros(transitions.shape[:2])
    for _ in range(400):
        v = np.append(q.max(axis=1), 0.0)
        q = (transitions * (rewards + GAMMA * v)).sum(axis=2)
    return q


@pytest.mark.parametrize("seed", range(8))
def test_the_optimal_policy_stays(make_setup, make_step, seed):
    rng = np.random.default_rng(seed)
    states, actions = 4, 3
    transitions = rng.dirichlet(np.full(states + 1, 0.5), size=(states, actions))
    rewards = rng.normal(size=(states, actions, states + 1))
    potentials = rng.normal(scale=20.0, size=states + 1)
    pairs = np.array(list(product(range(states), range(states + 1))))
    teacher = begun(make_setup, len(pairs), table(potentials))
    step = make_step(pairs[:, 0], pairs[:, 1], terminated=pairs[:, 1] == states, first=True)
    paid = np.zeros((states, 1, states + 1))
    paid[pairs[:, 0], 0, pairs[:, 1]] = teacher.shape_rewards(step)
    plain, shaped = optimal_values(rewards, transitions), optimal_values(rewards + paid, transitions)
    assert (plain.argmax(axis=1) == shaped.argmax(axis=1)).all()
    np.testing.assert_allclose(shaped, plain - potentials[:-1, None], atol=1e-9)
    rewards[:, 0] += 5.0 * paid[:, 0]  # paid for one action alone it would not be so
    assert not np.allclose(optimal_values(rewards, transitions), plain, atol=0.1)


def test_each_state_is_asked_about_once(make_setup, make_step):
    asked = []

    def potential(observations):
        asked.append(observations["student"].tolist())
        return observations["student"].astype(float)

    teacher = begun(make_setup, 2, potential)

    def views(*states):
        return {"student": np.array(states), "teacher": np.array(states)}

    teacher.shape_rewards(make_step(views(0, 10), views(1, 11), first=True))
    teacher.shape_rewards(make_step(views(1, 11), views(2, 12), [True, False]))
    teacher.shape_rewards(make_step(views(50, 12), views(51, 13), first=[True, False]))
    assert asked == [[0, 10], [1, 11], [12], [50], [51, 13]]


def test_a_changing_potential_takes_back_what_it_paid(make_setup, make_step):
    level = iter([1.0, 2.0, 3.0, 4.0])
    teacher = begun(make_setup, 1, lambda states: np.full(1, next(level)))
    steps = [make_step(np.array([t]), np.array([t + 1]), first=t == 0) for t in range(3)]
    paid = [teacher.shape_rewards(step)[0] for step in steps]
    np.testing.assert_allclose(paid, [0.9 * 2 - 1, 0.9 * 3 - 2, 0.9 * 4 - 3])


def test_the_discount_is_the_students(make_step):
    teacher = PotentialShaping(nearness)
    classroom = Classroom(make_vec(ToyEnv, 2), teacher)
    assert teacher.setup.gamma == 1.0
    student = Student()
    student.gamma = 0.5
    classroom.attach(student)
    assert teacher.setup.gamma == 0.5
    here, there = np.array([[0.0, 4.0], [1.0, 4.0]]), np.array([[2.0, 4.0], [0.0, 4.0]])
    np.testing.assert_allclose(teacher.shape_rewards(make_step(here, there, first=True)), [-0.5 * 2 + 4, -0.5 * 4 + 3])


def play(classroom, planner, steps):
    """Lets the planner play; returns what the environments and the teachers paid, and where episodes ended."""
    classroom.reset()
    paid, state, first = [], None, np.ones(classroom.num_envs, bool)
    for _ in range(steps):
        actions, state = planner.act(classroom._raw, state, first)
        _, rewards, terminated, truncated, _ = classroom.step(actions)
        first = terminated | truncated
        paid.append((rewards - classroom.last.rewards, terminated.copy(), classroom.last.observations))
    return paid


@pytest.mark.parametrize("game", ["DoorKey-5x5-v0", "MultiRoom-N2-S4-v0", "KeyCorridorS3R1-v0"])
def test_the_planners_way_costs_nothing_but_the_beginning(game):
    """Along the shortest way Φ(s) = γ Φ(s'): all payments are 0 but the last, -γ, as the end has no potential."""
    teacher = PotentialShaping(gamma=GAMMA)
    classroom = Classroom(make_vec(f"TeachRL/MiniGrid-{game}", 3), teacher)
    ended = 0
    for paid, terminated, _ in play(classroom, Planner(look=False), 40):
        np.testing.assert_allclose(paid, np.where(terminated, -GAMMA, 0.0), atol=0.1 if "Key" in game else 1e-12)
        assert np.allclose(paid[terminated], -GAMMA)
        ended += terminated.sum()
    assert ended
    assert 0.0 < teacher.scalars()["potential"] <= 1.0


def test_without_a_way_there_is_no_potential():
    teacher = PotentialShaping(scale=3.0, gamma=GAMMA)
    envs = make_vec("TeachRL/MiniGrid-ObstructedMaze-2Dlhb-v0", 1)
    classroom = Classroom(envs, teacher)
    seen, _ = envs.reset(seed=[7])  # the door's key was overwritten when the level was made
    assert teacher._look(seen, np.ones(1, bool), GAMMA).tolist() == [0.0]
    seen, _ = envs.reset(seed=[8])
    distance = classroom.teachers[0].setup.provided("layouts").distances(seen)
    np.testing.assert_allclose(teacher._look(seen, np.ones(1, bool), GAMMA), 3.0 * GAMMA**distance)


class OnlyPlanner(ToyEnv):
    provides = {"planner": "test_potential_shaping:Ruler"}  # noqa: RUF012


class Ruler:
    def distances(self, observations):
        return np.abs(observations[:, 0] - observations[:, 1])


def test_a_planner_will_do_where_there_are_no_layouts(make_step):
    teacher = PotentialShaping(gamma=0.5)
    Classroom(make_vec(OnlyPlanner, 1), teacher)
    step = make_step(np.array([[0.0, 2.0, 1.0]]), np.array([[1.0, 2.0, 1.0]]), first=True)
    assert teacher.shape_rewards(step).tolist() == [0.0]


class Mute(ToyEnv):
    provides = {"planner": "test_potential_shaping:ToyEnv"}  # noqa: RUF012


def test_a_planner_that_tells_no_distances_is_refused():
    with pytest.raises(InvalidTeacher, match=r"has no distances\(observations\)"):
        Classroom(make_vec(Mute, 1), PotentialShaping(gamma=0.5))


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"potential": "plannr"}, InvalidHyperparameter, "'planner', a function"),
        ({"potential": 3.0}, InvalidHyperparameter, "got 3.0"),
        ({"potential": "no_such_module:f"}, UnknownName, "no_such_module"),
        ({"potential": "test_potential_shaping:farness"}, UnknownName, "farness"),
        ({"potential": nearness, "scale": float("nan")}, InvalidHyperparameter, "scale"),
        ({"potential": nearness, "gamma": 1.5}, InvalidHyperparameter, "gamma"),
        ({}, InvalidTeacher, "'planner'"),
    ],
)
def test_impossible_arguments(arguments, error, words):
    with pytest.raises(error, match=words):
        Classroom(make_vec(ToyEnv, 2), PotentialShaping(**arguments))


def test_impossible_potentials(make_setup, make_step):
    step = make_step(np.zeros(2), np.zeros(2), first=True)
    with pytest.raises(InvalidTeacher, match=r"each of 2 observations, got the shape \(2, 1\)"):
        begun(make_setup, 2, lambda states: np.zeros((2, 1))).shape_rewards(step)
    with pytest.raises(NonFiniteData, match=r"environments \[1\]"):
        begun(make_setup, 2, lambda states: np.array([0.0, np.inf])).shape_rewards(step)


def test_a_planner_says_nothing_to_a_student_that_discounts_nothing():
    classroom = Classroom(make_vec("TeachRL/MiniGrid-DoorKey-5x5-v0", 1), PotentialShaping())
    classroom.reset()
    with pytest.raises(InvalidHyperparameter, match="gamma below 1"):
        classroom.step(np.zeros(1, np.int64))


def test_it_keeps_the_contract_of_teachers():
    check_teacher(PotentialShaping("test_potential_shaping:nearness"), rollouts=5)
    check_teacher(PotentialShaping(nearness, scale=0.1, gamma=0.5), rollouts=5)
    check_teacher(PotentialShaping(), envs="TeachRL/MiniGrid-MultiRoom-N2-S4-v0", num_envs=2, rollouts=6)
