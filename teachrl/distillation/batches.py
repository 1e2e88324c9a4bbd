"""Minibatches of labelled steps, as tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

from teachrl.distillation.families import choose_family
from teachrl.distillation.targets import Targets
from teachrl.distillation.trees import Tree, leaves, mapped, tensors


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Steps as tensors, (W, B, ...), and the memory before them, (B, S).

    Attributes:
        observations: (W, B, *o).
        previous: (W, B, *a).
        first: (W, B) bool.
        targets: The labels.
        state: (B, S).
        complete: Whether every step that is learned from is known to have a label.
    """

    observations: Tree
    previous: Tensor
    first: Tensor
    targets: Targets
    state: Tensor
    complete: bool = False

    def __getitem__(self, steps: slice) -> Batch:
        """Returns some of the steps, with the same memory before them."""
        cut = mapped(lambda x: x[steps], self.observations)
        return Batch(cut, self.previous[steps], self.first[steps], self.targets[steps], self.state, self.complete)

    def tensors(self) -> list[Tensor]:
        """Returns all tensors in it; `like` puts others in their places."""
        soft = () if self.targets.parameters is None else self.targets.parameters.values()
        return [
            *leaves(self.observations), self.previous, self.first, self.targets.actions, *soft, self.targets.mask,
            self.state,
        ]  # fmt: skip

    def like(self, parts: Sequence[Tensor]) -> Batch:
        """Returns a batch of the same form, made of such `tensors`."""
        rest = iter(parts)
        observations = mapped(lambda _: next(rest), self.observations)
        previous, first, actions = next(rest), next(rest), next(rest)
        given = self.targets
        soft = None if given.parameters is None else {name: next(rest) for name in given.parameters}
        targets = Targets(actions, given.family, soft, next(rest))
        return Batch(observations, previous, first, targets, next(rest), self.complete)

    def split(self, sizes: list[int]) -> Iterator[Batch]:
        """Yields so many of the B sequences after one another."""
        *stepwise, state = self.tensors()
        columns = [torch.split(part, sizes, dim=1) for part in stepwise]
        for parts in zip(*columns, torch.split(state, sizes), strict=True):
            yield self.like(parts)


def batch_of(
    columns: dict[str, Tree], states: NDArray[Any], space: spaces.Space[Any], device: torch.device, burn_in: int = 0
) -> Batch:
    """Returns columns (W, B, ...) of a buffer as a batch, whose first `burn_in` steps only warm up the memory."""
    parts = tensors({name: part for name, part in columns.items() if name != "states"}, device)
    parameters = parts["parameters"]
    family = choose_family(space, parameters) if parameters else None
    actions = parts["actions"] if isinstance(space, spaces.Box) else parts["actions"].long()
    targets = Targets(actions, family, parameters or None, parts["mask"])
    previous = parts["previous"] if isinstance(space, spaces.Box) else parts["previous"].long()
    state, complete = torch.as_tensor(states, device=device), bool(np.all(columns["mask"][burn_in:]))
    return Batch(parts["observations"], previous, parts["first"], targets, state, complete)
