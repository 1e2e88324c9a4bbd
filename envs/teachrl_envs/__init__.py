"""Environments that accept a task. Importing this package registers their ids and nothing heavier than Gymnasium."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import gymnasium as gym

if TYPE_CHECKING:
    from teachrl_envs.box2d.stump_tracks import StumpTracks
    from teachrl_envs.hypercube import Hypercube
    from teachrl_envs.hypercube_vector import HypercubeVector
    from teachrl_envs.parametrised import Parametrised
    from teachrl_envs.point_mass import PointMass
    from teachrl_envs.point_mass_vector import PointMassVector

__all__ = [
    "Hypercube",
    "HypercubeVector",
    "Parametrised",
    "PointMass",
    "PointMassVector",
    "StumpTracks",
]

_HOMES = {
    "StumpTracks": "teachrl_envs.box2d.stump_tracks",
    "Hypercube": "teachrl_envs.hypercube",
    "HypercubeVector": "teachrl_envs.hypercube_vector",
    "PointMass": "teachrl_envs.point_mass",
    "PointMassVector": "teachrl_envs.point_mass_vector",
    "Parametrised": "teachrl_envs.parametrised",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _register(env_id: str, entry_point: str, vector_entry_point: str | None = None) -> None:
    if env_id not in gym.registry:
        # The environments check and count their own episodes: wrappers would only cost time.
        gym.register(
            env_id,
            entry_point=entry_point,
            vector_entry_point=vector_entry_point,
            disable_env_checker=True,
            order_enforce=False,
        )


_register("TeachRL/StumpTracks-v0", "teachrl_envs.box2d.stump_tracks:StumpTracks")
_register("TeachRL/PointMass-v0", "teachrl_envs.point_mass:PointMass", "teachrl_envs.point_mass_vector:PointMassVector")
_register("TeachRL/Hypercube-v0", "teachrl_envs.hypercube:Hypercube", "teachrl_envs.hypercube_vector:HypercubeVector")
