"""The pendulum's swing-up with two views: its teacher sees all three numbers, its student less."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, pi, sin
from typing import Any, ClassVar

import numpy as np
from gymnasium.envs.classic_control.pendulum import PendulumEnv
from gymnasium.error import InvalidAction
from numpy.typing import NDArray

from teachrl.errors import NonFiniteData
from teachrl_envs.classic.students import Flicker, Masked, Noise, StudentView
from teachrl_envs.classic.viewed import Viewed, Views
from teachrl_envs.drawing import check_render_mode

_UPRIGHT = cos(0.2)
_HELD = 50


class Pendulum(Viewed, PendulumEnv):
    """Gymnasium's Pendulum-v1, step for step, with the views `"student"` and `"teacher"`.

    **Teacher**: (3,) float32: cosine and sine of the angle from upright, angular velocity.

    **Success**: after each of the last 50 of the 200 steps the pendulum was within 0.2 rad (11 degrees) of upright. The
    return tells more: from -1600 where nothing is done to about -150 on average for a good controller.

    Args:
        student: What the student sees.
        render_mode: None or `"rgb_array"`.

    Raises:
        InvalidEnvironment: If there is no such render mode.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 30}  # noqa: RUF012 (Gymnasium's own declaration)
    max_episode_steps = 200
    picture_size = (500, 500)
    return_range = (-200 * (pi**2 + 0.1 * 8.0**2 + 0.001 * 2.0**2), 0.0)
    training_defaults: ClassVar[dict[str, Any]] = {
        "steps": 120_000,
        "num_envs": 4,
        "student": {
            "class_path": "SB3",
            "init_args": {
                "algorithm": "PPO",
                # RL Baselines3 Zoo's for Pendulum-v1.
                "hyperparameters": {
                    "n_steps": 1024,
                    "n_epochs": 10,
                    "gamma": 0.9,
                    "gae_lambda": 0.95,
                    "learning_rate": 1e-3,
                    "use_sde": True,
                    "sde_sample_freq": 4,
                },
            },
        },
    }

    def __init__(self, student: StudentView, render_mode: str | None = None) -> None:
        check_render_mode(render_mode)
        PendulumEnv.__init__(self, render_mode=render_mode)
        self._show(student)
        self._held, self.last_u = 0, None

    def step(self, action: Any) -> tuple[Views, float, bool, bool, dict[str, Any]]:
        """Applies a torque for 0.05 s.

        Args:
            action: (1,) torque, clipped to [-2, 2].

        Returns:
            Both views, reward, False, truncated and info: empty, but for `is_success` on the last step.

        Raises:
            InvalidAction: If the action has another shape.
            NonFiniteData: If it is NaN.
            ResetNeeded: Before the first reset.
            InvalidEnvironment: If the episode has ended.
        """
        if self._over:
            raise self._not_running()
        if np.shape(action) != (1,):
            raise InvalidAction(f"An action must have the shape (1,), got {np.shape(action)}.")
        reward = self._move(action[0])
        self._elapsed += 1
        observation = self._observe()
        self._held = self._held + 1 if cos(self.state[0]) > _UPRIGHT else 0
        self._over = truncated = self._elapsed >= self.max_episode_steps
        info = {"is_success": self._held >= _HELD} if truncated else {}
        return self._views(observation), reward, False, truncated, info

    def _move(self, torque: Any) -> float:
        """Takes one semi-implicit Euler step, in the precision of the action as Gymnasium does; returns the reward."""
        angle, spin = self.state
        if torque != torque:
            raise NonFiniteData(f"An action must be a number, got {torque}.")
        torque = min(max(torque, -self.max_torque), self.max_torque)
        off = (angle + pi) % (2 * pi) - pi
        cost: float = off * off + 0.1 * (spin * spin) + float(0.001 * (torque * torque))
        mass, length = self.m, self.l
        pull = 3 * self.g / (2 * length) * sin(angle) + float(3.0 / (mass * length**2) * torque)
        spin = min(max(spin + pull * self.dt, -self.max_speed), self.max_speed)
        self.state, self.last_u = (angle + spin * self.dt, spin), torque
        return -cost

    def _observe(self) -> NDArray[np.float32]:
        angle, spin = self.state
        return np.array((cos(angle), sin(angle), spin), np.float32)

    def _payload(self) -> dict[str, Any]:
        drawn = [] if self.last_u is None else [float(self.last_u)]
        return {**super()._payload(), "held": self._held, "torque": np.array(drawn)}

    def _place(self, payload: dict[str, Any]) -> None:
        super()._place(payload)
        self._held = int(payload.get("held", 0))
        drawn = np.asarray(payload.get("torque", ())).tolist()
        self.last_u = drawn[0] if drawn else None


class PendulumPositions(Pendulum):
    """The student sees (2,), cosine and sine of the angle, not the velocity.

    The rules are `Pendulum`'s.

    Args:
        render_mode: None or `"rgb_array"`.

    Raises:
        InvalidEnvironment: If there is no such render mode.
    """

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(Masked(slice(0, 2)), render_mode)


class PendulumFlicker(Pendulum):
    """The student sees all three numbers, or three zeros, at each step anew.

    The rules are `Pendulum`'s.

    Args:
        probability: Of zeros.
        render_mode: None or `"rgb_array"`.

    Raises:
        InvalidHyperparameter: If `probability` is none.
        InvalidEnvironment: If there is no such render mode.
    """

    def __init__(self, probability: float = 0.5, render_mode: str | None = None) -> None:
        super().__init__(Flicker(probability), render_mode)


class PendulumNoisy(Pendulum):
    """The student sees all three numbers with Gaussian noise on each.

    The rules are `Pendulum`'s. Cosine and sine lie in [-1, 1], the velocity in [-8, 8].

    Args:
        std: Standard deviation of the noise, one for all three numbers or one for each.
        render_mode: None or `"rgb_array"`.

    Raises:
        InvalidHyperparameter: If `std` is negative or has another length.
        InvalidEnvironment: If there is no such render mode.
    """

    def __init__(self, std: float | Sequence[float] = 0.3, render_mode: str | None = None) -> None:
        super().__init__(Noise(std), render_mode)
