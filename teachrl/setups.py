"""What a classroom tells its teachers when a run begins, and what they may ask of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from teachrl import seeds
from teachrl.lessons import Episode, Lesson
from teachrl.teacher import Setup, Teacher
from teachrl.vector import LessonVectorEnv

if TYPE_CHECKING:
    from teachrl.classroom import Classroom


def make_setup(classroom: Classroom, teacher: Teacher, seed: np.random.SeedSequence) -> Setup:
    """Describes `classroom` to one of its teachers."""
    envs = classroom.envs
    rng = np.random.default_rng(seeds.branch(seed, seeds.ROLLOUTS))

    def rollouts(lessons: Sequence[Lesson], deterministic: bool = False) -> list[Episode]:
        return _rollouts(classroom, lessons, deterministic, seeds.draw_seed(rng))

    def make_classroom(
        student: int, envs: LessonVectorEnv | None = None, num_envs: int | None = None
    ) -> Classroom:  # fmt: skip
        return classroom.another(teacher, student, envs, num_envs)

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
        get_policy=lambda: classroom.present_student().policy,
        get_values=lambda observations: classroom.present_student().values(observations),
        rollouts=rollouts,
        make_classroom=make_classroom,
    )


def _rollouts(classroom: Classroom, lessons: Sequence[Lesson], deterministic: bool, seed: int) -> list[Episode]:
    from teachrl.playing import play

    student = classroom.present_student()
    envs = classroom.envs.make_another(num_envs=max(1, min(classroom.num_envs, len(lessons))))
    try:
        return play(
            envs, student.policy, lessons, teachers=classroom.teachers, view=classroom.view, seed=seed,
            deterministic=deterministic, gamma=student.gamma, counters=classroom.counters, student=classroom.index,
        )  # fmt: skip
    finally:
        envs.close()
