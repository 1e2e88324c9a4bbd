"""How a student does on tasks that a teacher was asked about, and on tasks that none was.

Teachers that share out the task space by bounds leave some of it to generalisation; dexterous hands are tested so on
objects seen and unseen (BiDexHD, https://arxiv.org/abs/2410.02477).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teachrl.runs.directory import RunDirectory
from teachrl.runs.evaluation import Evaluation
from teachrl.teacher import Teacher
from teachrl.teachers.from_policy import FromPolicy


def report_seen(
    directory: RunDirectory, teachers: Sequence[Teacher], evaluation: Evaluation, say: Callable[[str], None]
) -> None:
    """Says and enters in meta.json how a run's student did on test tasks inside and outside of its teachers' bounds.

    Nothing is said of a run whose teachers have no bounds.
    """
    if bounds := task_bounds(teachers):
        found = seen_and_unseen(evaluation, bounds)
        directory.write_meta({"seen": found})
        say(_line(found))


def task_bounds(teachers: Sequence[Teacher]) -> list[list[list[float]]]:
    """Returns the bounds of labelling teachers, one [low, high] for each coordinate.

    Empty if none has any, or if one has none and so is asked about every task.
    """
    found = [t.tasks for t in teachers if isinstance(t, FromPolicy) and "labels" in t.channels]
    own = [np.asarray(tasks, np.float64).reshape(-1, 2).tolist() for tasks in found if len(tasks)]
    return own if len(own) == len(found) else []


def seen_and_unseen(evaluation: Evaluation, bounds: Sequence[Sequence[Sequence[float]]]) -> dict[str, Any]:
    """Returns how the student did on the tasks inside any of the bounds and on the others, as data.

    Args:
        evaluation: Of L lessons.
        bounds: One [low, high] for each coordinate, for each teacher.

    Returns:
        `bounds`; and `seen` and `unseen`, each with `tasks`, their number, and where there are any `mean_return`, and
        `success`, the share of episodes that went well, None if the environment does not say.
    """
    inside = np.array([any(_within(task, pairs) for pairs in bounds) for task in evaluation.numbers], dtype=bool)
    return {
        "bounds": [[list(map(float, pair)) for pair in pairs] for pairs in bounds],
        "seen": _part(evaluation, inside),
        "unseen": _part(evaluation, ~inside),
    }


def _within(task: Sequence[float] | None, pairs: Sequence[Sequence[float]]) -> bool:
    return task is not None and all(low <= x <= high for x, (low, high) in zip(task, pairs, strict=True))


def _part(evaluation: Evaluation, lessons: NDArray[np.bool_]) -> dict[str, Any]:
    if not lessons.any():
        return {"tasks": 0}
    told = evaluation.successes
    return {
        "tasks": int(lessons.sum()),
        "mean_return": float(evaluation.returns[lessons].mean()),
        "success": None if told is None else float(told[lessons].mean()),
    }


def _line(found: dict[str, Any]) -> str:
    """Returns the result in a line: `seen tasks: 41, success 88%, mean return 71; unseen tasks: ...`."""
    parts = []
    for name in ("seen", "unseen"):
        part = found[name]
        says = [str(part["tasks"])]
        says += [f"success {part['success']:.0%}"] if part.get("success") is not None else []
        says += [f"mean return {part['mean_return']:.4g}"] if part["tasks"] else []
        parts.append(f"{name} tasks: {', '.join(says)}")
    return "; ".join(parts)
