"""The exact nearest neighbour among all points seen so far, cheap to extend and to ask.

The newest points are compared one by one; older ones sit in a few k-d trees, each more than `_RATIO` times the size of
the next, which are merged as they fill (the logarithmic method: Bentley and Saxe, 1980,
https://doi.org/10.1016/0196-6774(80)90015-2). Questions are answered in batches: a single one would spend most of its
time in the call.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TAIL = 256  # so many points are compared in about the time that a batched query of a k-d tree takes
_BATCH = 128
_RATIO = 8  # large ratios mean few trees to ask and more merging
_SLACK = 1 + 1e-9  # a tree rounds distances its own way: candidates this close are compared again
_TINY = 1e-150  # the smallest bound whose square is above zero: scipy's bounds are strict, and a distance may be 0

Floats64 = NDArray[np.float64]
Indices = NDArray[np.int64]


class NearestNeighbours:
    """A growing sequence of points with a value each, and the exact Euclidean nearest neighbours among them.

    The squared distance is summed in float64, coordinate by coordinate; of points at the same distance the oldest is
    the nearest, as `numpy.argmin` over all of them has it.

    Args:
        dims: Number of coordinates.
        limit: Forget all but the newest `limit` points. They are forgotten in blocks, so that up to a quarter more are
            still known at times. None forgets nothing.
    """

    def __init__(self, dims: int, limit: int | None = None) -> None:
        self.dims = dims
        self.limit = limit
        self._forget_every = sys.maxsize if limit is None else max(1, limit // 4)
        self._begin(np.empty((0, dims)), np.empty(0))

    def _begin(self, points: Floats64, values: Floats64) -> None:
        self._size = len(values)
        self._points, self._values = _room(points, 64), _room(values, 64)
        self._trees: list[_Tree] = []
        self._tail: Indices = np.empty(0, dtype=np.int64)

    def __len__(self) -> int:
        return self._size

    @property
    def points(self) -> Floats64:
        """All points ever added, (n, dims), oldest first."""
        return self._points[: self._size]

    @property
    def values(self) -> Floats64:
        """Their values, (n,)."""
        return self._values[: self._size]

    def extend(self, points: Any, values: Any) -> Indices:
        """Adds points (m, dims) with values (m,), one after the other.

        Returns:
            (m,) the index of the nearest of all points added before, for each; -1 for the very first point.
        """
        points = np.asarray(points, dtype=np.float64).reshape(-1, self.dims)
        first, self._size = self._size, self._size + len(points)
        if self._size > len(self._points):
            self._points, self._values = _room(self._points, self._size), _room(self._values, self._size)
        self._points[first : self._size], self._values[first : self._size] = points, values
        answers = []
        while first < self._size:
            last = min(first + self._batch(first), self._size)
            answers.append(self._settle(first, last))
            first = last
        return np.concatenate(answers) if answers else np.empty(0, dtype=np.int64)

    def _batch(self, first: int) -> int:
        return min(_BATCH, _TAIL - len(self._tail), self._forget_every - first % self._forget_every)

    def _settle(self, first: int, last: int) -> Indices:
        """Answers for new points, and makes them known to later questions."""
        new = np.arange(first, last)
        queries = self._points[new]
        squared, nearest = self._search(queries, np.concatenate([self._tail, new]), len(new))
        if self.limit is None:  # a point where an older one is will never be the nearest
            new = new[(squared > 0) | (self._points[nearest] != queries).any(axis=1)]
        self._tail = np.concatenate([self._tail, new])
        if len(self._tail) >= _TAIL:
            self._plant()
        if self.limit is not None and last > self.limit and last % self._forget_every == 0:
            self._trees, self._tail = [_Tree(self._points, np.arange(last - self.limit, last))], self._tail[:0]
        return nearest

    def _plant(self) -> None:
        """Moves the tail into a tree, together with the trees that are not much larger."""
        ids, self._tail = self._tail, self._tail[:0]
        while self._trees and len(self._trees[-1].ids) <= _RATIO * len(ids):
            ids = np.concatenate([self._trees.pop().ids, ids])
        self._trees.append(_Tree(self._points, ids))

    def nearest(self, points: Any) -> tuple[Indices, Floats64]:
        """Finds the nearest neighbours of points (m, dims).

        Returns:
            (m,) their indices in order of addition, -1 if there are no points yet, and (m,) their distances.
        """
        queries = np.asarray(points, dtype=np.float64).reshape(-1, self.dims)
        squared, nearest = self._search(queries, self._tail, 0)
        return nearest, np.sqrt(squared)

    def _search(self, queries: Floats64, tail: Indices, new: int) -> tuple[Floats64, Indices]:
        """Returns squared distances and indices; the last `new` of `tail` are the queries, which see only older ones.

        A tree is asked only for what can be nearer than the furthest answer so far.
        """
        squared, nearest = np.full(len(queries), np.inf), np.full(len(queries), -1, dtype=np.int64)
        for tree in self._trees:
            _take_nearer(squared, nearest, *tree.nearest(queries, float(squared.max(initial=0.0))))
        if len(tail):
            distances = _squared_distances(queries, self._points[tail])
            if new:
                distances[:, len(tail) - new :][np.triu_indices(new)] = np.inf
            best = distances.argmin(axis=1)
            closest = distances[np.arange(len(queries)), best]
            _take_nearer(squared, nearest, closest, np.where(np.isinf(closest), -1, tail[best]))
        return squared, nearest

    def state_dict(self) -> dict[str, Any]:
        """Returns all points and values; what is built on them is rebuilt."""
        return {"points": self.points.copy(), "values": self.values.copy()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`, with the same answers."""
        self._begin(np.asarray(state["points"], dtype=np.float64), np.asarray(state["values"], dtype=np.float64))
        if self.limit is None:
            known = np.sort(np.unique(self.points, axis=0, return_index=True)[1])
        else:
            forgotten = self._size - self._size % self._forget_every - self.limit
            known = np.arange(max(0, forgotten), self._size)
        if len(known):
            self._trees.append(_Tree(self._points, known))


class _Tree:
    """A k-d tree over some of the points.

    Args:
        points: All points, (n, dims).
        ids: Indices of those in the tree, increasing.
    """

    def __init__(self, points: Floats64, ids: Indices) -> None:
        from scipy.spatial import cKDTree

        self.ids = ids
        # sliding midpoints build twice as fast as medians and answer as fast; leaves of 32 pay in many dims
        self._tree = cKDTree(points[ids], leafsize=32, compact_nodes=False, balanced_tree=False)

    def nearest(self, queries: Floats64, bound: float) -> tuple[Floats64, Indices]:
        """Returns squared distances and indices of the nearest points, infinity and -1 beyond `bound`, squared."""
        reach = max(math.sqrt(bound) * _SLACK, _TINY)
        distances, places = self._tree.query(queries, k=2, distance_upper_bound=reach)
        squared, nearest = np.full(len(queries), np.inf), np.full(len(queries), -1, dtype=np.int64)
        found = np.flatnonzero(np.isfinite(distances[:, 0]))
        squared[found] = _squared(self._tree.data[places[found, 0]], queries[found])
        nearest[found] = self.ids[places[found, 0]]
        for row in found[distances[found, 1] <= distances[found, 0] * _SLACK]:
            reach = max(float(distances[row, 0]) * _SLACK, _TINY)
            squared[row], nearest[row] = self._closest(queries[row], self._tree.query_ball_point(queries[row], reach))
        return squared, nearest

    def _closest(self, query: Floats64, places: Iterable[int]) -> tuple[float, int]:
        candidates = np.sort(np.fromiter(places, dtype=np.int64))
        squared = _squared(self._tree.data[candidates], query[None])
        best = int(squared.argmin())
        return float(squared[best]), int(self.ids[candidates[best]])


def _squared(points: Floats64, queries: Floats64) -> Floats64:
    """Returns the squared distances (m,) of points and queries (m, dims), row by row."""
    difference = points - queries
    total: Floats64 = np.square(difference[:, 0])
    for column in range(1, difference.shape[1]):
        total += np.square(difference[:, column])
    return total


def _squared_distances(queries: Floats64, points: Floats64) -> Floats64:
    """Returns the squared distances (m, n) of queries (m, dims) from points (n, dims)."""
    total: Floats64 = np.square(np.subtract.outer(queries[:, 0], points[:, 0]))
    for column in range(1, points.shape[1]):
        term = np.subtract.outer(queries[:, column], points[:, column])
        total += np.square(term, out=term)
    return total


def _take_nearer(squared: Floats64, nearest: Indices, other: Floats64, candidates: Indices) -> None:
    """Replaces answers in place where a candidate is nearer, or older at the same distance."""
    nearer = (other < squared) | ((other == squared) & (candidates < nearest))
    squared[nearer], nearest[nearer] = other[nearer], candidates[nearer]


def _room(array: Floats64, least: int) -> Floats64:
    """Returns the array with at least `least` rows, twice as many as before if it must grow."""
    rows = max(len(array), 1)
    while rows < least:
        rows *= 2
    larger = np.empty((rows, *array.shape[1:]))
    larger[: len(array)] = array
    return larger
