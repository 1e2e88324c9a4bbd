"""A classroom's setup and reports, made by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from teachrl.lessons import Episode, Lesson, Report
from teachrl.teacher import Setup

BOX = spaces.Box(np.zeros(2, np.float32), np.array([3.0, 6.0], np.float32))


def _refuse(*arguments: Any, **options: Any) -> Any:
    raise AssertionError("a task teacher asks nothing of its classroom")


@pytest.fixture
def make_setup() -> Callable[..., Setup]:
    def make(task_space: Any = BOX, seed: int = 0, return_range: Any = (-150.0, 350.0)) -> Setup:
        return Setup(
            observation_space=spaces.Box(-1, 1, (4,)),
            action_space=spaces.Discrete(2),
            task_space=task_space,
            task_names=("height", "spacing"),
            num_envs=8,
            seed=np.random.SeedSequence(seed),
            return_range=return_range,
            env_id="Test-v0",
            max_episode_steps=None,
            get_policy=_refuse,
            get_values=_refuse,
            rollouts=_refuse,
            make_classroom=_refuse,
            get_suite=_refuse,
        )

    return make


@pytest.fixture
def make_report() -> Callable[..., Report]:
    def make(tasks: Any, returns: Any, **lesson: Any) -> Report:
        return Report(
            total_steps=0,
            episodes=tuple(
                Episode(Lesson(t, **lesson), 0, 0, None, float(r), 0.0, 0.0, 1, None, True)
                for t, r in zip(tasks, returns, strict=True)
            ),
        )

    return make
