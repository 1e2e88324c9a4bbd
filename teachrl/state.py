"""The state of an object as data: every attribute that was not a constructor argument."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Collection
from typing import Any

import numpy as np

from teachrl.errors import InvalidTeacher

_RNG = "__numpy_generator__"
_DEQUE = "__deque__"


def rng_state(rng: np.random.Generator) -> dict[str, Any]:
    """Returns a generator's state as data."""
    return dict(rng.bit_generator.state)


def set_rng_state(rng: np.random.Generator, state: dict[str, Any]) -> None:
    """Puts a generator into a state returned by `rng_state`."""
    rng.bit_generator.state = state


def set_torch_state(generator: Any, state: Any) -> None:
    """Puts a torch generator into a state that `get_state` returned; one of another device cannot be, and warns."""
    try:
        generator.set_state(state.cpu())
    except RuntimeError:
        warnings.warn(
            f"The run goes on on another device ({generator.device}) than before: what is drawn there is another "
            "stream, so that the run is not the one that an undisturbed run would have been.",
            RuntimeWarning,
            stacklevel=2,
        )


def capture(owner: object, exclude: Collection[str]) -> dict[str, Any]:
    """Returns the attributes of `owner` as arrays, numbers, strings and containers.

    Raises:
        InvalidTeacher: If an attribute is none of these; the message names it.
    """
    return {
        name: _encode(value, f"{type(owner).__name__}.{name}")
        for name, value in vars(owner).items()
        if name not in exclude
    }


def restore(owner: object, state: dict[str, Any]) -> None:
    """Sets the attributes that `capture` returned; generators are continued in place of new ones."""
    for name, value in state.items():
        setattr(owner, name, _decode(value))


def _encode(value: Any, where: str) -> Any:
    if isinstance(value, np.random.Generator):
        return {_RNG: rng_state(value)}
    if isinstance(value, deque):
        return {_DEQUE: [_encode(v, where) for v in value], "maxlen": value.maxlen}
    if isinstance(value, dict):
        return {k: _encode(v, f"{where}[{k!r}]") for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_encode(v, where) for v in value)
    if value is None or isinstance(value, bool | int | float | str | np.generic):
        return value
    if isinstance(value, np.ndarray) and value.dtype != object:
        return value.copy()
    raise InvalidTeacher(
        f"{where} is a {type(value).__name__}, which a checkpoint cannot hold. Arrays, numbers, strings, generators "
        "and containers of them are kept by themselves. Define state_dict and load_state_dict in that class."
    )


def _decode(value: Any) -> Any:
    if isinstance(value, dict):
        if _RNG in value:
            rng = np.random.Generator(getattr(np.random, value[_RNG]["bit_generator"])())
            set_rng_state(rng, value[_RNG])
            return rng
        if _DEQUE in value:
            return deque((_decode(v) for v in value[_DEQUE]), maxlen=value["maxlen"])
        return {k: _decode(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_decode(v) for v in value)
    return value.copy() if isinstance(value, np.ndarray) else value
