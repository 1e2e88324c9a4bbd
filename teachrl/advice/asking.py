"""Who is asked for tasks, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

from teachrl.advice.plans import Plan
from teachrl.advice.questions import Question
from teachrl.configurable import full_name, import_class
from teachrl.errors import InvalidHyperparameter
from teachrl.llm import LLM, InvalidAnswer, LLMError

PROVIDERS = {"RuleBased": "teachrl.advice.rules.RuleBased", "LLM": "teachrl.llm.LLM"}
"""Who can be asked, by short name."""


@dataclass(frozen=True, slots=True, eq=False)
class Reply:
    """What came of a question.

    Attributes:
        plan: The advice, None if there is none.
        source: Where it is from: `"rule"`, `"cache"`, `"live"` or `"replay"`; empty for none.
        tokens: Tokens that it took.
        cost: What it cost.
        failure: Why there is none, one word; empty if there is.
        problem: The same in a sentence.
    """

    plan: Plan | None
    source: str = ""
    tokens: int = 0
    cost: float = 0.0
    failure: str = ""
    problem: str = ""


@runtime_checkable
class Adviser(Protocol):
    """Who proposes tasks without a language model: `RuleBased`, or one of your own."""

    def propose(self, question: Question) -> Any:
        """Returns an answer as JSON data, see `teachrl.advice.questions.SYSTEM`; it is checked like a model's."""


def make_adviser(spec: Any) -> Any:
    """Returns who is asked: an object with `propose(question)` or with `ask(messages, schema, check)`, or one by name.

    Raises:
        UnknownName: If there is none of that name.
        InvalidHyperparameter: If it can be asked nothing.
    """
    made = _made(spec) if isinstance(spec, str | Mapping) else spec
    if isinstance(made, type) or not (callable(getattr(made, "propose", None)) or callable(getattr(made, "ask", None))):
        raise InvalidHyperparameter(
            f"A provider of tasks is one of {', '.join(PROVIDERS)}, or an object with propose(question) or with "
            f"ask(messages, schema, check), got {spec!r}."
        )
    return made


def _made(spec: str | Mapping[str, Any]) -> Any:
    described: Mapping[str, Any] = {"class_path": spec} if isinstance(spec, str) else spec
    name = str(described.get("class_path"))
    found = import_class(full_name(name, "provider of tasks", PROVIDERS))
    try:
        return found(**(described.get("init_args") or {}))
    except TypeError as error:
        raise InvalidHyperparameter(f"The provider of tasks {name} refuses its arguments: {error}.") from error


class Line:
    """The line to an adviser: what it answers at once, and what has to be waited for.

    A run asks a language model through a copy of its own, whose budgets are the run's, and which ends with the run.

    Args:
        adviser: Who is asked, see `make_adviser`.
    """

    def __init__(self, adviser: Any) -> None:
        self._adviser = copy(adviser) if isinstance(adviser, LLM) else adviser
        self._memory: LLM | None = None
        if isinstance(self._adviser, LLM) and self._adviser.mode == "cache":
            self._memory = copy(self._adviser)
            self._memory.mode = "replay"

    def at_once(self, question: Question) -> Reply | None:
        """Returns what comes of a question without asking a server; None if one has to be asked."""
        if callable(getattr(self._adviser, "propose", None)) or getattr(self._adviser, "mode", "") in ("replay", "off"):
            return self.wait(question)
        if self._memory is None:
            return None
        reply = _ask(self._memory, question)
        if reply.plan is not None:
            return replace(reply, source="cache")
        return reply if reply.failure == InvalidAnswer.kind else None

    def wait(self, question: Question) -> Reply:
        """Asks and waits. What a language model fails in becomes a reply without a plan; other errors are raised."""
        return _ask(self._adviser, question)

    def scalars(self) -> dict[str, float]:
        """Returns what a language model says of itself."""
        return self._adviser.scalars() if isinstance(self._adviser, LLM) else {}

    def state_dict(self) -> dict[str, Any] | None:
        """Returns what a language model has spent, for its limits; None for other advisers."""
        return self._adviser.state_dict() if isinstance(self._adviser, LLM) else None

    def load_state_dict(self, state: Mapping[str, Any] | None) -> None:
        """Continues from a `state_dict`."""
        if isinstance(self._adviser, LLM) and state is not None:
            self._adviser.load_state_dict(state)

    def close(self) -> None:
        """Ends the copies; who still waits gets no answer."""
        for llm in (self._adviser, self._memory):
            if isinstance(llm, LLM):
                llm.close()


def _ask(adviser: Any, question: Question) -> Reply:
    try:
        if callable(getattr(adviser, "propose", None)):
            return Reply(question.check(adviser.propose(question)), "rule")
        got = adviser.ask(question.messages, question.schema, question.check)
    except LLMError as error:
        return Reply(None, failure=error.kind, problem=str(error))
    return Reply(got.value, got.source, int(got.tokens), float(got.cost))


def reply_data(reply: Reply) -> dict[str, Any]:
    """Returns a reply as data."""
    plan = None if reply.plan is None else reply.plan.to_data()
    return {**{name: getattr(reply, name) for name in ("source", "tokens", "cost", "failure", "problem")}, "plan": plan}


def reply_from(data: Mapping[str, Any]) -> Reply:
    """Rebuilds a reply from `reply_data`'s dict."""
    return Reply(**{**data, "plan": None if data["plan"] is None else Plan.from_data(data["plan"])})
