import itertools
import math

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

import teachrl_envs  # noqa: F401 (registers the ids)
from teachrl.errors import InvalidEnvironment, InvalidTask, UnknownName
from teachrl.snapshots import State
from teachrl_envs.point_mass import PointMass
from teachrl_envs.point_mass_physics import PointMasses, advance, pay


def actions_of(seed, steps=100):
    return np.random.default_rng(seed).uniform(-10, 10, (steps, 2)).astype(np.float32)


def play(env, task, seed, actions, start=None):
    """Plays an episode; returns every observation, reward and flag of it."""
    options = {"task": task} | ({"start": start} if start is not None else {})
    observation, _ = env.reset(seed=seed, options=options)
    record = [observation.tolist()]
    for action in actions:
        observation, reward, terminated, truncated, info = env.step(action)
        record.append([observation.tolist(), reward, terminated, truncated, info["is_success"]])
        if terminated or truncated:
            break
    return record


def scalar_step(state, action, task, rng):
    """The published step, one number at a time."""
    x, vx, y, vy = state
    gate, width, friction = task
    ax, ay = (min(max(float(a), -10.0), 10.0) for a in action)
    for _ in range(10):
        nx, ny = rng.normal(0.0, 0.05), rng.normal(0.0, 0.05)
        new_x = min(max(x + 0.01 * vx, -4.0), 4.0)
        new_y = min(max(y + 0.01 * vy, -4.0), 4.0)
        vx, vy = vx + 0.01 * (1.5 * ax - friction * vx + nx), vy + 0.01 * (1.5 * ay - friction * vy + ny)
        if y >= 0 > new_y or y <= 0 < new_y:
            share = y / (y - new_y)
            hit = share * new_x + (1 - share) * x
            if abs(hit - gate) > width / 2:
                return (hit, 0.0, 0.0, 0.0), True
        x, y = new_x, new_y
    return (x, vx, y, vy), False


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    task=st.tuples(st.floats(-4, 4, width=32), st.floats(0.5, 8, width=32), st.floats(0, 4, width=32)),
    pull=st.tuples(st.floats(-12, 12), st.floats(-12, 4)),
)
def test_the_batch_follows_the_published_step_written_for_one_number_at_a_time(seed, task, pull):
    masses, rng, state = PointMasses(1), np.random.default_rng(seed), (0.0, 0.0, 3.0, 0.0)
    masses.begin(0, task, seed)
    for wobble in np.random.default_rng(seed + 1).uniform(-3, 3, (60, 2)):
        action = wobble + pull
        state, crashed = scalar_step(state, action, task, rng)
        masses.step(action[None])
        got = [*masses.position[:, 0], *masses.velocity[:, 0]]
        np.testing.assert_allclose(got, [state[0], state[2], state[1], state[3]], rtol=0, atol=1e-9)
        assert masses.crashed[0] == crashed
        if crashed:
            break


@pytest.mark.parametrize(("x", "crashes"), [(0.99, False), (1.01, True), (-0.99, False), (-1.01, True)])
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_mass_passes_the_gate_and_crashes_beside_it_from_either_side(x, crashes, side):
    # Half a unit a second towards the wall from 0.021 away: the fifth Euler step of 0.005 crosses it.
    position, velocity = np.array([[x], [0.021 * side]]), np.array([[0.0], [-0.5 * side]])
    task = np.array([[0.0], [2.0], [0.0]])
    position, velocity, crashed = advance(position, velocity, task, np.zeros((10, 2, 1)))
    assert crashed[0] == crashes
    expected = ([x, 0.0], [0.0, 0.0]) if crashes else ([x, -0.029 * side], [0.0, -0.5 * side])
    np.testing.assert_allclose((position[:, 0], velocity[:, 0]), expected, atol=1e-15)


def test_the_crash_is_where_the_slanted_path_meets_the_wall():
    # From (1, 0.01) with (-1, -4): after 0.0025 s at the wall, so at x = 0.9975, outside a gate that ends at 0.9974.
    position, velocity = np.array([[1.0], [0.01]]), np.array([[-1.0], [-4.0]])
    for half, crashes in ((0.9974, True), (0.9976, False)):
        moved, _, crashed = advance(position, velocity, np.array([[0.0], [2 * half], [0.0]]), np.zeros((10, 2, 1)))
        assert crashed[0] == crashes
        if crashes:
            np.testing.assert_allclose(moved[:, 0], [0.9975, 0.0], atol=1e-15)


def test_friction_force_and_sides_by_hand():
    velocity = np.array([[2.0], [0.0]])
    push = np.full((10, 2, 1), 1.5 * 4.0)
    moved, after, _ = advance(np.array([[3.9], [3.0]]), velocity, np.array([[0.0], [8.0], [2.0]]), push)
    # v <- 0.98 v + 0.06 ends at 3 + (v - 3) 0.98^10; the side holds the mass back at x = 4.
    np.testing.assert_allclose(after[:, 0], [3 - 1 * 0.98**10, 3 - 3 * 0.98**10], rtol=1e-12)
    assert moved[0, 0] == 4.0


def test_the_pay_falls_with_the_distance():
    np.testing.assert_allclose(pay(np.array([0.0, 1.0, 6.0])), [1.0, math.exp(-0.6), math.exp(-3.6)], rtol=1e-15)


def test_reward_success_and_time_limit_in_an_episode():
    env = PointMass(max_episode_steps=2)
    near = State("exact", "TeachRL/PointMass-v0", 3, [0, 2, 4], {"position": [0.0, -2.8], "velocity": [0.0, 0.0]})
    env.reset(options={"start": near})
    observation, reward, terminated, truncated, info = env.step(np.zeros(2, np.float32))
    distance = math.hypot(observation[0], observation[2] + 3)
    assert reward == pytest.approx(math.exp(-0.6 * distance), abs=1e-6)
    assert (terminated, truncated, info) == (False, False, {"is_success": True})
    env.reset()
    env.step(np.zeros(2, np.float32))
    assert env.step(np.zeros(2, np.float32))[2:] == (False, True, {"is_success": False})
    with pytest.raises(InvalidEnvironment, match="has ended"):
        env.step(np.zeros(2, np.float32))


def fly(env, task, seed):
    """Steers by waypoints: above the gate, below it, the goal."""
    observation, _ = env.reset(seed=seed, options={"task": task})
    gate = float(np.clip(task[0], -3.9, 3.9))
    while True:
        x, vx, y, vy = observation[:4]
        if y > 0.6 and abs(x - gate) > 0.1:
            goal = (gate, 0.7 if abs(y - 0.7) < 1 else 1.2)
        else:
            goal = (gate, -1.0) if y > -0.4 else (0.0, -3.0)
        pull = [6 * (g - p) - 3 * v for g, p, v in zip(goal, (x, y), (vx, vy), strict=True)]
        observation, _, terminated, truncated, info = env.step(np.array(pull, np.float32))
        if terminated or truncated:
            return info["is_success"]


def test_no_corner_of_the_task_space_is_impossible():
    env = PointMass()
    box = env.task_space
    assert all(fly(env, task, 5) for task in itertools.product(*zip(box.low, box.high, strict=True)))


def test_an_episode_depends_on_its_task_seed_and_actions_only():
    env, a, b = PointMass(), ([1.0, 3.0, 0.5], 4, actions_of(1)), ([-2.0, 8.0, 2.0], 9, actions_of(2))
    first = play(env, *a)
    play(env, *b)
    assert play(env, *a) == first == play(PointMass(), *a)
    assert play(env, a[0], 5, a[2]) != first


@pytest.mark.parametrize("steps", [0, 1, 24, 25, 26, 60])
def test_a_state_goes_on_exactly_as_the_episode_did_in_another_env(steps):
    actions, env = actions_of(3) * 0.1, PointMass()
    whole = play(env, [0.5, 8.0, 1.0], 7, actions)
    play(env, [0.5, 8.0, 1.0], 7, actions[:steps])
    state = State.from_data(env.get_state().to_data())
    assert (state.kind, state.elapsed, state.seed) == ("exact", steps, 7)
    other = PointMass()
    play(other, [0.0, 2.0, 2.0], 1, actions[:3])
    observation, _ = other.reset(options={"start": state})
    again = [other.step(action) for action in actions[steps:]]
    assert observation.tolist() == (whole[steps] if steps == 0 else whole[steps][0])
    assert [[o.tolist(), r, te, tr, i["is_success"]] for o, r, te, tr, i in again] == whole[steps + 1 :]
    assert len(whole) == 101


def test_a_start_with_another_seed_or_task_is_another_episode():
    env = PointMass()
    play(env, [0.5, 8.0, 1.0], 7, actions_of(3)[:5])
    state, rest = env.get_state(), actions_of(4)[:5]
    same = play(env, None, 7, rest, start=state)
    assert same == play(env, [0.5, 8.0, 1.0], None, rest, start=state)
    assert same[0] == play(env, None, 8, rest, start=state)[0]
    assert same[1] != play(env, None, 8, rest, start=state)[1]
    assert play(env, [0.5, 8.0, 4.0], 7, rest, start=state)[1] != same[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"env_id": "Other-v0"}, "Other-v0"),
        ({"kind": "replay"}, "replay"),
        ({"payload": {"position": [0, 0]}}, "position"),
        ({"payload": {"position": [0.0, 5.0], "velocity": [0.0, 0.0]}}, "within"),
        ({"payload": {"position": [0.0, float("nan")], "velocity": [0.0, 0.0]}}, "finite"),
        ({"elapsed": -1}, "negative"),
    ],
)
def test_a_start_that_does_not_fit_is_refused(changes, message):
    good = {"position": [0.0, 1.0], "velocity": [0.0, 0.0]}
    data = State("exact", "TeachRL/PointMass-v0", 1, None, good).to_data() | changes
    with pytest.raises(InvalidEnvironment, match=message):
        PointMass().reset(options={"start": State.from_data(data)})


def test_a_task_outside_is_refused_by_name_and_a_wider_box_takes_it():
    with pytest.raises(InvalidTask, match=r"gate_width is 0.25, expected 0.5 to 8"):
        PointMass().reset(options={"task": [0, 0.25, 0]})
    observation, _ = PointMass(task_low=(-4, 0.25, 0)).reset(options={"task": [0, 0.25, 0]})
    assert observation[-2] == 0.25


def test_options_are_left_alone_and_the_default_task_is_the_originals():
    env, options = PointMass(), {"task": [1.0, 1.0, 1.0]}
    env.reset(options=options)
    assert options == {"task": [1.0, 1.0, 1.0]}
    assert env.reset()[0].tolist() == [0, 0, 3, 0, 0, 2, 2]
    assert PointMass(task_low=(1, 0.5, 0)).reset()[0].tolist() == [0, 0, 3, 0, 1, 2, 2]
    assert PointMass(observe_task=False).reset()[0].tolist() == [0, 0, 3, 0]


def test_resets_without_seed_follow_from_the_first_seed():
    def seeds(env):
        env.reset(seed=0)
        drawn = []
        for _ in range(3):
            env.reset()
            drawn.append(env.get_state().seed)
        return drawn

    assert seeds(PointMass()) == seeds(PointMass())
    assert len(set(seeds(PointMass()))) == 3


@pytest.mark.parametrize("name", ["validation", "test", "target"])
def test_suites_are_fixed_and_inside_the_box(name):
    env = PointMass()
    suite, again = env.task_suite(name), PointMass(observe_task=False).task_suite(name)
    assert name in env.suites
    assert len(suite) == 100
    assert all(lesson.task in env.task_space for lesson in suite.values())
    assert [(k, v.task.tolist(), v.seed) for k, v in suite.items()] == [
        (k, v.task.tolist(), v.seed) for k, v in again.items()
    ]


def test_the_target_suite_is_the_hard_gate_and_other_names_are_unknown():
    tasks = np.array([lesson.task for lesson in PointMass().task_suite("target").values()])
    assert np.abs(tasks - [2.5, 0.5, 0.0]).max() < 0.02
    assert (tasks[:, 1] == 0.5).any()
    with pytest.raises(UnknownName, match="validation"):
        PointMass().task_suite("validaton")


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"task_low": (0.0, 9.0, 0.0)}, "task_low"),
        ({"task_high": (0.0, math.inf, 0.0)}, "finite"),
        ({"max_episode_steps": 0}, "at least 1"),
        ({"render_mode": "human"}, "rgb_array"),
    ],
)
def test_impossible_arguments_are_refused(kwargs, message):
    with pytest.raises(InvalidEnvironment, match=message):
        PointMass(**kwargs)


def test_nothing_works_before_the_first_reset():
    for method in (PointMass().get_state, PointMass().render, lambda: PointMass().step(np.zeros(2, np.float32))):
        with pytest.raises(InvalidEnvironment, match="reset"):
            method()


def test_the_picture_shows_mass_wall_and_gate():
    env = gym.make("TeachRL/PointMass-v0", render_mode="rgb_array")
    env.reset(seed=1, options={"task": [2, 1, 0]})
    before = env.render()
    assert before.shape == (480, 480, 3)
    assert before.dtype == np.uint8
    middle = before[240].astype(int).sum(axis=1)
    assert middle[100] < 250  # wall
    assert middle[34 + int(6 * 412 / 8)] == 765  # the gate's middle, white
    env.step(np.full(2, -10.0, np.float32))
    assert (env.render() != before).any()
    assert gym.make("TeachRL/PointMass-v0").reset()[0].shape == (7,)


@pytest.mark.filterwarnings("ignore:.*symmetric and normalized.*", "ignore:.*infinity.*")
def test_gymnasium_accepts_the_environment():
    check_env(gym.make("TeachRL/PointMass-v0", render_mode="rgb_array").unwrapped)
