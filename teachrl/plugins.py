"""Other people's teachers, students and environments: modules named by entry points of their distributions."""

from __future__ import annotations

import functools
import importlib
import warnings
from collections.abc import Sequence
from importlib.metadata import entry_points
from types import ModuleType

KINDS = ("teachers", "students", "envs")
"""The kinds of plug-ins; the entry-point groups are `teachrl.teachers` and so on."""


def import_plugins(kinds: Sequence[str] = KINDS) -> tuple[ModuleType, ...]:
    """Imports the modules that entry points name, ours among them, each group once.

    One that cannot be imported gives a warning that names it, so that a broken plug-in never stops the others.

    Args:
        kinds: Which of `KINDS`.

    Returns:
        The imported modules, ours first.
    """
    return tuple(module for kind in kinds for module in _import_group(f"teachrl.{kind}"))


@functools.cache
def _import_group(group: str) -> tuple[ModuleType, ...]:
    modules = []
    for point in sorted(entry_points(group=group), key=lambda p: (not p.value.startswith("teachrl"), p.value)):
        try:
            modules.append(importlib.import_module(point.module))
        except Exception as error:  # a plug-in may fail in any way
            warnings.warn(
                f"The plug-in {point.name!r} ({point.value}, group {group}) cannot be imported and is left out: "
                f"{type(error).__name__}: {error}",
                RuntimeWarning,
                stacklevel=3,
            )
    return tuple(modules)
