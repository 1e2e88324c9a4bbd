"""What films are tested on: an environment that shows its step, a teacher on every channel, a student that is still."""

from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from teachrl.lessons import Labels
from teachrl.student import Student
from teachrl.teacher import TaskTeacher, Teacher

STEPS = 6


class Shown(gym.Env):
    """Six steps, each paying the action's first number and 1; the picture's grey is 10 times the step."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 10}
    observation_space = spaces.Box(-9, 9, (2,), np.float32)
    action_space = spaces.Box(-1, 1, (2,), np.float32)
    task_space = spaces.Box(0, 1, (2,), np.float32)
    task_names = ("slope_angle", "mud")

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.task, self.count = (options or {}).get("task", np.full(2, 0.5, np.float32)), 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.count += 1
        ended = self.count == STEPS
        info = {"is_success": bool(self.task[0] > 0.5)} if ended else {}
        return np.full(2, self.count, np.float32), 1.0 + float(action[0]), ended, False, info

    def render(self):
        return np.full((31, 45, 3), 10 * self.count, np.uint8)


class Blind(Shown):
    """The same without pictures."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}

    def __init__(self) -> None:
        super().__init__()


class Textual(Shown):
    """The same, but what it renders is no picture."""

    def render(self):
        return "a drawing"


for _name in ("Shown", "Blind", "Textual"):
    gym.register(f"Filmed{_name}-v0", f"filmed:{_name}")


class Hills(TaskTeacher):
    """The first task it sets is (0.75, 0.25), and each one after it is a little flatter."""

    def __init__(self) -> None:
        self.served = 0

    def sample(self, n):
        first, self.served = self.served, self.served + n
        return [np.array([0.75 - 0.01 * (first + i), 0.25], np.float32) for i in range(n)]


class Busy(Teacher):
    """Every channel but tasks, with a count for each environment that does not survive another number of them."""

    goal_space = spaces.Box(-1, 1, (2,), np.float32)

    def __init__(self, permanent_actions: bool = False) -> None:
        self.permanent_actions = permanent_actions

    @property
    def permanent(self) -> frozenset[str]:
        return frozenset({"actions"}) if self.permanent_actions else frozenset()

    def begin(self, setup):
        super().begin(setup)
        self.counts = np.zeros(setup.num_envs, np.int64)

    def sample_starts(self, lessons):
        return lessons

    def subgoals(self, observations, lessons, first, step):
        return np.repeat(np.array(observations, np.float32)[:, :1] / 10, 2, axis=1)

    def shape_rewards(self, step):
        self.counts += 1
        return np.where(self.counts % 2 == 1, 0.5, 0.0)

    def observation_space(self, space):
        return space

    def transform_observations(self, observations, lessons, first, indices):
        if not isinstance(observations, dict):
            return observations
        seen = observations["observation"]
        return {**observations, "observation": np.where(seen > 2, 0, seen).astype(np.float32)}

    def override_actions(self, observations, actions, lessons, first):
        return np.ones_like(actions), np.asarray(observations)[:, 0] % 3 == 1

    def label_actions(self, observations, lessons, first):
        n = len(lessons)
        return Labels(np.full((n, 2), 0.5, np.float32), None, np.ones(n, bool))


class Still(Student):
    """Does nothing, and learns nothing."""

    accepts = frozenset({"tasks", "starts", "subgoals", "rewards", "observations", "actions", "labels", "learn"})

    def begin(self, classroom, seed, total_steps):
        self.classroom = classroom

    def learn(self, steps):
        for _ in range(steps // self.classroom.num_envs):
            self.classroom.observed()
            self.classroom.step(np.zeros((self.classroom.num_envs, 2), np.float32))

    @property
    def granularity(self):
        return self.classroom.num_envs

    @property
    def policy(self):
        return self

    def act(self, observations, state=None, first=None, deterministic=True):
        return np.zeros((len(first), 2), np.float32), None

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass
