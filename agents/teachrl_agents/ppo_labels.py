"""The labels' part in PPO's objective: kickstarting and KDRL.

Kickstarting: https://arxiv.org/abs/1803.03835. KDRL: https://arxiv.org/abs/2506.02208. The reward term:
https://arxiv.org/abs/1902.02186 (Czarnecki et al. 2019).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from teachrl.classroom import Classroom
from teachrl.distillation.estimators import distilled_episodes, distilled_steps
from teachrl.distillation.families import Family, choose_family
from teachrl.distillation.loss import Loss
from teachrl.distillation.losses import make_loss
from teachrl.distillation.targets import Targets, make_targets, one_form
from teachrl.errors import InvalidHyperparameter, InvalidTeacher
from teachrl.lessons import Array, Floats, Labels
from teachrl.schedules import Moment
from teachrl_agents.ppo_buffer import Fold
from teachrl_agents.ppo_episodes import Episodes

Place = Literal["loss", "reward", "both"]
FLOOR = 1e-6
"""Least probability of a choice that the reward term gives to a teacher; its logarithm is infinite at 0."""
LEAST_STD = 0.1
"""Least standard deviation, in half ranges, that it gives to a teacher."""


class LabelTerm:
    """Turns the labels of a rollout into targets, a loss and a penalty on rewards.

    Args:
        space: The action space.
        family: The student's distributions.
        loss: `auto`, a name or a description, see `teachrl.distillation.make_loss`.
        place: Where the teacher counts: `loss`, `reward` or `both`.
        mask: `none`, `response` or `group`, see `teachrl.distillation.estimators.distilled_episodes`.
        success_return: An episode whose own rewards sum to more has succeeded, where the environment does not say.

    Raises:
        InvalidHyperparameter: If an argument is impossible.
    """

    def __init__(
        self,
        space: spaces.Space[Any],
        family: Family,
        loss: str | Mapping[str, Any],
        place: str,
        mask: str,
        success_return: float | None,
        device: torch.device,
    ) -> None:
        if place not in get_args(Place):
            raise InvalidHyperparameter(f"PPO.kl_in is one of {', '.join(get_args(Place))}, got {place!r}.")
        self._space, self._family, self._place, self._mask = space, family, place, mask
        self._success_return, self._device = success_return, device
        self._loss: Loss | None = None if loss == "auto" else make_loss(loss)
        self._rows: list[Labels] = []
        self._distilled_share: float | None = None
        distilled_episodes(torch.zeros(0, dtype=torch.bool), torch.zeros(0), mask)  # type: ignore[arg-type] # checks it

    @property
    def in_loss(self) -> bool:
        """Whether the teacher counts in the loss."""
        return self._place != "reward"

    def add(self, labels: tuple[Labels, ...]) -> None:
        """Takes in the labels of one step; each environment's are those of the first teacher that gives any."""
        from teachrl.distillation.collecting import merged

        self._rows.append(merged(labels))

    def targets(self, episodes: Episodes) -> Targets:
        """Returns the labels (T, N) of the rollout that count, and forgets them.

        Raises:
            InvalidTeacher: If they do not fit the action space, or change their form.
            InvalidEnvironment: If the mask needs to know which episodes succeeded, and nobody says.
        """
        rows, self._rows = self._rows, []
        names = one_form(row.parameters for row in rows)
        parameters = {k: np.stack([row.parameters[k] for row in rows if row.parameters]) for k in names}
        given, distilled = np.stack([row.mask for row in rows]).astype(bool), self._distilled(episodes)
        if self._mask != "none":
            labelled = given & episodes.learn[episodes.which]
            self._distilled_share = float(distilled[labelled].mean()) if labelled.any() else 0.0
        targets = make_targets(
            self._space, np.stack([row.actions for row in rows]), parameters or None, given & distilled,
            device=self._device,
        )  # fmt: skip
        self._choose(targets.family)
        return targets

    def check(self, classroom: Classroom) -> None:
        """Checks that there is something to learn from what the teachers of a classroom say now.

        Raises:
            InvalidTeacher: If rewards are to tell of a distribution, and these have none or one of another family.
            InvalidHyperparameter: If the loss does not exist for them.
        """
        from teachrl.distillation.collecting import asked

        parameters = asked(classroom).parameters
        self._choose(choose_family(self._space, parameters) if parameters else None)

    def _choose(self, teacher: Family | None) -> None:
        if self._place != "loss" and not isinstance(teacher, type(self._family)):
            raise self._no_distribution(teacher)
        if self._loss is None:
            from teachrl.distillation.learning import usual_loss

            self._loss = usual_loss(self._family, teacher)
        if self.in_loss:
            self._loss.check(self._family, teacher)

    def _no_distribution(self, teacher: Family | None) -> InvalidTeacher:
        told = "these labels are bare actions" if teacher is None else f"these labels are a {teacher.title}"
        return InvalidTeacher(
            f"With kl_in='reward' or 'both' the teacher must give its action distribution, of the student's family, a "
            f"{self._family.title}, and {told}. Take kl_in='loss', or a network of the teacher's family."
        )

    def scalars(self) -> dict[str, float]:
        """Returns the share of the labelled steps that were distilled, where some may be left out."""
        return {} if self._distilled_share is None else {"distilled": self._distilled_share}

    def _distilled(self, episodes: Episodes) -> Array:
        """Returns (T, N) bool: KDRL's reward-guided masking, by which solved episodes or groups are left alone.

        Raises:
            InvalidEnvironment: If neither environment nor user says what a success is.
        """
        if self._mask == "none":
            return np.ones_like(episodes.which, dtype=bool)
        success = torch.as_tensor(episodes.succeeded(self._success_return))
        kept = distilled_episodes(success, torch.as_tensor(episodes.groups), self._mask)  # type: ignore[arg-type]
        return distilled_steps(kept, torch.as_tensor(episodes.which)).numpy()

    def penalty(self, targets: Targets, log_probs: Floats, actions: Tensor) -> Floats:
        """Returns log pi_S(a) - log pi_T(a) (T, N), 0 where there is no label or the teacher counts in the loss only.

        Args:
            targets: The labels (T, N).
            log_probs: (T, N) of the executed actions by the student.
            actions: (T, N, *a) the executed actions.

        Raises:
            InvalidTeacher: If the labels are bare actions, or of another family.
        """
        if self._place == "loss":
            return np.zeros_like(log_probs)
        if targets.family is None or targets.parameters is None:
            raise self._no_distribution(targets.family)
        teacher = targets.family.floored(targets.family.widened(targets.parameters, LEAST_STD), FLOOR)
        given = targets.family.log_prob(teacher, actions).cpu().numpy()
        return np.where(targets.mask.cpu().numpy(), log_probs - given, 0.0)

    def loss(
        self, parameters: Mapping[str, Tensor], targets: Targets, actions: Tensor, learn: Tensor, moment: Moment
    ) -> Tensor:
        """Returns the mean loss of the labels that count and are learned from."""
        if self._loss is None:
            raise InvalidTeacher("There were no labels in this rollout.")
        counted = Targets(targets.actions, targets.family, targets.parameters, targets.mask & learn)
        return self._loss(self._family, parameters, counted, moment, actions)


def cut_targets(targets: Targets, fold: Fold) -> Targets:
    """Returns labels (T, N) as sequences (L, B)."""
    parameters = None if targets.parameters is None else {k: fold.cut(v) for k, v in targets.parameters.items()}
    return Targets(fold.cut(targets.actions), targets.family, parameters, fold.cut(targets.mask))


def cosine(one: Tensor, other: Tensor, weights: list[Tensor]) -> float:
    """Returns the cosine between the gradients of two losses by some weights; 0 if one of them is 0."""
    gradients = [torch.autograd.grad(x, weights, retain_graph=True, materialize_grads=True) for x in (one, other)]
    a, b = (torch.cat([part.flatten() for part in parts]) for parts in gradients)
    return float(torch.nn.functional.cosine_similarity(a, b, dim=0))
