"""The hyperparameters of PPO, apart from the algorithm."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from teachrl._checks import check, check_count, check_flag, check_number, check_share
from teachrl.errors import InvalidHyperparameter
from teachrl.schedules import Schedule, checked_schedule
from teachrl.student import Student
from teachrl_agents.nets import Network

_SCHEDULED = ("learning_rate", "clip_range", "ent_coef", "rl_weight", "label_weight")
MOST_LOG_RATIO = 20.0
"""Logarithms of probability ratios are clamped to this: under a Gaussian those of overridden actions have no bound."""
DUAL_CLIP = 3.0
"""Most that the ratio of an overridden action counts where it was a bad one."""


_WORDS = {
    "advantages": ("gae", "group"),
    "kl_in": ("loss", "reward", "both"),
    "label_mask": ("none", "response", "group"),
}


class PPOArguments(Student):
    """What `teachrl_agents.PPO` takes.

    Everything that `float | dict` says is a number or a schedule, `{schedule: linear, from: 3e-4, to: 0}`.

    Args:
        network: What it learns with: `MLP`, `CNN` or `Recurrent`, or its name; by the observations if None.
        n_steps: Steps of each environment in a rollout.
        batch_size: Steps in a minibatch; sequences of a recurrent network stay whole.
        n_epochs: Passes over a rollout.
        learning_rate: Adam's.
        gamma: Discount.
        gae_lambda: Lambda of generalised advantage estimation.
        clip_range: How far the probability ratio may move.
        clip_range_vf: How far values may move in a rollout; None is not limited.
        ent_coef: Weight of the entropy.
        vf_coef: Weight of the value loss.
        max_grad_norm: Gradients are scaled down to this norm.
        target_kl: A rollout is done with when the policy has moved 1.5 times as far; None is never.
        bptt: Length of the sequences that gradients run through in a recurrent network, a divisor of `n_steps`; 0 is
            the whole rollout.
        advantages: `gae`, or `group`: returns of episodes relative to those of the same task, seed and start that ended
            in the same rollout. Lessons without a seed count as having the same one.
        normalize_advantages: Gives them mean 0 and standard deviation 1 in each minibatch.
        normalize_rewards: Divides rewards by the running deviation of their discounted sums. None does so where `start`
            brings no critic: a new one finds values of order 1 while it warms up, and not those in the hundreds.
        critic_view: The view that the critic sees, where the environment has several; None is the student's.
        rl_weight: Weight of reinforcement.
        label_weight: Weight of the labels.
        label_loss: `auto` (the forward KL, or what bare actions allow), a name such as `reverse_kl`, or
            `{name: reverse_kl, estimator: k2}`.
        kl_in: `loss`; `reward`, which pays label_weight (log pi_T(a) - log pi_S(a)) and so accounts for what follows;
            or `both`. Rewards tell a teacher's distributions, of the student's family, and generalised advantages only.
        label_mask: `none`; `response` leaves solved episodes out of the distillation; `group` those of whose group one
            was solved.
        success_return: An episode whose own rewards, shaping left out, sum to more is solved, for `label_mask`, where
            the environment does not say `is_success`.
        start: What to start from: a run's directory, whose student has a network of ours, a `.safetensors` file, a
            network, a policy or a student; None is new weights. With a run, `network` is its own if None. A resumed run
            needs it no more.
        start_std: Standard deviation to start with, in half ranges of the action; None keeps that of the weights.
            Choices have none, and leave it unread.
        critic_warmup: Number of first rollouts from which only the critic learns; what actions depend on, the running
            statistics of what the actor sees too, is left as it is.
        device: PyTorch's name of a device; `auto` takes a GPU where there is one. Small networks are faster without.
    """

    def __init__(
        self,
        network: Network | None = None,
        n_steps: int = 256,
        batch_size: int = 256,
        n_epochs: int = 10,
        learning_rate: float | dict[str, Any] = 3e-4,
        gamma: float = 0.99,
        gae_lambda: float = 0.95,
        clip_range: float | dict[str, Any] = 0.2,
        clip_range_vf: float | None = None,
        ent_coef: float | dict[str, Any] = 0.0,
        vf_coef: float = 0.5,
        max_grad_norm: float = 0.5,
        target_kl: float | None = None,
        bptt: int = 0,
        advantages: str = "gae",
        normalize_advantages: bool = True,
        normalize_rewards: bool | None = None,
        critic_view: str | None = None,
        rl_weight: float | dict[str, Any] = 1.0,
        label_weight: float | dict[str, Any] = 1.0,
        label_loss: str | dict[str, Any] = "auto",
        kl_in: str = "loss",
        label_mask: str = "none",
        success_return: float | None = None,
        start: Any = None,
        start_std: float | None = None,
        critic_warmup: int = 0,
        device: str = "cpu",
    ) -> None:
        self.network = network
        self.n_steps = n_steps
        self.batch_size = batch_size
        self.n_epochs = n_epochs
        self.learning_rate = learning_rate
        self.gamma = gamma
        self.gae_lambda = gae_lambda
        self.clip_range = clip_range
        self.clip_range_vf = clip_range_vf
        self.ent_coef = ent_coef
        self.vf_coef = vf_coef
        self.max_grad_norm = max_grad_norm
        self.target_kl = target_kl
        self.bptt = bptt
        self.advantages = advantages
        self.normalize_advantages = normalize_advantages
        self.normalize_rewards = normalize_rewards
        self.critic_view = critic_view
        self.rl_weight = rl_weight
        self.label_weight = label_weight
        self.label_loss = label_loss
        self.kl_in = kl_in
        self.label_mask = label_mask
        self.success_return = success_return
        self.start = str(start) if isinstance(start, Path) else start  # data, for a run's configuration
        self.start_std = start_std
        self.critic_warmup = critic_warmup
        self.device = device

    def validate(self, setup: Any) -> None:
        """Checks the arguments.

        Raises:
            InvalidHyperparameter: If one is impossible.
            UnknownName: If there is no such loss, network or schedule.
        """
        from teachrl.distillation.distiller import find_device
        from teachrl.distillation.losses import make_loss
        from teachrl.distillation.names import make_network

        self._check_numbers()
        if self.n_steps % (self.bptt or self.n_steps):
            raise InvalidHyperparameter(
                f"PPO.bptt is a divisor of n_steps, {self.n_steps}, or 0 for all of it; got {self.bptt}."
            )
        for name, known in _WORDS.items():
            check(self, name, getattr(self, name) in known, f"one of {', '.join(known)}")
        if self.advantages == "group" and self.kl_in != "loss":
            raise InvalidHyperparameter(
                f"PPO.kl_in={self.kl_in!r} pays step by step, which advantages='group' do not see: they compare what "
                "whole episodes returned. Take kl_in='loss', or advantages='gae'."
            )
        if isinstance(self.clip_range, int | float):
            check_number(self, "clip_range", 0, open_ends=True)
        _ = self.schedules
        if self.label_loss != "auto":
            make_loss(self.label_loss)
        if self.network is not None:
            check(self, "network", not isinstance(self.network, type), "a network, such as MLP(), or the name of one")
            make_network(self.network)
        find_device(self.device)

    def _check_numbers(self) -> None:
        for name, least in {"n_steps": 1, "batch_size": 1, "n_epochs": 1, "bptt": 0, "critic_warmup": 0}.items():
            check_count(self, name, least)
        for name in ("gamma", "gae_lambda"):
            check_share(self, name)
        check_number(self, "vf_coef", 0)
        check_number(self, "max_grad_norm", 0, open_ends=True)
        for name in ("clip_range_vf", "target_kl", "start_std"):
            check_number(self, name, 0, open_ends=True, optional=True)
        check_number(self, "success_return", float("-inf"), optional=True)
        check_flag(self, "normalize_advantages")
        if self.normalize_rewards is not None:
            check_flag(self, "normalize_rewards")

    @cached_property
    def schedules(self) -> dict[str, Schedule]:
        """The numbers that change over a run, by name."""
        return {name: checked_schedule(f"PPO.{name}", getattr(self, name), 0.0) for name in _SCHEDULED}
