"""Distillation: students that learn from labels, and what they lose by differing from them; imported on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from teachrl.distillation.distiller import Distiller
    from teachrl.distillation.families import FAMILIES, Family, choose_family
    from teachrl.distillation.fusions import FUSIONS, make_fusion
    from teachrl.distillation.hacking import Hacking, examine
    from teachrl.distillation.imitation import BC, DAgger
    from teachrl.distillation.losses import (
        LOSSES,
        MSE,
        NLL,
        Balanced,
        ForwardKL,
        Huber,
        JensenShannon,
        Loss,
        ReverseKL,
        available,
        make_loss,
    )
    from teachrl.distillation.methods import Distillation, Method
    from teachrl.distillation.on_policy import OnPolicy
    from teachrl.distillation.reinforced import KDRL, Kickstart
    from teachrl.distillation.targets import Targets, make_targets
    from teachrl.distillation.tgeo import TGeo
    from teachrl.distillation.weights import Advantage, Fusion, Scheduled, Triangle

_HOME = {
    "distiller": ("Distiller",),
    "methods": ("Distillation", "Method"),
    "imitation": ("BC", "DAgger"),
    "on_policy": ("OnPolicy",),
    "reinforced": ("KDRL", "Kickstart"),
    "families": ("FAMILIES", "Family", "choose_family"),
    "losses": (
        "LOSSES", "MSE", "NLL", "Balanced", "ForwardKL", "Huber", "JensenShannon", "Loss", "ReverseKL", "available",
        "make_loss",
    ),
    "targets": ("Targets", "make_targets"),
    "fusions": ("FUSIONS", "make_fusion"),
    "hacking": ("Hacking", "examine"),
    "tgeo": ("TGeo",),
    "weights": ("Advantage", "Fusion", "Scheduled", "Triangle"),
}  # fmt: skip
_MODULES = {name: f"teachrl.distillation.{module}" for module, names in _HOME.items() for name in names}

__all__ = [
    "BC", "KDRL", "DAgger", "Distillation", "Distiller", "Kickstart", "Method", "OnPolicy",
    "FAMILIES", "FUSIONS", "LOSSES", "MSE", "NLL",
    "Advantage", "Balanced", "Family", "ForwardKL", "Fusion", "Hacking", "Huber", "JensenShannon", "Loss", "ReverseKL",
    "Scheduled", "TGeo", "Targets", "Triangle",
    "available", "choose_family", "examine", "make_fusion", "make_loss", "make_targets",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Imports a name on first use, so that `import teachrl.distillation` leaves torch out."""
    if name not in _MODULES:
        raise AttributeError(f"module 'teachrl.distillation' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
