"""What the student masters and fails, cell by cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """How the student stands, one entry a cell, NaN where nothing is known.

    Attributes:
        episodes: (cells,) all episodes so far.
        fresh: (cells,) episodes since the last question.
        success: (cells,) share of successes, the older the less they count.
        returns: (cells,) mean return, the older the less they count.
        progress: (cells,) the mean return since the last question minus the one before; of an earlier question, and
            less by a decay for each that has passed, where nothing is fresh.
        score: (cells,) how well it does there, from 0 to 1: its success, or else where its return lies between the
            lowest and the highest.
        latest: (cells,) the score of fresh episodes, `score` where there are none.
        latest_returns: (cells,) the mean return of fresh episodes, `returns` where there are none.
    """

    episodes: Column
    fresh: Column
    success: Column
    returns: Column
    progress: Column
    score: Column
    latest: Column
    latest_returns: Column


class Table:
    """Counts episodes in cells; what was before the last question weighs less with each that follows.

    With sums `old` from before the last question and `new` since then, of episodes n, returns R and successes S,

        mean return = (R_old + R_new) / (n_old + n_new),    progress = R_new / n_new - R_old / n_old,

    and at a question `old` becomes decay * old + new, and `new` zero.

    Args:
        cells: Number of cells.
        decay: What is left of the weight of old episodes with each question.
        return_range: Lowest and highest return, those of the cells' means where the environment does not tell.
    """

    def __init__(self, cells: int, decay: float, return_range: tuple[float, float] | None) -> None:
        self._decay, self._range = decay, return_range
        self._episodes, self._progress = np.zeros(cells), np.full(cells, np.nan)
        self._old, self._new = np.zeros((4, cells)), np.zeros((4, cells))  # episodes, returns, told, successes

    def add(self, cells: Sequence[int], episode_return: float, success: bool | None) -> None:
        """Counts an episode in its cells; `success` is None where the environment does not tell."""
        for i in cells:
            self._episodes[i] += 1
            self._new[:, i] += (1.0, episode_return, float(success is not None), float(bool(success)))

    def standing(self) -> Standing:
        """Returns how the student stands now."""
        both = self._old + self._new
        returns, success = _ratio(both[1], both[0]), _ratio(both[3], both[2])
        low, high = self._extremes(returns)
        score = _known(success, _within(returns, low, high))
        new_returns = _ratio(self._new[1], self._new[0])
        latest = _known(_known(_ratio(self._new[3], self._new[2]), _within(new_returns, low, high)), score)
        return Standing(
            self._episodes.copy(), self._new[0].copy(), success, returns, self._moved(), score, latest,
            _known(new_returns, returns),
        )  # fmt: skip

    def _moved(self) -> Column:
        moved = _ratio(self._new[1], self._new[0]) - _ratio(self._old[1], self._old[0])
        return _known(moved, self._decay * self._progress)

    def _extremes(self, returns: Column) -> tuple[float, float]:
        if self._range is not None:
            return self._range
        known = returns[~np.isnan(returns)]
        return (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)

    def turn(self) -> None:
        """Makes everything so far old: a question was asked."""
        self._progress = self._moved()
        self._old = self._decay * self._old + self._new
        self._new = np.zeros_like(self._new)

    def state_dict(self) -> dict[str, Any]:
        """Returns all sums."""
        return {
            "episodes": self._episodes.copy(), "progress": self._progress.copy(),
            "old": self._old.copy(), "new": self._new.copy(),
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`."""
        self._episodes, self._progress = np.array(state["episodes"]), np.array(state["progress"])
        self._old, self._new = np.array(state["old"]), np.array(state["new"])


def _ratio(sums: Column, counts: Column) -> Column:
    """Returns means, NaN where there is nothing."""
    return np.where(counts > 0, sums / np.where(counts > 0, counts, 1.0), np.nan)


def _known(first: Column, second: Column) -> Column:
    """Returns the first where it is known, else the second."""
    return np.where(np.isnan(first), second, first)


def _within(returns: Column, low: float, high: float) -> Column:
    """Returns where returns lie between two others, from 0 to 1; one half if these are the same."""
    if not high > low:
        return np.where(np.isnan(returns), np.nan, 0.5)
    return np.clip((returns - low) / (high - low), 0.0, 1.0)
