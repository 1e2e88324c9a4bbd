"""Kickstart and KDRL, as students."""

import re

import pytest

from teachrl.distillation import KDRL, Kickstart
from teachrl.errors import InvalidHyperparameter, UnknownName
from teachrl_agents import MLP, PPO


@pytest.mark.parametrize("method", [Kickstart, KDRL])
def test_what_the_user_says_of_ppo_counts(method):
    usual, own = method().student(MLP()), method(ppo={"n_steps": 64, "gamma": 0.9}).student(MLP())
    assert isinstance(usual, PPO)
    assert (usual.n_steps, usual.gamma, usual.normalize_rewards) == (128, 0.99, True)
    assert usual.learning_rate == {"schedule": "linear", "from": 1e-3, "to": 3e-4, "until": 0.5}
    assert (own.n_steps, own.gamma, own.normalize_rewards) == (64, 0.9, True)
    assert method(ppo={"learning_rate": 1e-4}).student(MLP()).learning_rate == 1e-4
    usual.learning_rate["to"] = 0.0
    assert method().student(MLP()).learning_rate["to"] == 3e-4


def test_success_is_left_to_the_environment_unless_the_user_says():
    assert KDRL().student(MLP()).success_return is None
    assert KDRL(success_return=475.0).student(MLP()).success_return == 475.0


@pytest.mark.parametrize("method", [Kickstart, KDRL])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weight": -1}, "weight must be a number of at least 0"),
        ({"weight": {"schedule": "linear", "from": 1, "to": -1}}, "weight must be.*values from -1 to 1"),
        ({"weight": {"schedule": "success"}}, "weight cannot wait for success"),
        ({"loss": "kl"}, "no loss 'kl'"),
        ({"ppo": {"gama": 0.9}}, "Did you mean.*gamma"),
        ({"ppo": {"gamma": "x"}}, "gamma"),
        ({"ppo": {"n_steps": 0}}, "n_steps"),
        ({"ppo": ["gamma"]}, "ppo must be a mapping"),
    ],
)
def test_impossible_arguments_are_refused(method, arguments, message):
    method().validate()
    with pytest.raises((InvalidHyperparameter, UnknownName), match=re.compile(message, re.DOTALL)):
        method(**arguments).validate()


@pytest.mark.parametrize("arguments", [{"mask": "episode"}, {"advantages": "gea"}, {"success_return": "x"}])
def test_impossible_arguments_of_kdrl_are_refused(arguments):
    with pytest.raises(InvalidHyperparameter, match=next(iter(arguments))):
        KDRL(**arguments).validate()


def test_what_a_method_sets_itself_is_no_further_argument():
    with pytest.raises(InvalidHyperparameter, match="Kickstart.ppo holds label_weight"):
        Kickstart(ppo={"label_weight": 1.0}).student(MLP())
