"""Which lessons come next: the task teacher's, or uniform ones, with the start teacher's starts and a seed each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from teachrl import seeds
from teachrl.lessons import Lesson
from teachrl.roster import Roster
from teachrl.state import rng_state, set_rng_state
from teachrl.tasks import check_task, sample_tasks
from teachrl.vector import LessonVectorEnv


class Curriculum:
    """Serves lessons to a classroom.

    Args:
        envs: The environments, for their task space.
        roster: The teachers.
        seed: Root of the classroom's seeds and uniform tasks.
        student: Index of the student the lessons are for.
    """

    def __init__(self, envs: LessonVectorEnv, roster: Roster, seed: np.random.SeedSequence, student: int) -> None:
        self._space, self._names = envs.task_space, envs.task_names
        self._roster, self._student = roster, student
        self.reseed(seed)

    def reseed(self, seed: int | Sequence[int | None] | np.random.SeedSequence) -> None:
        """Restarts the stream of seeds and uniform tasks; of several seeds the first that is one counts."""
        if not isinstance(seed, int | np.integer | np.random.SeedSequence):
            seed = next((s for s in seed if s is not None), 0)
        self.rng = np.random.default_rng(seeds.branch(seed, seeds.CLASSROOM, self._student))
        self._rollouts = np.random.default_rng(seeds.branch(seed, seeds.ROLLOUTS, self._student))

    def rollout_seed(self) -> int:
        """Draws the seed of a teacher's own rollouts, out of a stream apart from that of lessons."""
        return seeds.draw_seed(self._rollouts)

    def next(self, n: int) -> tuple[list[Lesson], list[int]]:
        """Returns `n` lessons and the seeds to play them with.

        Raises:
            InvalidTask: If a teacher's task is outside the task space.
            InvalidTeacher: If a teacher does not return `n` lessons.
            InvalidStudent: If the student would learn from lessons that say `learn=False`.
        """
        lessons = self._roster.tasks(n, self._student)
        lessons = self._uniform(n) if lessons is None else [self._checked(lesson) for lesson in lessons]
        lessons = self._roster.starts(lessons)
        self._roster.check_masks(lessons)
        return lessons, [self._seed(lesson) for lesson in lessons]

    def _seed(self, lesson: Lesson) -> int:
        """Returns the seed of a lesson's episode; one that begins with a replay goes on with the replay's."""
        seed = seeds.draw_seed(self.rng) if lesson.seed is None else int(lesson.seed)
        start = lesson.start
        return seed if start is None or start.kind != "replay" or start.seed is None else int(start.seed)

    def _uniform(self, n: int) -> list[Lesson]:
        if self._space is None:
            return [Lesson()] * n
        return [Lesson(task) for task in sample_tasks(self._space, n, self.rng)]

    def _checked(self, lesson: Lesson) -> Lesson:
        if lesson.task is not None and self._space is not None:
            check_task(lesson.task, self._space, self._names)
        # A copy: a teacher may write into its array once the lesson is served.
        return replace(lesson, task=lesson.task.copy()) if isinstance(lesson.task, np.ndarray) else lesson

    def state_dict(self) -> dict[str, Any]:
        """Returns the random state."""
        return {"rng": rng_state(self.rng), "rollouts": rng_state(self._rollouts)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`."""
        set_rng_state(self.rng, state["rng"])
        set_rng_state(self._rollouts, state["rollouts"])
