"""What a study shows while it runs: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any

from teachrl.runs.console import Progress
from teachrl.studies.engines import Ended
from teachrl.studies.outcomes import headline
from teachrl.studies.trials import Trial

PLAIN_SECONDS = 5.0


class Display:
    """Shows how far a study is.

    Args:
        progress: `"table"`, `"plain"`, `"none"`, or `"auto"`: a bar on a terminal, else plain lines.
        name: The study's name.
        total: Number of its trials.
    """

    def __init__(self, progress: Progress, name: str, total: int) -> None:
        if progress == "auto":
            progress = "table" if sys.stdout.isatty() else "plain"
        self._kind, self._name, self._total = progress, name, total
        self._done = self._failed = self._here = 0
        self._running: dict[str, str] = {}
        self._left = 0
        self._began = self._last = time.monotonic()
        self._bar: Any = None

    def start(self, waiting: Iterable[Trial], status: Mapping[str, str]) -> None:
        """Says what was there before, and what is to be run."""
        count = {name: sum(1 for s in status.values() if s == name) for name in set(status.values())}
        self._left = len(list(waiting))
        self._done = self._total - self._left - count.get("failed", 0)
        self._failed = count.get("failed", 0)
        there = [f"{n} {name}" for name, n in sorted(count.items()) if name != "waiting"]
        self._say(
            f"{self._name}: {self._total} trials, {self._left} to run" + (f" ({', '.join(there)})" if there else "")
        )
        if self._kind == "table" and self._left:
            self._bar = _bar(self._name)
            self._bar.start()
            self._bar.add_task("", total=self._total, completed=self._done, more="")

    def started(self, trial: Trial) -> None:
        """Notes that a trial runs."""
        self._running[trial.key] = f"{trial.variant}, seed {trial.seed}"

    def ended(self, trial: Trial, ended: Ended) -> None:
        """Notes that a trial has ended."""
        self._running.pop(trial.key, None)
        self._left -= 1
        self._here += 1
        if ended.error is None:
            self._done += 1
            return
        self._failed += 1
        self._say(f"failed: {trial.variant}, seed {trial.seed}: {headline(ended.error)}")

    def lost(self, trial: Trial, ended: Ended) -> None:
        """Notes that a trial's process was lost, and that the trial goes on."""
        self._running.pop(trial.key, None)
        self._say(f"lost and started again: {trial.variant}, seed {trial.seed}: {headline(ended.error or '')}")

    def tick(self) -> None:
        """Shows where things stand, from time to time."""
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self._done, more=self._more())
        elif self._kind == "plain" and time.monotonic() - self._last >= PLAIN_SECONDS:
            self._last = time.monotonic()
            self._say(f"{self._done}/{self._total} trials done, {self._more()}")

    def close(self) -> None:
        """Leaves the bar as it is."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _more(self) -> str:
        parts = [f"{self._failed} failed"] if self._failed else []
        parts += [f"running: {'; '.join(self._running.values())}"] if self._running else []
        if self._here and self._left:
            seconds = (time.monotonic() - self._began) / self._here * self._left
            parts.append(f"about {duration(seconds)} left")
        return ", ".join(parts)

    def _say(self, text: str) -> None:
        if self._kind == "none":
            return
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            print(text, flush=True)


def _bar(name: str) -> Any:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    more = TextColumn("{task.fields[more]}")
    return Bar(TextColumn(name), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), more)


def duration(seconds: float) -> str:
    """Returns a time as it is said: `40 s`, `3 min`, `2.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
