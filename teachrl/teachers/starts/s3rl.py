"""S3RL: episodes begin at snapshots of a teacher's, evenly over what they are worth, and are short, for a first phase.

Zhao, Qian, Wang, Shan, Qin: Snapshot Reinforcement Learning: Leveraging Prior Trajectories for Efficiency (2024),
https://arxiv.org/abs/2403.00673
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from teachrl._checks import check_count
from teachrl._starts import SNAPSHOT_RL, StartTeacher
from teachrl.lessons import Lesson
from teachrl.teacher import Setup
from teachrl.trajectories import Ints, Reals


class S3RL(StartTeacher):
    """Snapshots by status classification (SC), with student trajectory truncation (STT), until `steps` have passed.

    SC: the teacher's values of the S snapshots are clustered by one-dimensional k-means; a start is drawn uniformly
    from a cluster that is drawn uniformly, so that rare values are met as often as common ones:

        P(s) = 1 / (K |C(s)|),    C(s) the cluster of s, K the number of clusters.

    STT: an episode that begins at a snapshot is truncated after `limit` steps, which the student bootstraps through.
    The time limit of one that begins at an exact state counts from there, as in the paper. After the first phase
    nothing is changed any more; what an off-policy student has in its replay buffer stays there.

    Presets of the paper: 6 clusters for TD3 and PPO, 4 for SAC; 10 episodes, a snapshot every 10 steps. Ablations:
    `clusters=0` draws uniformly from all snapshots, `limit=None` leaves the environment's time limit; both together
    are `Snapshots`, but for the phase.

    Args:
        trajectories: A file that `teachrl collect --snapshot_every 10` wrote; in Python also `Trajectories`.
        clusters: K, or fewer where fewer values differ; 0 or None for no classification.
        limit: Steps of an episode that begins at a snapshot; None for no truncation.
        steps: Steps of the run, by whomever, in the first phase; None for all.
    """

    fresh_clock: ClassVar[bool] = True
    _derived: ClassVar[frozenset[str]] = StartTeacher._derived | {"_groups"}
    citation: ClassVar[str] = "https://arxiv.org/abs/2403.00673"
    bibtex: ClassVar[str] = SNAPSHOT_RL

    def __init__(
        self, trajectories: Any, clusters: int | None = 6, limit: int | None = 100, steps: int | None = 100_000
    ) -> None:
        self.trajectories = trajectories
        self.clusters = clusters
        self.limit = limit
        self.steps = steps

    def begin(self, setup: Setup) -> None:
        """Starts a run; see `StartTeacher.begin` for what it raises."""
        check_count(self, "clusters", 0, optional=True)
        check_count(self, "limit", 1, optional=True)
        self._groups: list[Ints] = []
        self._counts: list[int] = []
        super().begin(setup)

    def _prepare(self) -> None:
        super()._prepare()
        if not self._groups:
            self._groups = classify(self.known.values, self.clusters or 1)
            self._counts = self._counts or [0] * len(self._groups)

    def draw(self, candidates: Ints) -> int:
        """Returns one of the snapshots (C,): of a uniformly drawn cluster that has some of them, any."""
        groups = list(enumerate(self._groups))
        if len(candidates) < len(self.known):
            groups = [(i, part) for i, group in groups if len(part := np.intersect1d(group, candidates))]
        number, group = groups[int(self.rng.integers(len(groups)))]
        self._counts[number] += 1
        return int(self.rng.choice(group))

    def begun_at(self, lesson: Lesson, snapshot: int) -> Lesson:
        """Returns a lesson that begins at a snapshot and is truncated."""
        begun = super().begun_at(lesson, snapshot)
        limits = [limit for limit in (self.limit, lesson.limit) if limit is not None]
        return replace(begun, limit=min(limits, default=None))

    def scalars(self) -> dict[str, float]:
        """Returns also whether the first phase lasts, and the draws from each cluster, lowest values first."""
        drawn = {f"cluster_{i}": float(count) for i, count in enumerate(self._counts)}
        return {**super().scalars(), "first_phase": float(not self.over), **(drawn if len(drawn) > 1 else {})}


def classify(values: Reals, clusters: int) -> list[Ints]:
    """Returns the rows of each cluster of one-dimensional k-means, the lowest values first, empty ones left out.

    Args:
        values: (S,).
        clusters: K, or the number of distinct values where that is less.
    """
    clusters = min(clusters, len(np.unique(values)))
    if clusters < 2:
        return [np.arange(len(values))]
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    _, exponent = np.frexp(np.abs(values).max())
    scaled = np.ldexp(values, -exponent)  # exact, and squares of it neither overflow nor vanish
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # values that differ by rounding fall together
        labels = KMeans(clusters, n_init="auto", random_state=0).fit(scaled.reshape(-1, 1)).labels_
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    return sorted(groups, key=lambda group: float(scaled[group].mean()))
