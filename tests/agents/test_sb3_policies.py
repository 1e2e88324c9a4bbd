"""Policies of Stable-Baselines3 students: the right network, normalisation, distributions and values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from student_toys import begun, differences, line_class, small, switches

from teachrl.distillation import choose_family
from teachrl.errors import InvalidStudent, UnknownName
from teachrl.student import Policy
from teachrl_agents import SB3
from toys import GoRight


@pytest.mark.parametrize(
    ("algorithm", "kind", "name"),
    [
        ("PPO", "vector", "ActorCriticPolicy"),
        ("PPO", "image", "ActorCriticCnnPolicy"),
        ("PPO", "dict", "MultiInputActorCriticPolicy"),
        ("RecurrentPPO", "vector", "RecurrentActorCriticPolicy"),
        ("RecurrentPPO", "image", "RecurrentActorCriticCnnPolicy"),
        ("DQN", "image", "CnnPolicy"),
        ("DQN", "dict", "MultiInputPolicy"),
    ],
)
def test_the_policy_fits_the_observations(algorithm: str, kind: str, name: str) -> None:
    room = switches(kind)
    student = begun(room, small(algorithm))
    student.learn(student.granularity * 3)
    assert type(student.model.policy).__name__ == name
    actions, _ = student.policy.act(room.observed()[0])
    assert actions.shape == (2,)
    assert isinstance(student.policy, Policy)


@pytest.mark.parametrize(("size", "network"), [(5, "SmallCNN"), (35, "SmallCNN"), (36, "NatureCNN")])
def test_small_images_have_a_small_network(size: int, network: str) -> None:
    student = begun(switches("image", size=size), small("PPO"))
    assert type(student.model.policy.features_extractor).__name__ == network
    student = begun(switches("dict", size=size), small("PPO"))
    assert type(student.model.policy.features_extractor).__name__ == (
        "SmallCombined" if network == "SmallCNN" else "CombinedExtractor"
    )


def test_a_user_chooses_the_policy() -> None:
    student = begun(switches("image"), SB3("PPO", policy="MlpPolicy", hyperparameters={"n_steps": 4}, device="cpu"))
    assert type(student.model.policy.features_extractor).__name__ == "FlattenExtractor"
    with pytest.raises(UnknownName, match="Did you mean 'MlpPolicy'"):
        begun(switches(), SB3("PPO", policy="MlpPolcy"))


def test_a_small_network_learns_what_it_sees() -> None:
    """Three lights, three actions: six in ten right after 1000 steps, a third by chance."""
    room = switches("image", num_envs=8)
    student = begun(room, SB3("PPO", hyperparameters={"n_steps": 32, "batch_size": 64, "learning_rate": 3e-3}))
    student.learn(1024)
    right = [e.episode_return / 5 for e in room.take_episodes()[-30:]]
    assert np.mean(right) > 0.6


def test_a_policy_normalises_and_leaves_the_statistics_alone() -> None:
    room = line_class()
    student = begun(room, small("PPO", normalize=True))
    student.learn(64)
    before = student.state_dict()
    observations = room.observed()[0]
    actions, _ = student.policy.act(observations)
    values = student.values(observations)
    assert differences(before, student.state_dict()) == []
    statistic = student.model.env.obs_rms
    seen = np.clip((observations - statistic.mean) / np.sqrt(statistic.var + 1e-8), -10, 10).astype(np.float32)
    expected, _ = student.model.predict(seen, deterministic=True)
    np.testing.assert_array_equal(actions, expected)
    assert values.shape == (2,)


def test_a_dictionary_is_normalised_where_that_means_something() -> None:
    room = switches("dict")
    student = begun(room, small("PPO", normalize=True))
    student.learn(64)
    assert list(student.state_dict()["normaliser"]["observations"]) == ["light"]
    seen = student.model.rollout_buffer.observations["image"]
    assert set(np.unique(seen)) == {0, 255}
    assert student.policy.act(room.observed()[0])[0].shape == (2,)


def test_images_are_reported_as_the_classroom_showed_them() -> None:
    room = switches("image")
    student = begun(room, small("PPO"))
    reports: list[Any] = []
    report = room.report

    def watched(rollout: Any) -> None:
        reports.append(rollout)
        report(rollout)

    room.report = watched  # type: ignore[method-assign]
    student.learn(32)
    assert reports[0].observations.shape == (16, 2, 7, 7, 3)
    np.testing.assert_allclose(student.values(reports[0].observations[0]).shape, (2,))


def test_a_recurrent_policy_carries_its_memory_and_clears_it() -> None:
    room = switches()
    student = begun(room, small("RecurrentPPO"))
    student.learn(32)
    observations, policy = room.observed()[0], student.policy
    _, first = policy.act(observations, None, np.ones(2, dtype=bool))
    _, second = policy.act(observations, first, np.zeros(2, dtype=bool))
    _, cleared = policy.act(observations, first, np.array([True, False]))
    assert not np.array_equal(first[0], second[0])
    np.testing.assert_allclose(cleared[0][:, 0], first[0][:, 0], atol=1e-6)
    np.testing.assert_allclose(cleared[0][:, 1], second[0][:, 1], atol=1e-6)
    assert student.values(observations).shape == (2,)
    with pytest.raises(InvalidStudent, match="memory"):
        policy.distribution(observations)


@pytest.mark.parametrize(
    ("algorithm", "parameters"),
    [
        ("PPO", {"mean", "std"}),
        ("SAC", {"pre_tanh_mean", "pre_tanh_std"}),
        ("TQC", {"pre_tanh_mean", "pre_tanh_std"}),
        ("TD3", None),
    ],
)
def test_distributions_of_continuous_actions(algorithm: str, parameters: set[str] | None) -> None:
    room = line_class()
    student = begun(room, small(algorithm))
    observations = room.observed()[0]
    if parameters is None:
        with pytest.raises(InvalidStudent, match="no action distribution"):
            student.policy.distribution(observations)
        return
    distribution = student.policy.distribution(observations)
    assert set(distribution) == parameters
    family = choose_family(room.single_action_space, distribution)
    mode = family.mode({name: torch.as_tensor(value) for name, value in distribution.items()})
    np.testing.assert_allclose(student.policy.act(observations)[0], mode, atol=1e-6)


def test_the_distribution_of_discrete_actions() -> None:
    room = switches()
    student = begun(room, small("PPO"))
    logits = student.policy.distribution(room.observed()[0])["logits"]
    np.testing.assert_array_equal(student.policy.act(room.observed()[0])[0], logits.argmax(1))


@pytest.mark.parametrize("algorithm", ["DQN", "QRDQN"])
def test_the_value_of_a_state_is_that_of_its_best_action(algorithm: str) -> None:
    room = switches()
    student = begun(room, small(algorithm))
    observations, policy = room.observed()[0], student.model.policy
    tensors = policy.obs_to_tensor(observations)[0]
    table = policy.q_net(tensors) if algorithm == "DQN" else policy.quantile_net(tensors).mean(1)
    np.testing.assert_allclose(student.values(observations), table.detach().numpy().max(1), rtol=1e-6)


@pytest.mark.parametrize("algorithm", ["SAC", "TD3", "TQC", "CrossQ"])
def test_actor_critics_have_values(algorithm: str) -> None:
    room = line_class()
    assert begun(room, small(algorithm)).values(room.observed()[0]).shape == (2,)


def test_nothing_works_before_it_has_begun() -> None:
    for read in (lambda s: s.policy, lambda s: s.granularity, lambda s: s.state_dict(), lambda s: s.learn(1)):
        with pytest.raises(InvalidStudent, match="has not begun"):
            read(SB3())


def test_an_algorithm_that_cannot_act_there_is_refused() -> None:
    with pytest.raises(InvalidStudent, match="DQN cannot learn in this environment.*Box"):
        begun(line_class(), SB3("DQN"))
    assert isinstance(GoRight(), Policy)
    assert isinstance(line_class().single_action_space, spaces.Box)
