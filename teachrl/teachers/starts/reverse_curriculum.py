"""A reverse curriculum: episodes begin near the end of a teacher's, and further back as the student succeeds.

Salimans, Chen: Learning Montezuma's Revenge from a single demonstration (2018), https://arxiv.org/abs/1812.03381; the
idea also in Florensa, Held, Wulfmeier, Zhang, Abbeel: Reverse curriculum generation for reinforcement learning (CoRL
2017), https://arxiv.org/abs/1707.05300
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from teachrl._checks import check_count, check_share
from teachrl._starts import StartTeacher, went_well
from teachrl.lessons import Episode
from teachrl.teacher import Setup
from teachrl.trajectories import Ints


class ReverseCurriculum(StartTeacher):
    """Begins at a depth d from the trajectories' ends; d grows by `step` whenever the student succeeds often enough.

    A snapshot's depth is the number of snapshots between it and the last of its episode. Lessons begin at a snapshot of
    a uniformly drawn episode, at a depth drawn uniformly from the `spread` depths up to d (an episode that is not as
    deep gives its first). Once `window` episodes that began there have ended since d was set, and at least `threshold`
    of the last `window` were successes, d grows. When it has passed the deepest snapshot, lessons begin where the
    environment begins them.

    A success is what the environment calls one. Where it does not say, it is a return of at least `share` of what the
    teacher got from there on. Episodes of exact states keep the teacher's time limit, so that the two compare.

    Salimans and Chen compare with a single demonstration, with a threshold of 0.2.

    Args:
        trajectories: A file that `teachrl collect --snapshot_every 10` wrote; in Python also `Trajectories`.
        threshold: Share of successes to move on at.
        window: Episodes that the share is over.
        step: How far d grows, in snapshots.
        spread: Number of depths that lessons begin at, in snapshots.
        share: How much of the teacher's return is a success, where the environment does not say.
        steps: Steps of the run, by whomever, after which lessons begin where the environment begins them in any case;
            None never.
    """

    _derived: ClassVar[frozenset[str]] = StartTeacher._derived | {"_depths"}
    citation: ClassVar[str] = "https://arxiv.org/abs/1812.03381"
    bibtex: ClassVar[str] = r"""@article{salimans2018learning,
  title = {Learning {M}ontezuma's {R}evenge from a single demonstration},
  author = {Salimans, Tim and Chen, Richard},
  journal = {arXiv preprint arXiv:1812.03381},
  year = {2018},
  eprint = {1812.03381},
  archiveprefix = {arXiv}
}"""

    def __init__(
        self,
        trajectories: Any,
        threshold: float = 0.2,
        window: int = 50,
        step: int = 1,
        spread: int = 1,
        share: float = 1.0,
        steps: int | None = None,
    ) -> None:
        self.trajectories = trajectories
        self.threshold = threshold
        self.window = window
        self.step = step
        self.spread = spread
        self.share = share
        self.steps = steps

    def begin(self, setup: Setup) -> None:
        """Starts a run; see `StartTeacher.begin` for what it raises."""
        for name in ("threshold", "share"):
            check_share(self, name)
        for name in ("window", "step", "spread"):
            check_count(self, name, 1)
        self._depth, self._passed = 0, False
        self._outcomes: deque[bool] = deque(maxlen=self.window)
        self._depths: Ints = np.empty(0, np.int64)
        super().begin(setup)

    def _prepare(self) -> None:
        super()._prepare()
        if not len(self._depths):
            episodes = self.known.episodes
            last = np.searchsorted(episodes, episodes, side="right") - 1
            self._depths = last - np.arange(len(episodes))

    @property
    def over(self) -> bool:
        """Whether lessons begin where the environment begins them from now on."""
        return self._passed or super().over

    def draw(self, candidates: Ints) -> int:
        """Returns one of the snapshots (C,), at or near the depth that the student has got to."""
        depth = max(self._depth - int(self.rng.integers(self.spread)), 0)
        episodes = self.known.episodes[candidates]
        own = candidates[episodes == self.rng.choice(np.unique(episodes))]
        return int(own[max(len(own) - 1 - depth, 0)])

    def _current(self, snapshot: int) -> bool:
        """Whether lessons begin at a snapshot now: it is at one of the depths, or the first of a shorter episode."""
        depth = int(self._depths[snapshot])
        first = snapshot == 0 or self.known.episodes[snapshot - 1] != self.known.episodes[snapshot]
        return self._depth - self.spread < depth <= self._depth or (bool(first) and depth <= self._depth)

    def heard(self, episodes: Sequence[Episode]) -> None:
        """Counts successes, and moves on when there are enough."""
        for episode in episodes:
            if not self._passed and self._current(episode.lesson.start_id):
                self._outcomes.append(went_well(episode, self.known, self.share))
                self._move_on()

    def _move_on(self) -> None:
        if len(self._outcomes) < self.window or sum(self._outcomes) / self.window < self.threshold:
            return
        self._depth += self.step
        self._outcomes.clear()
        self._passed = self._depth > int(self._depths.max())

    def scalars(self) -> dict[str, float]:
        """Returns also the depth, the share of successes at it, and 1 for `original` once lessons begin as they do."""
        share = sum(self._outcomes) / max(len(self._outcomes), 1)
        return {**super().scalars(), "depth": float(self._depth), "success": share, "original": float(self.over)}
