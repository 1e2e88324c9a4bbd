"""A state of a MiniGrid game as the planner reads it from the teacher's view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teachrl.errors import InvalidTeacher
from teachrl_envs.minigrid.board import BALL, BOX, CLOSED, DOOR, EMPTY, GOAL, KEY, OPEN, WALL

MOVABLE = (KEY, BALL, BOX)
Hand = tuple[int, int, int]
"""Type and colour of what is carried, and 1 + the colour of the key in it; zeros for nothing."""
Thing = tuple[int, int, int]
NOTHING: Hand = (0, 0, 0)
FLOOR: Thing = (EMPTY, 0, 0)
_FACTS = 11
_WALK = np.zeros((16, 16), np.uint8)  # by type and state
_WALK[[EMPTY, GOAL]] = 1
_WALK[DOOR, [OPEN, CLOSED]] = 1, 2


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """All that matters but the agent's pose.

    Attributes:
        cells: (cells, 3) types, colours and states, the agent taken out.
        height: Cells along y; the cell (x, y) is number x * height + y.
        hand: What is carried.
        target: Type and cell of the target.
    """

    cells: NDArray[np.uint8]
    height: int
    hand: Hand
    target: tuple[int, int]

    @property
    def fixed(self) -> bool:
        """Whether nothing can be picked up, as in Memory."""
        return self.target[0] == EMPTY

    def holding(self, hand: Hand) -> World:
        """Returns the world with another thing in the hand."""
        return replace(self, hand=hand)

    def changed(self, hand: Hand, cell: int, thing: Thing, opened: Sequence[int] = ()) -> World:
        """Returns the world with another thing in the hand and in a cell, and some doors opened."""
        cells = self.cells.copy()
        cells[cell] = thing
        cells[list(opened), 2] = OPEN
        return replace(self, cells=cells, hand=hand)

    def walk(self) -> NDArray[np.uint8]:
        """Returns (cells,) what it takes to enter each: 1 step, 2 for a closed door, 0 for never."""
        found: NDArray[np.uint8] = _WALK[self.cells[:, 0], self.cells[:, 2]]
        if self.fixed:
            found[self.wrong_end()] = 0
        return found

    def wrong_end(self) -> int:
        """Returns the cell beside Memory's wrong answer: the right one's mirror image."""
        x, y = divmod(self.target[1], self.height)
        return x * self.height + self.height - 1 - y

    def solid(self, *kinds: int) -> NDArray[np.bool_]:
        """Returns (cells,) which are walls, or things of these types."""
        return of_kinds(self.cells[:, 0], (WALL, *kinds))

    def keys(self, colour: int) -> NDArray[np.int64]:
        """Returns the cells with keys of a colour, in boxes too."""
        kind, tone, state = self.cells.T
        found = ((kind == KEY) & (tone == colour)) | ((kind == BOX) & (state == 1 + colour))
        return np.flatnonzero(found)


def of_kinds(cells: NDArray[np.uint8], kinds: Sequence[int]) -> NDArray[np.bool_]:
    """Returns which of some types are among a few; quicker than numpy's `isin`."""
    among = np.zeros(16, np.bool_)
    among[list(kinds)] = True
    found: NDArray[np.bool_] = among[cells]
    return found


def teachers_view(observations: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Returns images (B, W, H, 3) and facts (B, 11) of the teachers' view, or of all views.

    Raises:
        InvalidTeacher: If the observations are not those of that view.
    """
    if isinstance(observations, dict) and "teacher" in observations:
        observations = observations["teacher"]
    try:
        images, facts = np.asarray(observations["image"]), np.asarray(observations["facts"])
    except (KeyError, IndexError, TypeError, ValueError):
        images, facts = np.empty(0), np.empty(0)
    if images.ndim != 4 or images.shape[-1] != 3 or facts.shape != (len(images), _FACTS):
        came = {k: np.shape(v) for k, v in observations.items()} if isinstance(observations, dict) else observations
        came = came if isinstance(came, dict) else np.shape(came)
        raise InvalidTeacher(
            f"The planner reads the teacher's view of a TeachRL/MiniGrid game, {{'image': (B, W, H, 3), 'facts': "
            f"(B, {_FACTS})}}; got {came}. Play one of those, e.g. --env TeachRL/MiniGrid-DoorKey-8x8-v0 (MiniGrid's "
            "own have no such view), and show it all views or view='teacher'."
        )
    return images, facts


def without_agents(images: Any, facts: Any) -> NDArray[np.uint8]:
    """Returns a copy of teachers' images (B, W, H, 3) in which agents are replaced by what they stand in."""
    cells: NDArray[np.uint8] = np.array(images, np.uint8)
    door = facts[:, 3]
    under = np.stack([np.where(door > 0, DOOR, EMPTY), np.where(door > 0, door - 1, 0), np.zeros_like(door)], axis=1)
    cells[np.arange(len(cells)), facts[:, 0], facts[:, 1]] = under
    return cells


def read_world(image: NDArray[np.uint8], facts: NDArray[np.uint8]) -> World:
    """Reads one row of `without_agents` and of the facts."""
    height = image.shape[1]
    _, _, _, _, kind, colour, inside, target, _, x, y = facts.tolist()
    return World(image.reshape(-1, 3), height, (kind, colour, inside), (target, x * height + y))


def holds_key(hand: Hand, colour: int) -> bool:
    """Whether a hand holds a key of a colour, or a box with one."""
    return hand[:2] == (KEY, colour) or (hand[0] == BOX and hand[2] == 1 + colour)
