"""The command line of `teachrl plan-subgoals`: whom its dotted flags are about, and their help."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from teachrl.configurable import Configurable, full_name
from teachrl.configuration import instantiate, parse_spec
from teachrl.errors import InvalidHyperparameter
from teachrl.flags import Part, read_flags, sort_flags
from teachrl.providers import PROVIDERS
from teachrl.quickstart import check_env_kwargs
from teachrl.schemas import Schema

KINDS = ("provider",)
"""What the dotted flags are about."""
HELP = """\
Who plans:
  --provider NAME       {names} or package.module.Class.
  --provider.PARAMETER VALUE
                        A parameter of the provider, explained by --provider NAME --help.
"""


def plan_arguments(words: Sequence[str], plan_subgoals: Callable[..., Any]) -> dict[str, Any]:
    """Turns the words after `teachrl plan-subgoals` into the arguments of `plan_subgoals`.

    Raises:
        TeachrlError: If a name or a value is wrong.
    """
    given = sort_flags(read_flags(words), KINDS)
    schema = Schema(plan_subgoals, skip=KINDS, owner="plan-subgoals", prefix="--", more=KINDS)
    arguments = schema.check({}, given.flags)
    if arguments.get("env"):
        check_env_kwargs(arguments["env"], arguments.get("env_kwargs", {}))
    for part in given.parts["provider"]:
        arguments["provider"] = _provider(part)
    return arguments


def _provider(part: Part) -> Any:
    if part.name is None:
        raise InvalidHyperparameter(
            f"--provider.{'.'.join(part.flags[0].path)} belongs to the provider before it: name one first, e.g. "
            "--provider LLM."
        )
    spec = parse_spec(part.name)
    spec["class_path"] = full_name(spec["class_path"], "provider", PROVIDERS)
    return instantiate(spec, Configurable, part.flags)


def parts_help() -> str:
    """Returns the help of the flags that name someone."""
    return HELP.format(names=", ".join(PROVIDERS))
