"""What PPO keeps of a rollout, and how it is laid out for learning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from teachrl.distillation.targets import Targets
from teachrl.lessons import Array, Floats
from teachrl_agents.encoders import mapped


class Columns:
    """Arrays (T, N, ...) by name, filled step by step; a column may be a (nested) dict of arrays.

    Args:
        steps: T.
    """

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._data: dict[str, Any] = {}
        self.filled = 0

    @property
    def full(self) -> bool:
        """Whether all T steps are there."""
        return self.filled == self._steps

    def add(self, **row: Any) -> None:
        """Copies in one step of all environments, (N, ...) by name."""
        for name, value in row.items():
            self._put(self._data, name, value)
        self.filled += 1

    def _put(self, data: dict[str, Any], name: str, value: Any) -> None:
        if isinstance(value, dict):
            inner = data.setdefault(name, {})
            for key, part in value.items():
                self._put(inner, key, part)
            return
        array = np.asarray(value)
        if name not in data:
            data[name] = np.empty((self._steps, *array.shape), array.dtype)
        data[name][self.filled] = array

    def __getitem__(self, name: str) -> Any:
        return self._data.get(name)


class Fold:
    """Cuts (T, N) into sequences of L steps side by side, (L, B) with B = T N / L, and puts them back.

    Args:
        steps: T.
        length: L, a divisor of T.
    """

    def __init__(self, steps: int, length: int) -> None:
        self.length, self.pieces = length, steps // length

    def cut(self, x: Tensor) -> Tensor:
        """Returns x (T, N, ...) as (L, B, ...)."""
        pieces = x.reshape(self.pieces, self.length, *x.shape[1:])
        return pieces.transpose(0, 1).reshape(self.length, -1, *x.shape[2:])

    def back(self, x: Tensor) -> Array:
        """Returns x (L, B) as an array (T, N)."""
        pieces = x.reshape(self.length, self.pieces, -1).transpose(0, 1)
        return np.ascontiguousarray(pieces.reshape(self.pieces * self.length, -1).cpu().numpy())


@dataclass(slots=True, eq=False)
class Sequences:
    """A rollout as B sequences of L steps; for a net without a memory L is 1.

    Attributes:
        observations: (L, B, *o).
        actions: (L, B, *a) as executed; a Gaussian's own before they were clipped.
        first: (L, B) bool.
        learn: (L, B) bool, which rows are learned from.
        forced: (L, B) bool, whose actions are teachers'; None where all are the student's own.
        state: (B, S) the memory before the first step.
        previous: (L, B, *a) previous actions, None if the net does not see them.
        critic: (L, B, *c) the critic's own view, None if it has none.
        targets: (L, B) the labels, None if there are none.
        values, log_probs, advantages, returns: (L, B), as they were before learning.
        whole: Whether all rows are learned from.
    """

    observations: Any
    actions: Tensor
    first: Tensor
    learn: Tensor
    state: Tensor
    previous: Tensor | None = None
    critic: Any = None
    targets: Targets | None = None
    forced: Tensor | None = None
    values: Any = None
    log_probs: Any = None
    advantages: Any = None
    returns: Any = None
    whole: bool = False

    def __len__(self) -> int:
        return len(self.state)

    def take(self, rows: Tensor) -> Sequences:
        """Returns the sequences at `rows`."""

        def pick(x: Tensor) -> Tensor:
            return x.index_select(1, rows)

        return Sequences(
            mapped(self.observations, pick), pick(self.actions), pick(self.first), pick(self.learn), self.state[rows],
            _or_none(self.previous, pick), None if self.critic is None else mapped(self.critic, pick),
            None if self.targets is None else self.targets[:, rows], _or_none(self.forced, pick),
            _or_none(self.values, pick), _or_none(self.log_probs, pick), _or_none(self.advantages, pick),
            _or_none(self.returns, pick), self.whole,
        )  # fmt: skip

    def mean(self, x: Tensor) -> Tensor:
        """Returns the mean of x (L, B) over the rows that are learned from."""
        return x.mean() if self.whole else _mean_where(self.learn, x)

    def own_mean(self, x: Tensor) -> Tensor:
        """Returns the mean over those of them whose actions are the student's own."""
        return self.mean(x) if self.forced is None else _mean_where(self.learn & ~self.forced, x)


def _mean_where(counts: Tensor, x: Tensor) -> Tensor:
    return torch.where(counts, x, torch.zeros_like(x)).sum() / counts.sum().clamp(min=1)


def _or_none(x: Tensor | None, change: Callable[[Tensor], Tensor]) -> Tensor | None:
    return None if x is None else change(x)


class ReturnScale:
    """Divides rewards by the running standard deviation of discounted returns, clipped to 10 either way.

    As `VecNormalize` of Stable-Baselines3 does it.

    Args:
        num_envs: N.
        gamma: Discount.
    """

    def __init__(self, num_envs: int, gamma: float) -> None:
        self._gamma = gamma
        self._returns = np.zeros(num_envs)
        self._mean, self._var, self._count = 0.0, 1.0, 1e-4

    def __call__(self, rewards: Floats, first: Array, learn: Array) -> Floats:
        """Takes in the rewards (N,) of a step and returns them scaled; lessons not learned from do not count."""
        self._returns = self._returns * ~first * self._gamma + rewards
        if learn.any():
            batch = self._returns[learn]
            n, total = len(batch), self._count + len(batch)
            away = float(batch.mean()) - self._mean
            moments = self._var * self._count + float(batch.var()) * n + away**2 * self._count * n / total
            self._mean, self._var, self._count = self._mean + away * n / total, moments / total, total
        return np.asarray(np.clip(rewards / self.deviation, -10.0, 10.0))

    @property
    def deviation(self) -> np.float64:
        """What rewards are divided by now."""
        return np.float64(np.sqrt(self._var + 1e-8))

    def state_dict(self) -> dict[str, Any]:
        """Returns the statistics and the running returns."""
        return {"returns": self._returns, "mean": self._mean, "var": self._var, "count": self._count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`."""
        self._returns = np.array(state["returns"])
        self._mean, self._var, self._count = state["mean"], state["var"], state["count"]
