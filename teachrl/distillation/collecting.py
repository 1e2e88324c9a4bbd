"""Living a round: the student acts, or its teacher for it, and every step is labelled by the teacher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from teachrl.classroom import Classroom
from teachrl.distillation.buffer import Round
from teachrl.distillation.calibration import agreement
from teachrl.distillation.targets import Targets, make_targets, one_form
from teachrl.distillation.trees import Tree, compact, harmless, mapped, stacked, tensors
from teachrl.errors import InvalidEnvironment
from teachrl.lessons import Array, Bools, Labels, Step
from teachrl.roster import entries, is_disabled
from teachrl.teacher import Teacher


@dataclass(frozen=True, slots=True, eq=False)
class Lived:
    """A round and what the student said in it.

    Attributes:
        round: What is learned from.
        targets: The labels, (T, N).
        parameters: The student's distribution parameters by name, each (T, N, width), before it learned from them.
        agreed: (T, N) see `teachrl.distillation.calibration.agreement`.
        taught: (T, N) bool, where the teacher acted.
        success: Share of the episodes that ended well, None where none did or the environment does not say.
        privileged: (T, N, *v) the view that the collector was asked for, None if it was not.
    """

    round: Round
    targets: Targets
    parameters: dict[str, Tensor]
    agreed: Tensor
    taught: Bools
    success: float | None
    privileged: Tree = None


class Collector:
    """The student's life in a classroom: its memory and previous action, and the dice of who acts.

    Args:
        classroom: Where it lives.
        net: The student's network.
        rng: Decides who acts.
        generator: Draws the student's actions.
        sampled: Whether the student's actions are samples rather than the mode.
        view: Another view to keep of each round, before transforms.
    """

    def __init__(
        self, classroom: Classroom, net: Any, rng: np.random.Generator, generator: torch.Generator, sampled: bool,
        view: str | None = None,
    ) -> None:  # fmt: skip
        self._classroom, self._net, self._rng = classroom, net, rng
        self._generator, self.sampled, self._view = generator, sampled, view
        self._space: spaces.Space[Any] = classroom.single_action_space
        self.device = next(net.parameters()).device
        self._memory: Tensor = net.initial_state(classroom.num_envs).to(self.device)
        self._previous = harmless(self._space, classroom.num_envs)

    @torch.no_grad()
    def collect(self, steps: int, beta: float) -> Lived:
        """Lives `steps` steps of all environments; the teacher acts in a share `beta` of them, drawn one by one.

        Raises:
            InvalidTeacher: If the labels do not fit the action space.
            NonFiniteData: If a label is NaN or infinite.
        """
        self._net.eval()
        rows = [self._step(beta) for _ in range(steps)]
        one_form(row["parameters"] for row in rows)
        whole = {name: stacked([row[name] for row in rows]) for name in rows[0] if name not in ("said", "ended")}
        targets = make_targets(
            self._space, whole["actions"], whole["parameters"] or None, whole["mask"], device=self.device
        )
        family, said = self._net.family, mapped(lambda *parts: torch.stack(parts), *(row["said"] for row in rows))
        return Lived(
            self._round(whole, targets), targets, said, agreement(family, family.mode(said), targets), whole["taught"],
            _success([row["ended"] for row in rows]), whole.get("privileged"),
        )  # fmt: skip

    def _step(self, beta: float) -> dict[str, Tree]:
        classroom = self._classroom
        observations, first = classroom.observed()
        labels = asked(classroom)
        memory = self._memory
        seen = mapped(lambda x: x.unsqueeze(0), tensors(observations, self.device))
        previous = torch.as_tensor(self._previous, device=self.device).unsqueeze(0)
        out = self._net(seen, previous, torch.as_tensor(first, device=self.device).unsqueeze(0), memory)
        said = {name: part[0] for name, part in out.parameters.items()}
        family = self._net.family
        chosen = (family.sample(said, self._generator) if self.sampled else family.mode(said)).cpu().numpy()
        taught = (self._rng.random(len(first)) < beta) & labels.mask
        wide = taught.reshape(-1, *(1,) * (chosen.ndim - 1))
        actions = np.where(wide, labels.actions, chosen).astype(self._space.dtype)
        *_, infos = classroom.step(actions)
        before, self._memory, last = self._previous, out.state, cast(Step, classroom.last)
        self._previous = np.array(last.executed)
        privileged = {} if self._view is None else {"privileged": mapped(np.array, last.observations[self._view])}
        return {
            "observations": mapped(np.array, observations), "previous": compact(self._space, before),
            "first": np.array(first), "actions": np.asarray(labels.actions), "parameters": labels.parameters or {},
            "mask": labels.mask, "learn": np.array(classroom.last_learn), "states": memory.cpu().numpy(),
            "taught": taught, "said": said, "ended": infos.get("final_info", {}),
            **privileged,
        }  # fmt: skip

    def _round(self, whole: dict[str, Tree], targets: Targets) -> Round:
        """Returns what is kept: checked labels, harmless where there are none."""
        parameters = {name: part.cpu().numpy() for name, part in (targets.parameters or {}).items()}
        return Round(
            whole["observations"], whole["previous"], whole["first"],
            compact(self._space, targets.actions.cpu().numpy()), parameters, whole["mask"] & whole["learn"],
            whole["states"],
        )  # fmt: skip

    def state_dict(self) -> dict[str, Any]:
        """Returns the memory and the previous actions."""
        return {"memory": self._memory.cpu().numpy(), "previous": self._previous}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`; memories of other environments are left behind."""
        if state["previous"].shape == self._previous.shape:
            self._memory = torch.as_tensor(np.array(state["memory"]), device=self.device)
            self._previous = np.array(state["previous"])


def asked(classroom: Classroom) -> Labels:
    """Returns one label for each environment, of what a classroom shows now."""
    return merged(classroom.ask())


def labellers(classroom: Classroom) -> list[Teacher]:
    """Returns the teachers of a classroom that label, in their order."""
    off = entries(classroom.disable)
    return [t for t in classroom.teachers if "labels" in t.channels and not is_disabled(t, "labels", off)]


def merged(labels: tuple[Labels, ...]) -> Labels:
    """Returns one label for each environment: that of the first teacher that gives one.

    Distributions are kept if all teachers give them by the same names.
    """
    first, *others = labels
    actions, mask = np.asarray(first.actions), np.asarray(first.mask, dtype=bool)
    parameters = first.parameters
    for other in others:
        own = np.asarray(other.mask, dtype=bool) & ~mask
        actions = np.where(_wide(own, actions), other.actions, actions)
        same = parameters is not None and other.parameters is not None and set(parameters) == set(other.parameters)
        parameters = (
            {k: np.where(_wide(own, v), other.parameters[k], v) for k, v in parameters.items()}  # type: ignore[index,union-attr]
            if same
            else None
        )
        mask = mask | own
    return Labels(actions, parameters, mask)


def _wide(mask: Bools, like: Array) -> Bools:
    return mask.reshape(len(mask), *(1,) * (np.ndim(like) - 1))


def _success(infos: list[Any]) -> float | None:
    """Returns the share of successes among the episodes that ended."""
    told: list[bool] = []
    for info in infos:
        if "is_success" in info:
            told += np.asarray(info["is_success"])[np.asarray(info["_is_success"], dtype=bool)].astype(bool).tolist()
    return float(np.mean(told)) if told else None


def need_success(found: float | None, ended: bool) -> None:
    """Raises InvalidEnvironment if a schedule waits for successes and the environment tells none."""
    if found is None and ended:
        raise InvalidEnvironment(
            "A schedule that waits for success needs an environment that says `is_success` on an episode's last step. "
            "Take a linear or exponential one."
        )
