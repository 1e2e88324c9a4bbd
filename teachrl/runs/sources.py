"""Where it came from what teachers had from others: plans of subgoals, and answers about tasks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_COUNT = re.compile(r"teacher/(?P<teacher>[^/]+)/(?P<what>plans|llm/source)/(?P<source>.+)")
_WHAT = {"plans": "plans", "llm/source": "answers"}


@dataclass(frozen=True, slots=True)
class Sources:
    """What a teacher had from others, by source.

    Attributes:
        teacher: Its class.
        what: `plans` or `answers`.
        counts: How many came from each source, the most first.
    """

    teacher: str
    what: str
    counts: dict[str, int]

    def __str__(self) -> str:
        total = sum(self.counts.values())
        parts = [f"{source} {count:,} ({count / total:.0%})" for source, count in self.counts.items()]
        return f"{self.what} of {self.teacher}: {', '.join(parts)}"


def sources(rows: Sequence[Mapping[str, object]]) -> list[Sources]:
    """Reads the counts of logs, `teacher/WordsAsBeacons/plans/planner` and the like, and adds them up.

    Args:
        rows: The last row of each log.
    """
    found: dict[tuple[str, str], dict[str, int]] = {}
    for row in rows:
        for name, value in row.items():
            if (match := _COUNT.fullmatch(name)) is not None and isinstance(value, int | float) and value:
                counts = found.setdefault((match["teacher"], _WHAT[match["what"]]), {})
                counts[match["source"]] = counts.get(match["source"], 0) + int(value)
    return [Sources(*key, dict(sorted(counts.items(), key=lambda c: -c[1]))) for key, counts in found.items()]
