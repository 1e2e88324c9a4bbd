"""What a student lives through, step by step."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from teachrl import Classroom, make_vec


class Ends(gymnasium.Env[Any, Any]):
    """Ends when told to; action 2 is a success, 1 a failure, and 3 an end of which nothing is said."""

    observation_space = spaces.Box(0.0, 1.0, (1,), np.float32)
    action_space = spaces.Discrete(4)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        info = {"is_success": bool(action == 2)} if action in (1, 2) else {}
        return np.zeros(1, np.float32), 1.0, bool(action), False, info


def test_an_experience_says_which_episodes_succeeded() -> None:
    classroom = Classroom(make_vec(Ends, 4), seed=0)
    for actions, expected in (
        ([0, 0, 0, 0], [np.nan] * 4),
        ([0, 1, 2, 3], [np.nan, 0.0, 1.0, np.nan]),
        ([3, 3, 3, 3], [np.nan] * 4),
        ([2, 2, 1, 0], [1.0, 1.0, 0.0, np.nan]),
    ):
        lived = classroom.experience(np.array(actions))
        np.testing.assert_array_equal(lived.success, expected)
        assert np.array_equal(classroom.executed, actions)  # type: ignore[arg-type]
