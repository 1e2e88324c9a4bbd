"""Methods and networks by name, as command lines and configuration files have them."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from teachrl import distillation
from teachrl.configurable import Configurable
from teachrl.distillation.methods import Method
from teachrl.errors import InvalidHyperparameter, UnknownName

if TYPE_CHECKING:
    from teachrl.schemas import Flag

_HOMES = ("imitation", "on_policy", "reinforced", "methods")  # which do without torch


def methods() -> dict[str, type[Method]]:
    """Returns the methods that have a short name."""
    found: dict[str, Any] = {}
    for home in _HOMES:
        found |= vars(importlib.import_module(f"teachrl.distillation.{home}"))
    named = {name: found[name] for name in distillation.__all__ if name in found}
    return {n: c for n, c in named.items() if isinstance(c, type) and issubclass(c, Method) and c is not Method}


def networks() -> dict[str, type[Configurable]]:
    """Returns the networks of students that have a short name."""
    from teachrl.configuration import public_classes

    return {name: cls for name, cls in public_classes(Configurable).items() if callable(getattr(cls, "build", None))}


def make_method(spec: Any, flags: Sequence[Flag] = ()) -> Method:
    """Returns a method: itself, by its name, or by `{class_path: ..., init_args: ...}`.

    Raises:
        UnknownName: If there is no such class.
        InvalidHyperparameter: If it is no method, or an argument does not exist, is missing or is of another type.
    """
    from teachrl.configuration import instantiate, parse_spec

    if isinstance(spec, Method):
        return spec
    if not isinstance(spec, str | dict):
        raise InvalidHyperparameter(f"`method` is a Method, such as DAgger(), or the name of one, got {spec!r}.")
    parsed = parse_spec(spec)
    name, known = parsed["class_path"], methods()
    if "." not in name:
        if name not in known:
            raise UnknownName("method", name, known, "One of your own is named with its module: my_module.MyMethod.")
        name = f"{known[name].__module__}.{name}"
    return instantiate({**parsed, "class_path": name}, Method, flags)


def make_network(spec: Any, flags: Sequence[Flag] = ()) -> Any:
    """Returns a network: itself, by its name, or by `{class_path: ..., init_args: ...}`.

    Raises:
        UnknownName: If there is no such class.
        InvalidHyperparameter: If it cannot be built, or an argument does not exist, is missing or is of another type.
    """
    made = _built(spec, flags) if isinstance(spec, str | dict) else spec
    if not callable(getattr(made, "build", None)):
        raise InvalidHyperparameter(
            f"A student's network has build(observation_space, action_space, seed=), such as Recurrent(), got {made!r}."
        )
    return made


def _built(spec: Any, flags: Sequence[Flag]) -> Any:
    from teachrl.configuration import instantiate, parse_spec

    name = parse_spec(spec)["class_path"]
    if "." not in name and name not in (known := networks()):
        raise UnknownName("network", name, known, "One of your own is named with its module: my_module.MyNetwork.")
    return cast(Any, instantiate(spec, Configurable, flags))
