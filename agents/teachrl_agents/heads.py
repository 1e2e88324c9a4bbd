"""The last layer of a policy: features to the parameters of a distribution family."""

from __future__ import annotations

import math
from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.nn import functional

from teachrl.distillation.families import (
    FAMILIES,
    Bernoulli,
    Beta,
    Choices,
    Continuous,
    Family,
    Gaussian,
    SquashedGaussian,
)
from teachrl.errors import InvalidHyperparameter, InvalidStudent

_CONTINUOUS: dict[str, type[Continuous]] = {"gaussian": Gaussian, "squashed": SquashedGaussian, "beta": Beta}
LOG_STD = (-5.0, 2.0)
"""Bounds of logarithms of standard deviations, in units of the action."""


def make_family(space: spaces.Space[Any], name: str = "auto") -> Family:
    """Returns the family of distributions over an action space.

    Args:
        space: The action space.
        name: `auto`, or for a Box `gaussian`, `squashed` or `beta`.

    Raises:
        InvalidHyperparameter: If there is no such family, or not over this space.
        InvalidStudent: If no family is over this space.
    """
    if name != "auto" and name not in _CONTINUOUS:
        raise InvalidHyperparameter(f"A network's family is auto, {', '.join(_CONTINUOUS)}, got {name!r}.")
    if isinstance(space, spaces.Box):
        return _CONTINUOUS["gaussian" if name == "auto" else name](space)
    fitting = [cls for cls in FAMILIES if cls.accepts(space)]
    if not fitting:
        raise InvalidStudent(f"Networks act in Discrete, MultiDiscrete, MultiBinary and Box spaces, not in {space}.")
    if name != "auto":
        raise InvalidHyperparameter(f"The family {name!r} is over a Box, and the action space is {space}.")
    return fitting[0](space)


class Head(nn.Module):
    """A linear layer whose outputs are a distribution's parameters.

    A Gaussian's mean and standard deviation are scaled by half the range of the action, so that all actions begin
    alike whatever their units. Beta's parameters are 1 + softplus, which gives them a single peak.

    Args:
        width: Number of features.
        family: The distributions.
        std: Initial standard deviation, in half ranges.
        state_std: Whether it depends on the features.
    """

    unit: Tensor
    middle: Tensor

    def __init__(self, width: int, family: Family, std: float, state_std: bool) -> None:
        super().__init__()
        self.family = family
        outputs = family.width * (2 if isinstance(family, Beta) or (not family.discrete and state_std) else 1)
        self.linear = nn.Linear(width, outputs)
        self.kind = next((k for k, cls in _CONTINUOUS.items() if isinstance(family, cls)), "choices")
        self.initial = math.log(std)
        if self.kind in ("gaussian", "squashed") and not state_std:
            self.log_std = nn.Parameter(torch.full((family.width,), self.initial))
        if isinstance(family, Gaussian):
            for name, part in zip(("middle", "unit"), family.units, strict=True):
                self.register_buffer(name, part.float())
            self._scaled = self._is_scaled()

    def _is_scaled(self) -> bool:
        return bool((self.middle != 0).any() or (self.unit != 1).any())

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        if isinstance(self.family, Gaussian):
            self._scaled = self._is_scaled()

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Returns the parameters by name, each (..., width), for features (..., F)."""
        outputs = self.linear(features)
        if self.kind == "choices":
            return {"logits": outputs}
        if self.kind == "beta":
            alpha, beta = (1 + functional.softplus(outputs)).chunk(2, dim=-1)
            return {"alpha": alpha, "beta": beta}
        mean, std = self._moments(outputs)
        if self.kind == "squashed":
            return {"pre_tanh_mean": mean, "pre_tanh_std": std}
        if not self._scaled:
            return {"mean": mean, "std": std}
        return {"mean": self.middle + self.unit * mean, "std": self.unit * std}

    def _moments(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        if hasattr(self, "log_std"):
            return outputs, self.log_std.clamp(*LOG_STD).exp().expand_as(outputs)
        mean, log_std = outputs.chunk(2, dim=-1)
        return mean, (log_std + self.initial).clamp(*LOG_STD).exp()

    @torch.no_grad()
    def set_std(self, std: float) -> None:
        """Sets the standard deviation, in half ranges; one that depends on the features is shifted to it at zero.

        Raises:
            InvalidHyperparameter: If the distributions have none, or it is not a finite number above 0.
        """
        if self.kind not in ("gaussian", "squashed"):
            raise InvalidHyperparameter(f"A {self.family.title} has no standard deviation to set to {std}.")
        found = _logarithm(std)
        if hasattr(self, "log_std"):
            self.log_std.fill_(found)
        else:
            self.linear.bias[self.family.width :].fill_(found - self.initial)


def _logarithm(std: float) -> float:
    try:
        found = math.log(std)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise InvalidHyperparameter(f"A standard deviation is a finite number above 0, got {std!r}.")
    return found


def draw(family: Family, parameters: dict[str, Tensor], generator: torch.Generator | None) -> Tensor:
    """Returns a sample (..., *a), a Gaussian's not clipped to the space, so that its density is its own.

    Choices are drawn as the mode of noisy logits, Gumbel noise or for switches logistic, in a third of the time that
    `torch.multinomial` takes.
    """
    if isinstance(family, Choices):
        noise = _log_exponential(parameters["logits"], generator)
        if isinstance(family, Bernoulli):
            noise = noise - _log_exponential(noise, generator)
        return family.mode({"logits": parameters["logits"] - noise})
    if not isinstance(family, Gaussian):
        return family.sample(parameters, generator)
    mean = parameters["mean"]
    noise = torch.randn(mean.shape, generator=generator, device=mean.device)
    return (mean + parameters["std"] * noise).reshape(*mean.shape[:-1], *family.shape)


def _log_exponential(like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Returns log E, E ~ Exp(1); -log E is a Gumbel variate, log E1 - log E2 a logistic one."""
    return torch.empty_like(like).exponential_(generator=generator).log()
