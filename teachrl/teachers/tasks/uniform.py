"""Uniform tasks: what every curriculum is compared with."""

from __future__ import annotations

from typing import Any

from teachrl.errors import InvalidTeacher
from teachrl.lessons import Lesson
from teachrl.state import rng_state, set_rng_state
from teachrl.tasks import sample_tasks
from teachrl.teacher import Setup, Teacher


class Uniform(Teacher):
    """Draws every task uniformly from the task space, of whatever kind it is, and learns nothing."""

    def begin(self, setup: Setup) -> None:
        """Starts a run.

        Raises:
            InvalidTeacher: If the environment has no task space.
        """
        super().begin(setup)
        if setup.task_space is None:
            raise InvalidTeacher(
                f"Uniform sets tasks, but {setup.env_id} has no task space. Give it one with "
                "Parametrised(env, {'unwrapped.attribute': [low, high]}), or leave the teacher out."
            )
        self._space = setup.task_space

    def sample_tasks(self, n: int, student: int = 0) -> list[Lesson]:
        """Returns `n` lessons with independent uniform tasks.

        Raises:
            InvalidEnvironment: If the task space is unbounded.
        """
        return [Lesson(task) for task in sample_tasks(self._space, n, self.rng)]

    def state_dict(self) -> dict[str, Any]:
        """Returns the random state."""
        return {"rng": rng_state(self.rng)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`."""
        set_rng_state(self.rng, state["rng"])
