"""Runs as YAML: the arguments of a run to text and back, and names to classes.

A teacher, student or wrapper is described by its name, or by `{class_path: ..., init_args: {...}}`. Names are short
(`ALPGMM`) for what ours and other plug-ins export, and `package.module.Class` for everything else.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, TypeVar

import yaml

from teachrl.configurable import Configurable, import_class, is_data, to_config
from teachrl.errors import InvalidHyperparameter, InvalidRun, TeachrlError, UnknownName
from teachrl.plugins import import_plugins
from teachrl.schemas import Flag, Schema, load_yaml
from teachrl.student import Student
from teachrl.teacher import Teacher

OBJECTS: dict[str, type] = {"teachers": Teacher, "student": Student}
"""The arguments of a run that are objects, and the class that they have."""
PLACES = ("out", "resume")
"""Arguments that say where a run lies; they are no part of its configuration."""

C = TypeVar("C")


def to_yaml(kwargs: Mapping[str, Any]) -> str:
    """Writes the arguments of a `train` call as YAML, all but where the run lies.

    What is not data is written as its repr; `is_complete` tells whether there is any.
    """
    data = {k: to_data(_plain(v)) for k, v in kwargs.items() if k not in PLACES}
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)


def to_data(value: Any) -> Any:
    """Turns an object into plain data as `to_config` does, and what its arguments describe as if they were the objects.

    So `provider={"class_path": "Noisy"}` is told with all its defaults, as it will be when it is read again.
    """
    if isinstance(value, list | tuple):
        return [to_data(item) for item in value]
    if not isinstance(value, Configurable):
        return to_config(value)
    arguments = {name: to_data(_made(value, name, given)) for name, given in value.init_args.items()}
    return {"class_path": value.class_path, "init_args": arguments}


def _made(owner: Configurable, name: str, value: Any) -> Any:
    if not (isinstance(value, Mapping) and "class_path" in value):
        return value
    try:
        return Schema(type(owner)).make(name, value)
    except TeachrlError:
        return value  # whoever takes the argument will say what is wrong with it


def is_complete(config: Mapping[str, Any]) -> bool:
    """Tells whether a run can be built again from its YAML alone; otherwise it takes the Python call."""
    return all(is_data(_plain(v)) for k, v in config.items() if k not in PLACES)


def read_config(path: str | PurePath) -> dict[str, Any]:
    """Reads the arguments of a `train` call from YAML, as data.

    Raises:
        InvalidRun: If the file cannot be read, or is not a mapping in YAML.
    """
    try:
        data = load_yaml(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidRun(f"The config {path} cannot be read: {error.strerror or error}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidRun(f"The config {path} is not YAML: {error}") from error
    if not isinstance(data, dict) or not all(isinstance(name, str) for name in data):
        raise InvalidRun(f"The config {path} must be a mapping such as 'env: TeachRL/PointMass-v0', got {data!r}.")
    return data


def load_config(path: str | PurePath, function: Callable[..., Any] | None = None) -> dict[str, Any]:
    """Reads the arguments of a `train` call from YAML, teachers and student instantiated.

    Args:
        path: The file, as `to_yaml` writes it or by hand.
        function: The function that the arguments are for; names and types are checked if it is given.

    Returns:
        The arguments by name.

    Raises:
        InvalidRun: If the file cannot be read.
        UnknownName: If a class does not exist.
        InvalidHyperparameter: If an argument does not exist or has an impossible value.
    """
    return build(read_config(path), function)


def build(data: Mapping[str, Any], function: Callable[..., Any] | None = None) -> dict[str, Any]:
    """Makes the arguments of a `train` call out of data, as `load_config` does."""
    objects = {name: _build_object(name, data[name]) for name in OBJECTS if name in data}
    rest = {name: value for name, value in data.items() if name not in objects}
    if function is not None:
        schema = Schema(function)
        for name in data:
            schema.check_name(name)
        rest = Schema(function, skip=OBJECTS).check(rest, partial=True)
    return {name: objects.get(name, rest.get(name)) for name in data}


def instantiate(spec: Any, base: type[C], flags: Sequence[Flag] = ()) -> C:
    """Makes an object of its description.

    Args:
        spec: A name, `{"class_path": ..., "init_args": {...}}`, or the object itself.
        base: The class that it must have.
        flags: Flags of the command line that come on top of the arguments.

    Raises:
        UnknownName: If there is no such class.
        InvalidHyperparameter: If an argument does not exist, is missing or is of another type.
    """
    if isinstance(spec, base):
        return spec
    spec = parse_spec(spec)
    found = resolve_class(spec["class_path"], base)
    arguments = Schema(found).check(spec["init_args"], flags)
    try:
        return found(**arguments)
    except TeachrlError:
        raise
    except (TypeError, ValueError) as error:
        raise InvalidHyperparameter(f"{found.__name__} refuses its arguments: {error}") from error


def parse_spec(spec: Any) -> dict[str, Any]:
    """Returns the long form of a description, `{"class_path": ..., "init_args": {...}}`.

    Raises:
        InvalidHyperparameter: If it is neither that nor a name.
    """
    if isinstance(spec, str):
        return {"class_path": spec, "init_args": {}}
    if isinstance(spec, Mapping) and isinstance(spec.get("class_path"), str):
        arguments = spec.get("init_args") or {}
        if isinstance(arguments, Mapping) and set(spec) <= {"class_path", "init_args"}:
            return {"class_path": spec["class_path"], "init_args": dict(arguments)}
    raise InvalidHyperparameter(
        f"A class is described by its name or by {{class_path: Name, init_args: {{...}}}}, got {spec!r}."
    )


def resolve_class(name: str, base: type[C]) -> type[C]:
    """Finds a class by its short name among the plug-ins, built-in ones first, else by its import path.

    Raises:
        UnknownName: With the nearest names, if there is none.
        InvalidHyperparameter: If it is not a subclass of `base`.
    """
    known = public_classes(base)
    if name in known:
        return known[name]
    if "." not in name:
        raise UnknownName(_word(base), name, known, "One of your own is named with its module: my_module.MyClass.")
    found = import_class(name)
    if not issubclass(found, base):
        raise InvalidHyperparameter(f"{name} is not a {_word(base)}: it must be a subclass of {base.__name__}.")
    return found


def public_classes(base: type[C]) -> dict[str, type[C]]:
    """Returns the classes that have a short name: the subclasses of `base` that plug-ins export, ours first."""
    known: dict[str, type[C]] = {}
    kinds = ("teachers", "students", *(("envs",) if base is Configurable else ()))  # policies of environments, too
    for name, value in _exports(kinds):
        if isinstance(value, type) and issubclass(value, base) and value not in (Teacher, Student, Configurable):
            known.setdefault(name, value)
    return known


def _exports(kinds: Sequence[str]) -> Iterator[tuple[str, Any]]:
    modules = dict.fromkeys(import_plugins(kinds))
    for module in sorted(modules, key=lambda m: not m.__name__.startswith(("teachrl.", "teachrl_"))):
        for name in getattr(module, "__all__", None) or [n for n in vars(module) if not n.startswith("_")]:
            try:
                yield name, getattr(module, name, None)
            except ImportError as error:  # exports are lazy; one that is broken does not stop the others
                warnings.warn(f"{module.__name__}.{name} is left out: {error}", RuntimeWarning, stacklevel=2)


def _word(base: type) -> str:
    return "teacher" if base is Teacher else "student" if base is Student else "class"


def _build_object(name: str, value: Any) -> Any:
    if name != "teachers":
        return instantiate(value, OBJECTS[name])
    items = value if isinstance(value, list | tuple) else [] if value is None else [value]
    return [instantiate(item, Teacher) for item in items]


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, PurePath) else value
