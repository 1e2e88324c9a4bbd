"""A small environment to check teachers and students on."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from teachrl.errors import InvalidEnvironment
from teachrl.seeds import draw_seed
from teachrl.snapshots import State
from teachrl.tasks import check_task

DEFAULT_TASK = (1.0, 0.5)


class ToyEnv(gymnasium.Env[Any, Any]):
    """Walk along a line to a goal: quick, noisy, and exact to save.

    The task is (goal, stride). The walker starts within 0.5 of 0, moves by stride x action a step, with a little noise,
    and is paid minus its distance from the goal. Success, and the end, is within 0.25 of it; 10 steps at most. The
    observation is (position, goal, stride).

    Args:
        views: Show a dict of views: `"student"` has the position and the goal, `"teacher"` all three.
        discrete: Take one of the actions 0, 1, 2 (back, stay, forth) instead of a number in [-1, 1].
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 (Gymnasium's own declaration)
    task_names = ("goal", "stride")
    return_range = (-200.0, 0.0)
    max_episode_steps = 10

    def __init__(self, views: bool = False, discrete: bool = False, render_mode: str | None = None) -> None:
        self.views, self.discrete, self.render_mode = views, discrete, render_mode
        self.task_space = spaces.Box(np.array([1.0, 0.25], np.float32), np.array([3.0, 1.0], np.float32))
        whole = spaces.Box(-20.0, 20.0, (3,), np.float32)
        part = spaces.Box(-20.0, 20.0, (2,), np.float32)
        self.observation_space = spaces.Dict({"student": part, "teacher": whole}) if views else whole
        self.action_space = spaces.Discrete(3) if discrete else spaces.Box(-1.0, 1.0, (1,), np.float32)
        self._task = np.array(DEFAULT_TASK, np.float32)
        self._position, self._elapsed, self._seed = 0.0, 0, 0
        self._running = False

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begins an episode.

        Args:
            seed: The episode's seed; without one, the start's or one drawn from the environment's generator.
            options: `"task"`, else the start's or the default one, (1, 0.5); `"start"`, a state of `get_state`.

        Raises:
            InvalidTask: If the task is outside the task space.
        """
        super().reset(seed=seed)
        wish = options or {}
        start: State | None = wish.get("start")
        given = wish.get("task") if wish.get("task") is not None or start is None else start.task
        self._task = check_task(DEFAULT_TASK if given is None else given, self.task_space, self.task_names)
        inherited = draw_seed(self.np_random) if start is None or start.seed is None else start.seed
        self._seed = inherited if seed is None else seed
        self._elapsed = 0
        self._position = 0.5 * self._noise()
        if start is not None:
            self._position, self._elapsed = float(start.payload["position"]), start.elapsed
        self._running = True
        return self._see(), {}

    def _noise(self) -> float:
        """Returns this step's noise in [-1, 1], a function of seed and step alone."""
        return float(np.random.default_rng((self._seed, self._elapsed)).uniform(-1, 1))

    def _see(self) -> Any:
        whole = np.array([self._position, *self._task], np.float32)
        return {"student": whole[:2].copy(), "teacher": whole} if self.views else whole

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Moves.

        Raises:
            InvalidEnvironment: If no episode is running.
        """
        if not self._running:
            raise InvalidEnvironment("The toy has no running episode: call reset() before step().")
        goal, stride = self._task.tolist()
        move = float(action) - 1.0 if self.discrete else float(np.clip(np.asarray(action)[0], -1.0, 1.0))
        self._elapsed += 1
        self._position += stride * move + 0.05 * self._noise()
        away = abs(self._position - goal)
        reached, late = away < 0.25, self._elapsed >= self.max_episode_steps
        self._running = not (reached or late)
        return self._see(), -away, reached, late and not reached, {} if self._running else {"is_success": reached}

    def get_state(self) -> State:
        """Returns the exact state."""
        return State("exact", "ToyEnv", self._seed, self._task.copy(), {"position": self._position}, self._elapsed)

    def render(self) -> Any:
        """Returns a (32, 128, 3) picture: the goal in green, the walker in white."""
        if self.render_mode is None:
            return None
        picture = np.zeros((32, 128, 3), np.uint8)
        for place, colour in ((float(self._task[0]), (0, 200, 0)), (self._position, (255, 255, 255))):
            column = int(np.clip(64 + 12 * place, 1, 126))
            picture[8:24, column - 1 : column + 2] = colour
        return picture
