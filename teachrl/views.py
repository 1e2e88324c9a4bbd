"""Views: several ways to see one environment, so that a teacher may see more than its student.

A viewed environment's observation is a dict with one entry per view, `"student"` among them. The classroom hands all of
them to teachers, and one to the student.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from teachrl.errors import InvalidEnvironment, UnknownName

View = Sequence[int] | Sequence[str] | Callable[[Any], Any] | None


class Views(gymnasium.ObservationWrapper[Any, Any, Any]):
    """Builds the views `"student"`, `"teacher"` and others out of any environment.

    Args:
        env: The environment.
        student: What the student sees: indices of a flat observation, entries of a dict observation, a function of
            the observation, or None for all of it.
        teacher: What the teacher sees, likewise.
        **others: More views by name.

    Example:
        >>> env = Views(gymnasium.make("CartPole-v1"), student=[0, 2])  # positions; the teacher sees velocities too

    Raises:
        InvalidEnvironment: If a view does not fit the observation space.
        UnknownName: If a view names an entry that the observation does not have.
    """

    def __init__(
        self, env: gymnasium.Env[Any, Any], student: View = None, teacher: View = None, **others: View
    ) -> None:
        super().__init__(env)
        self._views = {"student": student, "teacher": teacher, **others}
        self.observation_space = spaces.Dict(
            {name: _space(env.observation_space, view, name) for name, view in self._views.items()}
        )

    def observation(self, observation: Any) -> dict[str, Any]:
        """Returns all views of an observation."""
        return {name: _look(observation, view) for name, view in self._views.items()}


def _space(space: spaces.Space[Any], view: View, name: str) -> spaces.Space[Any]:
    if view is None:
        return space
    if callable(view):
        sample = np.asarray(view(_example(space)))
        bound = np.iinfo(sample.dtype) if np.issubdtype(sample.dtype, np.integer) else None
        low, high = (bound.min, bound.max) if bound is not None else (-np.inf, np.inf)
        return spaces.Box(low, high, sample.shape, sample.dtype.type)
    if isinstance(space, spaces.Dict):
        for entry in view:
            if entry not in space.spaces:
                raise UnknownName(f"entry of the observation (for the view {name!r})", str(entry), space.spaces)
        return spaces.Dict({str(entry): space.spaces[str(entry)] for entry in view})
    if not isinstance(space, spaces.Box) or len(space.shape) != 1:
        raise InvalidEnvironment(f"The view {name!r} picks indices, but the observation is {space}; give a function.")
    indices = np.asarray(view, dtype=np.int64)
    if indices.size == 0 or indices.min() < 0 or indices.max() >= space.shape[0]:
        raise InvalidEnvironment(f"The view {name!r} picks {indices.tolist()} of {space.shape[0]} numbers.")
    return spaces.Box(space.low[indices], space.high[indices], dtype=space.dtype)


def _example(space: spaces.Space[Any]) -> Any:
    """Returns a member of the space without touching its generator."""
    from gymnasium.vector.utils import batch_space, create_empty_array, iterate

    batch = batch_space(space, 1)
    return next(iter(iterate(batch, create_empty_array(space, n=1, fn=np.zeros))))


def _look(observation: Any, view: View) -> Any:
    if view is None:
        return observation
    if callable(view):
        return np.asarray(view(observation))
    if isinstance(observation, dict):
        return {str(entry): observation[entry] for entry in view}
    return observation[np.asarray(view, dtype=np.int64)]
