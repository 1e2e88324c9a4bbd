"""Small environments, teachers and students that tests share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from teachrl import Lesson, Teacher
from teachrl.snapshots import State
from teachrl.tasks import check_task
from teachrl.testing import ToyEnv


class Line(gymnasium.Env[Any, Any]):
    """Walk right to the goal: observation (position, goal), action a step in [-1, 1], reward minus the distance left.

    The start is drawn from [-0.5, 0.5] by the episode's seed. Success within 0.25 of the goal; 20 steps at most.
    """

    task_names = ("goal",)
    return_range = (-60.0, 0.0)
    horizon = 20

    def __init__(self, exact: bool = False, views: bool = False, broken_at: float | None = None) -> None:
        self.task_space = spaces.Box(1.0, 3.0, (1,), np.float32)
        flat = spaces.Box(-50.0, 50.0, (2,), np.float32)
        self.views = views
        self.observation_space = (
            spaces.Dict({"student": spaces.Box(-50.0, 50.0, (1,), np.float32), "teacher": flat}) if views else flat
        )
        self.action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.broken_at = broken_at
        self.exact = exact
        self.resets = 0

    def _see(self) -> Any:
        full = np.array([self.position, self.goal], dtype=np.float32)
        return {"student": full[:1].copy(), "teacher": full} if self.views else full

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.resets += 1
        options = options or {}
        self.goal = float(check_task(options.get("task", [1.0]), self.task_space, self.task_names)[0])
        self.position, self.time = float(self.np_random.uniform(-0.5, 0.5)), 0
        if (start := options.get("start")) is not None:
            self.position, self.time = start.payload["position"], start.elapsed
        return self._see(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.position += float(np.clip(action[0], -1, 1)) + 0.01 * float(self.np_random.standard_normal()) * (
            not self.exact
        )
        self.time += 1
        reached = abs(self.position - self.goal) < 0.25
        reward = -abs(self.position - self.goal)
        if self.broken_at is not None and self.goal >= self.broken_at:
            reward = float("nan")
        truncated = self.time >= self.horizon and not reached
        info = {"is_success": reached} if reached or truncated else {}
        return self._see(), reward, reached, truncated, info


class ExactLine(Line):
    """A line without noise after the start, which can be saved."""

    def __init__(self, views: bool = False) -> None:
        super().__init__(exact=True, views=views)

    def get_state(self) -> State:
        return State("exact", "", 0, [self.goal], {"position": self.position}, self.time)


class GoRight:
    """A policy that walks towards a goal of 3, slower when sampled."""

    def act(
        self, observations: Any, state: Any = None, first: Any = None, deterministic: bool = True
    ) -> tuple[Any, Any]:
        seen = observations["student"] if isinstance(observations, dict) and "student" in observations else observations
        rows = len(next(iter(seen.values()))) if isinstance(seen, dict) else len(seen)
        return np.full((rows, 1), 0.5 if deterministic else 0.25, dtype=np.float32), state


class Walker:
    """A stand-in for a student: a fixed policy and zero values."""

    accepts = frozenset(
        {"tasks", "starts", "subgoals", "rewards", "observations", "actions", "labels", "learn", "rollout"}
    )
    gamma = 0.9
    policy = GoRight()

    def values(self, observations: Any) -> Any:
        return np.zeros(len(observations))


class Counted(Teacher):
    """Serves goals 1, 1.1, 1.2 ... with ids 0, 1, 2 ... and keeps every report."""

    def __init__(self, limit: float = 3.0) -> None:
        self.limit = limit

    def begin(self, setup: Any) -> None:
        super().begin(setup)
        self.served = 0
        self.reports: list[Any] = []

    def sample_tasks(self, n: int, student: int = 0) -> list[Lesson]:
        numbers = range(self.served, self.served + n)
        self.served += n
        return [Lesson(np.array([min(self.limit, 1 + 0.1 * k)], dtype=np.float32), id=k) for k in numbers]

    def update(self, report: Any) -> None:
        self.reports.append(report)

    def state_dict(self) -> dict[str, Any]:
        return {"served": self.served}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.served = state["served"]


class FromTheMiddle(Teacher):
    """Starts every second lesson half way to the goal."""

    def sample_starts(self, lessons: Any) -> list[Lesson]:
        return [
            replace(
                x, start=State("exact", self.setup.env_id, 0, x.task, {"position": float(x.task[0]) / 2}), start_id=k
            )
            if k % 2 == 0
            else x
            for k, x in enumerate(lessons)
        ]


class Halfway(Teacher):
    """Sets the goal's position as the subgoal while it is far, half of it otherwise."""

    goal_space = spaces.Box(-10.0, 10.0, (1,), np.float32)

    def subgoals(self, observations: Any, lessons: Any, first: Any, step: Any) -> Any:
        return np.array([[x.task[0] if step is None else x.task[0] / 2] for x in lessons], dtype=np.float32)


class Doubled(Teacher):
    """Adds the environment's reward once more."""

    def shape_rewards(self, step: Any) -> Any:
        return step.rewards


class Widened(Teacher):
    """Appends the number of observations since the episode began to a flat observation, a stateful transform."""

    permanent = frozenset({"observations"})

    def begin(self, setup: Any) -> None:
        super().begin(setup)
        self.seen = np.zeros(setup.num_envs)

    def observation_space(self, space: Any) -> Any:
        low, high = np.append(space.low, 0.0), np.append(space.high, 1e6)
        return spaces.Box(low.astype(np.float32), high.astype(np.float32))

    def transform_observations(self, observations: Any, lessons: Any, first: Any, indices: Any) -> Any:
        self.seen[indices] = np.where(first, 0, self.seen[indices] + 1)
        return np.concatenate([observations, self.seen[indices, None]], axis=1).astype(np.float32)


class Stopper(Teacher):
    """Stands still in the environments of an even number."""

    def override_actions(self, observations: Any, actions: Any, lessons: Any, first: Any) -> Any:
        return np.zeros_like(actions), np.arange(len(actions)) % 2 == 0


class Knows(Teacher):
    """Labels with the exact way to the goal, wherever it is further than a step."""

    def label_actions(self, observations: Any, lessons: Any, first: Any) -> Any:
        from teachrl import Labels

        full = observations["teacher"] if isinstance(observations, dict) else observations
        away = full[:, 1] - full[:, 0]
        return Labels(np.clip(away, -1, 1)[:, None], None, np.abs(away) > 1)


class Reachable(ToyEnv):
    """A toy of four steps, in which some goals are out of reach, and which can tell which.

    A walker begins below 0.5 and is carried at most `stride` + 0.05 further by a step; success is within 0.25 of the
    goal. So a task can be solved, with luck, exactly where goal - 0.25 < 0.5 + 4 (stride + 0.05).
    """

    max_episode_steps = 4

    def solvable(self, task: Any) -> bool:
        goal, stride = map(float, task)
        return goal < 0.95 + 4 * stride
