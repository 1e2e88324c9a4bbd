"""What a classroom refuses: teachers, lessons, students and environments that do not fit."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

from teachrl import Classroom, Lesson, TaskTeacher, Teacher, make_vec
from teachrl.errors import InvalidEnvironment, InvalidStudent, InvalidTask, InvalidTeacher, NonFiniteData, UnknownName
from toys import Counted, Doubled, Knows, Line, Walker, Widened


def line(num_envs: int = 4, **kwargs: Any) -> Any:
    return make_vec(lambda: Line(**kwargs), num_envs)


def right(n: int = 4) -> Any:
    return np.full((n, 1), 0.5, dtype=np.float32)


@pytest.mark.parametrize(
    ("teachers", "error", "message"),
    [
        ([Counted(), Counted()], InvalidTeacher, "both set tasks.*disable=\\['Counted.tasks'\\]"),
        ([Counted], InvalidTeacher, "instance, not the class"),
        (["ALPGMM"], InvalidTeacher, "Expected a teacher"),
    ],
)
def test_impossible_teachers_are_refused(teachers: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        Classroom(line(), teachers)


def test_one_instance_cannot_stand_twice() -> None:
    teacher = Doubled()
    with pytest.raises(InvalidTeacher, match="stands twice"):
        Classroom(line(), [teacher, teacher])


def test_two_task_teachers_work_when_one_is_disabled() -> None:
    class Other(Counted):
        """Another teacher of tasks."""

    classroom = Classroom(line(), [Counted(), Other()], disable=["Other.tasks"])
    classroom.reset()
    assert [teacher.served for teacher in classroom.teachers] == [4, 0]  # type: ignore[attr-defined]


def test_unknown_channels_are_refused() -> None:
    with pytest.raises(UnknownName, match="'reward'.*Did you mean 'rewards'"):
        Classroom(line(), [Doubled()], disable=["reward"])


def test_a_task_teacher_needs_a_task_space() -> None:
    with pytest.raises(InvalidTeacher, match="no task space.*Parametrised"):
        Classroom(make_vec("CartPole-v1", 2), [Counted()])


def test_gymnasiums_own_vector_environments_are_refused() -> None:
    with pytest.raises(InvalidEnvironment, match="make_vec"):
        Classroom(gymnasium.vector.SyncVectorEnv([Line] * 2))


@pytest.mark.parametrize("lessons", [[Lesson([1.0])], [[1.0]] * 4, [Lesson([1.0])] * 5])
def test_wrong_lessons_are_refused(lessons: Any) -> None:
    class Wrong(Teacher):
        """Returns what it should not."""

        def sample_tasks(self, n: int, student: int = 0) -> Any:
            return lessons

    with pytest.raises(InvalidTeacher, match="must return 4 Lessons"):
        Classroom(line(), [Wrong()]).reset()


def test_a_task_outside_the_space_is_named() -> None:
    class Far(TaskTeacher):
        """Asks for too much."""

        def sample(self, n: int) -> Any:
            return [[9.0]] * n

    with pytest.raises(InvalidTask, match="goal is 9, expected 1 to 3"):
        Classroom(line(), [Far()]).reset()


def test_a_student_must_accept_the_channels() -> None:
    class Deaf(Walker):
        accepts = frozenset({"tasks"})

    with pytest.raises(InvalidStudent, match=r"\['labels'\], which \['Knows'\] need.*PPO"):
        Classroom(line(), [Counted(), Knows()]).attach(Deaf(), able=["PPO"])  # type: ignore[arg-type]


def test_nan_names_the_environment_and_the_task() -> None:
    classroom = Classroom(line(4, broken_at=1.15), [Counted()])
    classroom.reset()
    with pytest.raises(NonFiniteData, match=r"rewards with NaN.*environment 2.*1\.2"):
        classroom.step(right())


def test_a_shaper_of_the_wrong_shape_is_refused() -> None:
    class Scalar(Teacher):
        """Pays everyone the same, wrongly."""

        def shape_rewards(self, step: Any) -> Any:
            return 1.0

    classroom = Classroom(line(), [Scalar()])
    classroom.reset()
    with pytest.raises(InvalidTeacher, match="Scalar.shape_rewards must return"):
        classroom.step(right())


def test_a_temporary_change_of_the_space_is_refused() -> None:
    class Forgetful(Widened):
        """Widens observations, but not in evaluation."""

        permanent = frozenset()

    with pytest.raises(InvalidTeacher, match="off in evaluation"):
        Classroom(line(), [Forgetful()])
    assert Classroom(line(), [Forgetful()], disable=["observations"]).single_observation_space.shape == (2,)


def test_step_before_reset_and_options_are_refused() -> None:
    classroom = Classroom(line())
    with pytest.raises(InvalidEnvironment, match="reset"):
        classroom.step(right())
    with pytest.raises(InvalidEnvironment, match="options"):
        classroom.reset(options={"task": [1.0]})
