"""TeachRL/StumpTracksBlind-v0: Stump Tracks with a student that sees little."""

import gymnasium as gym
import numpy as np
import pytest

from teachrl.lessons import Lesson
from teachrl.snapshots import replay_state
from teachrl.testing import check_env
from teachrl.vector import make_vec
from teachrl_envs import StumpTracks, StumpTracksBlind


def actions(joints, n=20):
    return np.random.default_rng(0).uniform(-1, 1, (n, joints)).astype(np.float32)


@pytest.mark.slow
def test_it_keeps_the_contract():
    check_env("TeachRL/StumpTracksBlind-v0")


@pytest.mark.parametrize(
    ("legs", "seen"),
    [("default", [0, 4, 6, 8, 9, 11, 13]), ("quadru", [0, *(k + i for k in range(4, 24, 5) for i in (0, 2, 4))])],
)
def test_the_teacher_sees_stump_tracks_and_the_student_its_joints(legs, seen):
    blind, whole = StumpTracksBlind(legs), StumpTracks(legs)
    options = {"task": [1.0, 2.0]}
    views, observation = blind.reset(seed=3, options=options)[0], whole.reset(seed=3, options=options)[0]
    np.testing.assert_array_equal(views["teacher"], observation)
    for action in actions(whole.action_space.shape[0]):
        (views, *rest), (observation, *others) = blind.step(action), whole.step(action)
        assert rest == others
        np.testing.assert_array_equal(views["teacher"], observation)
        np.testing.assert_array_equal(views["student"], observation[seen])
    assert blind.observation_space.contains(views)


def test_tasks_suites_and_rules_are_those_of_stump_tracks():
    blind, whole = StumpTracksBlind(stump_height=(0, 4)), StumpTracks(stump_height=(0, 4))
    assert blind.task_space == whole.task_space
    assert blind.suites == whole.suites
    for name in whole.suites:
        one, other = blind.task_suite(name), whole.task_suite(name)
        assert [(k, x.task.tolist(), x.seed) for k, x in one.items()] == [
            (k, x.task.tolist(), x.seed) for k, x in other.items()
        ]


def test_it_starts_inside_an_episode():
    envs, path = make_vec("TeachRL/StumpTracksBlind-v0", 1), actions(4)
    envs.reset(options={"lessons": [Lesson([1.0, 2.0], seed=3)]})
    for action in path:
        shown, *_ = envs.step(action[None])
    start = replay_state("TeachRL/StumpTracksBlind-v0", 3, np.array([1.0, 2.0], np.float32), path)
    again, _ = envs.reset(options={"lessons": [Lesson([1.0, 2.0], start=start)]})
    for view in ("student", "teacher"):
        np.testing.assert_array_equal(again[view], shown[view])


def test_it_draws_the_lidar_that_the_student_does_not_see():
    env = gym.make("TeachRL/StumpTracksBlind-v0", render_mode="rgb_array")
    env.reset(seed=0)
    assert env.render().shape == (400, 600, 3)
    env.close()
