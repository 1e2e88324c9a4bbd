"""A planner that errs as often, and by as much, as language models were found to.

Ruiz-Gonzalez, Andres, G. Bascoy, Del Ser: Words as Beacons: Guiding RL Agents with High-Level Language Prompts (2024),
https://arxiv.org/abs/2410.08632; the rates are those of its public code, github.com/aklein1995/Words-as-Beacons.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from teachrl._checks import check, check_count, check_flag, check_number, check_share
from teachrl.errors import InvalidHyperparameter
from teachrl.providers.provider import SubgoalProvider
from teachrl.subgoals import Layout, Layouts, Subgoal

Preset = Literal["simulated-llama", "simulated-deepseek", "simulated-qwen"]


class Rates(NamedTuple):
    """How a model did in one environment.

    Attributes:
        position: Share of right positions.
        mean: Mean Manhattan error of positions in cells, right ones (0) included.
        std: Its standard deviation.
        object: Share of right objects.
    """

    position: float
    mean: float
    std: float
    object: float

    @property
    def size(self) -> tuple[float, float]:
        """Mean and standard deviation of the wrong positions' errors alone, with which all of them have the published.

        E[d | wrong] = mean / (1 - position),  E[d^2 | wrong] = (std^2 + mean^2) / (1 - position).
        """
        wrong = 1 - self.position
        mean = self.mean / wrong
        return mean, math.sqrt((self.std**2 + self.mean**2) / wrong - mean**2)


PUBLISHED: dict[str, dict[str, Rates]] = {
    "simulated-llama": {
        "MiniGrid-KeyCorridorS3R3-v0": Rates(0.974, 0.18, 1.20, 0.985),
        "MiniGrid-KeyCorridorS6R3-v0": Rates(0.914, 1.47, 5.02, 0.932),
        "MiniGrid-ObstructedMaze-1Dlh-v0": Rates(0.988, 0.08, 0.82, 0.989),
        "MiniGrid-ObstructedMaze-1Dlhb-v0": Rates(0.449, 4.33, 4.21, 0.486),
        "MiniGrid-MultiRoom-N2-S4-v0": Rates(0.921, 0.26, 1.01, 0.930),
        "MiniGrid-MultiRoom-N4-S5-v1": Rates(0.540, 3.69, 4.65, 0.548),
    },
    "simulated-deepseek": {
        "MiniGrid-KeyCorridorS3R3-v0": Rates(0.334, 2.57, 2.54, 0.906),
        "MiniGrid-KeyCorridorS6R3-v0": Rates(0.365, 7.24, 7.47, 0.762),
        "MiniGrid-ObstructedMaze-1Dlh-v0": Rates(0.430, 2.98, 3.41, 0.739),
        "MiniGrid-ObstructedMaze-1Dlhb-v0": Rates(0.229, 4.49, 3.39, 0.518),
        "MiniGrid-MultiRoom-N2-S4-v0": Rates(0.352, 2.91, 2.54, 0.273),
        "MiniGrid-MultiRoom-N4-S5-v1": Rates(0.129, 7.92, 4.64, 0.175),
    },
    "simulated-qwen": {
        "MiniGrid-KeyCorridorS3R3-v0": Rates(0.981, 0.07, 0.63, 0.996),
        "MiniGrid-KeyCorridorS6R3-v0": Rates(0.881, 1.34, 4.25, 0.959),
        "MiniGrid-ObstructedMaze-1Dlh-v0": Rates(0.669, 2.18, 3.53, 0.742),
        "MiniGrid-ObstructedMaze-1Dlhb-v0": Rates(0.405, 3.85, 3.71, 0.482),
        "MiniGrid-MultiRoom-N2-S4-v0": Rates(0.714, 1.12, 2.05, 0.559),
        "MiniGrid-MultiRoom-N4-S5-v1": Rates(0.360, 5.23, 4.94, 0.352),
    },
}
"""Published rates, by preset and MiniGrid's id."""
SIMULATED = "simulated"
"""How everything begins that plans with errors are counted as."""
_DOORS_ONLY = ("KeyCorridor", "MultiRoom")


@dataclass(frozen=True, slots=True)
class _Errors:
    accuracy: float
    mean: float
    std: float


class Noisy(SubgoalProvider):
    """The planner's subgoals, each right with the probability that a language model's were found to be.

    A wrong position is shifted by d = max(1, round(x)) cells, x ~ N(mean, std), to a place drawn uniformly from those
    at Manhattan distance d in the grid (from the whole grid if there is none). The published errors are those of all
    positions, right ones included; the mean and std of wrong ones are taken such that these come out, but for what does
    not fit into the grid.

    A wrong object is another one of the layout's, drawn uniformly, of doors alone in KeyCorridor and MultiRoom; where
    there is no other (a MultiRoom with one door), the right one stays, so that fewer are wrong than the rate says.

    What is made so simulates a model's rate of errors, not the model: it is reported as `simulated-...`.

    Args:
        preset: Whose published rates to take: `simulated-llama`, `simulated-deepseek` or `simulated-qwen`.
        accuracy: Share of right subgoals; None takes the preset's for the environment.
        mean: Mean size of a wrong position's error in cells; None takes the preset's, or 1 where it has none.
        std: Standard deviation of that size; None takes the preset's, or 0 where it has none.
        extra: Random subgoals inserted before the last one.
        paper_faithful: As in the public code: wrong positions are shifted along +x alone, by errors drawn as if the
            published were those of wrong ones, rounded down; and the right object is among the wrong ones.

    Raises:
        InvalidHyperparameter: In `begin`, if an argument is impossible, or if the preset does not know the environment
            and no accuracy is given.
    """

    def __init__(
        self,
        preset: Preset = "simulated-llama",
        accuracy: float | None = None,
        mean: float | None = None,
        std: float | None = None,
        extra: int = 0,
        paper_faithful: bool = False,
    ) -> None:
        self.preset = preset
        self.accuracy = accuracy
        self.mean = mean
        self.std = std
        self.extra = extra
        self.paper_faithful = paper_faithful

    def begin(self, layouts: Layouts, rng: np.random.Generator) -> None:
        """Starts a run.

        Raises:
            InvalidHyperparameter: If an argument is impossible.
        """
        super().begin(layouts, rng)
        check(self, "preset", self.preset in PUBLISHED, f"one of {', '.join(PUBLISHED)}")
        if self.accuracy is not None:
            check_share(self, "accuracy")
        check_number(self, "mean", 0, optional=True)
        check_number(self, "std", 0, optional=True)
        check_count(self, "extra", 0)
        check_flag(self, "paper_faithful")
        if self.env_id:
            self._errors(self.env_id)

    @property
    def name(self) -> str:
        """What its plans are counted as: the preset, or `simulated` where a rate was given."""
        own = (self.accuracy, self.mean, self.std) == (None, None, None)
        return self.preset if own else SIMULATED

    def plan(self, layout: Layout) -> list[Subgoal]:
        """Returns the planner's subgoals with errors, none if there is no solution."""
        errors = self._errors(layout.env_id)
        right = self.layouts.oracle(layout)
        plan = [s if self.rng.random() < errors.accuracy else self._wrong(layout, s, right, errors) for s in right]
        for _ in range(self.extra if plan else 0):
            place = int(self.rng.integers(len(plan)))  # before the last at the latest
            plan.insert(place, self._any(layout, right))
        return self.counted(self.name, plan)

    def _errors(self, env_id: str) -> _Errors:
        rates = PUBLISHED[self.preset].get(env_id.rpartition("/")[2])
        accuracy = self.accuracy
        if accuracy is None:
            if rates is None:
                raise InvalidHyperparameter(
                    f"Nobody has published how often the model of {self.preset!r} errs in {env_id}: state it, "
                    "Noisy(accuracy=0.9) (on the command line --teacher.provider.accuracy 0.9). Published are "
                    f"{', '.join(PUBLISHED[self.preset])}."
                )
            accuracy = rates.position if self.kind == "position" else rates.object
        mean, std = (1.0, 0.0) if rates is None else (rates.mean, rates.std) if self.paper_faithful else rates.size
        return _Errors(accuracy, mean if self.mean is None else self.mean, std if self.std is None else self.std)

    def _wrong(self, layout: Layout, subgoal: Subgoal, right: Sequence[Subgoal], errors: _Errors) -> Subgoal:
        if self.kind == "position":
            size = self.rng.normal(errors.mean, errors.std)
            return self._shifted(layout, subgoal, max(1, int(size) if self.paper_faithful else round(size)))
        found = self._objects(layout, right)
        others = found if self.paper_faithful else [s for s in found if (s.x, s.y) != (subgoal.x, subgoal.y)]
        return self._one_of(others or found or [subgoal])

    def _shifted(self, layout: Layout, subgoal: Subgoal, by: int) -> Subgoal:
        if self.paper_faithful:
            cells = [(subgoal.x + by, subgoal.y)] if subgoal.x + by < layout.width else []
        else:
            ring = [(subgoal.x + dx, subgoal.y + s * (by - abs(dx))) for dx in range(-by, by + 1) for s in (-1, 1)]
            cells = [c for c in dict.fromkeys(ring) if 0 <= c[0] < layout.width and 0 <= c[1] < layout.height]
        if not cells:
            return self._anywhere(layout)
        return Subgoal(*cells[int(self.rng.integers(len(cells)))])

    def _anywhere(self, layout: Layout) -> Subgoal:
        return Subgoal(int(self.rng.integers(layout.width)), int(self.rng.integers(layout.height)))

    def _any(self, layout: Layout, right: Sequence[Subgoal]) -> Subgoal:
        if self.kind == "position":
            return self._anywhere(layout)
        return self._one_of(self._objects(layout, right) or [right[0]])

    def _objects(self, layout: Layout, right: Sequence[Subgoal]) -> list[Subgoal]:
        """Returns what a wrong object is drawn from: doors alone in some games, and never the game's own goal."""
        doors = any(family in layout.env_id for family in _DOORS_ONLY)
        last = (right[-1].x, right[-1].y)
        return [s for s in self.layouts.cells(layout, ("door",) if doors else ()) if (s.x, s.y) != last]

    def _one_of(self, subgoals: Sequence[Subgoal]) -> Subgoal:
        return subgoals[int(self.rng.integers(len(subgoals)))]
