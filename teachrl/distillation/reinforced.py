"""Distillation and reinforcement in one objective: kickstarting, and KDRL.

Kickstarting: https://arxiv.org/abs/1803.03835. KDRL: https://arxiv.org/abs/2506.02208.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from teachrl._checks import check
from teachrl.distillation.methods import Method, Number, Spec
from teachrl.errors import InvalidHyperparameter
from teachrl.schedules import checked_schedule
from teachrl.student import Student

NOTHING: Mapping[str, Any] = {}
FADING: dict[str, Any] = {"schedule": "linear", "from": 1.0, "to": 0.0, "until": 0.5}
"""As heavy as reinforcement with normalised advantages at first, gone by the middle of the run."""
FALLING: dict[str, Any] = {"schedule": "linear", "from": 0.5, "to": 0.1}
"""KDRL's fall from 5e-3 to 1e-3, a hundred times as heavy: its own is per token of a language model."""

SLOWING: dict[str, Any] = {"schedule": "linear", "from": 1e-3, "to": 3e-4, "until": 0.5}
"""Large steps while labels, which have little noise, are most of the gradient; PPO's own size when they are gone."""
PACE: dict[str, Any] = {"n_steps": 128, "learning_rate": SLOWING, "normalize_rewards": True}
"""PPO's arguments where a teacher pulls as well, unless the user says otherwise.

Returns are brought to order 1: where they are in the hundreds, the value loss takes a memory that actor and critic
share for itself, and the labels, of order 1, are lost beside it.
"""


class Reinforced(Method):
    """Base of methods that are PPO with labels in its objective."""

    weight: Number
    loss: Spec
    ppo: dict[str, Any]

    def validate(self, setup: Any = None) -> None:
        """Checks the arguments, those of PPO among them.

        Raises:
            InvalidHyperparameter: If one is impossible.
            UnknownName: If there is no such loss or schedule.
        """
        self.student(None).validate(setup)

    def _student(self, network: Any, **arguments: Any) -> Student:
        """Returns a PPO, with further arguments of the user's, and `PACE` where they leave it open."""
        from teachrl.configuration import instantiate

        name = type(self).__name__
        checked_schedule(f"{name}.weight", self.weight, 0.0)
        if self.loss != "auto":
            from teachrl.distillation.losses import make_loss

            make_loss(self.loss)
        check(self, "ppo", isinstance(self.ppo, Mapping), "a mapping of arguments of PPO by name")
        if taken := sorted({"network", *arguments} & set(self.ppo)):
            raise InvalidHyperparameter(
                f"{name}.ppo holds {', '.join(taken)}, which {name} sets itself from its own arguments; the network is "
                "the student's: distill(..., student=MLP())."
            )
        given = {"network": network, **PACE, **arguments, **self.ppo}
        return instantiate({"class_path": "PPO", "init_args": given}, Student)


class Kickstart(Reinforced):
    """Kickstarting (Schmitt et al. 2018): PPO, with a pull towards the teacher that fades.

    L = L_PPO + lambda KL(T || S) on the states that the student visits. Where the student sees less than its teacher,
    reinforcement finds what imitation cannot teach it (looking for what the teacher knows), once lambda has fallen.

    Args:
        weight: lambda, a number or a schedule. It is to be of order 1 at first, and 0 by a quarter to half of the run,
            or the student stays within what can be imitated.
        loss: `auto` (the forward KL where labels are distributions of the student's family), or a loss by name.
        critic_view: The view that the critic sees, where the environment has several; None is the student's.
        ppo: Further arguments of `PPO`, by name: `{gamma: 0.98, start: runs/student}`. Where it says nothing, n_steps
            is 128, learning_rate falls from 1e-3 to 3e-4 by the middle of the run, and normalize_rewards is true.
    """

    citation = "https://arxiv.org/abs/1803.03835"
    bibtex = """@article{schmitt2018kickstarting,
  title = {Kickstarting Deep Reinforcement Learning},
  author = {Schmitt, Simon and Hudson, Jonathan J. and Zidek, Augustin and Osindero, Simon and Doersch, Carl and
            Czarnecki, Wojciech M. and Leibo, Joel Z. and Kuttler, Heinrich and Zisserman, Andrew and Simonyan, Karen
            and Eslami, S. M. Ali},
  journal = {arXiv preprint arXiv:1803.03835},
  year = {2018}
}"""

    def __init__(
        self,
        weight: Number = FADING,
        loss: Spec = "auto",
        critic_view: str | None = None,
        ppo: dict[str, Any] = NOTHING,  # type: ignore[assignment]
    ) -> None:
        self.weight = weight
        self.loss = loss
        self.critic_view = critic_view
        self.ppo = ppo

    def student(self, network: Any) -> Student:
        """Returns a `PPO` that learns in this way."""
        return self._student(
            network, label_weight=self.weight, label_loss=self.loss, critic_view=self.critic_view, kl_in="loss"
        )


class KDRL(Reinforced):
    """KDRL (Xu et al. 2025): PPO and the reverse KL to the teacher together, where the student fails.

    J = J_PPO - beta KL(S || T) on the states that the student visits. The KL is an exact sum over actions, or a closed
    form over numbers; `{name: reverse_kl, estimator: k2}` is the paper's estimate from samples.

    Args:
        weight: beta, a number or a schedule. The paper's falls linearly from 5e-3 to 1e-3, per token of a language
            model; ours does by the same factor, a hundred times as heavy.
        loss: A loss by name, with arguments.
        mask: Reward-guided masking: `response` distils on episodes that failed only, `group` on groups (one task, seed
            and start) without any success, `none` on all.
        success_return: An episode whose own rewards sum to more has succeeded, where the environment does not say
            `is_success`.
        advantages: `gae`, or `group`: returns of episodes relative to those of their group, as in the paper.
        critic_view: The view that the critic sees, where the environment has several; None is the student's.
        ppo: Further arguments of `PPO`, by name: `{gamma: 0.98, start: runs/student}`. Where it says nothing, n_steps
            is 128, learning_rate falls from 1e-3 to 3e-4 by the middle of the run, and normalize_rewards is true.
    """

    citation = "https://arxiv.org/abs/2506.02208"
    bibtex = """@article{xu2025kdrl,
  title = {{KDRL}: Post-Training Reasoning {LLMs} via Unified Knowledge Distillation and Reinforcement Learning},
  author = {Xu, Hongling and Zhu, Qi and Deng, Heyuan and Li, Jinpeng and Hou, Lu and Wang, Yasheng and
            Shang, Lifeng and Xu, Ruifeng and Mi, Fei},
  journal = {arXiv preprint arXiv:2506.02208},
  year = {2025}
}"""

    def __init__(
        self,
        weight: Number = FALLING,
        loss: Spec = "reverse_kl",
        mask: str = "response",
        success_return: float | None = None,
        advantages: str = "gae",
        critic_view: str | None = None,
        ppo: dict[str, Any] = NOTHING,  # type: ignore[assignment]
    ) -> None:
        self.weight = weight
        self.loss = loss
        self.mask = mask
        self.success_return = success_return
        self.advantages = advantages
        self.critic_view = critic_view
        self.ppo = ppo

    def student(self, network: Any) -> Student:
        """Returns a `PPO` that learns in this way."""
        from teachrl.distillation.estimators import Level

        for argument, known in (("mask", get_args(Level)), ("advantages", ("gae", "group"))):
            check(self, argument, getattr(self, argument) in known, f"one of {', '.join(known)}")
        return self._student(
            network, label_weight=self.weight, label_loss=self.loss, label_mask=self.mask, kl_in="loss",
            success_return=self.success_return, advantages=self.advantages, critic_view=self.critic_view,
        )  # fmt: skip
