"""The point mass that must find the gate (https://arxiv.org/abs/2004.11812), one at a time."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from teachrl.errors import InvalidEnvironment
from teachrl.lessons import Lesson
from teachrl.seeds import draw_seed
from teachrl.snapshots import State
from teachrl_envs.drawing import check_render_mode
from teachrl_envs.point_mass_physics import DT, SUBSTEPS, PointMasses
from teachrl_envs.point_mass_rules import ENV_ID, MAX_EPISODE_STEPS, TASK_HIGH, TASK_LOW, TASK_NAMES, Rules


class PointMass(gym.Env[NDArray[np.float32], NDArray[np.float32]]):
    """A point mass flies from (0, 3) through a gate in a wall to (0, -3): Self-Paced Deep RL's first environment.

    Klink et al. 2020 (https://arxiv.org/abs/2004.11812) and 2021 (https://jmlr.org/papers/v22/21-0112.html), dynamics
    and pay as published (see `point_mass_physics`). The task is (gate position, gate width, friction). A crash into the
    wall terminates the episode, the time limit truncates it, the goal does neither: it pays to stay there. `is_success`
    tells after every step whether the mass is within 0.25 of the goal; what counts is the last step's. A return lies
    between 0 and the time limit; the flight leaves about 90 at most out of 100. With narrow gates far from the middle
    and no friction the tasks are hard, but no task is impossible.

    An episode is a pure function of task, start, seed and actions: the noise of its k-th step depends on the seed and k
    alone. A start's `elapsed` steps count towards the time limit.

    Args:
        observe_task: Whether observations end with the task.
        task_low: Lowest gate position, gate width and friction.
        task_high: Highest gate position, gate width and friction; the default task is (0, 2, 2), moved into the box.
        max_episode_steps: The time limit, 0.1 s a step.
        render_mode: `"rgb_array"` or None.

    Raises:
        InvalidEnvironment: If an argument has an impossible value.
    """

    metadata = {  # noqa: RUF012 (Gymnasium's own declaration)
        "render_modes": ["rgb_array"],
        "render_fps": round(1 / (DT * SUBSTEPS)),
    }
    task_names = TASK_NAMES
    training_defaults: ClassVar[dict[str, Any]] = {
        "steps": 600_000,
        "num_envs": 16,
        "student": {
            "class_path": "SB3",
            "init_args": {
                "algorithm": "PPO",
                "normalize": True,
                # Actions reach from -10 to 10: exploration that starts with a deviation of 1 hardly moves the mass.
                "hyperparameters": {
                    "n_steps": 128,
                    "batch_size": 512,
                    "gamma": 0.95,
                    "policy_kwargs": {"log_std_init": 1.0},
                },
            },
        },
    }
    suites = Rules.suites

    def __init__(
        self,
        observe_task: bool = True,
        task_low: tuple[float, float, float] = TASK_LOW,
        task_high: tuple[float, float, float] = TASK_HIGH,
        max_episode_steps: int = MAX_EPISODE_STEPS,
        render_mode: str | None = None,
    ) -> None:
        check_render_mode(render_mode)
        self.render_mode = render_mode
        self._rules = Rules(observe_task, task_low, task_high, max_episode_steps)
        self.task_space = self._rules.task_space
        self.observation_space = self._rules.observation_space
        self.action_space = self._rules.action_space
        self.return_range = self._rules.return_range
        self.max_episode_steps = max_episode_steps
        self._masses = PointMasses(1)
        self._seed: int | None = None
        self._over = False
        self._trail: list[tuple[float, float]] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begins an episode.

        Args:
            seed: The episode's seed; without one, the start's or one drawn from the environment's generator.
            options: `"task"` (3,), else the start's or the default task, and `"start"`, a state of `get_state`.

        Returns:
            The observation and an empty info.

        Raises:
            InvalidTask: If the task is outside the task space.
            InvalidEnvironment: If the start is not one of this environment's states.
        """
        super().reset(seed=seed)
        wish = options or {}
        task, start = self._rules.check(wish.get("task")), wish.get("start")
        drawn = draw_seed(self.np_random) if seed is None else seed
        self._seed = self._rules.begin(self._masses, 0, task, seed, start, drawn)
        self._over = False
        self._trail = [self._where()]
        return self._rules.observe(self._masses)[0], {}

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Accelerates by `action` (2,), clipped to [-10, 10], for 0.1 s.

        Raises:
            InvalidEnvironment: If no episode has begun or it has ended.
        """
        self._begun()
        if self._over:
            raise InvalidEnvironment(f"The episode of {ENV_ID} has ended: call reset() before the next step().")
        observation, reward, crashed, truncated, success = self._rules.step(self._masses, np.asarray(action)[None])
        self._over = bool(crashed[0] or truncated[0])
        self._trail.append(self._where())
        info = {"is_success": bool(success[0])}
        return observation[0], float(reward[0]), bool(crashed[0]), bool(truncated[0]), info

    def get_state(self) -> State:
        """Returns the exact state, for `reset(options={"start": state})`.

        Raises:
            InvalidEnvironment: If no episode has begun.
        """
        return self._rules.state(self._masses, 0, self._begun())

    def task_suite(self, name: str) -> dict[str, Lesson]:
        """Returns 100 fixed lessons: `"validation"`, `"test"` (over the task space) or `"target"` (SPDL's aim).

        Raises:
            UnknownName: If there is no such suite.
        """
        return self._rules.task_suite(name)

    def render(self) -> NDArray[np.uint8] | None:
        """Returns a (480, 480, 3) picture, or None without a render mode.

        Raises:
            InvalidEnvironment: If no episode has begun.
        """
        self._begun()
        if self.render_mode is None:
            return None
        from teachrl_envs.drawing import draw_gate

        return draw_gate(self._masses.tasks[:, 0], self._trail, bool(self._masses.crashed[0]))

    def _begun(self) -> int:
        if self._seed is None:
            raise InvalidEnvironment(f"{ENV_ID} has no episode yet: call reset() first.")
        return self._seed

    def _where(self) -> tuple[float, float]:
        x, y = self._masses.position[:, 0]
        return float(x), float(y)
