"""How N members of a space lie in arrays: one (N, ...) array for each numeric leaf of the space."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from operator import getitem
from typing import Any

import numpy as np
from gymnasium import spaces

from teachrl.errors import InvalidEnvironment

_NUMERIC = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)
_ALIGNMENT = 64

Store = list[Any]
"""The leaves' rows in order: (N, ...) arrays for numeric leaves, lists of N objects for others (texts, graphs)."""


class Layout:
    """Where the parts of a (nested Dict or Tuple) space's members are kept.

    Args:
        space: The space of one member.
    """

    def __init__(self, space: spaces.Space[Any]) -> None:
        self.space = space
        found = list(_leaves(space))
        self.leaves = [leaf for _, leaf in found]
        self.single = len(self.leaves) == 1 and self.leaves[0] is space and isinstance(space, _NUMERIC)
        self.objects = [k for k, leaf in enumerate(self.leaves) if not isinstance(leaf, _NUMERIC)]
        self._paths = [path for path, _ in found]
        self._plain = all(isinstance(key, str) for path in self._paths for key in path)  # dicts of dicts, by name

    def nbytes(self, n: int) -> int:
        """Returns the bytes of `n` members, each leaf's rows aligned."""
        return sum(_padded(leaf, n) for leaf in self.leaves if isinstance(leaf, _NUMERIC))

    def allocate(self, n: int, memory: Any, offset: int) -> Store:
        """Lays `n` rows out in a buffer from the byte `offset` on."""
        store: Store = []
        for leaf in self.leaves:
            if not isinstance(leaf, _NUMERIC):
                store.append([None] * n)
            else:
                store.append(np.ndarray((n, *_shape(leaf)), leaf.dtype, memory, offset))
                offset += _padded(leaf, n)
        return store

    def write(self, store: Store, row: int, member: Any) -> None:
        """Copies a member of the space into a row."""
        for rows, value in zip(store, self.parts(member), strict=True):
            rows[row] = value

    def write_checked(self, store: Store, row: int, member: Any, what: str) -> None:
        """Copies a member into a row after a look at its shapes.

        Raises:
            InvalidEnvironment: If a shape is not the space's.
        """
        for leaf, value in zip(self.leaves, self.parts(member), strict=True):
            if isinstance(leaf, _NUMERIC) and np.shape(value) != _shape(leaf):
                raise InvalidEnvironment(f"{what} has the shape {np.shape(value)}, but its space is {leaf}.")
        self.write(store, row, member)

    def write_batch(self, store: Store, batch: Any, what: str) -> None:
        """Copies a batch, structured as Gymnasium batches the space, over all rows.

        Raises:
            InvalidEnvironment: If its structure, a shape or a kind of number does not fit.
        """
        for rows, leaf, values in zip(store, self.leaves, self.parts(batch), strict=True):
            if not isinstance(leaf, _NUMERIC):
                rows[:] = values
                continue
            if type(values) is np.ndarray and values.shape == rows.shape and values.dtype == rows.dtype:
                rows[...] = values
                continue
            values = np.asarray(values)
            if values.shape != rows.shape or not np.can_cast(values.dtype, rows.dtype, "same_kind"):
                raise InvalidEnvironment(
                    f"{what} must have the shape {rows.shape} and numbers like {rows.dtype}, "
                    f"got {values.shape} {values.dtype}."
                )
            np.copyto(rows, values, casting="same_kind")

    def batch(self, store: Store) -> Any:
        """Returns a copy of all rows, structured as Gymnasium batches the space."""
        if self.single:
            return store[0].copy()
        copies = (tuple(rows) if isinstance(rows, list) else rows.copy() for rows in store)
        return _build(self.space, iter(copies))

    def rows(self, store: Store) -> list[Any]:
        """Returns copies of all rows as members of the space."""
        copies = [list(rows) if isinstance(rows, list) else list(rows.copy()) for rows in store]
        if self.single:
            return copies[0]
        return [_build(self.space, iter(parts)) for parts in zip(*copies, strict=True)]

    def parts(self, member: Any) -> list[Any]:
        """Takes a member (or a batch) apart into its leaves.

        Raises:
            InvalidEnvironment: If its keys or length are not the space's.
        """
        if self.single:
            return [member]
        if self._plain:
            try:  # several times as fast as a look at everything
                return [functools.reduce(getitem, path, member) for path in self._paths]
            except (KeyError, IndexError, TypeError):
                pass
        return list(_parts(self.space, member))


def _leaves(space: spaces.Space[Any]) -> Iterator[tuple[tuple[Any, ...], spaces.Space[Any]]]:
    """Yields the leaves, each with the keys that lead to it."""
    inner: Iterator[tuple[Any, spaces.Space[Any]]]
    if isinstance(space, spaces.Dict):
        inner = iter(space.spaces.items())
    elif isinstance(space, spaces.Tuple):
        inner = enumerate(space.spaces)
    else:
        yield (), space
        return
    for key, part in inner:
        yield from (((key, *path), leaf) for path, leaf in _leaves(part))


def _parts(space: spaces.Space[Any], member: Any) -> Iterator[Any]:
    if isinstance(space, spaces.Dict):
        if not isinstance(member, dict) or any(key not in member for key in space.spaces):
            raise InvalidEnvironment(f"A dict with the keys {sorted(space.spaces)} was expected, got {member!r}.")
        for key, inner in space.spaces.items():
            yield from _parts(inner, member[key])
    elif isinstance(space, spaces.Tuple):
        if not isinstance(member, tuple | list) or len(member) != len(space.spaces):
            raise InvalidEnvironment(f"A tuple of {len(space.spaces)} parts was expected, got {member!r}.")
        for inner, part in zip(space.spaces, member, strict=True):
            yield from _parts(inner, part)
    else:
        yield member


def _build(space: spaces.Space[Any], values: Iterator[Any]) -> Any:
    if isinstance(space, spaces.Dict):
        return {key: _build(inner, values) for key, inner in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(_build(inner, values) for inner in space.spaces)
    return next(values)


def _shape(leaf: spaces.Space[Any]) -> tuple[int, ...]:
    return () if leaf.shape is None else leaf.shape


def _padded(leaf: spaces.Space[Any], n: int) -> int:
    size = n * int(np.prod(_shape(leaf))) * np.dtype(leaf.dtype).itemsize
    return -(-size // _ALIGNMENT) * _ALIGNMENT
