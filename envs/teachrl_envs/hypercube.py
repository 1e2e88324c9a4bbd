"""The toy task space of ALP-GMM: a hypercube cut into cubes (https://arxiv.org/abs/1910.07224), one task an episode."""

from __future__ import annotations

import itertools
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from teachrl.errors import InvalidEnvironment, UnknownName
from teachrl.lessons import Lesson
from teachrl.snapshots import State
from teachrl.tasks import SUITES, check_task
from teachrl_envs.drawing import check_render_mode

ENV_ID = "TeachRL/Hypercube-v0"
MASTERY = 0.75
_SUITE_SEEDS = {"validation": 20_011, "test": 10_011}
_DEFAULT_COORDINATE = 0.5

Observation = NDArray[np.float32]


class Grid:
    """Spaces and tasks of a hypercube, however many of them are played at once.

    Args:
        dims: Dimensions that matter.
        cubes: Cubes along each of them.
        dummies: Dimensions that do not.

    Raises:
        InvalidEnvironment: If dims or cubes is below 1, or dummies below 0.
    """

    def __init__(self, dims: int, cubes: int, dummies: int) -> None:
        if dims < 1 or cubes < 1 or dummies < 0:
            raise InvalidEnvironment(
                f"A hypercube needs dims and cubes of at least 1 and dummies of at least 0, got {dims}, {cubes} and "
                f"{dummies}."
            )
        self.dims, self.cubes, self.dummies = dims, cubes, dummies
        self.task_space = spaces.Box(0.0, 1.0, (dims + dummies,), np.float32)
        self.action_space = spaces.Box(0.0, 1.0, (1,), np.float32)
        self.task_names = (*(f"x_{i}" for i in range(dims)), *(f"dummy_{i}" for i in range(dummies)))
        self.default_task = np.full(dims + dummies, _DEFAULT_COORDINATE, np.float32)

    def task(self, task: Any, start: State | None) -> Observation:
        """Returns a checked task: the given one, the start's or the default.

        Raises:
            InvalidTask: If it is outside [0, 1].
            InvalidEnvironment: If the start is not a hypercube's first moment.
        """
        if start is not None and (start.env_id != ENV_ID or start.kind != "exact" or start.elapsed != 0):
            raise InvalidEnvironment(
                f"An episode of {ENV_ID} has one step and can begin at its own first moment only, got a state of kind "
                f"{start.kind!r} of {start.env_id!r} after {start.elapsed} steps."
            )
        chosen = start.task if task is None and start is not None else task
        checked: Observation = check_task(
            self.default_task if chosen is None else chosen, self.task_space, self.task_names
        )
        return checked

    def task_suite(self, name: str) -> dict[str, Lesson]:
        """Returns the centres of all cubes by name, `cube-3-7` being fourth along x_0 and eighth along x_1.

        Raises:
            UnknownName: If the suite is neither `"validation"` nor `"test"`.
        """
        if name not in _SUITE_SEEDS:
            raise UnknownName("task suite", name, _SUITE_SEEDS)
        seeds = np.random.default_rng(_SUITE_SEEDS[name]).integers(2**31, size=self.cubes**self.dims)
        suite = {}
        for seed, cube in zip(seeds, itertools.product(range(self.cubes), repeat=self.dims), strict=True):
            task = self.default_task.copy()
            task[: self.dims] = (np.array(cube) + 0.5) / self.cubes
            suite["cube-" + "-".join(map(str, cube))] = Lesson(task, int(seed))
        return suite


def performances(actions: NDArray[Any]) -> NDArray[np.float64]:
    """Returns (N,) performances of (N, 1) actions, clipped to [0, 1]."""
    return np.minimum(np.maximum(np.asarray(actions, np.float64)[:, 0], 0.0), 1.0)


class Hypercube(gym.Env[Observation, NDArray[np.float32]]):
    """Shows a task of a hypercube, is told how well it was done, and pays just that.

    The environment's half of the toy of Portelas et al. 2019 (https://arxiv.org/abs/1910.07224): a task is a point of
    [0, 1]^(dims + dummies), cut into `cubes` along each of the first `dims` coordinates. What each cube's competence is
    and how it grows belongs to the student that acts here, `SimulatedStudent`. The observation is the task, the action
    the performance in [0, 1] (clipped), the reward the action. An episode has one step; `is_success` is whether the
    performance was above 0.75, strictly. The suites are the cubes' centres. The default task is the hypercube's centre.

    Args:
        dims: Dimensions that matter.
        cubes: Cubes along each of them.
        dummies: Dimensions that do not, behind the others.
        render_mode: `"rgb_array"` or None.

    Raises:
        InvalidEnvironment: If an argument has an impossible value.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012 (Gymnasium's own declaration)
    training_defaults: ClassVar[dict[str, Any]] = {
        "steps": 20_000,
        "num_envs": 1,
        "student": {"class_path": "SimulatedStudent"},
    }
    return_range = (0.0, 1.0)
    suites = SUITES

    def __init__(self, dims: int = 2, cubes: int = 10, dummies: int = 0, render_mode: str | None = None) -> None:
        check_render_mode(render_mode)
        self.render_mode = render_mode
        self._grid = Grid(dims, cubes, dummies)
        self.task_space = self._grid.task_space
        self.task_names = self._grid.task_names
        self.observation_space = self._grid.task_space
        self.action_space = self._grid.action_space
        self._task: Observation | None = None
        self._seed: int | None = None
        self._performance: float | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begins an episode.

        Args:
            seed: Kept, though nothing is random here.
            options: `"task"`, else the start's or the default task, and `"start"`, a state of `get_state`.

        Returns:
            The task and an empty info.

        Raises:
            InvalidTask: If the task is outside the task space.
            InvalidEnvironment: If the start is not one of this environment's states.
        """
        super().reset(seed=seed)
        wish = options or {}
        self._task = self._grid.task(wish.get("task"), wish.get("start"))
        self._seed = seed
        self._performance = None
        return self._task.copy(), {}

    def step(self, action: NDArray[np.float32]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Is told the performance, `action` (1,), and ends the episode.

        Raises:
            InvalidEnvironment: If there is no running episode.
        """
        task = self._running()
        self._performance = float(performances(np.asarray(action)[None])[0])
        return task.copy(), self._performance, True, False, {"is_success": self._performance > MASTERY}

    def get_state(self) -> State:
        """Returns the exact state before the step, for `reset(options={"start": state})`.

        Raises:
            InvalidEnvironment: If there is no running episode.
        """
        return State("exact", ENV_ID, self._seed, self._running().copy())

    def task_suite(self, name: str) -> dict[str, Lesson]:
        """Returns the cubes' centres, `"validation"` or `"test"`, which differ in their seeds.

        Raises:
            UnknownName: If there is no such suite.
        """
        return self._grid.task_suite(name)

    def render(self) -> NDArray[np.uint8] | None:
        """Returns a (480, 480, 3) picture of the first two dimensions, or None without a render mode.

        Raises:
            InvalidEnvironment: If no episode has begun.
        """
        if self.render_mode is None:
            return None
        from teachrl_envs.drawing import draw_cubes

        if self._task is None:
            raise InvalidEnvironment(f"{ENV_ID} has no episode yet: call reset() first.")
        return draw_cubes(self._task, self._grid.dims, self._grid.cubes, self._performance)

    def _running(self) -> Observation:
        if self._task is None or self._performance is not None:
            raise InvalidEnvironment(f"{ENV_ID} has no running episode: call reset() before every step().")
        return self._task
