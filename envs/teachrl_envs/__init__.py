"""Environments that accept a task. Importing this package registers their ids and nothing heavier than Gymnasium."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import gymnasium as gym

from teachrl_envs.minigrid import GAMES as _MINIGRID_GAMES
from teachrl_envs.restorable import register_adapters as _register_adapters

if TYPE_CHECKING:
    from teachrl_envs.box2d.stump_tracks import StumpTracks
    from teachrl_envs.box2d.stump_tracks_blind import StumpTracksBlind
    from teachrl_envs.classic.cartpole import CartPoleFlicker, CartPoleNoisy, CartPolePositions
    from teachrl_envs.classic.pendulum import PendulumFlicker, PendulumNoisy, PendulumPositions
    from teachrl_envs.hypercube import Hypercube
    from teachrl_envs.hypercube_vector import HypercubeVector
    from teachrl_envs.minigrid.planner import Planner
    from teachrl_envs.minigrid.views import MiniGridViews
    from teachrl_envs.parametrised import Parametrised
    from teachrl_envs.pixels import PixelView
    from teachrl_envs.point_mass import PointMass
    from teachrl_envs.point_mass_vector import PointMassVector

__all__ = [
    "CartPoleFlicker",
    "CartPoleNoisy",
    "CartPolePositions",
    "Hypercube",
    "HypercubeVector",
    "MiniGridViews",
    "Parametrised",
    "PendulumFlicker",
    "PendulumNoisy",
    "PendulumPositions",
    "PixelView",
    "Planner",
    "PointMass",
    "PointMassVector",
    "StumpTracks",
    "StumpTracksBlind",
]

_HOMES = {
    "StumpTracks": "teachrl_envs.box2d.stump_tracks",
    "StumpTracksBlind": "teachrl_envs.box2d.stump_tracks_blind",
    "CartPolePositions": "teachrl_envs.classic.cartpole",
    "CartPoleFlicker": "teachrl_envs.classic.cartpole",
    "CartPoleNoisy": "teachrl_envs.classic.cartpole",
    "PendulumPositions": "teachrl_envs.classic.pendulum",
    "PendulumFlicker": "teachrl_envs.classic.pendulum",
    "PendulumNoisy": "teachrl_envs.classic.pendulum",
    "PixelView": "teachrl_envs.pixels",
    "Hypercube": "teachrl_envs.hypercube",
    "HypercubeVector": "teachrl_envs.hypercube_vector",
    "PointMass": "teachrl_envs.point_mass",
    "PointMassVector": "teachrl_envs.point_mass_vector",
    "Parametrised": "teachrl_envs.parametrised",
    "MiniGridViews": "teachrl_envs.minigrid.views",
    "Planner": "teachrl_envs.minigrid.planner",
}
REGISTERED_BY = {"MiniGrid-": "minigrid", "BabyAI-": "minigrid"}
"""The modules that register ids of other projects, by how these begin."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _register(env_id: str, entry_point: str, vector_entry_point: str | None = None, **kwargs: Any) -> None:
    if env_id not in gym.registry:
        # The environments check and count their own episodes: wrappers would only cost time.
        gym.register(
            env_id,
            entry_point=entry_point,
            vector_entry_point=vector_entry_point,
            disable_env_checker=True,
            order_enforce=False,
            kwargs=kwargs,
        )


_register("TeachRL/StumpTracks-v0", "teachrl_envs.box2d.stump_tracks:StumpTracks")
_register("TeachRL/StumpTracksBlind-v0", "teachrl_envs.box2d.stump_tracks_blind:StumpTracksBlind")
for _view in ("Positions", "Flicker", "Noisy"):
    _register(f"TeachRL/CartPole{_view}-v0", f"teachrl_envs.classic.cartpole:CartPole{_view}")
    _register(f"TeachRL/Pendulum{_view}-v0", f"teachrl_envs.classic.pendulum:Pendulum{_view}")
_register("TeachRL/ReacherPixels-v0", "teachrl_envs.pixels:reacher_pixels")
_register("TeachRL/PointMass-v0", "teachrl_envs.point_mass:PointMass", "teachrl_envs.point_mass_vector:PointMassVector")
_register("TeachRL/Hypercube-v0", "teachrl_envs.hypercube:Hypercube", "teachrl_envs.hypercube_vector:HypercubeVector")
for _game in _MINIGRID_GAMES:
    _register(f"TeachRL/{_game}", "teachrl_envs.minigrid.views:MiniGridViews", game=_game)
_register_adapters()
