"""Uniform tasks out of those that can be solved: a control for curricula that merely avoid hopeless tasks."""

from __future__ import annotations

from typing import Any

from teachrl.errors import InvalidEnvironment, InvalidTeacher
from teachrl.lessons import Lesson
from teachrl.state import rng_state, set_rng_state
from teachrl.tasks import sample_tasks
from teachrl.teacher import Setup, Teacher

PATIENCE = 10_000
"""Draws in a row without a task that can be solved, before it gives up."""


class UniformSolvable(Teacher):
    """Draws every task uniformly from those that can be solved, where the environment can tell which they are.

    It draws from the task space and rejects what the environment's `solvable(task)` refuses, so that the tasks left are
    as likely as one another.
    """

    def begin(self, setup: Setup) -> None:
        """Starts a run.

        Raises:
            InvalidTeacher: If the environment has no task space, or cannot tell which tasks can be solved.
        """
        super().begin(setup)
        if setup.task_space is None or setup.solvable is None:
            lacks = "no task space" if setup.task_space is None else "no method solvable(task) -> bool"
            raise InvalidTeacher(
                f"UniformSolvable draws tasks that can be solved, but {setup.env_id} cannot tell which these are: it "
                f"has {lacks}. Uniform draws from all tasks; an environment that knows defines that method."
            )
        self._space, self._solvable = setup.task_space, setup.solvable
        self._drawn, self._kept = 0, 0

    def sample_tasks(self, n: int, student: int = 0) -> list[Lesson]:
        """Returns `n` lessons with independent uniform tasks that can be solved.

        Raises:
            InvalidEnvironment: If the task space is unbounded, or 10,000 draws in a row could not be solved.
        """
        lessons: list[Lesson] = []
        in_vain = 0
        while len(lessons) < n:
            tasks = sample_tasks(self._space, n - len(lessons), self.rng)
            solvable = [task for task, can_be in zip(tasks, self._solvable(tasks), strict=True) if can_be]
            lessons += map(Lesson, solvable)
            in_vain = 0 if solvable else in_vain + len(tasks)
            self._drawn, self._kept = self._drawn + len(tasks), self._kept + len(solvable)
            if in_vain >= PATIENCE:
                raise InvalidEnvironment(
                    f"None of the last {in_vain:,} tasks drawn from {self._space} can be solved, says "
                    f"{self.setup.env_id}. Narrow the task space to where there are tasks that can be."
                )
        return lessons

    def scalars(self) -> dict[str, float]:
        """Returns the share of tasks drawn so far that could be solved."""
        return {"solvable": self._kept / self._drawn} if self._drawn else {}

    def state_dict(self) -> dict[str, Any]:
        """Returns the random state and the counts."""
        return {"rng": rng_state(self.rng), "drawn": self._drawn, "kept": self._kept}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`."""
        set_rng_state(self.rng, state["rng"])
        self._drawn, self._kept = int(state["drawn"]), int(state["kept"])
