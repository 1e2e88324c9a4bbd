"""The teachers that come with teachrl, imported on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from teachrl.teachers.from_policy import FromPolicy
    from teachrl.teachers.tasks.alp_gmm import ALPGMM
    from teachrl.teachers.tasks.replay import Replay
    from teachrl.teachers.tasks.target import Target
    from teachrl.teachers.tasks.uniform import Uniform
    from teachrl.teachers.tasks.uniform_solvable import UniformSolvable

_HOME = {
    "ALPGMM": "teachrl.teachers.tasks.alp_gmm",
    "Replay": "teachrl.teachers.tasks.replay",
    "Target": "teachrl.teachers.tasks.target",
    "Uniform": "teachrl.teachers.tasks.uniform",
    "UniformSolvable": "teachrl.teachers.tasks.uniform_solvable",
    "FromPolicy": "teachrl.teachers.from_policy",
}

__all__ = ["ALPGMM", "FromPolicy", "Replay", "Target", "Uniform", "UniformSolvable"]


def __getattr__(name: str) -> Any:
    """Imports a teacher on first use, so that `import teachrl.teachers` stays quick."""
    if name not in _HOME:
        raise AttributeError(f"module 'teachrl.teachers' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
