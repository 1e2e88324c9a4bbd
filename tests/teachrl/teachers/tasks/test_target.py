"""The teacher that trains on the evaluation distribution."""

from dataclasses import replace

import numpy as np
import pytest

from teachrl.classroom import Classroom
from teachrl.errors import InvalidTeacher, UnknownName
from teachrl.lessons import Lesson
from teachrl.teachers import Target
from teachrl.testing import ToyEnv, check_teacher
from teachrl.vector import make_vec


def test_lessons_are_the_suites_tasks_with_fresh_seeds(make_setup):
    suite = {f"v-{i}": Lesson(np.full(2, i, np.float32), seed=100 + i) for i in range(5)}
    asked = []
    teacher = Target("shifted")
    teacher.begin(replace(make_setup(), get_suite=lambda name: asked.append(name) or suite))
    assert asked == ["shifted"]
    lessons = teacher.sample_tasks(5000)
    assert {lesson.seed for lesson in lessons} == {None}
    counts = np.bincount([int(lesson.task[0]) for lesson in lessons])
    assert ((counts - 1000) ** 2 / 1000).sum() < 18.5  # chi-square, 4 degrees of freedom: 1 in 1000


@pytest.mark.parametrize("workers", [0, 1])
def test_a_classroom_hands_out_its_suites(workers):
    envs = make_vec("TeachRL/PointMass-v0", 2, workers=workers)
    classroom = Classroom(envs, Target("target"))
    classroom.reset()
    tasks = {tuple(lesson.task.tolist()) for lesson in envs.task_suite("target").values()}
    assert all(tuple(lesson.task.tolist()) in tasks for lesson in classroom.lessons)
    classroom.close()


def test_the_test_suite_is_refused():
    with pytest.raises(InvalidTeacher, match=r"'test', which evaluation alone opens.*\['validation'\]"):
        Classroom(make_vec(ToyEnv, 2), Target("test"))


def test_an_unknown_suite():
    with pytest.raises(UnknownName, match="task suite 'validaton'.*'validation'"):
        Classroom(make_vec(ToyEnv, 2), Target("validaton"))


def test_an_environment_without_tasks_gets_its_default_task():
    classroom = Classroom(make_vec("CartPole-v1", 2), Target())
    classroom.reset()
    assert [lesson.task for lesson in classroom.lessons] == [None, None]


def test_it_keeps_the_contract_of_teachers():
    check_teacher(Target(), rollouts=5)
    check_teacher(Target("target"), envs="TeachRL/PointMass-v0", rollouts=5)
