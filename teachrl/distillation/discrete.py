"""Families over choices: categorical, several categoricals side by side, and Bernoulli."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, cast

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor
from torch.nn import functional

from teachrl.distillation.family import Family, Parameters
from teachrl.errors import InvalidHyperparameter, NonFiniteData


class Choices(Family):
    """Independent choices, `sizes` options each, with one table of log-probabilities per choice.

    Everything is an exact sum. Entropies and divergences add up over the choices; the Jensen-Shannon divergence too,
    which makes it that of the choices one by one: the mixture of two products is no product.
    """

    fill: ClassVar[dict[str, float]] = {"logits": 0.0}
    discrete = True
    sizes: tuple[int, ...]

    def __init__(self, space: spaces.Space[Any]) -> None:
        super().__init__(space)
        start = np.asarray(getattr(space, "start", 0))
        self._start = torch.as_tensor(start) if start.any() else None

    def tables(self, parameters: Parameters) -> Sequence[Tensor]:
        """Returns log-probabilities, one (..., K) per choice; that of an impossible option is very low, not infinite.

        With finite entries 0 log 0 is 0, in value and in gradient.
        """
        tables = [functional.log_softmax(z, dim=-1) for z in self._split(parameters["logits"])]
        return [table.clamp(min=torch.finfo(table.dtype).min / 1e3) for table in tables]

    def _split(self, logits: Tensor) -> Sequence[Tensor]:
        return torch.split(logits, list(self.sizes), dim=-1) if len(self.sizes) > 1 else [logits]

    def impossible(self, parameters: Parameters) -> Tensor:
        """Returns (...,) bool, where a choice has no option left: all its logits are -inf."""
        choices = self._split(parameters["logits"])
        return torch.stack([(z == -torch.inf).all(-1) for z in choices]).any(0)

    def _indices(self, actions: Tensor) -> Tensor:
        """Returns the options that actions (..., *a) are, counted from 0, (..., number of choices)."""
        found = (actions if self._start is None else actions - self._start.to(actions.device)).long()
        return found.reshape(*found.shape[: found.ndim - len(self.shape)], len(self.sizes))

    def _actions(self, indices: Tensor) -> Tensor:
        """Returns the actions (..., *a) that options (..., number of choices) are."""
        found = indices.reshape(*indices.shape[:-1], *self.shape)
        return found if self._start is None else found + self._start.to(indices.device)

    def log_prob(self, parameters: Parameters, actions: Tensor) -> Tensor:
        """Returns sum_i log p_i(a_i)."""
        chosen = self._indices(actions)
        parts = [t.gather(-1, chosen[..., i : i + 1]) for i, t in enumerate(self.tables(parameters))]
        return torch.cat(parts, dim=-1).sum(-1)

    def entropy(self, parameters: Parameters) -> Tensor:
        """Returns -sum_i sum_k p_ik log p_ik."""
        return -sum_of([(t.exp() * t).sum(-1) for t in self.tables(parameters)])

    def sample(self, parameters: Parameters, generator: torch.Generator | None = None) -> Tensor:
        """Draws every choice from its table."""
        with torch.no_grad():
            drawn = [
                torch.multinomial(t.exp().reshape(-1, t.shape[-1]), 1, generator=generator).reshape(*t.shape[:-1], 1)
                for t in self.tables(parameters)
            ]
            return self._actions(torch.cat(drawn, dim=-1))

    def mode(self, parameters: Parameters) -> Tensor:
        """Returns the likeliest option of every choice."""
        best = [t.argmax(-1, keepdim=True) for t in self.tables(parameters)]
        return self._actions(torch.cat(best, dim=-1))

    def kl(self, p: Parameters, q: Parameters) -> Tensor:
        """Returns sum_i sum_k p_ik (log p_ik - log q_ik)."""
        pairs = zip(self.tables(p), self.tables(q), strict=True)
        return sum_of([(a.exp() * (a - b)).sum(-1) for a, b in pairs])

    def jensen_shannon(self, p: Parameters, q: Parameters, alpha: float) -> Tensor:
        """Returns sum_i (alpha KL(p_i || m_i) + (1 - alpha) KL(q_i || m_i)), m_i = alpha p_i + (1 - alpha) q_i."""
        parts = []
        for a, b in zip(self.tables(p), self.tables(q), strict=True):
            middle = torch.logaddexp(a + math.log(alpha), b + math.log1p(-alpha))
            parts.append((alpha * a.exp() * (a - middle) + (1 - alpha) * b.exp() * (b - middle)).sum(-1))
        return sum_of(parts)

    def coordinates(self, parameters: Parameters) -> Tensor:
        """Returns logits less the mean over their choice: a constant on all of them changes no probability."""
        return torch.cat([z - z.mean(-1, keepdim=True) for z in self._centred(parameters)], dim=-1)

    def _centred(self, parameters: Parameters) -> Sequence[Tensor]:
        return self._split(parameters["logits"])

    def points(self, parameters: Parameters) -> Tensor:
        """Returns the probabilities of all options."""
        return torch.cat([t.exp() for t in self.tables(parameters)], dim=-1)

    def action_points(self, actions: Tensor) -> Tensor:
        """Returns ones at the options that were chosen, zeros elsewhere, float32."""
        chosen = self._indices(actions)
        return torch.cat([functional.one_hot(chosen[..., i], k).float() for i, k in enumerate(self.sizes)], dim=-1)

    def softened(self, parameters: Parameters, temperature: float) -> Parameters:
        """Returns logits / temperature."""
        return parameters if temperature == 1.0 else {"logits": parameters["logits"] / temperature}

    def standardized(self, parameters: Parameters) -> Parameters:
        """Returns (z - mean(z)) / (std(z) + 1e-7), per choice, with the unbiased standard deviation.

        Sun et al., Logit Standardization in Knowledge Distillation, CVPR 2024, https://arxiv.org/abs/2403.01427.

        Raises:
            InvalidHyperparameter: If a choice has two options: standardised, two logits are 0.7 and -0.7 whatever the
                student does, and nothing is learned.
            NonFiniteData: If a logit is -inf, an option of probability 0: there is no mean then.
        """
        if min(self.sizes) < 3:
            raise InvalidHyperparameter(
                f"Logits can be standardised where every choice has three options or more; {self.space} has one of "
                f"{min(self.sizes)}. Set standardize to false."
            )
        if not bool(torch.isfinite(parameters["logits"]).all()):
            raise NonFiniteData(
                "Logits can be standardised where all are finite, and these hold infinity, as for options of "
                "probability 0, or NaN. Set standardize to false: a KL takes -inf as it is."
            )
        parts = self._split(parameters["logits"])
        scaled = [(z - z.mean(-1, keepdim=True)) / (z.std(-1, keepdim=True) + 1e-7) for z in parts]
        return {"logits": torch.cat(scaled, dim=-1)}

    def floored(self, parameters: Parameters, floor: float) -> Parameters:
        """Returns (1 - K floor) p + floor per choice of K options: a mixture with the uniform distribution.

        Raises:
            InvalidHyperparameter: If `floor` is not below 1 / K.
        """
        if not 0 <= floor * max(self.sizes) < 1:
            raise InvalidHyperparameter(f"A floor under {max(self.sizes)} probabilities is below 1 / "
                                        f"{max(self.sizes)}, got {floor}.")  # fmt: skip
        if floor == 0:
            return parameters
        return self._from_tables(
            [
                torch.logaddexp(t + math.log1p(-t.shape[-1] * floor), torch.full_like(t, math.log(floor)))
                for t in self.tables(parameters)
            ]
        )

    def _from_tables(self, tables: Sequence[Tensor]) -> Parameters:
        return {"logits": torch.cat(list(tables), dim=-1)}


class Categorical(Choices):
    """One choice: `logits` (..., K) over a `Discrete` space; -inf is an option that is never taken."""

    title = "categorical distribution"

    def __init__(self, space: spaces.Space[Any]) -> None:
        super().__init__(space)
        self.width = int(cast(spaces.Discrete, space).n)
        self.sizes = (self.width,)

    @classmethod
    def accepts(cls, space: spaces.Space[Any]) -> bool:
        """Tells whether the space is `Discrete`."""
        return isinstance(space, spaces.Discrete)


class MultiCategorical(Choices):
    """Several choices: `logits` (..., sum of nvec) over a `MultiDiscrete` space, those of each choice side by side."""

    title = "multi-categorical distribution"

    def __init__(self, space: spaces.Space[Any]) -> None:
        super().__init__(space)
        self.sizes = tuple(int(k) for k in cast(spaces.MultiDiscrete, space).nvec.reshape(-1))
        self.width = sum(self.sizes)

    @classmethod
    def accepts(cls, space: spaces.Space[Any]) -> bool:
        """Tells whether the space is `MultiDiscrete`."""
        return isinstance(space, spaces.MultiDiscrete)


class Bernoulli(Choices):
    """Switches: `logits` (..., n) of each being on, over a `MultiBinary` space."""

    title = "Bernoulli distribution"

    def __init__(self, space: spaces.Space[Any]) -> None:
        super().__init__(space)
        self.width = int(np.prod(self.shape))
        self.sizes = (2,) * self.width

    @classmethod
    def accepts(cls, space: spaces.Space[Any]) -> bool:
        """Tells whether the space is `MultiBinary`."""
        return isinstance(space, spaces.MultiBinary)

    def tables(self, parameters: Parameters) -> Sequence[Tensor]:
        """Returns log-probabilities of off and on, one (..., 2) per switch."""
        z = parameters["logits"]
        both = torch.stack([functional.logsigmoid(-z), functional.logsigmoid(z)], dim=-1)
        return both.clamp(min=torch.finfo(z.dtype).min / 1e3).unbind(-2)

    def impossible(self, parameters: Parameters) -> Tensor:
        """Returns false (...,): a switch with the logit -inf is off."""
        return torch.zeros_like(parameters["logits"][..., 0], dtype=torch.bool)

    def _centred(self, parameters: Parameters) -> Sequence[Tensor]:
        z = parameters["logits"]
        return torch.stack([torch.zeros_like(z), z], dim=-1).unbind(-2)

    def _from_tables(self, tables: Sequence[Tensor]) -> Parameters:
        return {"logits": torch.stack([t[..., 1] - t[..., 0] for t in tables], dim=-1)}


def sum_of(parts: Sequence[Tensor]) -> Tensor:
    """Returns the sum of tensors of one shape."""
    return parts[0] if len(parts) == 1 else torch.stack(list(parts)).sum(0)
