import gymnasium
import numpy as np
import pytest
import vector_environments as ve
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from teachrl.errors import (
    EnvironmentFailed,
    InvalidEnvironment,
    InvalidHyperparameter,
    InvalidTask,
    UnknownName,
)
from teachrl.lessons import Lesson
from teachrl.snapshots import replay_state
from teachrl.vector import make_vec, require_lessons

WALK = "VectorTest/Walk-v0"


def host_envs(envs):
    return envs._backend._host.envs


def zeros(n):
    return np.zeros((n, 2), np.float32)


def test_describes_its_environments():
    envs = make_vec(WALK, 3, render_mode="rgb_array")
    assert envs.metadata["autoreset_mode"] is AutoresetMode.DISABLED
    assert (envs.env_id, envs.num_envs, envs.max_episode_steps, envs.restorable) == (WALK, 3, 20, True)
    assert envs.task_names == ("east", "north")
    assert envs.return_range == (-10, 10)
    assert envs.suites == ("validation", "test")
    assert envs.single_observation_space.shape == (3,)
    assert envs.observation_space.shape == (3, 3)
    assert envs.action_space.shape == (3, 2)
    assert envs.spec.id == WALK
    envs.reset()
    assert [frame.shape for frame in envs.render()] == [(2, 2, 3)] * 3
    assert list(envs.task_suite("test")) == ["test-east"]
    assert envs.call("reach") == [5.0] * 3


def test_plays_like_the_single_environment():
    envs = make_vec("CartPole-v1", 3)
    singles = [gymnasium.make("CartPole-v1") for _ in range(3)]
    observations, infos = envs.reset(seed=5)
    expected = [env.reset(seed=5 + i)[0] for i, env in enumerate(singles)]
    assert infos == {}
    for t in range(8):
        np.testing.assert_array_equal(observations, expected)
        observations, rewards, terminated, truncated, _ = envs.step(np.array([t % 2, 1, 0]))
        results = [env.step(a) for env, a in zip(singles, [t % 2, 1, 0], strict=True)]
        expected = [result[0] for result in results]
        assert rewards.dtype == np.float64
        assert rewards.tolist() == [r[1] for r in results]
        assert terminated.tolist() == [r[2] for r in results]
        assert truncated.tolist() == [r[3] for r in results]


def test_masked_reset_gives_each_its_lesson_and_leaves_the_others():
    envs = make_vec(WALK, 4)
    before, _ = envs.reset(seed=0)
    mask = np.array([False, True, False, True])
    tasks = [np.array([1, 0.5], np.float32), np.array([-1, 0], np.float32)]
    options = {"reset_mask": mask, "lessons": [Lesson(tasks[0], seed=7), Lesson(tasks[1])], "else": 1}
    kept = dict(options)
    after, infos = envs.reset(seed=[None, 9], options=options)
    assert options.keys() == kept.keys()
    assert all(options[key] is kept[key] for key in kept)
    np.testing.assert_array_equal(after[~mask], before[~mask])
    for i, seed in ((1, 7), (3, 9)):
        np.testing.assert_array_equal(after[i], ve.Walk().reset(seed=seed)[0])
    np.testing.assert_array_equal(infos["task"][mask], tasks)
    assert infos["_task"].tolist() == mask.tolist()
    played = [env.unwrapped.resets for env in host_envs(envs)]
    assert [len(p) for p in played] == [1, 2, 1, 2]
    assert played[0] == [None]
    assert played[1][1]["else"] == 1
    assert "lessons" not in played[1][1]


def test_seeds():
    envs = make_vec(WALK, 3)
    by_int, _ = envs.reset(seed=4)
    by_list, _ = envs.reset(seed=[4, 5, 6])
    by_lesson, _ = envs.reset(options={"lessons": [Lesson(seed=s) for s in (4, 5, 6)]})
    given_wins, _ = envs.reset(seed=[4, 5, None], options={"lessons": [Lesson(seed=s) for s in (0, 0, 6)]})
    masked, _ = envs.reset(seed=3, options={"reset_mask": np.array([False, True, False])})
    for other in (by_list, by_lesson, given_wins):
        np.testing.assert_array_equal(by_int, other)
    np.testing.assert_array_equal(masked[1], envs.reset(seed=[4, 0, 0])[0][0])
    zero, _ = envs.reset(seed=[0, 0, 0])
    np.testing.assert_array_equal(zero[0], zero[2])


def test_arrays_belong_to_the_caller():
    envs = make_vec(WALK, 2)
    first, _ = envs.reset(seed=0)
    kept = first.copy()
    actions = np.ones((2, 2), np.float32)
    results = [envs.step(actions) for _ in range(2)]
    np.testing.assert_array_equal(first, kept)
    assert results[0][1].tolist() != results[1][1].tolist()
    results[1][0][:] = 99
    after, _ = envs.reset(options={"reset_mask": np.array([True, False])})
    assert after[1].max() < 99


def test_an_ended_episode_cannot_be_stepped():
    envs = make_vec(WALK, 3)
    with pytest.raises(InvalidEnvironment, match=r"\[0, 1, 2\] were never reset"):
        envs.step(zeros(3))
    envs.reset(seed=0, options={"lessons": [None, Lesson([1, 1]), None]})
    ended = np.zeros(3, bool)
    while not ended.any():
        _, _, terminated, truncated, infos = envs.step(zeros(3))
        ended = terminated | truncated
    assert ended.tolist() == [False, True, False]
    assert infos["_is_success"].tolist() == ended.tolist()
    assert infos["is_success"][1]
    with pytest.raises(InvalidEnvironment, match=r"\[1\] have ended"):
        envs.step(zeros(3))
    envs.reset(options={"reset_mask": ended})
    envs.step(zeros(3))


@pytest.mark.parametrize(
    ("seed", "options", "match"),
    [
        (None, {"reset_mask": np.ones(3, bool)}, "mask"),
        (None, {"reset_mask": [1, 0]}, "bool"),
        (None, {"lessons": [None]}, "1 lessons for 2"),
        ([1], None, "1 seeds for 2"),
        (-1, None, "seed"),
        ([0, True], None, "seed"),
        (None, {"lessons": [3, None]}, "Lesson"),
        (None, {"lessons": [Lesson(start=3), None]}, "State"),
        (None, {"lessons": [Lesson(start=replay_state("Other-v0", 0, None, zeros(0))), None]}, "Other-v0"),
    ],
)
def test_bad_resets(seed, options, match):
    with pytest.raises(InvalidEnvironment, match=match):
        make_vec(WALK, 2).reset(seed=seed, options=options)


def test_a_task_outside_the_space_changes_nothing():
    envs = make_vec(WALK, 2)
    envs.reset(seed=0)
    with pytest.raises(InvalidTask, match="north is 3"):
        envs.reset(options={"lessons": [Lesson([0, 0]), Lesson([0, 3])]})
    envs.step(zeros(2))
    assert [len(env.unwrapped.resets) for env in host_envs(envs)] == [1, 1]


def test_a_task_for_an_environment_without_tasks():
    with pytest.raises(InvalidEnvironment, match=r"CartPole-v1 has no task space.*Parametrised"):
        make_vec("CartPole-v1", 1).reset(options={"lessons": [Lesson([1.0])]})


@pytest.mark.parametrize(
    ("actions", "match"),
    [(np.zeros((3, 2)), "shape"), (np.zeros((2, 2), complex), "complex"), (np.zeros((2, 1)), "shape")],
)
def test_bad_actions(actions, match):
    envs = make_vec(WALK, 2)
    envs.reset()
    with pytest.raises(InvalidEnvironment, match=match):
        envs.step(actions)


def test_fractions_are_no_discrete_actions():
    envs = make_vec("CartPole-v1", 2)
    envs.reset()
    with pytest.raises(InvalidEnvironment, match="int64"):
        envs.step(np.array([0.5, 1.0]))
    envs.step([0, 1])


def test_structured_spaces():
    envs = make_vec("VectorTest/Mixed-v0", 2)
    observations, _ = envs.reset(seed=1)
    envs.reset(seed=1, options={"reset_mask": np.array([False, True])})
    actions = {"go": zeros(2), "say": np.array([0, 2])}
    observations, rewards, _, _, infos = envs.step(actions)
    assert rewards[1] == pytest.approx(observations["place"][1, :2].sum() + 2, rel=1e-5)
    assert observations in envs.observation_space
    assert observations["word"] == ("w", "w")
    assert observations["inner"][0].tolist() == [1, 1]
    assert infos["said"].tolist() == [0, 2]
    with pytest.raises(InvalidEnvironment, match="say"):
        envs.step({"go": zeros(2)})


def test_a_shape_that_is_not_the_spaces():
    with pytest.raises(InvalidEnvironment, match=r"shape \(1,\).*\(3,\)"):
        make_vec(ve.WrongShape, 2).reset()


def test_an_exact_state_continues_identically_with_its_time_limit():
    envs = make_vec(WALK, 2)
    envs.reset(seed=0, options={"lessons": [Lesson([0.1, 0], seed=3), None]})
    for _ in range(6):
        envs.step(zeros(2))
    (state,) = envs.get_state(np.array([True, False]))
    assert (state.env_id, state.elapsed, state.kind) == (WALK, 6, "exact")
    other = make_vec(WALK, 1)
    other.reset(options={"lessons": [Lesson(start=state)]})
    for t in range(6, 20):
        expected, got = envs.step(zeros(2)), other.step(zeros(1))
        np.testing.assert_array_equal(expected[0][0], got[0][0])
        assert got[3][0] == expected[3][0] == (t == 19)


def test_a_replay_state_continues_identically_in_any_environment():
    rng = np.random.default_rng(0)
    envs = make_vec("MountainCarContinuous-v0", 2)
    actions = rng.uniform(-1, 1, (12, 2, 1)).astype(np.float32)
    envs.reset(seed=5)
    for action in actions[:10]:
        last = envs.step(action)[0]
    early = replay_state(envs.env_id, 6, None, actions[:4, 1])
    state = replay_state(envs.env_id, 6, None, actions[4:10, 1], start=early)
    other = make_vec("MountainCarContinuous-v0", 1)
    observations, _ = other.reset(options={"lessons": [Lesson(start=state)]})
    np.testing.assert_array_equal(observations[0], last[1])
    for action in actions[10:]:
        np.testing.assert_array_equal(envs.step(action)[0][1], other.step(action[1:])[0][0])
    assert other.call("_elapsed_steps") == [12]


def test_a_replay_that_ends_too_early():
    state = replay_state(WALK, 0, np.array([1, 1], np.float32), zeros(15))
    envs = make_vec(WALK, 2)
    with pytest.raises(InvalidEnvironment, match=r"ended at action \d of the 15"):
        envs.reset(options={"lessons": [None, Lesson(start=state)]})


def test_environments_without_exact_states():
    envs = make_vec("VectorTest/Bad-v0", 1)
    assert not envs.restorable
    envs.reset()
    with pytest.raises(
        InvalidEnvironment, match=r"cannot save its exact state: Bad has no get_state\(\).*Replay states"
    ):
        envs.get_state()
    stacked = make_vec(WALK, 1, wrappers=[{"class_path": "FrameStackObservation", "init_args": {"stack_size": 2}}])
    assert not stacked.restorable  # the frames are not in the inner environment's state
    with pytest.raises(InvalidEnvironment, match="its wrapper FrameStackObservation may keep what get_state"):
        stacked.get_state()
    assert make_vec(WALK, 1, wrappers=["ClipAction"]).restorable


def test_a_failure_names_the_environment_its_task_and_its_seed():
    envs = make_vec("VectorTest/Bad-v0", 3)
    envs.reset(seed=[4, 5, 6], options={"lessons": [None, None, Lesson(1)]})
    with pytest.raises(EnvironmentFailed, match=r"Bad-v0: environment 2 .*task 1, seed 6.*ZeroDivisionError") as caught:
        envs.step(np.zeros(3, int))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with pytest.raises(InvalidEnvironment, match="closed"):
        envs.reset()


def test_unknown_environments_get_the_nearest_names():
    with pytest.raises(UnknownName, match="CartPole-v1"):
        make_vec("Cartpole-v1", 1)
    with pytest.raises(UnknownName, match="CartPole-v1"):
        make_vec("CartPole-v9", 1)
    with pytest.raises(InvalidEnvironment, match="no_such_module"):
        make_vec("no_such_module:My-v0", 1)


def test_environments_that_cannot_be_made():
    with pytest.raises(EnvironmentFailed, match=r"Unmakable cannot be made.*no terrain file"):
        make_vec(ve.Unmakable, 1)
    with pytest.raises(InvalidHyperparameter, match=r"raech.*reach"):
        make_vec(WALK, 1, env_kwargs={"raech": 1})
    with pytest.raises(InvalidEnvironment, match=r"must be a gymnasium\.Env"):
        make_vec(lambda: 3, 1)
    with pytest.raises(InvalidEnvironment, match="At least 1"):
        make_vec(WALK, 0)


def test_wrappers_in_all_their_forms():
    wrappers = [
        "ClipAction",
        {"class_path": "TimeAwareObservation"},
        "gymnasium.wrappers.FlattenObservation",
        lambda env: gymnasium.wrappers.TransformReward(env, lambda reward: 100.0),
    ]
    envs = make_vec(WALK, 2, wrappers=wrappers, env_kwargs={"reach": 2.0})
    assert envs.single_observation_space.shape == (4,)
    assert envs.task_names == ("east", "north")
    assert envs.call("reach", [1]) == [2.0]
    envs.reset()
    assert envs.step(zeros(2))[1].tolist() == [100.0, 100.0]


def test_wrong_wrappers():
    with pytest.raises(UnknownName, match="FlattenObservation"):
        make_vec(WALK, 1, wrappers=["FlatenObservation"])
    with pytest.raises(UnknownName, match="no_such"):
        make_vec(WALK, 1, wrappers=["no_such.module.Class"])
    with pytest.raises(InvalidEnvironment, match="class_path"):
        make_vec(WALK, 1, wrappers=[{"class": "ClipAction"}])
    with pytest.raises(InvalidHyperparameter, match="sise"):
        make_vec(WALK, 1, wrappers=[{"class_path": "FrameStackObservation", "init_args": {"sise": 2}}])


def test_calls():
    envs = make_vec(WALK, 3)
    envs.reset(seed=0)
    assert envs.call("render", [2, 0])[0].shape == (2, 2, 3)
    with pytest.raises(InvalidEnvironment, match="no attribute or method 'fly'"):
        envs.call("fly")
    with pytest.raises(InvalidEnvironment, match=r"indices \[3\]"):
        envs.call("reach", [3])
    with pytest.raises(InvalidEnvironment, match="render mode"):
        envs.render()


def test_suites_without_ones_of_their_own():
    assert len(make_vec("CartPole-v1", 1).task_suite("validation")) == 100
    with pytest.raises(UnknownName, match="validation"):
        make_vec("CartPole-v1", 1).task_suite("tset")


def test_another_of_the_same_kind():
    envs = make_vec(WALK, 3, env_kwargs={"reach": 2.5}, wrappers=["TimeAwareObservation"])
    another = envs.make_another(5, render_mode="rgb_array")
    assert (another.num_envs, another.render_mode) == (5, "rgb_array")
    assert another.call("reach") == [2.5] * 5
    assert another.single_observation_space == envs.single_observation_space
    assert another.make_another().render_mode is None


def test_vector_environments_of_gymnasium_are_refused():
    envs = make_vec(WALK, 1)
    assert require_lessons(envs) is envs
    with pytest.raises(InvalidEnvironment, match=r"SyncVectorEnv.*make_vec"):
        require_lessons(SyncVectorEnv([ve.Walk]))
