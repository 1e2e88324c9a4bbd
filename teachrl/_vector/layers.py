"""The wrappers around an environment, one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium
from gymnasium import wrappers

_STATELESS = (
    wrappers.OrderEnforcing,
    wrappers.PassiveEnvChecker,
    wrappers.TimeLimit,
    wrappers.TransformObservation,
    wrappers.TransformAction,
    wrappers.TransformReward,
)


def layers(env: gymnasium.Env[Any, Any]) -> Iterator[Any]:
    """Yields the wrappers around an environment, outermost first."""
    layer: Any = env
    while isinstance(layer, gymnasium.Wrapper):
        yield layer
        layer = layer.env


def time_limit(env: gymnasium.Env[Any, Any]) -> Any:
    """Returns the outermost `TimeLimit` around an environment, None without one."""
    return next((layer for layer in layers(env) if isinstance(layer, wrappers.TimeLimit)), None)


def set_elapsed(env: gymnasium.Env[Any, Any], steps: int) -> None:
    """Lets each `TimeLimit` around an environment have counted so many steps."""
    for layer in layers(env):
        if isinstance(layer, wrappers.TimeLimit):
            vars(layer)["_elapsed_steps"] = steps


def may_keep_state(layer: Any) -> bool:
    """Tells whether a wrapper is one of Gymnasium's that may keep a state of its own, and does not hand it over."""
    known = isinstance(layer, _STATELESS) or hasattr(type(layer), "get_wrapper_state")
    return type(layer).__module__.startswith("gymnasium.wrappers.") and not known


def is_strange(layer: Any) -> bool:
    """Tells whether a wrapper is of others, who have not said what it keeps."""
    known = type(layer).__module__.partition(".")[0] in ("gymnasium", "teachrl", "teachrl_envs")
    return not known and not hasattr(type(layer), "get_wrapper_state")
