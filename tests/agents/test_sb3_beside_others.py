"""Stable-Baselines3 students beside several teachers, other students and lessons that are rarely learned from."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from student_toys import Eager, PerRollout, Recorder, begun, differences, line_class, small, switches

from teachrl import Classroom, FromPolicy, Teacher, make_vec
from teachrl.testing.toy import ToyEnv
from toys import Doubled, Halfway, Line


class Keeps(Recorder):
    """Makes classrooms too."""

    def another(self) -> Classroom:
        return self.setup.make_classroom(1, num_envs=2)


class Noisy(Teacher):
    """Blurs what is seen, in place."""

    def observation_space(self, space: Any) -> Any:
        return space

    def transform_observations(self, observations: Any, lessons: Any, first: Any, indices: Any) -> Any:
        observations["observation"] += 0.1 * self.rng.standard_normal(observations["observation"].shape)
        return observations


def test_a_rollout_tells_whose_it_is() -> None:
    teacher = Keeps()
    line_class([teacher])
    student = begun(teacher.another(), small("PPO"))
    student.learn(student.granularity)
    assert [rollout.student for rollout in teacher.rollouts] == [1]


def test_a_kept_rollout_of_dictionaries_keeps_its_shape() -> None:
    teacher = Recorder()
    student = begun(line_class([teacher, Halfway()]), small("PPO"))
    student.learn(student.granularity)
    assert {k: v.shape for k, v in teacher.rollouts[0].observations.items()} == {
        "observation": (16, 2, 2),
        "subgoal": (16, 2, 1),
    }


def test_discrete_observations_are_reported_as_they_were_shown() -> None:
    class Floor(ToyEnv):
        """Shows a whole number."""

        def __init__(self) -> None:
            super().__init__()
            self.observation_space = spaces.Discrete(5)

        def _see(self) -> Any:
            return int(np.clip(self._position, 0, 4))

    teacher = Recorder()
    student = begun(Classroom(make_vec(Floor, 2), [teacher]), small("PPO"))
    student.learn(student.granularity)
    assert teacher.rollouts[0].observations.shape == (16, 2)


@pytest.mark.parametrize("algorithm", ["PPO", "RecurrentPPO"])
def test_rows_that_lie_far_apart_can_be_learned_from(algorithm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    student = begun(line_class(), small(algorithm, batch_size=4))
    buffer = student.model.rollout_buffer
    report = buffer.rollout

    def rare() -> Any:
        buffer.learn[:] = False
        buffer.learn[0, 0] = buffer.learn[9, 1] = True
        return report()

    monkeypatch.setattr(buffer, "rollout", rare)
    student.learn(student.granularity)
    assert np.isfinite(student.scalars()["loss"])


def test_an_algorithm_without_a_distribution_gives_bare_labels() -> None:
    student = begun(switches(), small("DQN"))
    for policy in (student, student.policy, student.model):
        room = switches(teachers=[FromPolicy(policy)])
        room.reset()
        room.step(np.zeros(2, dtype=np.int64))
        assert room.labels[0].parameters is None
        assert room.labels[0].actions.shape == (2,)


def test_all_channels_at_once_resume_bit_for_bit() -> None:
    class Stepper(Line):
        """Takes whole actions, and cannot be saved."""

        def __init__(self) -> None:
            super().__init__()
            self.action_space = spaces.Discrete(3)

        def step(self, action: Any) -> Any:
            return super().step(np.array([float(action) - 1]))

    def make() -> tuple[Classroom, Any]:
        teachers = [PerRollout(), Halfway(), Doubled(), Noisy(), Eager()]
        room = Classroom(make_vec(Stepper, 4), teachers, seed=3)
        return room, begun(room, small("PPO", normalize=True), 1000)

    room, student = make()
    student.learn(3 * student.granularity)
    saved = copy.deepcopy((room.state_dict(), student.state_dict()))
    other_room, other = make()
    other_room.load_state_dict(saved[0])
    other.load_state_dict(saved[1])
    assert other_room.mismatches == []
    for one in (student, other):
        one.learn(2 * student.granularity)
    assert differences(student.state_dict(), other.state_dict()) == []
    assert differences(room.state_dict(), other_room.state_dict()) == []
