"""TGeo: the share of hard and soft losses, learned from where student, teacher and truth lie.

https://arxiv.org/abs/2312.15112
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from teachrl._checks import check_count, check_number
from teachrl.distillation.loss import masked_mean
from teachrl.distillation.weights import Fusion, Triangle, fuse
from teachrl.errors import InvalidHyperparameter
from teachrl.schedules import START, Moment

Arguments = Mapping[str, Tensor]


class TGeo(Fusion):
    """alpha_i learned from the triangle of student, teacher and truth: a network of two layers and a sigmoid.

    TGeo-KD (Hu et al., Less or More From Teacher, ICLR 2024, https://arxiv.org/abs/2312.15112). What the network sees
    of a sample are the edges T - S, G - T, G - S of its triangle, the edges T-bar - S and G - T-bar of the triangle
    with the teacher's mean over the sample's kind, which dampens outliers, and the lengths of all five.

    It is learned on two levels. The student takes a step as if by gradient descent on the fused loss,

        theta'(omega) = theta - eta grad_theta mean_i (alpha_i(omega) hard_i + (1 - alpha_i(omega)) soft_i),

    and omega descends the hard loss of other samples at theta'(omega). Features are cut from theta, so that the one
    unrolled step is all that omega's gradient passes through. The sizes of network and steps are ours.

    Args:
        hidden: Units of the hidden layer.
        learning_rate: Of the network, by Adam.
    """

    name = "tgeo"

    def __init__(self, hidden: int = 64, learning_rate: float = 1e-3) -> None:
        self.hidden = hidden
        self.learning_rate = learning_rate

    def validate(self, setup: Any = None) -> None:
        """Checks the arguments."""
        check_count(self, "hidden", 1)
        check_number(self, "learning_rate", 0.0, open_ends=True)

    def begin(self, width: int, generator: torch.Generator, device: torch.device | str = "cpu") -> None:
        """Makes the network for points of `width` coordinates; it begins with alpha = 1/2 everywhere."""
        first, last = (torch.nn.Linear(i, o) for i, o in ((5 * width + 5, self.hidden), (self.hidden, 1)))
        with torch.no_grad():
            for parameter in first.parameters():
                bound = first.in_features**-0.5
                parameter.copy_((torch.rand(parameter.shape, generator=generator) * 2 - 1) * bound)
            for parameter in last.parameters():
                parameter.zero_()
        self.network = torch.nn.Sequential(first, torch.nn.ReLU(), last).to(device)
        self._optimizer = torch.optim.Adam(self.network.parameters(), lr=self.learning_rate)

    def __call__(
        self,
        losses: Tensor,
        moment: Moment = START,
        triangle: Triangle | None = None,
        advantages: Tensor | None = None,
    ) -> Tensor:
        """Returns alpha (...,) without gradient, to train the student with."""
        if triangle is None:
            raise InvalidHyperparameter("The fusion 'tgeo' needs to know where student, teacher and truth lie.")
        with torch.no_grad():
            return self.alphas(triangle).to(losses)

    def alphas(self, triangle: Triangle) -> Tensor:
        """Returns alpha (...,) with the gradient of the network's own parameters."""
        weight = next(self.network.parameters())
        alphas: Tensor = torch.sigmoid(self.network(features(triangle).to(weight)).squeeze(-1))
        return alphas

    def learn(
        self,
        parameters: Arguments,
        losses: Callable[[Arguments], tuple[Tensor, Tensor]],
        validation: Callable[[Arguments], Tensor],
        triangle: Triangle,
        mask: Tensor,
        step: float,
    ) -> float:
        """Takes one step of the network; the student stays as it is.

        Args:
            parameters: The student's, by name, as `named_parameters` has them.
            losses: Returns hard and soft losses (...,) of a student with given parameters, on the samples of the
                triangle; `torch.func.functional_call` runs one.
            validation: Returns the mean hard loss of other samples, likewise.
            triangle: Of the samples.
            mask: (...,) bool, which of them count.
            step: eta, the student's learning rate.

        Returns:
            The validation loss after the student's step.
        """
        outer = self.unrolled(parameters, losses, validation, triangle, mask, step)
        own = list(self.network.parameters())
        for parameter, gradient in zip(own, torch.autograd.grad(outer, own), strict=True):
            parameter.grad = gradient
        self._optimizer.step()
        self._optimizer.zero_grad()
        return float(outer.detach())

    def unrolled(
        self,
        parameters: Arguments,
        losses: Callable[[Arguments], tuple[Tensor, Tensor]],
        validation: Callable[[Arguments], Tensor],
        triangle: Triangle,
        mask: Tensor,
        step: float,
    ) -> Tensor:
        """Returns the validation loss after the student's step, with the network's gradient; arguments as `learn`."""
        hard, soft = losses(parameters)
        inner = masked_mean(fuse(self.alphas(triangle).to(hard), hard, soft), mask)
        gradients = torch.autograd.grad(
            inner, list(parameters.values()), create_graph=True, allow_unused=True, materialize_grads=True
        )
        moved = {name: p - step * g for (name, p), g in zip(parameters.items(), gradients, strict=True)}
        return validation(moved)

    def state_dict(self) -> dict[str, Any]:
        """Returns network and optimiser, copied."""
        return copy.deepcopy({"network": dict(self.network.state_dict()), "optimizer": self._optimizer.state_dict()})

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues with a network and its optimiser."""
        self.network.load_state_dict(state["network"])
        self._optimizer.load_state_dict(copy.deepcopy(dict(state["optimizer"])))


def features(triangle: Triangle) -> Tensor:
    """Returns the five edges and their lengths (..., 5 D + 5), without gradient."""
    student, teacher, truth, group = (
        p.detach() for p in (triangle.student, triangle.teacher, triangle.truth, triangle.group)
    )
    edges = [teacher - student, truth - teacher, truth - student, group - student, truth - group]
    lengths = [edge.norm(dim=-1, keepdim=True) for edge in edges]
    return torch.cat([*edges, *lengths], dim=-1)


def group_means(points: Tensor, groups: Tensor, mask: Tensor) -> Tensor:
    """Returns for every sample the mean point of its group (..., D).

    Args:
        points: (..., D), the teacher's.
        groups: (...,) int, equal for samples of a kind: a task, or a cluster of tasks.
        mask: (...,) bool, which samples count; a group without one has the mean 0.
    """
    flat, kept = points.reshape(-1, points.shape[-1]), mask.reshape(-1, 1).to(points)
    names, members = torch.unique(groups.reshape(-1), return_inverse=True)
    sums = torch.zeros(len(names), flat.shape[1], dtype=flat.dtype, device=flat.device)
    counts = torch.zeros(len(names), 1, dtype=flat.dtype, device=flat.device)
    sums.index_add_(0, members, torch.where(kept > 0, flat, torch.zeros_like(flat)))
    counts.index_add_(0, members, kept)
    return (sums / counts.clamp(min=1))[members].reshape(points.shape)
