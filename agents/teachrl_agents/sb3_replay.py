"""Replay buffers that store executed actions and never sample lessons that must not be learned from."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.buffers import DictReplayBuffer, NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.type_aliases import DictReplayBufferSamples, ReplayBufferSamples

from teachrl.lessons import Array
from teachrl_agents.sb3_vec_env import ClassroomVecEnv

_STORED = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts", "learn")


class LessonReplay(ReplayBuffer):
    """A replay buffer that knows the classroom.

    Without overridden actions and `learn=False` lessons every bit is the stock buffer's.
    """

    classroom: ClassroomVecEnv | None = None

    def bind(self, classroom: ClassroomVecEnv, policy: Any) -> None:
        """Tells the buffer where its data come from, and the policy that scales actions."""
        self.classroom, self._policy = classroom, policy
        self.learn = np.ones((self.buffer_size, self.n_envs), dtype=bool)
        self._left_out = 0

    def add(self, obs: Any, next_obs: Any, action: Array, reward: Array, done: Array, infos: Any) -> None:
        """Stores one step of all environments, with what was executed in it."""
        lived = self.classroom
        if lived is not None:
            if lived.overridden is not None and lived.overridden.any():
                action = self._with_executed(action, lived)
            self._left_out += int(np.count_nonzero(self.learn[self.pos])) - int(np.count_nonzero(lived.learn))
            self.learn[self.pos] = lived.learn
        super().add(obs, next_obs, action, reward, done, infos)

    def _with_executed(self, action: Array, lived: ClassroomVecEnv) -> Array:
        rows, executed = lived.overridden, lived.executed
        if isinstance(self.action_space, spaces.Box):
            executed = self._policy.scale_action(executed)
        stored = np.array(action)
        stored[rows] = executed[rows].reshape(stored[rows].shape)
        return stored

    @property
    def learnable(self) -> int:
        """Number of stored steps that may be learned from."""
        return self.size() * self.n_envs - self._left_out

    def sample(self, batch_size: int, env: Any = None) -> Any:
        """Returns steps drawn uniformly from those that may be learned from."""
        if not self._left_out:
            return super().sample(batch_size, env=env)
        return self._rows(*self._draw(batch_size), env)

    def _draw(self, batch_size: int) -> tuple[Array, Array]:
        """Returns times and environments (B,), drawing again what was left out."""
        size = self.size()
        chosen = np.empty(0, dtype=np.int64)
        while len(chosen) < batch_size:
            drawn = np.random.randint(0, size * self.n_envs, size=batch_size)
            chosen = np.concatenate([chosen, drawn[self.learn.reshape(-1)[drawn]]])
        return np.divmod(chosen[:batch_size], self.n_envs)

    def _rows(self, t: Array, n: Array, env: Any) -> Any:
        obs: Any = self._normalize_obs(self.observations[t, n, :], env)
        next_obs: Any = self._normalize_obs(self.next_observations[t, n, :], env)
        data = (obs, self.actions[t, n, :], next_obs, *self._outcome(t, n, env))
        return ReplayBufferSamples(*map(self.to_torch, data))

    def _outcome(self, t: Array, n: Array, env: Any) -> tuple[Array, Array]:
        """Returns terminations and rewards, (B, 1) each."""
        dones = (self.dones[t, n] * (1 - self.timeouts[t, n])).reshape(-1, 1)
        return dones, self._normalize_reward(self.rewards[t, n].reshape(-1, 1), env)

    def contents(self) -> dict[str, Any]:
        """Returns the filled part as data."""
        arrays = {name: _head(getattr(self, name), self.size()) for name in _STORED}
        return {**arrays, "pos": int(self.pos), "full": bool(self.full)}

    def load_contents(self, contents: dict[str, Any]) -> None:
        """Fills the buffer with `contents`."""
        for name in _STORED:
            _put(getattr(self, name), contents[name])
        self.pos, self.full = int(contents["pos"]), bool(contents["full"])
        self._left_out = int(np.count_nonzero(~self.learn))


class LessonDictReplay(LessonReplay, DictReplayBuffer):
    """The same for dictionaries of observations."""

    def _rows(self, t: Array, n: Array, env: Any) -> Any:
        dones, rewards = self._outcome(t, n, env)
        return DictReplayBufferSamples(
            observations=self._part(self.observations, t, n, env),
            actions=self.to_torch(self.actions[t, n]),
            next_observations=self._part(self.next_observations, t, n, env),
            dones=self.to_torch(dones),
            rewards=self.to_torch(rewards),
        )

    def _part(self, observations: Any, t: Array, n: Array, env: Any) -> dict[str, Any]:
        part: Any = self._normalize_obs({k: v[t, n, :] for k, v in observations.items()}, env)
        return {k: self.to_torch(v) for k, v in part.items()}


class LessonNStepReplay(LessonReplay, NStepReplayBuffer):
    """The same for n-step returns; students that use it do not accept `learn=False` lessons."""


def make_replay(model: Any) -> LessonReplay:
    """Returns the replay buffer for a model that is not set up yet."""
    n_step = {"n_steps": model.n_steps, "gamma": model.gamma} if getattr(model, "n_steps", 1) > 1 else {}
    kind: type[LessonReplay] = LessonNStepReplay if n_step else LessonReplay
    if isinstance(model.observation_space, spaces.Dict):
        kind = LessonDictReplay
    return kind(
        model.buffer_size,
        model.observation_space,
        model.action_space,
        device=model.device,
        n_envs=model.n_envs,
        optimize_memory_usage=model.optimize_memory_usage,  # refused by the buffer, which heeds time limits
        **n_step,
    )


def _head(array: Any, filled: int) -> Any:
    if isinstance(array, dict):
        return {k: _head(v, filled) for k, v in array.items()}
    return array[:filled].copy()


def _put(array: Any, filled: Any) -> None:
    if isinstance(array, dict):
        for k, v in array.items():
            _put(v, filled[k])
    else:
        array[: len(filled)] = filled
