"""PixelView: pictures for the student, the environment's own observation for the teacher."""

import importlib.util

import gymnasium as gym
import numpy as np
import pytest

from teachrl.errors import InvalidEnvironment, InvalidHyperparameter
from teachrl.lessons import Lesson
from teachrl.testing import check_env, check_restorable
from teachrl.vector import make_vec
from teachrl_envs import CartPolePositions, Hypercube, PixelView


def drawn(**kwargs):
    return PixelView(CartPolePositions(render_mode="rgb_array"), **kwargs)


class Drawn(gym.Env):
    """An environment of a fixed picture."""

    observation_space = gym.spaces.Box(0, 1, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)
    render_mode = "rgb_array"

    def __init__(self, picture):
        self.picture = picture

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {}

    def step(self, action):
        return np.ones(2, np.float32), 0.0, False, True, {}

    def render(self):
        return self.picture


class Lamp(Drawn):
    """Five steps of a picture that the seed and the actions brighten."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012

    def __init__(self):
        super().__init__(np.zeros((12, 9, 3), np.uint8))

    def reset(self, *, seed=None, options=None):
        result = super().reset(seed=seed)
        self.picture = self.np_random.integers(0, 250, (12, 9, 3)).astype(np.uint8)
        self.steps = 0
        return result

    def step(self, action):
        self.steps += 1
        self.picture = self.picture + np.uint8(action)
        return np.ones(2, np.float32), 0.0, False, self.steps == 5, {}


def test_it_keeps_the_contract():
    check_env(lambda render_mode=None: PixelView(Lamp(), size=(4, 3)), says_success=False)


@pytest.mark.slow
@pytest.mark.parametrize("grayscale", [False, True])
def test_it_keeps_the_contract_around_an_environment_with_views(grayscale):
    check_env(lambda render_mode=None: drawn(size=(48, 64), grayscale=grayscale))


def test_the_teacher_keeps_its_view_and_the_student_sees_pixels():
    env = PixelView(Drawn(np.full((8, 6, 3), 7, np.uint8)), size=(4, 3))
    assert env.observation_space["teacher"] == Drawn.observation_space
    assert env.observation_space["student"] == gym.spaces.Box(0, 255, (4, 3, 3), np.uint8)
    for views in (env.reset(seed=0)[0], env.step(0)[0]):
        assert (views["student"] == 7).all()
        assert env.observation_space.contains(views)


def test_an_environment_with_views_keeps_its_teacher():
    env = drawn()
    assert env.observation_space["teacher"] == env.env.observation_space["teacher"]
    views, _ = env.reset(seed=0)
    assert views["student"].shape == (64, 64, 3)
    assert views["teacher"].shape == (4,)


def test_a_pixel_is_the_mean_of_its_area():
    picture = np.random.default_rng(0).integers(0, 256, (30, 20, 3)).astype(np.uint8)
    shown, _ = PixelView(Drawn(picture), size=(6, 10)).reset()
    means = picture.reshape(6, 5, 10, 2, 3).mean(axis=(1, 3))
    assert np.abs(shown["student"] - means).max() <= 1.0
    grey, _ = PixelView(Drawn(picture), size=(30, 20), grayscale=True).reset()
    assert np.abs(grey["student"][..., 0] - picture @ [0.299, 0.587, 0.114]).max() <= 1.0


def test_a_picture_of_the_right_size_is_shown_as_it_is_in_an_array_of_its_own():
    picture = np.random.default_rng(0).integers(0, 256, (5, 4, 3)).astype(np.uint8)
    shown, _ = PixelView(Drawn(picture), size=(5, 4)).reset()
    np.testing.assert_array_equal(shown["student"], picture)
    assert not np.shares_memory(shown["student"], picture)


def test_it_is_a_wrapper_of_runs_and_of_tasks():
    envs = make_vec("TeachRL/Hypercube-v0", 2, wrappers=["PixelView"], env_kwargs={"render_mode": "rgb_array"})
    tasks = [np.full(2, value, np.float32) for value in (0.1, 0.9)]
    shown, _ = envs.reset(options={"lessons": [Lesson(task, seed=k) for k, task in enumerate(tasks)]})
    assert shown["student"].shape == (2, 64, 64, 3)
    assert not np.array_equal(*shown["student"])
    np.testing.assert_array_equal(shown["teacher"], tasks)
    envs.close()


def test_what_does_not_draw_is_refused():
    with pytest.raises(InvalidEnvironment, match=r'render_mode="rgb_array", got None'):
        PixelView(Hypercube())
    with pytest.raises(InvalidHyperparameter, match=r"height and a width in pixels, got \(64, 0\)"):
        drawn(size=(64, 0))
    with pytest.raises(InvalidEnvironment, match=r"must return \(height, width, 3\) uint8, got float64 \(4, 4\)"):
        PixelView(Drawn(np.zeros((4, 4)))).reset()


def test_reacher_without_mujoco_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InvalidEnvironment, match=r"pip install 'teachrl\[mujoco\]'"):
        gym.make("TeachRL/ReacherPixels-v0")


@pytest.mark.skipif(importlib.util.find_spec("mujoco") is None, reason="needs the extra mujoco")
def test_reacher_in_pixels(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "egl")  # no display
    try:
        importlib.import_module("mujoco.egl").GLContext(8, 8).free()
    except Exception as error:
        pytest.skip(f"MuJoCo cannot draw here: {error}")
    check_restorable("TeachRL/ReacherPixels-v0", states=3, actions=5)
    played, fresh = (make_vec("TeachRL/ReacherPixels-v0", 1) for _ in range(2))
    played.reset(seed=[0])
    pictures = [envs.reset(seed=[1])[0]["student"] for envs in (played, fresh)]
    np.testing.assert_array_equal(*pictures)  # the camera is not where an earlier episode put it
    for envs in (played, fresh):
        envs.close()
    env = gym.make("TeachRL/ReacherPixels-v0", size=(32, 48))
    views, _ = env.reset(seed=0)
    assert views["student"].shape == (32, 48, 3)
    assert views["student"].std() > 0
    assert views["teacher"].shape == (10,)
    env.close()
