"""Causal controls: why did a curriculum help?

For an arm whose teacher sets the tasks, two controls replay the curriculum that *another seed's* student was given:

- *shuffled*: the same tasks, their order destroyed. Shuffled minus control is what *which tasks* is worth.
- *yoked*: the same tasks in the order in which that other student was given them. Yoked minus shuffled is what the
  *order* is worth, and own minus yoked what *adaptivity* is worth: that the teacher listened to this very student.

Both replay the same donor, so that each step of the chain changes one thing only, and the three add up to the gain. It
is the yoked control of learning psychology (Church 1964). The control has none: its gain over itself is nothing.

Two reference arms are added besides: *target only*, which trains on the tasks of the evaluation distribution, and,
where the environment can tell, *solvable only*, uniform over the tasks that can be solved.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from teachrl.configuration import parse_spec, resolve_class
from teachrl.quickstart import entry_class
from teachrl.studies.outcomes import Role, Variant
from teachrl.teacher import CHANNELS, Teacher

DONOR = "{donor}"
"""Stands for the directory of the run whose curriculum is replayed."""
ORDERS: dict[Role, str] = {"shuffled": "shuffled", "yoked": "recorded"}


def controls(arms: Sequence[Variant], control: str) -> list[Variant]:
    """Returns the causal controls of the arms of one cell."""
    found = []
    for arm in arms:
        if arm.arm != control and sets_tasks(arm):
            for role, order in ORDERS.items():
                arguments = {"run": DONOR, "order": order} | ({"ignore_starts": True} if _has(arm, "starts") else {})
                replay = {"class_path": "Replay", "init_args": arguments}
                found.append(_taught_by(arm, replay, role, role))
    (base,) = [arm for arm in arms if arm.arm == control]
    found.append(_taught_by(base, "Target", "target", "target only"))
    if hasattr(entry_class(base.config["env"]), "solvable") and not base.config.get("wrappers"):
        found.append(_taught_by(base, "UniformSolvable", "solvable", "solvable only"))
    return found


def sets_tasks(variant: Variant) -> bool:
    """Tells whether a variant has a teacher of tasks, which its controls can replace."""
    return _has(variant, "tasks")


def _has(variant: Variant, channel: str) -> bool:
    return any(_uses(spec, channel) for spec in variant.config["teachers"])


def _uses(spec: Any, channel: str) -> bool:
    return hasattr(resolve_class(parse_spec(spec)["class_path"], Teacher), CHANNELS[channel])


def _taught_by(arm: Variant, teacher: Any, role: Role, word: str) -> Variant:
    """Returns an arm with another teacher of tasks in the place of its own; its other teachers stay."""
    teachers = list(arm.config["teachers"])
    places = [i for i, spec in enumerate(teachers) if _uses(spec, "tasks")]
    if places:
        teachers[places[0]] = teacher
    else:
        teachers.insert(0, teacher)
    label = arm.label.replace(arm.arm, word if role in ("target", "solvable") else f"{arm.arm} {word}", 1)
    return Variant(label, arm.arm, role, arm.cell, {**arm.config, "teachers": teachers})
