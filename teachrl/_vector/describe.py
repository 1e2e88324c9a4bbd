"""What can be known of an environment by looking at it, through its wrappers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium
from gymnasium import wrappers

from teachrl import tasks
from teachrl._vector.recipe import Env
from teachrl.errors import InvalidEnvironment

_STATELESS = (
    wrappers.OrderEnforcing,
    wrappers.PassiveEnvChecker,
    wrappers.TimeLimit,
    wrappers.TransformObservation,
    wrappers.TransformAction,
    wrappers.TransformReward,
)


@dataclass(frozen=True, slots=True, eq=False)
class Description:
    """The attributes of `LessonVectorEnv`, for one environment."""

    observation_space: gymnasium.Space[Any]
    action_space: gymnasium.Space[Any]
    spec: Any
    metadata: dict[str, Any]
    task_space: gymnasium.Space[Any] | None
    task_names: tuple[str, ...]
    return_range: tuple[float, float] | None
    max_episode_steps: int | None
    suites: tuple[str, ...]
    restorable: bool
    tells_solvable: bool
    provides: Mapping[str, str]


def describe(env: Env) -> Description:
    """Looks up what is known of an environment.

    Raises:
        InvalidEnvironment: If its task space is not a space.
    """
    space = _lookup(env, "task_space")
    if space is not None and not isinstance(space, gymnasium.Space):
        raise InvalidEnvironment(f"task_space must be a gymnasium.Space or None, got {space!r}.")
    limit = time_limit(env)
    return Description(
        observation_space=env.observation_space,
        action_space=env.action_space,
        spec=env.spec,
        metadata=dict(env.metadata),
        task_space=space,
        task_names=tasks.task_names(space, _lookup(env, "task_names")),
        return_range=_lookup(env, "return_range"),
        max_episode_steps=_lookup(env, "max_episode_steps") if limit is None else limit._max_episode_steps,
        suites=tuple(_lookup(env, "suites") or tasks.SUITES),
        restorable=_restorable(env),
        tells_solvable=callable(_lookup(env, "solvable")),
        provides=dict(_lookup(env, "provides") or {}),
    )


def time_limit(env: Env) -> Any:
    """Returns the outermost `TimeLimit` around an environment, None without one."""
    layer: Any = env
    while isinstance(layer, gymnasium.Wrapper):
        if isinstance(layer, wrappers.TimeLimit):
            return layer
        layer = layer.env
    return None


def _restorable(env: Env) -> bool:
    """Whether `get_state` is offered, and no wrapper of Gymnasium's around it keeps what it cannot know of."""
    layer: Any = env
    while isinstance(layer, gymnasium.Wrapper):
        if "get_state" in dir(layer):
            return True
        if type(layer).__module__.startswith("gymnasium.wrappers.") and not isinstance(layer, _STATELESS):
            return False
        layer = layer.env
    return hasattr(layer, "get_state")


def _lookup(env: Env, name: str) -> Any:
    return env.get_wrapper_attr(name) if env.has_wrapper_attr(name) else None
