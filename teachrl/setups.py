"""What a classroom tells its teachers when a run begins, and what they may ask of it."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from teachrl.errors import InvalidStudent, InvalidTeacher
from teachrl.lessons import Episode, Lesson
from teachrl.roster import concerning
from teachrl.teacher import Setup, Teacher
from teachrl.vector import LessonVectorEnv

if TYPE_CHECKING:
    from teachrl.classroom import Classroom
    from teachrl.student import Student


def make_setup(classroom: Classroom, teacher: Teacher, seed: np.random.SeedSequence) -> Setup:
    """Describes `classroom` to one of its teachers."""
    envs = classroom.envs

    def rollouts(lessons: Sequence[Lesson], deterministic: bool = False) -> list[Episode]:
        return _rollouts(classroom, lessons, deterministic)

    def make_classroom(
        student: int, envs: LessonVectorEnv | None = None, num_envs: int | None = None
    ) -> Classroom:  # fmt: skip
        return _another(classroom, teacher, student, envs, num_envs)

    return Setup(
        observation_space=envs.single_observation_space,
        action_space=envs.single_action_space,
        task_space=envs.task_space,
        task_names=envs.task_names,
        num_envs=classroom.num_envs,
        seed=seed,
        return_range=envs.return_range,
        env_id=envs.env_id,
        max_episode_steps=envs.max_episode_steps,
        get_policy=lambda: _present_student(classroom).policy,
        get_values=lambda observations: _present_student(classroom).values(observations),
        rollouts=rollouts,
        make_classroom=make_classroom,
        get_suite=lambda name: _suite(envs, name),
        solvable=envs.solvable if envs.tells_solvable else None,
        executed=lambda: classroom.executed,
        seen=lambda observations: classroom._observer.beginning(observations),
        made_with=envs.made_with,
        tasks_are_set=classroom._roster.sets_tasks is not None,
        unrestorable="" if envs.restorable else envs.unrestorable or "it has no get_state().",
        provided=lambda name: provided(envs, name),
        get_gamma=lambda: classroom.gamma,
    )


def provided(envs: LessonVectorEnv, name: str) -> Any:
    """Makes what an environment offers under a name, see `Setup.provided`.

    Raises:
        InvalidTeacher: If it offers nothing of that name.
    """
    if name not in envs.provides:
        offers = f"it provides {sorted(envs.provides)}" if envs.provides else "it provides nothing"
        raise InvalidTeacher(
            f"{envs.env_id} has no {name!r} for teachers: {offers}. TeachRL/MiniGrid-* environments have one; one of "
            f"your own names it in a class attribute, provides = {{{name!r}: 'module:Class'}}."
        )
    module, _, title = envs.provides[name].partition(":")
    return getattr(importlib.import_module(module), title)()


def _suite(envs: LessonVectorEnv, name: str) -> dict[str, Lesson]:
    """Returns a suite that a teacher may see."""
    if name == "test":
        raise InvalidTeacher(
            "A teacher asked for the suite 'test', which evaluation alone opens, at a run's end: what a student was "
            f"taught on says nothing of how it generalises. Take another of {sorted({*envs.suites} - {'test'})}."
        )
    return envs.task_suite(name)


def _rollouts(classroom: Classroom, lessons: Sequence[Lesson], deterministic: bool) -> list[Episode]:
    from teachrl.playing import play

    student = _present_student(classroom)
    envs = classroom.envs.make_another(num_envs=max(1, min(classroom.num_envs, len(lessons))))
    try:
        return play(
            envs, student.policy, lessons, teachers=classroom.teachers, disable=classroom.disable, view=classroom.view,
            seed=classroom.curriculum.rollout_seed(),
            deterministic=deterministic, gamma=student.gamma, counters=classroom.counters, student=classroom.index,
        )  # fmt: skip
    finally:
        envs.close()


def _present_student(classroom: Classroom) -> Student:
    if classroom.student is None:
        raise InvalidStudent("A teacher asked for the student before one was attached: call classroom.attach(...).")
    return classroom.student


def _another(
    classroom: Classroom, teacher: Teacher, student: int, envs: LessonVectorEnv | None, num_envs: int | None
) -> Classroom:
    """Makes the classroom of another student of the same run, see `Setup.make_classroom`.

    Teachers without a channel only listen, and hear of every student.
    """
    teachers = [teacher, *(other for other in classroom.teachers if not other.channels and other is not teacher)]
    return type(classroom)(
        envs or classroom.envs.make_another(num_envs=num_envs or classroom.num_envs),
        teachers,
        disable=[*concerning(teachers, classroom.disable), *(["tasks"] if envs is not None else [])],
        view=classroom.view if envs is None else "student",
        seed=classroom.root,
        student=student,
        counters=classroom.counters,
        begin=False,
    )
