"""Plays a suite with a student as it is: nothing learns, and no random generator of the run is touched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from teachrl import seeds
from teachrl.classroom import Classroom
from teachrl.lessons import Lesson, Step
from teachrl.playing import play
from teachrl.runs.evaluation import Evaluation, collect
from teachrl.runs.generators import generators_kept
from teachrl.runs.tables import task_numbers
from teachrl.student import Student
from teachrl.vector import LessonVectorEnv

MOST_ENVS = 20


class Examiner:
    """Evaluates the student of a run, in environments of its own, which are made when they are first needed.

    Args:
        classroom: Where the student learns.
        student: Who is evaluated.
        seed: The run's seed.
        workers: Processes of the environments.
        num_envs: How many lessons are played at a time.
    """

    def __init__(
        self, classroom: Classroom, student: Student, seed: int, workers: int = 0, num_envs: int = MOST_ENVS
    ) -> None:
        self._classroom, self._student, self._seed = classroom, student, seed
        self._workers, self._num_envs = workers, num_envs
        self._envs: LessonVectorEnv | None = None

    def close(self) -> None:
        """Closes the environments."""
        if self._envs is not None:
            self._envs.close()
            self._envs = None

    def suite(self, name: str) -> dict[str, Lesson]:
        """Returns the lessons of a suite by name.

        Raises:
            UnknownName: If the environment has no such suite.
        """
        return self._environments(self._num_envs).task_suite(name)

    def examine(
        self,
        suite: str,
        steps: int,
        episodes: int = 1,
        deterministic: bool = True,
        on_step: Callable[[Step], None] | None = None,
    ) -> Evaluation:
        """Plays every lesson of a suite.

        Args:
            suite: The suite's name.
            steps: Steps of learning behind the student, for the record.
            episodes: Episodes of each lesson; those after the first have other seeds.
            deterministic: The mode of the policy's distribution rather than samples.
            on_step: Called after each step.

        Raises:
            UnknownName: If the environment has no such suite.
        """
        named = self.suite(suite)
        lessons = [_repeated(lesson, k) for k in range(episodes) for lesson in named.values()]
        envs = self._environments(len(lessons))
        with generators_kept(self._seed):
            played = play(
                envs, self._student.policy, lessons, teachers=self._classroom.teachers,
                disable=self._classroom.disable, view=self._classroom.view,
                seed=seeds.branch(self._seed, seeds.EVALUATION), deterministic=deterministic, on_step=on_step,
            )  # fmt: skip
        space = self._classroom.envs.task_space
        numbers = [task_numbers(lesson.task, space) for lesson in named.values()]
        return collect(suite, steps, list(named), numbers, played)

    def _environments(self, lessons: int) -> LessonVectorEnv:
        wanted = min(self._num_envs, lessons)
        if self._envs is None or self._envs.num_envs > wanted:
            self.close()
            self._envs = self._classroom.envs.make_another(wanted, workers=min(self._workers, wanted))
        return self._envs


def _repeated(lesson: Lesson, k: int) -> Lesson:
    """Returns the lesson for its k-th episode: the first has the suite's seed, the others seeds that follow from it."""
    if k == 0 or lesson.seed is None:
        return lesson
    return replace(lesson, seed=int(np.random.SeedSequence([lesson.seed, k]).generate_state(1)[0] >> 1))
