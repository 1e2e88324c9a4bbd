import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import strategies as st

import teachrl_envs  # noqa: F401 (registers the ids)
from teachrl.errors import InvalidEnvironment, InvalidTask, UnknownName
from teachrl.lessons import Lesson
from teachrl.snapshots import State
from teachrl_envs.hypercube import Hypercube
from teachrl_envs.hypercube_vector import HypercubeVector


def test_it_shows_the_task_and_pays_the_performance():
    env = Hypercube(dims=2, dummies=1)
    observation, info = env.reset(options={"task": [0.25, 0.5, 1.0]})
    assert (observation.tolist(), info) == ([0.25, 0.5, 1.0], {})
    observation, reward, terminated, truncated, info = env.step(np.array([0.5], np.float32))
    assert observation.tolist() == [0.25, 0.5, 1.0]
    assert (reward, terminated, truncated, info) == (0.5, True, False, {"is_success": False})
    with pytest.raises(InvalidEnvironment, match="reset"):
        env.step(np.array([0.5], np.float32))


@pytest.mark.parametrize(
    ("action", "reward", "success"),
    [(0.75, 0.75, False), (0.76, np.float32(0.76), True), (1.5, 1.0, True), (-0.5, 0.0, False)],
)
def test_success_is_strictly_above_three_quarters_and_actions_are_clipped(action, reward, success):
    env, envs = Hypercube(), HypercubeVector(2)
    env.reset()
    envs.reset()
    _, paid, _, _, info = env.step(np.array([action], np.float32))
    assert (paid, info["is_success"]) == (reward, success)
    _, paids, _, _, infos = envs.step(np.array([[action], [action]], np.float32))
    assert (paids.tolist(), infos["is_success"].tolist()) == ([reward] * 2, [success] * 2)


@given(st.lists(st.tuples(*[st.floats(0, 1, width=32)] * 3), min_size=1, max_size=6))
def test_the_batch_is_the_single_environment_many_times(tasks):
    envs = HypercubeVector(len(tasks), dims=1, dummies=2)
    observations, _ = envs.reset(options={"lessons": [Lesson(t) for t in tasks]})
    actions = np.linspace(-0.1, 1.1, len(tasks), dtype=np.float32)[:, None]
    after, rewards, terminated, truncated, infos = envs.step(actions)
    for i, task in enumerate(tasks):
        env = Hypercube(dims=1, dummies=2)
        assert env.reset(options={"task": task})[0].tobytes() == observations[i].tobytes()
        observation, reward, end, limit, info = env.step(actions[i])
        assert observation.tobytes() == after[i].tobytes()
        assert (reward, end, limit) == (rewards[i], terminated[i], truncated[i])
        assert info["is_success"] == infos["is_success"][i]


def test_only_masked_environments_get_a_new_task():
    envs = HypercubeVector(2)
    envs.reset(options={"lessons": [Lesson([0.0, 0.0]), Lesson([1.0, 1.0])]})
    envs.step(np.zeros((2, 1)))
    mask = np.array([False, True])
    observations, _ = envs.reset(options={"reset_mask": mask, "lessons": [Lesson([0.5, 0.25])]})
    assert observations.tolist() == [[0.0, 0.0], [0.5, 0.25]]
    for method in (lambda: envs.step(np.zeros((2, 1))), envs.get_state):
        with pytest.raises(InvalidEnvironment, match=r"\[0\]"):
            method()
    assert [s.task.tolist() for s in envs.get_state(mask)] == [[0.5, 0.25]]


def test_a_state_is_the_moment_before_the_step():
    env = Hypercube()
    env.reset(seed=4, options={"task": [0.125, 0.25]})
    state = State.from_data(env.get_state().to_data())
    assert env.reset(options={"start": state})[0].tolist() == [0.125, 0.25]
    envs = HypercubeVector(1)
    assert envs.reset(options={"lessons": [Lesson(start=state)]})[0].tolist() == [[0.125, 0.25]]
    for changes in ({"env_id": "Other-v0"}, {"kind": "replay"}, {"elapsed": 1}):
        with pytest.raises(InvalidEnvironment, match="first moment"):
            env.reset(options={"start": State.from_data(state.to_data() | changes)})


@pytest.mark.parametrize("name", ["validation", "test"])
def test_the_suites_are_the_cubes_centres(name):
    suite = Hypercube(dims=2, cubes=4, dummies=1).task_suite(name)
    assert len(suite) == 16
    assert suite["cube-1-3"].task.tolist() == [0.375, 0.875, 0.5]
    again = HypercubeVector(2, dims=2, cubes=4, dummies=1).task_suite(name)
    assert [(k, x.seed) for k, x in suite.items()] == [(k, x.seed) for k, x in again.items()]


def test_the_suites_differ_in_seeds_and_others_are_unknown():
    env = Hypercube()
    seeds = [{lesson.seed for lesson in env.task_suite(name).values()} for name in env.suites]
    assert seeds[0].isdisjoint(seeds[1])
    with pytest.raises(UnknownName, match="validation"):
        env.task_suite("tst")


def test_names_bounds_and_impossible_arguments():
    env = Hypercube(dims=1, dummies=2)
    assert (env.task_names, env.return_range) == (("x_0", "dummy_0", "dummy_1"), (0.0, 1.0))
    with pytest.raises(InvalidTask, match=r"dummy_1 is 1.5, expected 0 to 1"):
        env.reset(options={"task": [0, 0, 1.5]})
    for wrong in ({"dims": 0}, {"cubes": 0}, {"dummies": -1}):
        with pytest.raises(InvalidEnvironment, match="hypercube"):
            Hypercube(**wrong)


@pytest.mark.parametrize("dims", [1, 3])
def test_the_picture_changes_with_the_task_and_with_the_performance(dims):
    env = Hypercube(dims=dims, render_mode="rgb_array")
    with pytest.raises(InvalidEnvironment, match="reset"):
        env.render()
    pictures = []
    for x in (0.1, 0.9):
        env.reset(options={"task": [x] * dims})
        pictures.append(env.render())
    env.step(np.array([0.9]))
    pictures.append(env.render())
    assert {p.shape for p in pictures} == {(480, 480, 3)}
    assert len({p.tobytes() for p in pictures}) == 3
    envs = HypercubeVector(1, dims=dims, render_mode="rgb_array")
    envs.reset(options={"lessons": [Lesson([0.9] * dims)]})
    np.testing.assert_array_equal(envs.render()[0], pictures[1])


def test_gymnasium_accepts_it_and_makes_many():
    check_env(gym.make("TeachRL/Hypercube-v0", render_mode="rgb_array").unwrapped)
    assert isinstance(gym.make_vec("TeachRL/Hypercube-v0", 3, cubes=5), HypercubeVector)
