"""Proximal policy optimisation that learns from labels too, with or without a memory.

Schulman et al. 2017, https://arxiv.org/abs/1707.06347; the details are those of Huang et al. 2022,
https://iclr-blog-track.github.io/2022/03/25/ppo-implementation-details/. Labels in the objective: kickstarting,
https://arxiv.org/abs/1803.03835, and KDRL, https://arxiv.org/abs/2506.02208. A critic that sees more than the actor:
https://arxiv.org/abs/1710.06542. Group-relative advantages: https://arxiv.org/abs/2402.03300. Dual clipping:
https://arxiv.org/abs/1912.09729.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from teachrl.errors import InvalidStudent
from teachrl.lessons import Array, Bools, Experience, Floats, Observations, Rollout
from teachrl.schedules import Moment
from teachrl.student import all_channels, learn_together
from teachrl_agents.ppo_gae import gae
from teachrl_agents.ppo_settings import DUAL_CLIP, MOST_LOG_RATIO, PPOArguments

if TYPE_CHECKING:
    from torch import Tensor

    from teachrl.classroom import Classroom
    from teachrl_agents.net import Net
    from teachrl_agents.net_policy import NetPolicy
    from teachrl_agents.ppo_buffer import Sequences


class PPO(PPOArguments):
    """Proximal policy optimisation; where teachers give labels, it matches them as well.

    The objective is rl_weight (policy + vf_coef value - ent_coef entropy) + label_weight distillation. Actions that
    teachers override are learned from as executed, with their own log-probabilities, and bad ones of them with a dual
    clip; lessons with `learn=False` are left out.
    """

    accepts = all_channels()
    citation = "https://arxiv.org/abs/1707.06347"
    bibtex = r"""@article{schulman2017proximal,
  title = {Proximal policy optimization algorithms},
  author = {Schulman, John and Wolski, Filip and Dhariwal, Prafulla and Radford, Alec and Klimov, Oleg},
  journal = {arXiv preprint arXiv:1707.06347},
  year = {2017}
}"""
    _net: Net | None = None
    _seeds: tuple[int, ...] = ()
    _scalars: dict[str, float] | None = None

    def begin(self, classroom: Classroom, seed: np.random.SeedSequence, total_steps: int) -> None:
        """Makes the network and the optimiser; a path to start from is read when the network is first needed.

        Raises:
            InvalidHyperparameter: If an argument is impossible, or the weights to start from do not fit.
            InvalidStudent: If the network cannot see or act in such a classroom.
            UnknownName: If there is no view `critic_view`.
        """
        from teachrl_agents.ppo_start import started_net

        self.validate(None)
        self._classroom, self._total_steps, self._net = classroom, total_steps, None
        self._seeds = tuple(int(s) for s in seed.generate_state(4, np.uint64) >> np.uint64(1))
        if not isinstance(self.start, str):
            self._take(*started_net(self, classroom, self._seeds[0]))
        classroom.gamma = self.gamma

    def _take(self, net: Net, new_critic: bool) -> None:
        """Makes everything else for a network, whose critic may be new beside an actor that is not."""
        import torch

        from teachrl_agents.ppo_buffer import ReturnScale
        from teachrl_agents.ppo_labels import LabelTerm

        classroom = self._classroom
        self._net, self._weights = net, list(net.parameters())
        self._optimizer = torch.optim.Adam(self._weights, lr=1.0, eps=1e-5, fused=True)
        self._generator = torch.Generator(net.device).manual_seed(self._seeds[1])
        self._sampler = torch.Generator(net.device).manual_seed(self._seeds[3])  # for those who ask its policy
        self._order = np.random.default_rng(self._seeds[2])
        self._labels = None
        if "labels" in classroom.channels:
            self._labels = LabelTerm(
                classroom.single_action_space, net.family, self.label_loss, self.kl_in, self.label_mask,
                self.success_return, net.device,
            )  # fmt: skip
        scaled = new_critic if self.normalize_rewards is None else self.normalize_rewards
        self._scale = ReturnScale(classroom.num_envs, self.gamma) if scaled else None
        self._memory, self._previous = net.initial_state(classroom.num_envs), net.blank_actions(classroom.num_envs)
        self._running = np.zeros((2, classroom.num_envs))
        self._rollouts, self._scalars = 0, {}
        self._make_room()

    def _make_room(self) -> None:
        from teachrl_agents.ppo_rollout import Lived

        grouped = "group" in (self.advantages, self.label_mask)
        length = (self.bptt or self.n_steps) if self.net.recurrent else 1
        self._lived = Lived(self.net, self.n_steps, length, self._labels, grouped, self._running)

    # Living

    def rehearse(self) -> None:
        """Loads what it starts from, and checks that it can learn from what its teachers say.

        Raises:
            TeachrlError: If it cannot.
        """
        _ = self.net
        if self._labels is not None:
            self._labels.check(self._classroom)

    def learn(self, steps: int) -> None:
        """Learns for `steps` more environment steps, rounded up to whole rollouts."""
        whole = -(-steps // self.granularity) * self.granularity
        learn_together(self._classroom, self, whole)

    def act(self, observations: Observations, first: Bools) -> Array:
        """Returns sampled actions (N, *a)."""
        import torch

        from teachrl_agents.heads import draw
        from teachrl_agents.net import one_step, to_tensors
        from teachrl_agents.ppo_rollout import executable

        net = self.net
        self._lived.begin_step(self._memory)
        with torch.no_grad():
            seen = one_step(to_tensors(observations, net.device))
            carried = (
                self._previous.unsqueeze(0),
                torch.as_tensor(first, device=net.device).unsqueeze(0),
                self._memory,
            )
            out = net(seen, *carried, values=False) if net.carries else net(seen, values=False)
            parameters = {name: part[0] for name, part in out.parameters.items()}
            self._drawn: Array = draw(net.family, parameters, self._generator).cpu().numpy()
        self._memory = out.state
        return executable(self._drawn, self._classroom.single_action_space)

    def record(self, experience: Experience) -> None:
        """Takes in one step of all environments, with what was executed in it and what the critic saw."""
        import torch

        from teachrl_agents.ppo_rollout import stored_actions, view_of

        e, last = experience, self._classroom.last
        if last is None:
            raise InvalidStudent("PPO records steps of the classroom that it has begun in, after they were taken.")
        row: dict[str, Any] = {
            "observations": e.observations, "actions": stored_actions(self._drawn, e.actions, last.overridden),
            "executed": e.actions, "forced": last.overridden, "paid": e.rewards, "own": last.rewards,
            "terminated": e.terminated, "truncated": e.truncated, "first": e.first, "ids": e.ids, "learn": e.learn,
        }  # fmt: skip
        rewards = e.rewards if self._scale is None else self._scale(e.rewards, e.first, e.learn)
        row["rewards"] = np.asarray(rewards, np.float32)
        if self.critic_view is not None:
            row["critic"] = view_of(last.observations, self.critic_view)
        if self.net.previous:
            row["previous"] = self._previous.cpu().numpy()
            self._previous = torch.as_tensor(e.actions.astype(self._drawn.dtype), device=self.net.device)
        if self._labels is not None:
            self._labels.add(self._classroom.labels)
        row["success"] = np.full(len(e.rewards), np.nan) if e.success is None else e.success
        row["following"] = self._following(e)
        self._lived.add(last.lessons, **row)

    def _following(self, e: Experience) -> Floats:
        """Returns the values (N,) of what followed a step, where they are needed: at time limits, and at the end.

        Where an episode has ended that is its true last observation.
        """
        import torch

        from teachrl_agents.net import one_step, to_tensors
        from teachrl_agents.ppo_rollout import view_of

        columns, last = self._lived.columns, self._classroom.last
        if columns.filled < self.n_steps - 1 and not (e.truncated & ~e.terminated).any():
            return np.zeros(len(e.rewards), np.float32)
        critic = None
        if self.critic_view is not None and last is not None:
            critic = one_step(to_tensors(view_of(last.next_observations, self.critic_view), self.net.device))
        with torch.no_grad():
            seen = one_step(to_tensors(e.final_observations, self.net.device))
            out = self.net(seen, self._previous.unsqueeze(0), None, self._memory, critic=critic)
        values: Floats = out.values[0].cpu().numpy()
        return values

    # Learning

    def update(self) -> Rollout | None:
        """Learns from a rollout when it is full, and returns it."""
        lived, columns = self._lived, self._lived.columns
        if not columns.full:
            return None
        moment = Moment(min(self._rollouts * self.granularity / max(self._total_steps, 1), 1.0), self._rollouts)
        batch = lived.sequences()
        rewards = columns["rewards"] - self.schedules["label_weight"](moment) * lived.penalty(batch)
        advantages = gae(
            rewards, lived.fold.back(batch.values), columns["following"], columns["terminated"], columns["truncated"],
            self.gamma, self.gae_lambda,
        )  # fmt: skip
        lived.complete(batch, advantages, relative=self.advantages == "group")
        if bool(batch.learn.any()):
            warming = self._rollouts < self.critic_warmup
            self._improve(batch, moment, warming)
            seen = None if warming else batch.observations  # the actor's normaliser waits as its weights do
            self.net.observe(seen, batch.learn, batch.critic)  # from the next rollout on
        self._running = lived.episodes.running
        self._rollouts += 1
        self._make_room()
        return lived.rollout(batch, rewards, advantages, self.gamma, self.gae_lambda)

    def _improve(self, batch: Sequences, moment: Moment, warming: bool) -> None:
        """Takes gradient steps on shuffled minibatches of a rollout, several times over."""
        from torch.nn.utils import clip_grad_norm_

        from teachrl_agents.ppo_rollout import check_gradient, summary

        for parameter in self.net.actor_parameters():
            parameter.requires_grad_(not warming)
        for group in self._optimizer.param_groups:
            group["lr"] = self.schedules["learning_rate"](moment)
        notes: list[dict[str, Any]] = []
        for minibatch in self._minibatches(batch):
            loss, note = self._loss(minibatch, moment, compare=not notes and not warming)
            notes.append(note)
            if self.target_kl is not None and float(note["approx_kl"]) > 1.5 * self.target_kl:
                break
            for parameter in self._weights:
                parameter.grad = None
            loss.backward()  # type: ignore[no-untyped-call]
            check_gradient(clip_grad_norm_(self._weights, self.max_grad_norm), note)
            self._optimizer.step()
        weights = () if self._labels is None else ("label_weight",)
        self._scalars = {
            **summary(self.net, batch, notes),
            **{name: self.schedules[name](moment) for name in ("learning_rate", *weights)},
            **({} if self._labels is None else self._labels.scalars()),
        }

    def _minibatches(self, batch: Sequences) -> Any:
        """Yields shuffled minibatches of the sequences in which something is learned from."""
        import torch

        rows = np.flatnonzero(batch.learn.any(0).cpu().numpy())
        batch.whole = len(batch.first) == 1 or bool(batch.learn.all())
        size = max(1, self.batch_size // len(batch.first))
        for _ in range(self.n_epochs):
            order = torch.as_tensor(self._order.permutation(rows), device=self.net.device)
            for part in torch.split(order, size):
                yield batch.take(part)

    def _loss(self, batch: Sequences, moment: Moment, compare: bool) -> tuple[Tensor, dict[str, Any]]:
        """Returns the loss of a minibatch and what there is to log; `compare` adds the cosine of its gradients."""
        import torch

        from teachrl_agents.ppo_labels import cosine

        now = {name: schedule(moment) for name, schedule in self.schedules.items()}
        family, clip = self.net.family, now["clip_range"]
        out = self.net(batch.observations, batch.previous, batch.first, batch.state, critic=batch.critic)

        # Policy: the clipped surrogate
        log_ratio = family.log_prob(out.parameters, batch.actions) - batch.log_probs
        log_ratio = log_ratio.clamp(-MOST_LOG_RATIO, MOST_LOG_RATIO)
        ratio, advantages = log_ratio.exp(), batch.advantages
        if self.normalize_advantages and self.advantages == "gae" and advantages.numel() > 1:
            kept = advantages if batch.whole else advantages[batch.learn]
            advantages = (advantages - kept.mean()) / (kept.std(correction=0) + 1e-8)
        surrogate = torch.minimum(advantages * ratio, advantages * ratio.clamp(1 - clip, 1 + clip))
        if batch.forced is not None:
            bounded = torch.maximum(surrogate, DUAL_CLIP * advantages)
            surrogate = torch.where(batch.forced & (advantages < 0), bounded, surrogate)
        policy_loss = -batch.mean(surrogate)

        # Values
        values = out.values
        if self.clip_range_vf is not None:
            values = batch.values + (values - batch.values).clamp(-self.clip_range_vf, self.clip_range_vf)
        value_loss = batch.mean((batch.returns - values) ** 2)

        reinforcement = policy_loss + self.vf_coef * value_loss
        if now["ent_coef"]:
            reinforcement = reinforcement - now["ent_coef"] * batch.mean(family.entropy(out.parameters))
        loss = now["rl_weight"] * reinforcement
        with torch.no_grad():
            note: dict[str, Any] = {
                "policy_loss": policy_loss.detach(), "value_loss": value_loss.detach(),
                "approx_kl": batch.own_mean(ratio - 1 - log_ratio),
                "clip_fraction": batch.own_mean(((ratio - 1).abs() > clip).float()),
            }  # fmt: skip

        # Labels
        if self._labels is not None and self._labels.in_loss and batch.targets is not None:
            distillation = self._labels.loss(out.parameters, batch.targets, batch.actions, batch.learn, moment)
            loss = loss + now["label_weight"] * distillation
            note["label_loss"] = distillation.detach()
            if compare:
                note["gradient_cosine"] = cosine(policy_loss, distillation, list(self.net.actor_parameters()))
        return loss, note

    # What others see

    @property
    def net(self) -> Net:
        """The network.

        Raises:
            InvalidStudent: Before `begin`.
            InvalidHyperparameter: If there is nothing at the path to start from, or it does not fit.
            InvalidRun: If the path is a directory and no run's.
        """
        if self._net is None:
            self._check_begun()
            from teachrl_agents.ppo_start import started_net

            self._take(*started_net(self, self._classroom, self._seeds[0]))
        return cast("Net", self._net)

    def _check_begun(self) -> None:
        if not self._seeds:
            raise InvalidStudent("This student has not begun: call begin(classroom, seed, total_steps) first.")

    @property
    def granularity(self) -> int:
        """Environment steps of a rollout, n_steps x num_envs.

        Raises:
            InvalidStudent: Before `begin`.
        """
        self._check_begun()
        return self.n_steps * self._classroom.num_envs

    @property
    def policy(self) -> NetPolicy:
        """The policy as it is now, its observation normaliser included."""
        return self.net.policy(self._sampler)

    def values(self, observations: Observations) -> Floats:
        """Returns the critic's values (B,) of observations (B, *o), in the rewards' units, with its memory empty.

        Raises:
            InvalidStudent: If the critic sees another view.
        """
        values = self.policy.values(observations)
        return values if self._scale is None else values * self._scale.deviation

    def scalars(self) -> dict[str, float]:
        """Returns losses and what else there is to say of the last rollout."""
        return dict(self._scalars or {})

    def extend(self, total_steps: int) -> None:
        """Makes the run longer; schedules are stretched over the new length."""
        self._total_steps = total_steps

    def state_dict(self) -> dict[str, Any]:
        """Returns network, optimiser, random state, memory and counters, as data."""
        from teachrl.state import rng_state
        from teachrl_agents.ppo_state import cloned

        return {
            "net": cloned(dict(self.net.state_dict())),
            "optimizer": cloned(self._optimizer.state_dict()),
            "generator": self._generator.get_state(), "sampler": self._sampler.get_state(),
            "order": rng_state(self._order),
            "memory": self._memory, "previous": self._previous, "running": self._running, "rollouts": self._rollouts,
            "scale": None if self._scale is None else self._scale.state_dict(),
            "scalars": self._scalars, "network": self.net.arguments,
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`, after `begin` with the same arguments; `start` need not be there any more.

        Raises:
            InvalidStudent: Before `begin`, or if the state is of another network or another number of environments.
        """
        from teachrl.state import set_rng_state, set_torch_state
        from teachrl_agents.ppo_start import make_net
        from teachrl_agents.ppo_state import carried, load_learned

        self._check_begun()
        if self._net is None:
            arguments = state["network"] if self.network is None else None
            self._take(make_net(self, self._classroom, self._seeds[0], arguments), state["scale"] is not None)
        load_learned(self.net, self._optimizer, state)
        set_torch_state(self._generator, state["generator"])
        if "sampler" in state:  # states from before there was any have none
            set_torch_state(self._sampler, state["sampler"])
        set_rng_state(self._order, state["order"])
        self._memory, self._previous = carried(state, self._classroom.num_envs, self.net.device)
        self._running, self._rollouts = np.array(state["running"]) + np.zeros_like(self._running), state["rollouts"]
        if self._scale is not None:
            self._scale.load_state_dict(state["scale"])
        self._scalars = dict(state["scalars"])
        self._make_room()
