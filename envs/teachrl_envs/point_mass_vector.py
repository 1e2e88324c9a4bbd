"""The point mass that must find the gate (https://arxiv.org/abs/2004.11812), many at a time in one NumPy batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from teachrl.lessons import Lesson
from teachrl.seeds import draw_seed
from teachrl.snapshots import State
from teachrl.vector import LessonVectorEnv
from teachrl_envs.drawing import check_render_mode, draw_gate
from teachrl_envs.point_mass_physics import DT, SUBSTEPS, PointMasses
from teachrl_envs.point_mass_rules import ENV_ID, MAX_EPISODE_STEPS, TASK_HIGH, TASK_LOW, TASK_NAMES, Rules

Bools = NDArray[np.bool_]
Observations = NDArray[np.float32]


class PointMassVector(LessonVectorEnv):
    """N `PointMass` environments over the same code, bit for bit: see there for the task, the pay and the rules.

    Args:
        num_envs: N.
        observe_task: Whether observations end with the task.
        task_low: Lowest gate position, gate width and friction.
        task_high: Highest gate position, gate width and friction.
        max_episode_steps: The time limit, 0.1 s a step.
        render_mode: `"rgb_array"` or None.

    Raises:
        InvalidEnvironment: If an argument has an impossible value.
    """

    metadata = {  # noqa: RUF012 (Gymnasium's own declaration)
        "autoreset_mode": AutoresetMode.DISABLED,
        "render_modes": ["rgb_array"],
        "render_fps": round(1 / (DT * SUBSTEPS)),
    }
    env_id = ENV_ID
    task_names = TASK_NAMES
    suites = Rules.suites
    restorable = True

    def __init__(
        self,
        num_envs: int,
        observe_task: bool = True,
        task_low: tuple[float, float, float] = TASK_LOW,
        task_high: tuple[float, float, float] = TASK_HIGH,
        max_episode_steps: int = MAX_EPISODE_STEPS,
        render_mode: str | None = None,
    ) -> None:
        check_render_mode(render_mode)
        self.render_mode = render_mode
        self.num_envs = num_envs
        self._rules = Rules(observe_task, task_low, task_high, max_episode_steps)
        self.max_episode_steps = max_episode_steps
        self.task_space = self._rules.task_space
        self.return_range = self._rules.return_range
        self.single_observation_space = self._rules.observation_space
        self.single_action_space = self._rules.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._masses = PointMasses(num_envs)
        self._running: Bools = np.zeros(num_envs, np.bool_)
        self._seeds = [0] * num_envs
        self._trails: list[list[tuple[float, float]]] = [[] for _ in range(num_envs)]

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Begins episodes; see `LessonVectorEnv.reset`.

        Returns:
            Observations (N, 7) or (N, 4), and an empty info.

        Raises:
            InvalidTask: If a task is outside the task space.
            InvalidEnvironment: If the arguments do not fit together, or a start is none of this environment's.
        """
        request = self.read_reset(seed, options)
        if isinstance(seed, int | np.integer):
            VectorEnv.reset(self, seed=int(seed))  # later resets without a seed follow from this one
        for i, lesson, known in zip(request.indices, request.lessons, request.seeds, strict=True):
            self._running[i] = False  # until its start has proved sound
            self._begin(i, lesson, known)
        return self._rules.observe(self._masses), {}

    def step(
        self, actions: NDArray[np.floating[Any]]
    ) -> tuple[Observations, NDArray[np.float64], Bools, Bools, dict[str, Any]]:
        """Accelerates by `actions` (N, 2), clipped to [-10, 10], for 0.1 s.

        Returns:
            Observations (N, 7) or (N, 4), rewards, terminated and truncated (N,), and `is_success` (N,) in the infos.

        Raises:
            InvalidEnvironment: If an episode has ended and was not reset, or the actions have another shape.
        """
        actions = self.read_actions(actions, self._running)
        observations, rewards, crashed, truncated, success = self._rules.step(self._masses, actions)
        self._running = ~(crashed | truncated)
        if self.render_mode is not None:
            for i, trail in enumerate(self._trails):
                trail.append(self._where(i))
        infos = {"is_success": success, "_is_success": np.ones(self.num_envs, np.bool_)}
        return observations, rewards, crashed.copy(), truncated, infos

    def get_state(self, mask: Bools | None = None) -> list[State]:
        """Returns the exact states of the environments in `mask` (all without it), in their order."""
        chosen = np.ones(self.num_envs, np.bool_) if mask is None else mask
        return [self._rules.state(self._masses, int(i), self._seeds[i]) for i in np.flatnonzero(chosen)]

    def task_suite(self, name: str) -> dict[str, Lesson]:
        """Returns 100 fixed lessons: `"validation"`, `"test"` (over the task space) or `"target"` (SPDL's aim).

        Raises:
            UnknownName: If there is no such suite.
        """
        return self._rules.task_suite(name)

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """Returns N (480, 480, 3) pictures, or None without a render mode."""
        if self.render_mode is None:
            return None
        masses = self._masses
        return tuple(
            draw_gate(masses.tasks[:, i], trail, bool(masses.crashed[i])) for i, trail in enumerate(self._trails)
        )

    def _begin(self, i: int, lesson: Lesson, seed: int | None) -> None:
        drawn = draw_seed(self.np_random) if seed is None else seed
        self._seeds[i] = self._rules.begin(self._masses, i, lesson.task, seed, lesson.start, drawn)
        self._running[i] = True
        self._trails[i] = [self._where(i)]

    def _where(self, i: int) -> tuple[float, float]:
        x, y = self._masses.position[:, i]
        return float(x), float(y)
