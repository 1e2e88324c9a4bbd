"""Rollout buffers that store executed actions, leave out lessons not to be learned from, and can report."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from sb3_contrib.common.recurrent.buffers import RecurrentDictRolloutBuffer, RecurrentRolloutBuffer
from stable_baselines3.common.buffers import DictRolloutBuffer, RolloutBuffer
from stable_baselines3.common.utils import obs_as_tensor

from teachrl.lessons import Array, Bools, Observations, Rollout
from teachrl_agents.sb3_vec_env import ClassroomVecEnv


class LessonRollouts(RolloutBuffer):
    """A rollout buffer that knows the classroom.

    Where a teacher's action was executed it is stored in place of the policy's, with the log-probability that the
    current policy gives it; the value stays, being the state's. Rows of lessons with `learn=False` are never handed
    out. Without either, every bit is the stock buffer's.
    """

    classroom: ClassroomVecEnv | None = None

    def bind(self, classroom: ClassroomVecEnv, policy: Any, keep_shown: bool) -> None:
        """Tells the buffer where its data come from.

        Args:
            classroom: The environments.
            policy: The policy that acts in them.
            keep_shown: Keep what the classroom showed too, because what the policy sees is transformed.
        """
        self.classroom, self._policy, self._keep_shown = classroom, policy, keep_shown
        self.reset()

    def reset(self) -> None:
        """Empties the buffer."""
        super().reset()
        shape = (self.buffer_size, self.n_envs)
        self.paid = np.zeros(shape, dtype=np.float32)
        self.terminated, self.truncated = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
        self.ids, self.learn = np.full(shape, -1, dtype=np.int64), np.ones(shape, dtype=bool)
        self.last_values = np.zeros(self.n_envs, dtype=np.float32)
        self._shown: list[Observations] = []
        self._executed: list[Array] = []

    def add(
        self, obs: Any, action: Array, reward: Array, episode_start: Array, value: Any, log_prob: Any, **lstm: Any
    ) -> None:
        """Stores one step of all environments, with what was executed in it."""
        lived = self.classroom
        if lived is not None:
            if lived.overridden is not None and lived.overridden.any():
                stored = _stored(self._policy, self.action_space, action, lived.executed, lived.overridden)
                log_prob = self._log_prob(obs, stored, log_prob, lived.overridden, episode_start, **lstm)
                action = stored
            self._note(lived)
        super().add(obs, action, reward, episode_start, value, log_prob, **lstm)

    def _note(self, lived: ClassroomVecEnv) -> None:
        t = self.pos
        self.paid[t], self.ids[t], self.learn[t] = lived.paid, lived.ids, lived.learn
        self.terminated[t], self.truncated[t] = lived.terminated, lived.truncated
        self._executed.append(lived.executed)
        if self._keep_shown:
            self._shown.append(lived.shown)

    def _log_prob(
        self, obs: Any, action: Array, log_prob: th.Tensor, rows: Bools, episode_start: Array, **lstm: Any
    ) -> th.Tensor:
        """Returns `log_prob` (N,) with that of the stored actions in the overridden rows."""
        actions = th.as_tensor(action, device=self.device)
        if isinstance(self.action_space, spaces.Discrete):
            actions = actions.long().flatten()
        memory: tuple[Any, ...] = ()
        if lstm:
            memory = (lstm["lstm_states"], th.as_tensor(episode_start, dtype=th.float32, device=self.device))
        with th.no_grad():
            _, executed, _ = self._policy.evaluate_actions(obs_as_tensor(obs, self.device), actions, *memory)
        return th.where(th.as_tensor(rows, device=self.device), executed, log_prob)

    def compute_returns_and_advantage(self, last_values: th.Tensor, dones: Array) -> None:
        """Computes advantages, and keeps the values (N,) of what followed the last step."""
        self.last_values = last_values.detach().cpu().numpy().flatten().copy()
        super().compute_returns_and_advantage(last_values, dones)

    def get(self, batch_size: int | None = None) -> Generator[Any, None, None]:
        """Yields minibatches of the rows that may be learned from, in random order."""
        if self.learn.all():
            yield from super().get(batch_size)
            return
        kept = np.flatnonzero(self.swap_and_flatten(self.learn))
        indices = kept[np.random.permutation(len(kept))]
        if not self.generator_ready:
            self._flatten()
        for start in range(0, len(indices), batch_size or len(indices)):
            yield self._get_samples(indices[start : start + (batch_size or len(indices))])

    def _flatten(self) -> None:
        observations: Any = self.observations
        if isinstance(observations, dict):
            self.observations = {k: self.swap_and_flatten(v) for k, v in observations.items()}  # type: ignore[assignment]
        else:
            self.observations = self.swap_and_flatten(observations)
        for name in ("actions", "values", "log_probs", "advantages", "returns"):
            setattr(self, name, self.swap_and_flatten(getattr(self, name)))
        self.generator_ready = True

    @property
    def learnable(self) -> int:
        """Number of rows that may be learned from."""
        return int(np.count_nonzero(self.learn))

    def rollout(self) -> Rollout:
        """Returns what was collected, before `get` has flattened it; observations as the classroom showed them."""
        return Rollout(
            observations=_stack(self._shown) if self._keep_shown else self.observations,
            actions=np.stack(self._executed),
            rewards=self.paid,
            values=self.values,
            last_values=self.last_values,
            advantages=self.advantages,
            log_probs=self.log_probs,
            terminated=self.terminated,
            truncated=self.truncated,
            first=self.episode_starts.astype(bool),
            ids=self.ids,
            learn=self.learn,
            gamma=float(self.gamma),
            gae_lambda=float(self.gae_lambda),
        )


class LessonDictRollouts(LessonRollouts, DictRolloutBuffer):
    """The same for dictionaries of observations."""


class _Sequences(LessonRollouts):
    """The same for recurrent policies, whose sequences stay whole: rows are masked in the loss instead."""

    pad_and_flatten: Callable[[Array], th.Tensor]

    def get(self, batch_size: int | None = None) -> Generator[Any, None, None]:
        """Yields minibatches of padded sequences in which something may be learned from, or all as one."""
        self._flat_learn = self.swap_and_flatten(self.learn.astype(np.float32))
        stock: Generator[Any, None, None] = super(LessonRollouts, self).get(batch_size)
        if self.learn.all():
            yield from stock
            return
        empty = True
        for samples in stock:
            if samples.mask.sum() > 1:
                empty = False
                yield samples
        if empty:  # the few rows lie apart, and the algorithm expects something to learn from
            yield from super(LessonRollouts, self).get(None)

    def _get_samples(self, batch_inds: Array, *arguments: Any) -> Any:
        samples: Any = super()._get_samples(batch_inds, *arguments)
        if self.learn.all():
            return samples
        return samples._replace(mask=self.pad_and_flatten(self._flat_learn[batch_inds]))


class LessonSequences(_Sequences, RecurrentRolloutBuffer):  # type: ignore[misc]
    """Rollouts of recurrent policies."""


class LessonDictSequences(_Sequences, RecurrentDictRolloutBuffer):  # type: ignore[misc]
    """Rollouts of recurrent policies over dictionaries of observations."""


def sequences_like(buffer: Any) -> LessonRollouts:
    """Returns a buffer of ours in place of one that RecurrentPPO has made."""
    kind = LessonDictSequences if isinstance(buffer, RecurrentDictRolloutBuffer) else LessonSequences
    return kind(
        buffer.buffer_size,
        buffer.observation_space,
        buffer.action_space,
        buffer.hidden_state_shape,
        buffer.device,
        gamma=buffer.gamma,
        gae_lambda=buffer.gae_lambda,
        n_envs=buffer.n_envs,
    )


def _stored(policy: Any, space: spaces.Space[Any], action: Array, executed: Array, rows: Bools) -> Array:
    """Returns `action` with the executed actions in `rows`, in the form that the buffer keeps them in."""
    stored = np.array(action)
    if isinstance(space, spaces.Box) and policy.squash_output:
        executed = policy.scale_action(executed)
    stored[rows] = executed[rows].reshape(stored[rows].shape)
    return stored


def _stack(observations: list[Observations]) -> Observations:
    if isinstance(observations[0], dict):
        return {k: np.stack([o[k] for o in observations]) for k in observations[0]}
    return np.stack(observations)
