"""The arguments of a verb's function, out of the command line, and their explanation."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Sequence
from typing import Any

import gymnasium

from teachrl._vector.resolve import resolve_wrappers
from teachrl.configurable import full_name, import_class
from teachrl.configuration import resolve_class
from teachrl.flags import PLURALS, read_flags, sort_flags
from teachrl.providers import PROVIDERS
from teachrl.quickstart import PARTS, entry_class, train_arguments, wrapper_schema
from teachrl.schemas import Schema
from teachrl.student import Student
from teachrl.teacher import Teacher

BASES: dict[str, type] = {"teacher": Teacher, "student": Student, "wrapper": gymnasium.Wrapper}
KINDS = {
    "train": tuple(BASES), "distill": ("student", "method", "curriculum", "wrapper"), "collect": ("wrapper",),
    "plan-subgoals": ("provider",),
}  # fmt: skip
"""The verbs whose flags name classes, and what kinds of classes."""
PARTS_HELP = """\
Who teaches whom:
  --teacher NAME        A teacher, `teachrl list teachers` or package.module.Class; several may be given.
  --teacher.PARAMETER VALUE
                        A parameter of the teacher before it, explained by --teacher NAME --help.
  --student NAME        The student, `teachrl list students` or package.module.Class.
  --student.PARAMETER VALUE
                        A parameter of the student, explained by --student NAME --help.
  --wrapper NAME        A wrapper of the environment, package.module.Class or one of ours and Gymnasium's.
  --wrapper.PARAMETER VALUE
                        A parameter of the wrapper before it.
  --config FILE         A run's config.yaml, or one by hand; flags come on top.
"""


def read(verb: str, function: Callable[..., Any], words: Sequence[str]) -> dict[str, Any]:
    """Turns the words after a verb into the arguments of its function.

    Raises:
        TeachrlError: If a name or a value is wrong.
    """
    if verb == "train":
        return train_arguments(sort_flags(read_flags(words)), function)
    if verb == "distill":
        from teachrl.distill_words import distill_arguments

        return distill_arguments(words, function)
    if verb == "collect":
        from teachrl.distill_words import collect_arguments

        return collect_arguments(words, function)
    if verb == "plan-subgoals":
        from teachrl.plan_words import plan_arguments

        return plan_arguments(words, function)
    schema = Schema(function, owner=verb, prefix="--")
    switches = [name for name, parameter in schema.parameters.items() if parameter.type == "bool"]
    return schema.check({}, read_flags(words, positional(function), switches))


def positional(function: Callable[..., Any]) -> list[str]:
    """Returns the parameters that plain words fill: those without a default, or else the first."""
    parameters = [p for p in inspect.signature(function).parameters.values() if p.kind is not p.KEYWORD_ONLY]
    return [p.name for p in parameters if p.default is p.empty] or [p.name for p in parameters[:1]]


def help_text(verb: str, examples: str, function: Callable[..., Any], words: Sequence[str]) -> str | None:
    """Returns the help that the words ask for, None if they ask for none.

    `--help` after classes explains their parameters; `--teacher.help NAME` does so for one.
    """
    asked = [word for word in words if word in ("-h", "--help") or word.endswith(".help") or ".help=" in word]
    if not asked:
        return None
    if verb in KINDS and (named := _named(words, KINDS[verb])):
        return "\n".join(class_help(*pair, verb) for pair in named)
    about = inspect.getdoc(function) or ""
    skipped, parts = _parts(verb)
    words_taken = [name.upper() for name in positional(function) if verb not in KINDS]
    usage = " ".join(["usage: teachrl", verb, *words_taken])
    schema = Schema(function, skip=skipped)
    return f"{usage} [--name value ...]\n\n{about.partition('Args:')[0].strip()}\n\n{examples}{parts}\n{schema.help()}"


def _parts(verb: str) -> tuple[Collection[str], str]:
    """Returns the arguments that a verb's flags name classes for, and their help."""
    if verb == "train":
        return PARTS.values(), f"\n{PARTS_HELP}"
    if verb in ("distill", "collect"):
        from teachrl.distill_words import SKIP, parts_help

        return SKIP[verb], f"\n{parts_help(verb)}"
    if verb == "plan-subgoals":
        from teachrl import plan_words

        return plan_words.KINDS, f"\n{plan_words.parts_help()}"
    return (), ""


def class_help(kind: str, name: str, verb: str = "train") -> str:
    """Explains a teacher, provider, student, network, method, loss, wrapper or env and its parameters, as flags.

    Raises:
        UnknownName: If there is no such class.
    """
    found, schema, key = _explained(kind, name, verb)
    about = (inspect.getdoc(found) or "").partition("Args:")[0].strip()
    citation = getattr(found, "citation", "")
    channels = ", ".join(sorted(channels_of(found)))
    flag = {"loss": "method.loss.name", "provider": key}.get(kind, kind)
    lines = [f"--{flag} {name}", "", about, "", *([f"Paper: {citation}"] if citation else [])]
    lines += [f"Channels: {channels}"] if channels else []
    return "\n".join(lines) + "\n\n" + schema.help(key)


def _explained(kind: str, name: str, verb: str) -> tuple[Any, Schema, str]:
    if kind == "wrapper":
        ((wrapper, _),) = resolve_wrappers([name])
        return wrapper, wrapper_schema(wrapper), kind
    if kind == "env":
        return entry_class(name), Schema(entry_class(name)), "env_kwargs"
    if kind == "provider":
        provider = import_class(full_name(name, kind, PROVIDERS))
        return provider, Schema(provider), kind if verb == "plan-subgoals" else "teacher.provider"
    if verb == "distill":
        from teachrl.distill_words import explained

        return explained(kind, name)
    found: Any = resolve_class(name, BASES[kind])
    return found, Schema(found), kind


def channels_of(found: Any) -> frozenset[str]:
    """Returns the channels that a teacher's class uses, or a student's accepts, as far as the class tells."""
    from teachrl.teacher import CHANNELS

    if isinstance(found, type) and issubclass(found, Teacher):
        return frozenset(channel for channel, method in CHANNELS.items() if hasattr(found, method))
    accepts: Any = getattr(found, "accepts", frozenset())
    if isinstance(accepts, property) and not Schema(found).required:
        accepts = found().accepts  # it depends on the arguments: tell what holds for the defaults
    return accepts if isinstance(accepts, frozenset) else frozenset()


def _named(words: Sequence[str], kinds: Collection[str]) -> list[tuple[str, str]]:
    """Returns the (kind, name) pairs of the classes that the words name."""
    named = []
    for word, following in zip(words, [*words[1:], ""], strict=True):
        flag, _, value = word.removeprefix("--").partition("=")
        kind = PLURALS.get(flag.removesuffix(".help"), flag.removesuffix(".help"))
        name = value or following
        if word.startswith("--") and kind in kinds and name and not name.startswith("-"):
            named.append((kind, name))
    return named
