import warnings

import numpy as np
import pytest

from teachrl.errors import TeachrlError
from teachrl.runs import train
from teachrl.teacher import TaskTeacher
from teachrl_agents import SimulatedStudent


class Drifting(TaskTeacher):
    """Tasks near the last good one; its state is data."""

    def __init__(self, spread: float = 0.2) -> None:
        self.spread = spread

    def begin(self, setup):
        super().begin(setup)
        self.centre = np.zeros(setup.task_space.shape)

    def sample(self, n):
        low, high = self.task_space.low, self.task_space.high
        points = self.centre + self.spread * self.rng.standard_normal((n, *low.shape))
        return list(np.clip(points, low, high).astype(self.task_space.dtype))

    def learn(self, tasks, returns, successes):
        self.centre = np.asarray(tasks[int(np.argmax(returns))], dtype=np.float64)

    def scalars(self):
        return {"centre": float(self.centre.mean())}


@pytest.fixture
def hypercube():
    """Arguments of a run that takes well under a second; its last picture, which takes another, is left out."""
    return {
        "env": "TeachRL/Hypercube-v0", "env_kwargs": {"cubes": 4}, "teachers": [Drifting()],
        "student": SimulatedStudent(cubes=4), "steps": 600, "num_envs": 2, "loggers": [], "progress": "none",
        "video": 0, "pictures": False,
    }  # fmt: skip


@pytest.fixture
def fails():
    """Runs `train` and returns its error."""

    def run(**arguments) -> TeachrlError:
        with pytest.raises(TeachrlError) as caught, warnings.catch_warnings():
            train(**arguments)
        return caught.value

    return run
