"""Turning the names of environments and wrappers into what makes them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec, registry

from teachrl.errors import InvalidEnvironment, UnknownName, nearest
from teachrl.plugins import import_plugins

WrapperLike = str | Mapping[str, Any] | Callable[[gymnasium.Env[Any, Any]], gymnasium.Env[Any, Any]]
"""A class's name or import path, `{"class_path": ..., "init_args": {...}}`, or a function from env to env."""
Wrapping = tuple[Callable[..., gymnasium.Env[Any, Any]], dict[str, Any]]


def find_spec(env_id: str) -> EnvSpec:
    """Finds a registered environment, `"module:Id"` imports the module first.

    A plug-in that has a `REGISTERED_BY`, `{"MiniGrid-": "minigrid"}`, spares users the module of ids that begin so.

    Raises:
        UnknownName: With the nearest names, if it is not registered.
        InvalidEnvironment: If the module cannot be imported, or it is no name.
    """
    plugins = import_plugins(("envs",))
    if not isinstance(env_id, str):  # data that users wrote
        raise InvalidEnvironment(f"An environment is named by its id, e.g. 'TeachRL/PointMass-v0', got {env_id!r}.")
    module, _, name = env_id.rpartition(":")
    if not module and name not in registry:
        known = {prefix: by for plugin in plugins for prefix, by in getattr(plugin, "REGISTERED_BY", {}).items()}
        module = next((by for prefix, by in known.items() if name.startswith(prefix)), "")
    try:
        if module:
            importlib.import_module(module)
        return gymnasium.spec(name)
    except ImportError as error:
        raise InvalidEnvironment(f"{env_id} needs the module {module}, which cannot be imported: {error}") from error
    except gymnasium.error.Error as error:
        if module and isinstance(getattr(importlib.import_module(module), name, None), type):
            raise InvalidEnvironment(
                f"{env_id} is a class, and environments go by registered ids: write gymnasium.register("
                f"{name + '-v0'!r}, {name}) into {module}.py, and name it {module}:{name}-v0."
            ) from error
        ours = [known for known in registry if known.startswith("TeachRL/")]
        hint = "`teachrl list envs` shows all; one of your own is registered by its module: 'my_module:My-v0'."
        raise UnknownName("env", name, {*nearest(name, list(registry), 5), *ours}, hint) from error


def resolve_wrappers(wrappers: Sequence[WrapperLike]) -> tuple[Wrapping, ...]:
    """Finds each wrapper's class or function, and the arguments it takes besides the environment.

    Raises:
        UnknownName: If a name stands for no wrapper.
        InvalidEnvironment: If an entry is none of the forms of `WrapperLike`.
    """
    return tuple(_resolve_wrapper(wrapper) for wrapper in wrappers)


def _resolve_wrapper(wrapper: WrapperLike) -> Wrapping:
    if isinstance(wrapper, str):
        return _find_wrapper(wrapper), {}
    if callable(wrapper):
        return wrapper, {}
    if isinstance(wrapper, Mapping) and "class_path" in wrapper and set(wrapper) <= {"class_path", "init_args"}:
        return _find_wrapper(wrapper["class_path"]), dict(wrapper.get("init_args") or {})
    raise InvalidEnvironment(
        "A wrapper is a name, {'class_path': ..., 'init_args': {...}} or a function from env to env; "
        f"got {wrapper!r}."
    )


def _find_wrapper(name: str) -> Callable[..., gymnasium.Env[Any, Any]]:
    module_name, _, attribute = name.rpartition(".")
    if module_name:
        try:
            found = getattr(importlib.import_module(module_name), attribute)
        except (ImportError, AttributeError) as error:
            raise UnknownName("wrapper", name, [], f"{type(error).__name__}: {error}.") from error
        if callable(found):
            return found  # type: ignore[no-any-return]
        raise InvalidEnvironment(f"The wrapper {name!r} is a {type(found).__name__}, not a class or a function.")
    known = known_wrappers()
    if name not in known:
        raise UnknownName("wrapper", name, known, "Others are 'package.module.Class'.")
    return known[name]


def known_wrappers() -> dict[str, type[gymnasium.Wrapper[Any, Any, Any, Any]]]:
    """Returns the wrappers that have a short name: ours, those of plug-ins, and Gymnasium's."""
    modules = [gymnasium.wrappers, *reversed(import_plugins(("envs",)))]
    return {
        name: value
        for module in modules
        for name in getattr(module, "__all__", dir(module))
        if isinstance(value := _export(module, name), type) and issubclass(value, gymnasium.Wrapper)
    }


def _export(module: ModuleType, name: str) -> Any:
    try:
        return getattr(module, name, None)
    except ImportError:  # Gymnasium's array conversions, without the libraries that they need
        return None
