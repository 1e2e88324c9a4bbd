"""How much of a sample's loss is hard and how much is the teacher's: L_i = alpha_i hard_i + (1 - alpha_i) soft_i.

The hard loss speaks for the truth: a policy gradient, or the likelihood of actions that succeeded. The soft one is a
divergence from the teacher.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from teachrl._checks import check_number
from teachrl.configurable import Configurable
from teachrl.errors import InvalidHyperparameter
from teachrl.schedules import START, Moment, Schedule, checked_schedule, make_schedule


@dataclass(frozen=True, slots=True, eq=False)
class Triangle:
    """Where student, teacher and truth lie, as points of one space: probabilities, or actions in [-1, 1].

    `Family.points` and `Family.action_points` return such points.

    Attributes:
        student: S (..., D).
        teacher: T (..., D).
        truth: G (..., D), the action that proved right.
        group: T-bar (..., D), the teacher's mean over samples of the same kind; see `teachrl.distillation.tgeo`.
    """

    student: Tensor
    teacher: Tensor
    truth: Tensor
    group: Tensor


class Fusion(Configurable):
    """Base of all rules for alpha."""

    name: ClassVar[str]

    def begin(self, width: int, generator: torch.Generator, device: torch.device | str = "cpu") -> None:
        """Prepares for points of `width` coordinates; what is drawn comes from the generator."""

    def __call__(
        self,
        losses: Tensor,
        moment: Moment = START,
        triangle: Triangle | None = None,
        advantages: Tensor | None = None,
    ) -> Tensor:
        """Returns alpha (...,) from 0 to 1.

        Args:
            losses: (...,) of any of the two, for its shape, type and device.
            moment: When in the run.
            triangle: Where student, teacher and truth lie.
            advantages: (...,) of the teacher's action.
        """
        raise NotImplementedError(f"{type(self).__name__} must define __call__")

    def state_dict(self) -> dict[str, Any]:
        """Returns what was learned, as data."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from a `state_dict`, after `begin`."""


class Scheduled(Fusion):
    """The same alpha for all samples.

    Args:
        alpha: Share of the hard loss: a number, or a schedule like `{schedule: linear, from: 0, to: 1, until: 0.5}`.
    """

    name = "scheduled"

    def __init__(self, alpha: float | dict[str, Any] = 0.5) -> None:
        self.alpha = alpha

    @cached_property
    def schedule(self) -> Schedule:
        """The schedule, to be told of successes if it waits for them."""
        return make_schedule("Scheduled.alpha", self.alpha)

    def validate(self, setup: Any = None) -> None:
        """Checks that alpha is a share all through a run."""
        checked_schedule("Scheduled.alpha", self.alpha, 0.0, 1.0, waits=True)

    def __call__(
        self,
        losses: Tensor,
        moment: Moment = START,
        triangle: Triangle | None = None,
        advantages: Tensor | None = None,
    ) -> Tensor:
        """Returns the value of the schedule, clipped to [0, 1], for every sample."""
        return torch.full_like(losses, min(max(self.schedule(moment), 0.0), 1.0), requires_grad=False)

    def state_dict(self) -> dict[str, Any]:
        """Returns the schedule's state."""
        return self.schedule.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues the schedule."""
        self.schedule.load_state_dict(state)


class Advantage(Fusion):
    """alpha_i = sigmoid(-k A_i / std(A)): the teacher counts for more where its action has the greater advantage.

    Args:
        steepness: k.
    """

    name = "advantage"

    def __init__(self, steepness: float = 1.0) -> None:
        self.steepness = steepness

    def validate(self, setup: Any = None) -> None:
        """Checks the steepness."""
        check_number(self, "steepness", 0.0)

    def __call__(
        self,
        losses: Tensor,
        moment: Moment = START,
        triangle: Triangle | None = None,
        advantages: Tensor | None = None,
    ) -> Tensor:
        """Returns alpha of advantages (...,); no gradient flows."""
        if advantages is None:
            raise InvalidHyperparameter("The fusion 'advantage' needs the advantages of the teacher's actions.")
        with torch.no_grad():
            scaled = advantages.to(losses) / (advantages.to(losses).std(correction=0) + 1e-8)
            return torch.sigmoid(-self.steepness * scaled)


def fuse(alpha: Tensor, hard: Tensor, soft: Tensor) -> Tensor:
    """Returns alpha hard + (1 - alpha) soft (...,)."""
    return alpha * hard + (1 - alpha) * soft
