"""How much a student loses because it sees less than its teacher: a companion that sees what the teacher sees.

The companion is a network of the student's own kind, trained with the same loss on the same labels, and asked on each
round before it learns from it. What it still loses is what such a network cannot represent or has not learned yet; what
the student loses beyond it is the price of its view, the imitation gap (Weihs et al. 2021,
https://arxiv.org/abs/2007.12173). It has a share of the student's gradient steps, so that the difference grows to what
it is; it stays below zero where the student's view is the one that is easier to learn from.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from teachrl import seeds
from teachrl.classroom import Classroom
from teachrl.distillation.batches import batch_of
from teachrl.distillation.buffer import Aggregate, Round
from teachrl.distillation.collecting import labellers
from teachrl.distillation.learning import Descent, shuffled
from teachrl.distillation.loss import Loss
from teachrl.distillation.targets import Targets
from teachrl.distillation.trees import Tree, detached, leaves, mapped
from teachrl.errors import InvalidHyperparameter, InvalidStudent
from teachrl.observations import has_views, view_space
from teachrl.schedules import Moment
from teachrl.state import rng_state, set_rng_state

STEPS, BYTES = 20_000, 2**26
"""Labelled steps that are kept, and the bytes that they may have."""
BATCH, PIECES, LENGTH = 64, 32, 8
"""Steps of a minibatch; where the network has a memory, pieces of a minibatch and steps of a piece."""
SHARE, RECURRENT_SHARE = 0.12, 0.2
"""Minibatches for each gradient step of the student; there its own are of longer sequences, and take longer."""
MOST = 2**14
"""Labelled steps that are learned from in a round at most."""
ROWS = 1_024
"""Steps that are asked about at once."""


def make_shadow(
    classroom: Classroom, network: Any, given: Any, seed: np.random.SeedSequence, device: torch.device
) -> Shadow | None:
    """Returns the companion of a student, None where its teacher sees no more, or what no such network takes.

    Args:
        classroom: Where they live.
        network: Builds the student's net.
        given: The method's arguments.
        seed: The student's branch of the run's seed tree; the companion has its own below it.
        device: Where it computes.
    """
    if (view := _privileged_view(classroom)) is None:
        return None
    space = view_space(classroom.envs.single_observation_space, view)
    weights, order = (int(word) for word in seeds.branch(seed, 0).generate_state(2))
    try:
        net = network.build(space, classroom.single_action_space, seed=weights % 2**31).to(device)
    except (InvalidStudent, InvalidHyperparameter):
        return None
    return Shadow(net, view, classroom, given, np.random.default_rng(order))


def _privileged_view(classroom: Classroom) -> str | None:
    """Returns the view of the first teacher that labels, None if it is the student's or there is but one."""
    first = next(iter(labellers(classroom)), None)
    view: str | None = getattr(first, "view", None)
    space = classroom.envs.single_observation_space
    return view if has_views(space) and view in space.spaces and view != classroom.view else None  # type: ignore[attr-defined]


class Shadow:
    """A network that learns from the labels of another, and sees what their teacher sees.

    Args:
        net: The network.
        view: What it sees.
        classroom: Where the student lives.
        given: The arguments of the student's method.
        rng: Decides what is kept, and in which order it is learned from.

    Attributes:
        view: What it sees; whoever collects keeps it for `take`.
    """

    def __init__(self, net: Any, view: str, classroom: Classroom, given: Any, rng: np.random.Generator) -> None:
        self.view, self._net, self._given, self._rng = view, net, given, rng
        self._space = classroom.single_action_space
        self._device = next(net.parameters()).device
        self._length = min(LENGTH, given.sequence) if net.recurrent else 1
        self._optimizer = torch.optim.Adam(net.parameters(), weight_decay=given.weight_decay, fused=True)
        self._memory: Tensor = net.initial_state(classroom.num_envs).to(self._device)
        self._buffer: Aggregate | None = None
        self._size, self._share = (PIECES, RECURRENT_SHARE) if net.recurrent else (BATCH, SHARE)
        self._effort, self._lived = 0.0, 0

    @torch.no_grad()
    def take(self, round_: Round, seen: Tree, targets: Targets, loss: Loss, moment: Moment) -> float:
        """Takes in a round, and returns its loss there, from before it learned of it.

        Args:
            round_: What the student lived.
            seen: (T, N, *v) what the companion sees there.
            targets: The labels.
            loss: The student's.
            moment: When in the run.
        """
        self._net.eval()
        whole = batch_of(
            {**round_.steps(), "observations": seen}, self._memory.cpu().numpy(), self._space, self._device
        )
        self._lived, n = round_.first.shape
        length = self._length if self._net.recurrent else max(1, ROWS // n)
        states = np.zeros((*round_.first.shape, self._net.state_size), np.float32)  # only where pieces begin
        said = []
        for start in range(0, self._lived, length):
            states[start] = self._memory.cpu().numpy()
            part = whole[start : start + length]
            out = self._net(part.observations, part.previous, part.first, self._memory)
            self._memory = out.state
            said.append(out.parameters)
        parameters = mapped(lambda *parts: torch.cat(parts), *said)
        self._net.observe(whole.observations)
        self._keep(replace(round_, observations=seen, states=states))
        return float(loss(self._net.family, parameters, targets, moment))

    def _keep(self, round_: Round) -> None:
        if self._buffer is None:
            row = sum(leaf.nbytes for leaf in leaves(round_.steps())) / round_.first.size
            self._buffer = Aggregate(min(STEPS, max(PIECES * LENGTH, int(BYTES / row))), self._length)
        self._buffer.add(round_, self._rng)

    def learn(self, descent: Descent, steps: int, moment: Moment, learning_rate: float, entropy: float) -> None:
        """Learns from what is kept, as far as the effort of the student allows.

        Args:
            descent: The student's, for its loss.
            steps: The student's gradient steps in this round.
            moment: When in the run.
            learning_rate: Of the optimiser.
            entropy: Weight of the entropy.
        """
        work = steps + self._lived / 4  # some steps of all environments take about as long as one of these
        self._effort = min(self._effort + self._share * work, MOST / (self._size * self._length))
        count = int(self._effort)
        if self._buffer is None or len(self._buffer) == 0 or count == 0:
            return
        self._effort -= count
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        own = Descent(self._net, self._optimizer, descent.loss, None, self._given.max_grad_norm)
        self._net.train()
        shuffled(
            own, self._buffer, self._space, self._device, self._rng, epochs=count, size=self._size,
            most=count, moment=moment, entropy=entropy,
        )  # fmt: skip
        self._net.eval()

    def state_dict(self) -> dict[str, Any]:
        """Returns everything that learning changes, and what is kept, as data."""
        kept = self._buffer
        return {
            "net": detached(self._net.state_dict()),
            "optimizer": detached(self._optimizer.state_dict()),
            "rng": rng_state(self._rng),
            "memory": self._memory.cpu().numpy(),
            "effort": self._effort,
            "buffer": None if kept is None else {**kept.state_dict(), "capacity": kept.capacity * kept.length},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`; a memory of other environments is left behind."""
        self._net.load_state_dict(state["net"])
        self._optimizer.load_state_dict(detached(state["optimizer"]))
        set_rng_state(self._rng, state["rng"])
        if tuple(state["memory"].shape) == tuple(self._memory.shape):
            self._memory = torch.as_tensor(np.array(state["memory"]), device=self._device)
        self._effort = float(state["effort"])
        if (kept := state["buffer"]) is not None:
            self._buffer = Aggregate(kept["capacity"], self._length)
            self._buffer.load_state_dict(kept)
