"""The arrays through which environments are asked and answer, in this process's memory or shared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from teachrl._vector.layout import Layout, Store
from teachrl.lessons import Array

_ALIGNMENT = 64


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """The arrays of n environments, played by w hosts.

    Attributes:
        observations: Rows of the observation space.
        actions: Rows of the action space.
        rewards: (n,) float64.
        terminated: (n,) bool.
        truncated: (n,) bool.
        current: (w,) int64, which of its environments each host is playing.
    """

    observations: Store
    actions: Store
    rewards: Array
    terminated: Array
    truncated: Array
    current: Array

    def part(self, low: int, high: int, host: int) -> Block:
        """Returns the rows of one host as views."""
        return Block(
            [rows[low:high] for rows in self.observations],
            [rows[low:high] for rows in self.actions],
            self.rewards[low:high],
            self.terminated[low:high],
            self.truncated[low:high],
            self.current[host : host + 1],
        )


def block_bytes(observations: Layout, actions: Layout, n: int, hosts: int) -> int:
    """Returns how much memory a block takes."""
    head = sum(_padded(count * np.dtype(kind).itemsize) for count, kind in _head(n, hosts))
    return head + observations.nbytes(n) + actions.nbytes(n)


def make_block(observations: Layout, actions: Layout, n: int, hosts: int = 1, memory: Any = None) -> Block:
    """Lays a block out in `memory`, a buffer of `block_bytes`, or in fresh memory; zeros if the memory is."""
    if memory is None:
        memory = np.zeros(block_bytes(observations, actions, n, hosts), dtype=np.uint8).data
    head, offset = [], 0
    for count, kind in _head(n, hosts):
        head.append(np.ndarray((count,), kind, memory, offset))
        offset += _padded(count * np.dtype(kind).itemsize)
    return Block(
        observations.allocate(n, memory, offset),
        actions.allocate(n, memory, offset + observations.nbytes(n)),
        *head,
    )


def _head(n: int, hosts: int) -> list[tuple[int, Any]]:
    return [(n, np.float64), (n, np.bool_), (n, np.bool_), (hosts, np.int64)]


def _padded(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
