"""How plans compare with those of an environment's own planner: the statistics of Words as Beacons.

Ruiz-Gonzalez, Andres, Del Ser: Words as Beacons: Guiding RL Agents with High-Level Language Prompts (2024),
https://arxiv.org/abs/2410.08632
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from teachrl.subgoals import Subgoal


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How often, and by how much, plans differ from the planner's.

    The k-th subgoal of a plan is compared with the planner's k-th. What one of the two has and the other has not counts
    as different, and has no distance.

    Attributes:
        compared: Pairs of subgoals, those without a partner included.
        positions: Share of pairs in the same cell.
        objects: Share of pairs that name the same kind and colour of thing.
        mean: Mean Manhattan distance of the pairs, in cells, equal ones included.
        std: Its standard deviation.
        plans: Share of plans that are equal, cell by cell.
    """

    compared: int
    positions: float
    objects: float
    mean: float
    std: float
    plans: float

    def __str__(self) -> str:
        return (
            f"{self.positions:.1%} of {self.compared:,} cells equal, {self.objects:.1%} of things, {self.plans:.1%} of "
            f"whole plans; Manhattan error {self.mean:.2f} ± {self.std:.2f} cells"
        )


class Comparison:
    """Collects what `Accuracy` says."""

    def __init__(self) -> None:
        self._cells: list[bool] = []
        self._things: list[bool] = []
        self._distances: list[int] = []
        self._equal: list[bool] = []

    def add(self, plan: Sequence[Subgoal], right: Sequence[Subgoal]) -> None:
        """Compares a plan with the planner's."""
        cells = [(a is not None and b is not None and (a.x, a.y) == (b.x, b.y)) for a, b in zip_longest(plan, right)]
        self._cells += cells
        self._equal.append(all(cells))
        self._things += [
            a is not None and b is not None and (a.kind, a.colour) == (b.kind, b.colour)
            for a, b in zip_longest(plan, right)
        ]
        self._distances += [abs(a.x - b.x) + abs(a.y - b.y) for a, b in zip(plan, right, strict=False)]

    def result(self) -> Accuracy | None:
        """Returns the statistics, None if nothing was compared."""
        if not self._distances:
            return None
        shares = [float(np.mean(found)) for found in (self._cells, self._things, self._equal)]
        mean, std = float(np.mean(self._distances)), float(np.std(self._distances))
        return Accuracy(len(self._cells), shares[0], shares[1], mean, std, shares[2])
