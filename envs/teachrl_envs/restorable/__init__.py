"""Exact states for environments of other libraries, which have none: adapters for `teachrl.snapshots`.

Registering them imports nothing; each is imported with the first environment that it is for.
"""

from __future__ import annotations

from teachrl.snapshots import register_adapter

_HOMES = {
    "gymnasium.envs.classic_control": "teachrl_envs.restorable.classic:ClassicAdapter",
    "gymnasium.envs.toy_text": "teachrl_envs.restorable.toy_text:TransitionsAdapter",
    "gymnasium.envs.toy_text.blackjack": "teachrl_envs.restorable.toy_text:BlackjackAdapter",
    "gymnasium.envs.mujoco": "teachrl_envs.restorable.mujoco:MujocoAdapter",
    "minigrid": "teachrl_envs.restorable.minigrid:MiniGridAdapter",
    "teachrl_envs.minigrid.views": "teachrl_envs.restorable.minigrid:ViewsAdapter",
}


def register_adapters() -> None:
    """Registers the adapters of this package."""
    for module, adapter in _HOMES.items():
        register_adapter(module, adapter)
