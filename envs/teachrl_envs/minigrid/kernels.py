"""The planner's inner loops, compiled by numba. Cells are numbered x * height + y, poses 4 * cell + direction."""

from __future__ import annotations

from heapq import heappop, heappush

import numba as nb
import numpy as np
from numpy.typing import NDArray

from teachrl_envs.minigrid.board import BOX, DOOR, EMPTY

FAR = 1_000_000
"""A cost that stands for "never"."""

Costs = NDArray[np.int32]
Flags = NDArray[np.bool_]
Codes = NDArray[np.uint8]


@nb.njit(cache=True)
def steps(height: int) -> Costs:
    """Returns (4,) what a step right, down, left and up adds to the number of a cell."""
    return np.array([height, 1, -height, -1], np.int32)


@nb.njit(cache=True)
def field(walk: Codes, height: int, seeds: Costs) -> Costs:
    """Finds the fewest steps to the end from every pose (Dijkstra's algorithm, backwards, with buckets).

    Args:
        walk: (cells,) steps it takes to enter a cell: 1, 2 for a closed door, 0 if it cannot be entered.
        height: Cells along y.
        seeds: (poses,) steps to the end by what can be done at a pose, `FAR` where nothing can.

    Returns:
        (poses,) steps, `FAR` where there is no way.
    """
    delta, cells = steps(height), walk.size
    best = np.full(seeds.size, FAR, np.int32)
    top, size = 0, 0
    for pose in range(seeds.size):
        if seeds[pose] < FAR and walk[pose // 4]:
            top = max(top, seeds[pose])
    head = np.full(top + 2 * seeds.size + 3, -1, np.int32)
    link = np.empty(4 * seeds.size + 1, np.int32)
    held = np.empty(4 * seeds.size + 1, np.int32)
    for pose in range(seeds.size):
        if seeds[pose] < FAR and walk[pose // 4]:
            best[pose], held[size], link[size] = seeds[pose], pose, head[seeds[pose]]
            head[seeds[pose]] = size
            size += 1
    cost, waiting = 0, size
    while waiting:
        entry = head[cost]
        while entry >= 0:
            waiting -= 1
            pose = held[entry]
            entry = link[entry]
            if best[pose] != cost:
                continue
            cell, direction = pose // 4, pose % 4
            behind = cell - delta[direction]
            for move in range(3):
                if move == 2:
                    if behind < 0 or behind >= cells or not walk[behind]:
                        continue
                    other, total = 4 * behind + direction, cost + walk[cell]
                else:
                    other, total = 4 * cell + (direction + 1 + 2 * move) % 4, cost + 1
                if total < best[other]:
                    best[other], held[size], link[size] = total, other, head[total]
                    head[total] = size
                    size += 1
                    waiting += 1
        cost += 1
    return best


@nb.njit(cache=True)
def descend(value: Costs, interactions: Costs, walk: Codes, height: int, start: int, until: Flags) -> Costs:
    """Walks the way that a plan prefers, turning left rather than right rather than ahead where all are as short.

    Args:
        value: (poses,) steps to the end.
        interactions: (3, poses) the same by picking up, dropping and toggling.
        walk: (cells,) steps it takes to enter a cell.
        height: Cells along y.
        start: Pose to begin at.
        until: (poses,) where to stop.

    Returns:
        The poses one after another, to where an interaction is better, there is nothing left to do or it is to stop.
    """
    delta = steps(height)
    way = [np.int32(start)]
    while len(way) <= value.size:
        pose = way[-1]
        if until[pose] or value[pose] == 0 or value[pose] >= FAR:
            break
        cell, direction = pose // 4, pose % 4
        ahead = cell + delta[direction]
        left, right = 4 * cell + (direction + 3) % 4, 4 * cell + (direction + 1) % 4
        onward = walk[ahead] + value[4 * ahead + direction] if walk[ahead] else FAR
        handled = min(interactions[0, pose], interactions[1, pose])
        least = min(1 + value[left], 1 + value[right], onward, handled, interactions[2, pose])
        if 1 + value[left] == least:
            way.append(np.int32(left))
        elif 1 + value[right] == least:
            way.append(np.int32(right))
        elif onward == least and (walk[ahead] == 1 or handled > least):
            way.append(np.int32(4 * ahead + direction))
        else:
            break
    return np.array(way, np.int32)


@nb.njit(cache=True)
def spread_drops(value: Costs, walk: Codes, droppable: Flags, height: int) -> Costs:
    """Finds what dropping costs at every pose.

    A thing is dropped ahead only where a way on that begins with a turn is as short as any, or leads aside at once: a
    way that came back over the cell ahead would be longer than one straight on, so the thing is not in it.

    Args:
        value: (poses,) steps to the end with the hand empty, the thing out of the world.
        walk: (cells,) steps it takes to enter a cell then.
        droppable: (cells,) where something may be dropped.
        height: Cells along y.

    Returns:
        (poses,) steps to the end by dropping, `FAR` where it cannot or must not be done.
    """
    delta = steps(height)
    found = np.full(value.size, FAR, np.int32)
    for pose in range(value.size):
        cell, direction = pose // 4, pose % 4
        ahead = cell + delta[direction]
        if value[pose] >= FAR or ahead < 0 or ahead >= droppable.size or not droppable[ahead]:
            continue
        for turn in (1, 3):
            turned = (direction + turn) % 4
            rest, aside = value[4 * cell + turned], cell + delta[turned]
            leads_on = 0 <= aside < walk.size and walk[aside] and value[4 * aside + turned] + walk[aside] == rest
            if rest + 1 == value[pose] or leads_on:
                found[pose] = min(found[pose], 2 + rest)
    return found


@nb.njit(cache=True)
def harmless(solid: Flags, floor: Flags, height: int) -> Flags:
    """Finds floor on which a thing cuts nothing off: the cells beside it are connected around it.

    Args:
        solid: (cells,) walls.
        floor: (cells,) empty floor.
        height: Cells along y.
    """
    right, down, left, up = steps(height)
    ring = np.array([right, right + down, down, down + left, left, left + up, up, up + right], np.int32)
    found = np.zeros(floor.size, np.bool_)
    for cell in range(floor.size):
        if not floor[cell] or cell + ring.min() < 0 or cell + ring.max() >= floor.size:
            continue
        sides, gaps = 0, 0
        for k in range(0, 8, 2):
            if not solid[cell + ring[k]]:
                sides += 1
                gaps += solid[cell + ring[k + 1]] or solid[cell + ring[(k + 2) % 8]]
        found[cell] = sides <= 1 or gaps <= 1
    return found


@nb.njit(cache=True)
def relaxed(enter: Costs, height: int, start: int) -> tuple[Costs, Costs]:
    """Finds cheapest ways over cells, through obstacles at a price.

    Args:
        enter: (cells,) what it costs to enter a cell, `FAR` for walls.
        height: Cells along y.
        start: Where the ways begin.

    Returns:
        (cells,) costs, and (cells,) the cell before each on its way, -1 where there is none.
    """
    delta = steps(height)
    best = np.full(enter.size, FAR, np.int32)
    before = np.full(enter.size, -1, np.int32)
    best[start] = 0
    queue = [(0, start)]
    while queue:
        cost, cell = heappop(queue)
        if cost > best[cell]:
            continue
        for k in range(4):
            other = cell + delta[k]
            if 0 <= other < enter.size and cost + enter[other] < best[other]:
                total = cost + enter[other]
                best[other], before[other] = total, cell
                heappush(queue, (total, other))
    return best, before


@nb.njit(cache=True)
def look(images: Codes, facts: Codes, cells: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Reads where the agents are and what is in cells, agents not counted and what boxes hide not told.

    Args:
        images: (N, W, H, 3) of the teachers' view.
        facts: (N, 11) of it.
        cells: (N, K, 2) x and y.

    Returns:
        (N, 2) the agents' x and y; (N, K, 3) types, colours and states, floor is (1, 0, 0).

    Raises:
        IndexError: If a cell is outside of the grid.
    """
    agents, found = np.empty((cells.shape[0], 2), np.int64), np.zeros((cells.shape[0], cells.shape[1], 3), np.int64)
    for n in range(cells.shape[0]):
        agents[n, 0], agents[n, 1] = facts[n, 0], facts[n, 1]
        for k in range(cells.shape[1]):
            x, y = cells[n, k, 0], cells[n, k, 1]
            if not (0 <= x < images.shape[1] and 0 <= y < images.shape[2]):
                raise IndexError("a cell is outside of the grid")
            if x != facts[n, 0] or y != facts[n, 1]:
                found[n, k, 0], found[n, k, 1] = images[n, x, y, 0], images[n, x, y, 1]
                found[n, k, 2] = images[n, x, y, 2] if images[n, x, y, 0] != BOX else 0
            elif facts[n, 3]:
                found[n, k, 0], found[n, k, 1] = DOOR, np.int64(facts[n, 3]) - 1  # an open one
            else:
                found[n, k, 0] = EMPTY
    return agents, found
