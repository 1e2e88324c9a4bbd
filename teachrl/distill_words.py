"""The command lines of `teachrl distill` and `teachrl collect`: whom their dotted flags are about, and their help."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from teachrl.configurable import Configurable
from teachrl.configuration import instantiate, resolve_class
from teachrl.distillation.names import make_method, make_network, methods, networks
from teachrl.errors import InvalidHyperparameter, UnknownName
from teachrl.flags import Part, Sorted, read_flags, sort_flags
from teachrl.quickstart import check_env_kwargs, make_wrapper
from teachrl.schemas import Schema
from teachrl.teacher import Teacher

KINDS = {"distill": ("teacher", "wrapper", "student", "method", "curriculum"), "collect": ("teacher", "wrapper")}
"""What the dotted flags of each verb are about."""
SKIP = {
    "distill": ("wrappers", "student", "method", "curriculum", "teacher"),
    "collect": ("wrappers", "teacher"),
}
"""The arguments of each verb's function that such flags make."""
TEACHER_HELP = """\
  --teacher WHO         Who gives the labels: a run's directory, planner, a Stable-Baselines3 zip (with --trust), or
                        package.module:function. Several may be given: the first that has a label counts.
  --teacher.tasks BOUNDS
                        The tasks that the teacher before it is asked about: [[low, high], ...], a pair for each
                        coordinate of the task space.
  --teacher.view NAME   The view that it sees, where that is not --teacher_view.
"""
LEARNER_HELP = """\
  --student NAME        The student's network: Recurrent (the default), MLP, CNN or package.module.Class.
  --student.PARAMETER VALUE
                        A parameter of the network, explained by --student NAME --help.
  --method NAME         How it learns: DAgger (the default), {methods} or package.module.Class.
  --method.PARAMETER VALUE
                        A parameter of the method, explained by --method NAME --help.
  --curriculum NAME     A teacher of other things, e.g. ALPGMM for the tasks; several may be given.
  --curriculum.PARAMETER VALUE
                        A parameter of the one before it.
"""
WRAPPER_HELP = """\
  --wrapper NAME        A wrapper of the environment, package.module.Class or one of ours and Gymnasium's.
  --wrapper.PARAMETER VALUE
                        A parameter of the wrapper before it.
"""


def distill_arguments(words: Sequence[str], distill: Callable[..., Any]) -> dict[str, Any]:
    """Turns the words after `teachrl distill` into the arguments of `distill`.

    Raises:
        TeachrlError: If a name or a value is wrong.
    """
    given, arguments = _common("distill", words, distill)
    if curriculum := [instantiate(part.name, Teacher, part.flags) for part in given.parts["curriculum"]]:
        arguments["curriculum"] = curriculum
    for part in given.parts["student"]:
        arguments["student"] = make_network(part.name or "Recurrent", part.flags)
    for part in given.parts["method"]:
        arguments["method"] = make_method(part.name or "DAgger", part.flags)
    return arguments


def collect_arguments(words: Sequence[str], collect: Callable[..., Any]) -> dict[str, Any]:
    """Turns the words after `teachrl collect` into the arguments of `collect`.

    Raises:
        TeachrlError: If a name or a value is wrong.
    """
    return _common("collect", words, collect)[1]


def _common(verb: str, words: Sequence[str], function: Callable[..., Any]) -> tuple[Sorted, dict[str, Any]]:
    """Returns the sorted flags, and the arguments that both verbs have: plain ones, teachers and wrappers."""
    given = sort_flags(read_flags(words, switches=("trust", "pictures")), KINDS[verb])
    schema = Schema(function, skip=SKIP[verb], owner=verb, prefix="--", more=KINDS[verb])
    arguments = schema.check({}, given.flags)
    if "env" in arguments:
        check_env_kwargs(arguments["env"], arguments.get("env_kwargs", {}))
    if teachers := [_teacher(part) for part in given.parts["teacher"]]:
        arguments["teacher"] = teachers
    if wrappers := [make_wrapper(part.name, part.flags) for part in given.parts["wrapper"] if part.name]:
        arguments["wrappers"] = wrappers
    return given, arguments


def _teacher(part: Part) -> Any:
    from teachrl.runs.labellers import options

    if part.name is None:
        raise InvalidHyperparameter(
            f"--teacher.{'.'.join(part.flags[0].path)} belongs to the teacher before it: name one first, e.g. "
            "--teacher runs/a."
        )
    return {"policy": part.name, **options({}, part.flags)} if part.flags else part.name


def parts_help(verb: str) -> str:
    """Returns the help of the flags that name someone."""
    learner = LEARNER_HELP.format(methods=", ".join(name for name in methods() if name != "DAgger"))
    heading = "Who teaches whom" if verb == "distill" else "Who acts, and where"
    return f"{heading}:\n{TEACHER_HELP}{learner if verb == 'distill' else ''}{WRAPPER_HELP}"


def explained(kind: str, name: str) -> tuple[Any, Schema, str]:
    """Returns the class that a word names, what it takes, and the flag it is given by.

    Raises:
        UnknownName: If there is no such class.
    """
    found: Any
    if kind == "loss":
        from teachrl.distillation.losses import LOSSES

        if name not in LOSSES:
            raise UnknownName("loss", name, LOSSES)
        return LOSSES[name], Schema(LOSSES[name]), "method.loss"
    if kind == "method":
        found = methods().get(name) or type(make_method(name))
    elif kind == "student":
        found = networks().get(name) or type(make_network(name))
    else:
        found = resolve_class(name, Teacher if kind == "curriculum" else Configurable)
    return found, Schema(found), kind
