"""What the page reads of a run's directory, as far as it was written: a running or killed run has only some of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Episodes:
    """The E episodes of a run that have ended.

    Attributes:
        steps: (E,) all environment steps of the run at their ends.
        tasks: (E, d), d = 0 where there are no tasks, or none that numbers stand for.
        returns: (E,).
        success: (E,) 1, 0, or NaN where the environment does not say.
    """

    steps: Floats
    tasks: Floats
    returns: Floats
    success: Floats

    @cached_property
    def progress(self) -> Floats:
        """(E,) absolute learning progress: |return - return of the nearest earlier task|, 0 for the first episode.

        As ALP-GMM defines it (https://arxiv.org/abs/1910.07224), whatever the teacher measures itself.
        """
        from teachrl._neighbours import NearestNeighbours

        if not self.tasks.size:
            return np.zeros(len(self.steps))
        nearest = NearestNeighbours(self.tasks.shape[1]).extend(self.tasks, self.returns)
        found: Floats = np.where(nearest < 0, 0.0, np.abs(self.returns - self.returns[nearest]))
        return found


@dataclass(frozen=True, eq=False)
class Scores:
    """What an evaluation found of each of its L tasks.

    Attributes:
        steps: All environment steps of the run before it.
        names: Names of the lessons.
        tasks: (L, d), d = 0 where there are no tasks.
        mastered: (L,) 1 if a task succeeds in more than half of its episodes, else 0; NaN where nothing says success.
        returns: (L,) means.
    """

    steps: int
    names: list[str]
    tasks: Floats
    mastered: Floats
    returns: Floats


@dataclass(eq=False)
class RunFiles:
    """A run's directory. What is missing is empty, what is damaged is noted.

    Args:
        path: The directory.

    Attributes:
        damage: One line for each file that could not be read.
    """

    path: Path
    damage: list[str] = field(default_factory=list)

    @cached_property
    def meta(self) -> dict[str, Any]:
        """Returns meta.json, empty if there is none that can be read."""
        try:
            found = json.loads((self.path / "meta.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            self._note("meta.json", error)
            return {}
        return found if isinstance(found, dict) else {}

    @cached_property
    def config(self) -> dict[str, Any]:
        """The configuration as data, empty if there is none that can be read."""
        from teachrl.configuration import read_config
        from teachrl.errors import InvalidRun

        try:
            return read_config(self.path / "config.yaml") if (self.path / "config.yaml").exists() else {}
        except InvalidRun as error:
            self._note("config.yaml", error)
            return {}

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        """The rows of metrics.jsonl."""
        from teachrl.runs.metrics import read_metrics

        try:
            return read_metrics(self.path / "metrics.jsonl") if (self.path / "metrics.jsonl").exists() else []
        except (OSError, ValueError) as error:
            self._note("metrics.jsonl", error)
            return []

    @property
    def steps(self) -> int | None:
        """The student's steps so far, None if nothing tells them."""
        steps = self.metrics[-1].get("student_steps") if self.metrics else None
        return int(steps) if isinstance(steps, int | float) else None

    @property
    def written(self) -> int | None:
        """When metrics or meta were last written, in whole seconds since 1970; None if they are not there."""
        files = [self.path / name for name in ("metrics.jsonl", "meta.json")]
        return max((int(file.stat().st_mtime) for file in files if file.exists()), default=None)

    @cached_property
    def episodes(self) -> Episodes:
        """The episodes so far; those of another number of coordinates than the first are left out."""
        from teachrl.runs.tables import EPISODES

        columns = self._table("episodes", EPISODES, ("steps", "task", "return", "success"))
        rows, tasks = _alike(columns["task"])
        return Episodes(
            _floats(columns["steps"])[rows], tasks, _floats(columns["return"])[rows], _floats(columns["success"])[rows]
        )

    @property
    def dims(self) -> int:
        """Numbers of a task."""
        return int(self.episodes.tasks.shape[1])

    def evaluations(self, suite: str) -> list[Scores]:
        """Returns the evaluations of a suite, oldest first."""
        columns = self._evaluations
        steps, mine = np.array(columns["steps"], np.int64), np.array([s == suite for s in columns["suite"]], bool)
        return [_scores(columns, np.flatnonzero(mine & (steps == at)), int(at)) for at in np.unique(steps[mine])]

    @cached_property
    def _evaluations(self) -> dict[str, list[Any]]:
        from teachrl.runs.tables import EVALUATIONS

        return self._table("eval", EVALUATIONS, ("steps", "suite", "name", "task", "return", "success"))

    def _table(self, name: str, types: dict[str, str], columns: tuple[str, ...]) -> dict[str, list[Any]]:
        from teachrl.runs.tables import Table

        try:
            return Table(self.path, name, types).read(columns)
        except (OSError, ValueError, KeyError) as error:  # pyarrow's errors are of these kinds
            self._note(f"{name}.parquet", error)
            return {column: [] for column in columns}

    def _note(self, name: str, error: Exception) -> None:
        self.damage.append(f"{name} cannot be read: {str(error).splitlines()[0][:200]}")


def _floats(values: list[Any]) -> Floats:
    return np.array([np.nan if v is None else v for v in values], np.float64)


def _alike(tasks: list[list[float] | None]) -> tuple[NDArray[np.int64], Floats]:
    """Returns the rows whose task is like the first one that there is, and these tasks (n, d)."""
    dims = next((len(task) for task in tasks if task is not None), 0)
    if not dims:
        return np.arange(len(tasks)), np.empty((len(tasks), 0))
    rows = [i for i, task in enumerate(tasks) if task is not None and len(task) == dims]
    return np.array(rows, np.int64), np.array([tasks[i] for i in rows], np.float64)


def _scores(columns: Mapping[str, list[Any]], rows: NDArray[np.int64], steps: int) -> Scores:
    """Makes an evaluation of its rows: one for each episode of each lesson."""
    lessons: dict[str, list[int]] = {}
    for row in rows.tolist():
        lessons.setdefault(columns["name"][row], []).append(row)
    firsts = [columns["task"][group[0]] for group in lessons.values()]
    kept, tasks = _alike(firsts)
    groups, names = list(lessons.values()), list(lessons)
    returns, success = _floats(columns["return"]), _floats(columns["success"])
    shares = [float(success[groups[i]].mean()) for i in kept]
    return Scores(
        steps,
        [names[i] for i in kept],
        tasks,
        np.array([np.nan if np.isnan(share) else float(share > 0.5) for share in shares], np.float64),
        np.array([float(returns[groups[i]].mean()) for i in kept], np.float64),
    )
