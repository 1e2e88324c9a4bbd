"""Estimates of the reverse KL from actions that the student took, and which samples KDRL distils.

x ~ pi_S, r = pi_T(x) / pi_S(x), following http://joschu.net/blog/kl-approx.html:

| name | value          | as a value                | gradient through log pi_S, in expectation                    |
|------|----------------|---------------------------|--------------------------------------------------------------|
| k1   | -log r         | unbiased, may be negative | 0: of no use as a loss                                       |
| k2   | (log r)^2 / 2  | biased, never negative    | that of the reverse KL, KL(S, T), exactly                    |
| k3   | r - 1 - log r  | unbiased, never negative  | that of the forward KL, KL(T, S); great variance, r being so |

The sample is taken as given: nothing flows through how likely it was. KDRL (Xu et al. 2025,
https://arxiv.org/abs/2506.02208) prefers k2. Where the exact sum or a closed form exists, it has no variance at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor

from teachrl.errors import InvalidHyperparameter

Level = Literal["none", "response", "group"]


def k1(student: Tensor, teacher: Tensor) -> Tensor:
    """Returns log pi_S - log pi_T.

    Args:
        student: log pi_S(x) (...,), with gradient.
        teacher: log pi_T(x) (...,); its gradient is cut.
    """
    return student - teacher.detach()


def k2(student: Tensor, teacher: Tensor) -> Tensor:
    """Returns (log pi_S - log pi_T)^2 / 2; arguments as for `k1`."""
    return (student - teacher.detach()) ** 2 / 2


def k3(student: Tensor, teacher: Tensor) -> Tensor:
    """Returns r - 1 - log r; arguments as for `k1`."""
    log_ratio = teacher.detach() - student
    return torch.expm1(log_ratio) - log_ratio


ESTIMATORS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"k1": k1, "k2": k2, "k3": k3}


def distilled_episodes(success: Tensor, groups: Tensor | None, level: Level) -> Tensor:
    """Returns which episodes are distilled: KDRL's reward-guided masking.

    Args:
        success: (E,) bool, whether each episode succeeded; one that has not ended has not.
        groups: (E,) int, equal for episodes of one task, seed and start; only the level `"group"` needs it.
        level: `"none"` distils all, `"response"` episodes that failed, `"group"` groups in which none succeeded.

    Returns:
        (E,) bool.

    Raises:
        InvalidHyperparameter: If the level does not exist, or its groups are missing.
    """
    if level not in get_args(Level):
        raise InvalidHyperparameter(f"A reward mask is one of {', '.join(get_args(Level))}, got {level!r}.")
    if level == "none":
        return torch.ones_like(success, dtype=torch.bool)
    if level == "response":
        return ~success.bool()
    if groups is None:
        raise InvalidHyperparameter("The reward mask 'group' needs to know which episodes belong together.")
    names, members = torch.unique(groups, return_inverse=True)
    succeeded = torch.zeros(len(names), dtype=torch.long, device=success.device)
    return (succeeded.index_add_(0, members, success.long()) == 0)[members]


def distilled_steps(episodes: Tensor, which: Tensor) -> Tensor:
    """Returns which steps belong to distilled episodes.

    Args:
        episodes: (E,) bool, as `distilled_episodes` returns it.
        which: (...,) int, the index of each step's episode; -1 is one that is not listed, which is distilled.
    """
    listed = torch.cat([episodes.bool(), torch.ones(1, dtype=torch.bool, device=episodes.device)])
    return listed[which]
