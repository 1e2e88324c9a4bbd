"""A bonus for what was seldom seen."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from teachrl.classroom import Classroom
from teachrl.errors import InvalidHyperparameter, UnknownName
from teachrl.teachers import CountBonus
from teachrl.testing import ToyEnv, check_teacher
from teachrl.vector import make_vec


def begun(make_setup, n, space=None, **arguments):
    teacher = CountBonus(**{"scale": 1.0, **arguments})
    space = spaces.Box(-9, 9, (1,)) if space is None else space
    teacher.begin(replace(make_setup(), num_envs=n, observation_space=space))
    return teacher


def column(*numbers):
    return np.array(numbers, np.float32)[:, None]


def test_counts_by_hand(make_setup, make_step):
    teacher = begun(make_setup, 2, scale=6.0)
    # beginnings are visits: 0 twice; then 1 is come to for the first time, and 0 for the third
    assert teacher.shape_rewards(make_step(column(0, 0), column(1, 0), first=True)) == pytest.approx([6.0, 6 / 3**0.5])
    # both come to 1 at the same step, its second and third visit
    paid = teacher.shape_rewards(make_step(column(1, 0), column(1, 1)))
    assert paid == pytest.approx([6 / 2**0.5, 6 / 3**0.5])
    # one begins anew with 1, the fourth visit, and comes to 2; the other comes to 1, the fifth
    paid = teacher.shape_rewards(make_step(column(1, 1), column(2, 1), first=[True, False]))
    assert paid == pytest.approx([6.0, 6 / 5**0.5])
    assert teacher.scalars() == {"counted_states": 3.0}


def test_episodic_counts_by_hand(make_setup, make_step):
    teacher = begun(make_setup, 2, scope="episodic")
    assert teacher.shape_rewards(make_step(column(0, 0), column(1, 0), first=True)) == pytest.approx([1.0, 0.5**0.5])
    assert teacher.shape_rewards(make_step(column(1, 0), column(1, 1))) == pytest.approx([0.5**0.5, 1.0])
    paid = teacher.shape_rewards(make_step(column(0, 1), column(1, 0), first=[True, False]))
    assert paid == pytest.approx([1.0, (1 / 3) ** 0.5])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=30))
def test_a_states_payments_are_those_of_its_visits(make_setup, make_step, states):
    teacher, paid = begun(make_setup, 1, spaces.Box(0, 9, (2,), np.int64)), {}
    for state in states:
        row = np.array([state])
        paid.setdefault(state, []).append(teacher.shape_rewards(make_step(row, row))[0])
    for bonuses in paid.values():
        np.testing.assert_allclose(bonuses, [1 / k**0.5 for k in range(1, len(bonuses) + 1)])
    assert teacher.scalars()["counted_states"] == len(paid)


def test_views_and_dicts(make_setup, make_step):
    student = spaces.Dict({"image": spaces.Box(0, 9, (2, 2), np.uint8), "direction": spaces.Discrete(4)})
    space = spaces.Dict({"student": student, "teacher": spaces.Box(0, 9, (1,), np.uint8)})

    def seen(image, direction, secret):
        image = np.full((1, 2, 2), image, np.uint8)
        return {
            "student": {"image": image, "direction": np.array([direction])}, "teacher": np.array([[secret]], np.uint8)
        }  # fmt: skip

    walk = [seen(1, 0, 5), seen(1, 0, 6), seen(1, 1, 5), seen(2, 0, 5), seen(1, 0, 5)]
    for view, expected in (("student", [2, 1, 1, 3]), ("teacher", [1, 2, 3, 4])):
        teacher = begun(make_setup, 1, space, view=view)
        steps = [make_step(a, b, first=k == 0) for k, (a, b) in enumerate(pairwise(walk))]
        paid = [teacher.shape_rewards(step)[0] for step in steps]
        np.testing.assert_allclose(paid, [1 / k**0.5 for k in expected])


def test_decimals_and_signs(make_setup, make_step):
    fine, coarse = begun(make_setup, 1), begun(make_setup, 1, decimals=1)
    steps = [make_step(column(9), column(x), first=False) for x in (0.11, 0.12, 0.0, -0.0, -0.04)]
    assert [round(fine.shape_rewards(step)[0] ** -2) for step in steps] == [1, 1, 1, 2, 1]
    assert [round(coarse.shape_rewards(step)[0] ** -2) for step in steps] == [1, 2, 1, 2, 3]


def test_the_state_holds_the_counts(make_setup, make_step):
    for scope in ("lifelong", "episodic"):
        teacher, other = (begun(make_setup, 2, scope=scope) for _ in range(2))
        teacher.shape_rewards(make_step(column(0, 1), column(1, 2), first=True))
        state = teacher.state_dict()
        assert all(isinstance(a, np.ndarray) for table in state["tables"] for a in table.values())
        other.load_state_dict(state)
        step = make_step(column(1, 2), column(0, 1))
        assert other.shape_rewards(step).tolist() == teacher.shape_rewards(step).tolist()


def test_in_minigrid_the_bonus_fades():
    classroom = Classroom(make_vec("TeachRL/MiniGrid-DoorKey-5x5-v0", 4), CountBonus())
    classroom.reset()
    rng, paid = np.random.default_rng(0), []
    for _ in range(400):
        _, rewards, _, _, _ = classroom.step(rng.integers(7, size=4))
        paid.append(rewards - classroom.last.rewards)
    assert np.max(paid) <= 0.005 + 1e-12
    assert np.mean(paid[-50:]) < 0.5 * np.mean(paid[:50])


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"scale": 0.0}, InvalidHyperparameter, "scale"),
        ({"scope": "daily"}, InvalidHyperparameter, "'lifelong' or 'episodic', got 'daily'"),
        ({"decimals": -1}, InvalidHyperparameter, "decimals"),
        ({"view": "teacher"}, UnknownName, "teacher"),
    ],
)
def test_impossible_arguments(arguments, error, words):
    with pytest.raises(error, match=words):
        Classroom(make_vec(ToyEnv, 2), CountBonus(**arguments))


def test_it_keeps_the_contract_of_teachers():
    check_teacher(CountBonus(decimals=1), rollouts=5)
    check_teacher(CountBonus(scope="episodic", view="teacher"), envs=lambda: ToyEnv(views=True), rollouts=5)
