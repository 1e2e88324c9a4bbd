"""What `train` returns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from teachrl.classroom import Classroom
from teachrl.runs.evaluation import Evaluation
from teachrl.student import Student


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run; wherever a path is expected, its directory.

    Attributes:
        directory: Where its files are.
        student: The student, trained.
        evaluation: Its evaluation on the test suite, e.g. `run.evaluation["success_rate"]`.
        classroom: Where it learned; its environments are closed.
        steps: The student's steps.
        seed: The run's seed.
        selected: The student's steps when it was as it is now: fewer than `steps` if the best was selected.
    """

    directory: Path
    student: Student
    evaluation: Evaluation
    classroom: Classroom
    steps: int
    seed: int
    selected: int

    def __fspath__(self) -> str:
        return str(self.directory)
