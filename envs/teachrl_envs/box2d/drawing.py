"""Pictures of the walker on its terrain, drawn in memory: no display is needed."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teachrl_envs.box2d.lidar import REACH
from teachrl_envs.box2d.terrain import FINISH, HEIGHT, SCALE, STEP, Terrain
from teachrl_envs.box2d.walker import Walker

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # pygame's own use of deprecated packaging
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    import pygame

WIDTH, DEPTH = 600, 400
_SKY, _GRASS, _TURF, _STUMP, _RAY, _POLE = (
    (221, 230, 245),
    (112, 158, 92),
    (66, 110, 58),
    (92, 82, 78),
    (214, 69, 65),
    (40, 44, 52),
)
_HULL, _NEAR_LEG, _FAR_LEG, _OUTLINE = (92, 84, 168), (148, 116, 184), (112, 84, 146), (52, 46, 94)


class Painter:
    """Draws frames of (400, 600, 3) pixels, the hull a fifth from the left."""

    def __init__(self) -> None:
        self._surface = pygame.Surface((WIDTH, DEPTH))
        self._scroll = 0.0

    def paint(self, terrain: Terrain, walker: Walker, lidar: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Draws a frame.

        Args:
            terrain: What the walker stands on.
            walker: The body.
            lidar: (10,) fraction of each ray that is free.

        Returns:
            (400, 600, 3) uint8.
        """
        x, y = walker.hull.position
        self._scroll = x - WIDTH / SCALE / 5
        self._surface.fill(_SKY)
        self._draw_terrain(terrain)
        for place in (3 * STEP, FINISH):
            self._draw_flag(place)
        for (reach_x, reach_y), free in zip(REACH.tolist(), lidar.tolist(), strict=True):
            end = self._pixel(x + free * reach_x, y + free * reach_y)
            pygame.draw.aaline(self._surface, _RAY, self._pixel(x, y), end)
            pygame.draw.circle(self._surface, _RAY, end, 2)
        for i, leg in enumerate(walker.legs):
            self._draw_body(leg, _FAR_LEG if i % 4 < 2 else _NEAR_LEG)
        self._draw_body(walker.hull, _HULL)
        return np.ascontiguousarray(pygame.surfarray.array3d(self._surface).transpose(1, 0, 2))

    def _pixel(self, x: float, y: float) -> tuple[float, float]:
        return (x - self._scroll) * SCALE, DEPTH - y * SCALE

    def _draw_terrain(self, terrain: Terrain) -> None:
        right = self._scroll + WIDTH / SCALE
        first = max(int(np.searchsorted(terrain.xs, self._scroll)) - 1, 0)
        last = int(np.searchsorted(terrain.xs, right)) + 1
        xs, ys = terrain.xs[first:last].tolist(), terrain.ys[first:last].tolist()
        ground = [self._pixel(x, y) for x, y in zip(xs, ys, strict=True)]
        pygame.draw.polygon(self._surface, _GRASS, [*ground, (ground[-1][0], DEPTH), (ground[0][0], DEPTH)])
        pygame.draw.lines(self._surface, _TURF, False, ground, 3)
        for left, stump_right, bottom, top in terrain.stumps.tolist():
            if stump_right > self._scroll and left < right:
                corners = [(left, bottom), (left, top), (stump_right, top), (stump_right, bottom)]
                pygame.draw.polygon(self._surface, _STUMP, [self._pixel(*corner) for corner in corners])

    def _draw_flag(self, x: float) -> None:
        foot, tip = self._pixel(x, HEIGHT), self._pixel(x, HEIGHT + 50 / SCALE)
        pygame.draw.aaline(self._surface, _POLE, foot, tip)
        pygame.draw.polygon(self._surface, _RAY, [tip, (tip[0] + 25, tip[1] + 5), (tip[0], tip[1] + 10)])

    def _draw_body(self, body: Any, color: tuple[int, int, int]) -> None:
        for fixture in body.fixtures:
            corners = [self._pixel(*(body.transform * vertex)) for vertex in fixture.shape.vertices]
            pygame.draw.polygon(self._surface, color, corners)
            pygame.draw.aalines(self._surface, _OUTLINE, True, corners)
