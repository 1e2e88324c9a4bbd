"""Students: who learns what the teachers set."""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "CNN": "teachrl_agents.nets",
    "MLP": "teachrl_agents.nets",
    "NetPolicy": "teachrl_agents.net_policy",
    "PPO": "teachrl_agents.ppo",
    "Recurrent": "teachrl_agents.nets",
    "SB3": "teachrl_agents.sb3",
    "SavedModel": "teachrl_agents.sb3_saved",
    "SimulatedStudent": "teachrl_agents.simulated",
    "export": "teachrl_agents.exporting",
}

# `NetPolicy` is left out, whose module needs torch: plug-ins are looked through by what `__all__` names.
__all__ = [  # pyright: ignore[reportUnsupportedDunderAll]
    "CNN", "MLP", "PPO", "Recurrent", "SB3", "SavedModel", "SimulatedStudent", "export",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Imports a public name on first use, so that `import teachrl_agents` stays quick."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(_HOME)}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(_HOME)
