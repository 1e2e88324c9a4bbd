"""Chunks, saving and loading of Stable-Baselines3 students, bit for bit."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from student_toys import begun, differences, leaves, line_class, small, switches

from teachrl_agents import SB3

NOISE = {"action_noise": {"noise": "ornstein-uhlenbeck", "sigma": 0.2}}
FAST = [
    ("PPO", "line", {}),
    ("A2C", "line", {}),
    ("SAC", "line", {}),
    ("TD3", "line", NOISE),
    ("DQN", "lights", {"target_update_interval": 8}),
]
SLOW = [
    ("PPO", "line", {"use_sde": True, "sde_sample_freq": 4}),
    ("RecurrentPPO", "lights", {}),
    ("TRPO", "line", {}),
    ("DDPG", "line", {}),
    ("TQC", "line", {"use_sde": True}),
    ("QRDQN", "lights", {}),
    ("CrossQ", "line", {}),
    ("SAC", "line", {"train_freq": [1, "episode"], "gradient_steps": -1}),
    ("SAC", "line", {"n_steps": 3}),
]


def fresh(algorithm: str, env: str, hyperparameters: dict[str, Any], normalize: bool) -> tuple[Any, Any]:
    episodic = isinstance(hyperparameters.get("train_freq"), list)
    classroom = (line_class if env == "line" else switches)(num_envs=1 if episodic else 2)
    return classroom, begun(classroom, small(algorithm, normalize, **hyperparameters), 2000)


def check(algorithm: str, env: str, hyperparameters: dict[str, Any], normalize: bool) -> None:
    """Learns in one call, in two, and in two with a fresh student in between."""
    _, whole = fresh(algorithm, env, hyperparameters, normalize)
    steps = max(1, 48 // whole.granularity) * whole.granularity
    whole.learn(steps)
    middle = whole.model.num_timesteps
    _, halves = fresh(algorithm, env, hyperparameters, normalize)
    halves.learn(steps)
    room, saved = fresh(algorithm, env, hyperparameters, normalize)
    saved.learn(steps)
    state = saved.state_dict()
    other_room, loaded = fresh(algorithm, env, hyperparameters, normalize)
    other_room.load_state_dict(room.state_dict())
    loaded.load_state_dict(state)
    assert differences(state, loaded.state_dict()) == []
    for student in (whole, halves, loaded):
        student.learn(steps)
    assert whole.model.num_timesteps > middle
    assert differences(whole.state_dict(), loaded.state_dict()) == []
    _, once = fresh(algorithm, env, hyperparameters, normalize)
    once.learn(whole.model.num_timesteps)
    assert differences(once.state_dict(), halves.state_dict()) == []
    assert differences(state, once.state_dict())


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize(("algorithm", "env", "hyperparameters"), FAST, ids=[a for a, _, _ in FAST])
def test_chunks_and_resume_give_the_same_bits(algorithm: str, env: str, hyperparameters: Any, normalize: bool) -> None:
    check(algorithm, env, hyperparameters, normalize)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("algorithm", "env", "hyperparameters"), SLOW, ids=[f"{a}-{i}" for i, (a, _, _) in enumerate(SLOW)]
)
def test_so_they_do_for_the_other_algorithms(algorithm: str, env: str, hyperparameters: Any) -> None:
    check(algorithm, env, hyperparameters, normalize=True)


def test_a_state_is_data_only() -> None:
    student = begun(line_class(), small("SAC", normalize=True))
    student.learn(20)
    for path, value in leaves(student.state_dict()):
        assert value is None or isinstance(value, bool | int | float | str | np.ndarray), path
        assert not isinstance(value, np.ndarray) or value.dtype != object, path


def test_only_the_filled_part_of_the_replay_buffer_is_saved() -> None:
    student = begun(line_class(), small("SAC", buffer_size=1000))
    student.learn(20)
    assert student.state_dict()["model"]["replay"]["rewards"].shape == (10, 2)


def test_global_generators_are_borrowed_only() -> None:
    """Learning neither depends on the process's generators nor moves them."""
    states = []
    for outside in (1, 2):
        torch.manual_seed(outside)
        np.random.seed(outside)
        random.seed(outside)
        before = (torch.get_rng_state().numpy().copy(), np.random.get_state()[1].copy(), random.getstate())
        student = begun(line_class(), small("PPO"))
        student.learn(32)
        states.append(student.state_dict())
        assert np.array_equal(before[0], torch.get_rng_state().numpy())
        assert np.array_equal(before[1], np.random.get_state()[1])
        assert before[2] == random.getstate()
    assert differences(*states) == []


def test_two_students_take_turns_without_touching_each_other() -> None:
    alone = begun(line_class(), small("PPO"))
    alone.learn(64)
    one, other = begun(line_class(), small("PPO")), begun(switches(), small("DQN"))
    for _ in range(2):
        one.learn(32)
        other.learn(16)
    assert differences(alone.state_dict(), one.state_dict()) == []


def test_schedules_run_over_the_whole_run_and_are_stretched() -> None:
    """Trap 11: the total is known from the start; it ends with the last whole rollout."""
    linear = {"schedule": "linear", "from": 1.0, "to": 0.5}
    rates = []
    student = begun(line_class(), small("PPO", learning_rate=linear), total_steps=65)  # three rollouts of 32
    for _ in range(3):
        student.learn(32)
        rates.append(student.scalars()["learning_rate"])
    np.testing.assert_allclose(rates, [0.5 + 0.5 * (1 - k / 3) for k in (1, 2, 3)])
    student.extend(192)
    student.learn(32)
    assert student.scalars()["learning_rate"] == pytest.approx(0.5 + 0.5 * (1 - 4 / 6))


def test_a_schedule_stays_at_its_end() -> None:
    student = begun(line_class(), small("PPO", learning_rate={"schedule": "linear", "from": 1e-3, "to": 1e-4}), 32)
    student.learn(96)
    assert student.scalars()["learning_rate"] == pytest.approx(1e-4)


def test_scalars_survive_a_resume() -> None:
    room = line_class()
    student = begun(room, small("PPO"))
    student.learn(32)
    other = begun(line_class(), small("PPO"))
    other.load_state_dict(student.state_dict())
    assert other.scalars() == student.scalars()
    assert {"approx_kl", "value_loss", "entropy_loss", "explained_variance"} <= set(other.scalars())


def test_nothing_is_stepped_before_learning() -> None:
    room = line_class()
    begun(room, SB3())
    assert room.counters.total_steps == 0
    assert room.last is None
