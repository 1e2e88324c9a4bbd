"""Many hypercube tasks at a time, in one NumPy batch (https://arxiv.org/abs/1910.07224)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from teachrl.errors import InvalidEnvironment
from teachrl.lessons import Lesson
from teachrl.snapshots import State
from teachrl.tasks import SUITES
from teachrl.vector import LessonVectorEnv
from teachrl_envs.drawing import check_render_mode, draw_cubes
from teachrl_envs.hypercube import ENV_ID, MASTERY, Grid, performances

Bools = NDArray[np.bool_]
Observations = NDArray[np.float32]


class HypercubeVector(LessonVectorEnv):
    """N `Hypercube` environments in one batch, the same bit for bit: see there for the rules.

    Args:
        num_envs: N.
        dims: Dimensions that matter.
        cubes: Cubes along each of them.
        dummies: Dimensions that do not, behind the others.
        render_mode: `"rgb_array"` or None.

    Raises:
        InvalidEnvironment: If an argument has an impossible value.
    """

    metadata = {  # noqa: RUF012 (Gymnasium's own declaration)
        "autoreset_mode": AutoresetMode.DISABLED,
        "render_modes": ["rgb_array"],
        "render_fps": 4,
    }
    env_id = ENV_ID
    return_range = (0.0, 1.0)
    suites = SUITES
    restorable = True

    def __init__(
        self, num_envs: int, dims: int = 2, cubes: int = 10, dummies: int = 0, render_mode: str | None = None
    ) -> None:
        check_render_mode(render_mode)
        self.render_mode = render_mode
        self.num_envs = num_envs
        self._grid = Grid(dims, cubes, dummies)
        self.task_space = self._grid.task_space
        self.task_names = self._grid.task_names
        self.single_observation_space = self._grid.task_space
        self.single_action_space = self._grid.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._tasks = np.zeros((num_envs, dims + dummies), np.float32)
        self._running: Bools = np.zeros(num_envs, np.bool_)
        self._seeds: list[int | None] = [None] * num_envs
        self._performances = np.zeros(num_envs)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Begins episodes; see `LessonVectorEnv.reset`.

        Returns:
            The tasks (N, dims + dummies), and an empty info.

        Raises:
            InvalidTask: If a task is outside the task space.
            InvalidEnvironment: If the arguments do not fit together, or a start is none of this environment's.
        """
        request = self.read_reset(seed, options)
        if isinstance(seed, int | np.integer):
            VectorEnv.reset(self, seed=int(seed))
        for i, lesson, known in zip(request.indices, request.lessons, request.seeds, strict=True):
            plain = lesson.start is None and lesson.task is not None
            self._tasks[i] = lesson.task if plain else self._grid.task(lesson.task, lesson.start)
            self._seeds[i] = known
        self._running |= request.mask
        return self._tasks.copy(), {}

    def step(
        self, actions: NDArray[np.floating[Any]]
    ) -> tuple[Observations, NDArray[np.float64], Bools, Bools, dict[str, Any]]:
        """Is told the performances, `actions` (N, 1), and ends all episodes.

        Returns:
            Observations (N, dims + dummies), rewards, terminated and truncated (N,), `is_success` (N,) in the infos.

        Raises:
            InvalidEnvironment: If an episode was not reset, or the actions have another shape.
        """
        self._performances = performances(self.read_actions(actions, self._running))
        self._running = np.zeros(self.num_envs, np.bool_)
        ended = np.ones(self.num_envs, np.bool_)
        infos = {"is_success": self._performances > MASTERY, "_is_success": ended.copy()}
        return self._tasks.copy(), self._performances.copy(), ended, ~ended, infos

    def get_state(self, mask: Bools | None = None) -> list[State]:
        """Returns the exact states of the environments in `mask` (all without it), in their order.

        Raises:
            InvalidEnvironment: If one of them has no running episode.
        """
        chosen = np.ones(self.num_envs, np.bool_) if mask is None else mask
        if not self._running[chosen].all():
            idle = np.flatnonzero(chosen & ~self._running).tolist()
            raise InvalidEnvironment(f"Environments {idle} of {ENV_ID} have no running episode: reset them first.")
        return [State("exact", ENV_ID, self._seeds[i], self._tasks[i].copy()) for i in np.flatnonzero(chosen)]

    def task_suite(self, name: str) -> dict[str, Lesson]:
        """Returns the cubes' centres, `"validation"` or `"test"`, which differ in their seeds.

        Raises:
            UnknownName: If there is no such suite.
        """
        return self._grid.task_suite(name)

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """Returns N (480, 480, 3) pictures, or None without a render mode."""
        if self.render_mode is None:
            return None
        done = [None if running else float(p) for running, p in zip(self._running, self._performances, strict=True)]
        grid = self._grid
        return tuple(draw_cubes(t, grid.dims, grid.cubes, p) for t, p in zip(self._tasks, done, strict=True))
