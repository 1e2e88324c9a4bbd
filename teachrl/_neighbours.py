"""The exact nearest neighbour among all points seen so far, cheap to extend and to ask.

The newest points are compared one by one; older ones sit in a few k-d trees, each more than `_RATIO` times the size of
the next, which are merged as they fill (the logarithmic method: Bentley and Saxe, 1980,
https://doi.org/10.1016/0196-6774(80)90015-2). Every tree is asked only for points nearer than the best so far.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TAIL = 2048  # a pass over so many points costs about as much as one query of a k-d tree
_RATIO = 4  # large ratios mean few trees to ask and more merging
_SLACK = 1 + 1e-9  # a tree rounds distances its own way: candidates this close are compared again
_TINY = 1e-150  # the smallest bound whose square is above zero: scipy's bounds are strict, and a distance may be 0

Points = NDArray[np.float64]


class NearestNeighbours:
    """A growing set of points with a value each, and the exact Euclidean nearest neighbour among them.

    The squared distance is summed in float64, coordinate by coordinate; of points at the same distance the oldest is
    the nearest, as `numpy.argmin` over all of them has it.

    Args:
        dims: Number of coordinates.
        limit: Forget all but the newest `limit` points. They are forgotten in blocks: up to a quarter of `limit`,
            and never more than 2048, stay longer. None forgets nothing.
    """

    def __init__(self, dims: int, limit: int | None = None) -> None:
        self.dims = dims
        self.limit = limit
        self._block = _TAIL if limit is None else max(1, min(_TAIL, limit // 4))
        self._points: Points = np.empty((64, dims))
        self._values: Points = np.empty(64)
        self._clear()

    def _clear(self) -> None:
        self._size = 0
        self._trees: list[_Tree] = []
        self._tail: Points = np.empty((self.dims, self._block))
        self._tail_ids = np.empty(self._block, dtype=np.int64)
        self._tail_size = 0
        self._work: Points = np.empty((2, self._block))
        self._answered: tuple[bytes, int] = (b"", -1)

    def __len__(self) -> int:
        return self._size

    @property
    def points(self) -> Points:
        """All points ever added, (n, dims), oldest first."""
        return self._points[: self._size]

    @property
    def values(self) -> Points:
        """Their values, (n,)."""
        return self._values[: self._size]

    def add(self, point: Any, value: float) -> None:
        """Adds a point (dims,) with its value."""
        if self._size == len(self._points):
            self._points = np.concatenate([self._points, np.empty_like(self._points)])
            self._values = np.concatenate([self._values, np.empty_like(self._values)])
        index = self._size
        self._points[index], self._values[index] = point, value
        self._size += 1
        if not self._is_known_duplicate(index):
            self._append(index)

    def _is_known_duplicate(self, index: int) -> bool:
        """Tells whether the last answer was an older point at the same place: it will be the nearer one for ever."""
        if self.limit is not None:
            return False  # the older one will be forgotten first
        asked, answer = self._answered
        return asked == self._points[index].tobytes() and bool((self._points[answer] == self._points[index]).all())

    def _append(self, index: int) -> None:
        self._tail[:, self._tail_size] = self._points[index]
        self._tail_ids[self._tail_size] = index
        self._tail_size += 1
        if self._tail_size == self._block:
            self._flush()

    def _flush(self) -> None:
        """Moves the tail into a tree, together with the trees that are not much larger."""
        ids = self._tail_ids.copy()
        self._tail_size = 0
        if self.limit is not None and self._size > self.limit:
            self._trees.clear()
            ids = np.arange(self._size - self.limit, self._size)
        while self._trees and len(self._trees[-1].ids) <= _RATIO * len(ids):
            ids = np.concatenate([self._trees.pop().ids, ids])
        self._trees.append(_Tree(self._points, ids))

    def nearest(self, point: Any) -> tuple[int, float]:
        """Finds the point nearest to `point` (dims,).

        Returns:
            Its index, in order of addition, and its distance.

        Raises:
            IndexError: If there are no points yet.
        """
        if self._size == 0:
            raise IndexError("There is no nearest neighbour among no points: add one first.")
        query = np.asarray(point, dtype=np.float64)
        coordinates = query.tolist()
        best = self._nearest_in_tail(coordinates)
        for tree in self._trees:
            best = min(best, tree.nearest(query, coordinates, best[0]))
        self._answered = query.tobytes(), best[1]
        return best[1], math.sqrt(best[0])

    def _nearest_in_tail(self, query: list[float]) -> tuple[float, int]:
        """Returns the squared distance and the index; infinity and -1 where the tail is empty."""
        if not self._tail_size:
            return math.inf, -1
        total, term = self._work[:, : self._tail_size]
        tail = self._tail[:, : self._tail_size]
        np.subtract(tail[0], query[0], out=total)
        np.multiply(total, total, out=total)
        for row, coordinate in zip(tail[1:], query[1:], strict=True):
            np.subtract(row, coordinate, out=term)
            np.multiply(term, term, out=term)
            np.add(total, term, out=total)
        i = int(total.argmin())
        return float(total[i]), int(self._tail_ids[i])

    def state_dict(self) -> dict[str, Any]:
        """Returns all points and values; what is built on them is rebuilt."""
        return {"points": self.points.copy(), "values": self.values.copy()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`, with the same answers."""
        self._clear()
        self._points = np.array(state["points"], dtype=np.float64).reshape(-1, self.dims)
        self._values = np.array(state["values"], dtype=np.float64)
        self._size = len(self._values)
        if self.limit is None:
            kept = np.sort(np.unique(self._points, axis=0, return_index=True)[1])
        else:
            flushed = self._size - self._size % self._block
            kept = np.arange(max(0, flushed - self.limit), self._size)
        tail = len(kept) % self._block if self.limit is None else self._size % self._block
        if len(kept) > tail:
            self._trees.append(_Tree(self._points, kept[: len(kept) - tail]))
        for index in kept[len(kept) - tail :]:
            self._append(int(index))
        if not self._size:
            self._points, self._values = np.empty((64, self.dims)), np.empty(64)


class _Tree:
    """A k-d tree over some of the points.

    Args:
        points: All points, (n, dims).
        ids: Indices of those in the tree, increasing.
    """

    def __init__(self, points: Points, ids: NDArray[np.int64]) -> None:
        from scipy.spatial import cKDTree

        self.ids = ids
        # sliding midpoints build twice as fast as medians and answer as fast
        self._tree = cKDTree(points[ids], compact_nodes=False, balanced_tree=False)

    def nearest(self, query: Points, coordinates: list[float], bound: float) -> tuple[float, int]:
        """Returns the squared distance and the index of the nearest point not much further than `bound`, squared.

        Infinity and -1 if there is none.
        """
        distances, places = self._tree.query(query, k=2, distance_upper_bound=max(math.sqrt(bound) * _SLACK, _TINY))
        first, second = distances.tolist()
        if math.isinf(first):
            return math.inf, -1
        if second > first * _SLACK:
            return self._closest(coordinates, places[:1])
        return self._closest(coordinates, self._tree.query_ball_point(query, max(first * _SLACK, _TINY)))

    def _closest(self, query: list[float], places: Iterable[int]) -> tuple[float, int]:
        best = math.inf, -1
        for place in places:
            squared = 0.0
            for a, b in zip(self._tree.data[place].tolist(), query, strict=True):
                squared += (a - b) * (a - b)
            best = min(best, (squared, int(self.ids[place])))
        return best
