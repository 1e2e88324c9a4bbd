"""The alarm of a run that learns from a teacher: whether the student hacks it, asked at each validation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from teachrl.classroom import Classroom
from teachrl.distillation.hacking import Hacking, examine
from teachrl.runs.metrics import read_metrics
from teachrl.student import Student

PROXIES = ("eval/proxy_loss", "train/proxy_loss", "train/loss")
"""How far a student is from its teacher, in the order of preference: where it gets to in validation, where it got to in
training, and on what it learned from, which is all there is of demonstrations."""
GOLDEN = "eval/return"


class Alarm:
    """Watches a run for teacher hacking.

    Args:
        metrics: The run's metrics.jsonl, cut to the checkpoint of a resumed run; its validations are the past.
        say: Told once, when the alarm is first raised.
    """

    def __init__(self, metrics: Path, say: Callable[[str], None]) -> None:
        self._rows: list[Mapping[str, Any]] = [row for row in read_metrics(metrics) if GOLDEN in row]
        self._said = any(row.get("eval/hacking") for row in self._rows)
        self._say = say

    def examine(self, row: Mapping[str, float]) -> dict[str, float]:
        """Takes in a validation.

        Args:
            row: Its row of the log, with `steps`.

        Returns:
            `eval/hacking`, 1 while the alarm is raised, else 0; nothing where no distance to a teacher is known.
        """
        self._rows.append(row)
        found = hacking(self._rows)
        if found is None:
            return {}
        if found.raised and not self._said:
            self._said = True
            self._say(
                f"Warning: at {row['steps']:,.0f} steps the student seems to hack its teacher. {found.why} (Golden is "
                "the return in validation, the proxy is the distance to the teacher.) More of the same data makes it "
                "worse: give it fresh data, or end here; select='best' keeps the best student."
            )
        return {"eval/hacking": float(found.raised)}


def is_taught(classroom: Classroom, student: Student) -> bool:
    """Tells whether a student is to become like a teacher, by its labels or by demonstrations."""
    from teachrl.distillation.distiller import Distiller

    return "labels" in classroom.channels or isinstance(student, Distiller)


def hacking(rows: list[Mapping[str, Any]]) -> Hacking | None:
    """Examines the validations of a run, None if no distance to a teacher is known of the last one.

    Args:
        rows: Its rows of metrics.jsonl that have `eval/return`.
    """
    proxy = proxy_of(rows[-1]) if rows else None
    if proxy is None:
        return None
    known = [row for row in rows if proxy in row]
    steps = [float(row["steps"]) for row in known]
    return examine(steps, _column(known, proxy), _column(known, GOLDEN))


def proxy_of(row: Mapping[str, Any]) -> str | None:
    """Returns which distance to the teacher a row of the log tells, the preferred one; None if it tells none."""
    return next((name for name in PROXIES if _told(row.get(name))), None)


def _told(value: float | None) -> bool:
    """Tells whether there is a number; NaN is read back as None."""
    return value is not None and not math.isnan(value)


def _column(rows: list[Mapping[str, Any]], name: str) -> list[float]:
    return [math.nan if row[name] is None else float(row[name]) for row in rows]
