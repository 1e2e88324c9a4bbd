"""Asking an adviser without waiting: the answer to a question comes into force when it is due, or later if it is late.

A question is asked at one count of episodes, and its answer is due at another. An adviser that answers in no time is
asked in place, a language model in a thread, which ends with the answer; either way nothing comes of it before it is
due, so that runs whose answers were there in time are the same run.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from teachrl.advice.asking import Line, Reply, reply_data, reply_from
from teachrl.advice.partition import Partition
from teachrl.advice.questions import Question

_SAID = ("calls", "repaired", "tokens", "cost")


@dataclass(frozen=True, slots=True, eq=False)
class _Pending:
    """A question that is out: when its answer is due, whether it is late, and what came, if anything has."""

    question: Question
    due: int
    late: bool = False
    reply: Reply | None = None


class Consultation:
    """One question at a time.

    Args:
        adviser: Who is asked, see `make_adviser`.
    """

    def __init__(self, adviser: Any) -> None:
        self._line = Line(adviser)
        self._pending: _Pending | None = None
        self._thread: _Thread | None = None
        self._tally: Counter[str] = Counter()
        self._tokens, self._cost = 0, 0.0

    @property
    def busy(self) -> bool:
        """Whether a question is out."""
        return self._pending is not None

    @property
    def late(self) -> bool:
        """Whether a question is out whose answer was due before."""
        return self._pending is not None and self._pending.late

    @property
    def asked(self) -> int:
        """Questions so far."""
        return self._tally["asked"]

    def ask(self, question: Question, due: int) -> None:
        """Asks, and returns at once; the answer is due at so many episodes."""
        self._tally["asked"] += 1
        self._pending = self._begin(_Pending(question, due))

    def skip(self) -> None:
        """Counts a question that was not asked, because another one is out."""
        self._tally["skipped"] += 1

    def take(self, episodes: int) -> Reply | None:
        """Returns the answer if it is due and there; never waits.

        Raises:
            Exception: What was raised in asking, unless it is an `LLMError`: those are replies without a plan.
        """
        if self._pending is None:
            return None
        pending = self._listen(self._pending)
        if pending.reply is None and self._thread is None:
            pending = self._begin(pending)  # the run was interrupted when it was out
        self._pending = pending
        if episodes < pending.due:
            return None
        if pending.reply is None:
            self._tally["late"] += not pending.late
            self._pending = replace(pending, late=True)
            return None
        self._pending = None
        self._count(pending.reply)
        return pending.reply

    def _begin(self, pending: _Pending) -> _Pending:
        """Asks: in place if the answer is known at once, else in a thread."""
        if (reply := self._line.at_once(pending.question)) is not None:
            return replace(pending, reply=reply)
        self._thread = _Thread(self._line, pending.question)
        self._thread.start()
        return pending

    def _listen(self, pending: _Pending) -> _Pending:
        """Looks whether the thread has an answer."""
        if self._thread is None or (reply := self._thread.result()) is None:
            return pending
        self._thread = None
        return replace(pending, reply=reply)

    def _count(self, reply: Reply) -> None:
        self._tally[f"failed/{reply.failure}" if reply.plan is None else f"source/{reply.source}"] += 1
        self._tally["answered" if reply.plan is not None else "failed"] += 1
        self._tokens += reply.tokens
        self._cost += reply.cost

    def scalars(self) -> dict[str, float]:
        """Returns counts of questions, answers by source, failures by kind, tokens and cost of the answers.

        What a language model says of its own calls since the process began is below `client/`.
        """
        counts = dict.fromkeys(("asked", "answered", "failed", "late"), 0.0)
        counts |= {name: float(count) for name, count in self._tally.items()}
        counts |= {"tokens": float(self._tokens), "cost": self._cost}
        said = self._line.scalars()
        client = {f"client/{name}": said[f"llm/{name}"] for name in _SAID if f"llm/{name}" in said}
        return {**{f"llm/{name}": value for name, value in counts.items()}, **client}

    def state_dict(self) -> dict[str, Any]:
        """Returns the counts and the question that is out, with its answer if it is there."""
        if self._pending is not None:
            self._pending = self._listen(self._pending)
        return {
            "tally": dict(self._tally), "tokens": self._tokens, "cost": self._cost,
            "pending": None if self._pending is None else _pending_data(self._pending), "line": self._line.state_dict(),
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, Any], partition: Partition) -> None:
        """Continues from a `state_dict`; a question that had no answer is asked again, in the same words."""
        self._thread, self._pending = None, None
        self._tally = Counter({k: int(v) for k, v in state["tally"].items()})
        self._tokens, self._cost = int(state["tokens"]), float(state["cost"])
        self._line.load_state_dict(state["line"])
        if (out := state["pending"]) is not None:
            question = Question(out["number"], partition, None, [dict(m) for m in out["messages"]])
            reply = None if out["reply"] is None else reply_from(out["reply"])
            self._pending = _Pending(question, out["due"], out["late"], reply)

    def close(self, wait: float = 1.0) -> None:
        """Gives up the question that is out; waits so many seconds for its thread, which ends with its answer."""
        self._line.close()
        if self._thread is not None:
            self._thread.join(wait)
        self._thread, self._pending = None, None


class _Thread(threading.Thread):
    """Asks one question; the interpreter does not wait for it at its end."""

    def __init__(self, line: Line, question: Question) -> None:
        super().__init__(name="teachrl-tasks", daemon=True)
        self._line, self._question = line, question
        self._reply: Reply | None = None
        self._error: Exception | None = None

    def run(self) -> None:
        try:
            self._reply = self._line.wait(self._question)
        except Exception as error:  # raised where the answer is asked for
            self._error = error

    def result(self) -> Reply | None:
        """Returns the answer, None while there is none."""
        if self._error is not None:
            raise self._error
        return self._reply


def _pending_data(pending: _Pending) -> dict[str, Any]:
    return {
        "number": pending.question.number, "messages": [dict(m) for m in pending.question.messages],
        "due": pending.due, "late": pending.late, "reply": None if pending.reply is None else reply_data(pending.reply),
    }  # fmt: skip
