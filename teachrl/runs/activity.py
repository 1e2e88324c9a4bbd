"""What the teachers of a filmed episode do, channel by channel, as lines of text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from teachrl.lessons import Labels, Step
from teachrl.observations import equal, take
from teachrl.runs.reel import Line
from teachrl.teacher import CHANNELS, Teacher


class Activity:
    """One teacher on one channel in the first environment.

    Args:
        name: The teacher's name.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def note(self, asked: Sequence[Any], answer: Any) -> None:
        """Takes in a call of the channel's method: its arguments and what it returned."""

    def after(self, step: Step) -> None:
        """Takes in the step that was made of it."""

    def line(self) -> Line:
        """Returns what there is to say now."""
        return f"{self.name}"


class Rewards(Activity):
    """What was paid on top."""

    now = total = 0.0

    def note(self, asked: Sequence[Any], answer: Any) -> None:
        """Takes in what one step pays."""
        self.now = float(np.asarray(answer)[0])
        self.total += self.now

    def line(self) -> Line:
        """Tells what was paid now and in all."""
        text = f"rewards: {self.name} pays {self.now:+.3g}, in all {self.total:+.3g}"
        return (text, "mark") if self.now else text


class Actions(Activity):
    """What was done in the student's stead."""

    claims = steps = 0
    now = False

    def note(self, asked: Sequence[Any], answer: Any) -> None:
        """Takes in whether the teacher claims this step."""
        self.now = bool(np.asarray(answer[1])[0])

    def after(self, step: Step) -> None:
        """Counts the step."""
        self.steps += 1
        self.claims += self.now

    def line(self) -> Line:
        """Tells of how many steps the teacher claimed, and whether of this one."""
        text = f"actions: {self.name} acted on {self.claims / max(self.steps, 1):.0%} of steps"
        return (f"{text}, now", "mark") if self.now else text


class Subgoals(Activity):
    """What to aim at."""

    goal: Any = None

    def note(self, asked: Sequence[Any], answer: Any) -> None:
        """Takes in the goal; of calls about beginnings, the first one: the film ends where another episode begins."""
        if self.goal is None or asked[3] is not None:
            self.goal = np.asarray(answer)[0]

    def line(self) -> Line:
        """Tells the goal."""
        return f"subgoals: {self.name} sets {_numbers(self.goal)}"


class Observations(Activity):
    """Whether something else is seen than there is."""

    changed = False

    def note(self, asked: Sequence[Any], answer: Any) -> None:
        """Compares what is seen with what there is."""
        rows = np.flatnonzero(np.asarray(asked[3]) == 0)
        if len(rows):
            row = int(rows[0])
            self.changed = not equal(take(asked[0], row), take(answer, row))

    def line(self) -> Line:
        """Tells whether something was changed."""
        if self.changed:
            return (f"observations: changed by {self.name}", "mark")
        return f"observations: left as they are by {self.name}"


class LabelsGiven(Activity):
    """How far the student is from what should have been done."""

    label: Any = None
    given = 0
    apart = 0.0

    def note(self, asked: Sequence[Any], answer: Labels) -> None:
        """Takes in the label."""
        self.label = np.asarray(answer.actions)[0] if np.asarray(answer.mask)[0] else None

    def after(self, step: Step) -> None:
        """Compares it with what the student chose."""
        self.discrete = np.asarray(step.actions).dtype.kind in "iub"
        if self.label is not None:
            self.given += 1
            self.apart += _disagreement(self.label, np.asarray(step.actions)[0], self.discrete)

    def line(self) -> Line:
        """Tells the disagreement: the share of labelled steps, or the mean distance of continuous actions."""
        if not self.given:
            return f"labels: {self.name} gave none"
        mean = self.apart / self.given
        how = f"on {mean:.0%} of steps" if self.discrete else f"by {mean:.3g} (root mean square)"
        return f"labels: {self.name} disagrees {how}"


WATCHED: dict[str, type[Activity]] = {
    "rewards": Rewards, "actions": Actions, "subgoals": Subgoals, "observations": Observations, "labels": LabelsGiven,
}  # fmt: skip
"""The channels that act on steps."""


def watched(cls: type[Teacher], activities: dict[str, Activity]) -> type[Teacher]:
    """Returns a class that teaches as `cls` does and tells `activities`, by channel, of each call.

    A subclass, so that an instance has the attributes of its class and no others: they are its state.
    """

    def told(channel: str) -> Callable[..., Any]:
        method = getattr(cls, CHANNELS[channel])

        def call(self: Teacher, *asked: Any) -> Any:
            answer = method(self, *asked)
            activities[channel].note(asked, answer)
            return answer

        return call

    return type(cls.__name__, (cls,), {CHANNELS[c]: told(c) for c in activities} | {"__module__": cls.__module__})


def _disagreement(label: Any, action: Any, discrete: bool) -> float:
    if discrete:
        return float(np.any(label != action))
    return float(np.sqrt(np.mean((np.asarray(label, np.float64) - action) ** 2)))


def _numbers(goal: Any) -> str:
    flat = np.asarray(goal, np.float64).reshape(-1)
    return " ".join(f"{x:.3g}" for x in flat[:8]) + (" …" if len(flat) > 8 else "")
