"""Where plans and answers came from that teachers had from others, for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from teachrl.runs.sources import sources
from teachrl.studies.page_map import Drawn


def sources_data(runs: Sequence[Drawn]) -> list[dict[str, Any]]:
    """Returns how many plans and answers the teachers of each variant had from where, in all of its runs.

    Args:
        runs: The runs that have a directory.
    """
    logs: dict[str, list[Mapping[str, Any]]] = {}
    for label, _, files in runs:
        if files.metrics:
            logs.setdefault(label, []).append(files.metrics[-1])
    return [
        {"variant": label, "teacher": found.teacher, "what": found.what, "counts": found.counts}
        for label, rows in logs.items()
        for found in sources(rows)
    ]
