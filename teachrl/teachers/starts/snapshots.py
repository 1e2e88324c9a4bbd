"""Uniform snapshots: episodes begin anywhere along a teacher's trajectories.

Zhao, Qian, Wang, Shan, Qin: Snapshot Reinforcement Learning: Leveraging Prior Trajectories for Efficiency (2024),
https://arxiv.org/abs/2403.00673, its plain form, without classification and truncation.
"""

from __future__ import annotations

from typing import Any, ClassVar

from teachrl._starts import SNAPSHOT_RL, StartTeacher
from teachrl.trajectories import Ints


class Snapshots(StartTeacher):
    """Begins every lesson at a snapshot drawn uniformly, and learns nothing: what other choices are compared with.

    The time limit of an episode that begins at an exact state counts from there.

    Args:
        trajectories: A file that `teachrl collect --snapshot_every 10` wrote; in Python also `Trajectories`.
        steps: Steps of the run, by whomever, after which lessons begin where the environment begins them; None never.
    """

    fresh_clock: ClassVar[bool] = True
    citation: ClassVar[str] = "https://arxiv.org/abs/2403.00673"
    bibtex: ClassVar[str] = SNAPSHOT_RL

    def __init__(self, trajectories: Any, steps: int | None = None) -> None:
        self.trajectories = trajectories
        self.steps = steps

    def draw(self, candidates: Ints) -> int:
        """Returns one of the snapshots (C,), uniformly."""
        return int(self.rng.choice(candidates))
