"""Imitation with everything kept: behaviour cloning, and dataset aggregation (DAgger).

https://proceedings.mlr.press/v15/ross11a.html
"""

from __future__ import annotations

from typing import Any

from teachrl.distillation.methods import Distillation, Number, Spec

DAGGER_BETA: dict[str, Any] = {"schedule": "linear", "from": 1.0, "to": 0.0, "rounds": 15}
"""Share of steps done by the teacher in `imitation`: clip((15 - i) / 15, 0, 1) in round i."""


class BC(Distillation):
    """Behaviour cloning (Pomerleau 1989): the teacher acts, the student learns what it did where it went.

    Defaults are those of `imitation`'s BC (https://github.com/HumanCompatibleAI/imitation): Adam 1e-3, minibatches of
    32, entropy weight 1e-3. A student with a memory has minibatches of 32 pieces.

    Args:
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
        learning_rate: Of Adam, a number or a schedule.
        weight_decay: The optimiser's penalty on weights.
        max_grad_norm: The gradient is scaled down to this norm; None leaves it.
        entropy_weight: Weight of the student's entropy, which is subtracted from the loss; a number or a schedule.
        fusion: Weight of the likelihood of the teacher's action beside the loss: a number, a schedule, or
            `{name: tgeo}`; None leaves it out.
    """

    citation = "https://proceedings.neurips.cc/paper/1988/hash/812b4ba287f5ee0bc9d43bbf5bbe87fb-Abstract.html"
    bibtex = """@inproceedings{pomerleau1989alvinn,
  title = {{ALVINN}: An Autonomous Land Vehicle in a Neural Network},
  author = {Pomerleau, Dean A.},
  booktitle = {Advances in Neural Information Processing Systems},
  volume = {1},
  year = {1989}
}"""

    def __init__(
        self,
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
        learning_rate: Number = 1e-3,
        weight_decay: float = 0.0,
        max_grad_norm: float | None = None,
        entropy_weight: Number = 1e-3,
        fusion: dict[str, Any] | float | str | None = None,
    ) -> None:
        super().__init__(
            demonstrations=demonstrations, loss=loss, keep=keep, rounds=rounds, horizon=horizon, epochs=epochs,
            batch_size=batch_size, most_batches=most_batches, sequence=sequence, burn_in=burn_in,
            learning_rate=learning_rate, weight_decay=weight_decay, max_grad_norm=max_grad_norm,
            entropy_weight=entropy_weight, fusion=fusion, beta=1.0,
        )  # fmt: skip

    def grid(self) -> dict[str, Any]:
        """Returns the arguments of `Distillation`; the teacher does everything."""
        return {**Distillation(beta=1.0).init_args, **self.init_args}


class DAgger(Distillation):
    """Dataset aggregation (Ross, Gordon and Bagnell 2011): the student goes, and its teacher says where it should have.

    In round i the teacher does a share beta_i of the steps; all steps are labelled, kept, and learned from again in
    every round. Defaults are those of `imitation`'s `SimpleDAggerTrainer` and its BC
    (https://github.com/HumanCompatibleAI/imitation): beta falls linearly over 15 rounds, 4 epochs over all data in
    each, Adam 1e-3, minibatches of 32, the student's actions sampled, entropy weight 1e-3. A student with a memory has
    minibatches of 32 pieces, and gradients clipped to norm 1. Of a run's 25 rounds the last 10 are the student's alone.

    Args:
        beta: `{schedule: linear, from: 1, to: 0, rounds: 15}`, `{schedule: exponential, from: 1, factor: 0.7}`,
            `{schedule: success, from: 0.5}` (a step down after every round that went well), or a number.
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
        learning_rate: Of Adam, a number or a schedule.
        weight_decay: The optimiser's penalty on weights.
        max_grad_norm: The gradient is scaled down to this norm; None leaves it.
        entropy_weight: Weight of the student's entropy, which is subtracted from the loss; a number or a schedule.
        fusion: Weight of the likelihood of the teacher's action beside the loss: a number, a schedule, or
            `{name: tgeo}`; None leaves it out.
        sampled: Whether the student acts by samples rather than by its likeliest action while it learns.
    """

    citation = "https://proceedings.mlr.press/v15/ross11a.html"
    bibtex = """@inproceedings{ross2011reduction,
  title = {A Reduction of Imitation Learning and Structured Prediction to No-Regret Online Learning},
  author = {Ross, St{\\'e}phane and Gordon, Geoffrey J. and Bagnell, J. Andrew},
  booktitle = {Proceedings of the Fourteenth International Conference on Artificial Intelligence and Statistics},
  year = {2011}
}"""

    def __init__(
        self,
        beta: Number = DAGGER_BETA,
        loss: Spec = "auto",
        keep: int = 1_000_000,
        rounds: int = 25,
        horizon: int | None = None,
        epochs: int = 4,
        batch_size: int = 32,
        most_batches: int | None = None,
        sequence: int = 16,
        burn_in: int = 8,
        learning_rate: Number = 1e-3,
        weight_decay: float = 0.0,
        max_grad_norm: float | None = 1.0,
        entropy_weight: Number = 1e-3,
        fusion: dict[str, Any] | float | str | None = None,
        sampled: bool = True,
    ) -> None:
        super().__init__(
            beta=beta, loss=loss, keep=keep, rounds=rounds, horizon=horizon, epochs=epochs, batch_size=batch_size,
            most_batches=most_batches, sequence=sequence, burn_in=burn_in, learning_rate=learning_rate,
            weight_decay=weight_decay, max_grad_norm=max_grad_norm, entropy_weight=entropy_weight, fusion=fusion,
            sampled=sampled,
        )  # fmt: skip

    def grid(self) -> dict[str, Any]:
        """Returns the arguments of `Distillation`."""
        return {**Distillation().init_args, **self.init_args}
