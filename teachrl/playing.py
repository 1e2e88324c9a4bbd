"""Plays lessons with a policy, without training: evaluations, and the extra rollouts of teachers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from teachrl.classroom import Classroom
from teachrl.lessons import Counters, Episode, Lesson, Report, Step
from teachrl.policies import as_policy
from teachrl.roster import concerning, entries, is_disabled
from teachrl.student import Policy
from teachrl.teacher import Teacher
from teachrl.vector import LessonVectorEnv


class Syllabus(Teacher):
    """Serves fixed lessons, each once; environments with nothing left to do repeat the last one, unmarked."""

    permanent: ClassVar[frozenset[str]] = frozenset({"tasks"})
    needs_task_space: ClassVar[bool] = False

    def __init__(self, lessons: Sequence[Lesson]) -> None:
        self.lessons = lessons
        self.served = 0
        self.played: dict[int, Episode] = {}

    def sample_tasks(self, n: int, student: int = 0) -> list[Lesson]:
        """Returns the next lessons, marked by their place."""
        numbers = range(self.served, self.served + n)
        self.served += n
        return [
            replace(self.lessons[min(k, len(self.lessons) - 1)], id=k if k < len(self.lessons) else -1, learn=False)
            for k in numbers
        ]

    def update(self, report: Report) -> None:
        """Keeps the marked episodes."""
        for episode in report.episodes:
            if (place := episode.lesson.id) >= 0:
                self.played[place] = replace(episode, lesson=self.lessons[place])

    @property
    def finished(self) -> bool:
        """Whether every lesson was played."""
        return len(self.played) == len(self.lessons)


def play(
    envs: LessonVectorEnv,
    policy: Policy | Any,
    lessons: Sequence[Lesson],
    *,
    teachers: Sequence[Teacher] = (),
    disable: Collection[str] = (),
    view: str = "student",
    seed: int | np.random.SeedSequence = 0,
    deterministic: bool = True,
    gamma: float = 1.0,
    counters: Counters | None = None,
    student: int = 0,
    on_step: Callable[[Step], None] | None = None,
) -> list[Episode]:
    """Plays each lesson once; nothing is trained.

    Args:
        envs: Where to play; left open.
        policy: Who plays: a policy, or what `as_policy` makes one of.
        lessons: What to play.
        teachers: The run's teachers. Copies of them act, with their permanent channels only.
        disable: The run's disabled channels, which stay off.
        view: The view the policy sees.
        seed: Root of the seeds of lessons that have none.
        deterministic: The mode of the policy's distribution rather than samples.
        gamma: Discount of `Episode.discounted_return`.
        counters: Where to count the steps, if anywhere.
        student: Index of the student whose policy it is.
        on_step: Called after each step of all environments, with all views.

    Returns:
        The episodes, in the order of the lessons.
    """
    if not lessons:
        return []
    classroom, syllabus = playroom(
        envs, lessons, teachers=teachers, disable=disable, view=view, seed=seed, counters=counters, student=student
    )
    classroom.gamma = gamma
    observations, first = classroom.observed()
    acting, state = as_policy(policy), None
    while not syllabus.finished:
        actions, state = acting.act(observations, state, first, deterministic)
        classroom.step(actions)
        observations, first = classroom.observed()
        if on_step is not None and classroom.last is not None:
            on_step(classroom.last)
    return [syllabus.played[place] for place in range(len(lessons))]


def playroom(
    envs: LessonVectorEnv,
    lessons: Sequence[Lesson],
    *,
    teachers: Sequence[Teacher] = (),
    disable: Collection[str] = (),
    view: str = "student",
    seed: int | np.random.SeedSequence = 0,
    counters: Counters | None = None,
    student: int = 0,
    guests: Sequence[Teacher] = (),
) -> tuple[Classroom, Syllabus]:
    """Returns a classroom that serves the lessons, each once, and shows what a student sees in evaluation; see `play`.

    Copies of the teachers act in it, as far as a policy cannot be played without them, and the guests, which have not
    begun elsewhere, with what they have of permanent channels.
    """
    syllabus = Syllabus(list(lessons))
    off = [entry for entry in entries(disable) if entry != "tasks"]  # the lessons of a syllabus stay on
    originals = [t for t in teachers if acts_in_evaluation(t, off)]
    copies = [type(t)(**t.init_args) for t in originals]
    classroom = Classroom(
        envs, [syllabus, *copies, *guests], disable=concerning(copies, off), view=view, seed=seed, counters=counters,
        student=student, permanent_only=True,
    )  # fmt: skip
    for copy, original in zip(copies, originals, strict=True):
        copy.load_state_dict(original.state_dict())
    return classroom, syllabus


def acts_in_evaluation(teacher: Teacher, disable: Collection[str]) -> bool:
    """Whether a policy cannot be played without this teacher: it is permanent, or its goals widen the observations."""
    permanent = teacher.permanent & teacher.channels
    return "subgoals" in teacher.channels or any(not is_disabled(teacher, channel, disable) for channel in permanent)
