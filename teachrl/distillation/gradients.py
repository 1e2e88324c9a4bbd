"""The gradient of an objective, written down once for all minibatches of one form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from teachrl.distillation.batches import Batch
from teachrl.distillation.tracing import Line, straight_line
from teachrl.schedules import Moment

Objective = Callable[[Batch, Moment, float], Tensor]


class Written:
    """An objective and its gradient.

    Args:
        line: From a minibatch's tensors to the objective and gradients.
        weights: What they are of.
    """

    def __init__(self, line: Line, weights: list[nn.Parameter]) -> None:
        self._line, self._weights = line, weights

    def __call__(self, batch: Batch) -> Tensor:
        """Puts gradients into the weights' `grad`; returns the objective."""
        with torch.no_grad():
            value, *gradients = self._line(*batch.tensors())
        for weight, gradient in zip(self._weights, gradients, strict=True):
            weight.grad = gradient
        return value


class _Watched(Moment):
    """A moment that knows whether it was looked at."""

    __slots__ = ("seen",)

    def __init__(self, moment: Moment) -> None:
        super().__init__(moment.progress, moment.round)
        object.__setattr__(self, "seen", False)

    def __getattribute__(self, name: str) -> Any:
        if name in ("progress", "round"):
            object.__setattr__(self, "seen", True)
        return super().__getattribute__(name)


class Gradients:
    """Objectives and their gradients as straight lines of tensor operations, one for each form of minibatch.

    Args:
        weights: What gradients are of.
        objective: (minibatch, moment, entropy weight) -> scalar. It must not depend on anything else that changes but
            on tensors that stay where they are, such as weights and running statistics.
    """

    def __init__(self, weights: list[nn.Parameter], objective: Objective) -> None:
        self._weights, self._objective = weights, objective
        self._written: dict[Any, tuple[float, Moment | None, Written | None]] = {}

    def find(
        self, batch: Batch, moment: Moment, entropy: float, anew: bool = True, first: bool = True
    ) -> Written | None:
        """Returns what was written down for minibatches like this one; None if the objective cannot be.

        Args:
            batch: One of them.
            moment: When in the run.
            entropy: Weight of the entropy.
            anew: Whether to write again what was written for another moment or weight.
            first: Whether to write what was never written.
        """
        parts = tuple((part.shape, part.dtype, part.device) for part in batch.tensors())
        form = (parts, batch.complete)
        if form in self._written:
            weight, when, written = self._written[form]
            if weight == entropy and when in (None, moment):
                return written
        if not (anew or (first and form not in self._written)):
            return None
        watched = _Watched(moment)
        written = self._write(batch, watched, entropy)
        self._written[form] = (entropy, moment if watched.seen else None, written)
        return written

    def _write(self, batch: Batch, moment: Moment, entropy: float) -> Written | None:
        moved: list[nn.Parameter] = []

        def function(*parts: Tensor) -> list[Tensor]:
            value = self._objective(batch.like(parts), moment, entropy)
            found = torch.autograd.grad(value, self._weights, allow_unused=True)
            pairs = [(w, g) for w, g in zip(self._weights, found, strict=True) if g is not None]
            moved[:] = [weight for weight, _ in pairs]
            return [value.detach(), *(gradient for _, gradient in pairs)]

        line = straight_line(function, batch.tensors())
        return None if line is None else Written(line, moved)
