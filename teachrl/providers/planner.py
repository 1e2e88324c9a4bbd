"""Subgoals of the shortest solution, from an environment that knows it."""

from __future__ import annotations

from teachrl.providers.provider import SubgoalProvider
from teachrl.subgoals import Layout, Subgoal


class Planner(SubgoalProvider):
    """Plans with full knowledge of the layout: what is on the shortest way to success, the game's own goal last.

    Needs an environment with layouts, and nothing else: no network, no model.
    """

    def plan(self, layout: Layout) -> list[Subgoal]:
        """Returns the subgoals of the shortest solution, none if there is no solution."""
        return self.counted("planner", self.layouts.oracle(layout))
