import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import teachrl_envs  # noqa: F401 (registers the ids)
from teachrl.errors import InvalidEnvironment, InvalidTask
from teachrl.lessons import Lesson
from teachrl.snapshots import replay_state
from teachrl.tasks import sample_tasks
from teachrl_envs.point_mass import PointMass
from teachrl_envs.point_mass_vector import PointMassVector


def lessons_of(space, n, seed):
    rng = np.random.default_rng(seed)
    return [Lesson(task, int(rng.integers(2**31))) for task in sample_tasks(space, n, rng)]


@settings(max_examples=15, deadline=None)
@given(n=st.integers(1, 19), seed=st.integers(0, 2**31), observe=st.booleans())
def test_the_batch_plays_every_lesson_as_the_single_environment_does_bit_for_bit(n, seed, observe):
    envs, singles = PointMassVector(n, observe), [PointMass(observe) for _ in range(n)]
    lessons = lessons_of(envs.task_space, n, seed)
    rng = np.random.default_rng(seed)
    observations, _ = envs.reset(options={"lessons": lessons})
    expected = [e.reset(seed=x.seed, options={"task": x.task})[0] for e, x in zip(singles, lessons, strict=True)]
    assert observations.tobytes() == np.array(expected).tobytes()
    for _ in range(110):
        actions = (rng.uniform(-10, 10, (n, 2)) - [0, 1]).astype(np.float32)
        observations, rewards, terminated, truncated, infos = envs.step(actions)
        for i, env in enumerate(singles):
            observation, reward, end, limit, info = env.step(actions[i])
            assert observation.tobytes() == observations[i].tobytes()
            assert (reward, end, limit) == (rewards[i], terminated[i], truncated[i])
            assert info["is_success"] == infos["is_success"][i]
        done = terminated | truncated
        if done.any():
            fresh = lessons_of(envs.task_space, int(done.sum()), int(rng.integers(2**31)))
            before = observations.copy()
            observations, _ = envs.reset(options={"reset_mask": done, "lessons": fresh})
            assert observations[~done].tobytes() == before[~done].tobytes()
            for i, lesson in zip(np.flatnonzero(done), fresh, strict=True):
                again = singles[i].reset(seed=lesson.seed, options={"task": lesson.task})[0]
                assert again.tobytes() == observations[i].tobytes()


def test_states_go_on_exactly_whatever_their_place_in_the_batch():
    envs, rng = PointMassVector(5), np.random.default_rng(0)
    envs.reset(options={"lessons": [Lesson([0.0, 8.0, i], 10 + i) for i in range(5)]})
    actions = rng.uniform(-2, 2, (40, 5, 2))
    for k in range(30):
        envs.step(actions[k])
    mask = np.array([True, False, True, True, False])
    states = envs.get_state(mask)
    assert [s.elapsed for s in states] == [30] * 3
    rest = [envs.step(a) for a in actions[30:]]
    other = PointMassVector(3)
    other.reset(seed=[None] * 3, options={"lessons": [Lesson(start=s) for s in states]})
    for k, (observations, rewards, *_) in enumerate(rest):
        got, paid, *_ = other.step(actions[30 + k][mask])
        assert got.tobytes() == observations[mask].tobytes()
        assert paid.tobytes() == rewards[mask].tobytes()


def test_a_replay_state_becomes_the_exact_one():
    actions = np.random.default_rng(1).uniform(-3, 3, (12, 2)).astype(np.float32)
    envs = PointMassVector(2)
    state = replay_state("TeachRL/PointMass-v0", 5, np.array([1.0, 3.0, 1.0], np.float32), actions)
    observations, _ = envs.reset(options={"lessons": [Lesson(), Lesson(start=state)]})
    single = PointMass()
    single.reset(seed=5, options={"task": [1, 3, 1]})
    expected = [single.step(a)[0] for a in actions][-1]
    assert observations[1].tobytes() == expected.tobytes()
    assert envs.get_state()[1].elapsed == 12


def test_the_steps_before_a_start_count_towards_the_time_limit():
    envs = PointMassVector(1, max_episode_steps=10)
    envs.reset(seed=3)
    still = np.zeros((1, 2))
    for _ in range(9):
        assert not envs.step(still)[3][0]
    state = envs.get_state()[0]
    envs.reset(options={"lessons": [Lesson(start=state)]})
    assert envs.step(still)[3][0]


def test_gymnasium_makes_it_by_its_id():
    envs = gym.make_vec("TeachRL/PointMass-v0", 3, observe_task=False)
    assert isinstance(envs, PointMassVector)
    assert envs.reset(seed=0)[0].shape == (3, 4)
    assert envs.reset(seed=0)[0].dtype == np.float32
    assert (envs.env_id, envs.return_range) == ("TeachRL/PointMass-v0", (0.0, 100.0))
    assert len(envs.task_suite("target")) == 100


def test_resets_without_seeds_follow_from_an_int_seed():
    def drawn():
        envs = PointMassVector(3)
        envs.reset(seed=0)
        envs.reset()
        return [s.seed for s in envs.get_state()]

    assert drawn() == drawn()
    assert len(set(drawn())) == 3


def test_an_ended_episode_must_be_reset_and_a_wrong_task_or_shape_is_refused():
    envs = PointMassVector(2, max_episode_steps=1)
    with pytest.raises(InvalidEnvironment, match=r"\[0, 1\]"):
        envs.step(np.zeros((2, 2)))
    envs.reset(seed=0)
    with pytest.raises(InvalidEnvironment, match=r"\(2, 2\)"):
        envs.step(np.zeros(2))
    envs.step(np.zeros((2, 2)))
    with pytest.raises(InvalidTask, match="friction"):
        envs.reset(options={"lessons": [Lesson([0, 1, 5]), Lesson()]})
    envs.reset(options={"reset_mask": np.array([True, False])})
    with pytest.raises(InvalidEnvironment, match=r"Environments \[1\]"):
        envs.step(np.zeros((2, 2)))


def test_every_environment_has_its_picture():
    envs = PointMassVector(2, render_mode="rgb_array")
    envs.reset(seed=1, options={"lessons": [Lesson([2, 1, 0]), Lesson([-2, 1, 0])]})
    envs.step(np.array([[10.0, 0.0], [-10.0, 0.0]]))
    left, right = envs.render()
    single = PointMass(render_mode="rgb_array")
    single.reset(seed=1, options={"task": [2, 1, 0]})
    single.step(np.array([10.0, 0.0]))
    np.testing.assert_array_equal(left, single.render())
    assert (left != right).any()
    assert PointMassVector(2).render() is None
