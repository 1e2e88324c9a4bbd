"""Students: who learns what the teachers set."""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "SB3": "teachrl_agents.sb3",
    "SimulatedStudent": "teachrl_agents.simulated",
}

__all__ = ["SB3", "SimulatedStudent"]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    """Imports a public name on first use, so that `import teachrl_agents` stays quick."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
