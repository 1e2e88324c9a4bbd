"""MiniGrid's codes in words, and the text of its missions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from teachrl_envs.minigrid.board import BALL, BOX, CLOSED, DOOR, EMPTY, GOAL, KEY, LOCKED, OPEN, WALL

KINDS = {DOOR: "door", KEY: "key", BALL: "ball", BOX: "box", GOAL: "goal"}
COLOURS = ("red", "green", "blue", "purple", "yellow", "grey")
DIRECTIONS = ("right", "down", "left", "up")
DOOR_STATES = {OPEN: "open", CLOSED: "closed", LOCKED: "locked"}
WALL_MARK, FLOOR_MARK, OUTSIDE_MARK = "#", ".", " "
MARKS = {EMPTY: FLOOR_MARK, WALL: WALL_MARK, KEY: "K", BALL: "A", BOX: "B", GOAL: "G"}
DOOR_MARKS = {OPEN: "_", CLOSED: "D", LOCKED: "L"}
AGENT_MARKS = (">", "v", "<", "^")
LEGEND = {
    **{WALL_MARK: "wall", FLOOR_MARK: "floor", OUTSIDE_MARK: "out of reach"},
    **{MARKS[kind]: KINDS[kind] for kind in (KEY, BALL, BOX, GOAL)},
    **{mark: f"{DOOR_STATES[state]} door" for state, mark in DOOR_MARKS.items()},
    **{mark: f"the agent, facing {way}" for mark, way in zip(AGENT_MARKS, DIRECTIONS, strict=True)},
}
"""What the characters of a drawn grid mean."""


def thing_in_words(kind: int, colour: int, state: int = OPEN) -> str:
    """Names a thing: `"yellow key"`, `"locked red door"`, `"goal"`; nothing is an empty text."""
    return named(KINDS[kind], COLOURS[colour], kind == DOOR and state == LOCKED) if kind in KINDS else ""


def named(kind: str, colour: str, locked: bool = False) -> str:
    """Names a thing whose kind and colour are in words."""
    return kind if kind == KINDS[GOAL] else f"{'locked ' if locked else ''}{colour} {kind}"


def mission(kinds: NDArray[np.uint8], hand: int, target: int, colour: int) -> str:
    """Returns the text of the mission as MiniGrid words it.

    Args:
        kinds: (W, H) types of all cells.
        hand: Type of what is carried, 0 for nothing.
        target: Type of the target.
        colour: Its colour.
    """
    if target == BALL:
        return f"pick up the {COLOURS[colour]} ball"
    if target == EMPTY:
        return "go to the matching object at the end of the hallway"
    if hand == KEY or (kinds == KEY).any():
        return "use the key to open the door and then get to the goal"
    if (kinds == DOOR).any():
        return "traverse the rooms to get to the goal"
    return "reach the goal"
