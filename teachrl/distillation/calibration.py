"""How often a student does what its teacher would, and how far its confidence is to be trusted."""

from __future__ import annotations

from statistics import NormalDist
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from teachrl.distillation.continuous import EDGE, Beta, Continuous
from teachrl.distillation.discrete import Choices
from teachrl.distillation.family import Family, Parameters
from teachrl.distillation.targets import Targets

BINS = 10
LEVELS = tuple(k / 10 for k in range(1, 10))
"""Nominal coverages at which central intervals are looked at."""
MOST = 1_024
"""Labels that intervals are computed for at most, evenly spaced: quantiles of a Beta distribution are slow."""


def calibration_error(family: Family, parameters: Parameters, targets: Targets) -> float | None:
    """Returns how far the student's confidence is from what it should be, from 0 to 1; None without labels.

    Of choices it is the expected calibration error (Guo et al. 2017, https://arxiv.org/abs/1706.04599) over 10 bins of
    equal width of the student's highest probability: sum_b n_b / n |share right - mean probability|, where a choice is
    right that is likeliest to the teacher. Several choices of one action count one by one. A student that has become
    the copy of an unsure teacher is as unsure, though right: it has an error above 0.

    Of numbers it is the mean over p = 0.1, 0.2, ..., 0.9 and over coordinates of |share - p|, with the share of the
    teacher's actions that lie inside the student's central interval of probability p (Kuleshov et al. 2018,
    https://arxiv.org/abs/1807.00263). Where labels are distributions of the student's family, it is the probability
    that they give the interval, so that a perfect copy has an error of 0.

    Args:
        family: The student's.
        parameters: The student's, by name, each (..., width).
        targets: The labels, with the same leading axes.
    """
    kept = targets.mask
    if not bool(kept.any()):
        return None
    said, labels = {name: part[kept] for name, part in parameters.items()}, targets[kept]
    if isinstance(family, Choices):
        confidence = torch.stack([table.exp().amax(-1) for table in family.tables(said)], dim=-1)
        return expected_error(confidence, likeliest(family, family.mode(said), labels))
    every = slice(None, None, -(-len(labels.mask) // MOST))
    spread = {name: part[every] for name, part in said.items()}
    return _interval_error(cast(Continuous, family), spread, labels[every])


def agreement(family: Family, actions: Tensor, targets: Targets) -> Tensor:
    """Returns (...,): whether all choices are likeliest to the teacher, or of numbers 1 - |difference| / 2, averaged.

    The difference of numbers is in units of half their range.

    Args:
        family: The student's.
        actions: (..., *a) the student's.
        targets: The labels.
    """
    if isinstance(family, Choices):
        return likeliest(family, actions, targets).all(-1).to(torch.float32)
    points = family.action_points(actions)
    return 1 - (points - family.action_points(targets.actions).to(points)).abs().mean(-1) / 2


def mean(values: Tensor, mask: Tensor) -> float:
    """Returns the mean of values (...,) where the mask is true."""
    return float((values * mask).sum() / mask.sum().clamp(min=1))


def expected_error(confidence: Tensor, right: Tensor, bins: int = BINS) -> float:
    """Returns the expected calibration error of predictions with these probabilities, some of which were right."""
    given = confidence.reshape(-1).cpu().numpy().astype(np.float64)
    which = np.clip(np.ceil(given * bins - 1e-6).astype(np.int64) - 1, 0, bins - 1)  # (lower, upper], up to rounding
    surplus = np.bincount(which, weights=right.reshape(-1).cpu().numpy() - given, minlength=bins)
    return float(np.abs(surplus).sum() / len(given))


def likeliest(family: Choices, actions: Tensor, targets: Targets) -> Tensor:
    """Returns (..., choices) bool: where actions (..., *a) choose what is likeliest to the teacher, one of equals too.

    Labels without a distribution have their action alone.
    """
    parts = _by_choice(family, actions)
    if isinstance(targets.family, Choices) and targets.parameters is not None:
        tables = [table.to(actions.device) for table in targets.family.tables(targets.parameters)]
        best = [table >= table.amax(-1, keepdim=True) - 1e-6 for table in tables]
    else:
        best = _by_choice(family, targets.actions.to(actions.device))
    return torch.stack([(a & b).any(-1) for a, b in zip(parts, best, strict=True)], dim=-1)


def _by_choice(family: Choices, actions: Tensor) -> list[Tensor]:
    """Returns for each choice where its options are chosen, (..., options) bool."""
    chosen, ends = family.action_points(actions).bool(), np.cumsum(family.sizes).tolist()
    return [chosen[..., end - size : end] for size, end in zip(family.sizes, ends, strict=True)]


def _interval_error(family: Continuous, parameters: Parameters, targets: Targets) -> float:
    levels = torch.tensor(LEVELS, dtype=torch.float64)
    soft = type(targets.family) is type(family) and targets.parameters is not None
    shares = _beta_shares if isinstance(family, Beta) else _normal_shares
    inside = shares(family, _numbers(parameters), _numbers(targets.parameters or {}) if soft else None, targets.actions)
    return float((inside.mean(0) - levels).abs().mean())


def _numbers(parameters: Parameters) -> list[Tensor]:
    """Returns parameters in the order of their names, (B, d, 1): mean and std, or alpha and beta."""
    return [parameters[name].double().cpu().unsqueeze(-1) for name in sorted(parameters)]


def _normal_shares(family: Continuous, student: list[Tensor], teacher: list[Tensor] | None, actions: Tensor) -> Tensor:
    """Returns (B, d, levels): of Gaussians, squashed ones before the squashing."""
    mean, std = student
    half = std * torch.tensor([NormalDist().inv_cdf(0.5 + p / 2) for p in LEVELS], dtype=torch.float64)
    if teacher is not None:
        own, width = teacher
        below, above = ((mean + sign * half - own) / width for sign in (-1, 1))
        given: Tensor = torch.special.ndtr(above) - torch.special.ndtr(below)
        return given
    at = actions.double().cpu().reshape(len(actions), -1)
    if "pre_tanh_mean" in family.fill:
        at = torch.atanh(family.to_unit(actions.double().cpu()).clamp(-1 + EDGE, 1 - EDGE))
    return ((at.unsqueeze(-1) - mean).abs() <= half).double()


def _beta_shares(family: Continuous, student: list[Tensor], teacher: list[Tensor] | None, actions: Tensor) -> Tensor:
    """Returns (B, d, levels)."""
    from scipy.special import betainc, betaincinv

    a, b = (part.numpy() for part in student)
    tails = np.array(LEVELS) / 2
    below, above = betaincinv(a, b, 0.5 - tails), betaincinv(a, b, 0.5 + tails)
    if teacher is not None:
        own = [part.numpy() for part in teacher]
        return torch.as_tensor(betainc(*own, above) - betainc(*own, below))
    at: NDArray[np.float64] = (family.to_unit(actions.double().cpu()).numpy()[..., None] + 1) / 2
    return torch.as_tensor((below <= at) & (at <= above)).double()
