"""A MiniGrid grid as arrays, kept up to date cell by cell, and what can be seen on it.

MiniGrid copies, rotates and encodes its grid object by object at every step. Here the encoding is made once an episode;
a step changes at most the cell in front of the agent, and a view is a slice of it.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNSEEN, EMPTY, WALL, DOOR, KEY, BALL, BOX, GOAL, AGENT = 0, 1, 2, 4, 5, 6, 7, 8, 10  # MiniGrid's object types
OPEN, CLOSED, LOCKED = 0, 1, 2  # the states of a door
COLOURS = 6
VIEW = 7  # cells along a side of the student's view
_PAD = VIEW - 1
_GREY = 5
_BITS = 7 - np.arange(VIEW)  # numpy packs the first cell into the highest bit
_AGENT_BIT = 1 << int(_BITS[VIEW // 2])
_NOTHING = (EMPTY, 0, 0)

Image = NDArray[np.uint8]
Bools = NDArray[np.bool_]


class Board:
    """The encoded cells of one episode.

    Args:
        cells: (W, H, 3) types, colours and states as MiniGrid encodes them.

    Attributes:
        cells: (W, H, 3) the same, the state of a box being 0 if it is empty, else 1 + the colour of the key in it.
    """

    def __init__(self, cells: Image) -> None:
        width, height, _ = cells.shape
        self.cells = cells.copy()
        self._padded = np.empty((width + 2 * _PAD, height + 2 * _PAD, 3), np.uint8)
        self._padded[:] = (WALL, _GREY, 0)
        self._padded[_PAD:-_PAD, _PAD:-_PAD] = cells
        self._padded[self._padded[..., 0] == BOX, 2] = 0
        self._opaque = opaque(self._padded)

    @classmethod
    def of_grid(cls, grid: Any) -> Board:
        """Encodes a MiniGrid grid."""
        codes = [_NOTHING if cell is None else code(cell) for cell in grid.grid]
        return cls(np.array(codes, np.uint8).reshape(grid.height, grid.width, 3).transpose(1, 0, 2))

    def put(self, x: int, y: int, thing: Any) -> None:
        """Takes over what MiniGrid has in a cell."""
        x_padded, y_padded = x + _PAD, y + _PAD
        self.cells[x, y] = _NOTHING if thing is None else code(thing)
        self._padded[x_padded, y_padded] = _NOTHING if thing is None else thing.encode()
        self._opaque[x_padded, y_padded] = thing is not None and not thing.see_behind()

    def view(self, x: int, y: int, direction: int, carrying: Any = None) -> Image:
        """Returns the agent's partial view, (7, 7, 3), as MiniGrid's `gen_obs` makes it: the agent at [3, 6]."""
        image: Image = self._ahead(self._padded, x, y, direction) * self.visible(x, y, direction)[..., None]
        image[VIEW // 2, VIEW - 1] = _NOTHING if carrying is None else carrying.encode()
        return image

    def visible(self, x: int, y: int, direction: int) -> Bools:
        """Returns which cells of the agent's view, (7, 7) bool, are not hidden behind walls and closed doors."""
        rows = np.packbits(self._ahead(self._opaque, x, y, direction).T, axis=1)[:, 0].tolist()
        seen, lit = [0] * VIEW, _AGENT_BIT
        for j in reversed(range(VIEW)):
            seen[j], lit = _spread(lit, rows[j])
        bits: Bools = np.unpackbits(np.array(seen, np.uint8)[:, None], axis=1, count=VIEW).T.view(np.bool_)
        return bits

    @staticmethod
    def _ahead(cells: NDArray[Any], x: int, y: int, direction: int) -> NDArray[Any]:
        """Slices the 7 x 7 cells that a view covers, turned so that the agent looks along -j."""
        near, half = _PAD, _PAD - VIEW // 2
        if direction == 0:
            return cells[x + near : x + near + VIEW, y + half : y + half + VIEW][::-1].swapaxes(0, 1)
        if direction == 1:
            return cells[x + half : x + half + VIEW, y + near : y + near + VIEW][::-1, ::-1]
        if direction == 2:
            return cells[x : x + VIEW, y + half : y + half + VIEW][:, ::-1].swapaxes(0, 1)
        return cells[x + half : x + half + VIEW, y : y + VIEW]


def code(thing: Any) -> tuple[int, int, int]:
    """Encodes an object as MiniGrid does, with the state of a box telling which key is in it."""
    kind, colour, state = thing.encode()
    return kind, colour, hidden(thing) if kind == BOX else state


def hidden(thing: Any) -> int:
    """Returns 1 + the colour of the key in a box, 0 if there is none."""
    inside = thing.contains
    return 0 if inside is None else 1 + int(inside.encode()[1])


def opaque(cells: Image) -> Bools:
    """Returns which cells cannot be seen through: walls, and doors that are not open."""
    found: Bools = (cells[..., 0] == WALL) | ((cells[..., 0] == DOOR) & (cells[..., 2] != OPEN))
    return found


@functools.cache
def _spread(lit: int, walls: int) -> tuple[int, int]:
    """Spreads sight along one row of a view, to the right and then to the left, and up to the next row.

    Args:
        lit: Bits of the row that are seen already.
        walls: Bits of the row that cannot be seen through.

    Returns:
        Bits that are seen in this row, and in the next one away from the agent.
    """
    above = 0
    for order, last, shift in ((_BITS, _BITS[-1], -1), (_BITS[::-1], _BITS[0], 1)):
        for bit in order.tolist():
            if bit != last and lit >> bit & 1 and not walls >> bit & 1:
                lit |= 1 << (bit + shift)
                above |= 1 << bit | 1 << (bit + shift)
    return lit, above
