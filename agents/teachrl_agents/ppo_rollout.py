"""A rollout in the making: columns (T, N), the memory where its sequences begin, and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from teachrl.errors import NonFiniteData
from teachrl.lessons import Array, Floats, Lesson, Rollout
from teachrl_agents.encoders import mapped
from teachrl_agents.net import Net, to_tensors
from teachrl_agents.ppo_buffer import Columns, Fold, Sequences
from teachrl_agents.ppo_episodes import Episodes, Groups
from teachrl_agents.ppo_labels import LabelTerm, cut_targets

ROWS = 4096
"""Steps that are evaluated at once."""


class Lived:
    """What a student lives through between two updates.

    Args:
        net: Its network.
        steps: T.
        length: Length of the sequences that gradients run through; 1 for a net without a memory.
        labels: What keeps its labels, None if there are none.
        grouped: Whether to tell episodes of one task, seed and start from others.
        before: (2, N) what the running episodes have returned so far, see `Episodes`.
    """

    def __init__(
        self, net: Net, steps: int, length: int, labels: LabelTerm | None, grouped: bool, before: Floats
    ) -> None:
        self._net, self._labels, self._before = net, labels, before
        self._groups = Groups() if grouped else None
        self._states: list[Tensor] = []
        self.columns, self.fold = Columns(steps), Fold(steps, length)

    def begin_step(self, memory: Tensor) -> None:
        """Keeps the memory (N, S) where a sequence begins."""
        if self._net.recurrent and self.columns.filled % self.fold.length == 0:
            self._states.append(memory)

    def add(self, lessons: Sequence[Lesson], **row: Any) -> None:
        """Takes in one step of all environments, (N, ...) by name, in which these lessons were played."""
        if self._groups is not None:
            row["groups"] = self._groups(lessons)
        self.columns.add(**row)

    def sequences(self) -> Sequences:
        """Returns the rollout as sequences, with the values and log-probabilities that the net gives now."""
        first = self._sequence("first")
        state = torch.cat(self._states) if self._states else self._net.initial_state(first.shape[1])
        batch = Sequences(
            self._sequence("observations"), self._sequence("actions"), first, self._sequence("learn"), state,
            self._sequence("previous"), self._sequence("critic"),
            forced=self._sequence("forced") if self.columns["forced"].any() else None,
        )  # fmt: skip
        self.episodes = self._find_episodes()
        if self._labels is not None:
            self.targets = self._labels.targets(self.episodes)
            batch.targets = cut_targets(self.targets, self.fold)
        batch.values, batch.log_probs = self._evaluate(batch)
        return batch

    def _sequence(self, name: str) -> Any:
        column = self.columns[name]
        return None if column is None else mapped(to_tensors(column, self._net.device), self.fold.cut)

    def _find_episodes(self) -> Episodes:
        c = self.columns
        groups = np.zeros_like(c["ids"]) if c["groups"] is None else c["groups"]
        return Episodes(
            c["paid"], c["first"], c["terminated"] | c["truncated"], self._before, groups, c["success"], c["own"],
            c["learn"],
        )  # fmt: skip

    @torch.no_grad()
    def _evaluate(self, batch: Sequences) -> tuple[Tensor, Tensor]:
        found: list[tuple[Tensor, Tensor]] = []
        size = max(1, ROWS // self.fold.length)
        for rows in torch.split(torch.arange(len(batch), device=self._net.device), size):
            part = batch.take(rows)
            out = self._net(part.observations, part.previous, part.first, part.state, critic=part.critic)
            found.append((out.values, self._net.family.log_prob(out.parameters, part.actions)))
        values, log_probs = (torch.cat(parts, dim=1) for parts in zip(*found, strict=True))
        return values, log_probs

    def penalty(self, batch: Sequences) -> Floats:
        """Returns what kl_in="reward" takes from the rewards (T, N), at a weight of 1."""
        if self._labels is None:
            return np.zeros_like(self.columns["rewards"])
        actions = to_tensors(self.columns["actions"], self._net.device)
        return self._labels.penalty(self.targets, self.fold.back(batch.log_probs), actions)

    def complete(self, batch: Sequences, advantages: Floats, relative: bool) -> None:
        """Adds advantages (T, N) and returns to the sequences.

        Args:
            batch: The sequences.
            advantages: Generalised advantages; returns are their sum with the values.
            relative: Whether group-relative advantages take their place; then only steps of episodes that have ended
                are learned from.
        """
        returns, learn = advantages + self.fold.back(batch.values), self.columns["learn"]
        if relative:
            advantages, ended = self.episodes.relative()
            learn = learn & ended
        batch.advantages, batch.returns, batch.learn = (
            self.fold.cut(torch.as_tensor(x, device=self._net.device)) for x in (advantages, returns, learn)
        )

    def rollout(
        self, batch: Sequences, rewards: Floats, advantages: Floats, gamma: float, gae_lambda: float
    ) -> Rollout:
        """Returns the rollout as teachers are shown it, with the rewards (T, N) that advantages were made of."""
        c = self.columns
        values, log_probs = (self.fold.back(x) for x in (batch.values, batch.log_probs))
        return Rollout(
            c["observations"], c["executed"], rewards, values, c["following"][-1], advantages, log_probs,
            c["terminated"], c["truncated"], c["first"], c["ids"], c["learn"], gamma, gae_lambda,
        )  # fmt: skip


def view_of(observations: Any, view: str) -> Any:
    """Returns one view of observations that have several; others are the only view there is."""
    return observations[view] if isinstance(observations, dict) and view in observations else observations


def executable(drawn: Array, space: spaces.Space[Any]) -> Array:
    """Returns drawn actions (N, *a) as members of their space; those of a Gaussian are clipped."""
    if isinstance(space, spaces.Box):
        drawn = np.clip(drawn, space.low, space.high)
    return drawn.astype(space.dtype)


def stored_actions(drawn: Array, executed: Array, overridden: Array) -> Array:
    """Returns the drawn actions (N, *a), and in their place those that teachers executed."""
    wide = overridden.reshape(-1, *(1,) * (executed.ndim - 1))
    return np.where(wide, executed, drawn).astype(drawn.dtype)


def summary(net: Net, batch: Sequences, notes: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Returns what to log of a rollout: the means of what its minibatches noted, and how good values and chance are."""
    named = sorted({name for note in notes for name in note})
    means = {name: float(np.mean([float(note[name]) for note in notes if name in note])) for name in named}
    errors, returns = (batch.returns - batch.values)[batch.learn], batch.returns[batch.learn]
    spread = float(returns.var(correction=0))
    part = batch.take(torch.arange(min(len(batch), max(1, 1024 // len(batch.first))), device=net.device))
    with torch.no_grad():
        out = net(part.observations, part.previous, part.first, part.state, values=False)
        entropy = float(net.family.entropy(out.parameters).mean())
    explained = 1 - float(errors.var(correction=0)) / spread if spread else 0.0
    return {**means, "entropy": entropy, "explained_variance": explained}


def check_gradient(norm: Tensor, note: Mapping[str, Any]) -> None:
    """Refuses a step along a gradient that is not finite, which would be the end of all weights.

    Raises:
        NonFiniteData: If its norm is NaN or infinite; says what the minibatch noted.
    """
    if bool(norm.isfinite()):
        return
    told = ", ".join(f"{name} {float(value):.3g}" for name, value in note.items())
    raise NonFiniteData(
        f"The gradient of PPO's loss is not finite ({told}); the step was not taken. Look at what it is shown, paid "
        "and told, or take a smaller learning_rate, or normalize_rewards=True."
    )
