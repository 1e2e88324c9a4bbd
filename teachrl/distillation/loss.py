"""What a loss is: one number per sample out of a student's distribution and a teacher's label, and its mean."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from teachrl._checks import check_flag
from teachrl.configurable import Configurable
from teachrl.distillation.family import Family, Parameters
from teachrl.distillation.targets import Targets
from teachrl.errors import InvalidHyperparameter, InvalidTeacher
from teachrl.schedules import START, Moment, Schedule, checked_schedule


class Loss(Configurable):
    """Base of all distillation losses.

    `loss(family, parameters, targets)` is the mean over the labels that count, `loss.losses(...)` the single ones.

    Attributes:
        name: Its short name.
        citation: Where it was published.
    """

    name: ClassVar[str]
    citation: ClassVar[str] = ""

    @classmethod
    def supports(cls, student: Family, teacher: Family | None) -> bool:
        """Tells whether the loss exists for a pair of families; a teacher without one gives bare actions."""
        raise NotImplementedError(f"{cls.__name__} must define supports")

    def validate(self, setup: Any = None) -> None:
        """Checks the arguments.

        Raises:
            InvalidHyperparameter: If one is impossible.
        """

    def check(self, student: Family, teacher: Family | None) -> None:
        """Checks, before anything is learned, that the loss exists for a pair of families with these arguments.

        Raises:
            InvalidHyperparameter: If it does not; the message says which losses do.
        """
        if self.supports(student, teacher):
            return
        from teachrl.distillation.losses import available

        label = "bare actions" if teacher is None else f"a {teacher.title}"
        raise InvalidHyperparameter(
            f"{self.name} is not defined for labels that are {label} and a student that is a {student.title}. "
            f"This pair has {', '.join(available(student, teacher))}."
        )

    def losses(
        self,
        family: Family,
        parameters: Parameters,
        targets: Targets,
        moment: Moment = START,
        executed: Tensor | None = None,
    ) -> Tensor:
        """Returns the loss of every sample; rows without a label hold a number that means nothing.

        Args:
            family: The student's.
            parameters: The student's, by name, each (..., width), with gradient.
            targets: The teacher's labels, with the same leading axes.
            moment: When in the run, for schedules.
            executed: (..., *a) actions drawn from the student's distribution, for losses estimated from samples.

        Returns:
            (...,), with gradient.
        """
        raise NotImplementedError(f"{type(self).__name__} must define losses")

    def __call__(
        self,
        family: Family,
        parameters: Parameters,
        targets: Targets,
        moment: Moment = START,
        executed: Tensor | None = None,
        weights: Tensor | None = None,
    ) -> Tensor:
        """Returns the mean over the labels that count, each times its weight (...,) if there are weights."""
        losses = self.losses(family, parameters, targets, moment, executed)
        return masked_mean(losses, targets.mask, weights)


class Tempered(Loss):
    """Base of losses between distributions, on logits divided by a temperature where there are logits.

    Args:
        temperature: Logits of both sides are divided by it, and the loss multiplied by its square so that gradients
            keep their scale (Hinton et al. 2015, https://arxiv.org/abs/1503.02531); a number or a schedule. Towards
            infinity the loss is that of the centred logits, MSE / 2 (Kim et al. 2021,
            https://arxiv.org/abs/2105.08919).
        standardize: Gives the logits of both sides mean 0 and standard deviation 1 first, so that the student learns
            their order and proportions and not their size (Sun et al. 2024, https://arxiv.org/abs/2403.01427; with
            temperature 2 there).
    """

    def __init__(self, temperature: float | dict[str, Any] = 1.0, standardize: bool = False) -> None:
        self.temperature = temperature
        self.standardize = standardize

    @cached_property
    def _schedule(self) -> Schedule:
        return checked_schedule(f"{type(self).__name__}.temperature", self.temperature, 0.0, open_ends=True)

    def validate(self, setup: Any = None) -> None:
        """Checks the arguments."""
        check_flag(self, "standardize")
        self._schedule()

    def check(self, student: Family, teacher: Family | None) -> None:
        """Checks that the loss exists for the pair, and that what is said of logits is said of a family with logits."""
        super().check(student, teacher)
        self.validate()
        if not student.discrete and (self.standardize or self.temperature != 1.0):
            raise InvalidHyperparameter(
                f"{type(self).__name__}.temperature and .standardize are about logits, and a {student.title} has none. "
                "Leave them at 1 and false."
            )
        if self.standardize:
            student.standardized({"logits": torch.zeros(student.width)})

    def _prepared(self, family: Family, parameters: Parameters, moment: Moment) -> Parameters:
        """Returns distributions as they are compared: standardised, then softened."""
        if self.standardize:
            parameters = family.standardized(parameters)
        return family.softened(parameters, self._schedule(moment))

    def _scale(self, moment: Moment) -> float:
        return self._schedule(moment) ** 2


def masked_mean(losses: Tensor, mask: Tensor, weights: Tensor | None = None) -> Tensor:
    """Returns the mean of the losses (...,) where the mask (...,) is true, each times its weight; 0 if it is nowhere.

    The divisor counts labels, not weights, so that a weight of 0 makes a sample's share of the gradient 0 and leaves
    the others theirs.
    """
    if weights is not None:
        losses = losses * weights
    return torch.where(mask, losses, torch.zeros_like(losses)).sum() / mask.sum().clamp(min=1)


def distributions_of(loss: Loss, targets: Targets) -> Parameters:
    """Returns the labels' distribution parameters.

    Raises:
        InvalidTeacher: If the labels are bare actions.
    """
    if targets.parameters is None:
        raise InvalidTeacher(f"{loss.name} compares distributions, and these labels are bare actions.")
    return targets.parameters
