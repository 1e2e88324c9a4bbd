"""Hyperparameters as data: names, types, schedules, classes, presets."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from student_toys import begun, line_class, small, switches

from teachrl import Classroom, make_vec
from teachrl.configurable import is_data, to_config
from teachrl.errors import InvalidHyperparameter, InvalidStudent, UnknownName
from teachrl.student import all_channels
from teachrl_agents import SB3
from teachrl_agents.sb3_algorithms import ALGORITHMS, algorithm_class
from teachrl_agents.sb3_hyperparameters import _zoo, resolve


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_every_algorithm_has_its_class(algorithm: str) -> None:
    assert algorithm_class(algorithm).__name__ == algorithm


def test_unknown_algorithms_and_those_that_cannot_be_taught() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'PPO'"):
        SB3("PPOO").validate(None)
    with pytest.raises(InvalidStudent, match="action masks"):
        SB3("MaskablePPO").validate(None)
    with pytest.raises(InvalidStudent, match="whole episodes"):
        SB3("ARS").validate(None)
    with pytest.raises(InvalidStudent, match="replay buffer that sets goals"):
        SB3("HER").validate(None)
    with pytest.raises(InvalidStudent, match="neither"):
        SB3("gymnasium.Env").validate(None)


def test_an_algorithm_by_its_import_path() -> None:
    student = begun(line_class(), SB3("stable_baselines3.PPO", hyperparameters={"n_steps": 8, "batch_size": 16}))
    student.learn(16)
    assert student.accepts == small("PPO").accepts
    assert "rollout" not in SB3("stable_baselines3.SAC").accepts


def test_a_misspelt_name_lists_those_that_exist() -> None:
    with pytest.raises(InvalidHyperparameter, match=r"no hyperparameter 'learning_rat'.*'learning_rate'.*n_epochs"):
        SB3("PPO", hyperparameters={"learning_rat": 1e-3}).validate(None)
    with pytest.raises(InvalidHyperparameter, match=r"policy argument 'net_arc'.*'net_arch'"):
        begun(line_class(), SB3(hyperparameters={"policy_kwargs": {"net_arc": [8]}}))


@pytest.mark.parametrize("name", ["device", "seed", "policy", "rollout_buffer_class", "verbose"])
def test_what_others_set_is_not_a_hyperparameter(name: str) -> None:
    with pytest.raises(InvalidHyperparameter, match="is not a hyperparameter: it is set by"):
        SB3("PPO", hyperparameters={name: 1}).validate(None)


@pytest.mark.parametrize(
    ("algorithm", "name", "value"),
    [
        ("PPO", "n_steps", "many"),
        ("PPO", "n_steps", 2.5),
        ("PPO", "n_steps", True),
        ("PPO", "learning_rate", [1e-3]),
        ("PPO", "learning_rate", None),
        ("PPO", "normalize_advantage", 1),
        ("PPO", "policy_kwargs", [64]),
        ("PPO", "gamma", {"schedule": "linear", "from": 1.0}),
        ("PPO", "learning_rate", {"schedule": "cosine", "from": 1.0}),
        ("PPO", "learning_rate", {"schedule": "linear", "to": 1.0}),
        ("PPO", "learning_rate", {"schedule": "linear", "from": "high"}),
        ("SAC", "action_noise", "normal"),
        ("SAC", "action_noise", {"noise": "pink"}),
    ],
)
def test_an_ill_typed_value_says_what_was_expected(algorithm: str, name: str, value: Any) -> None:
    with pytest.raises(InvalidHyperparameter, match=name):
        SB3(algorithm, hyperparameters={name: value}).validate(None)


def test_numbers_are_converted_where_nothing_is_lost() -> None:
    ppo = algorithm_class("PPO")
    given = {"n_steps": 1e3, "learning_rate": "1e-4", "gamma": 1, "target_kl": None, "batch_size": "64"}
    resolved = resolve(ppo, given)
    assert resolved == {"n_steps": 1000, "learning_rate": 1e-4, "gamma": 1, "target_kl": None, "batch_size": 64}
    assert type(resolved["n_steps"]) is int
    sac = algorithm_class("SAC")
    assert resolve(sac, {"ent_coef": "auto_0.1"}) == {"ent_coef": "auto_0.1"}
    assert resolve(sac, {"ent_coef": 0.1, "train_freq": [2, "step"]}) == {"ent_coef": 0.1, "train_freq": (2, "step")}


def test_values_that_the_algorithm_refuses() -> None:
    with pytest.raises(InvalidHyperparameter, match="PPO refuses"):
        begun(line_class(), SB3("PPO", hyperparameters={"batch_size": 1}))
    with pytest.raises(InvalidHyperparameter, match="SAC refuses"):
        begun(line_class(), SB3("SAC", hyperparameters={"optimize_memory_usage": True}))
    with pytest.raises(InvalidHyperparameter, match="SAC refuses"):
        begun(line_class(), SB3("SAC", hyperparameters={"train_freq": [1, "day"]}))


@pytest.mark.parametrize("name", ["ReLU", "nn.ReLU", "torch.nn.ReLU", "torch.nn.modules.activation.ReLU"])
def test_classes_by_name(name: str) -> None:
    kwargs = {"activation_fn": name, "net_arch": {"pi": [8], "vf": [4]}}
    student = begun(line_class(), SB3("PPO", hyperparameters={"policy_kwargs": kwargs}))
    layers = student.model.policy.mlp_extractor.policy_net
    assert isinstance(layers[1], torch.nn.ReLU)
    assert layers[0].out_features == 8
    assert kwargs["activation_fn"] == name


def test_unknown_classes() -> None:
    with pytest.raises(UnknownName, match="activation_fn 'RelU'.*'ReLU'"):
        SB3(hyperparameters={"policy_kwargs": {"activation_fn": "RelU"}}).validate(None)
    student = begun(line_class(), SB3(hyperparameters={"policy_kwargs": {"optimizer_class": "RMSprop"}}))
    assert isinstance(student.model.policy.optimizer, torch.optim.RMSprop)


def test_what_each_student_accepts() -> None:
    assert small("PPO").accepts == all_channels() - {"labels"}
    assert small("RecurrentPPO").accepts == all_channels() - {"labels"}
    assert small("SAC").accepts == all_channels() - {"labels", "rollout"}


def test_gamma_is_the_algorithms() -> None:
    assert SB3("PPO").gamma == 0.99
    assert SB3("PPO", hyperparameters={"gamma": 0.9}).gamma == 0.9
    room = Classroom(make_vec("BipedalWalker-v3", 1))
    student = SB3("PPO", preset="zoo", device="cpu")
    begun(room, student)
    assert student.gamma == room.gamma == 0.999


def test_a_config_describes_a_student() -> None:
    student = SB3("SAC", policy="MlpPolicy", normalize=True, hyperparameters={"gamma": 0.9})
    config = to_config(student)
    assert config["class_path"] == "teachrl_agents.sb3.SB3"
    again = SB3(**config["init_args"])
    assert to_config(again) == config
    assert is_data(student)
    begun(line_class(), student)
    assert to_config(student) == config


@pytest.mark.parametrize(("algorithm", "env_id"), [(a, e) for a, table in _zoo().items() for e in table])
def test_every_preset_is_valid(algorithm: str, env_id: str) -> None:
    settings = dict(_zoo()[algorithm][env_id])
    settings.pop("normalize", None)
    assert set(resolve(algorithm_class(algorithm), settings)) == set(settings)


def test_a_preset_normalises_is_overridden_and_has_alikes() -> None:
    room = Classroom(make_vec("BipedalWalker-v3", 1))
    student = SB3("PPO", preset="zoo", hyperparameters={"n_steps": 8, "batch_size": 8}, device="cpu")
    begun(room, student)
    assert student.model.clip_range(1.0) == pytest.approx(0.18)
    assert (student.model.n_steps, student.model.gamma) == (8, 0.999)
    assert student.state_dict()["normaliser"] is not None
    _, normalize, settings = SB3("PPO", preset="zoo")._settings("TeachRL/StumpTracks-v0")
    assert normalize
    assert settings["gamma"] == 0.999
    merged = SB3("SAC", preset="zoo", hyperparameters={"policy_kwargs": {"net_arch": [8]}})
    assert merged._settings("BipedalWalker-v3")[2]["policy_kwargs"] == {"log_std_init": -3, "net_arch": [8]}


def test_an_environment_without_a_preset() -> None:
    with pytest.raises(InvalidHyperparameter, match=r"no settings of PPO.*BipedalWalker-v3.*TeachRL/StumpTracks-v0"):
        begun(switches(), SB3("PPO", preset="zoo"))
    with pytest.raises(UnknownName, match="preset"):
        SB3("PPO", preset="zo").validate(None)
    SB3("PPO", preset="zoo").validate(None)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidHyperparameter, match="'cuda' is not there.*'cpu' only"):
        begun(line_class(), SB3("PPO", device="cuda"))


def test_off_policy_algorithms_say_how_long_they_only_collect() -> None:
    late = SB3("SAC", hyperparameters={"learning_starts": 40, "batch_size": 8, "policy_kwargs": {"net_arch": [8]}})
    assert begun(line_class(), late).warm_up == 40
    assert begun(line_class(), small("PPO")).warm_up == 0
