"""How near a student is to its teacher on given states, and how it does along a path that is not its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from gymnasium import spaces

from teachrl.classroom import Classroom
from teachrl.distillation.calibration import agreement, calibration_error, mean
from teachrl.distillation.collecting import asked
from teachrl.distillation.continuous import Gaussian
from teachrl.distillation.discrete import Choices
from teachrl.distillation.families import choose_family
from teachrl.distillation.learning import usual_loss
from teachrl.distillation.targets import Targets, make_targets, one_form
from teachrl.distillation.trees import Tree, mapped, stacked
from teachrl.lessons import Array, Bools, Labels
from teachrl.policies import label
from teachrl.student import Policy


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """T steps of N environments as the student saw them, and what the teacher said there.

    Attributes:
        observations: T trees of (N, *o).
        first: T times (N,) bool, where an episode begins.
        executed: T times (N, *a) what was done.
        labels: T labels of the N environments; what their mask leaves out does not count.
    """

    observations: Sequence[Tree]
    first: Sequence[Bools]
    executed: Sequence[Array]
    labels: Sequence[Labels]


def walk(classroom: Classroom, steps: int, act: Callable[[Tree, Bools, Labels], Array], labelled: bool = False) -> Path:
    """Goes through the marked lessons of a classroom, one in each environment, and has every step labelled.

    Args:
        classroom: Where to go; its labels are asked for, its teachers' marks of lessons (`Lesson.id`) read.
        steps: Steps of each environment at most.
        act: Returns actions (N, *a) for what is seen, where episodes begin, and the labels.
        labelled: Whether a path ends where there is no label.
    """
    rows: list[tuple[Tree, Bools, Array, Labels]] = []
    going = np.ones(classroom.num_envs, dtype=bool)
    for _ in range(steps):
        seen, first = classroom.observed()
        given = asked(classroom)
        going = going & np.array([lesson.id >= 0 for lesson in classroom.lessons])
        going = going & given.mask if labelled else going
        if not going.any():
            break
        actions = act(seen, first, given)
        counted = Labels(given.actions, given.parameters, given.mask & going)
        rows.append((mapped(np.array, seen), np.array(first), np.asarray(actions), counted))
        classroom.step(actions)
    seen_, first_, executed, labels = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Path(seen_, first_, executed, labels)


def follow(policy: Policy, path: Path) -> list[Labels]:
    """Returns what a student would do along a path, its memory and previous actions being those of the path.

    A policy that sees its previous action is told what was executed by its `after(state, executed)`.
    """
    said, state = [], None
    after = getattr(policy, "after", lambda state, executed: state)
    for seen, first, executed in zip(path.observations, path.first, path.executed, strict=True):
        answer, state = label(policy, mapped(np.copy, seen), state, first)
        state = after(state, executed)
        said.append(answer)
    return said


def compare(space: spaces.Space[Any], said: Sequence[Labels], labels: Sequence[Labels]) -> dict[str, float]:
    """Returns how near a student comes to its labels, over those that count.

    Args:
        space: The action space.
        said: What the student does, and its distribution if it has one, T times (N, ...).
        labels: What its teacher would do.

    Returns:
        `agreement`, and where the student has a distribution `loss` (the one that `auto` stands for), `entropy` and
        `calibration_error`; nothing where no label counts.
    """
    if not any(row.mask.any() for row in labels):
        return {}
    targets = joined(space, labels)
    own = joined(space, said)
    if own.family is None or own.parameters is None:
        family = Gaussian(space) if isinstance(space, spaces.Box) else _choices(space)
        return {"agreement": mean(agreement(family, own.actions, targets), targets.mask)}
    loss = usual_loss(own.family, targets.family)
    measured = {
        "agreement": mean(agreement(own.family, own.actions, targets), targets.mask),
        "loss": float(loss(own.family, own.parameters, targets)),
        "entropy": mean(own.family.entropy(own.parameters), targets.mask),
        "calibration_error": calibration_error(own.family, own.parameters, targets),
    }
    return {name: value for name, value in measured.items() if value is not None}


def joined(space: spaces.Space[Any], rows: Sequence[Labels]) -> Targets:
    """Returns T times N labels as (T, N) targets.

    Raises:
        InvalidTeacher: If they do not fit the action space, or have parameters at some steps only.
        NonFiniteData: If one that counts is NaN or infinite.
    """
    soft = one_form(row.parameters for row in rows)
    parameters = stacked([row.parameters for row in rows]) if soft else None
    actions, mask = np.stack([row.actions for row in rows]), np.stack([row.mask for row in rows])
    return make_targets(space, actions, parameters, mask)


def _choices(space: spaces.Space[Any]) -> Choices:
    return cast(Choices, choose_family(space, {"logits"}))
