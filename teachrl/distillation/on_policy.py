"""Online distillation: each round is learned from once, in time order, as in rsl_rl.

https://arxiv.org/abs/2509.10771
"""

from __future__ import annotations

from typing import Any

from teachrl.distillation.methods import Distillation, Number, Spec


class OnPolicy(Distillation):
    """Online distillation as in rsl_rl: the student acts, and each round is learned from once, in time order.

    Defaults are those of rsl_rl's `Distillation` (https://github.com/leggedrobotics/rsl_rl): one epoch, windows of 15
    steps with losses summed, Adam 1e-3, the gradient not clipped. A horizon of 120 steps is Isaac Lab's. Its loss, the
    squared error whatever the labels, is `mse`; ours is `auto`. Unlike there no step is left out where the horizon is
    no multiple of the window.

    Args:
        beta: Share of steps that the teacher does, drawn for each environment and step: 1 is behaviour cloning, 0
            leaves all to the student. A number or a schedule, `{schedule: success}` waits for the student's success.
        loss: `auto` takes the forward KL where labels are distributions of the student's family, else the likelihood
            of the label's choice or the squared error of its numbers. Or a loss by name, with arguments
            `{name: forward_kl, temperature: 2}`: nll, mse, huber, forward_kl, reverse_kl, js, balanced.
        horizon: Steps of each environment in a round.
        epochs: Passes over what is kept, in each round.
        gradient_length: With `keep` 0, steps of a window, over which the loss is summed and gradients go back.
        learning_rate: Of Adam, a number or a schedule.
        weight_decay: The optimiser's penalty on weights.
        max_grad_norm: The gradient is scaled down to this norm; None leaves it.
        entropy_weight: Weight of the student's entropy, which is subtracted from the loss; a number or a schedule.
        fusion: Weight of the likelihood of the teacher's action beside the loss: a number, a schedule, or
            `{name: tgeo}`; None leaves it out.
        sampled: Whether the student acts by samples rather than by its likeliest action while it learns.
    """

    citation = "https://arxiv.org/abs/2509.10771"
    bibtex = """@article{schwarke2025rslrl,
  title = {{RSL-RL}: A Learning Library for Robotics Research},
  author = {Schwarke, Clemens and Mittal, Mayank and Rudin, Nikita and Hoeller, David and Hutter, Marco},
  journal = {arXiv preprint arXiv:2509.10771},
  year = {2025}
}"""

    def __init__(
        self,
        beta: Number = 0.0,
        loss: Spec = "auto",
        horizon: int = 120,
        epochs: int = 1,
        gradient_length: int = 15,
        learning_rate: Number = 1e-3,
        weight_decay: float = 0.0,
        max_grad_norm: float | None = None,
        entropy_weight: Number = 0.0,
        fusion: dict[str, Any] | float | str | None = None,
        sampled: bool = True,
    ) -> None:
        super().__init__(
            beta=beta, loss=loss, keep=0, horizon=horizon, epochs=epochs, gradient_length=gradient_length,
            learning_rate=learning_rate, weight_decay=weight_decay, max_grad_norm=max_grad_norm,
            entropy_weight=entropy_weight, fusion=fusion, sampled=sampled,
        )  # fmt: skip

    def grid(self) -> dict[str, Any]:
        """Returns the arguments of `Distillation`; nothing is kept."""
        return {**Distillation(keep=0).init_args, **self.init_args}
