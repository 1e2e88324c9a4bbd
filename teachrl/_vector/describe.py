"""What can be known of an environment by looking at it, through its wrappers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium

from teachrl import tasks
from teachrl._vector.layers import layers, may_keep_state, time_limit
from teachrl._vector.recipe import Env
from teachrl._vector.restorable import Restorable
from teachrl.errors import InvalidEnvironment


@dataclass(frozen=True, slots=True, eq=False)
class Description:
    """The attributes of `LessonVectorEnv`, for one environment; `unrestorable` says why it has no exact states."""

    observation_space: gymnasium.Space[Any]
    action_space: gymnasium.Space[Any]
    spec: Any
    metadata: dict[str, Any]
    task_space: gymnasium.Space[Any] | None
    task_names: tuple[str, ...]
    return_range: tuple[float, float] | None
    max_episode_steps: int | None
    suites: tuple[str, ...]
    unrestorable: str
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
        unrestorable=_why_not_restorable(env),
        tells_solvable=callable(_lookup(env, "solvable")),
        provides=dict(_lookup(env, "provides") or {}),
    )


def _why_not_restorable(env: Env) -> str:
    """Says why an environment has no exact states, and what would change that; empty if it has."""
    if isinstance(env, Restorable):
        return env.state_fault
    for layer in layers(env):
        if "get_state" in dir(layer):
            return ""
        if may_keep_state(layer):
            return (
                f"its wrapper {type(layer).__name__} may keep what get_state() of the environment does not know of. "
                "Leave it out, or give it get_state() and reset(options={'start': state})."
            )
    if hasattr(env.unwrapped, "get_state"):
        return ""
    return (
        f"{type(env.unwrapped).__name__} has no get_state(), and there is no adapter for it. "
        "Define it, or register an adapter with teachrl.snapshots.register_adapter."
    )


def _lookup(env: Env, name: str) -> Any:
    return env.get_wrapper_attr(name) if env.has_wrapper_attr(name) else None
