"""What there is to choose from: teachers and what provides for them, students, environments, and how to distil."""

from __future__ import annotations

import inspect
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence

import gymnasium

from teachrl.configurable import import_class
from teachrl.configuration import public_classes
from teachrl.distillation.names import methods, networks
from teachrl.errors import UnknownName, nearest
from teachrl.plugins import import_plugins
from teachrl.providers import PROVIDERS
from teachrl.quickstart import entry_class
from teachrl.student import Student
from teachrl.teacher import Teacher
from teachrl.verbs import channels_of, class_help

KINDS = ("teachers", "providers", "students", "envs", "methods", "networks", "losses")
WORDS = {"methods": "method", "networks": "student", "losses": "loss"}
"""What is chosen for a distillation, and the words of its command line for it."""
Row = tuple[str, str, str, str]


def listing(what: str = "teachers") -> str:
    """Lists teachers, providers, students, environments, or the methods, networks and losses of distillation.

    Args:
        what: `teachers`, `providers` (of subgoals), `students`, `envs`, `methods`, `networks`, `losses`, or the name of
            one of them, which is then explained with its parameters.

    Returns:
        The list as text, one entry a line: name, channels, what it is, paper; on a terminal, long descriptions are
        wrapped.

    Raises:
        UnknownName: If there is nothing of that name.
    """
    if what in KINDS:
        return _table(rows(what), _terminal_width())
    for kind, base in (("teacher", Teacher), ("student", Student)):
        if what in public_classes(base):
            return class_help(kind, what)
    if what in PROVIDERS:
        return class_help("provider", what)
    for kind, word in WORDS.items():
        if what in _distilling(kind):
            return class_help(word, what, "distill")
    import_plugins(("envs",))
    if what in gymnasium.registry:
        return class_help("env", what)
    near = nearest(what, [*KINDS, *(row[0] for kind in KINDS for row in rows(kind))])
    raise UnknownName("list or name", what, {*KINDS, *near}, "A list has the names of all that there is of a kind.")


def rows(kind: str) -> list[Row]:
    """Returns name, channels (of an environment its task's coordinates), first line and paper of each of a kind."""
    if kind == "envs":
        found = {env_id: entry_class(env_id) for env_id in _our_envs()}
        return [(name, ", ".join(getattr(c, "task_names", ())), _line(c), _paper(c)) for name, c in found.items()]
    if kind in WORDS:
        return [(name, "", _line(c), _paper(c)) for name, c in sorted(_distilling(kind).items())]
    if kind == "providers":
        provided = {name: import_class(path) for name, path in PROVIDERS.items()}
        return [(name, "", _line(c), _paper(c)) for name, c in sorted(provided.items())]
    classes = public_classes(Teacher if kind == "teachers" else Student)
    return [(name, ", ".join(sorted(channels_of(c))), _line(c), _paper(c)) for name, c in sorted(classes.items())]


def _distilling(kind: str) -> Mapping[str, type]:
    """Returns the classes of what is chosen for a distillation, by name."""
    if kind == "losses":
        from teachrl.distillation.losses import LOSSES

        return LOSSES
    return methods() if kind == "methods" else networks()


def _our_envs() -> list[str]:
    """Returns the ids that plug-ins registered; Gymnasium's own have no tasks until they are wrapped."""
    roots = {module.__name__.partition(".")[0] for module in import_plugins(("envs",))}
    return sorted(i for i, spec in gymnasium.registry.items() if str(spec.entry_point).partition(".")[0] in roots)


def _line(found: object) -> str:
    return (inspect.getdoc(found) or "").partition("\n\n")[0].replace("\n", " ")


def _paper(found: object) -> str:
    return str(getattr(found, "citation", ""))


def _terminal_width() -> int | None:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _table(entries: Sequence[Row], width: int | None) -> str:
    """Aligns columns; names and channels are never cut, descriptions are wrapped to the width if there is one."""
    left, middle = (max((len(entry[i]) for entry in entries), default=0) for i in (0, 1))
    middle += 2 if middle else 0
    indent = left + middle + 2
    lines = []
    for name, channels, line, paper in entries:
        text = f"{line}  [{paper}]" if paper else line
        wrapped = textwrap.wrap(text, max(30, width - indent)) if width else [text]
        lines.append(f"{name:<{left}}  {channels:<{middle}}{wrapped[0] if wrapped else ''}".rstrip())
        lines += [" " * indent + more for more in wrapped[1:]]
    return "\n".join(lines)
