"""The work of `plan_subgoals`: level by level, with what is shown meanwhile."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any

import numpy as np

from teachrl import seeds
from teachrl.providers.asked import Asked, Prepared
from teachrl.providers.provider import SubgoalProvider
from teachrl.runs.console import PLAIN_SECONDS, Console, Progress
from teachrl.runs.plan_file import PlanFile, Planned
from teachrl.runs.plan_scores import Comparison
from teachrl.subgoals import Layout, Layouts

STANDING_IN = ("fallback", "none")
"""Sources of plans that are not the provider's own."""


class Planning:
    """Lets a provider plan for levels, keeps its plans, counts, and compares them with the planner's.

    Args:
        provider: Who plans.
        layouts: What the environment tells of its levels.
        file: Where the plans go.
        total: How many levels there are.
        seed: Root of the provider's random numbers, of which each level has its own.

    Attributes:
        sources: The plans so far by source.
        comparison: The provider's own plans, compared.
        seconds: How long it has taken.
    """

    def __init__(self, provider: SubgoalProvider, layouts: Layouts, file: PlanFile, total: int, seed: int) -> None:
        self._provider, self._layouts, self._file, self._total, self._seed = provider, layouts, file, total, seed
        self._rng = np.random.default_rng(seed)
        self._begun = time.monotonic()
        self.sources: Counter[str] = Counter()
        self._problems: Counter[str] = Counter()
        self.comparison = Comparison()

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self._begun

    def begin(self) -> None:
        """Starts the provider.

        Raises:
            TeachrlError: If it cannot provide.
        """
        self._provider.begin(self._layouts, self._rng)

    def run(self, levels: Iterable[Layout], progress: Progress) -> None:
        """Plans for the levels; the file is written at the end, however that comes about.

        Raises:
            LLMError: If a language model cannot be asked any more.
        """
        with closing(self._provider), closing(Display(progress, self._total)) as display:
            try:
                for item in self._items(self._new(levels)):
                    self._take(item)
                    display.show(self.sources)
            finally:
                self._file.write()

    def result(self) -> dict[str, int]:
        """Returns the plans by source; `missing` are those that there are none of yet."""
        missing = self._total - sum(self.sources.values())
        return dict(self.sources.most_common()) | ({"missing": missing} if missing else {})

    def problem(self) -> str:
        """Returns why most of the plans that are missing are so, in the model's words; empty if none is."""
        return next((problem for problem, _ in self._problems.most_common(1)), "")

    def counts(self) -> dict[str, float]:
        """Returns what the provider counted."""
        return self._provider.scalars()

    def _new(self, levels: Iterable[Layout]) -> Iterator[Layout]:
        """Yields the levels that there is no plan of yet, and counts the others."""
        for layout in levels:
            if (plan := self._file.get(layout)) is None:
                yield layout
            else:
                self._count(layout, plan)

    def _items(self, levels: Iterator[Layout]) -> Iterator[Prepared]:
        if isinstance(self._provider, Asked):
            yield from self._provider.prepare(levels)
            return
        for layout in levels:
            branch = seeds.branch(self._seed, int(layout.seed or 0))
            self._rng.bit_generator.state = np.random.default_rng(branch).bit_generator.state
            before = self._provider.scalars()
            plan = self._provider.plan(layout)
            yield Prepared(layout, plan, _source(before, self._provider.scalars()))

    def _take(self, item: Prepared) -> None:
        if item.problem:
            self._problems[item.problem] += 1
        if item.source:
            plan = Planned(int(item.layout.seed or 0), item.layout.digest, item.plan, item.source)
            self._file.add(plan)
            self._count(item.layout, plan)

    def _count(self, layout: Layout, plan: Planned) -> None:
        self.sources[plan.source] += 1
        if plan.source not in STANDING_IN and (right := self._layouts.oracle(layout)):
            self.comparison.add(plan.subgoals, right)


def _source(before: Mapping[str, float], after: Mapping[str, float]) -> str:
    """Returns what a provider counted its last plan as."""
    grown = [name for name, number in after.items() if name.startswith("plans/") and number > before.get(name, 0.0)]
    return grown[0].removeprefix("plans/") if grown else "none"


class Display:
    """A bar on a terminal, a line every few seconds elsewhere.

    Args:
        progress: See `plan_subgoals`.
        total: How many plans there will be.
    """

    def __init__(self, progress: Progress, total: int) -> None:
        self._console = Console(progress, "", total)
        self._total = total
        self._last = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def show(self, sources: Mapping[str, int]) -> None:
        """Shows how many plans there are, by source."""
        done, text = sum(sources.values()), ", ".join(f"{name} {number:,}" for name, number in sources.items())
        if self._console.kind == "table":
            self._draw(done, text)
        elif time.monotonic() - self._last >= PLAIN_SECONDS:
            self._last = time.monotonic()
            self._console.say(f"{done:,}/{self._total:,} plans: {text}")

    def close(self) -> None:
        """Leaves the bar as it is."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _draw(self, done: int, text: str) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        if self._bar is None:
            columns = [BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}")]
            self._bar = Progress(*columns)
            self._bar.start()
            self._task = self._bar.add_task("", total=self._total)
        self._bar.update(self._task, completed=done, description=text)
