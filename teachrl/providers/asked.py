"""Subgoals from a language model, without anyone waiting for it."""

from __future__ import annotations

import math
import threading
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from itertools import takewhile
from queue import SimpleQueue
from typing import Any, ClassVar

import numpy as np

from teachrl._checks import check_count, check_flag
from teachrl.llm import LLM
from teachrl.llm.errors import LLMError, NotConfigured, Unavailable
from teachrl.providers.askers import Askers
from teachrl.providers.provider import SubgoalProvider
from teachrl.providers.questions import FINAL, PASSING, Found, Questions
from teachrl.subgoals import Layout, Layouts, Subgoal

OPEN = 256
"""Questions that may wait for an answer; what is asked beyond that is asked when its level comes again."""
PAUSE = 5.0
"""Seconds without new questions after one that the endpoint did not answer."""
FAILURES = 3
"""Failures of the endpoint in a row after which `prepare` gives up."""
UNUSED = 300
"""Answers of which none was ever used, after which a warning says so."""
ONCE = "Said once for each kind of failure; how many plans came from where is counted."


@dataclass(frozen=True, slots=True)
class Prepared:
    """What came of a question that was asked ahead of need.

    Attributes:
        layout: What was asked about.
        plan: The subgoals.
        source: Where they are from: `live`, `cache`, `fallback` or `none`; empty if the question is still to be asked.
        problem: Why the model has no answer, empty if it has.
    """

    layout: Layout
    plan: list[Subgoal]
    source: str
    problem: str = ""


class Asked(SubgoalProvider):
    """Plans of a language model, asked for in the background.

    A plan that is in memory or in the model's cache is given at once. Any other is asked for by a few threads, as many
    as the model's `concurrency`, while this episode gets the fallback's plan, which is counted; the next episode on the
    same level gets the model's. A run with few levels (`Levels`) meets its answers again, one with ever new levels does
    not. What a model cannot answer is not asked again in this run. Nothing is asked any more once a budget is spent,
    and little while the endpoint is down; training goes on in any case.

    So a live run depends on when its answers came, and cannot be reproduced. `teachrl plan-subgoals` asks ahead of need
    and writes a file for `Recorded`, with which a run is a function of its seed. So it is with the model's `mode`
    replay or off, where no thread is made, and with `wait`.

    Args:
        llm: The language model, an `LLM`.
        fallback: Who plans where the model has no plan: `Planner`, `none`, or another provider.
        wait: Ask in the middle of training and wait for the answer, which holds all environments up.
        most: Subgoals that a plan may have.
    """

    short_names: ClassVar[Mapping[str, str]] = dict.fromkeys(("llm", "fallback"), "teachrl.providers:PROVIDERS")

    def __init__(self, llm: Any, fallback: Any = "Planner", wait: bool = False, most: int = 8) -> None:
        self.llm = llm
        self.fallback = fallback
        self.wait = wait
        self.most = most

    def begin(self, layouts: Layouts, rng: np.random.Generator) -> None:
        """Starts a run; the model is not asked anything yet.

        Raises:
            InvalidHyperparameter: If an argument is impossible.
            TeachrlError: If the fallback cannot provide.
        """
        check_count(self, "most", 1)
        check_flag(self, "wait")
        super().begin(layouts, rng)
        self._model = self._begin_model()
        self._fallback = self._begin_fallback(layouts, rng)
        # Threads check answers with layouts of their own, while the run uses the others.
        self._questions = Questions(self._model, type(layouts)(), self.most)
        self._mode = getattr(self._model, "mode", "live")
        self._lock = threading.Lock()
        self._open: set[str] = set()
        self._rest_until = 0.0
        self._news: list[str] = []
        self._told: set[str] = set()
        self._answered, self._used = 0, 0
        self._threads = max(1, int(getattr(self._model, "concurrency", 1)))
        self._askers: Askers[Layout] = Askers(self._ask, self._threads, OPEN)

    def _begin_model(self) -> Any:
        """Returns the model; of one that was handed in a copy, whose budgets are this run's, and which ends with it."""
        from teachrl.providers import PROVIDERS, _made

        model = copy(self.llm) if isinstance(self.llm, LLM) else _made(self.llm, "language model", PROVIDERS)
        if callable(check := getattr(model, "validate", None)):
            check(None)
        return model

    def _begin_fallback(self, layouts: Layouts, rng: np.random.Generator) -> SubgoalProvider | None:
        from teachrl.providers import make_provider

        if self.fallback in (None, "none"):
            return None
        made = make_provider(self.fallback)
        made.kind, made.env_id = self.kind, self.env_id
        made.begin(layouts, rng)
        return made

    @property
    def _at_once(self) -> bool:
        """Whether to ask here and now: told to wait, or in a mode in which nothing is ever waited for."""
        return self.wait or self._mode in ("replay", "off")

    def plan(self, layout: Layout) -> list[Subgoal]:
        """Returns the model's plan, or the fallback's as long as there is none; waits for nothing, unless told to.

        Raises:
            NotConfigured: If the model has no name, or its cache cannot be read.
        """
        found = self._questions.recall(layout) or self._seek(layout)
        self._warn()
        if found is None:
            return self._instead(layout)[0]
        self._used += 1
        return self.counted(found.source, list(found.plan))

    def prepare(self, levels: Iterable[Layout]) -> Iterator[Prepared]:
        """Asks about many layouts, several at a time, waits, and yields what came of each as it comes.

        Args:
            levels: The layouts, read as they are asked about.

        Yields:
            The plan of each: of the fallback if the model's answer cannot be used, and an empty one without a source if
            the endpoint failed, so that it has to be asked again.

        Raises:
            LLMError: If nothing more can be asked: a budget is spent, the model is switched off or not configured, or
                the endpoint failed several times in a row. What was answered until then was yielded before.
        """
        failures = 0
        final: list[LLMError] = []  # once there is one, no more is asked, but what is under way is waited for
        for layout, error in self._each(takewhile(lambda _: not final, levels)):
            if error is None and (found := self._questions.recall(layout)) is not None:
                yield Prepared(layout, self.counted(found.source, list(found.plan)), found.source)
            elif isinstance(error, PASSING):
                yield Prepared(layout, [], "", str(error))
            else:
                yield Prepared(layout, *self._instead(layout), str(error))
            failures = failures + 1 if isinstance(error, Unavailable) else 0
            if isinstance(error, FINAL) or (error is not None and failures >= FAILURES):
                final.append(error)
        if final:
            raise final[0]

    def _each(self, levels: Iterable[Layout]) -> Iterator[tuple[Layout, LLMError | None]]:
        """Yields each layout and why it has no answer; a few more than there are threads are under way at a time."""
        if self._at_once:
            yield from ((layout, self._questions.ask(layout)) for layout in levels)
            return
        done: SimpleQueue[tuple[Layout, LLMError | None]] = SimpleQueue()
        most, waiting = 2 * self._threads, 0
        askers: Askers[Layout] = Askers(
            lambda layout: done.put((layout, self._questions.ask(layout))), self._threads, most
        )
        try:
            for layout in levels:
                waiting += askers.put(layout)
                if waiting == most:
                    waiting -= 1
                    yield done.get()
            for _ in range(waiting):
                yield done.get()
        finally:
            askers.close()

    def _seek(self, layout: Layout) -> Found | None:
        """Takes a plan out of the cache, or else has the question asked, unless it is open or was refused."""
        if self._mode == "off" or self._questions.is_hopeless(layout):
            return None
        found = self._questions.look_up(layout)
        if found is not None or time.monotonic() < self._rest_until or self._questions.is_hopeless(layout):
            return found
        if not self._at_once:
            self._hand_over(layout)
            return None
        if isinstance(error := self._ask(layout), NotConfigured):
            raise error
        return self._questions.recall(layout)

    def _hand_over(self, layout: Layout) -> None:
        """Has a question asked by a thread, unless that is under way, or too many are."""
        with self._lock:
            if layout.digest in self._open:
                return
            self._open.add(layout.digest)
        if not self._askers.put(layout):
            with self._lock:
                self._open.discard(layout.digest)

    def _ask(self, layout: Layout) -> LLMError | None:
        """Asks, and draws the conclusions if the endpoint failed; runs in threads."""
        error = self._questions.ask(layout)
        with self._lock:
            self._open.discard(layout.digest)
            self._answered += error is None
            if isinstance(error, FINAL) and self._rest_until < math.inf:
                self._rest_until = math.inf
                self._news.append(f"The language model is asked nothing more in this run, {self._standing_in}: {error}")
            elif error is not None and error.kind not in self._told and self._rest_until < math.inf:
                self._told.add(error.kind)
                self._news.append(f"The language model has no plan for a level, {self._standing_in}. {error} {ONCE}")
            if isinstance(error, Unavailable):
                self._rest_until = max(self._rest_until, time.monotonic() + PAUSE)
        if self._rest_until == math.inf:
            self._askers.close()
            with self._lock:
                self._open.clear()
        return error

    def _instead(self, layout: Layout) -> tuple[list[Subgoal], str]:
        plan = [] if self._fallback is None else self._fallback.plan(layout)
        return self.counted("fallback", plan), "fallback" if plan else "none"

    def _warn(self) -> None:
        """Warns, in the run's own thread, of what came up in others."""
        with self._lock:
            news, self._news = self._news, []
            if self._used == 0 and self._answered >= UNUSED:
                self._used = 1
                news.append(
                    f"The language model planned {self._answered} levels, none of which came again: its plans are not "
                    "used. Give the run levels that come again, --teacher Levels, or ask ahead of need, "
                    "`teachrl plan-subgoals`."
                )
        for line in news:
            warnings.warn(line, RuntimeWarning, stacklevel=3)

    @property
    def _standing_in(self) -> str:
        return "nobody plans in its place" if self._fallback is None else "the fallback plans"

    def scalars(self) -> dict[str, float]:
        """Returns how many plans came from where, the refusals by reason, and the model's calls, tokens and cost."""
        self._warn()  # a run that begins no more episodes hears of it as well
        return super().scalars() | {"asked/open": float(len(self._open))} | self._questions.scalars()

    def state_dict(self) -> dict[str, Any]:
        """Returns the counts, what the model could not answer, and the fallback's state."""
        fallback = None if self._fallback is None else self._fallback.state_dict()
        return {**super().state_dict(), "questions": self._questions.state_dict(), "fallback": fallback}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`, after `begin`."""
        super().load_state_dict(state)
        self._questions.load_state_dict(state["questions"])
        if self._fallback is not None and state["fallback"] is not None:
            self._fallback.load_state_dict(state["fallback"])

    def close(self) -> None:
        """Asks nothing more; returns at once, whatever is being waited for. A stranger's object stays open."""
        self._askers.close()
        self._questions.close()
        if self._model is not self.llm:
            self._model.close()
        if self._fallback is not None:
            self._fallback.close()
