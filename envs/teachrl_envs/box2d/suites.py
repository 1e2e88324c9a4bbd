"""The fixed tasks on which a walker is validated and tested."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

PUBLISHED = np.array([[0.0, 0.0], [3.0, 6.0]])
"""(2, 2) low and high of the paper's box of stump height and obstacle spacing."""
_PLASTIC = 1.32471795724474602596
"""The plastic number, the root of x^3 = x + 1."""


def spread_points(low: NDArray[np.float64], high: NDArray[np.float64], suite: str, count: int) -> NDArray[np.float64]:
    """Returns `count` points of the part of the paper's box that lies in a task space, or of the space if none does.

    Args:
        low: (2,) the task space's lower bounds.
        high: (2,) its upper bounds.
        suite: `"test"` for the regular grid, anything else for points between the grid's.
        count: A square number.

    Returns:
        (count, 2) points.
    """
    overlap = np.maximum(low, PUBLISHED[0]), np.minimum(high, PUBLISHED[1])
    inside = overlap[0] <= overlap[1]
    low, high = np.where(inside, overlap[0], low), np.where(inside, overlap[1], high)
    if suite != "test":
        return low + _low_discrepancy(count) * (high - low)
    axes = np.linspace(low, high, math.isqrt(count))
    grid: NDArray[np.float64] = np.stack(np.meshgrid(axes[:, 0], axes[:, 1], indexing="ij"), axis=-1).reshape(-1, 2)
    return grid


def outside_points(low: NDArray[np.float64], high: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Returns `count` points of a task space that are outside the paper's box, evenly spread.

    Args:
        low: (2,) the task space's lower bounds.
        high: (2,) its upper bounds, at least one bound beyond the paper's.
        count: Number of points.

    Returns:
        (count, 2) points.
    """
    draws = 4 * count
    while True:
        points = low + _low_discrepancy(draws) * (high - low)
        outside: NDArray[np.float64] = points[((points < PUBLISHED[0]) | (points > PUBLISHED[1])).any(axis=1)]
        if len(outside) >= count:
            return outside[:count]
        draws *= 2


def _low_discrepancy(count: int) -> NDArray[np.float64]:
    """Roberts' R2 sequence, the multiples of (1/p, 1/p^2) modulo 1, p the plastic number: (count, 2) in [0, 1)."""
    steps = np.arange(1, count + 1)[:, None]
    return np.asarray((0.5 + steps * np.array([1 / _PLASTIC, 1 / _PLASTIC**2])) % 1.0)
