"""CartPole with two views: its teacher sees all four numbers, its student less (Barto, Sutton and Anderson 1983)."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, sin
from typing import Any, ClassVar

import numpy as np
from gymnasium.envs.classic_control.cartpole import CartPoleEnv
from gymnasium.error import InvalidAction
from numpy.typing import NDArray

from teachrl_envs.classic.students import Flicker, Masked, Noise, StudentView
from teachrl_envs.classic.viewed import Viewed, Views
from teachrl_envs.drawing import check_render_mode


class CartPole(Viewed, CartPoleEnv):
    """Gymnasium's CartPole-v1, step for step, with the views `"student"` and `"teacher"`.

    **Teacher**: (4,) float32: the cart's position and velocity, the pole's angle and angular velocity.

    **Success**: the pole still stands after 500 steps, which truncate the episode. A return is the episode's length.

    Gymnasium's attributes (`length`, `gravity`, `masspole`, ...) act as there, `polemass_length` and `total_mass`
    included, so that `Parametrised` makes tasks of them.

    Args:
        student: What the student sees.
        render_mode: None or `"rgb_array"`.

    Raises:
        InvalidEnvironment: If there is no such render mode.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 50}  # noqa: RUF012 (Gymnasium's own declaration)
    max_episode_steps = 500
    picture_size = (600, 400)
    return_range = (0.0, 500.0)
    training_defaults: ClassVar[dict[str, Any]] = {
        "steps": 100_000,
        "num_envs": 8,
        "student": {
            "class_path": "SB3",
            "init_args": {
                "algorithm": "PPO",
                # RL Baselines3 Zoo's for CartPole-v1.
                "hyperparameters": {
                    "n_steps": 32,
                    "batch_size": 256,
                    "n_epochs": 20,
                    "gamma": 0.98,
                    "gae_lambda": 0.8,
                    "learning_rate": {"schedule": "linear", "from": 1e-3, "to": 0.0},
                    "clip_range": {"schedule": "linear", "from": 0.2, "to": 0.0},
                },
            },
        },
    }

    def __init__(self, student: StudentView, render_mode: str | None = None) -> None:
        check_render_mode(render_mode)
        CartPoleEnv.__init__(self, render_mode=render_mode)
        self._show(student)

    def step(self, action: Any) -> tuple[Views, float, bool, bool, dict[str, Any]]:
        """Pushes the cart to the left (0) or to the right (1) for 0.02 s.

        Returns:
            Both views, 1, terminated, truncated and info: empty, but for `is_success` on the last step.

        Raises:
            InvalidAction: If the action is something else.
            ResetNeeded: Before the first reset.
            InvalidEnvironment: If the episode has ended.
        """
        if self._over:
            raise self._not_running()
        if action not in (0, 1):
            raise InvalidAction(f"An action must be 0 or 1, got {action!r}.")
        self.state = x, _, angle, _ = self._moved(self.force_mag if action else -self.force_mag)
        self._elapsed += 1
        limit, tilt = self.x_threshold, self.theta_threshold_radians
        terminated = not (-limit <= x <= limit and -tilt <= angle <= tilt)
        truncated = self._elapsed >= self.max_episode_steps and not terminated
        self._over = terminated or truncated
        info = {"is_success": truncated} if self._over else {}
        return self._views(np.array(self.state, np.float32)), 1.0, terminated, truncated, info

    def _moved(self, force: float) -> tuple[float, float, float, float]:
        """Returns the state after one Euler step (https://coneural.org/florian/papers/05_cart_pole.pdf)."""
        x, velocity, angle, spin = self.state
        cosine, sine, mass, tau = cos(angle), sin(angle), self.total_mass, self.tau
        push = (force + self.polemass_length * (spin * spin) * sine) / mass
        turn = (self.gravity * sine - cosine * push) / (
            self.length * (4.0 / 3.0 - self.masspole * (cosine * cosine) / mass)
        )
        pull = push - self.polemass_length * turn * cosine / mass
        return x + tau * velocity, velocity + tau * pull, angle + tau * spin, spin + tau * turn

    def _observe(self) -> NDArray[np.float32]:
        return np.array(self.state, np.float32)


class CartPolePositions(CartPole):
    """The student sees (2,), the cart's position and the pole's angle, no velocities.

    The rules are `CartPole`'s. A student needs a memory of one step to see what its teacher sees.

    Args:
        render_mode: None or `"rgb_array"`.

    Raises:
        InvalidEnvironment: If there is no such render mode.
    """

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(Masked(slice(0, 4, 2)), render_mode)


class CartPoleFlicker(CartPole):
    """The student sees all four numbers, or four zeros, at each step anew.

    The rules are `CartPole`'s.

    Args:
        probability: Of zeros.
        render_mode: None or `"rgb_array"`.

    Raises:
        InvalidHyperparameter: If `probability` is none.
        InvalidEnvironment: If there is no such render mode.
    """

    def __init__(self, probability: float = 0.5, render_mode: str | None = None) -> None:
        super().__init__(Flicker(probability), render_mode)


class CartPoleNoisy(CartPole):
    """The student sees all four numbers with Gaussian noise on each.

    The rules are `CartPole`'s. An episode ends at an angle of 0.21 already: a controller that trusts each observation
    falls within about 70 steps at the default, and within about 300 at half of it.

    Args:
        std: Standard deviation of the noise, one for all four numbers or one for each.
        render_mode: None or `"rgb_array"`.

    Raises:
        InvalidHyperparameter: If `std` is negative or has another length.
        InvalidEnvironment: If there is no such render mode.
    """

    def __init__(self, std: float | Sequence[float] = 0.2, render_mode: str | None = None) -> None:
        super().__init__(Noise(std), render_mode)
