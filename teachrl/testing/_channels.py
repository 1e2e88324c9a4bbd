"""What each channel method is called with, and what it must return."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
from gymnasium.vector.utils import batch_space

from teachrl.lessons import Lesson, Step
from teachrl.observations import has_views, take
from teachrl.teacher import CHANNELS
from teachrl.testing._school import School, leaves
from teachrl.testing._support import blamed, difference, require

Arrays = dict[str, Any]


def check_channel(school: School, channel: str) -> None:
    """Calls one channel method on the school's last step, and looks at what it returns and at its arguments after."""
    teacher, step = school.teacher, school.classroom.last
    if step is None or (channel == "observations" and "subgoals" in teacher.channels):
        return
    method = f"{type(teacher).__name__}.{CHANNELS[channel]}"
    given = copy.deepcopy(step)
    before = copy.deepcopy(as_data(given))
    with blamed(f"{method} must take a step.", "Its protocol is in teachrl.teacher."):
        came = _CALLS[channel](teacher, given)
        shapes = {name: (np.shape(x), np.asarray(x).dtype.kind) for name, x in came.items()}
    found = difference(_expected(school, step, channel), shapes)
    require(
        not found, f"{method} must return what its channel needs, shape and kind first.", found, "See its protocol."
    )
    found = difference(before, as_data(given))
    require(not found, f"{method} must not change its arguments.", found, "Copy arrays before writing to them.")


def as_data(value: Any) -> Any:
    """Returns immutable dataclasses as dicts that hold the same arrays."""
    if hasattr(value, "__dataclass_fields__"):
        return {f.name: as_data(getattr(value, f.name)) for f in fields(value)}
    return [as_data(v) for v in value] if isinstance(value, list | tuple) else value


def _starts(teacher: Any, step: Step) -> Arrays:
    return {"lessons": [isinstance(x, Lesson) for x in teacher.sample_starts(step.lessons)]}


def _subgoals(teacher: Any, step: Step) -> Arrays:
    return {"goals": teacher.subgoals(step.next_observations, step.lessons, np.zeros_like(step.first), step)}


def _rewards(teacher: Any, step: Step) -> Arrays:
    return {"rewards": teacher.shape_rewards(step)}


def _observations(teacher: Any, step: Step) -> Arrays:
    """Asks about one environment alone, as for a final observation."""
    seen = step.observations["student"] if has_views(teacher.setup.observation_space) else step.observations
    one = np.array([len(step.first) - 1])
    shown = teacher.transform_observations(take(seen, one), [step.lessons[-1]], np.zeros(1, dtype=bool), one)
    return leaves(shown)


def _actions(teacher: Any, step: Step) -> Arrays:
    actions, mask = teacher.override_actions(step.observations, step.actions, step.lessons, step.first)
    return {"actions": actions, "mask": mask}


def _labels(teacher: Any, step: Step) -> Arrays:
    labels = teacher.label_actions(step.observations, step.lessons, step.first)
    return {"actions": labels.actions, "mask": labels.mask}


_CALLS: dict[str, Callable[[Any, Step], Arrays]] = {
    "starts": _starts,
    "subgoals": _subgoals,
    "rewards": _rewards,
    "observations": _observations,
    "actions": _actions,
    "labels": _labels,
}
PROBED = frozenset(_CALLS)
"""The channels that `check_channel` knows."""


def _expected(school: School, step: Step, channel: str) -> Arrays:
    teacher: Any = school.teacher
    n = len(step.first)
    if channel == "starts":
        return {"lessons": ((n,), "b")}
    if channel == "subgoals":
        return {"goals": ((n, *teacher.goal_space.shape), teacher.goal_space.dtype.kind)}
    if channel == "rewards":
        return {"rewards": ((n,), "f")}
    if channel == "observations":
        space = batch_space(school.classroom.single_observation_space, 1)
        return {name: (leaf.shape, leaf.dtype.kind) for name, leaf in leaves(space).items()}
    return {"actions": (step.actions.shape, step.actions.dtype.kind), "mask": ((n,), "b")}
