"""The curriculum for the page: what runs trained on, window by window, and what their students mastered by then."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teachrl.studies.page_runs import Episodes, Floats, RunFiles, Scores

WINDOWS = 16
POINTS = 400
"""Episodes drawn in a window of a run, at most."""
FEWEST = 120
"""With fewer points a window, only some runs of each variant are drawn."""
NUMBERS = 350_000
"""Numbers that all points of a page may take: about 2 MB."""

Drawn = tuple[str, int, RunFiles]
"""Label of a variant, seed and files of a run."""


def map_data(runs: Sequence[Drawn], ranking: Mapping[str, Mapping[int, float]]) -> dict[str, Any]:
    """Returns the curriculum of runs.

    Args:
        runs: The runs that have a directory.
        ranking: The primary metric by variant and seed: where not all runs can be drawn, those with the lowest, the
            median and the highest value are.
    """
    chosen = choose(runs, ranking)
    end = max((float(files.episodes.steps[-1]) for _, _, files in chosen if len(files.episodes.steps)), default=0.0)
    edges = [round(end * (k + 1) / WINDOWS) for k in range(WINDOWS)] if end else []
    most = points_each(chosen)
    suites: list[dict[str, Any]] = []
    drawn = [_run(label, seed, files, edges, most, suites) for label, seed, files in chosen]
    axes = task_axes([files for _, _, files in chosen])
    return {
        "edges": edges,
        "axes": axes,
        "runs": drawn,
        "suites": suites,
        "of": len(runs),
        "most": most,
        "limits": {name: _limits([r[name] for r in drawn]) for name in ("returns", "progress")},
    }


def choose(runs: Sequence[Drawn], ranking: Mapping[str, Mapping[int, float]]) -> list[Drawn]:
    """Returns all runs if they fit, else the worst, the median and the best of each variant."""
    if points_each(runs) >= FEWEST:
        return list(runs)
    by_label: dict[str, list[Drawn]] = {}
    for run in runs:
        by_label.setdefault(run[0], []).append(run)
    found = []
    for label, group in by_label.items():
        scored = sorted(group, key=lambda run: ranking.get(label, {}).get(run[1], -np.inf))
        places = sorted({0, len(scored) // 2, len(scored) - 1})
        found += [scored[i] for i in places]
    return found


def points_each(runs: Sequence[Drawn]) -> int:
    """Returns how many points a window of each run may have."""
    numbers = sum(files.dims + 4 for _, _, files in runs)
    return int(np.clip(NUMBERS // (WINDOWS * max(numbers, 1)), 20, POINTS))


def _run(
    label: str, seed: int, files: RunFiles, edges: list[int], most: int, suites: list[dict[str, Any]]
) -> dict[str, Any]:
    """Returns one run's points, in order, with the place where each window begins."""
    episodes = files.episodes
    bounds = np.searchsorted(episodes.steps, [0, *edges], side="right") if edges else np.zeros(1, np.int64)
    bounds[0] = 0
    rows = [thinned(a, b, most) for a, b in itertools.pairwise(bounds)]
    kept = np.concatenate(rows) if rows else np.empty(0, np.int64)
    evaluations = files.evaluations("validation")
    return {
        "variant": label,
        "seed": seed,
        "begins": [0, *np.cumsum([len(r) for r in rows]).tolist()],
        "episodes": np.diff(bounds).tolist(),
        **_columns(episodes, kept),
        "evaluations": [_mastered(scores, suites) for scores in evaluations],
    }


def _columns(episodes: Episodes, rows: NDArray[np.int64]) -> dict[str, Any]:
    told = not np.isnan(episodes.success[rows]).all() if len(rows) else False
    return {
        "steps": episodes.steps[rows].astype(int).tolist(),
        "tasks": [short(column) for column in episodes.tasks[rows].T],
        "returns": short(episodes.returns[rows]),
        "progress": short(episodes.progress[rows]),
        "success": short(episodes.success[rows]) if told else None,
    }


def _mastered(scores: Scores, suites: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns what was mastered at an evaluation, with the suite's place in `suites`, where it is entered once."""
    suite = {"tasks": [short(column) for column in scores.tasks.T], "names": scores.names}
    if suite not in suites:
        suites.append(suite)
    told = not np.isnan(scores.mastered).any()
    return {
        "steps": scores.steps,
        "suite": suites.index(suite),
        "mastered": scores.mastered.astype(int).tolist() if told else None,
    }


def task_axes(runs: Sequence[RunFiles]) -> dict[str, Any]:
    """Returns names and ends of the task coordinates, from meta.json or, where it does not say, from the tasks."""
    dims = max((files.dims for files in runs), default=0)
    told = next((t for files in runs if _fits(t := files.meta.get("tasks"), dims)), None)
    tasks = [files.episodes.tasks for files in runs if files.dims == dims and len(files.episodes.tasks)]
    tasks += [s.tasks for files in runs for s in files.evaluations("test") if s.tasks.shape[1] == dims]
    seen = np.concatenate(tasks) if tasks and dims else np.zeros((1, dims))
    low, high = seen.min(axis=0), seen.max(axis=0)
    if told is not None:
        low = np.array([a if _finite(b) is None else float(b) for a, b in zip(low, told["low"], strict=True)])
        high = np.array([a if _finite(b) is None else float(b) for a, b in zip(high, told["high"], strict=True)])
    names = (told or {}).get("names")
    names = names if isinstance(names, list) and len(names) == dims else [f"task {i}" for i in range(dims)]
    return {"names": [str(n).replace("_", " ") for n in names], "low": low.tolist(), "high": high.tolist()}


def mastery_data(runs: Sequence[Drawn]) -> list[dict[str, Any]]:
    """Returns, for every variant, the share of its runs that master each task of the test suite at their end."""
    found: dict[str, dict[str, Any]] = {}
    for label, _, files in runs:
        if not (evaluations := files.evaluations("test")):
            continue
        last = evaluations[-1]
        entry = found.setdefault(label, {"variant": label, "names": last.names, "tasks": last.tasks, "values": []})
        if entry["names"] == last.names and not np.isnan(last.mastered).any():
            entry["values"].append(last.mastered)
    return [
        {
            "variant": e["variant"],
            "names": e["names"],
            "tasks": [short(column) for column in e["tasks"].T],
            "share": short(np.mean(e["values"], axis=0)),
            "n": len(e["values"]),
        }
        for e in found.values()
        if e["values"]
    ]


def thinned(begin: int, end: int, most: int) -> NDArray[np.int64]:
    """Returns at most `most` of the rows from `begin` to `end`, evenly spread."""
    if end - begin <= most:
        return np.arange(begin, end)
    return np.linspace(begin, end - 1, most).astype(np.int64)


def short(values: Floats) -> list[float | None]:
    """Returns numbers with four digits that mean something, None for what is not finite."""
    return [float(f"{v:.4g}") if np.isfinite(v) else None for v in np.asarray(values, np.float64).tolist()]


def _limits(columns: list[list[float | None]]) -> list[float]:
    """Returns the ends of a colour scale: without the outermost hundredths."""
    values = np.array([v for column in columns for v in column if v is not None], np.float64)
    if not len(values):
        return [0.0, 1.0]
    low, high = (float(v) for v in np.quantile(values, [0.01, 0.99]))
    return [low, high if high > low else low + 1]


def _fits(tasks: Any, dims: int) -> bool:
    if not isinstance(tasks, dict) or not dims:
        return False
    return all(isinstance(tasks.get(k), list) and len(tasks[k]) == dims for k in ("low", "high"))


def _finite(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and np.isfinite(value) else None
