"""What a run shows while it runs: one live table on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any, Literal

Progress = Literal["auto", "table", "plain", "none"]
PLAIN_SECONDS = 5.0
_COLUMNS = ("train/return", "train/success", "eval/return", "eval/mastered", "perf/steps_per_second")
_OF_TEACHERS = 3


class Console:
    """Shows the rows of a log.

    Args:
        progress: `"table"`, `"plain"`, `"none"`, or `"auto"`: a table on a terminal, else plain lines.
        title: Stands above the table.
        total: Steps of the whole run, or what `unit` says.
        unit: What `total` counts, and an entry of every row: `"steps"` or `"episodes"`.
    """

    def __init__(self, progress: Progress, title: str, total: int, unit: str = "steps") -> None:
        if progress == "auto":
            progress = "table" if sys.stdout.isatty() else "plain"
        self.kind, self._title, self._total, self._unit = progress, title, total, unit
        self._live: Any = None
        self._last = time.monotonic()

    def show(self, row: Mapping[str, float]) -> None:
        """Shows the newest row."""
        if self.kind == "table":
            self._refresh(row)
        elif self.kind == "plain" and time.monotonic() - self._last >= PLAIN_SECONDS:
            self._last = time.monotonic()
            self.say(plain_line(row, self._total, self._unit))

    def say(self, text: str) -> None:
        """Writes a line."""
        if self.kind == "none":
            return
        if self._live is not None:
            self._live.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            print(text, flush=True)

    def close(self) -> None:
        """Leaves the table as it is."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _refresh(self, row: Mapping[str, float]) -> None:
        from rich.live import Live

        if self._live is None:
            self._live = Live(auto_refresh=False, transient=False)
            self._live.start()
        self._live.update(live_table(row, self._title, self._total, self._unit), refresh=True)


def plain_line(row: Mapping[str, float], total: int, unit: str = "steps") -> str:
    """Returns a row as one line: steps, episodes and the numbers that matter most."""
    parts = [f"{row[unit]:,.0f}/{total:,} {unit}"]
    parts += [f"{row['episodes']:,.0f} episodes"] if unit != "episodes" else []
    names = [n for n in _COLUMNS if n in row] + [n for n in row if n.startswith("teacher/")][:_OF_TEACHERS]
    return ", ".join([*parts, *(f"{_short(n)} {number(row[n])}" for n in names)])


def live_table(row: Mapping[str, float], title: str, total: int, unit: str = "steps") -> Any:
    """Returns a rich table of a row, one section for each kind of number."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", min_width=52, show_header=False)
    table.add_column("")
    table.add_column("", justify="right", no_wrap=True)
    table.add_row(unit, f"{row[unit]:,.0f} of {total:,} ({row[unit] / max(total, 1):.0%})")
    if unit != "episodes":
        table.add_row("episodes", f"{row['episodes']:,.0f}")
    for section in ("perf", "train", "eval", "teacher"):
        names = [n for n in row if n.startswith(f"{section}/")]
        if names:
            table.add_section()
        for name in names:
            table.add_row(name.replace("_", " "), number(row[name]))
    return table


def number(value: float) -> str:
    """Returns a number as short as can be read."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _short(name: str) -> str:
    section, _, rest = name.partition("/")
    return (f"eval {rest}" if section == "eval" else rest).replace("_", " ").replace("/", " ")
