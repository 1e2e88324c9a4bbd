"""Training on the evaluation distribution and nothing else: a control for every curriculum."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from teachrl.lessons import Lesson
from teachrl.state import rng_state, set_rng_state
from teachrl.teacher import Setup, Teacher


class Target(Teacher):
    """Draws lessons uniformly from the tasks of one of the environment's suites, each with a fresh seed.

    It shows what training on nothing but the evaluation distribution is worth. A suite is a finite sample of that
    distribution, often of a hundred tasks, so that a curve over the very suite that is trained on flatters the student;
    the test suite, another sample, does not. `"test"` itself is refused.

    Args:
        suite: The suite, e.g. `"validation"`, or another that the environment has.
    """

    needs_task_space = False

    def __init__(self, suite: str = "validation") -> None:
        self.suite = suite

    def begin(self, setup: Setup) -> None:
        """Starts a run.

        Raises:
            UnknownName: If the environment has no such suite.
            InvalidTeacher: If it is the test suite.
        """
        super().begin(setup)
        self._lessons = [replace(lesson, seed=None) for lesson in setup.get_suite(self.suite).values()]

    def sample_tasks(self, n: int, student: int = 0) -> list[Lesson]:
        """Returns `n` lessons drawn from the suite with replacement, whose seeds the classroom draws."""
        return [self._lessons[i] for i in self.rng.integers(len(self._lessons), size=n)]

    def state_dict(self) -> dict[str, Any]:
        """Returns the random state."""
        return {"rng": rng_state(self.rng)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`."""
        set_rng_state(self.rng, state["rng"])
