"""What was labelled: a round as it was lived, and a bounded sample of all rounds.

A `Round` is in time order, (T, N, ...). An `Aggregate` keeps pieces of rounds, so that a student with a memory is
trained on sequences from the memory it had then: each piece is W steps long, of which the first `burn_in` only warm up
the memory (R2D2, Kapturowski et al. 2019, https://openreview.net/forum?id=r1lyTjAqYX). Once it is full, a new piece
takes the place of a random one, so that all pieces of the run are kept with equal probability (Vitter's algorithm R,
https://doi.org/10.1145/3147.3165).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teachrl.distillation.trees import Tree, leaves, mapped
from teachrl.lessons import Array, Bools

STEPWISE = ("observations", "previous", "first", "actions", "parameters", "mask")


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """T steps of N environments, as the student saw them.

    Attributes:
        observations: (T, N, *o), the student's view.
        previous: (T, N, *a) the actions that led there; at an episode's first step they mean nothing.
        first: (T, N) bool, where an episode begins.
        actions: (T, N, *a) the labels' actions.
        parameters: The labels' distribution parameters by name, each (T, N, width); empty for bare actions.
        mask: (T, N) bool, where there is a label to learn from.
        states: (T, N, S) float32, the student's memory before each step.
    """

    observations: Tree
    previous: Array
    first: Bools
    actions: Array
    parameters: dict[str, Array]
    mask: Bools
    states: Array

    def __len__(self) -> int:
        return len(self.first)

    def steps(self) -> dict[str, Tree]:
        """Returns all but the memory, by name."""
        return {name: getattr(self, name) for name in STEPWISE}


class Aggregate:
    """A uniform sample of pieces of rounds, in memory allocated once; integers and bytes stay what they are.

    Args:
        steps: Labelled steps to keep at most, warm-up not counted.
        length: Steps of a piece that are learned from.
        burn_in: Steps before them that only warm up the memory.
        most: Number of steps that will ever come, if known: no more memory than for these is allocated.
    """

    def __init__(self, steps: int, length: int = 1, burn_in: int = 0, most: int | None = None) -> None:
        self.length, self.burn_in = length, burn_in
        self.capacity = max(1, -(-steps // length))
        self._expected = self.capacity if most is None else min(self.capacity, max(1, -(-most // length)))
        self._columns: dict[str, Tree] = {}
        self._tail: dict[str, Tree] | None = None
        self._filled = 0
        self.seen = 0

    def __len__(self) -> int:
        """Returns the number of pieces that are kept."""
        return self._filled

    @property
    def nbytes(self) -> int:
        """Bytes allocated."""
        return sum(column.nbytes for column in leaves(self._columns))

    @property
    def piece_bytes(self) -> int:
        """Bytes of one piece."""
        return sum(column[:1].nbytes for column in leaves(self._columns))

    def add(self, round_: Round, rng: np.random.Generator) -> None:
        """Takes in a round, cut into pieces; the warm-up of its first ones is the end of the round before."""
        whole, cut = self._joined(round_)
        pieces = -(-len(round_) // self.length)
        rows = np.arange(pieces)[:, None] * self.length + np.arange(self.burn_in + self.length)[None, :]
        beyond = rows >= self.burn_in + len(round_)
        rows = np.minimum(rows, self.burn_in + len(round_) - 1)
        parts = {name: mapped(lambda column: _cut(column, rows), whole[name]) for name in STEPWISE}
        n = round_.first.shape[1]
        silent = np.repeat(beyond, n, axis=0)
        silent[:, : self.burn_in] = True
        parts["mask"] &= ~silent
        parts["states"] = _rows(whole["states"][rows[:, 0]])
        used = parts["mask"].any(axis=1)
        self._insert(mapped(lambda part: part[used], parts), rng)
        self._tail = cut

    def _joined(self, round_: Round) -> tuple[dict[str, Tree], dict[str, Tree]]:
        """Returns the round with the steps before it, and the steps before the next one."""
        now = {**round_.steps(), "states": round_.states}
        if self.burn_in == 0:
            return now, {}
        before = self._tail
        if before is None:  # nothing came before: memory is cleared where the round begins
            blank = mapped(lambda a: np.zeros((self.burn_in, *a.shape[1:]), a.dtype), now)
            blank["first"][:] = True  # zeros need not be actions
            now = {**now, "first": np.concatenate([np.ones_like(now["first"][:1]), now["first"][1:]])}
            before = blank
        whole = mapped(lambda a, b: np.concatenate([a, b]), before, now)
        return whole, mapped(lambda a: a[len(a) - self.burn_in :].copy(), whole)

    def _insert(self, parts: dict[str, Tree], rng: np.random.Generator) -> None:
        count = len(parts["first"])
        self._room(parts, min(self.capacity, self.seen + count))
        numbers = self.seen + np.arange(count)
        places = np.where(numbers < self.capacity, numbers, rng.integers(0, numbers + 1))
        kept = np.flatnonzero(places < self.capacity)
        latest = len(kept) - 1 - np.unique(places[kept][::-1], return_index=True)[1]  # of those that share a place
        kept = kept[latest]
        mapped(lambda column, part: column.__setitem__(places[kept], part[kept]), self._columns, parts)
        self.seen += count
        self._filled = min(self.capacity, self.seen)

    def _room(self, parts: dict[str, Tree], needed: int) -> None:
        """Allocates what will be needed, once; again only if a run was made longer."""
        have = len(self._columns["first"]) if self._columns else 0
        if needed <= have:
            return
        size = max(needed, min(self.capacity, max(self._expected, 2 * have)))
        # zeros are not touched: the system gives memory page by page, as it is filled
        fresh = mapped(lambda part: np.zeros((size, *part.shape[1:]), part.dtype), parts)
        if self._columns:
            mapped(lambda new, old: new.__setitem__(slice(have), old), fresh, self._columns)
        self._columns = fresh

    def take(self, indices: NDArray[np.int64]) -> dict[str, Tree]:
        """Returns the pieces at `indices`: by name, each (W, B, ...), and `states` (B, S)."""
        found = mapped(lambda column: column[indices], self._columns)
        return {
            name: part if name == "states" else mapped(lambda a: a.swapaxes(0, 1), part) for name, part in found.items()
        }

    def state_dict(self) -> dict[str, Any]:
        """Returns what is kept, as arrays."""
        filled = slice(self._filled)
        columns = mapped(lambda column: column[filled].copy(), self._columns)
        return {"columns": columns, "tail": self._tail, "seen": self.seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`."""
        self._columns, self.seen, self._tail = {}, 0, state["tail"]
        if state["columns"]:
            self._room(state["columns"], len(state["columns"]["first"]))
            mapped(lambda a, b: a.__setitem__(slice(len(b)), b), self._columns, state["columns"])
        self.seen = int(state["seen"])
        self._filled = min(self.capacity, self.seen)


def _cut(column: Array, rows: NDArray[np.int64]) -> Array:
    """Returns (P * N, W, ...) of (T, N, ...): for each row of (P, W) places, the steps of every environment."""
    return _rows(column[rows].swapaxes(1, 2))


def _rows(column: Array) -> Array:
    return np.ascontiguousarray(column.reshape(column.shape[0] * column.shape[1], *column.shape[2:]))
