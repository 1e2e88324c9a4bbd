"""Weights of a network, normaliser included, from a file or out of something that has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from teachrl.errors import InvalidHyperparameter
from teachrl_agents.net import Net

Weights = Mapping[str, Any]


def save_weights(net: Net, path: str | Path) -> Path:
    """Writes the weights of a network and its normaliser as safetensors; returns the path."""
    from safetensors.torch import save_file

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.detach().contiguous() for name, tensor in net.state_dict().items()}, str(path))
    return path


def weights_of(source: Any) -> Weights:
    """Returns tensors by name.

    Args:
        source: A `.safetensors` file that `save_weights` wrote; a mapping of tensors or arrays; a `Net`; or what has
            one, a `NetPolicy` or a student.

    Raises:
        InvalidHyperparameter: If it is nothing of these.
    """
    if isinstance(source, str | Path):
        return _read(Path(source))
    if isinstance(source, Mapping):
        return source
    for found in (source, getattr(source, "net", None), getattr(getattr(source, "policy", None), "net", None)):
        if isinstance(found, torch.nn.Module):
            return found.state_dict()
    raise InvalidHyperparameter(
        "A network starts from a .safetensors file, a mapping of tensors, a Net, a NetPolicy or a student, "
        f"got {source!r}."
    )


def _read(path: Path) -> Weights:
    from safetensors.torch import load_file

    if path.suffix != ".safetensors" or not path.is_file():
        raise InvalidHyperparameter(f"A network starts from a .safetensors file that exists, got {str(path)!r}.")
    found: dict[str, Tensor] = load_file(str(path))
    return found


@torch.no_grad()
def load_weights(net: Net, source: Any) -> None:
    """Copies weights into a network; a critic that the source lacks, or has of another form, keeps its own.

    Raises:
        InvalidHyperparameter: If the rest does not fit; the message names what differs.
    """
    given = {
        name: torch.as_tensor(np.asarray(x) if not isinstance(x, Tensor) else x)
        for name, x in weights_of(source).items()
    }
    own = net.state_dict()
    loose = {name for name in own if name.startswith("critic")}
    wrong = [
        f"{name} {tuple(given[name].shape) if name in given else 'missing'} for {tuple(tensor.shape)}"
        for name, tensor in own.items()
        if name not in loose and (name not in given or given[name].shape != tensor.shape)
    ]
    if wrong:
        raise InvalidHyperparameter(
            f"These weights are of another network: {'; '.join(wrong[:3])}. Take the network they were learned with."
        )
    for name, tensor in own.items():
        if name in given and given[name].shape == tensor.shape:
            tensor.copy_(given[name])
