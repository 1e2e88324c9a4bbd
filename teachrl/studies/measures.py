"""The metrics of a run: on the test suite at its end, and on the validation suite while it learned."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teachrl.runs.directory import RunDirectory
from teachrl.runs.metrics import read_metrics
from teachrl.runs.tables import EVALUATIONS, Table
from teachrl.studies.outcomes import AXES, METRICS

Row = dict[str, Any]


def measure(run: RunDirectory, metric: str = METRICS[0]) -> tuple[dict[str, float], dict[str, NDArray[np.float64]]]:
    """Reads the metrics of a run, each evaluation averaged over its tasks.

    Args:
        run: The run's directory; it may still be running.
        metric: The primary metric; a tag of metrics.jsonl is read besides the metrics that every evaluation has.

    Returns:
        The final metrics by name, with the counters of `AXES` and `wall_seconds`, empty without an evaluation of the
        test suite; and the learning curve, (E,) arrays by name.
    """
    logged = read_metrics(run.metrics_file) if run.metrics_file.exists() else []
    scores = evaluations(run)
    test = [scores[key] for key in sorted(scores) if key[1] == "test"]
    final = {**_counters(logged[-1]), **test[-1]} if test and logged else {}
    if "/" in metric and final:
        told = [row[metric] for row in logged if row.get(metric) is not None]
        final |= {metric: float(told[-1])} if told else {}
    return final, _curve(logged, scores, metric)


def evaluations(run: RunDirectory) -> dict[tuple[int, str], dict[str, float]]:
    """Returns the metrics of each evaluation of a run, by total steps and suite."""
    rows = Table(run.path, "eval", EVALUATIONS).read(["steps", "suite", "name", "return", "success"])
    found: dict[tuple[int, str], list[Any]] = defaultdict(list)
    for steps, suite, *rest in zip(*rows.values(), strict=True):
        found[steps, suite].append(rest)
    return {key: _averaged(episodes) for key, episodes in found.items()}


def _averaged(episodes: Sequence[Any]) -> dict[str, float]:
    """Averages over tasks, each of which is first averaged over its episodes."""
    returns, successes = defaultdict(list), defaultdict(list)
    for name, value, success in episodes:
        returns[name].append(value)
        if success is not None:
            successes[name].append(success)
    found = {"mean_return": float(np.mean([np.mean(v) for v in returns.values()]))}
    if len(successes) == len(returns):
        rates = np.array([np.mean(v) for v in successes.values()])
        found |= {"success_rate": float(rates.mean()), "mastered": float((rates > 0.5).mean())}
    return found


def _counters(row: Row) -> dict[str, float]:
    student_steps = row.get("student_steps", row["steps"])
    counted = {"student_steps": student_steps, "total_steps": row["total_steps"]}
    return {k: float(v) for k, v in {**counted, **{n: row[n] for n in ("cpu_seconds", "wall_seconds")}}.items()}


def _curve(
    logged: list[Row], scores: dict[tuple[int, str], dict[str, float]], metric: str
) -> dict[str, NDArray[np.float64]]:
    """Joins evaluations of the validation suite with what had been used by then."""
    points = []
    for row in logged:
        score = scores.get((int(row["total_steps"]), "validation"))
        if "eval/return" in row and score is not None:
            tagged = {metric: row.get(metric)} if "/" in metric else {}
            points.append({**_counters(row), **score, **{k: math.nan if v is None else v for k, v in tagged.items()}})
    names = [
        n
        for n in (*AXES, "wall_seconds", *METRICS, *([metric] if "/" in metric else []))
        if all(n in p for p in points)
    ]
    return {name: np.array([point[name] for point in points], np.float64) for name in names} if points else {}
