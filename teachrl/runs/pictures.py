"""Pictures of a run: what was taught over time, what is mastered, and what the task teacher has in mind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from teachrl.runs.evaluation import Evaluation
from teachrl.teacher import Teacher

POINTS = 1500
"""Episodes drawn in a panel, at most."""
PANELS = 4
_SOLVED, _UNSOLVED = "#1a9850", "#d73027"


@dataclass(frozen=True, eq=False)
class Taught:
    """Episodes of a run that had a task; all of them, with tasks of no numbers, if none had.

    Attributes:
        steps: (E,) steps at their ends.
        tasks: (E, d).
        returns: (E,).
    """

    steps: NDArray[np.float64]
    tasks: NDArray[np.float64]
    returns: NDArray[np.float64]

    @classmethod
    def of(cls, columns: Mapping[str, Sequence[Any]], most: int = PANELS * POINTS) -> Taught:
        """Takes the columns `steps`, `task` and `return` of the table of episodes, evenly thinned to `most` rows."""
        rows = [i for i, task in enumerate(columns["task"]) if task is not None]
        dims = len(columns["task"][rows[0]]) if rows else 0
        rows = rows or list(range(len(columns["task"])))
        rows = [rows[k] for k in np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int)] if rows else []
        pick = {name: [columns[name][i] for i in rows] for name in ("steps", "task", "return")}
        tasks = np.array(pick["task"] if dims else [], np.float64).reshape(len(rows), dims)
        return cls(np.array(pick["steps"], np.float64), tasks, np.array(pick["return"], np.float64))


@dataclass(frozen=True, eq=False)
class Axes:
    """The task space as axes of a picture.

    Attributes:
        names: Of the d coordinates.
        low: (d,) lower ends, minus infinity where there is none.
        high: (d,) upper ends.
    """

    names: tuple[str, ...]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @classmethod
    def of(cls, space: spaces.Space[Any] | None, names: tuple[str, ...], dims: int) -> Axes:
        """Reads them from a task space with tasks of `dims` numbers."""
        names = names if len(names) == dims else tuple(f"task_{i}" for i in range(dims))
        if isinstance(space, spaces.Box):
            return cls(names, space.low.reshape(-1).astype(np.float64), space.high.reshape(-1).astype(np.float64))
        return cls(names, np.full(dims, -np.inf), np.full(dims, np.inf))

    def limit(self, axis: Any, i: int, vertical: bool = False) -> None:
        """Labels one axis of a panel with coordinate `i` and sets its ends."""
        (axis.set_ylabel if vertical else axis.set_xlabel)(self.names[i].replace("_", " "))
        if np.isfinite(self.low[i]) and np.isfinite(self.high[i]) and self.high[i] > self.low[i]:
            margin = 0.03 * (self.high[i] - self.low[i])
            (axis.set_ylim if vertical else axis.set_xlim)(self.low[i] - margin, self.high[i] + margin)


def save_overview(path: Path, taught: Taught, evaluation: Evaluation, axes: Axes, teachers: Sequence[Teacher]) -> None:
    """Saves the curriculum over time beside the map of mastery, as a PNG."""
    dims = taught.tasks.shape[1]
    panels = 1 if dims < 2 else min(dims, PANELS) if dims > 2 else PANELS
    figure = _figure(3.1 * (panels + 1) + 0.6, 3.6, "constrained")
    *over_time, last = figure.subplots(1, panels + 1)
    _draw_curriculum(figure, over_time, taught, axes)
    if dims == 2:
        _draw_gaussians(over_time[-1], teachers)
    _draw_mastery(figure, last, evaluation, axes)
    draft = path.with_name(f".{path.name}.tmp")
    figure.savefig(draft, format="png", dpi=110)
    draft.replace(path)


def curriculum_pixels(taught: Taught, axes: Axes, teachers: Sequence[Teacher]) -> NDArray[np.uint8]:
    """Draws recent tasks coloured by learning progress where a teacher measures it, else by return, and Gaussians."""
    figure, axis = _single()
    progress = next((t.recent_progress() for t in teachers if hasattr(t, "recent_progress")), None)
    if progress is not None and len(progress[0]):
        (tasks, values), label = progress, "learning progress"
    else:
        tasks, values, label = taught.tasks[-POINTS:], taught.returns[-POINTS:], "return"
    if len(tasks):
        _scatter(figure, axis, tasks, values, label, axes)
    if axes.names and len(axes.names) >= 2:
        _draw_gaussians(axis, teachers)
    return _pixels(figure)


def mastery_pixels(evaluation: Evaluation, axes: Axes) -> NDArray[np.uint8]:
    """Draws the tasks of a suite, coloured by return and ringed where they are mastered."""
    figure, axis = _single()
    _draw_mastery(figure, axis, evaluation, axes)
    return _pixels(figure)


def _figure(width: float, height: float, layout: Literal["constrained"] | None) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=80, layout=layout)
    FigureCanvasAgg(figure)
    return figure


def _single() -> tuple[Any, Any]:
    """Returns a figure with one panel, laid out by hand: working it out takes longer than drawing."""
    figure = _figure(4.6, 3.6, None)
    return figure, figure.add_axes((0.15, 0.14, 0.8, 0.76))


def _pixels(figure: Any) -> NDArray[np.uint8]:
    figure.canvas.draw()
    return np.ascontiguousarray(np.asarray(figure.canvas.buffer_rgba())[..., :3])


def _draw_curriculum(figure: Any, panels: Sequence[Any], taught: Taught, axes: Axes) -> None:
    """Draws one panel a quarter of the run for tasks of two numbers, one a coordinate over the steps for others."""
    if not len(taught.steps):
        panels[0].set_title("no episode has ended", fontsize=9)
        return
    scale, size = _colours(taught.returns), float(np.clip(6000 / len(taught.steps), 6, 24))
    if not taught.tasks.shape[1]:
        points = panels[0].scatter(taught.steps, taught.returns, c=taught.returns, s=size, norm=scale)
        panels[0].set_title("episodes", fontsize=9)
        panels[0].set_xlabel("steps")
    elif taught.tasks.shape[1] == 2:
        edges = np.linspace(0, taught.steps[-1], len(panels) + 1)
        for panel, begin, end in zip(panels, edges, edges[1:], strict=False):
            rows = (taught.steps > begin) & (taught.steps <= end)
            points = panel.scatter(*taught.tasks[rows].T, c=taught.returns[rows], s=size, alpha=0.7, norm=scale)
            panel.set_title(f"taught, {_thousands(begin)} to {_thousands(end)} steps", fontsize=9)
            axes.limit(panel, 0)
            axes.limit(panel, 1, vertical=True)
    else:
        for i, panel in enumerate(panels):
            points = panel.scatter(taught.steps, taught.tasks[:, i], c=taught.returns, s=size, alpha=0.7, norm=scale)
            panel.set_title("taught", fontsize=9)
            panel.set_xlabel("steps")
            panel.locator_params(axis="x", nbins=4)
            axes.limit(panel, i, vertical=True)
    figure.colorbar(points, ax=panels[-1], label="return")


def _draw_mastery(figure: Any, axis: Any, evaluation: Evaluation, axes: Axes) -> None:
    axis.set_title(f"{evaluation.suite}: {evaluation.line}", fontsize=9)
    returns, mastered = evaluation.returns.mean(axis=1), evaluation.mastered_lessons
    if any(numbers is None for numbers in evaluation.numbers) or not axes.names:
        colours = [_SOLVED if m else _UNSOLVED for m in mastered] if mastered is not None else None
        axis.bar(range(len(returns)), np.sort(returns), color=_ordered(colours, returns))
        axis.set_xlabel("episodes of the suite, worst first")
        axis.set_ylabel("return")
        return
    tasks = np.array(evaluation.numbers, np.float64)
    _scatter(figure, axis, tasks, returns, "return", axes, mastered)


def _ordered(colours: list[str] | None, returns: NDArray[np.float64]) -> list[str] | None:
    return None if colours is None else [colours[i] for i in np.argsort(returns)]


def _scatter(
    figure: Any,
    axis: Any,
    tasks: NDArray[np.float64],
    values: NDArray[np.float64],
    label: str,
    axes: Axes,
    ringed: NDArray[np.bool_] | None = None,
) -> None:
    """Draws tasks by their first two numbers, coloured by a value; tasks of one number over the value."""
    rings = {} if ringed is None else {
        "edgecolors": ["black" if r else "none" for r in ringed], "linewidths": 1.8,
    }  # fmt: skip
    size = 12 if ringed is None else 42
    axes.limit(axis, 0)
    if tasks.shape[1] == 1:
        axis.scatter(tasks[:, 0], values, c=values, s=size, norm=_colours(values), **rings)
        axis.set_ylabel(label)
        return
    points = axis.scatter(tasks[:, 0], tasks[:, 1], c=values, s=size, norm=_colours(values), **rings)
    axes.limit(axis, 1, vertical=True)
    figure.colorbar(points, ax=axis, label=label + ("" if ringed is None else " (ringed: mastered)"))


def _draw_gaussians(axis: Any, teachers: Sequence[Teacher]) -> None:
    """Draws the Gaussians of a teacher that has some: two standard deviations of their first two coordinates."""
    from matplotlib.patches import Ellipse

    for teacher in teachers:
        if not hasattr(teacher, "gaussians"):
            continue
        mixture = teacher.gaussians()
        strongest = max([*mixture["probabilities"], 1e-12])
        for mean, covariance, share in zip(
            mixture["means"], mixture["covariances"], mixture["probabilities"], strict=True
        ):
            values, vectors = np.linalg.eigh(covariance[:2, :2])
            width, height = 4 * np.sqrt(np.maximum(values, 0))
            angle = np.degrees(np.arctan2(vectors[1, 0], vectors[0, 0]))
            axis.add_patch(
                Ellipse(mean[:2], width, height, angle=angle, fill=False, color="black", lw=0.5 + 2 * share / strongest)
            )


def _colours(values: NDArray[np.float64]) -> Any:
    from matplotlib.colors import Normalize

    low, high = np.quantile(values, [0.02, 0.98])
    return Normalize(float(low), float(high if high > low else low + 1))


def _thousands(steps: float) -> str:
    return f"{steps / 1e6:.3g}M" if steps >= 1e6 else f"{steps / 1e3:.3g}k" if steps >= 1e3 else f"{steps:.0f}"
