"""What an evaluation found: a few numbers, and a table of its tasks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teachrl.lessons import Episode

KEYS = ("suite", "steps", "episodes", "mean_return", "success_rate", "mastered", "tasks")


@dataclass(frozen=True, eq=False)
class Evaluation(Mapping[str, Any]):
    """A policy's results on a suite of L lessons, each played E times; also a mapping of its main numbers.

    Attributes:
        suite: Name of the suite.
        steps: Steps of learning behind the policy.
        names: The L lessons' names.
        numbers: The L lessons' tasks as numbers, None for default tasks.
        returns: (L, E) the environment's own returns.
        lengths: (L, E) steps.
        successes: (L, E) bool, or None if the environment does not say.
    """

    suite: str
    steps: int
    names: list[str]
    numbers: list[list[float] | None]
    returns: NDArray[np.float64]
    lengths: NDArray[np.int64]
    successes: NDArray[np.bool_] | None

    @property
    def episodes(self) -> int:
        """Episodes of each lesson."""
        return int(self.returns.shape[1])

    @property
    def mean_return(self) -> float:
        """Mean over all episodes."""
        return float(self.returns.mean())

    @property
    def success_rate(self) -> float | None:
        """Share of successful episodes, None if the environment does not say."""
        return None if self.successes is None else float(self.successes.mean())

    @property
    def mastered_lessons(self) -> NDArray[np.bool_] | None:
        """(L,) lessons that succeed in more than half of their episodes, None if the environment does not say."""
        return None if self.successes is None else self.successes.mean(axis=1) > 0.5

    @property
    def mastered(self) -> int | None:
        """Number of mastered lessons, None if the environment does not say."""
        return None if self.mastered_lessons is None else int(self.mastered_lessons.sum())

    @property
    def tasks(self) -> list[dict[str, Any]]:
        """The results by lesson: name, task, mean return, mean length and share of successes."""
        return [
            {
                "name": name,
                "task": self.numbers[i],
                "return": float(self.returns[i].mean()),
                "length": float(self.lengths[i].mean()),
                "success": None if self.successes is None else float(self.successes[i].mean()),
            }
            for i, name in enumerate(self.names)
        ]

    @property
    def line(self) -> str:
        """The result in a line: `mastered 37/100, mean return 112.4`."""
        mean = f"mean return {_return_text(self.mean_return)}"
        return mean if self.mastered is None else f"mastered {self.mastered}/{len(self.names)}, {mean}"

    def __str__(self) -> str:
        return self.line

    def __getitem__(self, key: str) -> Any:
        if key not in KEYS:
            raise KeyError(f"An evaluation has {', '.join(KEYS)}, not {key!r}")
        return getattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter(KEYS)

    def __len__(self) -> int:
        return len(KEYS)

    def scalars(self) -> dict[str, float]:
        """Returns the numbers of the training log."""
        found = {"return": self.mean_return, "length": float(self.lengths.mean())}
        if self.success_rate is not None and self.mastered is not None:
            found |= {"success": self.success_rate, "mastered": float(self.mastered)}
        return found

    def rows(self) -> list[tuple[Any, ...]]:
        """Returns one row an episode, in the order of the table of evaluations."""
        return [
            (
                self.steps, self.suite, name, self.numbers[i], k, float(self.returns[i, k]), int(self.lengths[i, k]),
                None if self.successes is None else bool(self.successes[i, k]),
            )
            for i, name in enumerate(self.names)
            for k in range(self.episodes)
        ]  # fmt: skip

    def save(self, directory: Path) -> None:
        """Writes `<steps>-<suite>.json` and `.parquet`; the same evaluation done before is replaced."""
        from teachrl.runs.tables import EVALUATIONS, write_rows

        directory.mkdir(parents=True, exist_ok=True)
        stem = directory / f"{self.steps}-{self.suite}"
        write_rows(EVALUATIONS, self.rows(), stem.with_name(f"{stem.name}.parquet"))
        draft = stem.with_name(f".{stem.name}.json.tmp")
        draft.write_text(json.dumps(dict(self), indent=1), encoding="utf-8")
        draft.replace(stem.with_name(f"{stem.name}.json"))

    def show(self) -> None:
        """Writes the table of lessons and the line to the standard output; names are never cut."""
        from rich.console import Console
        from rich.table import Table

        table = Table()
        for column in ("lesson", "task"):
            table.add_column(column, no_wrap=True)
        for column in ("return", "length", *(["success"] if self.successes is not None else [])):
            table.add_column(column, justify="right", no_wrap=True)
        for row in self.tasks:
            cells = [row["name"], _task_text(row["task"]), _return_text(row["return"]), f"{row['length']:.0f}"]
            table.add_row(*cells, *([] if row["success"] is None else [f"{row['success']:.0%}"]))
        needed = Console(width=10**6).measure(table).maximum
        Console(width=max(Console().width, needed)).print(table)
        print(self.line)


def collect(
    suite: str, steps: int, names: list[str], numbers: list[list[float] | None], episodes: list[Episode]
) -> Evaluation:
    """Makes an evaluation of its episodes, all of the first round first."""
    shape = (-1, len(names))
    told = all(e.success is not None for e in episodes)
    return Evaluation(
        suite,
        steps,
        names,
        numbers,
        np.array([e.episode_return for e in episodes], np.float64).reshape(shape).T,
        np.array([e.length for e in episodes], np.int64).reshape(shape).T,
        np.array([e.success for e in episodes], bool).reshape(shape).T if told else None,
    )


def _return_text(value: float) -> str:
    return f"{value:.1f}" if abs(value) >= 1 else f"{value:.2g}"


def _task_text(numbers: list[float] | None) -> str:
    if numbers is None:
        return "default"
    shown = ", ".join(f"{x:.3g}" for x in numbers[:8])
    return shown + (f", ... ({len(numbers)} numbers)" if len(numbers) > 8 else "")
