"""A trained policy as one file that runs without teachrl: TorchScript, or ONNX where its packages are installed."""

from __future__ import annotations

import copy
import importlib.util
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from teachrl.errors import InvalidHyperparameter

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from teachrl_agents.net_policy import NetPolicy

_ONNX = ("onnx", "onnxscript")


def export(policy: NetPolicy, path: str | Path) -> Path:
    """Writes what the policy does without chance, its observation normaliser and its memory included.

    The file holds a function of B environments, called with keywords. A policy that carries nothing takes
    `observations` (B, *o), in dicts as the student sees them, and returns actions (B, *a). One that does takes also
    `memory` (B, S), zeros at the beginning, `previous` (B, *a), the actions of the last call, and `first` (B,) bool,
    true where an episode begins, and returns actions and the next memory; what it does not carry, memory or previous,
    is left out. In TorchScript an entry of a nested dict is `outer.inner`. In ONNX an entry is `observations_<entry>`,
    and the second output is `next_memory`.

    Args:
        policy: What to write.
        path: A file ending in `.pt`, for `torch.jit.load`, or in `.onnx`.

    Returns:
        The path.

    Raises:
        InvalidHyperparameter: If the ending is another, or ONNX's packages are missing.
    """
    path = Path(path)
    if path.suffix not in (".pt", ".onnx"):
        raise InvalidHyperparameter(f"A policy is exported to a file ending in .pt or .onnx, got {path.name!r}.")
    missing = [name for name in _ONNX if importlib.util.find_spec(name) is None]
    if path.suffix == ".onnx" and missing:
        raise InvalidHyperparameter(
            f"Exporting to ONNX needs {' and '.join(missing)}: pip install {' '.join(missing)}; or export to a file "
            "ending in .pt, which needs nothing more."
        )
    net = copy.deepcopy(policy.net).cpu()
    module, example = _step(net), _example(net)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".pt":
        example["observations"] = _flat(example["observations"])
        _write_script(module, example, path)
    else:
        _write_onnx(module, example, path)
    return path


def _step(net: Any) -> nn.Module:
    """Returns one step without chance as a module, of the arguments that `_example` has."""
    import torch
    from gymnasium import spaces
    from torch import nn

    from teachrl_agents.net import one_step

    space, dtype = net.action_space, _action_dtype(net)
    box = isinstance(space, spaces.Box)

    class Step(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net
            if box:
                self.register_buffer("low", torch.as_tensor(space.low, dtype=dtype))
                self.register_buffer("high", torch.as_tensor(space.high, dtype=dtype))

        def forward(
            self,
            observations: Any,
            memory: Tensor | None = None,
            previous: Tensor | None = None,
            first: Tensor | None = None,
        ) -> Any:
            previous, first = (None if x is None else x.unsqueeze(0) for x in (previous, first))
            previous = previous.float() if box and previous is not None else previous
            seen = one_step(_nested(observations, net.observation_space))
            out = net(seen, previous, first, memory, values=False)
            actions = net.family.mode({name: part[0].detach() for name, part in out.parameters.items()}).to(dtype)
            actions = actions.clamp(self.low, self.high) if box else actions
            return (actions, out.state.detach()) if net.recurrent else actions

    return Step().eval()


def _example(net: Any) -> dict[str, Any]:
    """Returns arguments for two environments, by name."""
    import torch

    arguments = {"observations": _blank(net.observation_space)}
    if net.recurrent:
        arguments["memory"] = net.initial_state(2)
    if net.previous:
        arguments["previous"] = net.blank_actions(2).to(_action_dtype(net))
    if net.carries:
        arguments["first"] = torch.ones(2, dtype=torch.bool)
    return arguments


def _action_dtype(net: Any) -> torch.dtype:
    """Returns the type of the actions in the file: the space's own, int64 where PyTorch has no arithmetic of it."""
    import torch

    name = str(net.action_space.dtype)
    return torch.int64 if name in ("uint16", "uint32", "uint64") else getattr(torch, name)


def _blank(space: Any) -> Any:
    """Returns two observations as tensors: zeros, or what is nearest to them in the space."""
    from gymnasium import spaces

    from teachrl_agents.net import to_tensors

    if isinstance(space, spaces.Dict):
        return {name: _blank(part) for name, part in space.spaces.items()}
    one = np.zeros(space.shape, space.dtype) + np.asarray(getattr(space, "start", 0), space.dtype)
    one = np.clip(one, space.low, space.high) if isinstance(space, spaces.Box) else one
    return to_tensors(np.stack([one, one]))


def _flat(observations: Any, path: str = "") -> Any:
    """Returns observations with the entries of nested dicts side by side: TorchScript's dicts hold one type only."""
    if not isinstance(observations, dict):
        return observations
    found: dict[str, Any] = {}
    for name, part in observations.items():
        found |= _flat(part, f"{path}{name}.") if isinstance(part, dict) else {f"{path}{name}": part}
    return found


def _nested(observations: Any, space: Any, path: str = "") -> Any:
    """Returns observations as the space has them, whether `_flat` or not."""
    from gymnasium import spaces

    if not isinstance(space, spaces.Dict):
        return observations[path[:-1]] if path else observations
    if set(space.spaces) == set(observations):
        return observations
    return {name: _nested(observations, part, f"{path}{name}.") for name, part in space.spaces.items()}


def _write_script(module: nn.Module, example: dict[str, Any], path: Path) -> None:
    import torch

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # tracing warns of every size that is written down
        traced = torch.jit.trace(module, example_kwarg_inputs=example, check_trace=False)  # type: ignore[no-untyped-call]
        traced.save(str(path))


def _write_onnx(module: nn.Module, example: dict[str, Any], path: Path) -> None:
    import torch

    sizes = torch.utils._pytree.tree_map(lambda _: {0: torch.export.Dim("batch", min=1)}, example)
    names = [*_names(example["observations"]), *list(example)[1:]]
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, (), str(path), kwargs=example, dynamo=True, dynamic_shapes=sizes, verbose=False,
            input_names=names, output_names=["actions", "next_memory"] if "memory" in example else ["actions"],
        )  # fmt: skip


def _names(observations: Any, name: str = "observations") -> list[str]:
    if not isinstance(observations, dict):
        return [name]
    return [found for key, part in observations.items() for found in _names(part, f"{name}_{key}")]
