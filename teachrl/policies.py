"""Whatever can choose actions, as a policy: students, models with a `predict`, plain functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from teachrl.errors import InvalidStudent
from teachrl.lessons import Array, Bools, Observations
from teachrl.student import Policy, Student


def as_policy(source: Any) -> Policy:
    """Returns what `source` acts by.

    Args:
        source: A policy; a student that has begun; a model with Stable-Baselines3's
            `predict(observations, state, episode_start, deterministic)`; or a function from observations (B, *o) to
            actions (B, *a).

    Raises:
        InvalidStudent: If it is none of these.
    """
    if isinstance(source, Student):
        return source.policy
    if callable(getattr(source, "act", None)):
        return cast(Policy, source)
    if callable(getattr(source, "predict", None)):
        return Predicting(source)
    if callable(source) and not isinstance(source, type):
        return Calling(source)
    raise InvalidStudent(
        f"A policy has act(observations, state, first, deterministic), or is a student, a model with predict or a "
        f"function from observations (B, *o) to actions (B, *a); got {source!r}."
    )


class Predicting:
    """A model with Stable-Baselines3's `predict`.

    Args:
        model: The model.
    """

    def __init__(self, model: Any) -> None:
        self._model = model

    def act(
        self, observations: Observations, state: Any = None, first: Bools | None = None, deterministic: bool = True
    ) -> tuple[Array, Any]:
        """See `teachrl.student.Policy`."""
        actions, state = self._model.predict(
            observations, state=state, episode_start=first, deterministic=deterministic
        )
        return actions, state


class Calling:
    """A function without a memory.

    Args:
        function: From observations (B, *o) to actions (B, *a).
    """

    def __init__(self, function: Callable[[Observations], Any]) -> None:
        self._function = function

    def act(
        self, observations: Observations, state: Any = None, first: Bools | None = None, deterministic: bool = True
    ) -> tuple[Array, Any]:
        """See `teachrl.student.Policy`."""
        return np.asarray(self._function(observations)), None
