"""The student that did best in the validation suite so far, kept beside the checkpoints."""

from __future__ import annotations

import copy
import math
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from teachrl.runs.checkpoint import checkpoints, load_tree, save_checkpoint
from teachrl.runs.evaluation import Evaluation

KEPT = 2
"""Bests that stay on the disk: if the newest checkpoint is lost, the best before it is still there."""

Score = tuple[float, float]


class Best:
    """The best student of a run so far: the one with the most mastered tasks, then with the highest mean return.

    It is held in memory until `write`, right before a checkpoint, so that the disk has the best of a time before the
    checkpoint or of its very time, unless the process dies between the two; then `upto` drops it.

    Args:
        directory: Where it is kept, laid out as checkpoints are.
        upto: Of a resumed run: steps at its checkpoint; what is later is removed.

    Attributes:
        steps: The student's steps when it was best, None before the first evaluation.
    """

    def __init__(self, directory: Path, upto: int = 0) -> None:
        self._directory = directory
        for path in checkpoints(directory):
            if int(path.name) > upto:
                shutil.rmtree(path)
        self.steps: int | None = None
        self._score: Score = (-math.inf, -math.inf)
        self._trees: Mapping[str, Any] | None = None
        if (newest := best_checkpoint(directory, upto)) is not None:
            self.steps = int(newest.name)
            mastered, mean_return = load_tree(newest, "progress")["score"]
            self._score = (mastered, mean_return)

    def offer(self, evaluation: Evaluation, steps: int, trees: Callable[[], Mapping[str, Any]]) -> bool:
        """Takes in a student if it is at least as good as the best so far.

        Args:
            evaluation: What it did in the validation suite.
            steps: The student's steps.
            trees: Gives its trees: progress, classroom and student; they are copied.

        Returns:
            Whether it is the best now.
        """
        found = score(evaluation)
        if found < self._score:
            return False
        self.steps, self._score = steps, found
        given = trees()
        self._trees = copy.deepcopy({**given, "progress": {**given["progress"], "steps": steps, "score": list(found)}})
        return True

    def write(self) -> None:
        """Brings the disk up to date.

        Raises:
            InvalidRun: If it cannot be written; the best before stands.
        """
        if self._trees is not None and self.steps is not None:
            save_checkpoint(self._directory, self.steps, self._trees, KEPT)
            self._trees = None


def best_checkpoint(directory: Path, upto: int) -> Path | None:
    """Returns the best of a run as of its checkpoint at `upto` steps, None if there is none."""
    known = [path for path in checkpoints(directory) if int(path.name) <= upto]
    return known[-1] if known else None


def score(evaluation: Evaluation) -> Score:
    """Returns what students are compared by: the share of mastered tasks, then the mean return.

    Where the environment tells no success, the first is the same for all; a return that is not a number is the lowest.
    """
    mastered = 0.0 if evaluation.mastered is None else evaluation.mastered / len(evaluation.names)
    value = evaluation.mean_return
    return mastered, -math.inf if math.isnan(value) else value
