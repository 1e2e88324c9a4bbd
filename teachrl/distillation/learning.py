"""Learning from labels: a round once and in time order, or minibatches of all that is kept."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

from teachrl.distillation.adam import Adam
from teachrl.distillation.batches import Batch, batch_of
from teachrl.distillation.buffer import Aggregate, Round
from teachrl.distillation.families import Family
from teachrl.distillation.gradients import Gradients, Written
from teachrl.distillation.loss import Loss, masked_mean
from teachrl.distillation.losses import make_loss
from teachrl.distillation.targets import Targets
from teachrl.distillation.tgeo import TGeo
from teachrl.distillation.weights import Fusion, Triangle, fuse
from teachrl.errors import InvalidStudent
from teachrl.schedules import Moment

_TOGETHER, _BYTES = 64, 2**25
"""Minibatches that are copied out of the buffer at once, and the bytes that they may have."""
MANY = 300
"""So many minibatches of one form pay for writing their gradient down."""


def usual_loss(student: Family, teacher: Family | None) -> Loss:
    """Returns the loss that `"auto"` stands for.

    The forward KL where labels are distributions of the student's family, else the likelihood of the label's choice,
    or the squared error of its numbers.
    """
    if type(teacher) is type(student):
        return make_loss("forward_kl")
    return make_loss("nll" if student.discrete else "mse")


class Descent:
    """One objective, and gradient steps on it.

    Args:
        net: The student's network.
        optimizer: Of its weights.
        loss: What it loses by differing from its teacher.
        fusion: How much the likelihood of the teacher's action counts beside it; None is not at all.
        max_grad_norm: The gradient is scaled down to this norm; None leaves it.
    """

    def __init__(
        self,
        net: Any,
        optimizer: torch.optim.Optimizer | Adam,
        loss: Loss,
        fusion: Fusion | None,
        max_grad_norm: float | None,
    ) -> None:
        self._net, self._optimizer, self.loss, self.fusion = net, optimizer, loss, fusion
        self._hard = make_loss("nll")
        self._max_grad_norm = max_grad_norm
        # what a network goes through must depend on shapes alone, and it has to say so
        plain = fusion is None and getattr(net, "traceable", False)
        self._gradients = Gradients(list(net.parameters()), self._whole) if plain else None
        self.count, self.steps, self.norm = 0, 0, 0.0
        self.total: Tensor | float = 0.0

    def objective(
        self, family: Family, parameters: dict[str, Tensor], targets: Targets, moment: Moment, entropy: float,
        complete: bool = False,
    ) -> Tensor:  # fmt: skip
        """Returns the mean loss of the labels that count (all, if they are `complete`), less the weighed entropy."""
        losses = self.loss.losses(family, parameters, targets, moment)
        if self.fusion is not None:
            hard = self._likelihood(family, parameters, targets, moment)
            with torch.no_grad():
                alpha = self.fusion(losses, moment, _triangle(family, parameters, targets))
            losses = fuse(alpha, hard, losses)
        if entropy:
            losses = losses - entropy * family.entropy(parameters)
        if complete:
            return losses.mean()
        kept = torch.where(targets.mask, losses, torch.zeros_like(losses))
        return kept.sum() / targets.mask.sum().clamp(min=1)

    def step(self, batch: Batch, moment: Moment, entropy: float, burn_in: int = 0, weight: float = 1.0) -> Tensor:
        """Takes one gradient step on a batch; returns the memory after it, (B, S), cut off from what it came from."""
        targets = batch.targets[burn_in:] if burn_in else batch.targets
        out = self._answer(batch, burn_in)
        value = self.objective(self._net.family, out.parameters, targets, moment, entropy, batch.complete)
        self._optimizer.zero_grad(set_to_none=True)
        (value * weight).backward()  # type: ignore[no-untyped-call]
        self._move(value.detach())
        return out.state.detach()  # type: ignore[no-any-return]

    def written(self, batch: Batch, moment: Moment, entropy: float, coming: int = MANY) -> Written | None:
        """Returns the objective's gradient on minibatches like this one as `walk` takes it.

        None if it cannot be written down, or if that does not pay for those that are coming. What does not change from
        round to round pays for those of later rounds too.
        """
        if self._gradients is None:
            return None
        return self._gradients.find(batch, moment, entropy, coming >= MANY, self.steps + coming >= MANY)

    def walk(self, gradient: Written, batch: Batch) -> None:
        """Takes the gradient step that `step` takes, the gradient being written down."""
        self._move(gradient(batch))

    def _whole(self, batch: Batch, moment: Moment, entropy: float) -> Tensor:
        out = self._answer(batch, 0)
        return self.objective(self._net.family, out.parameters, batch.targets, moment, entropy, batch.complete)

    def _move(self, value: Tensor) -> None:
        if self._max_grad_norm is not None:
            self.norm = float(torch.nn.utils.clip_grad_norm_(self._net.parameters(), self._max_grad_norm))
        self._optimizer.step()
        self.total, self.count, self.steps = self.total + value, self.count + 1, self.steps + 1

    def _answer(self, batch: Batch, burn_in: int) -> Any:
        return self._net(batch.observations, batch.previous, batch.first, batch.state, burn_in=burn_in)

    def weigh(self, batch: Batch, other: Batch, moment: Moment, burn_in: int = 0) -> None:
        """Lets a fusion that learns (`TGeo`) take a step: on a batch, judged by the hard loss on another one."""
        if not isinstance(self.fusion, TGeo):
            return
        family, step = self._net.family, self._optimizer.param_groups[0]["lr"]
        ours, theirs = (b.targets[burn_in:] if burn_in else b.targets for b in (batch, other))

        def answered(weights: Mapping[str, Tensor], part: Batch) -> dict[str, Tensor]:
            arguments = (part.observations, part.previous, part.first, part.state)
            out = torch.func.functional_call(self._net, dict(weights), arguments, {"burn_in": burn_in})
            return out.parameters  # type: ignore[no-any-return]

        def losses(weights: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
            said = answered(weights, batch)
            return self._likelihood(family, said, ours, moment), self.loss.losses(family, said, ours, moment)

        def validation(weights: Mapping[str, Tensor]) -> Tensor:
            return masked_mean(self._likelihood(family, answered(weights, other), theirs, moment), theirs.mask)

        weights = dict(self._net.named_parameters())
        with torch.no_grad():
            triangle = _triangle(family, answered(weights, batch), ours)
        self.fusion.learn(weights, losses, validation, triangle, ours.mask, step)

    def _likelihood(self, family: Family, parameters: dict[str, Tensor], targets: Targets, moment: Moment) -> Tensor:
        bare = Targets(targets.actions, None, None, targets.mask)
        return self._hard.losses(family, parameters, bare, moment)

    def mean(self) -> float:
        """Returns the mean loss since the last call."""
        value = float(self.total) / max(self.count, 1)
        self.total, self.count = 0.0, 0
        return value


def _triangle(family: Family, parameters: dict[str, Tensor], targets: Targets) -> Triangle:
    teacher = family.action_points(targets.actions)
    if targets.family is not None and targets.parameters is not None and type(targets.family) is type(family):
        teacher = targets.family.points(targets.parameters)
    student = family.points(parameters).detach()
    mean = (teacher * targets.mask.unsqueeze(-1)).flatten(0, -2).sum(0) / targets.mask.sum().clamp(min=1)
    return Triangle(student, teacher.to(student), family.action_points(targets.actions).to(student),
                    mean.to(student).expand_as(student))  # fmt: skip


def in_order(
    descent: Descent, round_: Round, space: spaces.Space[Any], device: torch.device, *, epochs: int, length: int,
    moment: Moment, entropy: float,
) -> int:  # fmt: skip
    """Walks a round in time order, one gradient step for each `length` steps of all environments; none is left out.

    The loss of a window is the sum over its steps, as in rsl_rl's `Distillation`
    (https://github.com/leggedrobotics/rsl_rl), and the gradient goes back to its first one. Returns the gradient steps.
    """
    whole = batch_of(round_.steps(), round_.states[0], space, device)
    starts = range(0, len(round_), length)
    for _ in range(epochs):
        state = whole.state
        for start in starts:
            window = whole[start : start + length]
            window = replace(window, state=state)
            state = descent.step(window, moment, entropy, weight=float(len(window.first)))
    return epochs * len(starts)


def minibatches(
    count: int, size: int, epochs: int, most: int | None, rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Yields shuffled indices below `count`, every one once in each epoch, `most` minibatches at most."""
    given = 0
    for _ in range(epochs):
        order = rng.permutation(count)
        for start in range(0, count, size):
            if most is not None and given >= most:
                return
            given += 1
            yield order[start : start + size]


def shuffled(
    descent: Descent, buffer: Aggregate, space: spaces.Space[Any], device: torch.device, rng: np.random.Generator, *,
    epochs: int, size: int, most: int | None, moment: Moment, entropy: float,
) -> int:  # fmt: skip
    """Learns from minibatches of pieces of all that is kept. Returns the gradient steps.

    Raises:
        InvalidStudent: If nothing is kept: no label was ever given.
    """
    if len(buffer) == 0:
        raise InvalidStudent(
            "There is nothing to learn from: no step so far has a label that counts. Check that the teacher labels "
            "what the student does (its mask), and that lessons say learn=True."
        )
    together = max(1, min(_TOGETHER, _BYTES // (buffer.piece_bytes * size)))
    coming = epochs * (len(buffer) // size)
    coming = coming if most is None else min(most, coming)
    steps = 0
    for group in _batched(minibatches(len(buffer), size, epochs, most, rng), together):
        columns = buffer.take(np.concatenate(group))
        whole = batch_of(columns, columns["states"], space, device, buffer.burn_in)
        batches = list(whole.split([len(indices) for indices in group]))
        full = next((b for b in batches if b.first.shape[1] == size), None)
        gradient = None if full is None or buffer.burn_in else descent.written(full, moment, entropy, coming)
        before: Batch | None = None
        for batch in batches:
            if gradient is not None and batch.first.shape[1] == size:
                descent.walk(gradient, batch)
            else:
                descent.step(batch, moment, entropy, burn_in=buffer.burn_in)
            if before is not None:
                descent.weigh(before, batch, moment, burn_in=buffer.burn_in)
            before = batch
        steps += len(batches)
    return steps


def _batched(items: Iterator[NDArray[np.int64]], size: int) -> Iterator[list[NDArray[np.int64]]]:
    while group := list(itertools.islice(items, size)):
        yield group
