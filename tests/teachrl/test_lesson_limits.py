"""Lessons that are truncated early, null goals that are not zero, and what an environment provides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest

from teachrl import Classroom, Lesson, Teacher, make_vec
from teachrl.errors import InvalidTeacher
from toys import Counted, Halfway, Line


class Brief(Teacher):
    """Truncates every second lesson after three steps."""

    def sample_starts(self, lessons: Any) -> list[Lesson]:
        return [replace(lesson, limit=3) if k % 2 == 0 else lesson for k, lesson in enumerate(lessons)]


class Minus(Halfway):
    """Shows -1 where nobody sets goals."""

    null_goal = -1


class Provider(Line):
    """Offers a policy."""

    provides: ClassVar = {"planner": "toys:GoRight"}


def still(classroom: Classroom, steps: int) -> list[Any]:
    return [classroom.step(np.zeros((4, 1), np.float32)) for _ in range(steps)]


def test_a_limit_truncates_and_never_terminates() -> None:
    classroom = Classroom(make_vec(Line, 4), [Counted(), Brief()])
    classroom.reset()
    *_, last = still(classroom, 3)
    observations, _, terminated, truncated, infos = last
    assert truncated.tolist() == [True, False, True, False]
    assert not terminated.any()
    assert classroom.last is not None
    np.testing.assert_array_equal(infos["final_obs"][0], classroom.last.next_observations[0])
    assert (observations[0] != infos["final_obs"][0]).any()
    episodes = classroom.take_episodes()
    assert [(e.length, e.terminated, e.success, e.lesson.limit) for e in episodes] == [(3, False, None, 3)] * 2


def test_an_episode_that_terminates_at_its_limit_is_not_truncated() -> None:
    classroom = Classroom(make_vec(Line, 4), [Counted(1.0), Brief()])
    classroom.reset()
    ends = [classroom.step(np.ones((4, 1), np.float32))[2:4] for _ in range(4)]
    assert any(terminated.any() for terminated, _ in ends)
    assert not any((terminated & truncated).any() for terminated, truncated in ends)


def test_limits_survive_a_checkpoint() -> None:
    first, second = (Classroom(make_vec(Line, 4), [Counted(), Brief()]) for _ in range(2))
    first.reset()
    still(first, 2)
    second.load_state_dict(first.state_dict())
    assert still(second, 1)[0][3].tolist() == still(first, 1)[0][3].tolist() == [True, False, True, False]


def test_the_null_goal_is_the_teachers() -> None:
    classroom = Classroom(make_vec(Line, 4), [Counted(), Minus()], disable=["subgoals"])
    observations, _ = classroom.reset()
    assert (observations["subgoal"] == -1).all()


class Asks(Teacher):
    """Asks for the planner."""

    def begin(self, setup: Any) -> None:
        super().begin(setup)
        self.found = setup.provided("planner")


def test_an_environment_provides_what_its_class_names() -> None:
    asking = Asks()
    Classroom(make_vec(Provider, 2), [asking])
    assert type(asking.found).__name__ == "GoRight"
    with pytest.raises(InvalidTeacher, match=r"has no 'planner' for teachers: it provides nothing.*provides ="):
        Classroom(make_vec(Line, 2), [Asks()])


class Spends(Teacher):
    """Has spent seven tokens more at every question."""

    spent = 0

    def sample_starts(self, lessons: Any) -> Any:
        self.spent += 7
        return lessons

    @property
    def tokens(self) -> int:
        return self.spent

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What was spent before is not its own."""


def test_tokens_are_counted_across_processes() -> None:
    first = Classroom(make_vec(Line, 4), [Counted(1.0), Spends()])
    first.reset()
    for _ in range(12):
        first.step(np.full((4, 1), 0.2, np.float32))
    spent = first.counters.tokens
    assert spent > 0
    assert spent % 7 == 0
    second = Classroom(make_vec(Line, 4), [Counted(1.0), Spends()])
    second.load_state_dict(first.state_dict())
    for _ in range(12):
        second.step(np.full((4, 1), 0.2, np.float32))
    assert second.counters.tokens > spent
