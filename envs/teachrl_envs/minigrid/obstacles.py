"""Which locked doors, keys and blockers matter: those on a cheapest way through obstacles, and on the ways to keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from teachrl_envs.minigrid.board import CLOSED, DOOR, LOCKED
from teachrl_envs.minigrid.kernels import FAR, Costs, relaxed
from teachrl_envs.minigrid.world import MOVABLE, World, holds_key, of_kinds

_MOVE, _UNLOCK = 8, 20  # roughly the steps that it takes to clear a cell away, and to fetch a key
_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Route:
    """What to deal with on one way to the target.

    Attributes:
        opened: By the cell of each locked door, key, box with a key or thing in the way, the closed doors before it.
        first: The first locked door, -1 if there is none.
    """

    opened: Mapping[int, tuple[int, ...]]
    first: int


class _DeadEndError(Exception):
    """A locked door turns out to be no way."""

    def __init__(self, door: int) -> None:
        self.door = door


def obstacles(world: World, start: int, shut: Sequence[int] = ()) -> Route | None:
    """Finds the cells of the things to deal with on the way to the target.

    Args:
        world: The state.
        start: The agent's cell.
        shut: Locked doors not to be used.

    Returns:
        The cheapest way, None if there is none.
    """
    banned = list(shut)
    for _ in range(_ATTEMPTS):
        try:
            return _closure(world, start, banned)
        except _DeadEndError as dead:
            if dead.door < 0:
                return None
            banned.append(dead.door)
    return None


def _closure(world: World, start: int, banned: Sequence[int]) -> Route:
    prices = _prices(world, banned)
    costs, before = relaxed(prices, world.height, start)
    opened: dict[int, tuple[int, ...]] = {}
    doors: list[int] = []
    errands: list[tuple[int, tuple[int, ...]]] = [(world.target[1], ())]
    while errands:
        goal, behind = errands.pop()
        if costs[goal] >= FAR:
            raise _DeadEndError(behind[-1] if behind else -1)
        passed: tuple[int, ...] = ()
        for cell in _way(before, start, goal):
            kind, _, state = world.cells[cell].tolist()
            if kind == DOOR and state == CLOSED:
                passed = (*passed, cell)
            elif kind == DOOR and state == LOCKED:
                if cell in behind:
                    raise _DeadEndError(cell)
                if cell not in opened and not holds_key(world.hand, int(world.cells[cell, 1])):
                    errands.append((_nearest_key(world, costs, prices, cell), (*behind, cell)))
                doors.append(cell)
                opened.setdefault(cell, passed)
            elif kind in MOVABLE and cell != world.target[1]:
                opened.setdefault(cell, passed)
    return Route(opened, doors[0] if doors else -1)


def _prices(world: World, banned: Sequence[int]) -> Costs:
    kind, state = world.cells[:, 0], world.cells[:, 2]
    walk = world.walk()
    prices = np.where(walk > 0, walk, np.int32(FAR)).astype(np.int32)
    prices[(kind == DOOR) & (state == LOCKED)] = _UNLOCK
    if not world.fixed:
        prices[of_kinds(kind, MOVABLE)] = _MOVE
        prices[world.target[1]] = 1
    prices[list(banned)] = FAR
    return prices


def _nearest_key(world: World, costs: Costs, prices: Costs, door: int) -> int:
    """Returns the cell of the key that is the least detour on the way to a door."""
    keys = world.keys(int(world.cells[door, 1]))
    if not keys.size:
        raise _DeadEndError(door)
    if keys.size == 1:
        return int(keys[0])
    return int(keys[np.argmin(costs[keys] + relaxed(prices, world.height, door)[0][keys])])


def _way(before: Costs, start: int, goal: int) -> list[int]:
    way = []
    while goal != start:
        way.append(goal)
        goal = int(before[goal])
    return way[::-1]
