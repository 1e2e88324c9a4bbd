"""Worlds of which the student does not see what matters, and their teachers."""

import gymnasium
import numpy as np
from gymnasium import spaces

from teachrl import Classroom, FromPolicy, make_vec
from teachrl.lessons import Labels


class Bits(gymnasium.Env):
    """A new bit at each step, which the teacher's view shows and the student's does not; the bit is to be said."""

    metadata = {"render_modes": []}  # noqa: RUF012

    def __init__(self):
        part = spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.observation_space = spaces.Dict({"student": part, "teacher": part})
        self.action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._left = 10
        return self._see(), {}

    def _see(self):
        self._bit = int(self.np_random.integers(2))
        return {"student": np.ones(1, np.float32), "teacher": np.array([2 * self._bit - 1], np.float32)}

    def step(self, action):
        reward = float(action == self._bit)
        self._left -= 1
        return self._see(), reward, False, self._left == 0, {}


def says_the_bit(seen):
    """Labels (N,) of bits, as sure as a sigmoid of 20."""
    return Labels(
        (seen[:, 0] > 0).astype(np.int64), {"logits": np.concatenate([-10 * seen, 10 * seen], axis=1)},
        np.ones(len(seen), bool),
    )  # fmt: skip


class Sayer:
    """The policy of the bits' teacher."""

    def label(self, observations, state=None, first=None):
        return says_the_bit(observations), state

    def act(self, observations, state=None, first=None, deterministic=True):
        return says_the_bit(observations).actions, None


class Corridor(gymnasium.Env):
    """Begins at 0 and goes one up by action 1 or one down by action 0, to 5 or -5; both views show the place."""

    metadata = {"render_modes": []}  # noqa: RUF012

    def __init__(self):
        part = spaces.Box(-10.0, 10.0, (1,), np.float32)
        self.observation_space = spaces.Dict({"student": part, "teacher": part})
        self.action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._place = 0
        return self._see(), {}

    def _see(self):
        return {name: np.array([self._place], np.float32) for name in ("student", "teacher")}

    def step(self, action):
        self._place += 2 * int(action) - 1
        return self._see(), 0.0, abs(self._place) == 5, False, {}


def room_of(env, policy=None, num_envs=4, **more):
    """Returns a classroom whose teacher labels with a policy."""
    return Classroom(make_vec(env, num_envs), [FromPolicy(policy or Sayer())], **more)
