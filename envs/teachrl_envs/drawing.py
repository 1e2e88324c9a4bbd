"""Pictures of the small environments, drawn with pygame on plain surfaces: no display is needed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from teachrl.errors import InvalidEnvironment

if TYPE_CHECKING:
    import pygame

SIZE = 480
_PAPER, _INK, _WALL, _GOAL = (250, 249, 246), (60, 64, 72), (52, 60, 76), (46, 160, 103)
_MASS, _CRASH, _FAINT = (42, 103, 201), (206, 62, 56), (226, 226, 222)
_SMOOTHING = 2
_MARGIN = 34  # of the gate's picture, in pixels; the text stands in it

Colour = tuple[int, int, int]


def check_render_mode(render_mode: str | None) -> None:
    """Checks that a render mode is None or `"rgb_array"`.

    Raises:
        InvalidEnvironment: If it is anything else.
    """
    if render_mode not in (None, "rgb_array"):
        raise InvalidEnvironment(f"render_mode must be 'rgb_array' or None, got {render_mode!r}.")


class Canvas:
    """A square picture, drawn at twice its size and smoothed at the end. Coordinates are final pixels, y downwards."""

    def __init__(self) -> None:
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # a library does not print
        import pygame

        self._pygame = pygame
        self._surface = pygame.Surface((SIZE * _SMOOTHING, SIZE * _SMOOTHING))
        self._surface.fill(_PAPER)
        self._texts: list[tuple[str, tuple[float, float], int, Colour]] = []

    def box(self, x: float, y: float, width: float, height: float, colour: Colour, radius: float = 0) -> None:
        """Fills a rectangle with its upper left corner at (x, y)."""
        s = _SMOOTHING
        self._pygame.draw.rect(
            self._surface,
            colour,
            (round(x * s), round(y * s), max(round(width * s), 0), max(round(height * s), 0)),
            border_radius=round(radius * s),
        )

    def disc(self, x: float, y: float, radius: float, colour: Colour, width: float = 0) -> None:
        """Fills a disc, or draws a ring of a width."""
        s = _SMOOTHING
        self._pygame.draw.circle(self._surface, colour, (x * s, y * s), radius * s, round(width * s))

    def line(self, points: Sequence[tuple[float, float]], colour: Colour, width: float) -> None:
        """Joins points."""
        scaled = [(x * _SMOOTHING, y * _SMOOTHING) for x, y in points]
        self._pygame.draw.lines(self._surface, colour, False, scaled, round(width * _SMOOTHING))

    def text(self, text: str, x: float, y: float, size: int = 16, colour: Colour = _INK) -> None:
        """Writes a line with its upper left corner at (x, y)."""
        self._texts.append((text, (x, y), size, colour))

    def picture(self) -> NDArray[np.uint8]:
        """Returns the (480, 480, 3) picture."""
        small = self._pygame.transform.smoothscale(self._surface, (SIZE, SIZE))
        for text, where, size, colour in self._texts:
            small.blit(_font(self._pygame, size).render(text, True, colour), where)
        pixels: NDArray[np.uint8] = self._pygame.surfarray.array3d(small).swapaxes(0, 1).astype(np.uint8, order="C")
        return pixels


def _font(module: Any, size: int) -> pygame.font.Font:
    if not module.font.get_init():
        module.font.init()
    font: pygame.font.Font = module.font.Font(None, size + 4)
    return font


def draw_gate(
    task: NDArray[np.floating[Any]], trail: Sequence[tuple[float, float]], crashed: bool
) -> NDArray[np.uint8]:
    """Draws the wall, its gate, the goal, the mass and the way it came.

    Args:
        task: (3,) gate position, gate width, friction.
        trail: (x, y) after each step, the last being where the mass is.
        crashed: Whether it has hit the wall.

    Returns:
        The picture, (480, 480, 3).
    """
    canvas = Canvas()
    side = SIZE - 2 * _MARGIN
    scale = side / 8.0

    def pixel(x: float, y: float) -> tuple[float, float]:
        return _MARGIN + (x + 4.0) * scale, _MARGIN + (4.0 - y) * scale

    canvas.box(_MARGIN - 2, _MARGIN - 2, side + 4, side + 4, _FAINT, radius=6)
    canvas.box(_MARGIN, _MARGIN, side, side, (255, 255, 255), radius=5)
    position, width, _ = (float(v) for v in task)
    left, right = np.clip([position - width / 2, position + width / 2], -4.0, 4.0)
    for start, end in ((-4.0, left), (right, 4.0)):
        x, y = pixel(start, 0.0)
        canvas.box(x, y - 4, (end - start) * scale, 8, _WALL)
    goal = pixel(0.0, -3.0)
    canvas.disc(*goal, 0.25 * scale, (214, 240, 224))
    canvas.disc(*goal, 0.25 * scale, _GOAL, width=2)
    canvas.disc(*goal, 3, _GOAL)
    canvas.disc(*pixel(0.0, 3.0), 4, _FAINT)
    points = [pixel(*p) for p in trail]
    if len(points) > 1:
        canvas.line(points, (158, 188, 232), 3)
    for point in points[:-1]:
        canvas.disc(*point, 2, (122, 162, 224))
    if points:
        canvas.disc(*points[-1], 8, _CRASH if crashed else _MASS)
    if crashed:
        canvas.text("crashed", _MARGIN, SIZE - _MARGIN + 9, colour=_CRASH)
    return canvas.picture()


def draw_cubes(task: NDArray[np.floating[Any]], dims: int, cubes: int, performance: float | None) -> NDArray[np.uint8]:
    """Draws the first two dimensions of a hypercube, the task in it and how well it was done.

    Args:
        task: (dims + dummies,) in [0, 1].
        dims: Dimensions that matter.
        cubes: Cubes along each of them.
        performance: In [0, 1], None before the step.

    Returns:
        The picture, (480, 480, 3); the origin is at the lower left.
    """
    canvas = Canvas()
    side = SIZE - 2 * _MARGIN
    rows = cubes if dims > 1 else 1
    width, height = side / cubes, side / rows
    gap = min(3.0, width / 6)
    column, row = _cube(task[0], cubes), _cube(task[1], cubes) if dims > 1 else 0
    for i, j in np.ndindex(cubes, rows):
        here = (i, j) == (column, row)
        colour = _performance_colour(performance) if here else _FAINT
        x, y = _MARGIN + i * width, SIZE - _MARGIN - (j + 1) * height
        canvas.box(x + gap / 2, y + gap / 2, width - gap, height - gap, colour, radius=min(5.0, width / 6))
    x, y = _MARGIN + float(task[0]) * side, SIZE - _MARGIN - (float(task[1]) if dims > 1 else 0.5) * side
    canvas.disc(x, y, 6, (255, 255, 255))
    canvas.disc(x, y, 4, _INK)
    done = "to do" if performance is None else f"performance {performance:.2f}"
    canvas.text(done, _MARGIN, SIZE - _MARGIN + 9)
    return canvas.picture()


def _cube(coordinate: float, cubes: int) -> int:
    return min(int(coordinate * cubes), cubes - 1)


def _performance_colour(performance: float | None) -> Colour:
    """Blue before the step, then from red (0) over amber to green (1)."""
    if performance is None:
        return (158, 188, 232)
    stops = np.array([_CRASH, (232, 180, 60), _GOAL], float)
    red, green, blue = (int(np.interp(performance, [0.0, 0.5, 1.0], stops[:, c])) for c in range(3))
    return red, green, blue
