"""Who gives labels, from what a user says: a run's directory, a planner, a saved model, a function, a policy."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from teachrl.configurable import Configurable
from teachrl.configuration import resolve_class
from teachrl.errors import InvalidTeacher
from teachrl.plugins import import_plugins
from teachrl.policies import Imported
from teachrl.runs.directory import RunDirectory
from teachrl.runs.run import Run
from teachrl.runs.run_policy import RunPolicy
from teachrl.schemas import Flag, Schema
from teachrl.teachers.from_policy import FromPolicy

OPTIONS = ("tasks", "view", "share", "channels")
"""The arguments of `FromPolicy` beside the policy, which a user may give for each teacher."""


def as_teachers(sources: Any, view: str = "auto", trust: bool = False) -> list[FromPolicy]:
    """Returns the teachers that one source, or several in a list, name; see `as_teacher`."""
    several = sources if isinstance(sources, list | tuple) else [sources]
    return [as_teacher(source, view, trust) for source in several]


def as_teacher(source: Any, view: str = "auto", trust: bool = False) -> FromPolicy:
    """Returns a teacher that labels with what `source` names.

    Args:
        source: See `distill`; `{policy: source, tasks: [[low, high], ...]}` gives arguments of `FromPolicy` with it.
        view: The view it sees; "auto" is the one that a run was trained on, else "teacher".
        trust: Whether to load Stable-Baselines3 zips.

    Raises:
        InvalidTeacher: If there is nothing of that name.
        InvalidHyperparameter: If a further argument does not exist or is of another type.
    """
    if isinstance(source, FromPolicy):
        return source
    given: dict[str, Any] = {}
    if isinstance(source, Mapping):
        if "policy" not in source:
            raise InvalidTeacher(f"A teacher is written {{policy: runs/a, tasks: [[low, high], ...]}}, got {source!r}.")
        given = options({name: value for name, value in source.items() if name != "policy"})
        source = source["policy"]
    if isinstance(source, Run):
        source = str(source.directory)
    policy = named(source, trust) if isinstance(source, str | os.PathLike) else source
    wanted = given.pop("view", view)
    own = getattr(policy, "view", None) if wanted == "auto" else wanted
    return FromPolicy(policy, view=own or "teacher", **given)


def options(data: Mapping[str, Any], flags: list[Flag] | None = None) -> dict[str, Any]:
    """Checks arguments of `FromPolicy` beside the policy, as data or as flags.

    Raises:
        InvalidHyperparameter: If one does not exist or is of another type.
    """
    schema = Schema(FromPolicy, skip=("policy",), owner="--teacher", prefix="--teacher.")
    return schema.check(data, flags or ())


def named(source: str | os.PathLike[str], trust: bool = False) -> Any:
    """Returns the policy that a word of the command line names.

    Raises:
        InvalidTeacher: If it names none.
        InvalidRun: If it is a directory and no run's.
    """
    text = os.fspath(source)
    if text.endswith(".zip"):
        saved: Any = resolve_class("SavedModel", Configurable)
        return saved(text, trust=trust)
    if Path(text).is_dir():
        RunDirectory.open(text)
        return RunPolicy(text)
    if ":" in text:
        return Imported(text)
    if (found := _planner(text)) is not None:
        return found()
    raise InvalidTeacher(
        f"There is no teacher {text!r}: neither a run's directory, nor planner, nor a Stable-Baselines3 zip, nor "
        "package.module:function."
    )


def _planner(name: str) -> Callable[[], Any] | None:
    """Returns what plug-ins with environments export under this name: `planner` is their `Planner`."""
    for module in import_plugins(("envs",)):
        for title in (name, name.capitalize()):
            found = getattr(module, title, None)
            if isinstance(found, type) and issubclass(found, Configurable) and hasattr(found, "act"):
                return found
    return None
