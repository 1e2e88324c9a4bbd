"""Whole episodes within a rollout: what they returned, whether they ended, and which belong together.

Group-relative advantages, https://arxiv.org/abs/2402.03300 (DeepSeekMath, GRPO).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from teachrl.lessons import Array, Bools, Floats, Lesson


class Episodes:
    """The episodes of a rollout, E of them, those that go on before or after it included.

    Args:
        rewards: (T, N).
        first: (T, N) bool, where episodes begin.
        done: (T, N) bool, where they end.
        before: (N,) what the running episodes had returned before the rollout.
        groups: (T, N) int, equal for lessons of one task, seed and start.

    Attributes:
        which: (T, N) int, each step's episode.
        returns: (E,) undiscounted.
        ended: (E,) bool.
        groups: (E,) int.
        running: (N,) what the episodes that run on have returned so far.
    """

    def __init__(self, rewards: Floats, first: Bools, done: Bools, before: Floats, groups: Array) -> None:
        steps, n = rewards.shape
        begins = first.copy()
        begins[0] = True
        ids = np.cumsum(begins.T.reshape(-1)) - 1  # environment by environment
        self.which = ids.reshape(n, steps).T
        self.returns = np.bincount(ids, rewards.T.reshape(-1))
        np.add.at(self.returns, self.which[0], np.where(first[0], 0.0, before))
        self.ended = np.bincount(ids, done.T.reshape(-1)) > 0
        self.groups = np.zeros(len(self.returns), dtype=np.int64)
        self.groups[self.which] = groups
        self.running = np.where(done[-1], 0.0, self.returns[self.which[-1]])

    def relative(self) -> tuple[Floats, Bools]:
        """Returns group-relative advantages (T, N), and where there are any: in episodes that have ended.

        A = (R - mean(R)) / (std(R) + 1e-6) over the ended episodes of the group, 0 in a group of one.
        """
        advantages = np.zeros(len(self.returns))
        for group in np.unique(self.groups[self.ended]):
            members = np.flatnonzero(self.ended & (self.groups == group))
            returns = self.returns[members]
            advantages[members] = (returns - returns.mean()) / (returns.std() + 1e-6)
        return advantages[self.which].astype(np.float32), self.ended[self.which]


class Groups:
    """Numbers lessons so that those of one task, seed and start have the same number."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}

    def __call__(self, lessons: Sequence[Lesson]) -> Array:
        """Returns the numbers (N,) of lessons."""
        return np.array([self._numbers.setdefault(_key(lesson), len(self._numbers)) for lesson in lessons])


def _key(lesson: Lesson) -> tuple[Any, ...]:
    task = lesson.task.tobytes() if isinstance(lesson.task, np.ndarray) else repr(lesson.task)
    return task, lesson.seed, lesson.start_id, None if lesson.start is None else repr(lesson.start.to_data())
