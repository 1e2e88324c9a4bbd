"""Whatever can act, as a policy and as a teacher."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from teachrl import Classroom, FromPolicy, Lesson, make_vec
from teachrl.errors import InvalidStudent
from teachrl.playing import play
from teachrl.policies import as_policy
from toys import Counted, GoRight, Line


def right(n: int = 2) -> Any:
    return np.full((n, 1), 0.5, dtype=np.float32)


def goals(*values: float) -> list[Lesson]:
    return [Lesson(np.array([x], np.float32), seed=k) for k, x in enumerate(values)]


def test_policies_of_all_kinds() -> None:
    class Model:
        """Predicts as Stable-Baselines3's models do."""

        def predict(self, observations: Any, state: Any, episode_start: Any, deterministic: bool) -> Any:
            return right(len(observations)), state

    def function(observations: Any) -> Any:
        return right(len(observations))

    returns = []
    for policy in (GoRight(), Model(), function):
        teacher = FromPolicy(policy)
        room = Classroom(make_vec(Line, 2), [Counted(), teacher])
        room.reset()
        room.step(right())
        np.testing.assert_array_equal(room.labels[0].actions, right())
        returns.append(play(make_vec(Line, 1), policy, goals(2.0))[0].episode_return)
    assert len(set(returns)) == 1
    with pytest.raises(InvalidStudent, match="or a function from observations"):
        as_policy(3)


def test_a_policy_whose_class_has_distributions_may_have_none() -> None:
    class Modal(GoRight):
        """Has only modes, as the policy of DQN."""

        def distribution(self, observations: Any) -> Any:
            raise InvalidStudent("no distribution")

    room = Classroom(make_vec(Line, 2), [Counted(), FromPolicy(Modal())])
    room.reset()
    room.step(right())
    assert room.labels[0].parameters is None


def test_a_permanent_policy_with_a_memory_plays_in_any_number_of_environments() -> None:
    class Remembers(GoRight):
        """Counts the steps of each episode."""

        def act(self, observations: Any, state: Any = None, first: Any = None, deterministic: bool = True) -> Any:
            state = np.zeros(len(observations)) if state is None else state
            return right(len(observations)), np.where(first, 0, state + 1)

    class Base(FromPolicy):
        """A base that stays."""

        permanent = frozenset({"actions"})

    room = Classroom(make_vec(Line, 4), [Counted(), Base(Remembers(), channels=("actions",))])
    room.reset()
    room.step(right(4))
    assert len(play(make_vec(Line, 3), GoRight(), goals(1.0, 2.0, 3.0), teachers=room.teachers)) == 3
    again = Classroom(make_vec(Line, 4), [Counted(), Base(Remembers(), channels=("actions",))])
    again.load_state_dict(room.state_dict())
    assert again.teachers[1].state_dict()["memory"].tolist() == [0, 0, 0, 0]
