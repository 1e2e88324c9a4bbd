"""TeachRL/StumpTracks-v0: the parameterised BipedalWalker of the ALP-GMM paper.

https://arxiv.org/abs/1910.07224. The physics are those of Gymnasium's BipedalWalker-v3, step for step.
"""

from __future__ import annotations

from typing import Any, Literal

import gymnasium
import numpy as np
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.spaces import Box
from numpy.typing import NDArray

from teachrl.errors import InvalidHyperparameter, UnknownName
from teachrl.lessons import Lesson
from teachrl.tasks import check_task
from teachrl_envs.box2d.engine import b2World
from teachrl_envs.box2d.lidar import RAYS
from teachrl_envs.box2d.suites import PUBLISHED, outside_points, spread_points
from teachrl_envs.box2d.terrain import FINISH, SCALE, Terrain, stump_track
from teachrl_envs.box2d.walker import FPS, MORPHOLOGIES, Walker

_SUITE_SEEDS = {"test": 10_000, "validation": 20_000, "shifted": 30_000}
_VELOCITY_ITERATIONS, _POSITION_ITERATIONS = 180, 60
_PUSH = 5.0


class StumpTracks(gymnasium.Env[Any, Any]):
    """A two-legged walker must cross a track of stumps.

    **Task**: `(stump_height, obstacle_spacing)`. Each stump is max(0.05, N(stump_height, 0.1)) terrain steps of 14/30
    world units high and one wide; obstacle_spacing (floored at 0.01) is the grass between two stumps, in world units.
    The default task has the lowest stumps of the task space (none to speak of at height 0), in the middle of its range
    of spacings. The seed draws the stumps' heights and a small push at the start. The task is not observed.

    **Observation**: (24,) float32, (34,) with four legs: hull angle, angular velocity, velocity (x, y); per leg hip
    angle and speed, knee angle and speed, foot contact; ten lidar rays as the free share of their length, 16/3 units.
    Lidar and foot contact are those of BipedalWalker-v3: the closest hit, where the paper's own code took any hit.

    **Action**: (4,) or (8,) float32 in [-1, 1], for hip and knee of each leg: the sign is the direction, the size the
    share of the motor's torque. More than 1 acts as 1.

    **Reward**: the change of 130 x / 30 - 5 |hull angle|, minus 0.028 per unit of |action| (0.013125 with four legs).
    A hull that touches anything, or x < 0, ends the episode with -100 instead. The finish, 190 terrain steps from the
    left end, ends it without a bonus; 2000 steps truncate it.

    **Success**: a return above 230, strictly; `info["is_success"]` says so on the last step.

    **Suites**: `"test"`, the paper's regular 10 x 10 grid over [0, 3] x [0, 6]; `"validation"`, 100 other tasks spread
    over the same box; `"shifted"`, 100 tasks outside that box, where the task space is wider. In a narrower task space
    the first two span the part of the box that is in it.

    Every episode is a pure function of (task, seed, actions), with a Box2D world of its own.

    Args:
        legs: `"default"` (a leg is 34 + 34 pixels long), `"short"` (17 + 17), or `"quadru"` (four legs of 51 + 51, a
            longer hull and stronger motors).
        stump_height: Bounds of that task coordinate.
        obstacle_spacing: Bounds of that task coordinate, at least 0.
        render_mode: None or `"rgb_array"`.

    Raises:
        InvalidHyperparameter: If an argument is none of these.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": FPS}  # noqa: RUF012 (the base class declares it so)
    task_names = ("stump_height", "obstacle_spacing")
    return_range = (-150.0, 350.0)
    max_episode_steps = 2000
    success_return = 230.0

    def __init__(
        self,
        legs: Literal["default", "short", "quadru"] = "default",
        stump_height: tuple[float, float] = (0.0, 3.0),
        obstacle_spacing: tuple[float, float] = (0.0, 6.0),
        render_mode: str | None = None,
    ) -> None:
        if legs not in MORPHOLOGIES:
            raise InvalidHyperparameter(f"legs must be one of {', '.join(MORPHOLOGIES)}, got {legs!r}.")
        if render_mode not in (None, "rgb_array"):
            raise InvalidHyperparameter(f'render_mode must be None or "rgb_array", got {render_mode!r}.')
        self.legs, self.render_mode = legs, render_mode
        self.task_space = _task_space(stump_height, obstacle_spacing)
        self.default_task = np.array([self.task_space.low[0], (self.task_space.low[1] + self.task_space.high[1]) / 2])
        self._morphology = MORPHOLOGIES[legs]
        self.action_space = Box(-1.0, 1.0, (self._morphology.joints,), np.float32)
        self.observation_space = _observation_space(self._morphology.joints // 2)
        self._walker: Walker | None = None
        self._painter: Any = None

    @property
    def suites(self) -> tuple[str, ...]:
        """Names of the task suites."""
        wider = (self.task_space.low < PUBLISHED[0]).any() or (self.task_space.high > PUBLISHED[1]).any()
        return ("validation", "test", "shifted") if wider else ("validation", "test")

    def task_suite(self, name: str) -> dict[str, Lesson]:
        """Returns a fixed suite of 100 lessons, always the same.

        Args:
            name: `"test"`, `"validation"` or, in a task space wider than the paper's, `"shifted"`.

        Returns:
            Lessons by name, each with its task, (2,) float32, and seed.

        Raises:
            UnknownName: If there is no such suite here.
        """
        if name not in self.suites:
            hint = "Pass wider bounds, such as stump_height=(0, 4), to have tasks outside." if name == "shifted" else ""
            raise UnknownName("task suite", name, self.suites, hint)
        low, high = self.task_space.low.astype(float), self.task_space.high.astype(float)
        tasks = outside_points(low, high, 100) if name == "shifted" else spread_points(low, high, name, 100)
        tasks = np.clip(tasks.astype(np.float32), self.task_space.low, self.task_space.high)
        return {f"{name}-{i:03d}": Lesson(task, seed=_SUITE_SEEDS[name] + i) for i, task in enumerate(tasks)}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begins an episode in a new world.

        Args:
            seed: Seed of the episode; None goes on with the environment's generator.
            options: `"task"`: the task, (2,); without it the default task.

        Returns:
            The first observation, and an empty dict.

        Raises:
            InvalidTask: If the task is not in the task space.
        """
        super().reset(seed=seed)
        task = (options or {}).get("task")
        self._task = check_task(self.default_task if task is None else task, self.task_space, self.task_names)
        height, spacing = self._task.tolist()
        terrain = stump_track(height, spacing, self.np_random)
        return self._begin(terrain, self.np_random.uniform(-_PUSH, _PUSH)), {}

    def _begin(self, terrain: Terrain, push: float) -> NDArray[np.float32]:
        """Builds the world and takes the step without torque that comes before the first observation."""
        self._world, self._terrain = b2World(), terrain
        terrain.add_to(self._world)
        self._walker = Walker(self._world, self._morphology, push)
        self._elapsed, self._return, self._potential = -1, 0.0, 0.0
        observation = self.step(np.zeros(self._morphology.joints, np.float32))[0]
        self._return = 0.0
        return observation

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Takes a step of 1/50 s.

        Args:
            action: (4,) or (8,).

        Returns:
            Observation, reward, terminated, truncated, and info: empty, but for `is_success` on the last step.

        Raises:
            InvalidAction: If the action has another shape.
            NonFiniteData: If it holds a NaN.
            ResetNeeded: Before the first reset.
        """
        walker = self._walker
        if walker is None:
            raise ResetNeeded("Call reset() before step().")
        if np.shape(action) != self.action_space.shape:
            raise InvalidAction(f"An action must have the shape {self.action_space.shape}, got {np.shape(action)}.")
        effort = walker.act(np.asarray(action).tolist())
        self._world.Step(1.0 / FPS, _VELOCITY_ITERATIONS, _POSITION_ITERATIONS)
        observation, x, angle = walker.observe(self._terrain)
        potential = 130.0 * x / SCALE - 5.0 * abs(angle)
        reward = potential - self._potential - self._morphology.cost * effort
        self._potential = potential
        self._elapsed += 1
        self._observation = observation
        fallen = walker.contacts.fallen or x < 0.0
        if fallen:
            reward = -100.0
        self._return += reward
        terminated = fallen or x > FINISH
        truncated = self._elapsed >= self.max_episode_steps and not terminated
        info = {"is_success": self._return > self.success_return} if terminated or truncated else {}
        return observation, reward, terminated, truncated, info

    def render(self) -> NDArray[np.uint8] | None:
        """Draws the walker, its lidar and the terrain around it.

        Returns:
            (400, 600, 3) uint8, None without a render mode.

        Raises:
            ResetNeeded: Before the first reset.
        """
        if self.render_mode is None:
            return None
        if self._walker is None:
            raise ResetNeeded("Call reset() before render().")
        if self._painter is None:
            from teachrl_envs.box2d.drawing import Painter

            self._painter = Painter()
        frame: NDArray[np.uint8] = self._painter.paint(self._terrain, self._walker, self._observation[-RAYS:])
        return frame

    def close(self) -> None:
        """Lets go of the world."""
        self._walker = self._painter = self._world = None


def _task_space(stump_height: tuple[float, float], obstacle_spacing: tuple[float, float]) -> Box:
    for name, bounds in (("stump_height", stump_height), ("obstacle_spacing", obstacle_spacing)):
        if len(bounds) != 2 or not np.isfinite(bounds).all() or bounds[0] > bounds[1]:
            raise InvalidHyperparameter(f"{name} must be two finite bounds, the lower first, got {bounds}.")
    if obstacle_spacing[0] < 0:
        raise InvalidHyperparameter(f"obstacle_spacing is a length, at least 0, got the bounds {obstacle_spacing}.")
    low, high = np.array([stump_height, obstacle_spacing], np.float32).T
    return Box(low, high, dtype=np.float32)


def _observation_space(feet: int) -> Box:
    low = [-np.inf] * 4 + ([-np.inf] * 4 + [0.0]) * feet + [0.0] * RAYS
    high = [np.inf] * 4 + ([np.inf] * 4 + [1.0]) * feet + [1.0] * RAYS
    return Box(np.array(low, np.float32), np.array(high, np.float32), dtype=np.float32)
