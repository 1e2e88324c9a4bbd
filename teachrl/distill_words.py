"""The command line of `teachrl distill`: whom its dotted flags are about, and its help."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from teachrl.configurable import Configurable
from teachrl.configuration import instantiate, resolve_class
from teachrl.distillation.names import make_method, make_network, methods
from teachrl.flags import Sorted, read_flags, sort_flags
from teachrl.quickstart import check_env_kwargs, make_wrapper
from teachrl.schemas import Schema
from teachrl.teacher import Teacher

KINDS = ("wrapper", "student", "method", "curriculum")
SKIP = ("wrappers", "student", "method", "curriculum", "teacher")
PARTS_HELP = """\
Who teaches whom:
  --teacher WHO         Who gives the labels: a run's directory, planner, a Stable-Baselines3 zip (with --trust), or
                        package.module:function. Several may be given: the first that has a label counts.
  --student NAME        The student's network: Recurrent (the default), MLP, CNN or package.module.Class.
  --student.PARAMETER VALUE
                        A parameter of the network, explained by --student NAME --help.
  --method NAME         How it learns: DAgger (the default), {methods} or package.module.Class.
  --method.PARAMETER VALUE
                        A parameter of the method, explained by --method NAME --help.
  --curriculum NAME     A teacher of other things, e.g. ALPGMM for the tasks; several may be given.
  --curriculum.PARAMETER VALUE
                        A parameter of the one before it.
  --wrapper NAME        A wrapper of the environment, package.module.Class or one of ours and Gymnasium's.
  --wrapper.PARAMETER VALUE
                        A parameter of the wrapper before it.
"""


def distill_arguments(words: Sequence[str], distill: Callable[..., Any]) -> dict[str, Any]:
    """Turns the words after `teachrl distill` into the arguments of `distill`.

    Raises:
        TeachrlError: If a name or a value is wrong.
    """
    given = sort_flags(read_flags(words, switches=("trust", "pictures")), KINDS)
    teachers = [flag.value for flag in given.flags if flag.path == ("teacher",)]
    plain = [flag for flag in given.flags if flag.path != ("teacher",)]
    schema = Schema(distill, skip=SKIP, owner="distill", prefix="--", more=(*KINDS, "teacher"))
    arguments = schema.check({}, plain)
    if "env" in arguments:
        check_env_kwargs(arguments["env"], arguments.get("env_kwargs", {}))
    for name, value in (("teacher", teachers), ("wrappers", _wrappers(given)), ("curriculum", _curriculum(given))):
        if value:
            arguments[name] = value
    for part in given.parts["student"]:
        arguments["student"] = make_network(part.name or "Recurrent", part.flags)
    for part in given.parts["method"]:
        arguments["method"] = make_method(part.name or "DAgger", part.flags)
    return arguments


def _wrappers(given: Sorted) -> list[Any]:
    return [make_wrapper(part.name, part.flags) for part in given.parts["wrapper"] if part.name]


def _curriculum(given: Sorted) -> list[Teacher]:
    return [instantiate(part.name, Teacher, part.flags) for part in given.parts["curriculum"]]


def parts_help() -> str:
    """Returns the help of the flags that name someone."""
    return PARTS_HELP.format(methods=", ".join(name for name in methods() if name != "DAgger"))


def explained(kind: str, name: str) -> tuple[Any, Schema, str]:
    """Returns the class that a word names, what it takes, and the flag it is given by.

    Raises:
        UnknownName: If there is no such class.
    """
    found: Any
    if kind == "method":
        found = methods().get(name) or type(make_method(name))
    else:
        found = resolve_class(name, Teacher if kind == "curriculum" else Configurable)
    return found, Schema(found), kind
