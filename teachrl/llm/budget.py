"""Limits on calls, tokens and money, kept also by calls that run at the same time.

A call is let through if what was spent, what calls on their way may still take, and what it may take itself stay within
every limit. What it may take is the prompt's estimate and the longest answer allowed.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import astuple, dataclass

from teachrl.llm.errors import BudgetSpent
from teachrl.llm.requests import Request

PER = 1e6
"""Prices are for so many tokens."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Calls, tokens of prompts and of answers, and US dollars."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0

    @property
    def tokens(self) -> int:
        """Tokens of prompts and answers."""
        return self.input_tokens + self.output_tokens

    def plus(self, other: Spent) -> Spent:
        """Returns the sum."""
        return Spent(
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cost + other.cost,
        )

    def without(self, other: Spent) -> Spent:
        """Returns the difference, where it is above 0."""
        return Spent(*(max(0, mine - its) for mine, its in zip(astuple(self), astuple(other), strict=True)))


class Budget:
    """What may be spent, and what was.

    Args:
        max_calls: Requests sent, retries included; None for no limit.
        max_tokens: Tokens of prompts and answers.
        max_cost: US dollars.
        prices: `"input"` and `"output"`, in dollars for a million tokens.

    Attributes:
        spent: What was spent here.
        before: What was spent before the run was interrupted, which limits are on as well.
    """

    def __init__(
        self, max_calls: int | None, max_tokens: int | None, max_cost: float | None, prices: Mapping[str, float]
    ) -> None:
        self.limits = {"calls": max_calls, "tokens": max_tokens, "cost": max_cost}
        self.prices = prices
        self.spent, self.before = Spent(), Spent()
        self._held: dict[int, Spent] = {}
        self._lock = threading.Lock()

    def reserve(self, request: Request) -> Spent:
        """Sets aside what a call may take at most; `settle` must follow.

        Raises:
            BudgetSpent: If a limit could be exceeded.
        """
        most = self.price(request.prompt_tokens, request.longest_answer)
        with self._lock:
            held = self.before.plus(self.spent)
            for other in self._held.values():
                held = held.plus(other)
            for name, limit in self.limits.items():
                if limit is not None and _more(getattr(held.plus(most), name), limit):
                    raise BudgetSpent(self._refusal(name, limit, held, most))
            self._held[id(most)] = most
        return most

    def settle(self, reserved: Spent, spent: Spent) -> None:
        """Replaces what was set aside by what was spent."""
        with self._lock:
            del self._held[id(reserved)]
            self.spent = self.spent.plus(spent)

    def price(self, input_tokens: int, output_tokens: int) -> Spent:
        """Returns what one call of so many tokens takes."""
        dollars = self.prices.get("input", 0.0) * input_tokens + self.prices.get("output", 0.0) * output_tokens
        return Spent(1, input_tokens, output_tokens, dollars / PER)

    def _refusal(self, name: str, limit: float, held: Spent, most: Spent) -> str:
        unit = {"calls": "calls", "tokens": "tokens", "cost": "US dollars"}[name]
        return (
            f"max_{name}={limit:g} {unit}: {getattr(held, name):g} are spent or on their way, and the next call may "
            f"take {getattr(most, name):g}. Raise the limit or lower max_answer_tokens; the cache goes on answering."
        )


def _more(amount: float, limit: float) -> bool:
    return amount > limit and not math.isclose(amount, limit, rel_tol=1e-9)
