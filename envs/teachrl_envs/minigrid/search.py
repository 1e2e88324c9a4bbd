"""Plans over what to open, take and put away, with the fewest steps between found for every pose at once.

A stage is a state of doors, things and the hand. Within a stage nothing happens but walking (through closed doors too);
what ends it, at a pose, is an interaction with a thing that matters, worth one step and what the next stage still takes
from that same pose. So a stage's steps to the end are found for all poses by one backward search from its
interactions, once the stages that follow are known. They end where the target is reached.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from teachrl_envs.minigrid.board import BALL, BOX, DOOR, EMPTY, KEY, LOCKED, OPEN
from teachrl_envs.minigrid.kernels import FAR, Codes, Costs, Flags, field, harmless, relaxed, spread_drops
from teachrl_envs.minigrid.obstacles import Route, obstacles
from teachrl_envs.minigrid.world import FLOOR, MOVABLE, NOTHING, Hand, Thing, World, holds_key, of_kinds

_PICKUP, _DROP, _TOGGLE = 3, 4, 5
_ACTIONS = 7
HOPELESS = FAR + 1
"""Steps to the end where a plan was sought in vain."""
_MOST_STAGES = 300  # a mess beyond that is left alone
_PLACES = 4  # tried for a key that must be put down and taken up again
_ATTEMPTS = ((True, 0), (False, 0), (True, 1), (True, 2))  # careful or not, relocations
_ROUTES = 2  # locked doors that are tried as the first to go through


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What to do in one stage, from any pose.

    Attributes:
        value: (poses,) steps to the end, `FAR` where there is no way.
        interactions: (3, poses) the same by picking up, dropping and toggling.
        walk: (cells,) steps it takes to enter a cell.
        height: Cells along y.
    """

    value: Costs
    interactions: Costs
    walk: Codes
    height: int

    def steps(self, pose: int) -> list[int]:
        """Returns (7,) steps to the end by each action at a pose, `FAR` for those of no use."""
        cell, direction = divmod(pose, 4)
        ahead = cell + (self.height, 1, -self.height, -1)[direction]
        enter = int(self.walk[ahead])
        pick, drop, toggle = self.interactions[:, pose].tolist()
        left, right = (1 + int(self.value[4 * cell + (direction + turn) % 4]) for turn in (3, 1))
        onward = enter + int(self.value[4 * ahead + direction]) if enter else FAR
        forward = onward if enter == 1 else FAR
        return [left, right, forward, pick, drop, min(toggle, onward) if enter == 2 else toggle, FAR]

    def best(self, pose: int) -> list[int]:
        """Returns the actions that are best at a pose; none where there is no way or nothing left to do."""
        if not 0 < self.value[pose] < FAR:
            return []
        costs = self.steps(pose)
        return [action for action in range(_ACTIONS) if costs[action] == min(costs)]


def plan(world: World, pose: int) -> Plan:
    """Plans from a state.

    Args:
        world: The state.
        pose: The agent's pose; the plan holds for all poses that it can walk to.

    Returns:
        The plan, its values `HOPELESS` where none was found.
    """
    routes = _routes(world, pose // 4)
    never = np.full(4 * len(world.cells), FAR, np.int32)
    found = [Plan(never, np.stack([never] * 3), world.walk(), world.height)]
    for careful, relocations in _ATTEMPTS:
        found += [_Search(route.opened, careful, relocations).solve(world) for route in routes]
        if any(one.value[pose] < FAR for one in found):
            break
    value = np.minimum.reduce([one.value for one in found])
    if value[pose] >= FAR:
        value[np.repeat(walked_to(world, pose // 4), 4)] = HOPELESS
    return replace(found[0], value=value, interactions=np.minimum.reduce([one.interactions for one in found]))


def walked_to(world: World, start: int) -> Flags:
    """Returns (cells,) which can be walked to from a cell, through closed doors too."""
    walk = world.walk()
    reached: Flags = relaxed(np.where(walk > 0, walk, np.int32(FAR)).astype(np.int32), world.height, start)[0] < FAR
    return reached


def _routes(world: World, start: int) -> list[Route]:
    """Returns ways to the target that differ in the locked door they go through first."""
    kind, _, state = world.cells.T
    if not (of_kinds(kind, MOVABLE) | ((kind == DOOR) & (state == LOCKED))).any():
        return [Route({}, -1)]  # nothing is in the way of anything
    routes: list[Route] = []
    shut: list[int] = []
    while len(routes) < _ROUTES and (found := obstacles(world, start, shut)) is not None:
        routes.append(found)
        if found.first < 0:
            break
        shut.append(found.first)
    return routes


def look_first(plan: Plan, seen: Flags) -> Plan:
    """Returns the plan of going to where something can be seen, poses (poses,), before following another plan.

    The way there leads around the target: an episode ends at once where it is entered, seen or not.
    """
    under_way = plan.value > 0
    walk = np.where(under_way.reshape(-1, 4).all(axis=1), plan.walk, 0).astype(np.uint8)
    seeds = np.where(seen & under_way, plan.value, FAR).astype(np.int32)
    return replace(plan, value=field(walk, plan.height, seeds), walk=walk)


class _Search:
    """Solves stages, each once.

    Args:
        matter: By the cells of the things to deal with, the doors that are closed before them.
        careful: Drop things only where they cut nothing off.
        relocations: How many times a key that is needed may be put down and taken up again.
    """

    def __init__(self, matter: Mapping[int, tuple[int, ...]], careful: bool, relocations: int) -> None:
        self._matter, self._careful, self._relocations = matter, careful, relocations
        self._known: dict[tuple[bytes, Hand], Plan] = {}

    def solve(self, world: World) -> Plan:
        """Returns the plan for a stage."""
        key = (world.cells.tobytes(), world.hand)
        if key not in self._known:
            self._known[key] = self._solve(world)
        return self._known[key]

    def _solve(self, world: World) -> Plan:
        poses, walk = 4 * len(world.cells), world.walk()
        stage = _Stage(world, walk, np.full((3, poses), FAR, np.int32))
        arrival = np.full(poses, FAR, np.int32)
        kind, target = world.target
        if kind != BALL:
            arrival[4 * target : 4 * target + 4] = 0
        elif world.hand == NOTHING:
            stage.seed(_PICKUP, target, lambda pose: 0)
        if len(self._known) < _MOST_STAGES and not world.fixed:
            matter = self._left(world)
            for cell in matter:
                self._deal_with(stage, cell)
            if world.hand != NOTHING:
                self._empty_hand(stage, matter)
        seeds = np.minimum(arrival, stage.interactions.min(axis=0))
        return Plan(field(walk, world.height, seeds), stage.interactions, walk, world.height)

    def _left(self, world: World) -> list[int]:
        """Returns the cells where something still matters: locked doors, things in the way, keys that were put down."""
        kind, _, state = world.cells.T
        left = [
            cell for cell in self._matter if kind[cell] in MOVABLE or (kind[cell] == DOOR and state[cell] == LOCKED)
        ]
        return sorted(left)

    def _deal_with(self, stage: _Stage, cell: int) -> None:
        world = stage.world
        kind, colour, state = world.cells[cell].tolist()
        if kind == DOOR and world.hand[:2] == (KEY, colour):
            self._then(stage, _TOGGLE, cell, world.hand, (DOOR, colour, OPEN))
        elif kind == BOX:
            self._then(stage, _TOGGLE, cell, world.hand, (KEY, state - 1, 0) if state else FLOOR)
        elif kind in (KEY, BALL) and world.hand == NOTHING:
            self._then(stage, _PICKUP, cell, (kind, colour, 0), FLOOR)

    def _then(self, stage: _Stage, action: int, cell: int, hand: Hand, thing: Thing) -> None:
        """Notes an action after which a hand and a cell hold something else; doors passed before it stay open."""
        if stage.faced(cell):
            value = self.solve(stage.world.changed(hand, cell, thing, self._matter[cell])).value
            stage.seed(action, cell, lambda pose: int(value[pose]))

    def _empty_hand(self, stage: _Stage, matter: list[int]) -> None:
        world = stage.world
        locked = {int(world.cells[cell, 1]) for cell in matter if world.cells[cell, 0] == DOOR}
        floor: Flags = world.cells[:, 0] == EMPTY
        safe = harmless(world.solid(), floor, world.height) & harmless(world.solid(*MOVABLE), floor, world.height)
        if not any(holds_key(world.hand, colour) for colour in locked):
            places = safe if matter and self._careful else floor
            after = self.solve(world.holding(NOTHING))
            drops = spread_drops(after.value, after.walk, places, world.height)
            np.minimum(stage.interactions[_DROP - _PICKUP], drops, out=stage.interactions[_DROP - _PICKUP])
        elif world.hand[0] == BOX:
            stage.unpack(self.solve(world.holding((KEY, world.hand[2] - 1, 0))).value, floor)
        elif self._relocations:
            self._relocate(stage, matter, safe)

    def _relocate(self, stage: _Stage, matter: list[int], safe: Flags) -> None:
        """Puts a key down near what is in the way, for a while."""
        world, height = stage.world, stage.world.height
        reached = field(stage.walk, height, _around(stage.walk, matter, height)).reshape(-1, 4).min(axis=1)
        places = np.flatnonzero(safe & (reached < FAR))
        for place in places[np.argsort(reached[places], kind="stable")][:_PLACES].tolist():
            value = (
                _Search({**self._matter, place: ()}, self._careful, self._relocations - 1)
                .solve(world.changed(NOTHING, place, world.hand))
                .value
            )
            stage.seed(_DROP, place, lambda pose, value=value: int(value[pose]))  # type: ignore[misc]


@dataclass(frozen=True, slots=True, eq=False)
class _Stage:
    """A stage whose interactions are being collected."""

    world: World
    walk: Codes
    interactions: Costs

    def faced(self, cell: int) -> list[int]:
        """Returns the poses that face a cell."""
        height = self.world.height
        stands = [cell - step for step in (height, 1, -height, -1)]
        return [4 * s + d for d, s in enumerate(stands) if 0 <= s < len(self.walk) and self.walk[s]]

    def seed(self, action: int, cell: int, rest: Callable[[int], int]) -> None:
        """Notes that an action towards a cell costs one step and the rest, which is asked for by pose."""
        row = self.interactions[action - _PICKUP]
        for pose in self.faced(cell):
            row[pose] = min(row[pose], 1 + rest(pose), FAR)

    def unpack(self, value: Costs, floor: Flags) -> None:
        """Notes that a carried box is dropped, opened and emptied in three steps, wherever there is floor ahead."""
        row = self.interactions[_DROP - _PICKUP]
        for direction, step in enumerate((height := self.world.height, 1, -height, -1)):
            stands = np.flatnonzero(floor) - step
            stands = stands[(stands >= 0) & (stands < len(floor))]
            poses = 4 * stands[self.walk[stands] > 0] + direction
            row[poses] = np.minimum(np.minimum(row[poses], 3 + value[poses]), FAR)


def _around(walk: Codes, cells: list[int], height: int) -> Costs:
    """Returns seeds (poses,) of 0 beside some cells."""
    seeds = np.full(4 * len(walk), FAR, np.int32)
    for cell in cells:
        for step in (height, 1, -height, -1):
            if 0 <= cell + step < len(walk) and walk[cell + step]:
                seeds[4 * (cell + step) : 4 * (cell + step) + 4] = 0
    return seeds
