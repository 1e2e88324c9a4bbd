"""What an adviser is asked: who the student is, what it masters and fails, what was tried, and how to answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teachrl.advice.answers import check, schema
from teachrl.advice.partition import Partition
from teachrl.advice.plans import Plan
from teachrl.advice.table import Standing

ROWS = 60
"""Rows of the table, at most."""

SYSTEM = """\
You plan the curriculum of a reinforcement-learning student. Before each of its episodes a task is drawn; you say which
tasks it shall meet next. It learns most from tasks that it now solves and now fails, and from those a little beyond
what it masters. It learns little from tasks that it always solves or cannot solve at all, and it forgets what it never
meets. In the end it is tested on tasks from all over the task space.

Answer with one JSON object and nothing else:
{"reason": "your strategy in one or two sentences",
 "cells": [{"cell": 3, "weight": 2.0}],
 "boxes": [{"bounds": [{"name": "NAME", "low": 0.0, "high": 1.0}], "weight": 1.0}],
 "tasks": [{"task": [0.5, 0.5], "weight": 1.0}]}
cells are numbered as in the table; a box bounds the coordinates that it names and leaves the others free; a task is one
number for each coordinate, in their order. All three lists may be used together or left empty, but not all empty.
Episodes are shared out by the weights, which need not sum to 1; inside a cell or a box tasks are uniform. Whole numbers
include both ends. Everything must lie within the bounds."""


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A question to an adviser.

    Attributes:
        number: Counted from 1.
        partition: The cells of the task space.
        standing: How the student stands in them; None for a question that was taken up again from a checkpoint.
        messages: The question in words, as chat messages.
    """

    number: int
    partition: Partition
    standing: Standing | None
    messages: list[dict[str, str]]

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of an answer."""
        return schema(self.partition)

    def check(self, data: Any) -> Plan:
        """Turns an answer, JSON data, into a plan.

        Raises:
            InvalidAnswer: With a sentence on what is wrong.
        """
        return check(data, self.partition)


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What a question says beside the table.

    Attributes:
        env_id: The environment.
        about: What the user says of it, in words.
        return_range: Its lowest and highest return, if it tells.
        episodes: Finished so far.
        every: Episodes until the next question.
        uniform: Share of uniform tasks whatever the answer is.
        plan: What is in force, in words.
        strategies: What was tried before and what came of it, a line each.
    """

    env_id: str
    about: str
    return_range: tuple[float, float] | None
    episodes: int
    every: int
    uniform: float
    plan: str
    strategies: Sequence[str]


def messages(partition: Partition, standing: Standing, facts: Facts) -> list[dict[str, str]]:
    """Writes a question as chat messages."""
    parts = [
        _environment(partition, facts),
        _overall(standing, facts),
        table(partition, standing),
        f"In force now: {facts.plan}.",
        *(["Strategies tried before, and what came of them:", *facts.strategies] if facts.strategies else []),
        f"Which tasks shall the student meet next? Your answer comes into force {facts.every} episodes from now, for "
        f"{facts.every} episodes. Of these, {facts.uniform:.0%} have uniform tasks whatever you answer.",
    ]
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "\n\n".join(parts)}]


def _environment(partition: Partition, facts: Facts) -> str:
    sizes = " x ".join(str(n) for n in partition.shape)
    cut = (
        f"The task space is cut into {len(partition)} cells ({sizes}), numbered from 0, the last coordinate fastest."
        if partition.joint
        else f"The task space is cut into {len(partition)} slices, numbered from 0, coordinate by coordinate: each "
        "bounds one coordinate, all others are free."
    )
    kinds = (
        f"- {c.name}: {'a whole' if c.whole else 'a real'} number, {c.low:.6g} to {c.high:.6g}"
        for c in partition.coordinates
    )
    lines = [f"Environment: {facts.env_id}. {facts.about}".rstrip(), "The coordinates of a task:", *kinds, cut]
    if facts.return_range is not None:
        lines.append("Returns lie between {:.6g} and {:.6g}.".format(*facts.return_range))
    return "\n".join(lines)


def _overall(standing: Standing, facts: Facts) -> str:
    """Says how the student does on average, cells counting the same."""
    values = {"success": standing.success, "return": standing.returns, "progress": standing.progress}
    means = [f"{name} {v[~np.isnan(v)].mean():.3g}" for name, v in values.items() if not np.isnan(v).all()]
    tried = int((standing.episodes > 0).sum())
    return f"{facts.episodes} episodes so far, in {tried} of {len(standing.episodes)} cells" + (
        f"; means over these cells: {', '.join(means)}." if means else "."
    )


def table(partition: Partition, standing: Standing, rows: int = ROWS) -> str:
    """Writes a table of cells that were tried, a line each; if they are too many, of the most informative ones."""
    tried = np.flatnonzero(standing.episodes > 0)
    shown = np.sort(tried[np.argsort(-interest(standing)[tried], kind="stable")[:rows]])
    where = " | ".join(partition.names) if partition.joint else "where"
    lines = [
        f"cell | {where} | episodes | since the last question | success | mean return | progress of the return",
        *(_row(i, partition, standing) for i in shown.tolist()),
    ]
    if len(shown) < len(tried):
        score = standing.score[np.setdiff1d(tried, shown)]
        lines.append(
            f"{len(score)} more cells were tried: {(score >= 0.9).sum()} with a score of 0.9 or more (of 1), "
            f"{(score <= 0.1).sum()} with 0.1 or less."
        )
    never = np.flatnonzero(standing.episodes == 0).tolist()
    if never:
        more = f" and {len(never) - rows} more" if len(never) > rows else ""
        lines.append(f"Never tried: {', '.join(map(str, never[:rows]))}{more}.")
    return "\n".join(lines)


def interest(standing: Standing) -> NDArray[np.float64]:
    """Returns how much cells tell, (cells,): 4 p (1 - p) of the score p, plus the progress in parts of the largest.

    Where that is the same, cells with more episodes since the last question tell more.
    """
    return learnability(standing) + 1e-9 * standing.fresh


def learnability(standing: Standing) -> NDArray[np.float64]:
    """Returns 4 p (1 - p) + |progress| / max |progress| of each cell, (cells,), 0 where nothing is known."""
    moved = np.abs(np.nan_to_num(standing.progress))
    score = np.nan_to_num(standing.score)
    return 4 * score * (1 - score) + moved / (moved.max(initial=0.0) or 1.0)


def _row(i: int, partition: Partition, standing: Standing) -> str:
    low, high = partition.lows[i], partition.highs[i]
    ends = zip(low.tolist(), high.tolist(), strict=True)
    where = (
        [f"{a:.4g}" if a == b else f"{a:.4g}..{b:.4g}" for a, b in ends]
        if partition.joint
        else [partition.say(low, high)]
    )
    counts = [f"{standing.episodes[i]:.0f}", f"{standing.fresh[i]:.0f}"]
    numbers = [_say(standing.success[i], ".2f"), _say(standing.returns[i], ".4g"), _say(standing.progress[i], "+.3g")]
    return " | ".join([str(i), *where, *counts, *numbers])


def _say(value: float, form: str) -> str:
    return "?" if np.isnan(value) else format(float(value), form)
