"""Classic control with two views: Gymnasium's dynamics, what a student sees, starts, success, errors."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import InvalidAction, ResetNeeded

import teachrl_envs  # noqa: F401 (registers the ids)
from teachrl.errors import InvalidEnvironment, InvalidHyperparameter, NonFiniteData
from teachrl.lessons import Lesson
from teachrl.snapshots import State
from teachrl.testing import check_env
from teachrl.vector import make_vec
from teachrl_envs import CartPoleFlicker, CartPoleNoisy, CartPolePositions, Parametrised, PendulumNoisy

VIEWS = ("Positions", "Flicker", "Noisy")
IDS = [f"TeachRL/{name}{view}-v0" for name in ("CartPole", "Pendulum") for view in VIEWS]


def played(env, seed, actions):
    """All observations, rewards and ends of an episode."""
    record = [env.reset(seed=seed)[0]]
    rewards, ends = [], []
    for action in actions:
        observation, reward, terminated, truncated, _ = env.step(action)
        record.append(observation)
        rewards.append(reward)
        ends.append((terminated, truncated))
        if terminated or truncated:
            break
    return record, rewards, ends


def drawn_actions(env, seed, n=500):
    env.action_space.seed(seed)
    return [env.action_space.sample() for _ in range(n)]


def held_up(observation):
    """A controller that balances the cart pole for a whole episode."""
    x, velocity, angle, spin = observation["teacher"]
    return int(0.1 * x + 0.3 * velocity + 3.0 * angle + spin > 0)


def swung_up(observation):
    """A controller that pumps energy into the pendulum, then holds it."""
    cosine, sine, spin = observation["teacher"]
    if cosine > 0.85:
        return np.clip([-12.0 * sine - 3.0 * spin], -2, 2).astype(np.float32)
    return np.array([2.0 if spin * (10.0 - (spin**2 / 2 * (1 / 3) * 3 + 10.0 * cosine)) > 0 else -2.0], np.float32)


def last_info(env, seed, control):
    observation, _ = env.reset(seed=seed)
    total, over = 0.0, False
    while not over:
        observation, reward, terminated, truncated, info = env.step(control(observation))
        total, over = total + reward, terminated or truncated
    return total, info


@pytest.mark.parametrize("env_id", IDS)
def test_they_keep_the_contract(env_id):
    check_env(env_id)


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_teacher_sees_what_gymnasium_shows(env_id, seed):
    name = "CartPole-v1" if "CartPole" in env_id else "Pendulum-v1"
    theirs, ours = gym.make(name), gym.make(env_id)
    actions = drawn_actions(theirs, seed)
    (shown, rewards, ends), (views, our_rewards, our_ends) = (played(env, seed, actions) for env in (theirs, ours))
    assert ends == our_ends
    np.testing.assert_allclose([view["teacher"] for view in views], shown, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(our_rewards, rewards, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("env_id", "kept"), [(IDS[0], [0, 2]), (IDS[3], [0, 1])])
def test_velocities_are_masked(env_id, kept):
    env = gym.make(env_id)
    for views in played(env, 3, drawn_actions(env, 3, 30))[0]:
        np.testing.assert_array_equal(views["student"], views["teacher"][kept])
    whole, seen = env.observation_space["teacher"], env.observation_space["student"]
    np.testing.assert_array_equal(seen.high, whole.high[kept])


@pytest.mark.parametrize("env_id", [IDS[1], IDS[4]])
def test_frames_are_dark_half_of_the_time(env_id):
    env, dark = gym.make(env_id), []
    for seed in range(40):
        for views in played(env, seed, drawn_actions(env, seed, 60))[0]:
            assert not views["student"].any() or np.array_equal(views["student"], views["teacher"])
            dark.append(not views["student"].any())
    assert abs(np.mean(dark) - 0.5) < 4 * 0.5 / np.sqrt(len(dark))
    assert any(dark[i] and not dark[i + 1] for i in range(len(dark) - 1))


def test_noise_has_its_deviation_and_no_memory():
    env = PendulumNoisy(std=(0.1, 0.2, 1.0))
    views = [v for seed in range(10) for v in played(env, seed, drawn_actions(env, seed))[0]]
    noise = np.array([v["student"] - v["teacher"] for v in views])
    np.testing.assert_allclose(noise.std(axis=0), [0.1, 0.2, 1.0], rtol=0.08)
    assert np.abs(np.corrcoef(noise[:-1, 0], noise[1:, 0])[0, 1]) < 0.1
    assert np.abs(np.corrcoef(noise.T) - np.eye(3)).max() < 0.1


@pytest.mark.parametrize("env_id", IDS)
def test_without_a_seed_the_generator_goes_on(env_id):
    one, two = gym.make(env_id), gym.make(env_id)
    shown = [[env.reset(seed=seed)[0]["student"].tolist() for seed in (5, None, None)] for env in (one, two)]
    assert shown[0] == shown[1]
    assert one.unwrapped.get_state().seed == two.unwrapped.get_state().seed != 5


@pytest.mark.parametrize("env_id", IDS)
def test_a_state_goes_on_with_the_same_corruption(env_id):
    env, other = gym.make(env_id), gym.make(env_id)
    actions = drawn_actions(env, 6, 10)
    record, _, _ = played(env, 6, actions[:4])
    state = State.from_data(env.unwrapped.get_state().to_data())
    shown, _ = other.reset(options={"start": state})
    assert {name: row.tobytes() for name, row in shown.items()} == {n: row.tobytes() for n, row in record[-1].items()}
    for action in actions[4:]:
        mine, theirs = env.step(action), other.step(action)
        assert {n: row.tobytes() for n, row in mine[0].items()} == {n: row.tobytes() for n, row in theirs[0].items()}
        assert mine[1:4] == theirs[1:4]


def test_another_seed_at_a_start_is_another_corruption():
    env = CartPoleNoisy()
    played(env, 1, [0, 1, 0])
    state = env.get_state()
    shown = [env.reset(seed=seed, options={"start": state})[0] for seed in (1, 2)]
    np.testing.assert_array_equal(shown[0]["teacher"], shown[1]["teacher"])
    assert not np.array_equal(shown[0]["student"], shown[1]["student"])


def test_starts_count_towards_the_time_limit_also_in_a_batch():
    env = CartPolePositions()
    env.reset(seed=0)
    state = env.get_state()
    late = State("exact", state.env_id, 0, None, state.payload, elapsed=498)
    envs = make_vec("TeachRL/CartPolePositions-v0", 1)
    envs.reset(options={"lessons": [Lesson(None, seed=0, start=late)]})
    envs.step(np.array([0]))
    *_, truncated, info = envs.step(np.array([1]))
    assert truncated[0]
    assert info["is_success"][0]


def test_success_is_a_standing_pole():
    env = CartPolePositions()
    assert last_info(env, 0, held_up) == (500.0, {"is_success": True})
    total, info = last_info(env, 0, lambda _: 0)
    assert total < 20
    assert info == {"is_success": False}


def test_success_is_a_pendulum_held_upright():
    env = gym.make("TeachRL/PendulumPositions-v0")
    total, info = last_info(env, 0, swung_up)
    assert info == {"is_success": True}, total
    assert last_info(env, 0, lambda _: np.zeros(1, np.float32))[1] == {"is_success": False}


def test_attributes_are_a_task():
    env = Parametrised(CartPolePositions(), {"unwrapped.length": [0.25, 1.5]})
    other = gym.make("CartPole-v1")
    other.unwrapped.length = 1.5
    env.reset(seed=0, options={"task": [1.5]})
    other.reset(seed=0)
    np.testing.assert_allclose(env.step(1)[0]["teacher"], other.step(1)[0], rtol=1e-6)


@pytest.mark.parametrize("env_id", [IDS[0], IDS[3]])
def test_a_picture_is_that_of_gymnasium_and_needs_no_display(env_id, capfd):
    name = "CartPole-v1" if "CartPole" in env_id else "Pendulum-v1"
    env, theirs = gym.make(env_id, render_mode="rgb_array"), gym.make(name, render_mode="rgb_array")
    action = drawn_actions(env, 0, 1)[0]
    played(env, 0, [action])
    picture = env.render()
    assert capfd.readouterr() == ("", "")
    played(theirs, 0, [action])
    np.testing.assert_array_equal(picture, theirs.render())
    env.close()
    theirs.close()


def test_wrong_arguments_are_refused():
    for wrong in (1.5, "often", None):
        with pytest.raises(InvalidHyperparameter, match=f"probability must be a share from 0 to 1, got {wrong!r}"):
            CartPoleFlicker(probability=wrong)
    for wrong in ("much", [[0.1], 0.2], {}):
        with pytest.raises(InvalidHyperparameter, match="std must be one number or one for each"):
            CartPoleNoisy(std=wrong)
    with pytest.raises(InvalidHyperparameter, match=r"std must be finite and at least 0, got -1"):
        CartPoleNoisy(std=-1.0)
    with pytest.raises(InvalidHyperparameter, match=r"std must be one number or 3, got \[1.0, 2.0\]"):
        PendulumNoisy(std=[1.0, 2.0])
    with pytest.raises(InvalidEnvironment, match="render_mode must be"):
        CartPolePositions(render_mode="human")


def test_wrong_actions_are_refused():
    cart, pendulum = CartPolePositions(), PendulumNoisy()
    for env in (cart, pendulum):
        with pytest.raises(ResetNeeded):
            env.step(0)
        with pytest.raises(ResetNeeded):
            env.get_state()
        with pytest.raises(ResetNeeded):
            env.render()
        env.reset(seed=0)
    with pytest.raises(InvalidAction, match="must be 0 or 1, got 2"):
        cart.step(2)
    with pytest.raises(InvalidAction, match=r"must have the shape \(1,\), got \(2,\)"):
        pendulum.step(np.zeros(2, np.float32))
    with pytest.raises(NonFiniteData):
        pendulum.step(np.array([np.nan], np.float32))


def test_an_ended_episode_takes_no_step():
    env = CartPolePositions()
    last_info(env, 0, lambda _: 0)
    with pytest.raises(InvalidEnvironment, match="has ended: call reset"):
        env.step(0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "replay"}, "got a state of kind 'replay'"),
        ({"payload": {"position": 1}}, "begins at exact states with"),
        ({"payload": {"state": np.array([0.0, np.nan, 0, 0])}}, "must be 4 finite numbers"),
        ({"payload": {"state": np.zeros(3)}}, "must be 4 finite numbers"),
        ({"elapsed": 500}, "must be 0 to 499, got 500"),
    ],
)
def test_wrong_starts_are_refused(change, message):
    fields = {"kind": "exact", "env_id": "", "seed": 0, "task": None, "payload": {"state": np.zeros(4)}, "elapsed": 0}
    with pytest.raises(InvalidEnvironment, match=message):
        CartPolePositions().reset(options={"start": State(**{**fields, **change})})
