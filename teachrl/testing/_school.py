"""A classroom with a stand-in for a student, and the record of what happens in it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from teachrl.classroom import Classroom
from teachrl.ledger import lesson_data
from teachrl.lessons import Array, Bools, Floats, Observations, Report, Rollout
from teachrl.student import Student, all_channels
from teachrl.teacher import Teacher
from teachrl.testing._support import difference, draw, require
from teachrl.vector import LessonVectorEnv

ROLLOUT = 8
"""Vector steps of a rollout."""


class RandomPolicy:
    """Acts at random; its k-th actions are the same in every run."""

    def __init__(self, space: spaces.Space[Any]) -> None:
        self._space = space

    def act(
        self, observations: Observations, state: Any = None, first: Bools | None = None, deterministic: bool = True
    ) -> tuple[Array, int]:
        """Returns random actions (B, *a); the state is the number of calls."""
        calls = 0 if state is None else int(state)
        return draw(self._space, rows_of(observations), calls), calls + 1


class StandIn(Student):
    """Lives in a classroom like a student, and learns nothing."""

    accepts = all_channels()
    gamma = 0.99

    def __init__(self, classroom: Classroom) -> None:
        self.classroom = classroom
        self._policy = RandomPolicy(classroom.single_action_space)

    @property
    def policy(self) -> RandomPolicy:
        """The random policy."""
        return self._policy

    def values(self, observations: Observations) -> Floats:
        """Returns zeros."""
        return np.zeros(rows_of(observations))


def rows_of(observations: Observations) -> int:
    """Returns the length of a batch."""
    while isinstance(observations, dict | tuple):
        observations = next(iter(observations.values() if isinstance(observations, dict) else observations))
    return len(observations)


class School:
    """One teacher, one stand-in, and everything that they said.

    Args:
        envs: Where to play.
        teacher: Who teaches.
        seed: Root of the seed tree.
    """

    def __init__(self, envs: LessonVectorEnv, teacher: Teacher, seed: int) -> None:
        self.teacher = teacher
        self.classroom = Classroom(envs, [teacher], seed=seed)
        self.student = StandIn(self.classroom)
        self.classroom.attach(self.student)
        self.rollouts = 0
        self.last_report = Report(0)

    def run(self, rollouts: int) -> list[dict[str, Any]]:
        """Plays some rollouts and returns what the teacher did at each step, as data."""
        record = []
        for _ in range(rollouts):
            self.classroom.begin_rollout()
            steps = [self._step(t) for t in range(ROLLOUT)]
            record += [said for said, _ in steps]
            self.last_report = self._report([data for _, data in steps])
            self.classroom.report(self.last_report.rollout)  # type: ignore[arg-type]
            self.rollouts += 1
        return record

    def _step(self, t: int) -> tuple[dict[str, Any], dict[str, Any]]:
        observations, first = self.classroom.observed()
        check_shown(observations, self.classroom, type(self.teacher).__name__)
        actions, _ = self.student.policy.act(observations, self.rollouts * ROLLOUT + t)
        lessons = [lesson_data(lesson) for lesson in self.classroom.lessons]
        lived = self.classroom.experience(actions)
        labels = [{"actions": x.actions, "parameters": x.parameters, "mask": x.mask} for x in self.classroom.labels]
        said = {"lessons": lessons, "observations": observations, "rewards": lived.rewards, "actions": lived.actions}
        data = {name: getattr(lived, name) for name in lived.__slots__}
        return copy.deepcopy({**said, "labels": labels}), {**data, "first": first}

    def _report(self, steps: Sequence[dict[str, Any]]) -> Report:
        arrays = {
            name: stacked([step[name] for step in steps])
            for name in ("observations", "actions", "rewards", "terminated", "truncated", "first", "ids", "learn")
        }
        shape, n = arrays["rewards"].shape, self.classroom.num_envs
        rollout = Rollout(
            **arrays, values=np.zeros(shape), last_values=np.zeros(n), advantages=arrays["rewards"].astype(float),
            log_probs=np.zeros(shape), gamma=0.99, gae_lambda=0.95,
        )  # fmt: skip
        episodes = self.classroom.take_episodes()
        return Report(self.classroom.counters.total_steps, tuple(episodes), rollout)


def stacked(batches: Sequence[Observations]) -> Observations:
    """Stacks batches of observations along a new first axis."""
    first = batches[0]
    if isinstance(first, dict):
        return {name: stacked([batch[name] for batch in batches]) for name in first}
    if isinstance(first, tuple):
        return tuple(stacked([batch[i] for batch in batches]) for i in range(len(first)))
    return np.stack(batches)


def check_shown(observations: Observations, classroom: Classroom, who: str) -> None:
    """What the student is shown has the shapes, the dtypes and the bounds of the classroom's space."""
    expected = leaves(classroom.observation_space)
    came = leaves(observations)
    found = difference(
        {name: (x.shape, str(x.dtype)) for name, x in expected.items()},
        {name: (np.shape(x), str(getattr(x, "dtype", type(x).__name__))) for name, x in came.items()},
    )
    look = "Return what observation_space(space) promises, of goal_space for subgoals."
    require(not found, f"With {who}, observations must have the shapes and dtypes of their space.", found, look)
    outside = [name for name, space in expected.items() if not space.contains(came[name])]
    require(not outside, f"With {who}, observations must lie in their space.", f"{outside} outside", look)


def leaves(tree: Any, name: str = "observation") -> dict[str, Any]:
    """Returns the leaves of nested dicts and tuples, of spaces or of arrays, by name."""
    inner = tree.spaces if isinstance(tree, spaces.Dict | spaces.Tuple) else tree
    if isinstance(inner, dict):
        return {k: v for key, part in inner.items() for k, v in leaves(part, f"{name}[{key!r}]").items()}
    if isinstance(inner, tuple):
        return {k: v for i, part in enumerate(inner) for k, v in leaves(part, f"{name}[{i}]").items()}
    return {name: tree}
