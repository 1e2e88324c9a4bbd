"""Whole episodes within a rollout: what they returned, whether they ended, and which belong together.

Group-relative advantages, https://arxiv.org/abs/2402.03300 (DeepSeekMath, GRPO).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from teachrl.errors import InvalidEnvironment
from teachrl.lessons import Array, Bools, Floats, Lesson


class Episodes:
    """The episodes of a rollout, E of them, those that go on before or after it included.

    Args:
        rewards: (T, N).
        first: (T, N) bool, where episodes begin.
        done: (T, N) bool, where they end.
        before: (2, N) what the running episodes had returned before the rollout: paid, and by the environment alone.
        groups: (T, N) int, equal for lessons of one task, seed and start.
        success: (T, N) 1 or 0 where an episode ended and the environment says whether it succeeded, NaN elsewhere; None
            is nowhere.
        own: (T, N) the environment's own rewards; None is the same.
        learn: (T, N) bool, `Lesson.learn`; None is everywhere.

    Attributes:
        which: (T, N) int, each step's episode.
        returns: (E,) what was paid, undiscounted.
        own_returns: (E,) the sum of the environment's own rewards.
        learn: (E,) bool, which of them are learned from.
        ended: (E,) bool.
        groups: (E,) int.
        told: (E,) 1 or 0, NaN where the environment does not say whether it succeeded.
        running: (2, N) what the episodes that run on have returned so far, as `before`.
    """

    def __init__(
        self, rewards: Floats, first: Bools, done: Bools, before: Floats, groups: Array, success: Floats | None = None,
        own: Floats | None = None, learn: Bools | None = None,
    ) -> None:  # fmt: skip
        steps, n = rewards.shape
        begins = first.copy()
        begins[0] = True
        ids = np.cumsum(begins.T.reshape(-1)) - 1  # environment by environment
        self.which = ids.reshape(n, steps).T
        sums = []
        for paid, earlier in zip((rewards, rewards if own is None else own), before, strict=True):
            sums.append(np.bincount(ids, paid.T.reshape(-1)))
            np.add.at(sums[-1], self.which[0], np.where(first[0], 0.0, earlier))
        self.returns, self.own_returns = sums
        self.ended = np.bincount(ids, done.T.reshape(-1)) > 0
        self.groups = np.zeros(len(self.returns), dtype=np.int64)
        self.groups[self.which] = groups
        self.told = np.full(len(self.returns), np.nan)
        if success is not None:
            self.told[self.which[done]] = success[done]
        self.learn = np.ones(len(self.returns), dtype=np.bool_)
        if learn is not None:
            self.learn[self.which] = learn
        self.running = np.where(done[-1], 0.0, np.stack(sums)[:, self.which[-1]])

    def succeeded(self, least: float | None = None) -> Bools:
        """Returns (E,) which episodes have ended with success: as the environment says, else by their own return.

        Those that are not learned from count as if they had not.

        Args:
            least: An episode whose own rewards sum to more has succeeded, where the environment does not say.

        Raises:
            InvalidEnvironment: If it does not say of an episode that has ended, and `least` is None.
        """
        ended = self.ended & self.learn
        untold = ended & np.isnan(self.told)
        if least is None and untold.any():
            raise InvalidEnvironment(
                "Which episodes succeeded decides what is distilled here, and the environment says no `is_success` on "
                "an episode's last step. Pass success_return=R, the return above which an episode has succeeded, or "
                "mask='none' (PPO: label_mask='none') to distil on all."
            )
        by_return = self.own_returns > (np.inf if least is None else least)
        return ended & np.where(untold, by_return, self.told == 1)

    def relative(self) -> tuple[Floats, Bools]:
        """Returns group-relative advantages (T, N), and where there are any: in episodes that have ended.

        A = (R - mean(R)) / (std(R) + 1e-6) over the ended episodes of the group that are learned from, 0 in a
        group of one.
        """
        advantages, counted = np.zeros(len(self.returns)), self.ended & self.learn
        for group in np.unique(self.groups[counted]):
            members = np.flatnonzero(counted & (self.groups == group))
            returns = self.returns[members]
            advantages[members] = (returns - returns.mean()) / (returns.std() + 1e-6)
        return advantages[self.which].astype(np.float32), counted[self.which]


class Groups:
    """Numbers lessons so that those of one task, seed and start have the same number."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}

    def __call__(self, lessons: Sequence[Lesson]) -> Array:
        """Returns the numbers (N,) of lessons."""
        return np.array([self._numbers.setdefault(_key(lesson), len(self._numbers)) for lesson in lessons])


def _key(lesson: Lesson) -> tuple[Any, ...]:
    start = None if lesson.start is None else _frozen(lesson.start.to_data())
    return _frozen(lesson.task), lesson.seed, lesson.start_id, start


def _frozen(data: Any) -> Any:
    """Returns nested data as something that is equal where they are, to the last bit; long arrays print shortened."""
    if isinstance(data, np.ndarray | np.generic):
        return data.dtype.str, data.shape, data.tobytes()
    if isinstance(data, Mapping):
        return tuple((name, _frozen(part)) for name, part in sorted(data.items(), key=lambda item: str(item[0])))
    return tuple(map(_frozen, data)) if isinstance(data, list | tuple) else repr(data)
