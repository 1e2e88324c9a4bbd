"""A task space cut into cells, so that tasks can be counted and talked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from teachrl.errors import InvalidHyperparameter, InvalidTeacher
from teachrl.lessons import Array, Floats

CELLS = 64
"""About as many cells a table has where nobody says how many."""
MOST = 1024
"""More cells than this, and the table has slices of single coordinates in their place."""


@dataclass(frozen=True, slots=True, eq=False)
class Coordinate:
    """One number of a task, and the bins it is cut into.

    Attributes:
        name: What it is called.
        whole: Whether it takes whole numbers only.
        lows: (bins,) where the bins begin.
        highs: (bins,) where they end; of whole numbers, the last one inside.
    """

    name: str
    whole: bool
    lows: NDArray[np.float64]
    highs: NDArray[np.float64]

    @property
    def low(self) -> float:
        """The lowest value."""
        return float(self.lows[0])

    @property
    def high(self) -> float:
        """The highest value."""
        return float(self.highs[-1])

    def bin(self, value: float) -> int:
        """Returns the bin of a value; an edge belongs to the bin that begins there."""
        return max(0, int(np.searchsorted(self.lows, value, side="right")) - 1)

    def shares(self, low: float, high: float) -> NDArray[np.float64]:
        """Returns (bins,) which share of the values from `low` to `high` falls into each bin."""
        extra = 1.0 if self.whole else 0.0
        inside = np.minimum(self.highs, high) - np.maximum(self.lows, low) + extra
        if not self.whole and high <= low:
            inside = (np.arange(len(self.lows)) == self.bin(low)).astype(np.float64)
        inside = np.maximum(inside, 0.0)
        total = inside.sum()
        return inside / total if total > 0 else np.full(len(inside), 1 / len(inside))


class Partition:
    """The cells of a task space.

    Every task is a vector of D numbers. If there are few enough, a cell is a bin of every coordinate; otherwise it is
    a slice, one bin of one coordinate with all others free, and every task lies in D of them.

    Args:
        space: The task space: a bounded `Box`, `Discrete`, `MultiDiscrete` or `MultiBinary`.
        names: Names of a Box's coordinates.
        cells: Bins along each coordinate of real numbers, one number for all or one for each; None takes as many as
            make about 64 cells. Whole numbers are bins of their own as long as there are no more than 1024.
        env_id: For messages.

    Attributes:
        joint: Whether cells are bins of every coordinate.
        lows: (cells, D) where the cells begin.
        highs: (cells, D) where they end.

    Raises:
        InvalidTeacher: If the space cannot be cut.
        InvalidHyperparameter: If `cells` does not fit it.
    """

    def __init__(
        self, space: spaces.Space[Any], names: Sequence[str], cells: int | Sequence[int] | None, env_id: str = "It"
    ) -> None:
        self.space = space
        low, high, whole = _bounds(space, env_id)
        bins = _bins(cells, low, high, whole)
        if len(names) != len(low):
            names = ["task"] if len(low) == 1 else [f"task_{i}" for i in range(len(low))]
        self.coordinates = [_cut(*row) for row in zip(names, low, high, whole, bins, strict=True)]
        self.shape = tuple(len(c.lows) for c in self.coordinates)
        self.joint = int(np.prod([float(n) for n in self.shape])) <= MOST
        self.lows, self.highs = self._corners()

    def _corners(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if self.joint:
            index = np.stack([i.reshape(-1) for i in np.indices(self.shape)], axis=1)
            columns = [(c.lows[index[:, d]], c.highs[index[:, d]]) for d, c in enumerate(self.coordinates)]
            return np.stack([low for low, _ in columns], axis=1), np.stack([high for _, high in columns], axis=1)
        lows = np.tile([c.low for c in self.coordinates], (sum(self.shape), 1))
        highs = np.tile([c.high for c in self.coordinates], (sum(self.shape), 1))
        for d, (c, first) in enumerate(zip(self.coordinates, self._firsts, strict=True)):
            rows = slice(first, first + len(c.lows))
            lows[rows, d], highs[rows, d] = c.lows, c.highs
        return lows, highs

    @property
    def _firsts(self) -> list[int]:
        """The first slice of each coordinate."""
        return [0, *np.cumsum(self.shape[:-1]).tolist()]

    def __len__(self) -> int:
        return len(self.lows)

    @property
    def names(self) -> tuple[str, ...]:
        """The coordinates' names."""
        return tuple(c.name for c in self.coordinates)

    def vector(self, task: Any) -> NDArray[np.float64]:
        """Returns a task as a vector (D,)."""
        return np.asarray(task, dtype=np.float64).reshape(-1)

    def find(self, task: Any) -> list[int]:
        """Returns the cells that a task lies in: one, or a slice of each coordinate."""
        bins = [c.bin(x) for c, x in zip(self.coordinates, self.vector(task).tolist(), strict=True)]
        if self.joint:
            return [int(np.ravel_multi_index(bins, self.shape))]
        return [first + b for first, b in zip(self._firsts, bins, strict=True)]

    def neighbours(self, cell: int) -> list[int]:
        """Returns the cells that are one bin further along one coordinate, up or down."""
        if not self.joint:
            d = int(np.searchsorted(self._firsts, cell, side="right")) - 1
            first = self._firsts[d]
            return [i for i in (cell - 1, cell + 1) if first <= i < first + self.shape[d]]
        index = np.array(np.unravel_index(cell, self.shape))
        steps = np.concatenate([np.eye(len(index), dtype=int), -np.eye(len(index), dtype=int)])
        moved = index + steps
        inside = ((moved >= 0) & (moved < self.shape)).all(axis=1)
        return sorted(np.ravel_multi_index(tuple(moved[inside].T), self.shape).tolist())

    def draw(self, low: Floats, high: Floats, rng: np.random.Generator) -> Any:
        """Draws a task uniformly between two corners (D,), both inside for whole numbers."""
        whole = np.array([c.whole for c in self.coordinates])
        numbers = rng.uniform(low, high)
        numbers = np.where(whole, np.minimum(low + np.floor(rng.random(len(low)) * (high - low + 1)), high), numbers)
        return self.task(numbers)

    def task(self, numbers: Array) -> Any:
        """Returns a vector (D,) as a member of the space; what rounding takes out of a Box is put back at its edge."""
        space = self.space
        if isinstance(space, spaces.Box):
            task = np.asarray(numbers).astype(space.dtype).reshape(space.shape)
            return np.asarray(np.clip(task, space.low, space.high))
        if isinstance(space, spaces.Discrete):
            return np.int64(numbers[0])
        return np.asarray(numbers).astype(space.dtype).reshape(space.shape)

    def say(self, low: Floats, high: Floats) -> str:
        """Returns a region in words: the coordinates that are not free, with their bounds."""
        parts = [
            f"{c.name} {a:.6g}" if a == b else f"{c.name} {a:.6g} to {b:.6g}"
            for c, a, b in zip(self.coordinates, low.tolist(), high.tolist(), strict=True)
            if a > c.low or b < c.high
        ]
        return ", ".join(parts) or "any task"


def _bounds(space: spaces.Space[Any], env_id: str) -> tuple[list[float], list[float], list[bool]]:
    """Returns lowest and highest values of a space's numbers, and whether they are whole."""
    if isinstance(space, spaces.Box) and space.is_bounded() and np.prod(space.shape) > 0:
        low, high = (np.asarray(b, dtype=np.float64).reshape(-1).tolist() for b in (space.low, space.high))
        return low, high, [bool(np.issubdtype(space.dtype, np.integer))] * len(low)
    if isinstance(space, spaces.Discrete):
        return [float(space.start)], [float(space.start + space.n - 1)], [True]
    if isinstance(space, spaces.MultiDiscrete):
        first = np.asarray(space.start, dtype=np.float64).reshape(-1)
        return first.tolist(), (first + space.nvec.reshape(-1) - 1).tolist(), [True] * len(first)
    if isinstance(space, spaces.MultiBinary):
        size = int(np.prod(space.shape))
        return [0.0] * size, [1.0] * size, [True] * size
    raise InvalidTeacher(
        f"LLMTasks cuts the task space into cells, for which it must be a bounded Box, Discrete, MultiDiscrete or "
        f"MultiBinary; {env_id} has {space}. Uniform works on every task space; "
        "Parametrised(env, {'unwrapped.attribute': [low, high]}) makes a Box."
    )


def _bins(cells: int | Sequence[int] | None, low: list[float], high: list[float], whole: list[bool]) -> list[int]:
    """Returns how many bins each coordinate is cut into."""
    d = len(low)
    if isinstance(cells, Sequence):
        if len(cells) != d:
            raise InvalidHyperparameter(
                f"LLMTasks.cells must be one number, or one for each of the {d} coordinates of a task, got {cells!r}."
            )
        return [int(c) for c in cells]
    if cells is not None:
        return [MOST if w else int(cells) for w in whole]
    each = 16 if d == 1 else int(CELLS ** (1 / d) + 1e-9)
    if each < 3:  # too coarse to say anything: slices
        each = min(8, max(2, 60 // d))
    return [MOST if w else each for w in whole]


def _cut(name: str, low: float, high: float, whole: bool, bins: int) -> Coordinate:
    if not whole:
        edges = np.linspace(low, high, (bins if high > low else 1) + 1)
        return Coordinate(name, False, edges[:-1], edges[1:])
    values = int(high - low) + 1
    firsts = low + np.floor(np.arange(min(bins, values)) * values / min(bins, values))
    return Coordinate(name, True, firsts, np.append(firsts[1:] - 1, high))
