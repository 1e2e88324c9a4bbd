"""MiniGrid's games with a partial view for the student and the full state for the teacher, and their planner.

Nothing is imported until one of them is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from teachrl_envs.minigrid.planner import Planner
    from teachrl_envs.minigrid.views import MiniGridViews

__all__ = ["MiniGridViews", "Planner"]

_HOMES = {"MiniGridViews": "teachrl_envs.minigrid.views", "Planner": "teachrl_envs.minigrid.planner"}

_SIZES = {
    "DoorKey": ("-5x5-v0", "-6x6-v0", "-8x8-v0", "-16x16-v0"),
    "FourRooms": ("-v0",),
    "KeyCorridor": ("S3R1-v0", "S3R2-v0", "S3R3-v0", "S4R3-v0", "S5R3-v0", "S6R3-v0"),
    "Memory": ("S7-v0", "S9-v0", "S11-v0", "S13-v0", "S13Random-v0", "S17Random-v0"),
    "MultiRoom": ("-N2-S4-v0", "-N4-S5-v0", "-N4-S5-v1", "-N6-v0"),
    "ObstructedMaze": (
        *("-1Dl-v0", "-1Dlh-v0", "-1Dlhb-v0", "-2Dl-v0", "-2Dlh-v0"),
        *("-2Dlhb-v0", "-1Q-v0", "-2Q-v0", "-Full-v0", "-2Dlhb-v1", "-1Q-v1", "-2Q-v1", "-Full-v1"),
    ),
}
GAMES = tuple(f"MiniGrid-{family}{size}" for family, sizes in _SIZES.items() for size in sizes)
"""MiniGrid's own ids of the games; each is registered as `TeachRL/<id>`."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
