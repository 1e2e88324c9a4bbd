"""What the gate environment is, however many masses are simulated at once: spaces, tasks, suites, starts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from teachrl.errors import InvalidEnvironment, UnknownName
from teachrl.lessons import Lesson
from teachrl.snapshots import State
from teachrl.tasks import SUITES, check_task, default_suite
from teachrl_envs.point_mass_physics import HALF_SIDE, MAX_ACTION, SUCCESS_DISTANCE, PointMasses, pay

ENV_ID = "TeachRL/PointMass-v0"
TASK_NAMES = ("gate_position", "gate_width", "friction")
TASK_LOW, TASK_HIGH = (-4.0, 0.5, 0.0), (4.0, 8.0, 4.0)
MAX_EPISODE_STEPS = 100
_DEFAULT_TASK = (0.0, 2.0, 2.0)
_TARGET_MEAN, _TARGET_STD = (2.5, 0.5, 0.0), (4e-3, 3.75e-3, 2e-3)
_TARGET_SEED, _TARGET_SIZE = 30_001, 100

Observations = NDArray[np.float32]
Transition = tuple[Observations, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]


class Rules:
    """Spaces, tasks and the course of an episode.

    Args:
        observe_task: Whether observations end with the task.
        task_low: Lowest gate position, gate width and friction.
        task_high: Highest gate position, gate width and friction.
        max_episode_steps: The time limit.

    Raises:
        InvalidEnvironment: If the bounds are not finite and in order or the time limit is not positive.
    """

    suites = (*SUITES, "target")

    def __init__(
        self, observe_task: bool, task_low: Sequence[float], task_high: Sequence[float], max_episode_steps: int
    ) -> None:
        low, high = np.array(task_low, np.float32), np.array(task_high, np.float32)
        if low.shape != (3,) or high.shape != (3,) or not (np.isfinite(low) & np.isfinite(high) & (low <= high)).all():
            raise InvalidEnvironment(
                f"task_low and task_high must be three finite numbers each ({', '.join(TASK_NAMES)}), none of them "
                f"lower in task_high, got {task_low} and {task_high}."
            )
        if max_episode_steps < 1:
            raise InvalidEnvironment(f"max_episode_steps must be at least 1, got {max_episode_steps}.")
        self.observe_task = observe_task
        self.max_episode_steps = max_episode_steps
        self.task_space = spaces.Box(low, high, dtype=np.float32)
        self.default_task = np.clip(np.array(_DEFAULT_TASK, np.float32), low, high)
        self.action_space = spaces.Box(-MAX_ACTION, MAX_ACTION, (2,), np.float32)
        edge = np.array([HALF_SIDE, np.inf, HALF_SIDE, np.inf], np.float32)
        bounds = (np.concatenate([-edge, low]), np.concatenate([edge, high])) if observe_task else (-edge, edge)
        self.observation_space = spaces.Box(*bounds, dtype=np.float32)
        self.return_range = (0.0, float(max_episode_steps))

    def observe(self, masses: PointMasses) -> Observations:
        """Returns (N, 4) x, x velocity, y, y velocity, or (N, 7) with the task behind."""
        (x, y), (vx, vy) = masses.position, masses.velocity
        rows = (x, vx, y, vy, *masses.tasks) if self.observe_task else (x, vx, y, vy)
        return np.stack(rows, axis=1, dtype=np.float32, casting="same_kind")

    def step(self, masses: PointMasses, actions: NDArray[np.floating[Any]]) -> Transition:
        """Moves N masses; returns observations, rewards, terminated, truncated and whether each is at the goal."""
        masses.step(actions)
        distances = masses.distances()
        truncated = masses.elapsed >= self.max_episode_steps
        return self.observe(masses), pay(distances), masses.crashed, truncated, distances < SUCCESS_DISTANCE

    def begin(self, masses: PointMasses, i: int, task: Any, seed: int | None, start: State | None, drawn: int) -> int:
        """Begins an episode with mass `i`.

        Args:
            masses: The masses.
            i: Index of the one to begin.
            task: A task that was checked; None is the start's or else the default task.
            seed: The episode's seed; None is the start's or else `drawn`.
            start: Where to begin, None in front of the wall.
            drawn: The seed if nobody names one.

        Returns:
            The episode's seed.

        Raises:
            InvalidTask: If the start's task is outside the task space.
            InvalidEnvironment: If the start is not one of this environment's states.
        """
        if start is not None:
            task = self.check(start.task) if task is None else task
            seed = start.seed if seed is None else seed
        task = self.default_task if task is None else task
        seed = drawn if seed is None else seed
        if start is None:
            masses.begin(i, task, seed)
        else:
            masses.place(i, task, seed, *_place(start))
        return seed

    def check(self, task: Any) -> Any:
        """Checks a task unless it is None.

        Raises:
            InvalidTask: If it is outside the task space.
        """
        return None if task is None else check_task(task, self.task_space, TASK_NAMES)

    def state(self, masses: PointMasses, i: int, seed: int) -> State:
        """Returns the exact state of mass `i`, whose episode has `seed`."""
        payload = {"position": masses.position[:, i].copy(), "velocity": masses.velocity[:, i].copy()}
        task = masses.tasks[:, i].astype(np.float32)
        return State("exact", ENV_ID, seed, task, payload, int(masses.elapsed[i]))

    def task_suite(self, name: str) -> dict[str, Lesson]:
        """Returns a fixed suite of 100 lessons.

        `"validation"` and `"test"` are scrambled Sobol sets over the task space. `"target"` is what SPDL's curriculum
        leads to, gates of half a metre around x = 2.5 without friction: N((2.5, 0.5, 0), (0.004, 0.00375, 0.002)^2),
        moved into the task space.

        Raises:
            UnknownName: If there is no such suite.
        """
        if name in SUITES:
            return default_suite(self.task_space, name)
        if name not in self.suites:
            raise UnknownName("task suite", name, self.suites)
        rng = np.random.default_rng(_TARGET_SEED)
        seeds = rng.integers(2**31, size=_TARGET_SIZE)
        tasks = rng.normal(_TARGET_MEAN, _TARGET_STD, (_TARGET_SIZE, 3)).astype(np.float32)
        tasks = np.clip(tasks, self.task_space.low, self.task_space.high)
        return {f"target-{i:03d}": Lesson(tasks[i], int(seeds[i])) for i in range(_TARGET_SIZE)}


def _place(start: State) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    if start.env_id != ENV_ID or start.kind != "exact" or set(start.payload) != {"position", "velocity"}:
        raise InvalidEnvironment(
            f"{ENV_ID} begins at its own exact states (a position and a velocity), got a state of kind {start.kind!r} "
            f"of {start.env_id!r} with {sorted(start.payload)}. Take states with get_state()."
        )
    position, velocity = (np.array(start.payload[key], np.float64) for key in ("position", "velocity"))
    if position.shape != (2,) or velocity.shape != (2,) or not np.isfinite([position, velocity]).all():
        raise InvalidEnvironment(f"A start needs two finite numbers for both, got {position} and {velocity}.")
    if (np.abs(position) > HALF_SIDE).any():
        raise InvalidEnvironment(f"A start must lie within {HALF_SIDE} of the middle, got {position}.")
    if start.elapsed < 0:
        raise InvalidEnvironment(f"A start's elapsed steps cannot be negative, got {start.elapsed}.")
    return position, velocity, start.elapsed
