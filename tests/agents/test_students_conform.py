"""Our students keep the contract that other people's are held to."""

from __future__ import annotations

import pytest
from student_toys import small

from teachrl.testing import check_student
from teachrl.testing.toy import ToyEnv
from teachrl_agents import SimulatedStudent


@pytest.mark.parametrize("algorithm", ["PPO", "A2C", "SAC"])
def test_continuous_students_conform(algorithm: str) -> None:
    check_student(small(algorithm, normalize=True))


@pytest.mark.parametrize("algorithm", ["DQN", "RecurrentPPO"])
def test_discrete_students_conform(algorithm: str) -> None:
    check_student(small(algorithm), lambda: ToyEnv(discrete=True))


def test_the_simulated_student_conforms() -> None:
    check_student(SimulatedStudent(), "TeachRL/Hypercube-v0")
