"""Figures of a study for a paper: PDF, as wide as one column, fonts embedded as TrueType, colours that all can tell."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from teachrl.studies.comparison import Analysis, Estimate
from teachrl.studies.curves import learning_curve
from teachrl.studies.latex import SHARES, metric_name
from teachrl.studies.outcomes import Declared, Outcome, Variant
from teachrl.studies.page_curves import profiles
from teachrl.studies.page_map import mastery_data, task_axes
from teachrl.studies.page_runs import RunFiles

WIDTH = 3.3
"""Inches: one column of a page with two."""
HUES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#7d5ba6", "#6b6b6b")
"""After Okabe & Ito, https://jfly.uni-koeln.de/color/."""
DASHES = ("-", "--", "-.", ":")
AXIS_NAMES = {"student_steps": "student steps", "total_steps": "environment steps", "cpu_seconds": "CPU seconds"}
_STYLE = {
    "pdf.fonttype": 42, "font.size": 8, "axes.labelsize": 8, "axes.titlesize": 8, "xtick.labelsize": 7,
    "ytick.labelsize": 7, "legend.fontsize": 7, "axes.linewidth": 0.6, "lines.linewidth": 1.3, "legend.frameon": False,
    "xtick.major.width": 0.6, "ytick.major.width": 0.6, "axes.spines.top": False, "axes.spines.right": False,
    "legend.handlelength": 1.8, "text.usetex": False,
}  # fmt: skip


@contextmanager
def drawing(path: Path, height: float) -> Iterator[Any]:
    """Hands out a figure and saves it: the same figure is the same bytes."""
    import matplotlib as mpl
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        FigureCanvasPdf(figure)
        yield figure
        figure.savefig(path, format="pdf", metadata={"CreationDate": None, "Producer": None, "Creator": "teachrl"})


def plain(text: str) -> str:
    """Returns a text that a figure prints as it is, on one line: no mathematics, and nothing that hides a label."""
    text = " ".join(str(text).split()).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


class Look:
    """Colour and dashes of every variant: the colour is its arm's.

    Args:
        declared: The study.
    """

    def __init__(self, declared: Declared) -> None:
        self._arms = list(dict.fromkeys(v.arm for v in declared.variants if v.role == "arm"))
        self._roles = ("arm", "shuffled", "yoked", "target", "solvable")

    def __call__(self, variant: Variant) -> dict[str, Any]:
        """Returns arguments of `plot`."""
        place = self._arms.index(variant.arm) if variant.arm in self._arms else 0
        if variant.role in ("target", "solvable"):
            return {"color": "#6b6b6b", "linestyle": DASHES[1 + (variant.role == "solvable")]}
        dash = DASHES[(place // len(HUES) + self._roles.index(variant.role)) % len(DASHES)]
        return {"color": HUES[place % len(HUES)], "linestyle": dash}


def cell_name(cell: dict[str, Any]) -> str:
    """Returns a cell of the grid in words."""
    return ", ".join(f"{name.rsplit('.', 1)[-1]} {value}" for name, value in cell.items())


def draw_curves(path: Path, declared: Declared, outcomes: Sequence[Outcome], axis: str) -> bool:
    """Draws the primary metric on the validation suite along an axis: means over runs with bands, a panel a cell.

    Returns:
        Whether there was anything to draw.
    """
    bands: list[list[tuple[Variant, Any]]] = []
    for cell in declared.cells:
        variants = [v for v in declared.variants if v.cell == cell and v.role in ("arm", "target", "solvable")]
        found = [(v, _band(v, outcomes, axis, declared.metric)) for v in variants]
        bands.append([(v, band) for v, band in found if len(band.x)])
    if not any(bands):
        return False
    look, rows = Look(declared), len(bands)
    with drawing(path, 1.95 * rows + 0.2) as figure:
        panels = figure.subplots(rows, 1, squeeze=False)[:, 0]
        for panel, cell, drawn in zip(panels, declared.cells, bands, strict=True):
            for variant, band in drawn:
                style = look(variant)
                panel.plot(band.x, band.value, label=plain(variant.arm if cell else variant.label), **style)
                panel.fill_between(band.x, band.low, band.high, color=style["color"], alpha=0.15, linewidth=0)
            panel.set_ylabel(metric_name(declared.metric))
            panel.set_title(plain(cell_name(cell)), loc="left") if cell else None
            panel.xaxis.set_major_formatter(_thousands)
            if declared.metric in SHARES:
                panel.set_ylim(bottom=-0.03 * panel.get_ylim()[1])  # a curve along 0 is seen too
        panels[-1].set_xlabel(AXIS_NAMES[axis])
        _legend(figure, panels)
    return True


def _band(variant: Variant, outcomes: Sequence[Outcome], axis: str, metric: str) -> Any:
    known = [o for o in outcomes if o.variant == variant.label and axis in o.curve and metric in o.curve]
    curves = [o.curve for o in known if o.ended] or [o.curve for o in known]
    return learning_curve([c[axis] for c in curves], [c[metric] for c in curves])


def draw_differences(path: Path, analysis: Analysis) -> bool:
    """Draws the declared contrasts as differences with their intervals, and Holm's p beside them."""
    known = [c for c in analysis.contrasts if math.isfinite(c.difference.value)]
    if not known:
        return False
    with drawing(path, 0.75 + 0.42 * len(known)) as figure:
        panel = figure.subplots()
        for i, contrast in enumerate(known):
            _interval(panel, contrast.difference, -i, "black")
            p = contrast.p_holm
            words = "" if math.isnan(p) else "$p$ < 0.001" if p < 0.001 else f"$p$ = {p:.3f}"
            panel.annotate(words, (1.02, -i), xycoords=("axes fraction", "data"), va="center", fontsize=7)
        names = [f"{plain(c.variant)}\n− {plain(c.other)}" for c in known]
        panel.set_yticks([-i for i in range(len(known))], names)
        panel.set_ylim(-len(known) + 0.4, 0.6)
        panel.axvline(0, color="#6b6b6b", linewidth=0.6, zorder=0)
        panel.set_xlabel(f"difference in {metric_name(analysis.metric)}")
    return True


def draw_profiles(path: Path, declared: Declared, outcomes: Sequence[Outcome]) -> bool:
    """Draws the share of runs above each value of the metric, of every declared arm, with simultaneous bands."""
    arms = {v.label: v for v in declared.variants if v.role == "arm"}
    found = [p for p in profiles(declared, outcomes) if p["variant"] in arms]
    if not found:
        return False
    look = Look(declared)
    with drawing(path, 2.15) as figure:
        panel = figure.subplots()
        for profile in found:
            style = look(arms[profile["variant"]])
            x, value, low, high = (np.array(profile[n], np.float64) for n in ("x", "value", "low", "high"))
            panel.step(x, value, where="post", label=plain(profile["variant"]), **style)
            panel.fill_between(x, low, high, step="post", color=style["color"], alpha=0.1, linewidth=0)
        panel.set_xlabel(f"{metric_name(declared.metric)} τ")
        panel.set_ylabel("share of runs above τ")
        panel.set_ylim(-0.02, 1.02)
        _legend(figure, [panel])
    return True


def draw_mastery(path: Path, declared: Declared, outcomes: Sequence[Outcome]) -> bool:
    """Draws, a panel an arm, the share of runs that master each task of the test suite, by its first two numbers."""
    arms = [v.label for v in declared.variants if v.role == "arm"]
    runs = [(o.variant, o.seed, RunFiles(o.directory)) for o in outcomes if o.directory and o.variant in arms]
    found = sorted((m for m in mastery_data(runs) if m["tasks"]), key=lambda m: arms.index(m["variant"]))
    if not found:
        return False
    axes, columns = task_axes([files for _, _, files in runs]), min(2, len(found))
    rows = -(-len(found) // columns)
    with drawing(path, (1.65 if columns == 2 else 2.3) * rows + 0.75) as figure:
        panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).reshape(-1)
        for panel, mastery in zip(panels, found, strict=False):
            share = np.array(mastery["share"], np.float64)
            flat = len(mastery["tasks"]) == 1
            tasks = [mastery["tasks"][0], share if flat else mastery["tasks"][1]]
            points = panel.scatter(*tasks, c=share, s=14, cmap="cividis", vmin=0, vmax=1, linewidths=0)
            panel.set_title(f"{plain(mastery['variant'])} ({mastery['n']})", loc="left")
        for panel in panels[len(found) :]:
            panel.set_visible(False)
        figure.supxlabel(plain(axes["names"][0]), fontsize=8)
        figure.supylabel("share of runs" if flat else plain(axes["names"][1]), fontsize=8)
        figure.colorbar(
            points, ax=list(panels), location="top", label="share of runs that master a task", shrink=0.8, aspect=30
        )
    return True


def draw_split(path: Path, analysis: Analysis) -> bool:
    """Draws the gain of each arm with causal controls, and the three parts it is the sum of."""
    known = [s for s in analysis.splits if math.isfinite(s.gain.value)]
    if not known:
        return False
    parts = (("gain", "gain"), ("tasks", "which tasks"), ("order", "order"), ("adaptivity", "adaptivity"))
    with drawing(path, 0.35 + 1.05 * len(known)) as figure:
        panels = figure.subplots(len(known), 1, squeeze=False, sharex=True)[:, 0]
        for panel, split in zip(panels, known, strict=True):
            for i, (name, _) in enumerate(parts):
                _interval(panel, getattr(split, name), -i, "black" if name == "gain" else "#5f5e5a")
            panel.set_yticks([-i for i in range(4)], [words for _, words in parts])
            panel.set_ylim(-3.6, 0.6)
            panel.axvline(0, color="#6b6b6b", linewidth=0.6, zorder=0)
            panel.axhline(-0.5, color="#cccccc", linewidth=0.6, zorder=0)
            panel.set_title(plain(split.variant), loc="left")
        panels[-1].set_xlabel(f"difference in {metric_name(analysis.metric)}")
    return True


def _interval(panel: Any, found: Estimate, at: float, colour: str) -> None:
    panel.plot([found.value], [at], "o", color=colour, markersize=4)
    if math.isfinite(found.low) and math.isfinite(found.high):
        panel.plot([found.low, found.high], [at, at], color=colour, linewidth=1.3, solid_capstyle="butt")


def _thousands(x: float, _: int) -> str:
    """Returns a number of steps or seconds as short as an axis wants it."""
    return f"{x / 1e6:g}M" if abs(x) >= 1e6 else f"{x / 1e3:g}k" if abs(x) >= 1e3 else f"{x:g}"


def _legend(figure: Any, panels: Sequence[Any]) -> None:
    """Puts one legend above all panels."""
    entries: dict[str, Any] = {}
    for panel in panels:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    columns = 2 if max(map(len, entries), default=0) > 16 else 3
    figure.legend(list(entries.values()), list(entries), loc="outside upper left", ncols=min(columns, len(entries)))
