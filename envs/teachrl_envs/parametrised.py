"""A task space for any environment, over its own attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from teachrl.errors import InvalidEnvironment
from teachrl.lessons import Lesson
from teachrl.tasks import SUITES, check_task, default_suite
from teachrl_envs.attributes import Expression, Path

Task = NDArray[np.float64]


class Parametrised(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Makes numbers inside an environment its task.

    ```python
    Parametrised(gym.make("CartPole-v1"), {"unwrapped.length": [0.25, 1.5], "unwrapped.gravity": [5.0, 15.0]},
                 derived={"unwrapped.polemass_length": "unwrapped.masspole * unwrapped.length"})
    ```

    At every reset all attributes are set to the task's values, then the derived ones are computed, then the environment
    resets; so an episode depends on its own task only. What an environment computes from an attribute in its
    constructor does not follow by itself: name it in `derived`, as CartPole's `polemass_length` above.

    The task space is a float64 Box with one coordinate per attribute; the default task holds the values the attributes
    had when they were wrapped, or the middle of the bounds where a value lies outside them. With `observe_task` a
    one-dimensional Box observation gets the task appended, a Dict observation an entry `"task"`, and any other becomes
    a Dict of `"observation"` and `"task"`.

    Args:
        env: The environment. It must not have a task space already.
        attributes: Lowest and highest value by dotted path from `env`, e.g. `"unwrapped.length"`; integers in a path
            are indices, e.g. `"unwrapped.model.opt.gravity.2"`. The attributes are set to floats.
        observe_task: Whether the student sees the task.
        derived: Arithmetic over such paths (numbers, `+ - * / **`, brackets) by the path that gets the result,
            computed in this order.
        return_range: Lowest and highest return, for teachers that scale returns by it; empty where it is not known.

    Raises:
        UnknownName: If a path does not exist.
        InvalidEnvironment: If an attribute is not a number, its bounds are not two finite numbers in order, an
            expression cannot be computed, or the environment has a task space already.
    """

    suites = SUITES

    def __init__(
        self,
        env: gym.Env[Any, Any],
        attributes: Mapping[str, Sequence[float]],
        observe_task: bool = False,
        derived: Mapping[str, str] = {},
        return_range: Sequence[float] = (),
    ) -> None:
        RecordConstructorArgs.__init__(
            self, attributes=attributes, observe_task=observe_task, derived=derived, return_range=return_range
        )
        gym.Wrapper.__init__(self, env)
        if env.has_wrapper_attr("task_space"):
            raise InvalidEnvironment(
                f"{env} has a task space of its own, {env.get_wrapper_attr('task_space')}. "
                "Parametrised is for environments without one; give a procedural environment's arguments instead."
            )
        low, high = _bounds(attributes)
        self._paths = [Path(text) for text in attributes]
        self._derived = [(Path(path), Expression(text)) for path, text in derived.items()]
        self.task_space = spaces.Box(low, high, dtype=np.float64)
        self.task_names = _short_names(list(attributes))
        self.return_range = _return_range(return_range)
        values = np.array([path.get(env) for path in self._paths])
        for path, expression in self._derived:
            path.get(env), expression.value(env)  # a wrong name is found now, not at the first reset
        self.default_task = np.where((values >= low) & (values <= high), values, low + (high - low) / 2)
        self._observe_task = observe_task
        self._task: Task = self.default_task
        if observe_task:
            self.observation_space = _with_task_space(env.observation_space, self.task_space)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Sets the task's attributes, then resets the environment.

        Args:
            seed: The environment's seed.
            options: `"task"`, one number per attribute, else the default task; the rest goes to the environment.

        Raises:
            InvalidTask: If the task is outside its bounds.
        """
        rest = dict(options or {})
        task = rest.pop("task", None)
        self._task = check_task(self.default_task if task is None else task, self.task_space, self.task_names)
        for path, value in zip(self._paths, self._task.tolist(), strict=True):
            path.set(self.env, value)
        for path, expression in self._derived:
            path.set(self.env, expression.value(self.env))
        observation, info = self.env.reset(seed=seed, options=rest or None)
        return self._shown(observation), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Steps the environment."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self._shown(observation), reward, terminated, truncated, info

    def task_suite(self, name: str) -> dict[str, Lesson]:
        """Returns 100 fixed lessons over the task space, `"validation"` or `"test"`.

        Raises:
            UnknownName: If there is no such suite.
        """
        return default_suite(self.task_space, name)

    def _shown(self, observation: Any) -> Any:
        if not self._observe_task:
            return observation
        space = self.env.observation_space
        if isinstance(space, spaces.Dict):
            return {**observation, "task": self._task.copy()}
        if _is_vector(space):
            return np.concatenate([observation, self._task], dtype=space.dtype, casting="same_kind")
        return {"observation": observation, "task": self._task.copy()}


def _bounds(attributes: Mapping[str, Sequence[float]]) -> tuple[Task, Task]:
    if not attributes:
        raise InvalidEnvironment('Parametrised needs at least one attribute, e.g. {"unwrapped.length": [0.25, 1.5]}.')
    for path, bounds in attributes.items():
        try:
            pair = np.array(bounds, np.float64)
        except (TypeError, ValueError):
            pair = np.array([])
        if pair.shape != (2,) or not np.isfinite(pair).all() or pair[0] > pair[1]:
            raise InvalidEnvironment(f"The bounds of {path!r} must be [lowest, highest], both finite, got {bounds!r}.")
    both = np.array(list(attributes.values()), np.float64)
    return both[:, 0], both[:, 1]


def _short_names(paths: list[str]) -> tuple[str, ...]:
    """Returns the paths' last names (with a trailing index), or the whole paths where two would be the same."""
    short = []
    for path in paths:
        parts = path.split(".")
        keep = next((k for k in range(1, len(parts)) if not parts[-k].isdigit()), len(parts))
        short.append(".".join(parts[-keep:]))
    return tuple(short if len(set(short)) == len(short) else paths)


def _return_range(bounds: Sequence[float]) -> tuple[float, float] | None:
    if len(bounds) == 0:
        return None
    if len(bounds) != 2 or not bounds[0] < bounds[1]:
        raise InvalidEnvironment(f"return_range must be [lowest, highest] or empty, got {bounds!r}.")
    return float(bounds[0]), float(bounds[1])


def _is_vector(space: spaces.Space[Any]) -> bool:
    return isinstance(space, spaces.Box) and len(space.shape) == 1 and np.issubdtype(space.dtype, np.floating)


def _with_task_space(space: spaces.Space[Any], tasks: spaces.Box) -> spaces.Space[Any]:
    if isinstance(space, spaces.Dict):
        return spaces.Dict({**space.spaces, "task": tasks})
    if isinstance(space, spaces.Box) and _is_vector(space):
        low, high = (
            np.concatenate([getattr(space, s), getattr(tasks, s)]).astype(space.dtype) for s in ("low", "high")
        )
        return spaces.Box(low, high, dtype=space.dtype.type)
    return spaces.Dict({"observation": space, "task": tasks})
