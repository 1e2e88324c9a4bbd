"""Writes down every episode of a run, with the step at which it ended."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from teachrl.lessons import Episode, Report
from teachrl.teacher import Teacher

RECENT = 100
"""Episodes that the logged means are over."""


class Recorder(Teacher):
    """A teacher without channels: it is told what every teacher is told, and keeps the books.

    Args:
        write: Called with the total steps and each finished episode.
    """

    def __init__(self, write: Callable[[int, Episode], None]) -> None:
        self.write = write

    def begin(self, setup: Any) -> None:
        """Starts with empty books."""
        super().begin(setup)
        self.recent: deque[tuple[float, float, float]] = deque(maxlen=RECENT)

    def update(self, report: Report) -> None:
        """Writes down the episodes that have ended."""
        for episode in report.episodes:
            self.write(report.total_steps, episode)
            success = float("nan") if episode.success is None else float(episode.success)
            self.recent.append((episode.episode_return, float(episode.length), success))

    def scalars(self) -> dict[str, float]:
        """Returns means over the newest episodes; success is left out where the environment does not say."""
        if not self.recent:
            return {}
        means = np.array(self.recent).mean(axis=0)
        named = dict(zip(("return", "length", "success"), means.tolist(), strict=True))
        return {name: value for name, value in named.items() if not np.isnan(value)}
