"""Reading the command line: flags in their order, and to which teacher, wrapper or student each belongs.

`--teacher X --teacher.k 5` means another teacher X, and its k: a dotted flag belongs to the teacher before it. What
the flags say is checked elsewhere (`teachrl.schemas`); here they are only sorted.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from teachrl.errors import InvalidHyperparameter
from teachrl.schemas import Flag

PLURALS = {"teachers": "teacher", "wrappers": "wrapper"}


@dataclass(slots=True)
class Part:
    """A teacher, wrapper or student as named by flags.

    Attributes:
        name: Its class, None where the flags are about one that is there already.
        flags: The dotted flags that belong to it.
    """

    name: str | None
    flags: list[Flag] = field(default_factory=list)


@dataclass(slots=True)
class Sorted:
    """The flags of `train`, sorted.

    Attributes:
        parts: Under `"teacher"`, `"wrapper"` and `"student"`, those that were named, in order.
        flags: All other flags.
    """

    parts: dict[str, list[Part]]
    flags: list[Flag]

    def value(self, name: str) -> str | None:
        """Returns what was last given as `--name`, None if nothing was."""
        return next((flag.value for flag in reversed(self.flags) if flag.path == (name,)), None)

    def named(self, kind: str) -> bool:
        """Tells whether a class was named for this kind of part."""
        return any(part.name is not None for part in self.parts[kind])


def read_flags(arguments: Sequence[str], positional: Sequence[str] = (), switches: Collection[str] = ()) -> list[Flag]:
    """Reads `--name value`, `--name=value`, `--name+=value` and positional arguments.

    Args:
        arguments: The command line after the verb.
        positional: Names of the parameters that plain words fill, in order.
        switches: Names of the parameters that need no value: alone they mean true.

    Raises:
        InvalidHyperparameter: If a flag has no value, or a word belongs to no flag.
    """
    flags, words, names = [], list(arguments), list(positional)
    while words:
        word = words.pop(0)
        if not re.match(r"--\w", word):
            if not names:
                raise InvalidHyperparameter(f"{word!r} belongs to no flag; flags are written --name value.")
            flags.append(Flag((names.pop(0),), word))
            continue
        name, equals, value = word[2:].partition("=")
        if not equals:
            alone = not words or re.match(r"--[a-zA-Z]", words[0]) is not None
            if name.replace("-", "_") in switches and (alone or words[0].lower() not in ("true", "false")):
                words.insert(0, "true")
            elif alone:
                raise InvalidHyperparameter(f"--{name} needs a value, e.g. --{name} true for a switch.")
            value = words.pop(0)
        flags.append(Flag(tuple(name.removesuffix("+").replace("-", "_").split(".")), value))
    return flags


def sort_flags(flags: Sequence[Flag], kinds: Sequence[str] = ("teacher", "wrapper", "student")) -> Sorted:
    """Gives each dotted flag to the teacher, wrapper or student (or what else there is) that it is about."""
    found = Sorted({kind: [] for kind in kinds}, [])
    for flag in flags:
        kind = PLURALS.get(flag.path[0], flag.path[0])
        if kind not in found.parts:
            found.flags.append(flag)
        elif len(flag.path) == 1:
            found.parts[kind].append(Part(flag.value))
        else:
            if not found.parts[kind]:
                found.parts[kind].append(Part(None))
            found.parts[kind][-1].flags.append(Flag(flag.path[1:], flag.value))
    return found
