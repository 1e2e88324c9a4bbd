"""All losses by their names, and how plain data become one: `"forward_kl"`, or `{name: js, alpha: 0.1}`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from teachrl.configurable import import_class
from teachrl.distillation.divergences import Balanced, ForwardKL, JensenShannon, ReverseKL
from teachrl.distillation.family import Family
from teachrl.distillation.loss import Loss, masked_mean
from teachrl.distillation.regression import MSE, NLL, Huber
from teachrl.errors import InvalidHyperparameter, UnknownName, nearest

__all__ = [
    "LOSSES",
    "MSE",
    "NLL",
    "Balanced",
    "ForwardKL",
    "Huber",
    "JensenShannon",
    "Loss",
    "ReverseKL",
    "available",
    "make_loss",
    "masked_mean",
]

LOSSES: dict[str, type[Loss]] = {
    cls.name: cls for cls in (NLL, MSE, Huber, ForwardKL, ReverseKL, JensenShannon, Balanced)
}


def available(student: Family, teacher: Family | None) -> list[str]:
    """Returns the names of the losses that exist for a pair of families; a teacher without one gives bare actions."""
    return [name for name, cls in LOSSES.items() if cls.supports(student, teacher)]


def make_loss(spec: str | Mapping[str, Any] | Loss) -> Loss:
    """Returns the loss that plain data describe.

    Args:
        spec: A short name, a class's name or import path; a mapping of one of these, as `name`, and arguments; the
            form of configuration files, `{class_path: ..., init_args: {...}}`; or a loss.

    Raises:
        UnknownName: If there is no such loss.
        InvalidHyperparameter: If an argument does not exist or is impossible.
    """
    if isinstance(spec, Loss):
        spec.validate()
        return spec
    name, arguments = _read(spec)
    cls = _find(name)
    known = list(inspect.signature(cls).parameters)
    for argument in arguments:
        if argument not in known:
            near = nearest(argument, known)
            guess = f" Did you mean {' or '.join(near)}?" if near else ""
            raise InvalidHyperparameter(
                f"The loss {cls.name} has no argument {argument!r}.{guess} It has {', '.join(known) or 'none'}."
            )
    loss = cls(**arguments)
    loss.validate()
    return loss


def _read(spec: str | Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    if isinstance(spec, str):
        return spec, {}
    if isinstance(spec, Mapping) and set(spec) <= {"class_path", "init_args"} and "class_path" in spec:
        return str(spec["class_path"]), dict(spec.get("init_args") or {})
    if isinstance(spec, Mapping) and "name" in spec:
        return str(spec["name"]), {key: value for key, value in spec.items() if key != "name"}
    raise InvalidHyperparameter(f"A loss is a name, like forward_kl, or {{name: js, alpha: 0.1}}, got {spec!r}.")


def _find(name: str) -> type[Loss]:
    by_class = {cls.__name__: cls for cls in LOSSES.values()}
    found: type = LOSSES.get(name) or by_class.get(name) or type(None)
    if found is type(None):
        if "." not in name:
            raise UnknownName("loss", name, LOSSES, "One of your own is named with its module: my_module.MyLoss.")
        found = import_class(name)
    if not issubclass(found, Loss):
        raise InvalidHyperparameter(f"{name} is not a loss: it must be a subclass of teachrl.distillation.Loss.")
    return found
