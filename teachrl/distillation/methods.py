"""Ways to distil, by name: points of one grid of data source, loss, buffer and schedules.

| method      | who acts            | what is kept     | objective                                   |
|-------------|---------------------|------------------|---------------------------------------------|
| `BC`        | teacher, or a file  | everything       | distillation                                |
| `DAgger`    | a mixture           | everything       | distillation                                |
| `OnPolicy`  | student             | the last round   | distillation, in time order                 |
| `Kickstart` | student             | the last rollout | PPO + a distillation loss that fades        |
| `KDRL`      | student             | the last rollout | PPO + reverse KL where the student fails    |
| `Distillation` | any              | any              | distillation                                |

A number that changes is `{schedule: linear, from: 1, to: 0, rounds: 15}`; see `teachrl.schedules`.
"""

from __future__ import annotations

import copy
from typing import Any, ClassVar

from teachrl._checks import check, check_count, check_flag, check_number
from teachrl.configurable import Configurable
from teachrl.errors import InvalidHyperparameter
from teachrl.schedules import checked_schedule
from teachrl.student import Student

Number = dict[str, Any] | float
Spec = dict[str, Any] | str

_LEAST = {
    "keep": 0, "rounds": 1, "horizon": 1, "epochs": 1, "batch_size": 1, "most_batches": 1, "sequence": 1, "burn_in": 0,
    "gradient_length": 1,
}  # fmt: skip


class Method(Configurable):
    """Base of all methods: arguments, and the student that they make.

    Attributes:
        citation: Where it was published.
        bibtex: The same for a bibliography.
    """

    citation: ClassVar[str] = ""
    bibtex: ClassVar[str] = ""

    def student(self, network: Any) -> Student:
        """Returns who learns in this way, with a network such as `teachrl_agents.Recurrent()`."""
        raise NotImplementedError(f"{type(self).__name__} must define student")


class Distillation(Method):
    """The whole grid: rounds of collecting labels and of learning from them.

    Args:
        beta: Share of steps that the teacher does, drawn for each environment and step: 1 is behaviour cloning, 0
            leaves all to the student. A number or a schedule, `{schedule: success}` waits for the student's success.
        demonstrations: A file of labelled steps (`teachrl.distillation.demonstrations`) to learn from in place of a
            teacher; nothing is collected then.
        loss: `auto` takes the forward KL where labels are distributions of the student's family, else the likelihood
            of the label's choice or the squared error of its numbers. Or a loss by name, with arguments
            `{name: forward_kl, temperature: 2}`: nll, mse, huber, forward_kl, reverse_kl, js, balanced.
        keep: Labelled steps that are kept, a uniform sample of all there were; 0 learns from each round once, in time
            order, and forgets it.
        rounds: Rounds in a run, where `horizon` does not say how long one is.
        horizon: Steps of each environment in a round.
        epochs: Passes over what is kept, in each round.
        batch_size: What a gradient step is taken on: steps, or pieces of `sequence` steps if the network has a memory.
        most_batches: Gradient steps in a round at most; None leaves it at `epochs`.
        sequence: Length of the pieces that a network with a memory learns from.
        burn_in: Steps before each piece that only warm up its memory.
        gradient_length: With `keep` 0, steps of a window, over which the loss is summed and gradients go back.
        learning_rate: Of Adam, a number or a schedule.
        weight_decay: The optimiser's penalty on weights.
        max_grad_norm: The gradient is scaled down to this norm; None leaves it.
        entropy_weight: Weight of the student's entropy, which is subtracted from the loss; a number or a schedule.
        fusion: Weight of the likelihood of the teacher's action beside the loss: a number, a schedule, or
            `{name: tgeo}`; None leaves it out.
        sampled: Whether the student acts by samples rather than by its likeliest action while it learns.
    """

    def __init__(
        self,
        beta: Number = 0.0,
        demonstrations: str | None = None,
        loss: Spec = "auto",
        keep: int = 1_000_000,
        rounds: int = 25,
        horizon: int | None = None,
        epochs: int = 4,
        batch_size: int = 32,
        most_batches: int | None = None,
        sequence: int = 16,
        burn_in: int = 8,
        gradient_length: int = 15,
        learning_rate: Number = 1e-3,
        weight_decay: float = 0.0,
        max_grad_norm: float | None = None,
        entropy_weight: Number = 0.0,
        fusion: dict[str, Any] | float | str | None = None,
        sampled: bool = True,
    ) -> None:
        self.beta = beta
        self.demonstrations = demonstrations
        self.loss = loss
        self.keep = keep
        self.rounds = rounds
        self.horizon = horizon
        self.epochs = epochs
        self.batch_size = batch_size
        self.most_batches = most_batches
        self.sequence = sequence
        self.burn_in = burn_in
        self.gradient_length = gradient_length
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.max_grad_norm = max_grad_norm
        self.entropy_weight = entropy_weight
        self.fusion = fusion
        self.sampled = sampled

    def grid(self) -> dict[str, Any]:
        """Returns the arguments of `Distillation` that this method stands for."""
        return dict(self.init_args)

    def student(self, network: Any) -> Student:
        """Returns a `Distiller` that learns in this way."""
        from teachrl.distillation.distiller import Distiller

        return Distiller(network, self)

    def validate(self, setup: Any = None) -> None:
        """Checks the arguments.

        Raises:
            InvalidHyperparameter: If one is impossible.
            UnknownName: If there is no such loss or schedule.
        """
        given: Any = copy.copy(self)  # messages name this class
        vars(given).update(self.grid())
        for argument, least in _LEAST.items():
            check_count(given, argument, least, optional=argument in ("horizon", "most_batches"))
        check_number(given, "weight_decay", 0.0)
        check_number(given, "max_grad_norm", 0.0, open_ends=True, optional=True)
        check_flag(given, "sampled")
        name = type(self).__name__
        checked_schedule(f"{name}.beta", given.beta, 0.0, 1.0, waits=True)
        checked_schedule(f"{name}.learning_rate", given.learning_rate, 0.0)
        checked_schedule(f"{name}.entropy_weight", given.entropy_weight, 0.0)
        self._check_demonstrations(given)
        self._check_loss(given.loss)
        self._check_fusion(given.fusion)

    def _check_demonstrations(self, given: Any) -> None:
        """Checks that they are a name, and are kept; whether they are there is found out when a run begins."""
        if given.demonstrations is None:
            return
        named = isinstance(given.demonstrations, str) and bool(given.demonstrations)
        check(given, "demonstrations", named, "a file's path, minari:<dataset id> or None")
        if given.keep == 0:
            raise InvalidHyperparameter("Demonstrations are kept, and learned from many times: `keep` must not be 0.")

    def _check_loss(self, loss: Spec) -> None:
        """Checks that there is such a loss, and that labels are all it needs."""
        if loss == "auto":
            return
        from teachrl.distillation.losses import make_loss

        estimator = getattr(make_loss(loss), "estimator", "exact")
        if estimator != "exact":
            raise InvalidHyperparameter(
                f"{type(self).__name__}.loss: the estimator {estimator!r} needs the actions that the student took, "
                "which are not kept beside its labels. Take `exact`, or the method KDRL."
            )

    def _check_fusion(self, fusion: Any) -> None:
        """Checks that there is such a rule, and that what it needs is known here."""
        if fusion is None:
            return
        from teachrl.distillation.fusions import make_fusion
        from teachrl.distillation.weights import Advantage, Scheduled

        name, made = f"{type(self).__name__}.fusion", make_fusion(fusion)
        if isinstance(made, Scheduled):
            checked_schedule(name, made.schedule, 0.0, 1.0)
        if isinstance(made, Advantage):
            raise InvalidHyperparameter(
                f"{name}: the rule 'advantage' needs advantages of the teacher's actions, which nothing here knows. "
                "Take a number, a schedule or tgeo."
            )
