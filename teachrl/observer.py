"""What the student sees: view selection, then the subgoal, then the transforms in order."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from teachrl.errors import InvalidTeacher
from teachrl.lessons import Array, Bools, Lesson, Observations
from teachrl.observations import copied, has_views, rows_of, view_space
from teachrl.roster import Roster
from teachrl.teacher import Teacher


class Observer:
    """Turns what the environments show into what the student sees.

    A subgoal joins as the entry `"subgoal"` of a dict; an observation that is not a dict becomes its entry
    `"observation"`. The null goal, shown while nobody sets subgoals, is the `null_goal` of
    the teacher that would set them, zero if it has none.

    Args:
        space: Observation space of one environment, all views.
        view: The student's view.
        roster: The classroom's teachers, begun.
        keep: Views that must exist because the student will ask for them.

    Raises:
        UnknownName: If a view does not exist.
        InvalidTeacher: If a transform changes the space but would be off in evaluation.
    """

    def __init__(self, space: spaces.Space[Any], view: str, roster: Roster, keep: Collection[str] = ()) -> None:
        for kept in keep:
            view_space(space, kept)
        self.view = view if has_views(space) else None
        self.goal_space = roster.goal_setter.goal_space if roster.goal_setter is not None else None
        self._null = getattr(roster.goal_setter, "null_goal", 0)
        self._transformers = roster.transformers
        self.space = view_space(space, view)
        self._wrap = not isinstance(self.space, spaces.Dict)
        if self.goal_space is not None:
            entries = {"observation": self.space} if self._wrap else dict(self.space.spaces)  # type: ignore[attr-defined]
            self.space = spaces.Dict({**entries, "subgoal": self.goal_space})
        for transformer in self._transformers:
            transformed = transformer.observation_space(self.space)
            self._check_permanent(transformer, transformed)
            self.space = transformed

    def _check_permanent(self, transformer: Any, transformed: spaces.Space[Any]) -> None:
        if transformed != self.space and isinstance(transformer, Teacher):
            if "observations" in transformer.permanent:
                return
            raise InvalidTeacher(
                f"{type(transformer).__name__} turns {self.space} into {transformed}, but is off in evaluation, "
                "where the policy could not read what it sees. Set permanent = frozenset({'observations'})."
            )

    def null_goals(self, n: int) -> Array | None:
        """Returns the null goal for `n` environments, None without a goal space."""
        if self.goal_space is None:
            return None
        return np.full((n, *self.goal_space.shape), self._null, self.goal_space.dtype)

    def beginning(self, raw: Observations) -> Observations:
        """Returns what the student sees of observations (B, *o; all views) that begin episodes, with null goals.

        Raises:
            InvalidTeacher: If a teacher transforms what it sees, by what came before or whom it asks.
        """
        if self._transformers:
            names = [type(transformer).__name__ for transformer in self._transformers]
            raise InvalidTeacher(f"What {names} make of an observation cannot be known apart from its episode.")
        goals = self.null_goals(rows_of(raw))
        return self(raw, goals, (), np.empty(0, bool), np.empty(0, int))

    def __call__(
        self, raw: Observations, goals: Array | None, lessons: Sequence[Lesson], first: Bools, indices: Array
    ) -> Observations:
        """Returns what the student sees of the environments `indices`; all arrays have their rows only."""
        seen = raw if self.view is None else raw[self.view]
        if goals is not None:
            seen = {"observation": seen, "subgoal": goals} if self._wrap else {**seen, "subgoal": goals}
        if self._transformers:
            seen = copied(seen)  # a transform may write into what it is given, and others see the same
        for transformer in self._transformers:
            seen = transformer.transform_observations(seen, lessons, first, indices)
        return seen
