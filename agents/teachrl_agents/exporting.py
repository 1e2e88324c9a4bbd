"""A trained policy as one file that runs without teachrl: TorchScript, or ONNX where its packages are installed."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teachrl.errors import InvalidHyperparameter

if TYPE_CHECKING:
    from torch import Tensor, nn

    from teachrl_agents.net_policy import NetPolicy

_ONNX = ("onnx", "onnxscript")


def export(policy: NetPolicy, path: str | Path) -> Path:
    """Writes what the policy does without chance, its observation normaliser and its memory included.

    The file holds a function of B environments, called with keywords. A policy that carries nothing takes
    `observations` (B, *o), in dicts as the student sees them, and returns actions (B, *a). One that does takes also
    `memory` (B, S), zeros at the beginning, `previous` (B, *a), the actions of the last call, and `first` (B,) bool,
    true where an episode begins, and returns actions and the next memory; what it does not carry, memory or previous,
    is left out. In ONNX the second output is `next_memory`, and an entry of a dict is `observations_<entry>`.

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
    module, example = _step(policy.net), _example(policy.net)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".pt":
        _write_script(module, example, path)
    else:
        _write_onnx(module, example, path)
    return path


def _step(net: Any) -> nn.Module:
    """Returns one step without chance as a module, of the arguments that `_example` has."""
    from torch import nn

    from teachrl_agents.net import one_step

    class Step(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(
            self,
            observations: Any,
            memory: Tensor | None = None,
            previous: Tensor | None = None,
            first: Tensor | None = None,
        ) -> Any:
            previous, first = (None if x is None else x.unsqueeze(0) for x in (previous, first))
            out = net(one_step(observations), previous, first, memory, values=False)
            actions = net.family.mode({name: part[0].detach() for name, part in out.parameters.items()})
            return (actions, out.state.detach()) if net.recurrent else actions

    return Step().eval()


def _example(net: Any) -> dict[str, Any]:
    """Returns arguments for two environments, by name."""
    import torch
    from gymnasium.vector.utils import create_empty_array

    from teachrl_agents.net import to_tensors

    arguments = {"observations": to_tensors(create_empty_array(net.observation_space, n=2), net.device)}
    if net.recurrent:
        arguments["memory"] = net.initial_state(2)
    if net.previous:
        arguments["previous"] = net.blank_actions(2)
    if net.carries:
        arguments["first"] = torch.ones(2, dtype=torch.bool, device=net.device)
    return arguments


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
