"""MiniGrid's levels for those who name subgoals in them: in words, as a drawing, and with the shortest solution."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from teachrl.lessons import Floats, Observations
from teachrl.subgoals import Layout, Subgoal, Thing
from teachrl_envs.minigrid.board import BOX, DOOR, EMPTY, KEY, LOCKED, WALL
from teachrl_envs.minigrid.distances import Distances
from teachrl_envs.minigrid.kernels import FAR, look, relaxed
from teachrl_envs.minigrid.oracle import oracle_subgoals
from teachrl_envs.minigrid.words import (
    AGENT_MARKS,
    COLOURS,
    DIRECTIONS,
    DOOR_MARKS,
    DOOR_STATES,
    KINDS,
    LEGEND,
    MARKS,
    OUTSIDE_MARK,
    WALL_MARK,
    mission,
    named,
    thing_in_words,
)
from teachrl_envs.minigrid.world import holds_key, of_kinds, teachers_view, without_agents

_REMEMBERED = 4096  # levels whose solutions are kept: those of a run on a fixed set of seeds
_DRAWN = np.full(256, ord(OUTSIDE_MARK), np.uint8)
_DRAWN[list(MARKS)] = [ord(mark) for mark in MARKS.values()]
_DOORS = np.array([ord(DOOR_MARKS[state]) for state in sorted(DOOR_MARKS)], np.uint8)

Image = NDArray[np.uint8]
Bools = NDArray[np.bool_]


class MiniGridLayouts:
    """Reads levels from the teachers' view of a `TeachRL/MiniGrid-*` game; what boxes hide is not told."""

    def __init__(self) -> None:
        self._distances = Distances()
        self._walked: tuple[Layout, Bools] | None = None
        self._solved: OrderedDict[bytes, list[Subgoal]] = OrderedDict()

    def read(self, observations: Observations, row: int, env_id: str, seed: int | None) -> Layout:
        """Returns the layout of one row.

        Args:
            observations: (N, *o) the teachers' view, or all views.
            row: Which of the N.
            env_id: The environment.
            seed: The lesson's seed, if it has one.

        Raises:
            InvalidTeacher: If the observations are not those of a game's teachers' view.
        """
        images, facts = teachers_view(observations)
        image, known = images[row : row + 1].copy(), facts[row : row + 1].copy()
        cells = without_agents(image, known)[0]
        x, y, direction, _, hand, shade, _, target, colour, _, _ = known[0].tolist()
        grid = _draw(cells, x, y, direction)
        drawn = set().union(*grid)
        return Layout(
            env_id=env_id,
            seed=seed,
            width=cells.shape[0],
            height=cells.shape[1],
            agent=(x, y, DIRECTIONS[direction]),
            carrying=thing_in_words(hand, shade),
            mission=mission(cells[..., 0], hand, target, colour),
            things=_things(cells),
            grid=grid,
            legend={mark: meaning for mark, meaning in LEGEND.items() if mark in drawn},
            raw={"image": image, "facts": known},
        )

    def refusal(self, layout: Layout, subgoal: Subgoal) -> str:
        """Says why a subgoal cannot be meant, in a sentence; empty if it can."""
        x, y = subgoal.x, subgoal.y
        if not (0 <= x < layout.width and 0 <= y < layout.height):
            return f"({x}, {y}) is outside of the grid: x goes from 0 to {layout.width - 1}, y to {layout.height - 1}."
        if layout.grid[y][x] == WALL_MARK:
            return f"There is a wall at ({x}, {y})."
        if subgoal.kind != "position" and (reason := _missing(layout, subgoal)):
            return reason
        if not self._reached(layout)[x * layout.height + y]:
            return f"({x}, {y}) cannot be reached from where the agent is."
        return ""

    def oracle(self, layout: Layout) -> list[Subgoal]:
        """Returns the subgoals of the shortest solution in order; empty if there is none."""
        image, facts = teachers_view(layout.raw)
        level = image.tobytes() + facts.tobytes()
        if level not in self._solved:
            self._solved[level] = oracle_subgoals(image[0], facts[0])
            if len(self._solved) > _REMEMBERED:
                self._solved.popitem(last=False)
        return list(self._solved[level])

    def cells(self, layout: Layout, kinds: Sequence[str] = ()) -> list[Subgoal]:
        """Returns what lies in the layout as subgoals, of some kinds only if any are named."""
        return [_as_subgoal(thing) for thing in layout.things if not kinds or thing.kind in kinds]

    def look(self, observations: Observations, cells: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Returns where the agents are, and what is in some cells as MiniGrid encodes it.

        Args:
            observations: (N, *o) the teachers' view, or all views.
            cells: (N, K, 2) the cells' x and y.

        Returns:
            (N, 2) the x and y of the agents; (N, K, 3) type, colour and state of what is in the cells, agents not
            counted. Floor is (1, 0, 0). A box's state is 0, whatever it hides.

        Raises:
            IndexError: If a cell is outside of the grid.
        """
        found: tuple[NDArray[np.int64], NDArray[np.int64]] = look(*teachers_view(observations), cells)
        return found

    def distances(self, observations: Observations) -> Floats:
        """Returns (N,) steps to success along the shortest way, infinity where there is none.

        They are a function of the state alone; see `Distances`.
        """
        return self._distances(*teachers_view(observations))

    def _reached(self, layout: Layout) -> Bools:
        """Returns (cells,) which can be got to, remembered for the layout that was asked about last."""
        if self._walked is None or self._walked[0] is not layout:
            image, facts = teachers_view(layout.raw)
            self._walked = layout, _reachable(without_agents(image, facts)[0], facts[0])
        return self._walked[1]


def _draw(cells: Image, x: int, y: int, direction: int) -> tuple[str, ...]:
    """Draws the cells (W, H, 3), row by row; floor that no way leads to is left blank."""
    width, height, _ = cells.shape
    kinds = cells[..., 0]
    drawn = _DRAWN[kinds]
    doors = kinds == DOOR
    drawn[doors] = _DOORS[cells[doors, 2]]
    enter = np.where(kinds == WALL, FAR, 1).astype(np.int32).reshape(-1)
    inside = relaxed(enter, height, x * height + y)[0].reshape(width, height) < FAR
    drawn[(kinds == EMPTY) & ~inside] = ord(OUTSIDE_MARK)
    drawn[x, y] = ord(AGENT_MARKS[direction])
    lines = drawn.T.tobytes().decode("ascii")
    return tuple(lines[k * width : (k + 1) * width] for k in range(height))


def _things(cells: Image) -> tuple[Thing, ...]:
    """Lists what is neither wall nor floor, row by row."""
    rows = cells.transpose(1, 0, 2)
    found = []
    places = np.nonzero(of_kinds(rows[..., 0], [*KINDS]))
    for y, x, (kind, colour, state) in zip(*(p.tolist() for p in places), rows[places].tolist(), strict=True):
        found.append(Thing(KINDS[kind], COLOURS[colour], DOOR_STATES[state] if kind == DOOR else "", x, y))
    return tuple(found)


def _as_subgoal(thing: Thing) -> Subgoal:
    return Subgoal(thing.x, thing.y, thing.kind, thing.colour, _in_words(thing))


def _in_words(thing: Thing) -> str:
    return named(thing.kind, thing.colour, thing.state == DOOR_STATES[LOCKED])


def _missing(layout: Layout, subgoal: Subgoal) -> str:
    """Says that the thing a subgoal names is not in its cell, and where there are such things."""
    alike = [t for t in layout.things if t.kind == subgoal.kind and subgoal.colour in ("", t.colour)]
    if any((t.x, t.y) == (subgoal.x, subgoal.y) for t in alike):
        return ""
    here = next((f"a {_in_words(t)}" for t in layout.things if (t.x, t.y) == (subgoal.x, subgoal.y)), "nothing")
    places = ", ".join(f"({t.x}, {t.y})" for t in alike)
    name = f"{subgoal.colour} {subgoal.kind}".strip()
    elsewhere = f"such things are at {places}" if places else "there is none in this level"
    return f"There is no {name} at ({subgoal.x}, {subgoal.y}), but {here}; {elsewhere}."


def _reachable(cells: Image, facts: NDArray[np.uint8]) -> Bools:
    """Returns (cells,) which can be got to if things are put away, and doors opened to which there is a key."""
    height = cells.shape[1]
    kinds, colours, states = cells.reshape(-1, 3).T
    start = int(facts[0]) * height + int(facts[1])
    held = tuple(facts[4:7].tolist())
    keys = {colour for colour in range(len(COLOURS)) if holds_key(held, colour)}
    while True:
        shut = (kinds == DOOR) & (states == LOCKED) & ~np.isin(colours, list(keys))
        costs, _ = relaxed(np.where((kinds == WALL) | shut, FAR, 1).astype(np.int32), height, start)
        reached: Bools = costs < FAR
        boxed = reached & (kinds == BOX) & (states > 0)
        more = {*colours[reached & (kinds == KEY)].tolist(), *(states[boxed] - 1).tolist()} - keys
        if not more:
            return reached
        keys |= more
