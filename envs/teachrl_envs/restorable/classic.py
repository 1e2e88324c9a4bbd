"""The states of Gymnasium's classic control: CartPole, both MountainCars, Acrobot and Pendulum."""

from __future__ import annotations

from typing import Any

import numpy as np

from teachrl.snapshots import Adapter, saved_array

_BESIDES = ("steps_beyond_terminated", "last_u")
_OBSERVERS = ("_get_obs", "_get_ob")


class ClassicAdapter(Adapter):
    """Saves `state`, CartPole's steps beyond the end and the torque that Pendulum draws."""

    def save(self, env: Any) -> dict[str, Any]:
        """Returns the state in its own dtype, on which the next step's rounding depends, and what is besides."""
        besides = {name: getattr(env, name) for name in _BESIDES if hasattr(env, name)}
        plain = {name: None if value is None else float(value) for name, value in besides.items()}
        return {"state": np.array(env.state), **plain}

    def restore(self, env: Any, data: dict[str, Any], later: int) -> None:
        """Sets the same attributes."""
        env.state = saved_array(data, "state", env.state)
        for name in _BESIDES:
            if hasattr(env, name):
                setattr(env, name, data[name])

    def observe(self, env: Any) -> tuple[Any, dict[str, Any]]:
        """Returns what the environment makes of its state."""
        for name in _OBSERVERS:
            if hasattr(env, name):
                return getattr(env, name)(), {}
        return np.array(env.state, np.float32), {}
