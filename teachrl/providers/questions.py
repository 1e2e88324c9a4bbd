"""The questions of a run about its layouts, and what came of them; any thread may ask."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import Any

from teachrl.llm import LLM
from teachrl.llm.errors import BudgetSpent, CacheMiss, InvalidAnswer, LLMError, NotConfigured, SwitchedOff, Unavailable
from teachrl.providers.prompts import PROMPT_VERSION, RULES, Checker, messages, schema
from teachrl.subgoals import Layout, Layouts, Subgoal

FINAL = (BudgetSpent, SwitchedOff, NotConfigured)
"""Failures after which there is no point in asking anything more."""
PASSING = (Unavailable, *FINAL)
"""Failures that are not the question's fault: it may be asked again."""
ANYTHING: dict[str, Any] = {}
"""The schema that answers must fit here: whatever is wrong with one, `Checker` says it, and counts it."""
KEPT = 20_000
"""Plans, and failures, that are held in memory."""


@dataclass(frozen=True, slots=True)
class Found:
    """A model's plan for a layout, and whether it came from the model, `live`, or from its `cache`."""

    plan: list[Subgoal]
    source: str


class Questions:
    """Asks a model about layouts and remembers its plans, and which layouts it could not plan for.

    Args:
        llm: The language model.
        layouts: Checks answers; used under a lock, by one thread at a time.
        most: Subgoals that a plan may have.
    """

    def __init__(self, llm: Any, layouts: Layouts, most: int) -> None:
        self._llm, self._layouts, self._most = llm, layouts, most
        self._found: OrderedDict[str, Found] = OrderedDict()
        self._failed: OrderedDict[str, str] = OrderedDict()
        self._missed: OrderedDict[str, None] = OrderedDict()
        self._refused: Counter[str] = Counter()
        self._lock, self._checking = threading.Lock(), threading.Lock()
        self._memory = _only_from_cache(llm)

    def recall(self, layout: Layout) -> Found | None:
        """Returns the plan if it is in memory."""
        with self._lock:
            return self._found.get(layout.digest)

    def is_hopeless(self, layout: Layout) -> bool:
        """Tells whether the model failed to plan for this layout before."""
        with self._lock:
            return layout.digest in self._failed

    def look_up(self, layout: Layout) -> Found | None:
        """Returns the plan if it is in the model's cache; a wrong answer found there counts as a failure to plan.

        Raises:
            NotConfigured: If there is no such cache, or no model is named.
        """
        if self._memory is None or layout.digest in self._missed:
            return None
        error = self._ask(self._memory, layout)
        if isinstance(error, CacheMiss):
            with self._lock:
                _keep(self._missed, layout.digest, None)
        elif isinstance(error, FINAL):
            raise error
        return self.recall(layout)

    def ask(self, layout: Layout) -> LLMError | None:
        """Asks, waits, and remembers what came of it; returns why there is no plan, None if there is. Never raises."""
        return self._ask(self._llm, layout)

    def _ask(self, llm: Any, layout: Layout) -> LLMError | None:
        try:
            told = messages(layout, self._most, getattr(self._layouts, "rules", RULES))
            loosely = {"fits": ANYTHING} if isinstance(llm, LLM) else {}  # others check what they like
            answer = llm.ask(
                told, schema(layout, self._most), lambda data: self._check(layout, data), PROMPT_VERSION, **loosely
            )
        except LLMError as error:
            missed = llm is self._memory and isinstance(error, CacheMiss)
            if not missed and not isinstance(error, PASSING):
                with self._lock:
                    _keep(self._failed, layout.digest, error.kind)
            return error
        except Exception as error:  # whatever a server or a layout comes up with, a thread must not die of it
            with self._lock:
                _keep(self._failed, layout.digest, "error")
            return InvalidAnswer(f"The answer cannot be used: {type(error).__name__}: {error}")
        with self._lock:
            _keep(self._found, layout.digest, Found(answer.value, "live" if answer.source == "live" else "cache"))
        return None

    def _check(self, layout: Layout, data: Any) -> list[Subgoal]:
        with self._checking:
            return Checker(self._layouts, layout, self._most, self._refused)(data)

    def scalars(self) -> dict[str, float]:
        """Returns how many layouts have no plan, the refusals by reason, and what the model says of itself."""
        with self._checking:
            refused = {f"refused/{reason}": float(times) for reason, times in sorted(self._refused.items())}
        model = dict(self._llm.scalars())
        if self._memory is not None:
            model["llm/hits"] = model.get("llm/hits", 0.0) + self._memory.scalars()["llm/hits"]
        return {"asked/failed": float(len(self._failed)), **refused, **model}

    def state_dict(self) -> dict[str, Any]:
        """Returns the failures and what the model has spent; plans are in its cache."""
        spent = self._llm.state_dict() if isinstance(self._llm, LLM) else None
        with self._lock, self._checking:
            return {"failed": dict(self._failed), "refused": dict(self._refused), "spent": spent}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`."""
        self._failed, self._refused = OrderedDict(state["failed"]), Counter(state["refused"])
        if isinstance(self._llm, LLM) and state["spent"] is not None:
            self._llm.load_state_dict(state["spent"])

    def close(self) -> None:
        """Lets go of the cache."""
        if self._memory is not None:
            self._memory.close()


def _only_from_cache(llm: Any) -> LLM | None:
    """Returns a model that answers from the same cache and never calls anyone, so that nobody waits for it."""
    if not isinstance(llm, LLM) or llm.mode != "cache":
        return None
    return LLM(**{**llm.init_args, "mode": "replay"})


def _keep(memory: OrderedDict[str, Any], name: str, value: Any) -> None:
    """Keeps a value, at the cost of the oldest one if there are too many."""
    memory[name] = value
    if len(memory) > KEPT:
        memory.popitem(last=False)
