"""Running normalisation of observations and returns, as Stable-Baselines3 does it, with its statistics as data."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from teachrl.lessons import Array, Bools
from teachrl_agents.sb3_vec_env import ClassroomVecEnv


class Moments(RunningMeanStd):
    """Stable-Baselines3's running mean and variance, the same to the bit, at half the cost of an update."""

    def update(self, arr: Array) -> None:
        """Takes in a batch (B, ...)."""
        count = arr.shape[0]
        mean = np.add.reduce(arr, axis=0) / count
        self.update_from_moments(mean, np.add.reduce(np.square(arr - mean), axis=0) / count, count)


class Normaliser(VecNormalize):
    """Stable-Baselines3's `VecNormalize`, the same to the bit.

    Images and discrete observations are left as they are. Only training steps update the statistics, and of these only
    those of lessons that are learned from.

    Args:
        env: The environments.
        lived: The classroom behind them, which is told what was paid.
        gamma: Discount of the returns whose spread scales the rewards.
    """

    def __init__(self, env: VecEnv, lived: ClassroomVecEnv, gamma: float) -> None:
        space = env.observation_space
        keys = [k for k, s in space.spaces.items() if _normalisable(s)] if isinstance(space, spaces.Dict) else None
        norm_obs = _normalisable(space) if keys is None else bool(keys)
        super().__init__(env, norm_obs=norm_obs, gamma=gamma, norm_obs_keys=keys)
        self._lived = lived
        self.ret_rms = Moments()
        if norm_obs and keys is None:
            self.obs_rms = Moments(shape=space.shape)  # type: ignore[arg-type, assignment]
        elif keys:
            self.obs_rms = {k: Moments(shape=space[k].shape) for k in keys}  # type: ignore[index]

    @property
    def statistics(self) -> dict[str, RunningMeanStd]:
        """The running mean and variance of each part of the observations, `""` being the whole."""
        if not self.norm_obs:
            return {}
        return self.obs_rms if isinstance(self.obs_rms, dict) else {"": self.obs_rms}

    def enter(self, observations: Any) -> Any:
        """Counts the beginnings of episodes (N, *o) and returns them normalised, as a reset does."""
        self.old_obs = observations
        self.returns = np.zeros(self.num_envs)
        self._count(observations)
        return self.normalize_obs(observations)

    def normalize_obs(self, obs: Any) -> Any:
        """Returns normalised observations without updating the statistics; never writes into `obs`."""
        scaled = {
            k: self._normalize_obs(obs[k] if k else obs, statistic).astype(np.float32)
            for k, statistic in self.statistics.items()
        }
        if isinstance(obs, dict):
            return {**obs, **scaled}
        return scaled.get("", obs)

    def _normalize_obs(self, obs: Array, obs_rms: RunningMeanStd) -> Array:
        scaled = (obs - obs_rms.mean) / np.sqrt(obs_rms.var + self.epsilon)
        return np.minimum(np.maximum(scaled, -self.clip_obs), self.clip_obs)

    def step_wait(self) -> Any:
        """Takes the step; returns it normalised."""
        step: Any = self.venv.step_wait()
        observations, rewards, dones, infos = step
        self.old_obs, self.old_reward = observations, rewards
        self._count(observations)
        self.returns = self.returns * self.gamma + rewards
        _update(self.ret_rms, self.returns, self._lived.learn)
        rewards = self.normalize_reward(rewards)
        self._lived.paid = rewards.copy()
        for i in np.flatnonzero(dones).tolist():
            infos[i]["terminal_observation"] = self.normalize_obs(infos[i]["terminal_observation"])
        self.returns[dones] = 0
        return self.normalize_obs(observations), rewards, dones, infos

    def _count(self, observations: Any) -> None:
        """Takes observations (N, *o) into the statistics, where the lesson that shows them is learned from."""
        learn = np.array([lesson.learn for lesson in self._lived.classroom.lessons])
        for key, statistic in self.statistics.items():
            _update(statistic, observations[key] if key else observations, learn)

    def state_dict(self) -> dict[str, Any]:
        """Returns the statistics and the running returns (N,) as data."""
        return {
            "observations": {key: _moments(statistic) for key, statistic in self.statistics.items()},
            "return": _moments(self.ret_rms),
            "returns": np.array(self.returns),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`."""
        for key, statistic in self.statistics.items():
            _set_moments(statistic, state["observations"][key])
        _set_moments(self.ret_rms, state["return"])
        self.returns = np.array(state["returns"])


def _update(statistic: RunningMeanStd, batch: Array, learn: Bools) -> None:
    if learn.all():
        statistic.update(batch)
    elif learn.any():
        statistic.update(batch[learn])


def _normalisable(space: spaces.Space[Any]) -> bool:
    return isinstance(space, spaces.Box) and not is_image_space(space)


def _moments(statistic: RunningMeanStd) -> dict[str, Any]:
    return {"mean": np.array(statistic.mean), "var": np.array(statistic.var), "count": float(statistic.count)}


def _set_moments(statistic: RunningMeanStd, moments: dict[str, Any]) -> None:
    statistic.mean, statistic.var = np.array(moments["mean"]), np.array(moments["var"])
    statistic.count = float(moments["count"])
