import math

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env

from teachrl.errors import InvalidEnvironment, InvalidTask, UnknownName
from teachrl_envs import Parametrised

ATTRIBUTES = {"unwrapped.length": [0.25, 1.5], "unwrapped.gravity": [5.0, 15.0]}
DERIVED = {"unwrapped.polemass_length": "unwrapped.masspole * unwrapped.length"}


def cartpole(**kwargs):
    return Parametrised(gym.make("CartPole-v1"), ATTRIBUTES, derived=DERIVED, **kwargs)


def cartpole_step(state, force, length, gravity):
    """CartPole's explicit Euler step, from Barto, Sutton and Anderson (1983), half-length in metres."""
    x, v, angle, spin = state
    sin, cos = math.sin(angle), math.cos(angle)
    pull = (force + 0.1 * length * spin**2 * sin) / 1.1
    spin_rate = (gravity * sin - cos * pull) / (length * (4 / 3 - 0.1 * cos**2 / 1.1))
    acceleration = pull - 0.1 * length * spin_rate * cos / 1.1
    return [x + 0.02 * v, v + 0.02 * acceleration, angle + 0.02 * spin, spin + 0.02 * spin_rate]


@pytest.mark.parametrize("task", [[0.25, 5.0], [1.5, 15.0], None])
def test_cartpole_moves_as_its_equations_say(task):
    env = cartpole()
    state, _ = env.reset(seed=3, options={"task": task} if task else None)
    length, gravity = task or (0.5, 9.8)
    for action in (1, 0, 0, 1, 1):
        expected = cartpole_step([float(s) for s in state], 10.0 if action else -10.0, length, gravity)
        state = env.step(action)[0]
        np.testing.assert_allclose(state, expected, atol=1e-6)


def test_the_default_task_is_the_original_environment_bit_for_bit():
    env, plain = cartpole(), gym.make("CartPole-v1")
    env.reset(seed=1, options={"task": [1.0, 5.0]})
    assert env.reset(seed=5)[0].tobytes() == plain.reset(seed=5)[0].tobytes()
    for action in (0, 1, 1, 0):
        assert env.step(action)[0].tobytes() == plain.step(action)[0].tobytes()


def test_a_default_outside_the_bounds_is_their_middle():
    env = Parametrised(gym.make("CartPole-v1"), {"unwrapped.length": [1.0, 2.0], "unwrapped.gravity": [5.0, 15.0]})
    assert env.default_task.tolist() == [1.5, 9.8]


def test_an_episode_depends_on_its_own_task_only():
    def play(env, task):
        observation, _ = env.reset(seed=2, options={"task": task})
        return [observation.tobytes()] + [env.step(k % 2)[0].tobytes() for k in range(8)]

    env = cartpole()
    first = play(env, [0.3, 6.0])
    assert play(env, [1.2, 14.0]) != first
    assert play(env, [0.3, 6.0]) == first == play(cartpole(), [0.3, 6.0])


def test_wrappers_around_it_still_find_the_tasks():
    env = gym.wrappers.TimeLimit(cartpole(return_range=(0, 500)), 10)
    assert env.get_wrapper_attr("task_space") == spaces.Box(np.array([0.25, 5.0]), np.array([1.5, 15.0]), dtype=float)
    assert env.get_wrapper_attr("task_names") == ("length", "gravity")
    assert env.get_wrapper_attr("return_range") == (0.0, 500.0)
    assert len(env.get_wrapper_attr("task_suite")("test")) == 100
    assert env.get_wrapper_attr("suites") == ("validation", "test")
    assert cartpole().return_range is None


def test_a_task_outside_its_bounds_is_refused_by_name():
    with pytest.raises(InvalidTask, match=r"length is 2, expected 0.25 to 1.5"):
        cartpole().reset(options={"task": [2.0, 9.0]})


def test_other_options_reach_the_environment_and_stay_as_they_were():
    options = {"task": [0.5, 9.0], "low": 0.01, "high": 0.02}
    observation, _ = cartpole().reset(seed=0, options=options)
    assert ((observation >= 0.01) & (observation <= 0.02)).all()
    assert sorted(options) == ["high", "low", "task"]


class Nested(gym.Env):
    """An environment whose numbers lie deep; observations of any space."""

    action_space = spaces.Discrete(2)

    def __init__(self, observation_space):
        self.observation_space = observation_space
        self.model = type("Model", (), {})()
        self.model.gravity = np.array([0.0, 0.0, -9.81])
        self.model.masses = [1, 2.5]
        self.name = "nested"

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(0)
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), 0.0, False, False, {}


PATHS = {"unwrapped.model.gravity.2": [-20, 0], "unwrapped.model.masses.1": [1, 5]}


def test_integers_in_a_path_are_indices():
    env = Parametrised(
        Nested(spaces.Discrete(3)), PATHS, derived={"model.masses.0": "-model.gravity[2] / 2 + 1e0 ** 2"}
    )
    env.reset(options={"task": [-12.0, 3.0]})
    assert env.unwrapped.model.gravity.tolist() == [0.0, 0.0, -12.0]
    assert env.unwrapped.model.masses == [7.0, 3.0]
    assert env.task_names == ("gravity.2", "masses.1")


def test_paths_that_end_alike_keep_their_whole_name():
    env = Parametrised(Nested(spaces.Discrete(3)), {"model.gravity.0": [0, 1], "unwrapped.model.gravity.0": [0, 1]})
    assert env.task_names == ("model.gravity.0", "unwrapped.model.gravity.0")


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(-1, 1, (2,), np.float32),
        spaces.Box(0, 255, (3, 3), np.uint8),
        spaces.Discrete(3),
        spaces.Dict({"x": spaces.Discrete(2)}),
    ],
)
def test_the_task_joins_any_observation(space):
    env = Parametrised(Nested(space), PATHS, observe_task=True)
    for observation in (env.reset(options={"task": [-12.0, 3.0]})[0], env.step(0)[0]):
        assert observation in env.observation_space
        task = observation["task"] if isinstance(observation, dict) else observation[-2:]
        assert task.tolist() == [-12.0, 3.0]
    if space.shape == (2,):
        assert env.observation_space.low.tolist() == [-1, -1, -20, 1]


@pytest.mark.parametrize(
    ("attributes", "error", "message"),
    [
        ({"unwrapped.lenght": [0, 1]}, UnknownName, r"Did you mean 'unwrapped.length'"),
        ({"length": [0, 1]}, UnknownName, r"write 'unwrapped.length'"),
        ({"unwrapped.x.y": [0, 1]}, UnknownName, r"unwrapped.x.y"),
        ({"unwrapped.__class__": [0, 1]}, UnknownName, "no attribute"),
        ({"unwrapped.kinematics_integrator": [0, 1]}, InvalidEnvironment, "one number"),
        ({"unwrapped.length": [1, 0]}, InvalidEnvironment, "lowest, highest"),
        ({"unwrapped.length": [0, math.nan]}, InvalidEnvironment, "finite"),
        ({"unwrapped.length": "ab"}, InvalidEnvironment, "lowest, highest"),
        ({}, InvalidEnvironment, "at least one"),
    ],
)
def test_wrong_attributes_are_refused(attributes, error, message):
    with pytest.raises(error, match=message):
        Parametrised(gym.make("CartPole-v1"), attributes)


@pytest.mark.parametrize(
    ("expression", "error", "message"),
    [
        ("unwrapped.masspol * 2", UnknownName, "unwrapped.masspole"),
        ("__import__('os')", InvalidEnvironment, "allowed are"),
        ("unwrapped.__class__", UnknownName, "no attribute"),
        ("unwrapped.length if 1 else 2", InvalidEnvironment, "allowed are"),
        ("unwrapped.length *", InvalidEnvironment, "cannot be read"),
        ("1 / 0", InvalidEnvironment, "no value"),
        ("9 ** 9 ** 9", InvalidEnvironment, "no value"),
        ("(-1) ** 0.5", InvalidEnvironment, "finite number"),
        ("True + 1", InvalidEnvironment, "allowed are"),
    ],
)
def test_wrong_expressions_are_refused_when_wrapping(expression, error, message):
    with pytest.raises(error, match=message):
        Parametrised(gym.make("CartPole-v1"), ATTRIBUTES, derived={"unwrapped.polemass_length": expression})


def test_a_second_task_space_and_wrong_return_ranges_are_refused():
    with pytest.raises(InvalidEnvironment, match="task space of its own"):
        Parametrised(cartpole(), ATTRIBUTES)
    with pytest.raises(InvalidEnvironment, match="return_range"):
        cartpole(return_range=[1.0])
    with pytest.raises(InvalidEnvironment, match="cannot be set"):
        Parametrised(Fixed(spaces.Discrete(2)), {"unwrapped.speed": [0, 1]}).reset()


class Fixed(Nested):
    @property
    def speed(self):
        return 0.5


def test_its_arguments_are_plain_data():
    jsonargparse = pytest.importorskip("jsonargparse")
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Parametrised, "wrapper", skip={"env"})
    config = parser.parse_args(
        ["--wrapper.attributes", '{"unwrapped.length": [0.25, 1.5]}', "--wrapper.observe_task=true"]
    )
    env = Parametrised(gym.make("CartPole-v1"), **config.wrapper.as_dict())
    assert env.reset()[0].tolist()[4:] == [0.5]
    assert env.spec.additional_wrappers[-1].kwargs["attributes"] == {"unwrapped.length": [0.25, 1.5]}


@pytest.mark.filterwarnings("ignore:.*different from the unwrapped version.*", "ignore:.*infinity.*")
def test_gymnasium_accepts_it():
    env = gym.make("CartPole-v1", render_mode="rgb_array").unwrapped
    env.spec = None
    check_env(Parametrised(env, ATTRIBUTES, derived=DERIVED, observe_task=True), skip_render_check=True)
