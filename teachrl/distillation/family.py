"""What a distribution family is: a space's actions, parameters by name, and what losses need of them.

`...` stands for any leading axes, (T, N) or (B,). `d` counts the coordinates of one action.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from gymnasium import spaces
from torch import Tensor

from teachrl.errors import InvalidHyperparameter

Parameters = Mapping[str, Tensor]


class Family(ABC):
    """The distributions of one kind over the actions of one space.

    Args:
        space: The action space.

    Attributes:
        title: What messages call it.
        fill: Its parameters by name, each with a value that does no harm in rows that are masked out.
        positive: Those of them that must be above 0.
        discrete: Whether its actions are choices rather than numbers.
    """

    title: ClassVar[str]
    fill: ClassVar[dict[str, float]]
    positive: ClassVar[frozenset[str]] = frozenset()
    discrete: ClassVar[bool]
    width: int  # entries of each parameter

    def __init__(self, space: spaces.Space[Any]) -> None:
        self.space = space

    @classmethod
    def accepts(cls, space: spaces.Space[Any]) -> bool:
        """Tells whether this is a family over the actions of such a space."""
        raise NotImplementedError(f"{cls.__name__} must define accepts")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one action."""
        return tuple(self.space.shape or ())

    def check(self, parameters: Mapping[str, Any]) -> None:
        """Checks names and shapes.

        Raises:
            InvalidHyperparameter: If a parameter is missing or not (..., width).
        """
        for name in self.fill:
            if name not in parameters:
                raise InvalidHyperparameter(f"A {self.title} needs {sorted(self.fill)}, got {sorted(parameters)}.")
            found = tuple(parameters[name].shape)
            if not found or found[-1] != self.width:
                raise InvalidHyperparameter(
                    f"{name!r} of a {self.title} over {self.space} is (..., {self.width}), got {found}."
                )

    @abstractmethod
    def log_prob(self, parameters: Parameters, actions: Tensor) -> Tensor:
        """Returns the log-probability or log-density (...,) of actions (..., *a), as the space has them."""

    @abstractmethod
    def entropy(self, parameters: Parameters) -> Tensor:
        """Returns the entropy (...,) in nats, of densities over the space's own units."""

    @abstractmethod
    def sample(self, parameters: Parameters, generator: torch.Generator | None = None) -> Tensor:
        """Returns actions (..., *a) inside the space, without gradient."""

    @abstractmethod
    def mode(self, parameters: Parameters) -> Tensor:
        """Returns the actions (..., *a) inside the space that are done without chance."""

    @abstractmethod
    def kl(self, p: Parameters, q: Parameters) -> Tensor:
        """Returns the exact KL(p || q) (...,) in nats."""

    @abstractmethod
    def coordinates(self, parameters: Parameters) -> Tensor:
        """Returns what MSE and Huber compare, (..., D): centred logits, or actions in units of [-1, 1]."""

    @abstractmethod
    def points(self, parameters: Parameters) -> Tensor:
        """Returns the distributions as points of a bounded space (..., D): probabilities, or actions in [-1, 1]."""

    @abstractmethod
    def action_points(self, actions: Tensor) -> Tensor:
        """Returns actions (..., *a) as points of the same space (..., D): one-hot, or in [-1, 1]."""

    def clipped(self, parameters: Parameters) -> Parameters:
        """Returns labels whose deterministic action lies inside the space; those of choices always do."""
        return parameters

    def widened(self, parameters: Parameters, least_std: float) -> Parameters:
        """Returns the distributions with standard deviations of at least `least_std`; choices have none."""
        return parameters

    def floored(self, parameters: Parameters, floor: float) -> Parameters:
        """Returns the distributions with probabilities of at least `floor`; densities are left as they are."""
        return parameters

    def softened(self, parameters: Parameters, temperature: float) -> Parameters:
        """Returns the distributions with logits divided by a temperature.

        Raises:
            InvalidHyperparameter: If it is not 1 and there are no logits.
        """
        if temperature == 1.0:
            return parameters
        raise InvalidHyperparameter(f"A {self.title} has no logits to divide by a temperature of {temperature}.")

    def standardized(self, parameters: Parameters) -> Parameters:
        """Returns the distributions with logits of mean 0 and standard deviation 1.

        Raises:
            InvalidHyperparameter: If there are none to standardise.
        """
        raise InvalidHyperparameter(f"A {self.title} has no logits to standardise.")

    def jensen_shannon(self, p: Parameters, q: Parameters, alpha: float) -> Tensor:
        """Returns alpha KL(p || m) + (1 - alpha) KL(q || m), m = alpha p + (1 - alpha) q, (...,).

        Raises:
            InvalidHyperparameter: If it has no closed form.
        """
        raise InvalidHyperparameter(f"The Jensen-Shannon divergence of a {self.title} has no closed form.")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.space})"
