"""Losses between distributions: forward, reverse and balanced Kullback-Leibler, Jensen-Shannon.

T is the teacher, S the student. Within one family everything is exact; between families there is no closed form, and
the losses of `teachrl.distillation.regression` apply.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor

from teachrl._checks import check_number
from teachrl.distillation.continuous import Beta, SquashedGaussian
from teachrl.distillation.estimators import ESTIMATORS
from teachrl.distillation.family import Family, Parameters
from teachrl.distillation.loss import Tempered, distributions_of
from teachrl.distillation.targets import Targets
from teachrl.errors import InvalidHyperparameter
from teachrl.schedules import START, Moment

Estimator = Literal["exact", "k1", "k2", "k3"]


class Divergence(Tempered):
    """Base of losses between two distributions of one family.

    Args:
        temperature: Logits of both sides are divided by it, and the loss multiplied by its square; a number or a
            schedule. Choices only.
        standardize: Gives the logits of both sides mean 0 and standard deviation 1 first. Choices only.
        least_std: The teacher's standard deviation counts as no less, in units of half the action range (of tanh's
            argument where it is squashed). The reverse KL weighs errors of the mean by 1 / sigma_T^2, which explodes
            for a converged teacher.
        clip: Clips the teacher's mean to the action space, which is what the environment did with it.
    """

    def __init__(
        self,
        temperature: float | dict[str, Any] = 1.0,
        standardize: bool = False,
        least_std: float = 0.1,
        clip: bool = True,
    ) -> None:
        super().__init__(temperature, standardize)
        self.least_std = least_std
        self.clip = clip

    @classmethod
    def supports(cls, student: Family, teacher: Family | None) -> bool:
        """Closed forms are those within one family."""
        return type(teacher) is type(student)

    def validate(self, setup: Any = None) -> None:
        """Checks the arguments."""
        super().validate(setup)
        check_number(self, "least_std", 0.0)

    def _teacher(self, targets: Targets) -> Parameters:
        """Returns the labels' distributions, clipped and widened."""
        found = distributions_of(self, targets)
        if targets.family is None:
            return found
        found = targets.family.clipped(found) if self.clip else found
        return targets.family.widened({k: v.detach() for k, v in found.items()}, self.least_std)


class ForwardKL(Divergence):
    """KL(T || S) = sum_a p_T (log p_T - log p_S): covers all that the teacher might do.

    Up to the teacher's entropy, a constant, it is the cross-entropy of kickstarting (Schmitt et al. 2018,
    https://arxiv.org/abs/1803.03835). Where the student sees less than the teacher its optimum is the average of the
    teacher's distributions over what the student cannot tell apart.
    """

    name = "forward_kl"

    def losses(
        self,
        family: Family,
        parameters: Parameters,
        targets: Targets,
        moment: Moment = START,
        executed: Tensor | None = None,
    ) -> Tensor:
        """Returns tau^2 KL(T || S) (...,)."""
        self.check(family, targets.family)
        teacher = self._prepared(family, self._teacher(targets), moment)
        return self._scale(moment) * family.kl(teacher, self._prepared(family, parameters, moment))


class ReverseKL(Divergence):
    """KL(S || T) = sum_a p_S (log p_S - log p_T): seeks one of the things that the teacher might do.

    The distillation term of KDRL (Xu et al. 2025, https://arxiv.org/abs/2506.02208), on states that the student visits.

    Args:
        temperature: Logits of both sides are divided by it, and the loss multiplied by its square; a number or a
            schedule. Choices only.
        standardize: Gives the logits of both sides mean 0 and standard deviation 1 first. Choices only.
        least_std: The teacher's standard deviation counts as no less, in units of half the action range.
        clip: Clips the teacher's mean to the action space, which is what the environment did with it.
        floor: Least probability of a choice, given to the teacher by mixing in the uniform distribution: the loss is
            infinite where the teacher never does what the student might.
        estimator: `"exact"` sums or closed forms, or an estimate from the action that the student took: see
            `teachrl.distillation.estimators`. Estimates need actions drawn from the very distribution that is learned,
            unclipped.
    """

    name = "reverse_kl"
    citation = "Xu et al. 2025, KDRL, https://arxiv.org/abs/2506.02208"

    def __init__(
        self,
        temperature: float | dict[str, Any] = 1.0,
        standardize: bool = False,
        least_std: float = 0.1,
        clip: bool = True,
        floor: float = 1e-6,
        estimator: Estimator = "exact",
    ) -> None:
        super().__init__(temperature, standardize, least_std, clip)
        self.floor = floor
        self.estimator = estimator

    def validate(self, setup: Any = None) -> None:
        """Checks the arguments."""
        super().validate(setup)
        check_number(self, "floor", 0.0, 1.0)
        if self.estimator not in get_args(Estimator):
            raise InvalidHyperparameter(
                f"ReverseKL.estimator is one of {', '.join(get_args(Estimator))}, got {self.estimator!r}."
            )

    def check(self, student: Family, teacher: Family | None) -> None:
        """Checks the pair; an estimate needs densities over the same actions only."""
        squashed = (SquashedGaussian, Beta)
        if self.estimator != "exact" and isinstance(student, squashed) and isinstance(teacher, squashed):
            self.validate()
            return
        super().check(student, teacher)

    def losses(
        self,
        family: Family,
        parameters: Parameters,
        targets: Targets,
        moment: Moment = START,
        executed: Tensor | None = None,
    ) -> Tensor:
        """Returns tau^2 KL(S || T) (...,), or its estimate."""
        self.check(family, targets.family)
        other = targets.family or family
        teacher = other.floored(self._prepared(other, self._teacher(targets), moment), self.floor)
        student = self._prepared(family, parameters, moment)
        if self.estimator == "exact":
            return self._scale(moment) * family.kl(student, teacher)
        if executed is None:
            raise InvalidHyperparameter(
                f"The estimator {self.estimator!r} needs the actions that the student took. Use `exact` where they are "
                "not known, with stored labels for example."
            )
        estimate = ESTIMATORS[self.estimator]
        return self._scale(moment) * estimate(family.log_prob(student, executed), other.log_prob(teacher, executed))


class JensenShannon(Tempered):
    """alpha KL(T || M) + (1 - alpha) KL(S || M), M = alpha p_T + (1 - alpha) p_S: bounded, between the two KLs.

    The generalised form of Agarwal et al. 2023 (https://arxiv.org/abs/2306.13649): divided by alpha it tends to the
    forward KL as alpha falls to 0, divided by 1 - alpha to the reverse KL as it rises to 1. Choices only: it has no
    closed form for densities.

    Args:
        alpha: Share of the teacher in the mixture; 0.5 is the symmetric divergence.
        temperature: Logits of both sides are divided by it, and the loss multiplied by its square; a number or a
            schedule. Choices only.
        standardize: Gives the logits of both sides mean 0 and standard deviation 1 first. Choices only.
    """

    name = "js"
    citation = "Agarwal et al. 2023, https://arxiv.org/abs/2306.13649"

    def __init__(
        self, alpha: float = 0.5, temperature: float | dict[str, Any] = 1.0, standardize: bool = False
    ) -> None:
        super().__init__(temperature, standardize)
        self.alpha = alpha

    @classmethod
    def supports(cls, student: Family, teacher: Family | None) -> bool:
        """Exact sums are those over choices."""
        return student.discrete and type(teacher) is type(student)

    def validate(self, setup: Any = None) -> None:
        """Checks the arguments."""
        super().validate(setup)
        check_number(self, "alpha", 0.0, 1.0, open_ends=True)

    def losses(
        self,
        family: Family,
        parameters: Parameters,
        targets: Targets,
        moment: Moment = START,
        executed: Tensor | None = None,
    ) -> Tensor:
        """Returns tau^2 times the divergence (...,)."""
        self.check(family, targets.family)
        teacher = self._prepared(family, {k: v.detach() for k, v in distributions_of(self, targets).items()}, moment)
        student = self._prepared(family, parameters, moment)
        return self._scale(moment) * family.jensen_shannon(teacher, student, self.alpha)


class Balanced(Divergence):
    """w KL(T || S) + (1 - w) KL(S || T), w = sigmoid(k (H_T - H_S)) per sample, without gradient.

    BD-KD (Amara et al. 2022, https://arxiv.org/abs/2212.12965): a student that is surer than its teacher is spread by
    the forward KL, one that is less sure is drawn together by the reverse one. The published weights switch with the
    sign of the entropy gap; the sigmoid is their smooth form, and k its steepness. Entropies are those at temperature
    1. The teacher stays as it is, where the paper trains both.

    Args:
        temperature: Logits of both sides are divided by it, and the loss multiplied by its square; a number or a
            schedule. Choices only.
        standardize: Gives the logits of both sides mean 0 and standard deviation 1 first. Choices only.
        least_std: The teacher's standard deviation counts as no less, in units of half the action range.
        clip: Clips the teacher's mean to the action space, which is what the environment did with it.
        floor: Least probability of a choice, given to the teacher by mixing in the uniform distribution.
        steepness: k.
    """

    name = "balanced"
    citation = "Amara et al. 2022, BD-KD, https://arxiv.org/abs/2212.12965"

    def __init__(
        self,
        temperature: float | dict[str, Any] = 1.0,
        standardize: bool = False,
        least_std: float = 0.1,
        clip: bool = True,
        floor: float = 1e-6,
        steepness: float = 1.0,
    ) -> None:
        super().__init__(temperature, standardize, least_std, clip)
        self.floor = floor
        self.steepness = steepness

    def validate(self, setup: Any = None) -> None:
        """Checks the arguments."""
        super().validate(setup)
        check_number(self, "floor", 0.0, 1.0)
        check_number(self, "steepness", 0.0)

    def forward_weights(self, family: Family, parameters: Parameters, targets: Targets) -> Tensor:
        """Returns w (...,), the weight of the forward KL."""
        with torch.no_grad():
            gap = family.entropy(self._teacher(targets)) - family.entropy(parameters)
            return torch.sigmoid(self.steepness * gap)

    def losses(
        self,
        family: Family,
        parameters: Parameters,
        targets: Targets,
        moment: Moment = START,
        executed: Tensor | None = None,
    ) -> Tensor:
        """Returns tau^2 (w KL(T || S) + (1 - w) KL(S || T)) (...,)."""
        self.check(family, targets.family)
        weight = self.forward_weights(family, parameters, targets)
        teacher = self._prepared(family, self._teacher(targets), moment)
        student = self._prepared(family, parameters, moment)
        backward = family.kl(student, family.floored(teacher, self.floor))
        return self._scale(moment) * (weight * family.kl(teacher, student) + (1 - weight) * backward)
