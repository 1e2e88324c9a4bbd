"""Which subgoals N environments pursue, which are behind them, and what came of it.

K is the length of the longest plan so far. The loops are compiled, so that a step costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teachrl.lessons import Floats
from teachrl.subgoals import Subgoal, as_cells

Ints = NDArray[np.int64]
_KEPT = 100
_ARRAYS = ("cells", "_before", "done", "pursued", "tally", "active", "targets")


class Pursuit:
    """The subgoals of N environments, each pursued in its plan's order.

    A subgoal that was completed early is skipped when it would be next. Of several subgoals in one cell, only the first
    open one can be completed in a step.

    Args:
        num_envs: N.
        faithful: As published: the last subgoal is never current, and none is skipped.

    Attributes:
        cells: (N, K, 2) the subgoals' cells.
        done: (N, K) which were completed.
        pursued: (3, N) length of the plan, place of the current subgoal, steps since it became current.
        tally: (4, N) of the episode: subgoals completed, those of them out of turn, steps without a subgoal, all steps.
        active: (N, 1) whether there is a current subgoal.
        targets: (N, 2) its cell.
        away: (N, 2) how far it is from the agent, zeros where there is none; as of the last `advance` or `measure`.
    """

    def __init__(self, num_envs: int, faithful: bool = False) -> None:
        self.faithful = faithful
        self.cells, self._before = np.zeros((num_envs, 1, 2), np.int64), np.full((num_envs, 1), -1, np.int64)
        self.done, self.active = np.zeros((num_envs, 1), np.bool_), np.zeros((num_envs, 1), np.bool_)
        self.pursued, self.tally = np.zeros((3, num_envs), np.int64), np.zeros((4, num_envs), np.int64)
        self.targets, self._ages = np.zeros((num_envs, 2), np.int64), np.zeros(num_envs, np.int64)
        self.away = np.zeros((num_envs, 2), np.float32)

    @cached_property
    def _loops(self) -> Any:
        from teachrl import _pursuit_kernels

        return _pursuit_kernels

    @property
    def places(self) -> Ints:
        """(N,) places of the current subgoals in their plans, 0 where there is none."""
        return np.where(self.active[:, 0], self.pursued[1], 0)

    def begin(self, rows: Sequence[int], plans: Sequence[Sequence[Subgoal]]) -> None:
        """Gives some environments other plans."""
        cells, lengths = as_cells(plans)
        if (more := cells.shape[1] - self.done.shape[1]) > 0:
            self.cells = np.pad(self.cells, ((0, 0), (0, more), (0, 0)))
            self._before = np.pad(self._before, ((0, 0), (0, more)), constant_values=-1)
            self.done = np.pad(self.done, ((0, 0), (0, more)))
        self._loops.begin(
            np.array(rows, np.int64), cells, lengths, self.cells, self._before, self.done, self.pursued, self.tally,
            self.active, self.targets, self.faithful,
        )  # fmt: skip

    def advance(self, agents: Ints, earlier: Ints, now: Ints) -> Ints | None:
        """Takes a step, and measures.

        Args:
            agents: (N, 2) where the agents are after it.
            earlier: (N, K, 3) what was in the subgoals' cells before it.
            now: (N, K, 3) what is in them after it.

        Returns:
            (N,) in how many steps, this one included, the current subgoal was completed; 0 where it was not, or was the
            last of its plan. None if that is so everywhere. It is overwritten by the next step.
        """
        some = self._loops.advance(
            agents, earlier, now, self.cells, self._before, self.done, self.pursued, self.tally,
            self.active, self.targets, self.faithful, self._ages, self.away,
        )  # fmt: skip
        return self._ages if some else None

    def measure(self, agents: Ints) -> None:
        """Works out `away` from where the agents are, (N, 2)."""
        self._loops.measure(agents, self.active, self.targets, self.away)

    def state_dict(self) -> dict[str, Any]:
        """Returns the plans' cells and how far they are pursued."""
        return {name: getattr(self, name).copy() for name in _ARRAYS}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`, of as many environments."""
        for name in _ARRAYS:
            setattr(self, name, state[name].copy())


class Recent:
    """What came of the last 100 episodes."""

    def __init__(self) -> None:
        self._ended = np.zeros((0, 6))

    def add(self, planned: Ints, tally: Ints, bonus: Floats) -> None:
        """Takes down E ended episodes.

        Args:
            planned: (E,) lengths of their plans.
            tally: (4, E) see `Pursuit.tally`.
            bonus: (E,) what was paid for subgoals.
        """
        self._ended = np.concatenate([self._ended, np.array([planned, *tally, bonus], np.float64).T])[-_KEPT:]

    def scalars(self) -> dict[str, float]:
        """Returns means per episode and shares, nothing before an episode has ended."""
        if not len(self._ended):
            return {}
        planned, completed, early, null, steps, bonus = self._ended.mean(axis=0).tolist()
        return {
            "subgoals": planned,
            "completed": completed / planned if planned else 0.0,
            "early": early,
            "bonus": bonus,
            "null": null / steps,
        }

    def state_dict(self) -> dict[str, Any]:
        """Returns the episodes."""
        return {"ended": self._ended.copy()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`."""
        self._ended = state["ended"].copy()
