"""Methods and networks by name, as command lines and configuration files have them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from teachrl import distillation
from teachrl.configurable import Configurable
from teachrl.distillation.methods import Method
from teachrl.errors import InvalidHyperparameter, UnknownName

if TYPE_CHECKING:
    from teachrl.schemas import Flag


def methods() -> dict[str, type[Method]]:
    """Returns the methods that have a short name."""
    found = {name: getattr(distillation, name) for name in distillation.__all__}
    return {
        name: cls
        for name, cls in found.items()
        if isinstance(cls, type) and issubclass(cls, Method) and cls is not Method
    }


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
    from teachrl.configuration import instantiate

    made = cast(Any, instantiate(spec, Configurable, flags) if isinstance(spec, str | dict) else spec)
    if not callable(getattr(made, "build", None)):
        raise InvalidHyperparameter(
            f"A student's network has build(observation_space, action_space, seed=), such as Recurrent(), got {made!r}."
        )
    return made
