"""MiniGrid's objects as data: a restricted form of pickling that runs no code and knows no class from outside.

Numbers, strings and None stand for themselves. Containers are `{"list": ...}`, `{"tuple": ...}`, `{"dict": ...}`,
`{"set": ...}` and `{"array": ...}`; an object is `{"object": i}`, the i-th entry of a table whose entries are the
object's class, by name, and its attributes; a list of nothing but objects and None is `{"objects": indices}`, -1 for
None; and the environment itself is `{"environment": True}`. So rooms that know each other, doors that stand on the grid
and in a room, and balls that an instruction watches are the same objects when they are read again.
"""

from __future__ import annotations

import sys
from enum import IntEnum
from typing import Any

import numpy as np

from teachrl.errors import InvalidEnvironment

_PLAIN = (bool, int, float, str, type(None))
_SCENERY = frozenset({"Wall", "Floor", "Lava"})
_HOME = "minigrid."
_FOREIGN = frozenset({"gymnasium", "builtins", "typing", "abc"})


class NotEncodable(Exception):
    """Something that is neither data nor an object of MiniGrid's."""


class Writer:
    """Turns the attributes of a game into data.

    Args:
        env: The game.

    Attributes:
        objects: The table of objects.
    """

    def __init__(self, env: Any) -> None:
        self._env, self._homes = env, _homes(env)
        self.objects: list[list[Any]] = []
        self._indices: dict[int, int] = {}
        self._scenery: dict[tuple[Any, ...], int] = {}
        self._refused: set[int] = set()
        self._alive: list[Any] = []  # an id is an object's as long as it lives

    def value(self, value: Any) -> Any:
        """Encodes a value.

        Raises:
            NotEncodable: If there is something in it that is not data.
        """
        if isinstance(value, _PLAIN) and type(value) in _PLAIN:
            return value
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, IntEnum):
            return int(value)
        if value is self._env:
            return {"environment": True}
        if isinstance(value, np.ndarray) and value.dtype.kind != "O":
            return {"array": value.copy()}
        if type(value) is list and value and all(x is None or self._is_object(x) for x in value):
            return {"objects": np.array([-1 if x is None else self._index(x) for x in value], np.int32)}
        if type(value) in (list, tuple, set):
            return {type(value).__name__: [self.value(x) for x in value]}
        if type(value) is dict:
            return {"dict": [[self.value(k), self.value(v)] for k, v in value.items()]}
        if self._is_object(value):
            return {"object": self._index(value)}
        raise NotEncodable(type(value).__name__)

    def _is_object(self, value: Any) -> bool:
        kind = type(value)
        return value is not self._env and _is_home(kind.__module__, self._homes) and hasattr(value, "__dict__")

    def _index(self, thing: Any) -> int:
        if id(thing) in self._indices:
            return self._indices[id(thing)]
        kind = type(thing)
        if id(thing) in self._refused:
            raise NotEncodable(kind.__name__)
        if kind.__name__ in _SCENERY and kind.__module__.startswith(_HOME):
            same = (kind.__name__, *(str(value) for value in vars(thing).values()))
            if same in self._scenery:
                return self._scenery[same]
            self._scenery[same] = len(self.objects)
        return self._add(thing, kind)

    def _add(self, thing: Any, kind: type) -> int:
        index = self._indices[id(thing)] = len(self.objects)
        self._alive.append(thing)
        attributes: dict[str, Any] = {}
        self.objects.append([f"{kind.__module__}:{kind.__qualname__}", attributes])
        try:
            for name, value in vars(thing).items():
                attributes[name] = self.value(value)
        except NotEncodable:
            self._refuse(thing, index)
            raise
        return index

    def _refuse(self, thing: Any, index: int) -> None:
        """Takes back a half-filled entry and those that were made for it, which may refer to it."""
        self._refused.add(id(thing))
        del self.objects[index:]
        self._indices = {key: i for key, i in self._indices.items() if i < index}
        self._scenery = {key: i for key, i in self._scenery.items() if i < index}


class Reader:
    """Makes the objects of a table.

    Args:
        env: The game that they are for.
        table: As `Writer.objects`.

    Raises:
        InvalidEnvironment: If an object is not of MiniGrid's or the game's own modules.
    """

    def __init__(self, env: Any, table: list[list[Any]]) -> None:
        self._env, self._homes = env, _homes(env)
        kinds = [self._kind(name) for name, _ in table]
        self._objects: list[Any] = [object.__new__(kind) for kind in kinds]
        for thing, (_, attributes) in zip(self._objects, table, strict=True):
            vars(thing).update({name: self.value(value) for name, value in attributes.items()})

    def value(self, value: Any) -> Any:
        """Decodes what `Writer.value` returned."""
        if not isinstance(value, dict):
            return value
        ((kind, inner),) = value.items()
        if kind == "object":
            return self._objects[inner]
        if kind == "objects":
            return [None if i < 0 else self._objects[i] for i in np.asarray(inner).tolist()]
        if kind == "array":
            return np.array(inner)
        if kind == "environment":
            return self._env
        if kind == "dict":
            return {self.value(k): self.value(v) for k, v in inner}
        return {"list": list, "tuple": tuple, "set": set}[kind](self.value(x) for x in inner)

    def _kind(self, path: str) -> type[Any]:
        module, _, name = path.partition(":")
        kind: Any = sys.modules.get(module) if _is_home(module, self._homes) else None
        for part in name.split("."):
            kind = getattr(kind, part, None)
        if not isinstance(kind, type) or kind.__module__ != module:
            raise InvalidEnvironment(
                f"This state holds a {path}, which {type(self._env).__name__} does not play with: its objects are "
                "MiniGrid's own and those of its own module."
            )
        return kind


def _homes(env: Any) -> frozenset[str]:
    modules = (base.__module__ for base in type(env).__mro__)
    return frozenset(name for name in modules if name.partition(".")[0] not in _FOREIGN)


def _is_home(module: str, homes: frozenset[str]) -> bool:
    return module.startswith(_HOME) or module in homes
