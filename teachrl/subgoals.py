"""What passes between an environment with a layout, a provider of subgoals, and the teacher that shows them.

An environment that has layouts names a `Layouts` in its `provides["layouts"]`. It reads the teachers' view, in the main
process, so that environments in workers need not be asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from teachrl.errors import InvalidTeacher
from teachrl.lessons import Array, Floats, Observations
from teachrl.observations import copied, take


@dataclass(frozen=True, slots=True)
class Subgoal:
    """A cell to stand on, or in which something is to be done.

    Attributes:
        x: Column, 0 at the left.
        y: Row, 0 at the top.
        kind: What is there, as layouts call it (`"door"`, `"key"`, `"ball"`, `"box"`, `"goal"`), or `"position"` for a
            bare cell.
        colour: Of what is there, empty for none.
        text: The subgoal in words, empty for none.
    """

    x: int
    y: int
    kind: str = "position"
    colour: str = ""
    text: str = ""

    def to_data(self) -> dict[str, Any]:
        """Returns the subgoal as a dict of numbers and strings."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Subgoal:
        """Rebuilds a subgoal from `to_data`'s dict.

        Raises:
            InvalidTeacher: If entries are missing, unknown or of another type.
        """
        types = {"x": int, "y": int, "kind": str, "colour": str, "text": str}
        wrong = [n for n, v in data.items() if n not in types or type(v) is not types[n]]
        if wrong or not {"x", "y"} <= set(data):
            raise InvalidTeacher(
                f"A subgoal is {{x: int, y: int}} and, maybe, kind, colour and text in words, got {dict(data)!r}."
            )
        return cls(**data)


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that lies or stands in a cell: its kind, colour, state (`"locked"`, ..., empty for none) and cell."""

    kind: str
    colour: str
    state: str
    x: int
    y: int


@dataclass(frozen=True, eq=False)
class Layout:
    """A level at the beginning of its episode, as far as a provider of subgoals is told.

    Attributes:
        env_id: The environment.
        seed: The lesson's seed, None where the classroom draws it.
        width: Cells along x.
        height: Cells along y.
        agent: x, y and direction in words: `"right"`, `"down"`, `"left"`, `"up"`.
        carrying: What the agent has in its hand, in words, empty for nothing.
        mission: What is to be done, in words.
        things: All that is neither wall nor floor.
        grid: H rows of W characters, see `legend`.
        legend: What each character of `grid` means.
        raw: (1, *o) the teachers' view that all this was read from.
    """

    env_id: str
    seed: int | None
    width: int
    height: int
    agent: tuple[int, int, str]
    carrying: str
    mission: str
    things: tuple[Thing, ...]
    grid: tuple[str, ...]
    legend: Mapping[str, str]
    raw: Observations = field(repr=False)

    @cached_property
    def digest(self) -> str:
        """A name for the level: equal for equal levels of one environment, whatever their seeds."""
        known = [getattr(self, f.name) for f in fields(self) if f.name in _TOLD]
        return hashlib.sha256(repr(known).encode()).hexdigest()[:32]


class Unread(Layout):
    """A layout that is read when somebody first looks at more of it than `env_id`, `seed` and `raw`.

    Args:
        layouts: Who reads it.
        observations: (N, *o; all views), of which one row is kept.
        row: Which of the N.
        env_id: The environment.
        seed: The lesson's seed.
    """

    def __init__(self, layouts: Layouts, observations: Observations, row: int, env_id: str, seed: int | None) -> None:
        raw = copied(take(observations, slice(row, row + 1)))
        self.__dict__.update(env_id=env_id, seed=seed, raw=raw, _layouts=layouts)

    def __getattr__(self, name: str) -> Any:
        if name not in _FIELDS:
            raise AttributeError(f"A layout has no {name!r}; it has {', '.join(_FIELDS)}.")
        read = self._layouts.read(self.raw, 0, self.env_id, self.seed)
        self.__dict__.update({field: getattr(read, field) for field in _FIELDS})
        return self.__dict__[name]


_FIELDS = tuple(f.name for f in fields(Layout))
_TOLD = ("env_id", "width", "height", "agent", "carrying", "mission", "things", "grid")


class Layouts(Protocol):
    """How the layouts of an environment are read; made without arguments, knows no episode."""

    def read(self, observations: Observations, row: int, env_id: str, seed: int | None) -> Layout:
        """Returns the layout of one row of observations (N, *o; all views)."""

    def refusal(self, layout: Layout, subgoal: Subgoal) -> str:
        """Says why a subgoal cannot be meant (outside the grid, a wall, not there, unreachable); empty if it can."""

    def oracle(self, layout: Layout) -> list[Subgoal]:
        """Returns the subgoals of the shortest solution, in order, the game's own goal last; empty if there is none."""

    def cells(self, layout: Layout, kinds: Sequence[str] = ()) -> list[Subgoal]:
        """Returns what lies in the layout as subgoals, of some kinds only if any are named."""

    def look(self, observations: Observations, cells: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Returns (N, 2) where the agents are, and (N, K, 3) type, colour and state of what is in the cells (N, K, 2).

        Agents do not count as what is in a cell.
        """

    def distances(self, observations: Observations) -> Floats:
        """Returns (N,) steps to success along the shortest way, infinity where there is none."""


class Provider(Protocol):
    """Who knows the subgoals of a layout."""

    def plan(self, layout: Layout) -> list[Subgoal]:
        """Returns the subgoals in order, none if it knows none; never waits for anything."""


def as_cells(plans: Sequence[Sequence[Subgoal]]) -> tuple[Array, Array]:
    """Lays plans side by side: their cells (N, K, 2), and how many there are (N,)."""
    counts = np.array([len(plan) for plan in plans], dtype=np.int64)
    cells = np.zeros((len(plans), max(1, counts.max(initial=0)), 2), dtype=np.int64)
    for i, plan in enumerate(plans):
        for k, subgoal in enumerate(plan):
            cells[i, k] = subgoal.x, subgoal.y
    return cells, counts
