"""Models saved by Stable-Baselines3, with the statistics they were trained with."""

import pickle
import warnings

import gymnasium as gym
import numpy as np
import pytest
from sb3_contrib import CrossQ, MaskablePPO, RecurrentPPO
from sb3_contrib.common.envs import InvalidActionEnvDiscrete
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from stable_baselines3 import A2C, DQN, PPO, SAC
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from teachrl.errors import InvalidStudent
from teachrl_agents import SavedModel

SEEN = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)


def loaded(path, **kwargs):
    with pytest.warns(RuntimeWarning, match="can run code"):
        return SavedModel(str(path), trust=True, **kwargs).load()


@pytest.mark.parametrize(
    ("algorithm", "env"), [(A2C, "CartPole-v1"), (DQN, "CartPole-v1"), (SAC, "Pendulum-v1"), (PPO, "Pendulum-v1")]
)
def test_the_algorithm_is_seen_from_the_file(algorithm, env, tmp_path):
    model = algorithm("MlpPolicy", env, device="cpu")
    model.save(tmp_path / "model")
    policy = loaded(tmp_path / "model.zip")
    seen = SEEN[:, : model.observation_space.shape[0]]
    np.testing.assert_array_equal(policy.act(seen)[0], model.predict(seen, deterministic=True)[0])
    assert policy.action_space == model.action_space


@pytest.mark.parametrize("place", ["vecnormalize.pkl", "model/vecnormalize.pkl", "elsewhere.pkl"])
def test_a_model_brings_its_normaliser(place, tmp_path):
    envs = VecNormalize(DummyVecEnv([lambda: gym.make("CartPole-v1")]))
    model = PPO("MlpPolicy", envs, n_steps=32, batch_size=32, n_epochs=1, device="cpu").learn(64)
    model.save(tmp_path / "model.zip")
    (tmp_path / place).parent.mkdir(exist_ok=True)
    envs.save(str(tmp_path / place))
    where = {"normaliser": str(tmp_path / place)} if place == "elsewhere.pkl" else {}
    policy = loaded(tmp_path / "model.zip", **where)
    logits = policy.distribution(SEEN)["logits"]
    bare = loaded(tmp_path / "model.zip", normaliser="none")
    np.testing.assert_allclose(logits, bare.distribution(envs.normalize_obs(SEEN))["logits"], rtol=1e-5)
    assert not np.allclose(logits, bare.distribution(SEEN)["logits"])


def test_what_cannot_be_loaded_is_said(tmp_path):
    (tmp_path / "text.zip").write_text("nothing")
    with pytest.raises(InvalidStudent, match="There is no file"):
        SavedModel(str(tmp_path / "no.zip")).load()
    with pytest.raises(InvalidStudent, match="trust"):
        SavedModel(str(tmp_path / "text.zip")).load()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(InvalidStudent, match="is no model"):
            SavedModel(str(tmp_path / "text.zip"), trust=True).load()


class OwnPolicy(RecurrentActorCriticPolicy):
    """A policy whose class tells nothing."""


@pytest.mark.parametrize("policy", ["MlpLstmPolicy", OwnPolicy])
def test_a_memory_is_seen_from_the_file(policy, tmp_path):
    model = RecurrentPPO(policy, "CartPole-v1", n_steps=16, batch_size=16, policy_kwargs={"lstm_hidden_size": 8})
    model.save(tmp_path / "model")
    found, state = loaded(tmp_path / "model.zip"), None
    first, kept = np.ones(5, dtype=bool), None
    for _ in range(3):
        actions, state = found.act(SEEN, state, first)
        expected, kept = model.predict(SEEN, kept, first, deterministic=True)
        np.testing.assert_array_equal(actions, expected)
        first = np.zeros(5, dtype=bool)


def test_algorithms_that_resemble_others_are_told_apart(tmp_path):
    CrossQ("MlpPolicy", "Pendulum-v1", device="cpu").save(tmp_path / "model")
    assert isinstance(loaded(tmp_path / "model.zip")._model, CrossQ)
    MaskablePPO("MlpPolicy", InvalidActionEnvDiscrete(dim=4), device="cpu").save(tmp_path / "masked")
    with pytest.raises(InvalidStudent, match="action masks"):
        loaded(tmp_path / "masked.zip")
    assert loaded(tmp_path / "masked.zip", algorithm="sb3_contrib.MaskablePPO").act(np.zeros(2, np.int64))[0].shape == (
        2,
    )


@pytest.mark.parametrize("content", [b"nothing of use", b"", pickle.dumps({"mean": 0})])
def test_a_broken_normaliser_is_told(content, tmp_path):
    PPO("MlpPolicy", "CartPole-v1", n_steps=16, batch_size=16, device="cpu").save(tmp_path / "model")
    (tmp_path / "vecnormalize.pkl").write_bytes(content)
    with pytest.raises(InvalidStudent, match="normaliser .* cannot be loaded"):
        loaded(tmp_path / "model.zip")
