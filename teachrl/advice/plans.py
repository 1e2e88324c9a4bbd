"""A distribution over tasks: boxes of the task space, each with a weight, and uniform inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teachrl.advice.partition import Partition


@dataclass(frozen=True, eq=False)
class Plan:
    """What an adviser wants trained on next.

    Attributes:
        lows: (K, D) where the boxes begin.
        highs: (K, D) where they end; the same for a single task.
        weights: (K,) positive, of any sum.
        reason: Why, in words.
    """

    lows: NDArray[np.float64]
    highs: NDArray[np.float64]
    weights: NDArray[np.float64]
    reason: str = ""

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """(K,) how likely each box is."""
        shares: NDArray[np.float64] = self.weights / self.weights.sum()
        return shares

    @cached_property
    def _cumulative(self) -> NDArray[np.float64]:
        return np.cumsum(self.probabilities)

    def draw(self, partition: Partition, rng: np.random.Generator) -> Any:
        """Draws a task: a box by its weight, uniformly inside."""
        k = min(int(np.searchsorted(self._cumulative, rng.random(), side="right")), len(self.weights) - 1)
        return partition.draw(self.lows[k], self.highs[k], rng)

    def masses(self, partition: Partition) -> NDArray[np.float64]:
        """Returns how likely a task is to lie in each cell, (cells,); of slices, those of one coordinate sum to 1."""
        total = np.zeros(len(partition))
        for low, high, p in zip(self.lows.tolist(), self.highs.tolist(), self.probabilities.tolist(), strict=True):
            shares = [c.shares(a, b) for c, a, b in zip(partition.coordinates, low, high, strict=True)]
            total += p * (reduce(np.multiply.outer, shares).reshape(-1) if partition.joint else np.concatenate(shares))
        return total

    def say(self, partition: Partition, most: int = 6) -> str:
        """Returns the heaviest boxes in words, the others as a number."""
        order = np.argsort(-self.probabilities, kind="stable")
        parts = [f"{self.probabilities[k]:.0%} {partition.say(self.lows[k], self.highs[k])}" for k in order[:most]]
        return "; ".join([*parts, *([f"and {len(order) - most} more"] if len(order) > most else [])])

    def to_data(self) -> dict[str, Any]:
        """Returns the plan as arrays and text."""
        return {
            "lows": self.lows.copy(), "highs": self.highs.copy(), "weights": self.weights.copy(), "reason": self.reason,
        }  # fmt: skip

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Plan:
        """Rebuilds a plan from `to_data`'s dict."""
        lows, highs, weights = (np.array(data[name], dtype=np.float64) for name in ("lows", "highs", "weights"))
        return cls(lows, highs, weights, str(data["reason"]))

    @classmethod
    def everything(cls, partition: Partition) -> Plan:
        """Returns the uniform distribution over all tasks."""
        lows, highs = (np.array([[getattr(c, e) for c in partition.coordinates]]) for e in ("low", "high"))
        return cls(lows, highs, np.ones(1))


def entropy(masses: NDArray[np.float64], base: NDArray[np.float64]) -> float:
    """Returns the entropy of a distribution over cells, in parts of that of the uniform one, `base`."""

    def of(p: NDArray[np.float64]) -> float:
        p = p[p > 0] / p.sum()
        return float(-(p * np.log(p)).sum())

    full = of(base)
    return of(masses) / full if full > 0 else 1.0
