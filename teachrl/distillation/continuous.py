"""Families over numbers: diagonal Gaussian, Gaussian squashed by tanh, and Beta.

A unit is half the range of a coordinate, so that actions run from -1 to 1 whatever the environment's scale and all
coordinates weigh equally; a coordinate without bounds keeps its scale.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, ClassVar, cast

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor
from torch.nn import functional

from teachrl.distillation.family import Family, Parameters
from teachrl.errors import InvalidHyperparameter

EDGE = 1e-4
"""Squashed and Beta densities are taken no closer than this to the bounds of [-1, 1], where they may be infinite."""
HUGE = 1e18
"""A bound that is no nearer is taken for none: squares of such ranges, which divergences have, overflow in float32."""


class Continuous(Family):
    """Independent coordinates of a `Box`; parameters are flat, (..., d)."""

    discrete = False

    def __init__(self, space: spaces.Space[Any]) -> None:
        super().__init__(space)
        box = cast(spaces.Box, space)
        low, high = (np.asarray(b, dtype=np.float64).reshape(-1) for b in (box.low, box.high))
        self.width = len(low)
        whole = (np.abs(low) < HUGE) & (np.abs(high) < HUGE)
        self.bounded = bool(whole.all())
        with np.errstate(invalid="ignore", over="ignore"):
            self._half = torch.as_tensor(np.where(whole, (high - low) / 2, 1.0))
            self._middle = torch.as_tensor(np.where(whole, (high + low) / 2, 0.0))
        self._low, self._high = torch.as_tensor(low), torch.as_tensor(high)
        self._usual = tuple(t.float() for t in (self._low, self._high, self._middle, self._half))

    def _scale(self, like: Tensor) -> tuple[Tensor, ...]:
        """Returns low, high, middle and half range, each (d,), in the type and on the device of a tensor."""
        if like.dtype == torch.float32 and like.device.type == "cpu":
            return self._usual
        return tuple(t.to(like) for t in (self._low, self._high, self._middle, self._half))

    @property
    def units(self) -> tuple[Tensor, Tensor]:
        """The middle and half the range of each coordinate, each (d,); 0 and 1 where it has no bounds."""
        return self._middle, self._half

    @classmethod
    def accepts(cls, space: spaces.Space[Any]) -> bool:
        """Tells whether the space is a `Box`."""
        return isinstance(space, spaces.Box)

    def to_unit(self, actions: Tensor) -> Tensor:
        """Returns actions (..., *a) in units, flat (..., d), clipped to the space."""
        flat = actions.reshape(*actions.shape[: actions.ndim - len(self.shape)], self.width)
        flat = flat if flat.is_floating_point() else flat.float()
        low, high, middle, half = self._scale(flat)
        return (flat.clamp(low, high) - middle) / half

    def from_unit(self, units: Tensor) -> Tensor:
        """Returns the actions (..., *a) inside the space that units (..., d) are."""
        low, high, middle, half = self._scale(units)
        return (units * half + middle).clamp(low, high).reshape(*units.shape[:-1], *self.shape)

    def _log_half(self, like: Tensor) -> Tensor:
        return self._half.log().sum().to(like)

    def points(self, parameters: Parameters) -> Tensor:
        """Returns the deterministic actions in units, (..., d)."""
        return self.coordinates(parameters)

    def action_points(self, actions: Tensor) -> Tensor:
        """Returns actions in units, (..., d)."""
        return self.to_unit(actions)


class Gaussian(Continuous):
    """Diagonal Gaussian: `mean` and `std` (..., d) in the space's own units, clipped by the environment.

    What Stable-Baselines3's PPO and A2C have; with state-dependent exploration too, whose mean is used as it is.
    """

    title = "diagonal Gaussian"
    fill: ClassVar[dict[str, float]] = {"mean": 0.0, "std": 1.0}
    positive = frozenset({"std"})

    def log_prob(self, parameters: Parameters, actions: Tensor) -> Tensor:
        """Returns sum_i log N(a_i; m_i, s_i)."""
        mean, std = parameters["mean"], parameters["std"]
        flat = actions.reshape(*actions.shape[: actions.ndim - len(self.shape)], self.width)
        return _log_normal(flat, mean, std).sum(-1)

    def entropy(self, parameters: Parameters) -> Tensor:
        """Returns sum_i (log s_i + log(2 pi e) / 2)."""
        return (parameters["std"].log() + 0.5 * math.log(2 * math.pi * math.e)).sum(-1)

    def sample(self, parameters: Parameters, generator: torch.Generator | None = None) -> Tensor:
        """Draws m + s z, clipped to the space."""
        with torch.no_grad():
            return self._inside(_draw(parameters["mean"], parameters["std"], generator))

    def mode(self, parameters: Parameters) -> Tensor:
        """Returns the mean, clipped to the space."""
        return self._inside(parameters["mean"])

    def _inside(self, flat: Tensor) -> Tensor:
        low, high, _, _ = self._scale(flat)
        return flat.clamp(low, high).reshape(*flat.shape[:-1], *self.shape)

    def kl(self, p: Parameters, q: Parameters) -> Tensor:
        """Returns sum_i (ln(s_q / s_p) + (s_p^2 + (m_p - m_q)^2) / (2 s_q^2) - 1/2)."""
        return _kl_normal(p["mean"], p["std"], q["mean"], q["std"])

    def coordinates(self, parameters: Parameters) -> Tensor:
        """Returns the mean in units, not clipped, so that a student outside the space is led back into it."""
        _, _, middle, half = self._scale(parameters["mean"])
        return (parameters["mean"] - middle) / half

    def clipped(self, parameters: Parameters) -> Parameters:
        """Returns the labels with their mean clipped to the space, which is what the environment did with it."""
        low, high, _, _ = self._scale(parameters["mean"])
        return {**parameters, "mean": parameters["mean"].clamp(low, high)}

    def widened(self, parameters: Parameters, least_std: float) -> Parameters:
        """Returns the distributions with standard deviations of at least `least_std` units."""
        std = parameters["std"]
        return {**parameters, "std": torch.maximum(std, self._scale(std)[3] * least_std)}


class SquashedGaussian(Continuous):
    """u ~ N(m, s), action = tanh(u) in units: `pre_tanh_mean` and `pre_tanh_std` (..., d), before the squashing.

    What SAC, TQC and CrossQ have. Divergences do not change under one bijection of both sides, so that they are those
    of the Gaussians before it.
    """

    title = "squashed Gaussian"
    fill: ClassVar[dict[str, float]] = {"pre_tanh_mean": 0.0, "pre_tanh_std": 1.0}
    positive = frozenset({"pre_tanh_std"})

    def __init__(self, space: spaces.Space[Any]) -> None:
        super().__init__(space)
        _check_bounded(self)

    def log_prob(self, parameters: Parameters, actions: Tensor) -> Tensor:
        """Returns sum_i (log N(u_i; m_i, s_i) - log(1 - tanh(u_i)^2) - log half range), u = atanh(a) off the edges."""
        mean, std = parameters["pre_tanh_mean"], parameters["pre_tanh_std"]
        before = torch.atanh(self.to_unit(actions).clamp(-1 + EDGE, 1 - EDGE))
        return (_log_normal(before, mean, std) - _log_slope(before)).sum(-1) - self._log_half(mean)

    def entropy(self, parameters: Parameters) -> Tensor:
        """Returns sum_i (log s_i + log(2 pi e) / 2 + E log(1 - tanh(u_i)^2) + log half range).

        The expectation has no closed form; it is a Gauss-Hermite sum of 32 nodes, within 1e-3 nats for s up to 2.
        """
        mean, std = parameters["pre_tanh_mean"], parameters["pre_tanh_std"]
        nodes, weights = (torch.as_tensor(a).to(mean) for a in _hermite(32))
        slope = (_log_slope(mean.unsqueeze(-1) + std.unsqueeze(-1) * nodes) * weights).sum(-1)
        return (std.log() + 0.5 * math.log(2 * math.pi * math.e) + slope).sum(-1) + self._log_half(mean)

    def sample(self, parameters: Parameters, generator: torch.Generator | None = None) -> Tensor:
        """Draws tanh(m + s z), scaled to the space."""
        with torch.no_grad():
            return self.from_unit(torch.tanh(_draw(parameters["pre_tanh_mean"], parameters["pre_tanh_std"], generator)))

    def mode(self, parameters: Parameters) -> Tensor:
        """Returns tanh(m), scaled to the space: what these policies do without chance (the median of the density)."""
        return self.from_unit(torch.tanh(parameters["pre_tanh_mean"]))

    def kl(self, p: Parameters, q: Parameters) -> Tensor:
        """Returns the KL of the Gaussians before the squashing."""
        return _kl_normal(p["pre_tanh_mean"], p["pre_tanh_std"], q["pre_tanh_mean"], q["pre_tanh_std"])

    def coordinates(self, parameters: Parameters) -> Tensor:
        """Returns tanh(m)."""
        return torch.tanh(parameters["pre_tanh_mean"])

    def clipped(self, parameters: Parameters) -> Parameters:
        """Returns the labels with tanh(m) at most 1 - 1e-4 from the middle: beyond, equal actions differ much in m."""
        edge = math.atanh(1 - EDGE)
        return {**parameters, "pre_tanh_mean": parameters["pre_tanh_mean"].clamp(-edge, edge)}

    def widened(self, parameters: Parameters, least_std: float) -> Parameters:
        """Returns the distributions with standard deviations of at least `least_std` before the squashing."""
        return {**parameters, "pre_tanh_std": parameters["pre_tanh_std"].clamp(min=least_std)}


class Beta(Continuous):
    """x ~ Beta(alpha, beta), action = 2 x - 1 in units: `alpha` and `beta` (..., d)."""

    title = "Beta distribution"
    fill: ClassVar[dict[str, float]] = {"alpha": 1.0, "beta": 1.0}
    positive = frozenset({"alpha", "beta"})

    def __init__(self, space: spaces.Space[Any]) -> None:
        super().__init__(space)
        _check_bounded(self)

    def log_prob(self, parameters: Parameters, actions: Tensor) -> Tensor:
        """Returns sum_i ((alpha - 1) log x + (beta - 1) log(1 - x) - log B(alpha, beta) - log range), off the edges."""
        a, b = parameters["alpha"], parameters["beta"]
        x = (self.to_unit(actions).clamp(-1 + EDGE, 1 - EDGE) + 1) / 2
        density = (a - 1) * x.log() + (b - 1) * torch.log1p(-x) - _log_beta(a, b)
        return density.sum(-1) - self._log_half(a) - self.width * math.log(2)

    def entropy(self, parameters: Parameters) -> Tensor:
        """Returns sum_i (log B - (a - 1) psi(a) - (b - 1) psi(b) + (a + b - 2) psi(a + b) + log range)."""
        a, b = parameters["alpha"], parameters["beta"]
        whole = (a + b - 2) * torch.digamma(a + b)
        parts = _log_beta(a, b) - (a - 1) * torch.digamma(a) - (b - 1) * torch.digamma(b) + whole
        return parts.sum(-1) + self._log_half(a) + self.width * math.log(2)

    def sample(self, parameters: Parameters, generator: torch.Generator | None = None) -> Tensor:
        """Draws x = g_a / (g_a + g_b) of two gamma variates, scaled to the space."""
        with torch.no_grad():
            a, b = (torch._standard_gamma(parameters[name], generator=generator) for name in ("alpha", "beta"))
            return self.from_unit(2 * a / (a + b).clamp(min=torch.finfo(a.dtype).tiny) - 1)

    def mode(self, parameters: Parameters) -> Tensor:
        """Returns the mean, scaled to the space: unlike the density's mode it is unique and moves smoothly."""
        return self.from_unit(self.coordinates(parameters))

    def kl(self, p: Parameters, q: Parameters) -> Tensor:
        """Returns sum_i (log B(q) / B(p) + (a_p - a_q) psi(a_p) + (b_p - b_q) psi(b_p) + (n_q - n_p) psi(n_p)).

        n = a + b.
        """
        a, b, c, d = p["alpha"], p["beta"], q["alpha"], q["beta"]
        parts = (a - c) * torch.digamma(a) + (b - d) * torch.digamma(b) + (c + d - a - b) * torch.digamma(a + b)
        return (_log_beta(c, d) - _log_beta(a, b) + parts).sum(-1)

    def coordinates(self, parameters: Parameters) -> Tensor:
        """Returns 2 alpha / (alpha + beta) - 1, the mean in units."""
        a, b = parameters["alpha"], parameters["beta"]
        return 2 * a / (a + b) - 1


def _check_bounded(family: Continuous) -> None:
    if not family.bounded:
        raise InvalidHyperparameter(
            f"A {family.title} needs a Box with finite bounds below {HUGE:g}, got {family.space}. Bound the action "
            "space, or use a diagonal Gaussian."
        )


def _draw(mean: Tensor, std: Tensor, generator: torch.Generator | None) -> Tensor:
    noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
    return mean + std * noise


def _log_normal(x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    return -0.5 * ((x - mean) / std) ** 2 - std.log() - 0.5 * math.log(2 * math.pi)


def _kl_normal(mean_p: Tensor, std_p: Tensor, mean_q: Tensor, std_q: Tensor) -> Tensor:
    parts = (std_q / std_p).log() + (std_p**2 + (mean_p - mean_q) ** 2) / (2 * std_q**2) - 0.5
    return parts.sum(-1)


def _log_slope(before: Tensor) -> Tensor:
    """Returns log(1 - tanh(u)^2), exact for any u."""
    return 2 * (math.log(2) - before - functional.softplus(-2 * before))


def _log_beta(a: Tensor, b: Tensor) -> Tensor:
    return torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)


@lru_cache(maxsize=1)
def _hermite(count: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    nodes, weights = np.polynomial.hermite_e.hermegauss(count)
    return nodes, weights / weights.sum()
