"""What a provider of subgoals is, and what all of them share: counts of where plans came from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from teachrl.configurable import Configurable
from teachrl.errors import InvalidTeacher
from teachrl.providers.prompts import reason_of
from teachrl.state import rng_state, set_rng_state
from teachrl.subgoals import Layout, Layouts, Provider, Subgoal

Kind = Literal["position", "object", "language"]


class SubgoalProvider(Configurable):
    """Base of providers: a subclass defines `plan`, and counts what it returns.

    The constructor stores its arguments and does nothing else. What reads files or opens connections does so in
    `begin`, which is called once a run, and not at all where nobody asks for subgoals.

    Attributes:
        kind: How the subgoals will be shown; set by who asks, before `begin`.
        env_id: The environment, likewise; empty if it is not known before a layout is.
        layouts: What the environment tells of its layouts.
        rng: The only source of randomness.
    """

    kind: Kind = "position"
    env_id: str = ""
    layouts: Layouts
    rng: np.random.Generator
    _counts: dict[str, int]

    def begin(self, layouts: Layouts, rng: np.random.Generator) -> None:
        """Starts a run; extend it with `super().begin(layouts, rng)`.

        Args:
            layouts: What the environment tells of its layouts.
            rng: The provider's own generator.

        Raises:
            TeachrlError: If it cannot provide; the message says why.
        """
        self.layouts = layouts
        self.rng = rng
        self._counts = {}

    def plan(self, layout: Layout) -> list[Subgoal]:
        """Returns the subgoals in order, none if it knows none; never waits for anything."""
        raise NotImplementedError(f"{type(self).__name__} must define plan(layout) -> list of Subgoals")

    def count(self, what: str, times: int = 1) -> None:
        """Counts something for the log, such as `"plans/planner"`."""
        self._counts[what] = self._counts.get(what, 0) + times

    def counted(self, source: str, plan: list[Subgoal]) -> list[Subgoal]:
        """Returns a plan, counted under `plans/{source}`, or under `plans/none` if there is nothing in it."""
        self.count(f"plans/{source}" if plan else "plans/none")
        return plan

    def accepted(self, layout: Layout, plan: Sequence[Subgoal]) -> list[Subgoal]:
        """Returns the subgoals that can be meant in a layout; the others are counted, `refused/{reason in a word}`."""
        kept = []
        for subgoal in plan:
            if reason := self.layouts.refusal(layout, subgoal):
                self.count(f"refused/{reason_of(reason)}")
            else:
                kept.append(subgoal)
        return kept

    def scalars(self) -> dict[str, float]:
        """Returns how many plans came from where (`plans/...`), and what was refused (`refused/...`)."""
        return {name: float(times) for name, times in sorted(self._counts.items())}

    @property
    def tokens(self) -> int:
        """Language-model tokens that were spent since the process began."""
        return int(self.scalars().get("llm/tokens", 0))

    def state_dict(self) -> dict[str, Any]:
        """Returns the counts and the random state."""
        return {"rng": rng_state(self.rng), "counts": dict(self._counts)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`, after `begin`."""
        set_rng_state(self.rng, state["rng"])
        self._counts = {name: int(times) for name, times in state["counts"].items()}

    def close(self) -> None:
        """Lets go of what `begin` opened."""


class Foreign(SubgoalProvider):
    """Any object with `plan(layout) -> list of Subgoals`, its answers checked.

    Its plans are counted as `plans/{class name}`; a `state_dict` of its own is kept in checkpoints.

    Args:
        source: The object.
    """

    def __init__(self, source: Provider) -> None:
        self.source = source

    def plan(self, layout: Layout) -> list[Subgoal]:
        """Returns what the object plans, without the subgoals that cannot be meant.

        Raises:
            InvalidTeacher: If it returns something else than Subgoals.
        """
        found = list(self.source.plan(layout))
        if wrong := [item for item in found if not isinstance(item, Subgoal)]:
            raise InvalidTeacher(
                f"{type(self.source).__name__}.plan(layout) must return a list of teachrl.subgoals.Subgoal, "
                f"got one with {wrong[0]!r}."
            )
        return self.counted(type(self.source).__name__.lower(), self.accepted(layout, found))

    def state_dict(self) -> dict[str, Any]:
        """Returns the counts and, if it has any, the object's own state."""
        own = getattr(self.source, "state_dict", None)
        return {**super().state_dict(), "source": own() if callable(own) else None}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`, after `begin`."""
        super().load_state_dict(state)
        if state["source"] is not None and callable(load := getattr(self.source, "load_state_dict", None)):
            load(state["source"])
