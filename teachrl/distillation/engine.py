"""Distillation at work: a network, its optimiser, what it keeps, and rounds of collecting and learning."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from teachrl.classroom import Classroom
from teachrl.distillation.adam import Adam
from teachrl.distillation.buffer import Aggregate
from teachrl.distillation.calibration import calibration_error, mean
from teachrl.distillation.collecting import Collector, Lived, asked, need_success
from teachrl.distillation.demonstrations import load
from teachrl.distillation.families import Family, choose_family
from teachrl.distillation.fusions import make_fusion
from teachrl.distillation.learning import Descent, in_order, shuffled, usual_loss
from teachrl.distillation.losses import make_loss
from teachrl.distillation.methods import Distillation
from teachrl.distillation.regression import Regression
from teachrl.distillation.shadow import make_shadow
from teachrl.distillation.trees import detached, tensors
from teachrl.distillation.weights import Fusion
from teachrl.errors import InvalidHyperparameter, InvalidStudent
from teachrl.schedules import Moment, make_schedule
from teachrl.state import rng_state, set_rng_state, set_torch_state
from teachrl.student import Policy


class Engine:
    """What a `Distiller` is after `begin`.

    Args:
        classroom: Where it learns.
        network: Builds the net.
        method: How it learns.
        device: Where it computes.
        seed: Its own branch of the run's seed tree.
        total_steps: Length of the run, in environment steps.
        diagnose: Whether a companion that sees what the teacher sees tells what the student's view costs.
    """

    def __init__(
        self, classroom: Classroom, network: Any, method: Distillation, device: str, seed: np.random.SeedSequence,
        total_steps: int, diagnose: bool = True,
    ) -> None:  # fmt: skip
        self._classroom, self._total = classroom, total_steps
        self.given = SimpleNamespace(**method.grid())
        weights, sampling, mixing, self._reading, asking = (
            int(word) for word in seed.generate_state(5, np.uint64) >> np.uint64(1)
        )
        self.net = network.build(
            classroom.single_observation_space, classroom.single_action_space, seed=weights % 2**31
        ).to(device)
        self.device = torch.device(device)
        self._generator = torch.Generator(self.device).manual_seed(sampling)
        self._sampler = torch.Generator(self.device).manual_seed(asking)  # for those who ask its policy
        self._rng = np.random.default_rng(mixing)
        self._schedules = {
            name: make_schedule(f"{type(method).__name__}.{name}", getattr(self.given, name))
            for name in ("beta", "learning_rate", "entropy_weight")
        }
        self._optimizer = Adam(self.net.parameters(), self._schedules["learning_rate"](), self.given.weight_decay)
        reads = self.given.demonstrations is not None
        self._shadow = (
            make_shadow(classroom, network, self.given, seed, self.device) if diagnose and not reads else None
        )
        self._collector = Collector(
            classroom, self.net, self._rng, self._generator, self.given.sampled,
            self._shadow.view if self._shadow is not None else None,
        )  # fmt: skip
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

    @property
    def policy(self) -> Policy:
        """The net as it is now."""
        return self.net.policy(self._sampler)  # type: ignore[no-any-return]

    def rehearse(self) -> None:
        """Does what only the first `learn` does."""
        if self._descent is None:
            self._choose()

    def learn(self, steps: int) -> None:
        """Lives and learns whole rounds, as many as `steps` take."""
        self.rehearse()
        for _ in range(-(-steps // self.granularity)):
            moment = self.moment
            lived = self._live(moment)
            if lived is not None:
                self.net.observe(tensors(lived.round.observations, self.device))
                self._scalars = self._measured(lived, moment)
            self._study(lived, moment)
            self._steps, self._round = self._steps + self.granularity, self._round + 1
            self._classroom.counters.updates += 1
            if lived is not None:
                self._tell(lived)

    def _choose(self) -> None:
        """Chooses the objective by the form of the first labels, or reads the demonstrations.

        An objective about the mean alone says nothing of the spread: the student acts by its mean then, and entropy,
        which would be all that moves it, is left out.
        """
        room = self._classroom
        if self.given.demonstrations is not None:
            self._descent = self._make_descent(self._read(self.given.demonstrations))
            return
        parameters = asked(room).parameters
        self._descent = self._make_descent(choose_family(room.single_action_space, parameters) if parameters else None)
        if self._about_means:
            self._collector.sampled = False

    @property
    def _about_means(self) -> bool:
        return isinstance(self._at_work.loss, Regression) and not self.net.family.discrete

    def _live(self, moment: Moment) -> Lived | None:
        """Collects a round; nothing where there are demonstrations."""
        if self.given.demonstrations is not None:
            return None
        return self._collector.collect(self.horizon, self._schedules["beta"](moment))

    def _read(self, demonstrations: str) -> Family | None:
        """Fills what is kept with demonstrations, again when a run is resumed; returns their distributions' family."""
        room = self._classroom
        found = load(demonstrations, room.single_observation_space, room.single_action_space)
        states = np.zeros((*found.first.shape, self.net.state_size), np.float32)  # only the warm-up fills the memory
        self._buffer = self._make_buffer(fixed=True)
        if self._buffer is None:
            raise InvalidHyperparameter("Demonstrations are kept, and learned from many times: `keep` must not be 0.")
        self._buffer.add(replace(found, states=states), np.random.default_rng(self._reading))
        if self._round == 0:
            self.net.observe(tensors(found.observations, self.device))
        return choose_family(room.single_action_space, found.parameters) if found.parameters else None

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
        descent, space, before = self._at_work, self._classroom.single_action_space, self._updates
        for group in self._optimizer.param_groups:
            group["lr"] = self._schedules["learning_rate"](moment)
        entropy = 0.0 if self._about_means else self._schedules["entropy_weight"](moment)
        self.net.train()
        if self._buffer is None and lived is not None:
            self._updates += in_order(
                descent, lived.round, space, self.device, epochs=self.given.epochs, length=self.given.gradient_length,
                moment=moment, entropy=entropy,
            )  # fmt: skip
        elif self._buffer is not None:
            if lived is not None:
                self._buffer.add(lived.round, self._rng)
            if len(self._buffer) or self._steps + self.granularity >= self._total:  # labels may still come
                self._updates += shuffled(
                    descent, self._buffer, space, self.device, self._rng, epochs=self.given.epochs,
                    size=self.given.batch_size, most=self.given.most_batches, moment=moment, entropy=entropy,
                )  # fmt: skip
        self.net.eval()
        self._scalars |= {"loss": descent.mean()} if self._updates > before else {}
        self._scalars["gradient_steps"] = float(self._updates)
        if self._shadow is not None:
            rate = self._schedules["learning_rate"](moment)
            self._shadow.learn(descent, self._updates - before, moment, rate, entropy)

    @property
    def _at_work(self) -> Descent:
        if self._descent is None:
            raise InvalidStudent("Nothing was labelled yet: call learn(steps) first.")
        return self._descent

    @torch.no_grad()
    def _measured(self, lived: Lived, moment: Moment) -> dict[str, float]:
        """Returns how the student did in the round, on states it had not learned from."""
        mask, family, loss = lived.targets.mask, self.net.family, self._at_work.loss
        found: dict[str, float | None] = {
            "proxy_loss": float(loss(family, lived.parameters, lived.targets, moment)),
            "agreement": mean(lived.agreed, mask),
            "entropy": mean(family.entropy(lived.parameters), mask),
            "calibration_error": calibration_error(family, lived.parameters, lived.targets),
            "taught": float(lived.taught.mean()),
            "labelled": float(lived.round.mask.mean()),
            "beta": self._schedules["beta"](moment),
        }
        if self._shadow is not None:
            privileged = self._shadow.take(lived.round, lived.privileged, lived.targets, loss, moment)
            found |= {"privileged_loss": privileged, "privilege_gap": float(found["proxy_loss"] or 0.0) - privileged}
        return {name: value for name, value in found.items() if value is not None}

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

    def state_dict(self, whole: bool = True) -> dict[str, Any]:
        """Returns everything that learning changes, as data; what is kept as arrays, unless `whole` is false."""
        kept = self._buffer if whole and not self.given.demonstrations else None
        shadow = self._shadow if whole else None
        return {
            "net": detached(self.net.state_dict()),
            "optimizer": detached(self._optimizer.state_dict()),
            "generator": self._generator.get_state(),
            "sampler": self._sampler.get_state(),
            "rng": rng_state(self._rng),
            "collector": self._collector.state_dict(),
            "buffer": None if kept is None else kept.state_dict(),
            "shadow": None if shadow is None else shadow.state_dict(),
            "fusion": None if self._fusion is None else detached(self._fusion.state_dict()),
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
        self._optimizer.load_state_dict(detached(state["optimizer"]))
        set_torch_state(self._generator, state["generator"])
        if "sampler" in state:  # states from before there was any have none
            set_torch_state(self._sampler, state["sampler"])
        set_rng_state(self._rng, state["rng"])
        self._steps, self._round, self._updates, self.horizon = state["counts"]
        self._buffer = self._make_buffer()
        if self.given.demonstrations is not None:
            self._descent = None  # they are read again
        if self._buffer is not None and state["buffer"] is not None:
            self._buffer.load_state_dict(state["buffer"])
        self._collector.load_state_dict(state["collector"])
        if self._shadow is not None and state.get("shadow") is not None:  # states from before there were any have none
            self._shadow.load_state_dict(state["shadow"])
        if self._fusion is not None:
            self._fusion.load_state_dict(state["fusion"])
        for name, part in state["schedules"].items():
            self._schedules[name].load_state_dict(part)
        self._scalars = dict(state["scalars"])
