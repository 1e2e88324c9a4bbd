"""The walker's lidar, as one compiled pass over the terrain.

It answers what ten `b2World.RayCast` calls for the closest hit would: the ground is a function of x and the stumps are
upright boxes, so that a ray only has to look at what lies between its ends.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

RAYS = 10
RANGE = 160 / 30.0
"""Reach of a ray, in world units."""
REACH = np.array([(math.sin(0.15 * i) * RANGE, -math.cos(0.15 * i) * RANGE) for i in range(RAYS)])
"""(RAYS, 2) from the hull's position to each ray's far end, from straight down to almost level."""


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiles a function, for good where numba has a folder that it can write to."""
    try:
        compiled: Callable[..., Any] = numba.njit(cache=True, error_model="numpy")(function)
    except RuntimeError:
        compiled = numba.njit(error_model="numpy")(function)
    return compiled


@_compiled
def _first_reaching(rights: Any, x: float) -> int:
    """Returns the index of the first of the ascending `rights` that is at least x."""
    low, high = 0, len(rights)
    while low < high:
        middle = (low + high) // 2
        if rights[middle] < x:
            low = middle + 1
        else:
            high = middle
    return low


@_compiled
def _edge_hit(x: float, y: float, dx: float, dy: float, x1: float, y1: float, x2: float, y2: float) -> float:
    """Returns the fraction of the ray (x, y) + t (dx, dy) at which it crosses an edge, 2 if it does not."""
    ex, ey = x2 - x1, y2 - y1
    across = dx * ey - dy * ex
    if across == 0.0:
        return 2.0
    t = ((x1 - x) * ey - (y1 - y) * ex) / across
    s = ((x1 - x) * dy - (y1 - y) * dx) / across
    return t if t >= 0.0 and 0.0 <= s <= 1.0 else 2.0


@_compiled
def _box_hit(x: float, y: float, dx: float, dy: float, left: float, right: float, bottom: float, top: float) -> float:
    """Returns the fraction at which a ray to the right and down enters a box, 2 if it does not or starts inside."""
    if dx > 0.0:
        enter, leave = (left - x) / dx, (right - x) / dx
    elif left <= x <= right:
        enter, leave = 0.0, 2.0
    else:
        return 2.0
    enter, leave = max(enter, (top - y) / dy), min(leave, (bottom - y) / dy)
    return enter if 0.0 < enter <= leave else 2.0


@_compiled
def cast_rays(x: float, y: float, xs: Any, ys: Any, stumps: Any, observation: Any) -> None:
    """Casts the rays and writes the fractions of their length that are free, 1 for all, to the observation's end.

    Args:
        x: The hull's position, in world units.
        y: The same, upwards.
        xs: (G,) vertices of the ground, ascending.
        ys: (G,) their heights.
        stumps: (S, 4) left, right, bottom and top of the stumps, ascending and apart.
        observation: Its last `RAYS` entries are overwritten.
    """
    first_vertex, first_stump = max(_first_reaching(xs, x), 1), _first_reaching(stumps[:, 1], x)
    for ray in range(RAYS):
        # The far end in single precision, as Box2D gets it.
        dx, dy = np.float32(x + REACH[ray, 0]) - x, np.float32(y + REACH[ray, 1]) - y
        nearest = 1.0
        vertex = first_vertex
        while vertex < len(xs) and xs[vertex - 1] <= x + nearest * dx:
            hit = _edge_hit(x, y, dx, dy, xs[vertex - 1], ys[vertex - 1], xs[vertex], ys[vertex])
            nearest = min(nearest, hit)
            vertex += 1
        stump = first_stump
        while stump < len(stumps) and stumps[stump, 0] <= x + nearest * dx:
            box = stumps[stump]
            nearest = min(nearest, _box_hit(x, y, dx, dy, box[0], box[1], box[2], box[3]))
            stump += 1
        observation[len(observation) - RAYS + ray] = nearest
