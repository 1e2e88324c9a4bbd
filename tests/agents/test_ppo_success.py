"""Which episodes count as solved where labels are left out of solved ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from student_toys import Switches, begun

from teachrl import Classroom, make_vec
from teachrl.errors import InvalidEnvironment
from teachrl.lessons import Labels
from teachrl.teacher import Teacher
from teachrl_agents import MLP, PPO
from teachrl_agents.ppo_episodes import Episodes


class Soft(Teacher):
    """Labels with logits that prefer the light that is on."""

    def label_actions(self, observations: Any, lessons: Any, first: Any) -> Labels:
        return Labels(observations.argmax(-1), {"logits": 6.0 * observations}, np.ones(len(observations), dtype=bool))


def small(**arguments: Any) -> PPO:
    return PPO(MLP((16,)), batch_size=16, n_epochs=2, **arguments)


def test_the_environment_says_what_a_success_is_before_any_return_does() -> None:
    done, nan = np.array([[False, True], [True, True], [True, True]]), np.nan
    said = np.array([[nan, 1.0], [0.0, nan], [nan, 0.0]])
    found = Episodes(np.ones((3, 2)), np.roll(done, 1, 0), done, np.zeros((2, 2)), np.zeros((3, 2), int), said)
    assert found.returns.tolist() == [2.0, 1.0, 1.0, 1.0, 1.0]
    assert found.succeeded(0.5).tolist() == [False, True, True, True, False]
    assert found.succeeded(1.5).tolist() == [False, False, True, False, False]
    with pytest.raises(InvalidEnvironment, match="success_return=R"):
        found.succeeded()
    running = Episodes(np.ones((3, 2)), done & False, done & False, np.zeros((2, 2)), np.zeros((3, 2), int))
    assert not running.succeeded().any()


@pytest.mark.parametrize("mask", ["response", "group"])
def test_what_the_environment_calls_solved_is_not_distilled(mask: str) -> None:
    class Lucky(Switches):
        lucky = True

        def step(self, action: Any) -> Any:
            *rest, truncated, _ = super().step(action)
            return *rest, truncated, {"is_success": self.lucky} if truncated else {}

    class Luckless(Lucky):
        lucky = False

    class Silent(Lucky):
        def step(self, action: Any) -> Any:
            return *super().step(action)[:-1], {}

    def loss(env: Any, **arguments: Any) -> float:
        room = Classroom(make_vec(env, 2), [Soft()], seed=1)
        student = begun(room, small(n_steps=15, label_mask=mask, **arguments))
        student.learn(student.granularity)
        return float(student.scalars()["label_loss"])

    assert loss(Lucky) == 0
    assert loss(Lucky, success_return=99.0) == 0
    assert loss(Luckless, success_return=-1.0) > 0.1
    assert loss(Silent, success_return=-1.0) == 0
    assert loss(Silent, success_return=99.0) > 0.1
    with pytest.raises(InvalidEnvironment, match="success_return=R"):
        loss(Silent)
