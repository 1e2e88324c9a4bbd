"""What PPO keeps between runs, checked before it is taken over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from teachrl.errors import InvalidStudent
from teachrl_agents.net import Net


def cloned(state: Any) -> Any:
    """Returns a state of modules and optimisers with copies of its tensors, without gradient, where they are."""
    if isinstance(state, torch.Tensor):
        return state.detach().clone()
    if isinstance(state, dict):
        return {key: cloned(part) for key, part in state.items()}
    return [cloned(part) for part in state] if isinstance(state, list) else state


def load_learned(net: Net, optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Copies the weights of a state into a network, and its moments into the optimiser.

    Raises:
        InvalidStudent: If they are of another network.
    """
    try:
        net.load_state_dict(state["net"])
        optimizer.load_state_dict(cloned(state["optimizer"]))
    except (RuntimeError, ValueError) as error:
        raise InvalidStudent(
            f"The saved network is another than the one that was made, or comes without its normaliser: {error}"
        ) from error


def carried(state: Mapping[str, Any], num_envs: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Returns the memory (N, S) and the previous actions (N, *a) of a state.

    Raises:
        InvalidStudent: If they are of another number of environments.
    """
    if (found := len(state["memory"])) != num_envs:
        raise InvalidStudent(
            f"This state is of a student in {found} environments, and here there are {num_envs}. Begin in as many."
        )
    memory, previous = (torch.as_tensor(state[name]).to(device) for name in ("memory", "previous"))
    return memory, previous
