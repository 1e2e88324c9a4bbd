"""Losses against single actions: negative log-likelihood, mean squared error, Huber."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from teachrl._checks import check_number
from teachrl.distillation.continuous import Continuous
from teachrl.distillation.family import Family, Parameters
from teachrl.distillation.loss import Loss
from teachrl.distillation.targets import Targets
from teachrl.errors import InvalidTeacher, NonFiniteData
from teachrl.schedules import START, Moment


class NLL(Loss):
    """-log pi_S(a* | o) - w H(pi_S): behaviour cloning (Pomerleau 1989), of the actions, whatever else a label holds.

    Actions are clipped to the space first; densities that end at its bounds are taken 1e-4 inside them.

    Args:
        least_std: The student's standard deviation counts as no less, in units of half the action range (of tanh's
            argument where it is squashed): with a free one the likelihood of a deterministic teacher has no upper
            bound. The default is e^-3.
        entropy_weight: w. `imitation`'s behaviour cloning has 0.001.
    """

    name = "nll"

    def __init__(self, least_std: float = 0.05, entropy_weight: float = 0.0) -> None:
        self.least_std = least_std
        self.entropy_weight = entropy_weight

    @classmethod
    def supports(cls, student: Family, teacher: Family | None) -> bool:
        """Every student has likelihoods, and every label an action."""
        return True

    def validate(self, setup: Any = None) -> None:
        """Checks the arguments."""
        check_number(self, "least_std", 0.0)
        check_number(self, "entropy_weight", 0.0)

    def losses(
        self,
        family: Family,
        parameters: Parameters,
        targets: Targets,
        moment: Moment = START,
        executed: Tensor | None = None,
    ) -> Tensor:
        """Returns -log pi_S(a*) - w H (...,)."""
        student = family.widened(parameters, self.least_std)
        actions = targets.actions
        if isinstance(family, Continuous):
            actions = family.from_unit(family.to_unit(actions))
        losses = -family.log_prob(student, actions)
        return losses - self.entropy_weight * family.entropy(student) if self.entropy_weight else losses


class Regression(Loss):
    """Base of losses on the difference between what student and teacher do without chance."""

    @classmethod
    def supports(cls, student: Family, teacher: Family | None) -> bool:
        """Numbers compare with numbers whatever the families, logits with logits of the same one."""
        if not student.discrete:
            return teacher is None or not teacher.discrete
        return type(teacher) is type(student)

    def _pair(self, family: Family, parameters: Parameters, targets: Targets) -> tuple[Tensor, Tensor]:
        """Returns what the student (..., D) and the teacher (..., D) have: actions in units, or centred logits."""
        self.check(family, targets.family)
        student = family.coordinates(parameters)
        if targets.family is not None and targets.parameters is not None:
            teacher = targets.family.coordinates(targets.family.clipped(targets.parameters))
        elif isinstance(family, Continuous):
            teacher = family.to_unit(targets.actions)
        else:
            raise InvalidTeacher(f"{self.name} compares logits, and these labels are bare actions.")
        if family.discrete and not bool(torch.isfinite(teacher).all()):
            raise NonFiniteData(
                f"{self.name} compares logits, and the teacher's hold infinity: actions of probability 0. Use a KL, "
                "which takes them as they are."
            )
        return student, teacher.detach()


class MSE(Regression):
    """mean_i (x_S,i - x_T,i)^2 over an action's coordinates, in units of half its range; of centred logits for choices.

    The teacher's action is clipped to the space first, where there are distributions their deterministic action. On
    numbers it is the forward KL of Gaussians with a fixed standard deviation, up to a factor; on logits see Kim et al.
    2021, https://arxiv.org/abs/2105.08919.
    """

    name = "mse"

    def losses(
        self,
        family: Family,
        parameters: Parameters,
        targets: Targets,
        moment: Moment = START,
        executed: Tensor | None = None,
    ) -> Tensor:
        """Returns the mean squared difference (...,)."""
        student, teacher = self._pair(family, parameters, targets)
        return ((student - teacher) ** 2).mean(-1)


class Huber(Regression):
    """mean_i h(x_S,i - x_T,i), h(e) = e^2 / 2 up to delta, delta (|e| - delta / 2) beyond (Huber 1964).

    On the same coordinates as `MSE`.

    Args:
        delta: Where it turns from a square into a line.
    """

    name = "huber"

    def __init__(self, delta: float = 1.0) -> None:
        self.delta = delta

    def validate(self, setup: Any = None) -> None:
        """Checks delta."""
        check_number(self, "delta", 0.0, open_ends=True)

    def losses(
        self,
        family: Family,
        parameters: Parameters,
        targets: Targets,
        moment: Moment = START,
        executed: Tensor | None = None,
    ) -> Tensor:
        """Returns the mean of h (...,)."""
        student, teacher = self._pair(family, parameters, targets)
        return functional.huber_loss(student, teacher, reduction="none", delta=self.delta).mean(-1)
