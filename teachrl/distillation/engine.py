"""Distillation at work: a network, its optimiser, what it keeps, and rounds of collecting and learning."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from teachrl.classroom import Classroom
from teachrl.distillation.buffer import Aggregate
from teachrl.distillation.collecting import Collector, Lived, need_success
from teachrl.distillation.demonstrations import load
from teachrl.distillation.families import Family, choose_family
from teachrl.distillation.fusions import make_fusion
from teachrl.distillation.learning import Descent, in_order, shuffled, usual_loss
from teachrl.distillation.losses import make_loss
from teachrl.distillation.methods import Distillation
from teachrl.distillation.trees import tensors
from teachrl.distillation.weights import Fusion
from teachrl.errors import InvalidHyperparameter, InvalidStudent
from teachrl.schedules import Moment, make_schedule
from teachrl.state import rng_state, set_rng_state


class Engine:
    """What a `Distiller` is after `begin`.

    Args:
        classroom: Where it learns.
        network: Builds the net.
        method: How it learns.
        device: Where it computes.
        seed: Its own branch of the run's seed tree.
        total_steps: Length of the run, in environment steps.
    """

    def __init__(
        self, classroom: Classroom, network: Any, method: Distillation, device: str, seed: np.random.SeedSequence,
        total_steps: int,
    ) -> None:  # fmt: skip
        self._classroom, self._total = classroom, total_steps
        self.given = SimpleNamespace(**method.grid())
        weights, sampling, mixing, self._reading = (
            int(word) for word in seed.generate_state(4, np.uint64) >> np.uint64(1)
        )
        self.net = network.build(
            classroom.single_observation_space, classroom.single_action_space, seed=weights % 2**31
        ).to(device)
        self.device = torch.device(device)
        self._generator = torch.Generator(self.device).manual_seed(sampling)
        self._rng = np.random.default_rng(mixing)
        self._schedules = {
            name: make_schedule(f"{type(method).__name__}.{name}", getattr(self.given, name))
            for name in ("beta", "learning_rate", "entropy_weight")
        }
        self._optimizer = torch.optim.Adam(
            self.net.parameters(),
            lr=self._schedules["learning_rate"](),
            weight_decay=self.given.weight_decay,
            fused=True,
        )
        self._collector = Collector(classroom, self.net, self._rng, self._generator, self.given.sampled)
        self.horizon: int = self.given.horizon or max(1, -(-total_steps // (self.given.rounds * classroom.num_envs)))
        self._buffer = self._make_buffer()
        self._descent: Descent | None = None
        self._fusion = self._make_fusion()
        self._steps, self._round, self._updates = 0, 0, 0
        self._scalars: dict[str, float] = {}

    def _make_buffer(self, fixed: bool = False) -> Aggregate | None:
        if self.given.keep == 0:
            return None
        if fixed:
            recurrent = (self.given.sequence, self.given.burn_in) if self.net.recurrent else (1, 0)
            return Aggregate(self.given.keep, *recurrent)
        if not self.net.recurrent:
            return Aggregate(self.given.keep, most=self._total + self.granularity)
        pieces = -(-self.horizon // self.given.sequence)
        length = -(-self.horizon // pieces)  # pieces of about equal length waste least
        most = (self._total // self.granularity + 1) * pieces * length * self._classroom.num_envs
        return Aggregate(self.given.keep, length, self.given.burn_in, most)

    @property
    def granularity(self) -> int:
        """Environment steps of a round."""
        return self.horizon * self._classroom.num_envs

    def extend(self, total_steps: int) -> None:
        """Stretches schedules over a longer run; rounds stay as long as they are."""
        self._total = total_steps

    @property
    def moment(self) -> Moment:
        """Where in the run it is."""
        return Moment(min(self._steps / max(self._total, 1), 1.0), self._round)

    def learn(self, steps: int) -> None:
        """Lives and learns whole rounds, as many as `steps` take."""
        for _ in range(-(-steps // self.granularity)):
            moment = self.moment
            lived = self._live(moment)
            if lived is not None:
                self._prepare(lived)
                self._scalars = self._measured(lived, moment)
            self._study(lived, moment)
            self._steps, self._round = self._steps + self.granularity, self._round + 1
            self._classroom.counters.updates += 1
            if lived is not None:
                self._tell(lived)

    def _live(self, moment: Moment) -> Lived | None:
        """Collects a round; nothing where there are demonstrations."""
        if self.given.demonstrations is None:
            return self._collector.collect(self.horizon, self._schedules["beta"](moment))
        if self._descent is None:
            self._read(self.given.demonstrations)
        return None

    def _read(self, demonstrations: str) -> None:
        """Fills what is kept with demonstrations; they are read again when a run is resumed."""
        room = self._classroom
        found = load(demonstrations, room.single_observation_space, room.single_action_space)
        states = np.zeros((*found.first.shape, self.net.state_size), np.float32)  # only the warm-up fills the memory
        self._buffer = self._make_buffer(fixed=True)
        if self._buffer is None:
            raise InvalidHyperparameter("Demonstrations are kept, and learned from many times: `keep` must not be 0.")
        self._buffer.add(replace(found, states=states), np.random.default_rng(self._reading))
        family = choose_family(room.single_action_space, found.parameters) if found.parameters else None
        self._descent = self._make_descent(family)
        if self._round == 0:
            self.net.observe(tensors(found.observations, self.device))

    def _prepare(self, lived: Lived) -> None:
        """Chooses the objective, once the first labels have come, and takes observations into the statistics."""
        if self._descent is None:
            self._descent = self._make_descent(lived.targets.family)
        self.net.observe(tensors(lived.round.observations, self.device))

    def _make_descent(self, teacher: Family | None) -> Descent:
        student: Family = self.net.family
        loss = usual_loss(student, teacher) if self.given.loss == "auto" else make_loss(self.given.loss)
        loss.check(student, teacher)
        return Descent(self.net, self._optimizer, loss, self._fusion, self.given.max_grad_norm)

    def _make_fusion(self) -> Fusion | None:
        """Returns the rule for the likelihood's share; one that learns has a network of its own."""
        if self.given.fusion is None:
            return None
        fusion, family = make_fusion(self.given.fusion), self.net.family
        width = family.points({n: torch.full((1, family.width), v) for n, v in family.fill.items()}).shape[-1]
        # its first weights are drawn on the CPU, whatever the device
        fusion.begin(width, torch.Generator().manual_seed(self._generator.initial_seed()), self.device)
        return fusion

    def _study(self, lived: Lived | None, moment: Moment) -> None:
        """Learns from the round, or from all that is kept."""
        descent, space = self._at_work, self._classroom.single_action_space
        for group in self._optimizer.param_groups:
            group["lr"] = self._schedules["learning_rate"](moment)
        entropy = self._schedules["entropy_weight"](moment)
        self.net.train()
        if self._buffer is None and lived is not None:
            self._updates += in_order(
                descent, lived.round, space, self.device, epochs=self.given.epochs, length=self.given.gradient_length,
                moment=moment, entropy=entropy,
            )  # fmt: skip
        elif self._buffer is not None:
            if lived is not None:
                self._buffer.add(lived.round, self._rng)
            self._updates += shuffled(
                descent, self._buffer, space, self.device, self._rng, epochs=self.given.epochs,
                size=self.given.batch_size, most=self.given.most_batches, moment=moment, entropy=entropy,
            )  # fmt: skip
        self.net.eval()
        self._scalars |= {"loss": descent.mean(), "gradient_steps": float(self._updates)}

    @property
    def _at_work(self) -> Descent:
        if self._descent is None:
            raise InvalidStudent("Nothing was labelled yet: call learn(steps) first.")
        return self._descent

    @torch.no_grad()
    def _measured(self, lived: Lived, moment: Moment) -> dict[str, float]:
        """Returns how the student did in the round, on states it had not learned from."""
        mask, family = lived.targets.mask, self.net.family
        count = mask.sum().clamp(min=1)
        found = {
            "proxy_loss": self._at_work.loss(family, lived.parameters, lived.targets, moment),
            "agreement": (lived.agreed * mask).sum() / count,
            "entropy": (family.entropy(lived.parameters) * mask).sum() / count,
        }
        shares = {"taught": float(lived.taught.mean()), "labelled": float(lived.round.mask.mean())}
        shares["beta"] = self._schedules["beta"](moment)
        return {**{name: float(value) for name, value in found.items()}, **shares}

    def _tell(self, lived: Lived) -> None:
        """Tells schedules that wait for it how many episodes went well."""
        if self._schedules["beta"].stateful:
            ended = bool(lived.round.first[1:].any())
            need_success(lived.success, ended)
            if lived.success is not None:
                self._schedules["beta"].tell(lived.success)

    def scalars(self) -> dict[str, float]:
        """Returns the numbers of the last round."""
        return dict(self._scalars)

    def state_dict(self) -> dict[str, Any]:
        """Returns everything that learning changes, as data; what is kept as arrays."""
        return {
            "net": {name: _copied(value) for name, value in self.net.state_dict().items()},
            "optimizer": _copied(self._optimizer.state_dict()),
            "generator": self._generator.get_state(),
            "rng": rng_state(self._rng),
            "collector": self._collector.state_dict(),
            "buffer": None if self._buffer is None or self.given.demonstrations else self._buffer.state_dict(),
            "fusion": None if self._fusion is None else _copied(self._fusion.state_dict()),
            "schedules": {name: schedule.state_dict() for name, schedule in self._schedules.items()},
            "counts": [self._steps, self._round, self._updates, self.horizon],
            "scalars": dict(self._scalars),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`."""
        try:
            self.net.load_state_dict(state["net"])
        except RuntimeError as error:
            raise InvalidStudent(
                f"The saved network is another than the one that was made, or comes without its normaliser: {error}"
            ) from error
        self._optimizer.load_state_dict(state["optimizer"])
        self._generator.set_state(state["generator"])
        set_rng_state(self._rng, state["rng"])
        self._steps, self._round, self._updates, self.horizon = state["counts"]
        self._buffer = self._make_buffer()
        if self._buffer is not None and state["buffer"] is not None:
            self._buffer.load_state_dict(state["buffer"])
        self._collector.load_state_dict(state["collector"])
        if self._fusion is not None:
            self._fusion.load_state_dict(state["fusion"])
        for name, part in state["schedules"].items():
            self._schedules[name].load_state_dict(part)
        self._scalars = dict(state["scalars"])


def _copied(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().clone()
    if isinstance(value, dict):
        return {key: _copied(part) for key, part in value.items()}
    return [_copied(part) for part in value] if isinstance(value, list) else value
