"""A network as a policy: arrays in, arrays out, its memory and its previous action carried from call to call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from teachrl.errors import InvalidStudent
from teachrl.lessons import Array, Bools, Floats, Observations
from teachrl_agents.net import Net, Out, one_step, to_tensors
from teachrl_agents.ppo_rollout import executable

Carried = dict[str, Array]


class NetPolicy:
    """A network's policy as it is now, with its observation normaliser; implements `teachrl.student.Policy`.

    Its state is a dict of arrays: `memory` (B, S) and the `previous` actions (B, *a); None where it has neither.

    Args:
        net: The network.
        generator: What actions are sampled with; PyTorch's global one if None.

    Attributes:
        stochastic: It draws its actions from a distribution.
    """

    stochastic = True

    def __init__(self, net: Net, generator: torch.Generator | None = None) -> None:
        self.net = net
        self._generator = generator

    @property
    def recurrent(self) -> bool:
        """Whether it carries a state."""
        return self.net.carries

    def act(
        self, observations: Observations, state: Any = None, first: Bools | None = None, deterministic: bool = True
    ) -> tuple[Array, Any]:
        """Chooses actions (B, *a) for observations (B, *o); see `teachrl.student.Policy`."""
        actions, _, state = self.answer(observations, state, first, deterministic)
        return actions, state

    @torch.no_grad()
    def answer(
        self, observations: Observations, state: Any = None, first: Bools | None = None, deterministic: bool = True
    ) -> tuple[Array, dict[str, Array], Any]:
        """Returns actions (B, *a), distribution parameters by name, each (B, width), and the next state: soft labels.

        Args:
            observations: (B, *o).
            state: What the last call returned, None at the beginning.
            first: (B,) bool, where an episode begins.
            deterministic: The mode rather than a sample.
        """
        out = self._run(observations, state, first, values=False)
        parameters = {name: part[0] for name, part in out.parameters.items()}
        family = self.net.family
        chosen = family.mode(parameters) if deterministic else family.sample(parameters, self._generator)
        actions = executable(chosen.cpu().numpy(), self.net.action_space)
        carried = {"memory": out.state.cpu().numpy(), "previous": actions} if self.recurrent else None
        return actions, {name: part.cpu().numpy() for name, part in parameters.items()}, carried

    @torch.no_grad()
    def distribution(
        self, observations: Observations, state: Any = None, first: Bools | None = None
    ) -> dict[str, Array]:
        """Returns the parameters of the action distribution by name, each (B, width).

        Raises:
            InvalidStudent: If it depends on a memory and `state` is not given; begin with `answer`.
        """
        if self.recurrent and state is None and first is None:
            raise InvalidStudent(
                "The distribution of a policy with a memory depends on it: pass `state` and `first`, or call `answer`, "
                "which returns actions, parameters and the next state."
            )
        out = self._run(observations, state, first, values=False)
        return {name: part[0].cpu().numpy() for name, part in out.parameters.items()}

    @torch.no_grad()
    def values(
        self, observations: Observations, state: Any = None, first: Bools | None = None, critic: Observations = None
    ) -> Floats:
        """Returns the critic's values (B,); without a state its memory is empty.

        Args:
            observations: (B, *o).
            state: What `act` returned last, None at the beginning.
            first: (B,) bool, where an episode begins.
            critic: (B, *c) what the critic sees, where that is another view.

        Raises:
            InvalidStudent: If there is no critic, or it sees another view and is not shown it.
        """
        if self.net.critic is None or (self.net.critic_encoder is not None and critic is None):
            why = "has no critic" if self.net.critic is None else "has a critic that sees another view"
            raise InvalidStudent(f"The network {why}, so that observations have no values.")
        shown = None if self.net.critic_encoder is None else one_step(to_tensors(critic, self.net.device))
        values = self._run(observations, state, first, values=True, critic=shown).values
        return np.asarray(values[0].cpu().numpy() if values is not None else np.empty(0))

    def after(self, state: Any, executed: Array) -> Any:
        """Returns the state with what was executed, (B, *a), in place of what the policy chose."""
        if state is None:
            return None
        return {**state, "previous": np.asarray(executed).astype(self.net.action_space.dtype)}

    def _run(
        self, observations: Observations, state: Carried | None, first: Bools | None, values: bool, critic: Any = None
    ) -> Out:
        seen = one_step(to_tensors(observations, self.net.device))
        if not self.recurrent:
            return self.net(seen, critic=critic, values=values)  # type: ignore[no-any-return]
        n = _rows(seen)
        begins = np.zeros(n, dtype=bool) if first is None else np.asarray(first, dtype=bool)
        if state is None or len(state["previous"]) != n:
            memory, previous, begins = self.net.initial_state(n), self.net.blank_actions(n), np.ones(n, dtype=bool)
        else:
            memory, previous = (to_tensors(state[name], self.net.device) for name in ("memory", "previous"))
        carried = (previous.unsqueeze(0), self._tensor(begins).unsqueeze(0), memory)
        return self.net(seen, *carried, critic=critic, values=values)  # type: ignore[no-any-return]

    def _tensor(self, array: Array) -> Tensor:
        return torch.as_tensor(array, device=self.net.device)

    def export(self, path: str | Path) -> Path:
        """Writes the policy as TorchScript or ONNX; see `teachrl_agents.exporting.export`."""
        from teachrl_agents.exporting import export

        return export(self, path)


def _rows(observations: Any) -> int:
    while isinstance(observations, dict):
        observations = next(iter(observations.values()))
    return int(observations.shape[1])
