"""The states of MuJoCo's environments (https://mujoco.readthedocs.io/en/stable/programming/simulation.html#state)."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from teachrl.errors import InvalidEnvironment
from teachrl.snapshots import Adapter, saved_array

_READ = (
    *("xpos", "xipos", "site_xpos", "cinert", "cvel", "cfrc_ext"),
    *("qfrc_actuator", "qfrc_constraint", "ten_length", "ten_velocity"),
)
"""What Gymnasium's observations, rewards and infos read, and MuJoCo computed before the last step's end."""
_DRAWN = ("geom_xpos", "geom_xmat", "site_xmat", "cam_xpos", "cam_xmat", "light_xpos", "light_xdir", "xmat", "xquat")
"""What its pictures show, likewise."""


class MujocoAdapter(Adapter):
    """Saves what MuJoCo integrates, its solver's warm start included, and the derived numbers that are read later.

    After a step MuJoCo's positions and velocities are new, but what it derives from them (the places of bodies, contact
    forces) is still that of the last substep's beginning. Observations and rewards read those, so they must be as they
    were, not as they would be computed now: then a restored environment goes on bit for bit.
    """

    packages: ClassVar[tuple[str, ...]] = ("gymnasium", "mujoco")

    def save(self, env: Any) -> dict[str, Any]:
        """Returns MuJoCo's integration state and the derived arrays."""
        names = _READ if env.render_mode is None else (*_READ, *_DRAWN)
        return {"integration": _integration(env), **{name: getattr(env.data, name).copy() for name in names}}

    def restore(self, env: Any, data: dict[str, Any], later: int) -> None:
        """Sets the same, and derives the rest where pictures may show it."""
        expected = _integration(env)
        state = np.asarray(data["integration"], np.float64)
        if state.shape != expected.shape:
            raise InvalidEnvironment(
                f"This state holds {state.size} numbers of a MuJoCo model, but the model of {type(env).__name__} has "
                f"{expected.size}: it was saved with another model. Make the environment with the same xml_file."
            )
        derived = {name: saved_array(data, name, getattr(env.data, name)) for name in data if name != "integration"}
        _set(env, state)
        if env.render_mode is not None:
            import mujoco

            mujoco.mj_forward(env.model, env.data)
            _set(env, state)  # the line before has moved the warm start
        for name, values in derived.items():
            getattr(env.data, name)[:] = values

    def observe(self, env: Any) -> tuple[Any, dict[str, Any]]:
        """Returns what the environment reads off the simulation."""
        return env._get_obs(), env._get_reset_info()


def _integration(env: Any) -> NDArray[np.float64]:
    import mujoco

    kind = int(mujoco.mjtState.mjSTATE_INTEGRATION)
    state = np.empty(mujoco.mj_stateSize(env.model, kind))
    mujoco.mj_getState(env.model, env.data, state, kind)
    return state


def _set(env: Any, state: NDArray[np.float64]) -> None:
    import mujoco

    mujoco.mj_setState(env.model, env.data, state, int(mujoco.mjtState.mjSTATE_INTEGRATION))
