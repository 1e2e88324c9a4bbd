"""The ground of the walker: a polyline with upright boxes on it, and the stump tracks of the ALP-GMM paper.

https://arxiv.org/abs/1910.07224, section 5 and appendix D.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teachrl_envs.box2d.engine import b2EdgeShape, b2FixtureDef, b2PolygonShape

SCALE = 30.0
"""Pixels per world unit."""
STEP = 14 / SCALE
"""Length of a terrain step, in world units."""
LENGTH = 200 * STEP
PAD = 20 * STEP
"""Length of the flat start, in world units."""
FINISH = 190 * STEP
HEIGHT = 400 / SCALE / 4
"""Height of the flat ground, in world units."""
FRICTION = 2.5
_MIN_STUMP, _STUMP_SD, _MIN_SPACING = 0.05, 0.1, 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Terrain:
    """What the walker walks on, in world units and in the single precision that Box2D computes in.

    Attributes:
        xs: (G,) float32, the ground's vertices from left to right.
        ys: (G,) float32, their heights.
        stumps: (S, 4) float32, left, right, bottom and top of each stump, from left to right.
    """

    xs: NDArray[np.float32]
    ys: NDArray[np.float32]
    stumps: NDArray[np.float32]

    def add_to(self, world: Any) -> None:
        """Adds the terrain to a `b2World`, all of it on one static body.

        The solver treats it exactly as a body per piece, which takes four times as long to make.
        """
        body = world.CreateStaticBody()
        box, edge = _pieces()
        for left, right, bottom, top in self.stumps.tolist():
            box.shape.vertices = [(left, bottom), (right, bottom), (right, top), (left, top)]
            body.CreateFixture(box)
        vertices = list(zip(self.xs.tolist(), self.ys.tolist(), strict=True))
        for ends in pairwise(vertices):
            edge.shape.vertices = ends
            body.CreateFixture(edge)


@cache
def _pieces() -> tuple[Any, Any]:
    """Definitions of a box and an edge, made once: Box2D's wrapper never frees one."""
    box = b2FixtureDef(shape=b2PolygonShape(), friction=FRICTION)
    return box, b2FixtureDef(shape=b2EdgeShape(), friction=FRICTION)


def stump_track(height: float, spacing: float, rng: np.random.Generator) -> Terrain:
    """Draws a stump track: after the pad, stumps and stretches of grass alternate up to the end of the ground.

    Each stump is one terrain step wide and max(0.05, N(height, 0.1)) steps high. The original's ground ends up to one
    spacing short of its length, so that on some tracks the walker drops into a void before the finish; here the last
    stretch is always laid.

    Args:
        height: Mean height of the stumps, in terrain steps.
        spacing: Length of the grass between two stumps, in world units, at least 0.01.
        rng: Source of the heights.

    Returns:
        The terrain.
    """
    period = STEP + max(_MIN_SPACING, spacing)
    count = math.ceil((LENGTH - PAD) / period)
    lefts = PAD + period * np.arange(count)
    tops = HEIGHT + STEP * np.maximum(_MIN_STUMP, rng.normal(height, _STUMP_SD, count))
    xs = np.concatenate([[0.0, PAD], np.stack([lefts + STEP, lefts + period], axis=1).ravel()])
    stumps = np.stack([lefts, lefts + STEP, np.full(count, HEIGHT), tops], axis=1)
    return Terrain(xs.astype(np.float32), np.full(len(xs), HEIGHT, np.float32), stumps.astype(np.float32))
