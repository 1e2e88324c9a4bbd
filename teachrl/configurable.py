"""Objects that know the arguments they were made with, so that a run made in Python has a config too."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any, ClassVar

from teachrl.errors import InvalidHyperparameter, UnknownName


class Configurable:
    """Base of teachers, students and methods: the constructor stores its arguments and does nothing else.

    Every argument is kept under its own name, so that `class_path` and `init_args` describe the object completely.

    Attributes:
        short_names: For arguments that are objects with short names of their own, the table that they stand in,
            `{"provider": "module:TABLE"}`, a dict of names to `package.module.Class`; other short names are those that
            plug-ins export.
    """

    short_names: ClassVar[Mapping[str, str]] = {}

    @property
    def class_path(self) -> str:
        """The import path of the class, `package.module.Class`."""
        return f"{type(self).__module__}.{type(self).__qualname__}"

    @property
    def init_args(self) -> dict[str, Any]:
        """The constructor's arguments, by name.

        Raises:
            InvalidHyperparameter: If the constructor did not store one under its name.
        """
        names = [
            p.name
            for p in inspect.signature(type(self).__init__).parameters.values()
            if p.name != "self" and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        ]
        missing = [name for name in names if not hasattr(self, name)]
        if missing:
            raise InvalidHyperparameter(
                f"{self.class_path} takes {missing} but has no attributes of those names. "
                "Store every constructor argument under its own name: self.name = name."
            )
        return {name: getattr(self, name) for name in names}

    def validate(self, setup: Any) -> None:
        """Checks the arguments against a run's setup before anything is created; the default accepts everything."""

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.init_args.items())
        return f"{type(self).__name__}({arguments})"


def to_config(value: Any) -> Any:
    """Turns an object into plain data: class path and arguments for a Configurable, its repr for what is not data."""
    if isinstance(value, Configurable):
        return {"class_path": value.class_path, "init_args": {k: to_config(v) for k, v in value.init_args.items()}}
    if isinstance(value, Mapping):
        return {str(k): to_config(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [to_config(v) for v in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return value.item()
    return repr(value)


def is_data(value: Any) -> bool:
    """Tells whether `to_config` keeps everything of `value`, so that a run can be resumed from its config alone."""
    if isinstance(value, Configurable):
        return all(is_data(v) for v in value.init_args.values())
    if isinstance(value, Mapping):
        return all(isinstance(k, str) and is_data(v) for k, v in value.items())
    if isinstance(value, list | tuple):
        return all(is_data(v) for v in value)
    return value is None or isinstance(value, bool | int | float | str)


def full_name(name: str, kind: str, table: Mapping[str, str]) -> str:
    """Writes a short name out as `package.module.Class`; what has a dot is left as it is.

    Raises:
        UnknownName: If it does not stand in the table.
    """
    if "." not in name and name not in table:
        raise UnknownName(kind, name, table, "One of your own is named with its module: my_module.MyClass.")
    return table.get(name, name)


def import_class(path: str) -> type:
    """Imports `package.module.Class`.

    Raises:
        UnknownName: If the module or the class does not exist.
    """
    module_name, _, class_name = path.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except (ImportError, ValueError, SyntaxError) as error:
        raise UnknownName("module", module_name, (), f"({error})") from error
    if not isinstance(found := getattr(module, class_name, None), type):
        known = [n for n, v in vars(module).items() if isinstance(v, type)]
        raise UnknownName(f"class in {module_name}", class_name, known)
    return found
