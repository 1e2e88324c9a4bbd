"""A classroom for one student, whose teacher watches it."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from gymnasium import spaces

from teachrl import seeds
from teachrl.classroom import Classroom
from teachrl.lessons import Array, Lesson, Report, Rollout
from teachrl.state import rng_state, set_rng_state
from teachrl.student import Student
from teachrl.tasks import sample_tasks
from teachrl.teacher import Setup, Teacher
from teachrl.vector import LessonVectorEnv

SEED = 5
LENGTH = 10**6
"""Steps of the whole run that the students are told of."""


class Watcher(Teacher):
    """Sets uniform lessons, learned from or not, and keeps the rollouts that are reported.

    Args:
        learn: What the lessons say.
        override: Share of environments, the first ones, whose actions are replaced by the lowest ones.
    """

    needs_task_space = False

    def __init__(self, learn: bool = True, override: float = 0.0) -> None:
        self.learn = learn
        self.override = override

    @property
    def channels(self) -> frozenset[str]:
        """Tasks, and actions if any are overridden."""
        return frozenset({"tasks", "actions"} if self.override else {"tasks"})

    def begin(self, setup: Setup) -> None:
        """Starts a run."""
        super().begin(setup)
        self.rollouts: list[Rollout] = []
        self.executed: list[Array] = []

    def sample_tasks(self, n: int, student: int = 0) -> list[Lesson]:
        """Returns uniform lessons."""
        space = self.setup.task_space
        tasks = [None] * n if space is None else sample_tasks(space, n, self.rng)
        return [Lesson(task, learn=self.learn, id=k) for k, task in enumerate(tasks)]

    def override_actions(self, observations: Any, actions: Array, lessons: Any, first: Any) -> tuple[Array, Array]:
        """Replaces actions of the first environments by fixed ones."""
        fixed = copy.deepcopy(self.setup.action_space)
        fixed.seed(1)
        mask = np.arange(len(actions)) < self.override * len(actions)
        chosen = np.stack([fixed.sample() for _ in actions]).astype(actions.dtype)
        shape = (-1, *(1,) * (actions.ndim - 1))
        self.executed.append(np.where(mask.reshape(shape), chosen, actions))
        return chosen, mask

    def update(self, report: Report) -> None:
        """Keeps rollouts."""
        if report.rollout is not None:
            self.rollouts.append(report.rollout)

    def state_dict(self) -> dict[str, Any]:
        """Returns the random state."""
        return {"rng": rng_state(self.rng)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`."""
        set_rng_state(self.rng, state["rng"])


class Desk:
    """One student in its classroom."""

    def __init__(self, student: Student, teacher: Watcher, envs: LessonVectorEnv, seed: int) -> None:
        self.student, self.teacher = student, teacher
        self.classroom = Classroom(envs, [teacher], seed=seed)
        self.classroom.attach(student)
        student.begin(self.classroom, seeds.branch(seed, seeds.STUDENT), LENGTH)

    def learn(self, granules: int) -> None:
        """Learns, and takes away what was finished."""
        self.student.learn(granules * self.student.granularity)
        self.classroom.take_episodes()

    def answers(self) -> dict[str, Any]:
        """Returns what the student does and thinks in fixed observations, and its whole state."""
        actions = self.student.policy.act(self.observations(16), None, np.ones(16, dtype=bool), True)[0]
        return copy.deepcopy({"actions": actions, "state": self.student.state_dict()})

    def observations(self, n: int) -> Any:
        """Returns `n` fixed observations."""
        return _observations(self.classroom.single_observation_space, n)


def _observations(space: spaces.Space[Any], n: int) -> Any:
    if isinstance(space, spaces.Dict):
        return {name: _observations(part, n) for name, part in space.spaces.items()}
    drawer = copy.deepcopy(space)
    drawer.seed(3)
    return np.stack([drawer.sample() for _ in range(n)])
