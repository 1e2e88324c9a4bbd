"""TeachRL/StumpTracksBlind-v0: Stump Tracks for a student that sees neither the track nor how fast it moves."""

from __future__ import annotations

from typing import Any, Literal, cast

import numpy as np
from gymnasium.spaces import Box, Dict
from numpy.typing import NDArray

from teachrl_envs.box2d.lidar import RAYS
from teachrl_envs.box2d.stump_tracks import StumpTracks

Views = dict[str, NDArray[np.float32]]
_HULL, _LEG = 4, 5


class StumpTracksBlind(StumpTracks):
    """`StumpTracks` with the views `"student"`, without lidar and velocities, and `"teacher"`, all of it.

    **Student**: (7,) float32, (13,) with four legs: hull angle; per leg hip angle, knee angle, foot contact.

    **Teacher**: (24,) or (34,), as in `StumpTracks`, whose tasks, rules, suites and success these are.

    Args:
        legs: `"default"`, `"short"`, or `"quadru"` (four legs).
        stump_height: Bounds of that task coordinate.
        obstacle_spacing: Bounds of that task coordinate, at least 0.
        render_mode: None or `"rgb_array"`.

    Raises:
        InvalidHyperparameter: If an argument is none of these.
    """

    def __init__(
        self,
        legs: Literal["default", "short", "quadru"] = "default",
        stump_height: tuple[float, float] = (0.0, 3.0),
        obstacle_spacing: tuple[float, float] = (0.0, 6.0),
        render_mode: str | None = None,
    ) -> None:
        super().__init__(legs, stump_height, obstacle_spacing, render_mode)
        whole = cast(Box, self.observation_space)
        self._seen = _felt(whole.shape[0])
        student = Box(whole.low[self._seen], whole.high[self._seen], dtype=np.float32)
        self.observation_space = Dict({"student": student, "teacher": whole})

    def step(self, action: NDArray[np.float32]) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Takes a step of 1/50 s, as in `StumpTracks`, and returns both views."""
        observation, reward, terminated, truncated, info = super().step(action)
        return {"student": observation[self._seen], "teacher": observation}, reward, terminated, truncated, info


def _felt(size: int) -> NDArray[np.intp]:
    """Returns the indices of the hull's angle and of each leg's joint angles and foot contact."""
    legs = range(_HULL, size - RAYS, _LEG)
    return np.array([0, *(leg + i for leg in legs for i in (0, 2, 4))], np.intp)
