"""Weights of a network, normaliser included, from a file, a run, or out of something that has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from teachrl.configurable import import_class
from teachrl.errors import InvalidHyperparameter
from teachrl_agents.net import Net

Weights = Mapping[str, Any]


class _Saved(dict[str, Tensor]):
    """Tensors of a file, and the `form` of their network, empty if the file does not tell it."""

    form: Mapping[str, str]


def save_weights(net: Net, path: str | Path) -> Path:
    """Writes a network's weights, its normaliser and what shapes do not tell of it as safetensors; returns the path."""
    from safetensors.torch import save_file

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().contiguous() for name, tensor in net.state_dict().items()}
    save_file(tensors, str(path), metadata=form_of(net))
    return path


def form_of(net: Net) -> dict[str, str]:
    """Returns what two networks with weights of the same names and shapes may differ in."""
    found = {"family": net.family.title, "activation": str(net.arguments["activation"])}
    if net.arguments["state_std"] and any(name.endswith("std") for name in net.family.fill):
        found["std"] = f"{net.arguments['std']:g}"
    return found


def opened(source: Any) -> Net | Weights:
    """Returns the network that `source` is or has, or its tensors by name where there are no more than these.

    Args:
        source: A run's directory, whose student has a network of ours; a `.safetensors` file that `save_weights` wrote;
            a mapping of tensors or arrays; a `Net`; or what has one, a `NetPolicy` or a student.

    Raises:
        InvalidHyperparameter: If it is nothing of these.
        InvalidRun: If it is a directory and no run's, or the run has no checkpoint.
    """
    if isinstance(source, str | Path):
        return _of_run(Path(source)) if Path(source).is_dir() else _read(Path(source))
    if isinstance(source, Mapping):
        return source
    if (found := _net_of(source)) is not None:
        return cast(Net, found)
    raise InvalidHyperparameter(
        "A network starts from a run's directory, a .safetensors file, a mapping of tensors, a Net, a NetPolicy or a "
        f"student, got {source!r}."
    )


def weights_of(source: Any) -> Weights:
    """Returns tensors by name; see `opened`."""
    found = opened(source)
    return found.state_dict() if isinstance(found, torch.nn.Module) else found


def _net_of(source: Any) -> Any:
    for found in (source, getattr(source, "net", None), getattr(getattr(source, "policy", None), "net", None)):
        if isinstance(found, torch.nn.Module):
            return found
    return None


def _of_run(path: Path) -> Net:
    run: Any = import_class("teachrl.runs.run_policy.RunPolicy")
    policy = run(str(path)).load()
    if not isinstance(found := _net_of(policy), Net):
        raise InvalidHyperparameter(
            f"A network starts from a run whose student has one of ours: a distillation's, or PPO's. That of {path} "
            f"acts by {type(policy).__name__}."
        )
    return found


def _read(path: Path) -> Weights:
    from safetensors import SafetensorError, safe_open

    if path.suffix != ".safetensors" or not path.is_file():
        raise InvalidHyperparameter(
            f"A network starts from a run's directory or a .safetensors file that exists, got {str(path)!r}."
        )
    try:
        with safe_open(str(path), framework="pt") as file:
            found = _Saved({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118 (it is no mapping)
            found.form = file.metadata() or {}
    except SafetensorError as error:
        raise InvalidHyperparameter(f"{str(path)!r} is no .safetensors file: {error}.") from error
    return found


def load_weights(net: Net, source: Any) -> bool:
    """Copies weights into a network; a critic that the source lacks, or has of another form, is left as it is, whole.

    Returns:
        Whether all weights were copied.

    Raises:
        InvalidHyperparameter: If the rest does not fit: names, shapes, and where the source tells them, see `opened`,
            family and activation; the message names what differs.
    """
    found, own = opened(source), net.state_dict()
    given = {
        name: torch.as_tensor(np.asarray(x) if not isinstance(x, Tensor) else x)
        for name, x in weights_of(found).items()
    }
    form = form_of(found) if isinstance(found, Net) else getattr(found, "form", {})
    wrong = [
        f"{name} {form[name]} for {value}" for name, value in form_of(net).items() if form.get(name, value) != value
    ]
    differing = _differing(own, given)
    wrong += [line for name, line in differing.items() if not name.startswith("critic")]
    if wrong:
        raise InvalidHyperparameter(
            f"These weights are of another network: {'; '.join(wrong[:3])}. Take the network they were learned with."
        )
    kept = {name for name in own if differing and name.startswith("critic")}
    net.load_state_dict({name: tensor if name in kept else given[name] for name, tensor in own.items()})
    return not kept


def _differing(own: Weights, given: Weights) -> dict[str, str]:
    """Returns what is said of each tensor that only one of two networks has, or both in different shapes."""
    shapes = [{name: tuple(tensor.shape) for name, tensor in tensors.items()} for tensors in (given, own)]
    return {
        name: f"{name} {shapes[0].get(name, 'missing')} for {shapes[1].get(name, 'none')}"
        for name in [*own, *(name for name in given if name not in own)]
        if shapes[0].get(name) != shapes[1].get(name)
    }
