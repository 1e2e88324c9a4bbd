"""Who knows the subgoals of a layout: a planner, one that errs, a file of answers, a language model, or your own.

A provider is a `SubgoalProvider`, or any object with `plan(layout) -> list[Subgoal]`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from teachrl.configurable import full_name, import_class
from teachrl.errors import InvalidHyperparameter

if TYPE_CHECKING:
    from teachrl.providers.embeddings import HashedWords, SentenceEncoder
    from teachrl.providers.noisy import Noisy
    from teachrl.providers.planner import Planner
    from teachrl.providers.provider import SubgoalProvider
    from teachrl.providers.recorded import Recorded

__all__ = [
    "ENCODERS",
    "PROVIDERS",
    "HashedWords",
    "Noisy",
    "Planner",
    "Recorded",
    "SentenceEncoder",
    "SubgoalProvider",
    "make_encoder",
    "make_provider",
]

PROVIDERS = {
    "Asked": "teachrl.providers.asked.Asked",
    "LLM": "teachrl.llm.LLM",
    "Noisy": "teachrl.providers.noisy.Noisy",
    "Planner": "teachrl.providers.planner.Planner",
    "Recorded": "teachrl.providers.recorded.Recorded",
}
"""The providers that have a short name, and their classes."""
ENCODERS = {
    "HashedWords": "teachrl.providers.embeddings.HashedWords",
    "SentenceEncoder": "teachrl.providers.embeddings.SentenceEncoder",
}
"""The encoders of subgoals in words that have a short name, and their classes."""

_HOMES = {path.rpartition(".")[2]: path.rpartition(".")[0] for path in (*PROVIDERS.values(), *ENCODERS.values())}
_HOMES |= {"SubgoalProvider": "teachrl.providers.provider"}


def __getattr__(name: str) -> Any:
    """Imports a provider on first use, so that `import teachrl.providers` stays quick."""
    if name not in __all__ or name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return list(__all__)


def make_provider(source: Any) -> SubgoalProvider:
    """Returns a provider: itself, or made of a name, of a class path with arguments, or of an object that can plan.

    Args:
        source: A provider, a name in `PROVIDERS` or `package.module.Class`, `{"class_path": ..., "init_args": {...}}`,
            a language model (an object with `ask`), or any object with `plan(layout)`.

    Raises:
        UnknownName: If there is no such class.
        InvalidHyperparameter: If it cannot be made, or is nothing that plans.
    """
    from teachrl.providers.provider import Foreign, SubgoalProvider

    made = _made(source, "provider", PROVIDERS)
    if isinstance(made, SubgoalProvider):
        return made
    if callable(getattr(made, "plan", None)) and not isinstance(made, type):
        return Foreign(made)
    if callable(getattr(made, "ask", None)) and not isinstance(made, type):
        from teachrl.providers.asked import Asked

        return Asked(source if isinstance(source, str | Mapping) else made)  # it closes what it makes itself
    raise InvalidHyperparameter(
        f"A provider of subgoals is one of {', '.join(PROVIDERS)}, or an object with plan(layout) -> list of Subgoals, "
        f"got {source!r}."
    )


def make_encoder(source: Any) -> Any:
    """Returns an encoder of subgoals in words: itself, or made of a name or of a class path with arguments.

    Raises:
        UnknownName: If there is no such class.
        InvalidHyperparameter: If it cannot be made, or is nothing that encodes.
    """
    made = _made(source, "encoder", ENCODERS)
    if (
        isinstance(made, type)
        or not callable(getattr(made, "encode", None))
        or not isinstance(getattr(made, "dim", None), int)
    ):
        raise InvalidHyperparameter(
            f"An encoder of subgoals is one of {', '.join(ENCODERS)}, or an object with encode(texts) -> (n, dim) and "
            f"an attribute dim, got {source!r}."
        )
    return made


def _made(source: Any, kind: str, table: Mapping[str, str]) -> Any:
    if isinstance(source, str):
        source = {"class_path": source}
    if not isinstance(source, Mapping):
        return source
    name, arguments = str(source.get("class_path")), source.get("init_args") or {}
    found = import_class(full_name(name, kind, table))
    try:
        return found(**arguments)
    except TypeError as error:
        raise InvalidHyperparameter(f"The {kind} {name} refuses its arguments: {error}.") from error
