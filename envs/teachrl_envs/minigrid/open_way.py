"""The shortest way to a goal where nothing has to be moved or unlocked, found at once."""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

from teachrl_envs.minigrid.board import BALL, BOX, CLOSED, DOOR, EMPTY, GOAL, KEY, LOCKED
from teachrl_envs.minigrid.kernels import FAR, Codes, Costs, steps


@nb.njit(cache=True)
def open_way(image: Codes, facts: Codes) -> tuple[bool, NDArray[np.int64]]:
    """Finds the doors on a shortest way to the goal, counting turns, steps and the opening of doors.

    Args:
        image: (W, H, 3) of the teachers' view.
        facts: (11,) of it.

    Returns:
        Whether the level is one of these, with a goal to be reached, no locked door and nothing that can be picked up;
        and the cells (n,) of the doors in order, then of the goal, none if it is out of reach or reached.
    """
    height = image.shape[1]
    none = np.empty(0, np.int64)
    kinds, states = image[:, :, 0].copy().reshape(-1), image[:, :, 2].copy().reshape(-1)
    for cell in range(kinds.size):
        if kinds[cell] in (KEY, BALL, BOX) or (kinds[cell] == DOOR and states[cell] == LOCKED):
            return False, none
    if facts[7] != GOAL:
        return False, none
    start, goal = np.int64(facts[0]) * height + facts[1], np.int64(facts[9]) * height + facts[10]
    before, best = np.full(4 * kinds.size, -1, np.int32), np.full(4 * kinds.size, FAR, np.int32)
    end = _search(kinds, states, height, 4 * start + facts[2], goal, best, before)
    return True, none if end < 0 or start == goal else _doors(kinds, before, end, start)


@nb.njit(cache=True)
def _search(kinds: Codes, states: Codes, height: int, start: int, goal: int, best: Costs, before: Costs) -> int:
    """Goes through the poses by their distance from the start; returns the one in which the goal is reached, or -1."""
    delta = steps(height)
    layers, sizes = np.empty((3, best.size), np.int32), np.zeros(3, np.int64)
    layers[0, 0], sizes[0], best[start] = start, 1, 0
    cost = 0
    while sizes.any():
        here = cost % 3
        for place in range(sizes[here]):
            pose = layers[here, place]
            if best[pose] != cost:
                continue
            cell, direction = pose // 4, pose % 4
            if cell == goal:
                return int(pose)
            for turn in (1, 3):
                _reach(4 * cell + (direction + turn) % 4, cost + 1, pose, layers, sizes, best, before)
            ahead = cell + delta[direction]
            if kinds[ahead] in (EMPTY, GOAL, DOOR):
                closed = kinds[ahead] == DOOR and states[ahead] == CLOSED
                _reach(4 * ahead + direction, cost + 1 + closed, pose, layers, sizes, best, before)
        sizes[here] = 0
        cost += 1
    return -1


@nb.njit(cache=True)
def _reach(
    pose: int, cost: int, origin: int, layers: Costs, sizes: NDArray[np.int64], best: Costs, before: Costs
) -> None:
    if cost < best[pose]:
        best[pose], before[pose] = cost, origin
        layers[cost % 3, sizes[cost % 3]] = pose
        sizes[cost % 3] += 1


@nb.njit(cache=True)
def _doors(kinds: Codes, before: Costs, end: int, start: int) -> NDArray[np.int64]:
    """Follows the way back and returns the doors on it in order, then the goal."""
    found, pose = [end // 4], end
    while pose >= 0:
        cell = pose // 4
        if kinds[cell] == DOOR and cell != found[-1] and cell != start:
            found.append(cell)
        pose = before[pose]
    return np.array(found[::-1], np.int64)
