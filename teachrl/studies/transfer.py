"""Forgetting, forward and backward transfer of a run, per cell of its task space.

D. Lopez-Paz & M. Ranzato 2017, Gradient episodic memory for continual learning, https://arxiv.org/abs/1706.08840, and
for forgetting A. Chaudhry et al. 2018, https://arxiv.org/abs/1801.10112, adapted. There a task i is taught in one
piece, R(k, i) is its score after piece k, forward transfer is R(i-1, i) minus the score at the start, backward transfer
R(T, i) - R(i, i). A curriculum comes back to its tasks, so that "before" and "after" are told by when a cell's training
episodes took place. With s(e, c) the score of cell c at the e-th evaluation, e = 1..E:

    forgetting(c) = max_e s(e, c) - s(E, c)
    forward(c)    = s(before, c) - s(1, c)    before: the last evaluation before the cell was first taught
    backward(c)   = s(E, c) - s(after, c)     after: the first one by which 90 % of its episodes had been taught

A cell that was never taught has before = E, and no backward transfer. As in the paper, where the sums leave out the
first task and the last one, forward is NaN if before is 1 or none, backward if after is E or none: no evaluation lies
in between, so nothing could be seen.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from teachrl.errors import InvalidRun

Floats = NDArray[np.float64]
TAUGHT = 0.9
"""The share of a cell's episodes after which its teaching counts as done."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Regular cells over the first coordinates of a task space.

    Attributes:
        low: (D,) lower bounds of the coordinates used.
        high: (D,) upper bounds.
        bins: Cells a coordinate; the cells are counted in C order, bins^D of them.
    """

    low: Floats
    high: Floats
    bins: int = 3

    @classmethod
    def over(cls, tasks: ArrayLike, bins: int = 3, dims: int = 2) -> Grid:
        """Returns the grid that just covers tasks (n, d), over their first `dims` coordinates."""
        points = np.asarray(tasks, dtype=np.float64)[:, :dims]
        return cls(points.min(axis=0), points.max(axis=0), bins)

    @property
    def size(self) -> int:
        """Number of cells."""
        return int(self.bins ** len(self.low))

    def cells(self, tasks: ArrayLike) -> NDArray[np.intp]:
        """Returns the (n,) cells of tasks (n, d); what lies outside counts for the nearest one."""
        points = np.asarray(tasks, dtype=np.float64)[:, : len(self.low)]
        span = np.where(self.high > self.low, self.high - self.low, 1.0)
        bins = np.clip((self.bins * (points - self.low) / span).astype(np.intp), 0, self.bins - 1)
        return np.asarray(np.ravel_multi_index(tuple(bins.T), (self.bins,) * len(self.low)), dtype=np.intp)


@dataclass(frozen=True, eq=False)
class Transfer:
    """What a run forgot and transferred, by cell.

    Attributes:
        grid: The C cells.
        steps: (E,) total steps at the evaluations.
        scores: (E, C) mean score of each cell, NaN for cells without a lesson.
        taught: (C,) training episodes.
        forgetting: (C,) best score minus the last one, at least 0.
        forward: (C,) what was gained before the cell was taught, NaN where that could not be seen.
        backward: (C,) what was gained after it had been taught, NaN where that could not be seen; negative if lost.
    """

    grid: Grid
    steps: NDArray[np.int64]
    scores: Floats
    taught: NDArray[np.int64]
    forgetting: Floats
    forward: Floats
    backward: Floats

    def summary(self) -> dict[str, float]:
        """Returns each measure's mean over the cells where it is known, NaN if it is known nowhere."""
        return {name: _mean(getattr(self, name)) for name in ("forgetting", "forward", "backward")}


def transfer(
    steps: ArrayLike, tasks: ArrayLike, scores: ArrayLike, taught_steps: ArrayLike, taught_tasks: ArrayLike, grid: Grid
) -> Transfer:
    """Returns what a student forgot and transferred.

    Args:
        steps: (n,) total steps at the evaluation that an evaluated episode belongs to.
        tasks: (n, d) its task.
        scores: (n,) its score: success as 0 or 1, or its return.
        taught_steps: (m,) total steps at the end of a training episode.
        taught_tasks: (m, d) its task; m may be 0.
        grid: The cells.
    """
    at, row = np.unique(np.asarray(steps, dtype=np.int64), return_inverse=True)
    place = row * grid.size + grid.cells(tasks)
    shape = (len(at), grid.size)
    counts = np.bincount(place, minlength=len(at) * grid.size).reshape(shape)
    sums = np.bincount(place, np.asarray(scores, dtype=np.float64), len(at) * grid.size).reshape(shape)
    score = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    times = _times(np.asarray(taught_steps, dtype=np.int64), np.asarray(taught_tasks, dtype=np.float64), grid)
    return Transfer(
        grid=grid,
        steps=at,
        scores=score,
        taught=np.array([len(t) for t in times], dtype=np.int64),
        forgetting=score.max(axis=0) - score[-1],
        forward=np.array([_forward(at, score[:, c], t) for c, t in enumerate(times)]),
        backward=np.array([_backward(at, score[:, c], t) for c, t in enumerate(times)]),
    )


def read_transfer(
    run: str | os.PathLike[str], suite: str = "validation", bins: int = 3, grid: Grid | None = None
) -> Transfer:
    """Returns what the student of a run forgot and transferred, from its eval.parquet and episodes.parquet.

    The score is the success rate, or the mean return where the environment does not tell success. Training episodes are
    those of the student (not of an antagonist) that were learned from; episodes of the default task count nowhere.

    Args:
        run: A run's directory; it may still be running.
        suite: The suite that was evaluated while it learned.
        bins: Cells a coordinate, over the first two.
        grid: The cells; by default they cover the suite's tasks and those taught.

    Raises:
        InvalidRun: If the run has no evaluation of this suite on tasks that are numbers, or a damaged table.
    """
    home = Path(run)
    rows = [r for r in _rows(home, "eval", ("task", "steps", "return", "success", "suite")) if r[4] == suite]
    if not rows:
        raise InvalidRun(
            f"The run in {home} has no evaluation of the suite {suite!r} on tasks that are numbers: there is nothing "
            "to tell transfer by. It needs an environment with a task space, and to get as far as `eval_every`."
        )
    told = all(row[3] is not None for row in rows)
    episodes = _rows(home, "episodes", ("task", "steps", "learn", "student"))
    taught = [r for r in episodes if r[2] and r[3] == 0 and len(r[0]) == len(rows[0][0])]
    tasks = np.array([row[0] for row in rows], dtype=np.float64)
    taught_tasks = np.array([row[0] for row in taught], dtype=np.float64).reshape(len(taught), tasks.shape[1])
    cells = grid or Grid.over(np.concatenate([tasks, taught_tasks]) if taught else tasks, bins)
    scores = [float(row[3]) if told else row[2] for row in rows]
    return transfer([row[1] for row in rows], tasks, scores, [row[1] for row in taught], taught_tasks, cells)


def _rows(home: Path, name: str, columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """Returns the rows of a table whose task, the first column, is numbers, as many as the first one's."""
    from teachrl.runs.tables import EPISODES, EVALUATIONS, Table

    try:
        table = Table(home, name, EPISODES if name == "episodes" else EVALUATIONS).read(columns)
    except (OSError, ValueError, KeyError) as error:  # pyarrow's errors are of these kinds
        raise InvalidRun(f"{name}.parquet of the run in {home} cannot be read: {error}. Remove the run.") from error
    rows = [row for row in zip(*table.values(), strict=True) if row[0]]
    return [row for row in rows if len(row[0]) == len(rows[0][0])]


def _times(steps: NDArray[np.int64], tasks: Floats, grid: Grid) -> list[NDArray[np.int64]]:
    """Returns when each cell's episodes were taught, in order."""
    cells = grid.cells(tasks) if len(steps) else np.empty(0, dtype=np.intp)
    return [np.sort(steps[cells == c]) for c in range(grid.size)]


def _forward(at: NDArray[np.int64], scores: Floats, times: NDArray[np.int64]) -> float:
    before = (int(np.searchsorted(at, times[0], side="left")) if len(times) else len(at)) - 1
    return float(scores[before] - scores[0]) if before > 0 else np.nan


def _backward(at: NDArray[np.int64], scores: Floats, times: NDArray[np.int64]) -> float:
    if not len(times):
        return np.nan
    done = times[int(np.ceil(TAUGHT * len(times) - 1e-9)) - 1]
    after = int(np.searchsorted(at, done, side="left"))
    return float(scores[-1] - scores[after]) if after < len(at) - 1 else np.nan


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else np.nan
