"""Operations on batches of observations: arrays, or nested dicts and tuples of arrays with one leading axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from teachrl.errors import UnknownName
from teachrl.lessons import Array, Observations


def take(observations: Observations, indices: Any) -> Observations:
    """Returns the rows at `indices` (an int, an index array or a mask), copied."""
    if isinstance(observations, dict):
        return {name: take(value, indices) for name, value in observations.items()}
    if isinstance(observations, tuple):
        return tuple(take(value, indices) for value in observations)
    return observations[indices].copy() if isinstance(indices, int) else observations[indices]


def put(target: Observations, indices: Array, rows: Observations) -> Observations:
    """Returns a copy of `target` with `rows` at `indices`."""
    if isinstance(target, dict):
        return {name: put(value, indices, rows[name]) for name, value in target.items()}
    if isinstance(target, tuple):
        return tuple(put(value, indices, row) for value, row in zip(target, rows, strict=True))
    result = target.copy()
    result[indices] = rows
    return result


def stack(rows: Sequence[Observations]) -> Observations:
    """Returns a batch (B, *o) of B single observations."""
    first = rows[0]
    if isinstance(first, dict):
        return {name: stack([row[name] for row in rows]) for name in first}
    if isinstance(first, tuple):
        return tuple(stack(parts) for parts in zip(*rows, strict=True))
    return np.stack(rows)


def rows_of(observations: Observations) -> int:
    """Returns the length of a batch."""
    while isinstance(observations, dict | tuple):
        observations = next(iter(observations.values() if isinstance(observations, dict) else observations))
    return len(observations)


def copied(observations: Observations) -> Observations:
    """Returns a copy, for those who may write into it."""
    if isinstance(observations, dict):
        return {name: copied(value) for name, value in observations.items()}
    if isinstance(observations, tuple):
        return tuple(copied(value) for value in observations)
    return observations.copy()


def as_actions(actions: Any, dtype: Any) -> Array:
    """Returns a copy of actions (N, *a) in their space's dtype, which is what environments are given.

    Numbers of another kind (fractions for integers) stay as they are, for the environments to refuse.
    """
    given: Array = np.array(actions)
    return given.astype(dtype, copy=False) if np.can_cast(given.dtype, dtype, "same_kind") else given


def equal(a: Observations, b: Observations) -> bool:
    """Tells whether two observations are the same bit for bit."""
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    x, y = np.asarray(a), np.asarray(b)
    return x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()


def non_finite_rows(observations: Observations) -> Array | None:
    """Returns a mask (N,) of rows with NaN or infinity, None if there are none."""
    if isinstance(observations, dict | tuple):
        parts = observations.values() if isinstance(observations, dict) else observations
        masks = [mask for part in parts if (mask := non_finite_rows(part)) is not None]
        return np.logical_or.reduce(masks) if masks else None
    # The sum is finite unless an entry is not (or it overflows): one pass, no temporary.
    if observations.dtype.kind != "f":
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(np.add.reduce(observations, axis=None)):
            return None
    mask = ~np.isfinite(observations).reshape(len(observations), -1).all(axis=1)
    return mask if mask.any() else None


def has_views(space: spaces.Space[Any]) -> bool:
    """Tells whether observations are dicts with one entry per view: those with an entry `"student"` are."""
    return isinstance(space, spaces.Dict) and "student" in space.spaces


def view_space(space: spaces.Space[Any], view: str) -> spaces.Space[Any]:
    """Returns the space of one view.

    Raises:
        UnknownName: If there is no such view.
    """
    if has_views(space) and isinstance(space, spaces.Dict):
        if view not in space.spaces:
            raise UnknownName("view", view, space.spaces)
        return space.spaces[view]
    if view != "student":
        raise UnknownName("view", view, ["student"], "The environment has one view; Views(env, ...) gives it more.")
    return space
