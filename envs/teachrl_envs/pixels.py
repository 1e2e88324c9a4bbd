"""Pixels for the student, the environment's own observation for the teacher."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from teachrl._headless import draw_without_display
from teachrl.errors import InvalidEnvironment, InvalidHyperparameter
from teachrl.observations import has_views

_CHANNELS = {True: 1, False: 3}


class PixelView(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Shows the student what the environment draws, and the teacher what the environment shows.

    ```python
    PixelView(gym.make("Pendulum-v1", render_mode="rgb_array"), size=(64, 64))
    ```
    ```
    teachrl train --env Pendulum-v1 --env_kwargs '{"render_mode": "rgb_array"}' --wrapper PixelView --view teacher
    ```

    The views are `"student"`, (height, width, 3 or 1) uint8, and `"teacher"`. An environment that has views already
    keeps them, but for the student's. One picture is a student's whole observation: velocities need memory.

    Pictures are made smaller by averaging over the area of each pixel, which keeps thin things visible. An environment
    that can draw `size` itself (MuJoCo: `width` and `height`) is faster asked to.

    MuJoCo's free camera looks for good at where things were in the first picture of all. Name a camera (`camera_name`),
    or where it looks (`default_camera_config`), so that pictures do not depend on what was played before.

    Args:
        env: The environment, made with `render_mode="rgb_array"`.
        size: Height and width.
        grayscale: Whether the colours are reduced to their luminance (ITU-R 601).

    Raises:
        InvalidHyperparameter: If the size is not two positive integers.
        InvalidEnvironment: If the environment does not draw.
    """

    def __init__(self, env: gym.Env[Any, Any], size: Sequence[int] = (64, 64), grayscale: bool = False) -> None:
        RecordConstructorArgs.__init__(self, size=size, grayscale=grayscale)
        gym.Wrapper.__init__(self, env)
        if len(size) != 2 or any(int(side) != side or side < 1 for side in size):
            raise InvalidHyperparameter(f"size must be a height and a width in pixels, got {size}.")
        if env.render_mode != "rgb_array":
            raise InvalidEnvironment(
                f'PixelView needs an environment made with render_mode="rgb_array", got {env.render_mode!r}. Write '
                'gymnasium.make(..., render_mode="rgb_array"), or env_kwargs={"render_mode": "rgb_array"} in a run.'
            )
        self._size, self._grayscale = (int(size[0]), int(size[1])), grayscale
        own = env.observation_space
        others = dict(own.spaces) if isinstance(own, spaces.Dict) and has_views(own) else {"teacher": own}
        pixels = spaces.Box(0, 255, (*self._size, _CHANNELS[grayscale]), np.uint8)
        self._keeps_views = "student" in others
        self.observation_space = spaces.Dict({**others, "student": pixels})

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Resets the environment and draws it."""
        observation, info = self.env.reset(seed=seed, options=options)
        return self._views(observation), info

    def step(self, action: Any) -> tuple[dict[str, Any], SupportsFloat, bool, bool, dict[str, Any]]:
        """Steps the environment and draws it."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self._views(observation), reward, terminated, truncated, info

    def _views(self, observation: Any) -> dict[str, Any]:
        others = observation if self._keeps_views else {"teacher": observation}
        return {**others, "student": self._pixels()}

    def _pixels(self) -> NDArray[np.uint8]:
        """Returns the picture, (height, width, channels).

        Raises:
            InvalidEnvironment: If the environment draws something else.
        """
        picture: Any = self.env.render()
        if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or picture.shape[2:] != (3,):
            came = f"{getattr(picture, 'dtype', type(picture).__name__)} {np.shape(picture)}"
            raise InvalidEnvironment(f"render() of {self.env} must return (height, width, 3) uint8, got {came}.")
        if picture.shape[:2] == self._size and not self._grayscale:
            return np.array(picture)
        return _reduced(picture, self._size, self._grayscale)


def _reduced(picture: NDArray[np.uint8], size: tuple[int, int], grayscale: bool) -> NDArray[np.uint8]:
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(picture))
    image = image.convert("L") if grayscale else image
    small = np.array(image.resize(size[::-1], Image.Resampling.BOX), np.uint8)
    return small.reshape(*size, _CHANNELS[grayscale])


def reacher_pixels(
    size: Sequence[int] = (64, 64), grayscale: bool = False, render_mode: str | None = None
) -> gym.Env[Any, Any]:
    """Makes TeachRL/ReacherPixels-v0: MuJoCo's Reacher-v5, drawn for the student.

    Args:
        size: Height and width of the pictures; those for videos have the same.
        grayscale: Whether they are grey.
        render_mode: None or `"rgb_array"`; it is drawn either way.

    Raises:
        InvalidEnvironment: If MuJoCo is not installed, or there is no such render mode.
        InvalidHyperparameter: If the size is not two positive integers.
    """
    from importlib.util import find_spec

    from teachrl_envs.drawing import check_render_mode

    check_render_mode(render_mode)
    if find_spec("mujoco") is None:
        raise InvalidEnvironment("TeachRL/ReacherPixels-v0 needs MuJoCo: pip install 'teachrl[mujoco]'.")
    draw_without_display()
    height, width = size
    camera = {"trackbodyid": 0, "lookat": np.array([0.0, 0.0, 0.01])}
    env = gym.make(
        "Reacher-v5", render_mode="rgb_array", height=height, width=width, default_camera_config=camera,
        disable_env_checker=True,
    )  # fmt: skip
    return PixelView(env, size, grayscale)
