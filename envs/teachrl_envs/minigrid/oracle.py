"""Subgoals of the shortest solution, as Words as Beacons lists them (https://arxiv.org/abs/2410.08632).

MultiRoom: each door on the way, then the goal. KeyCorridor: key, locked door, ball. ObstructedMaze: boxes or keys,
blocking balls, locked doors, in the order in which the shortest solution deals with them, then the ball (on 1Dlhb it
moves the blocking ball first, where the published list has the box first). DoorKey: key, door, goal. FourRooms: the
goal. The paper has no list for Memory; here it is the cell from which the hint is seen, if the agent must walk there,
then the cell beside the answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teachrl.subgoals import Subgoal
from teachrl_envs.minigrid.board import BALL, BOX, DOOR, EMPTY, GOAL, KEY, OPEN
from teachrl_envs.minigrid.hint import hint_seen
from teachrl_envs.minigrid.kernels import FAR, descend
from teachrl_envs.minigrid.open_way import open_way
from teachrl_envs.minigrid.search import Plan, look_first, plan
from teachrl_envs.minigrid.words import COLOURS, KINDS, thing_in_words
from teachrl_envs.minigrid.world import FLOOR, NOTHING, Thing, World, read_world, without_agents

_PICKUP, _DROP, _TOGGLE = 3, 4, 5
_LONGEST = 5000  # actions of a solution; those of a mess that is cleared up stay far below


@dataclass(frozen=True, slots=True)
class Event:
    """Something that the shortest solution does to a cell, or a cell that it comes to.

    Attributes:
        deed: `"pickup"`, `"drop"`, `"toggle"`, `"pass"` (a door that is not locked), `"look"` (at Memory's hint) or
            `"end"`.
        cell: Number of the cell.
        thing: Type, colour and state of what is there before.
    """

    deed: str
    cell: int
    thing: Thing


def oracle_subgoals(image: NDArray[np.uint8], facts: NDArray[np.uint8]) -> list[Subgoal]:
    """Returns the subgoals of the shortest solution in order.

    Args:
        image: (W, H, 3) of the teachers' view.
        facts: (11,) of it.

    Returns:
        The subgoals, the game's own goal last; empty if there is no solution, or nothing left to do.
    """
    plain, cells = open_way(image, facts)
    if plain:
        return [_there(image, *divmod(cell, image.shape[1])) for cell in cells.tolist()]
    world = read_world(without_agents(image[None], facts[None])[0], facts)
    pose = (int(facts[0]) * world.height + int(facts[1])) * 4 + int(facts[2])
    events = list(solution(world, pose))
    if not events or events[-1].deed != "end":
        return []
    return [_subgoal(world, event) for event in _kept(events, pose // 4, doors=world.target[0] == GOAL)]


def solution(world: World, pose: int) -> Iterator[Event]:
    """Follows the planner from a state to the end, without the environment; stops early if there is no way."""
    for _ in range(_LONGEST):
        ahead = plan(world, pose)
        if not 0 < ahead.value[pose] < FAR:
            return
        if world.fixed:
            pose, looked = _look(world, ahead, pose)
            yield from looked
        pose, passed, action = _walk(ahead, pose)
        yield from (Event("pass", cell, _thing(world, cell)) for cell in passed)
        cell = pose // 4 if action is None else _front(world, pose)
        thing = _thing(world, cell)
        if action is None or (action == _PICKUP and cell == world.target[1] and thing[0] == BALL):
            yield Event("end", cell, thing)
            return
        yield Event({_PICKUP: "pickup", _DROP: "drop", _TOGGLE: "toggle"}[action], cell, thing)
        world = _interact(world, action, cell, thing, [c for c in passed if world.cells[c, 0] == DOOR])


def _look(world: World, straight: Plan, pose: int) -> tuple[int, list[Event]]:
    """Goes to where Memory's hint can be seen; returns the pose there."""
    seen = hint_seen(world.cells.reshape(-1, world.height, 3))
    if seen[pose]:
        return pose, []
    there, _, _ = _walk(look_first(straight, seen), pose, seen)
    return there, [Event("look", there // 4, FLOOR)]


def _walk(ahead: Plan, pose: int, until: NDArray[np.bool_] | None = None) -> tuple[int, list[int], int | None]:
    """Walks as a plan says, through the doors that it opens on the way.

    Args:
        ahead: The plan.
        pose: Where to begin.
        until: (poses,) where to stop; None stops at the end only.

    Returns:
        The pose at which something else is to be done, the cells walked into, and the action; None at the end of the
        way.
    """
    stop = np.zeros(len(ahead.value), np.bool_) if until is None else until
    way = descend(ahead.value, ahead.interactions, ahead.walk, ahead.height, pose, stop)
    cells = way // 4
    passed, there = cells[1:][np.diff(cells) != 0].tolist(), int(way[-1])
    return there, passed, None if stop[there] or not ahead.value[there] else ahead.best(there)[0]


def _interact(world: World, action: int, cell: int, thing: Thing, opened: list[int]) -> World:
    kind, colour, state = thing
    if action == _PICKUP:
        return world.changed((kind, colour, 0), cell, FLOOR, opened)
    if action == _DROP:
        return world.changed(NOTHING, cell, world.hand, opened)
    if kind == BOX:
        return world.changed(world.hand, cell, (KEY, state - 1, 0) if state else FLOOR, opened)
    return world.changed(world.hand, cell, (DOOR, colour, OPEN), opened)


def _kept(events: list[Event], start: int, doors: bool) -> Iterator[Event]:
    """Leaves out what the published lists do: putting things away, taking up what was put down or unpacked."""
    own: set[int] = {start}
    for event in events:
        if event.deed == "pass" and not (doors and event.thing[0] == DOOR):
            continue
        if event.deed == "end" or (event.deed != "drop" and event.cell not in own):
            yield event
        own.add(event.cell)


def _there(image: NDArray[np.uint8], x: int, y: int) -> Subgoal:
    kind, colour, state = image[x, y].tolist()
    return Subgoal(x, y, KINDS[kind], COLOURS[colour], thing_in_words(kind, colour, state))


def _subgoal(world: World, event: Event) -> Subgoal:
    x, y = divmod(event.cell, world.height)
    kind, colour, state = event.thing
    if kind == EMPTY:
        text = "where the hint can be seen" if event.deed == "look" else "beside the object that matches the hint"
        return Subgoal(x, y, text=text)
    return Subgoal(x, y, KINDS[kind], COLOURS[colour], thing_in_words(kind, colour, state))


def _thing(world: World, cell: int) -> Thing:
    kind, colour, state = world.cells[cell].tolist()
    return kind, colour, state


def _front(world: World, pose: int) -> int:
    cell, direction = divmod(pose, 4)
    return cell + (world.height, 1, -world.height, -1)[direction]
