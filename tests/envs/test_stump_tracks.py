"""TeachRL/StumpTracks-v0: tasks, rules, purity, suites, pictures."""

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.utils.env_checker import check_env

from teachrl.errors import InvalidHyperparameter, InvalidTask, NonFiniteData, UnknownName
from teachrl_envs.box2d.stump_tracks import StumpTracks

IDLE = np.zeros(4, np.float32)


def play(env, task, seed, steps=150):
    """All observations, rewards and ends of an episode under random actions."""
    rng = np.random.default_rng(seed)
    observation, _ = env.reset(seed=seed, options={"task": task})
    record = [observation.tobytes()]
    for _ in range(steps):
        observation, reward, terminated, truncated, _ = env.step(env_action(env, rng))
        record.append((observation.tobytes(), reward, terminated, truncated))
        if terminated:
            break
    return record


def env_action(env, rng):
    return rng.uniform(-1, 1, env.action_space.shape).astype(np.float32)


def shift(env, distance, lift=0.0):
    """Puts the walker somewhere else."""
    for body in (env._walker.hull, *env._walker.legs):
        body.position = (body.position.x + distance, body.position.y + lift)


@pytest.mark.parametrize("legs", ["default", "short", "quadru"])
def test_an_episode_is_a_pure_function_of_task_seed_and_actions(legs):
    used, one, two = StumpTracks(legs), ([1.0, 0.5], 3), ([0.2, 4.0], 4)
    assert play(used, *one) == play(StumpTracks(legs), *one)
    assert play(used, *two) == play(StumpTracks(legs), *two)
    assert play(used, *one) == play(StumpTracks(legs), *one)
    assert play(used, *one) != play(used, *two)


def test_seed_and_task_make_the_level():
    env, levels = StumpTracks(), {}
    for task, seed in (([1, 1], 0), ([1, 1], 1), ([1, 2], 0), ([2, 1], 0)):
        env.reset(seed=seed, options={"task": task})
        levels[tuple(task), seed] = env._terrain.stumps.tobytes()
    assert len(set(levels.values())) == 4
    env.reset(seed=0, options={"task": [1, 1]})
    assert env._terrain.stumps.tobytes() == levels[(1, 1), 0]


def test_a_reset_without_a_seed_goes_on_with_the_generator():
    one, two = StumpTracks(), StumpTracks()
    for env in (one, two):
        env.reset(seed=5)
        env.reset()
    assert one._terrain.stumps.tobytes() == two._terrain.stumps.tobytes()
    one.reset()
    assert one._terrain.stumps.tobytes() != two._terrain.stumps.tobytes()


def test_the_default_task_is_easy():
    env = StumpTracks()
    env.reset(seed=0)
    by_default = env._terrain.stumps.copy()
    env.reset(seed=0, options={"task": [0.0, 3.0]})
    np.testing.assert_array_equal(env._terrain.stumps, by_default)
    assert StumpTracks(stump_height=(1, 2)).default_task.tolist() == [1.0, 3.0]


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ([3.5, 1.0], r"stump_height is 3\.5, expected 0 to 3"),
        ([1.0, -0.1], r"obstacle_spacing is -0\.1, expected 0 to 6"),
        ([np.nan, 1.0], "stump_height is nan"),
        ([1.0], "shape"),
        ([[1.0, 1.0]], "shape"),
        ("high", "numbers"),
    ],
)
def test_invalid_tasks(task, message):
    env = StumpTracks()
    with pytest.raises(InvalidTask, match=message):
        env.reset(seed=0, options={"task": task})


@pytest.mark.parametrize(("legs", "observations", "actions"), [("default", 24, 4), ("short", 24, 4), ("quadru", 34, 8)])
def test_shapes_of_the_bodies(legs, observations, actions):
    env = StumpTracks(legs)
    assert env.observation_space.shape == (observations,)
    assert env.action_space.shape == (actions,)
    assert env.action_space.dtype == np.float32
    observation, info = env.reset(seed=0)
    assert observation.shape == (observations,)
    assert observation.dtype == np.float32
    assert info == {}
    assert observation in env.observation_space


def test_quadru_stands_on_four_feet():
    env = StumpTracks("quadru")
    env.reset(seed=0, options={"task": [0, 6]})
    rng, touched = np.random.default_rng(0), np.zeros(4, bool)
    for _ in range(100):
        observation, *_ = env.step(env_action(env, rng))
        touched |= observation[[8, 13, 18, 23]] == 1.0
    assert touched.all()


@pytest.mark.parametrize(("legs", "cost"), [("default", 0.028), ("short", 0.028), ("quadru", 0.013125)])
def test_reward_is_progress_minus_effort(legs, cost):
    env = StumpTracks(legs)
    env.reset(seed=1)
    hull = env._walker.hull
    before = 130 * hull.position.x / 30 - 5 * abs(hull.angle)
    action = np.full(env.action_space.shape, -0.5, np.float32)
    action[0] = 2.0  # counts as 1
    _, reward, terminated, _, info = env.step(action)
    after = 130 * hull.position.x / 30 - 5 * abs(hull.angle)
    effort = 1.0 + 0.5 * (len(action) - 1)
    assert reward == pytest.approx(after - before - cost * effort, abs=1e-9)
    assert not terminated
    assert info == {}


def test_more_than_one_pulls_as_one():
    one, two = StumpTracks(), StumpTracks()
    for env in (one, two):
        env.reset(seed=1)
    action = np.array([1, -1, 0.3, -0.2], np.float32)
    greedy = np.array([7, -3, 0.3, -0.2], np.float32)
    for _ in range(20):
        ours, theirs = one.step(action), two.step(greedy)
        np.testing.assert_array_equal(ours[0], theirs[0])
        assert ours[1] == theirs[1]


def test_a_fall_costs_a_hundred_and_ends_the_episode():
    env = StumpTracks()
    env.reset(seed=0)
    env._walker.hull.angle = 1.6
    for _ in range(100):
        _, reward, terminated, truncated, info = env.step(IDLE)
        if terminated:
            break
        assert reward > -100
    assert terminated
    assert not truncated
    assert reward == -100.0
    assert info == {"is_success": False}


def test_leaving_to_the_left_costs_a_hundred():
    env = StumpTracks()
    env.reset(seed=0)
    shift(env, -env._walker.hull.position.x - 0.2, lift=5.0)
    _, reward, terminated, _, info = env.step(IDLE)
    assert terminated
    assert reward == -100.0
    assert info == {"is_success": False}


def test_a_hull_against_a_stump_is_a_fall():
    env = StumpTracks(stump_height=(0, 9))
    env.reset(seed=0, options={"task": [8.0, 6.0]})
    shift(env, 3.3)  # the hull's front is 1.13 ahead of its position, the first stump 4.67
    for body in (env._walker.hull, *env._walker.legs):
        body.linearVelocity = (3.0, 0.0)
    steps = [env.step(IDLE) for _ in range(20)]
    assert any(terminated and reward == -100.0 for _, reward, terminated, _, _ in steps)


@pytest.mark.parametrize(("gained", "success"), [(229.99, False), (230.0, False), (230.01, True)])
def test_success_is_a_return_above_230(gained, success):
    env = StumpTracks()
    env.reset(seed=0)
    env._elapsed = env.max_episode_steps - 1
    twin = StumpTracks()
    twin.reset(seed=0)
    last = twin.step(IDLE)[1]
    env._return = gained - last
    _, _, terminated, truncated, info = env.step(IDLE)
    assert (terminated, truncated) == (False, True)
    assert info == {"is_success": env._return > 230.0}
    assert info["is_success"] == success or gained == 230.0  # which may round either way


def test_the_return_that_counts_is_the_sum_of_rewards():
    env = StumpTracks()
    env.reset(seed=3)
    rng, total = np.random.default_rng(0), 0.0
    for _ in range(50):
        _, reward, terminated, _, _ = env.step(env_action(env, rng))
        total += reward
        assert env._return == pytest.approx(total, abs=1e-9)
        if terminated:
            break


def test_two_thousand_steps_truncate():
    env = StumpTracks()
    env.reset(seed=0)
    env._world.gravity = (0, 0)  # an idle walker would sink to its knees
    for step in range(1, 2001):
        _, _, terminated, truncated, info = env.step(IDLE)
        assert not terminated
        assert truncated == (step == 2000)
        assert bool(info) == truncated
    assert info == {"is_success": False}


def test_bad_actions():
    env = StumpTracks()
    with pytest.raises(ResetNeeded):
        env.step(IDLE)
    env.reset(seed=0)
    with pytest.raises(InvalidAction, match=r"\(4,\), got \(3,\)"):
        env.step(np.zeros(3, np.float32))
    with pytest.raises(NonFiniteData, match="nan"):
        env.step(np.array([0, np.nan, 0, 0], np.float32))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"legs": "spider"}, "default, short, quadru"),
        ({"render_mode": "human"}, "rgb_array"),
        ({"stump_height": (3, 0)}, "stump_height"),
        ({"stump_height": (0, 1, 2)}, "stump_height"),
        ({"obstacle_spacing": (0, np.inf)}, "obstacle_spacing"),
        ({"obstacle_spacing": (-1, 6)}, "at least 0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(InvalidHyperparameter, match=message):
        StumpTracks(**arguments)


def test_the_test_suite_is_the_papers_grid():
    suite = StumpTracks().task_suite("test")
    tasks = np.array([lesson.task for lesson in suite.values()])
    heights, spacings = np.linspace(0, 3, 10), np.linspace(0, 6, 10)
    expected = [(h, s) for h in heights for s in spacings]
    np.testing.assert_allclose(tasks, expected, rtol=1e-6)
    assert len({lesson.seed for lesson in suite.values()}) == 100


@pytest.mark.parametrize("name", ["test", "validation", "shifted"])
def test_suites_are_fixed_and_playable(name):
    env = StumpTracks(stump_height=(0, 4))
    suite, again = env.task_suite(name), StumpTracks(stump_height=(0, 4)).task_suite(name)
    assert list(suite) == list(again)
    assert len(suite) == 100
    for key, lesson in suite.items():
        np.testing.assert_array_equal(lesson.task, again[key].task)
        assert lesson.seed == again[key].seed
        assert env.task_space.contains(lesson.task)
        inside = (lesson.task <= [3, 6]).all()
        assert inside == (name != "shifted")
    env.reset(seed=lesson.seed, options={"task": lesson.task})


def test_suites_share_neither_seeds_nor_tasks():
    env = StumpTracks(stump_height=(0, 4), obstacle_spacing=(0, 7))
    lessons = [lesson for name in env.suites for lesson in env.task_suite(name).values()]
    assert env.suites == ("validation", "test", "shifted")
    assert len({lesson.seed for lesson in lessons}) == 300
    assert len({tuple(lesson.task) for lesson in lessons}) == 300


def test_validation_covers_the_box():
    tasks = np.array([lesson.task for lesson in StumpTracks().task_suite("validation").values()])
    cells = {tuple(cell) for cell in (tasks / [3 / 5, 6 / 5]).astype(int)}
    assert len(cells) == 25


def test_suites_of_another_task_space():
    wide, narrow = StumpTracks(stump_height=(-3, 9)), StumpTracks(stump_height=(0, 1))
    for name in ("test", "validation"):
        one, other = StumpTracks().task_suite(name), wide.task_suite(name)
        assert all((one[key].task == other[key].task).all() for key in one)
        assert max(lesson.task[0] for lesson in narrow.task_suite(name).values()) <= 1
    beyond = StumpTracks(stump_height=(4, 5))
    assert min(lesson.task[0] for lesson in beyond.task_suite("test").values()) == 4


def test_unknown_suites():
    with pytest.raises(UnknownName, match=r"'validatoin'.*Did you mean 'validation'"):
        StumpTracks().task_suite("validatoin")
    assert StumpTracks().suites == ("validation", "test")
    with pytest.raises(UnknownName, match=r"stump_height=\(0, 4\)"):
        StumpTracks().task_suite("shifted")


@pytest.mark.parametrize("legs", ["default", "quadru"])
def test_pictures(legs):
    env = StumpTracks(legs, render_mode="rgb_array")
    with pytest.raises(ResetNeeded):
        env.render()
    env.reset(seed=0, options={"task": [2.0, 1.0]})
    first = env.render()
    assert first.shape == (400, 600, 3)
    assert first.dtype == np.uint8
    for _ in range(10):
        env.step(np.ones(env.action_space.shape, np.float32))
    assert (env.render() != first).mean() > 0.001
    env.reset(seed=0, options={"task": [2.0, 6.0]})
    assert (env.render()[200:300, 300:] != first[200:300, 300:]).mean() > 0.05  # other stumps ahead
    env.close()
    assert StumpTracks().render() is None


def test_gymnasium_makes_it_and_its_checker_passes():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checker's opinions on unbounded observations
        import teachrl_envs  # noqa: F401 (registers the id)

        env = gymnasium.make("TeachRL/StumpTracks-v0", legs="short", render_mode="rgb_array")
        assert env.unwrapped is env
        check_env(env.unwrapped)
