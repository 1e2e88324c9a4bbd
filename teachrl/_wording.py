"""Subgoals in words as vectors, for N environments at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from teachrl.lessons import Bools, Floats
from teachrl.subgoals import Layout, Layouts, Subgoal

_REMEMBERED = 4096  # texts whose vectors are kept


def named_cells(plan: list[Subgoal], layouts: Layouts, layout: Layout) -> list[Subgoal]:
    """Returns a plan in which cells without a name are called by what lies in them."""
    if all(s.text or s.kind != "position" for s in plan):
        return plan
    there = {(thing.x, thing.y): thing for thing in layouts.cells(layout)}
    return [s if s.text or s.kind != "position" else there.get((s.x, s.y), s) for s in plan]


class Wording:
    """What the subgoals of N environments are called, and the vectors of that.

    Args:
        num_envs: N.
        encoder: Has `encode(texts) -> (n, dim)`.
        dim: Length of its vectors.
    """

    def __init__(self, num_envs: int, encoder: Any, dim: int) -> None:
        self.texts: list[list[str]] = [[] for _ in range(num_envs)]
        self._encoder, self._none = encoder, np.zeros(dim, np.float32)
        self._vectors: dict[str, Floats] = {}

    def begin(self, rows: Sequence[int], plans: Sequence[Sequence[Subgoal]]) -> None:
        """Gives some environments other plans; a subgoal without a text is called by its colour and kind."""
        for row, plan in zip(rows, plans, strict=True):
            self.texts[row] = [s.text or f"{s.colour} {s.kind}".strip() for s in plan]

    def vectors(self, active: Bools, places: Sequence[int]) -> Floats:
        """Returns (N, dim) vectors of the subgoals at `places`, zeros where none is active, (N,)."""
        shown = zip(self.texts, active.tolist(), places, strict=True)
        return np.stack([self.vector(texts[k]) if one else self._none for texts, one, k in shown])

    def vector(self, text: str) -> Floats:
        """Returns (dim,) the vector of a text."""
        if text not in self._vectors:
            if len(self._vectors) >= _REMEMBERED:
                self._vectors.clear()
            self._vectors[text] = self._encoder.encode([text])[0]
        return self._vectors[text]

    def state_dict(self) -> dict[str, Any]:
        """Returns the texts."""
        return {"texts": [list(texts) for texts in self.texts]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`, of as many environments."""
        self.texts = [list(texts) for texts in state["texts"]]
