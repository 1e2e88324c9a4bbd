"""Environments for the tests of make_vec, in a module that workers can import."""

import ctypes
import os
import sys
import time

import gymnasium
import numpy as np
from gymnasium import spaces

from teachrl.lessons import Lesson
from teachrl.snapshots import State
from teachrl.tasks import check_task


class Walk(gymnasium.Env):
    """A noisy walk: the task is its drift; observations, rewards and infos depend on everything that a lesson sets."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012
    observation_space = spaces.Box(-np.inf, np.inf, (3,), np.float32)
    action_space = spaces.Box(-1, 1, (2,), np.float32)
    return_range = (-10.0, 10.0)

    def __init__(self, reach=5.0, render_mode=None):
        self.reach = reach
        self.render_mode = render_mode
        self.task_space = spaces.Box(np.array([-1, -1], np.float32), np.array([1, 1], np.float32))
        self.task_names = ("east", "north")
        self.resets = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.resets.append(options)
        task = (options or {}).get("task")
        self.task = np.zeros(2, np.float32) if task is None else check_task(task, self.task_space, self.task_names)
        self.place, self.t = self.np_random.normal(size=2), 0
        start = (options or {}).get("start")
        if start is not None:
            self.place, self.t = start.payload["place"].copy(), start.payload["t"]
        return self._observe(), {"task": self.task.copy()}

    def _observe(self):
        return np.array([*self.place, self.t], np.float32)

    def step(self, action):
        self.place = self.place + action + self.task
        self.t += 1
        ended = bool(abs(self.place).max() > self.reach)
        info = {"is_success": bool(self.place[0] > 0), "t": self.t} if ended else {}
        return self._observe(), float(self.place.sum()), ended, False, info

    def get_state(self):
        return State("exact", "", None, self.task.copy(), {"place": self.place.copy(), "t": self.t})

    def task_suite(self, name):
        return {f"{name}-east": Lesson(np.array([1, 0], np.float32), 3)}

    def render(self):
        return np.full((2, 2, 3), self.t, np.uint8)


class Mixed(Walk):
    """The walk with nested, discrete, image and text observations, and actions of two parts."""

    observation_space = spaces.Dict(
        {
            "place": Walk.observation_space,
            "picture": spaces.Box(0, 255, (4, 4, 1), np.uint8),
            "inner": spaces.Tuple((spaces.Discrete(100), spaces.MultiBinary(2))),
            "word": spaces.Text(10),
        }
    )
    action_space = spaces.Dict({"go": Walk.action_space, "say": spaces.Discrete(3)})

    def _observe(self):
        place = super()._observe()
        inner = (self.t, np.array([self.t % 2, 1], np.int8))
        return {"place": place, "picture": np.full((4, 4, 1), self.t, np.uint8), "inner": inner, "word": "w" * self.t}

    def step(self, action):
        observation, reward, ended, truncated, info = super().step(action["go"])
        return observation, reward + int(action["say"]), ended, truncated, {**info, "said": int(action["say"])}


class Bad(gymnasium.Env):
    """Misbehaves as its discrete task says, when it is stepped."""

    observation_space = spaces.Box(-1, 1, (1,), np.float32)
    action_space = spaces.Discrete(2)
    task_space = spaces.Discrete(6)

    def reset(self, *, seed=None, options=None):
        self.task = (options or {}).get("task", 0)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        misdeeds = (None, _raise, _exit, _crash, _hang, sys.exit)
        if self.task:
            misdeeds[self.task]()
        return np.zeros(1, np.float32), 0.0, False, False, {}


class Unmakable(gymnasium.Env):
    def __init__(self):
        raise ValueError("no terrain file")


class WrongShape(gymnasium.Env):
    observation_space = spaces.Box(-1, 1, (3,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        return np.zeros(1, np.float32), {}


class SecretInfo(Bad):
    def reset(self, *, seed=None, options=None):
        return np.zeros(1, np.float32), {"secret": lambda: 0}


class TellModules(gymnasium.Wrapper):
    def modules(self):
        return sorted(name for name in sys.modules if "." not in name)


def _raise():
    raise ZeroDivisionError("the terrain is flat")


def _exit():
    os._exit(7)


def _crash():
    ctypes.string_at(0)


def _hang():
    time.sleep(1000)


gymnasium.register("VectorTest/Walk-v0", f"{__name__}:Walk", max_episode_steps=20)
gymnasium.register("VectorTest/Mixed-v0", f"{__name__}:Mixed", max_episode_steps=20)
gymnasium.register("VectorTest/Bad-v0", f"{__name__}:Bad")
