"""What the trials of a study came to, as the statistics and the report read it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Role = Literal["arm", "shuffled", "yoked", "target", "solvable"]
Status = Literal["finished", "shipped", "failed", "stopped", "waiting"]
METRICS = ("success_rate", "mean_return", "mastered")
"""What an evaluation is worth; `mastered` is a share of tasks. Where nothing says success there is the return only."""
AXES = ("student_steps", "total_steps", "cpu_seconds")
"""What the x axis of a learning curve can count."""


@dataclass(frozen=True, eq=False)
class Variant:
    """One arm in one cell of the grid, or a causal control of one.

    Attributes:
        label: Its unique name, e.g. `alp-gmm`, `alp-gmm, learning_rate 0.001`, `alp-gmm yoked`.
        arm: The declared arm that it is, or was made from; the control's for reference arms.
        role: What it is: a declared arm, or which causal control.
        cell: Its place in the grid, by axis; empty without a grid.
        config: The arguments of `train` as data, without the seed.
    """

    label: str
    arm: str
    role: Role
    cell: dict[str, Any]
    config: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one trial came to.

    Attributes:
        key: Hash of its resolved configuration.
        variant: Label of its variant.
        seed: Its seed.
        status: `finished`; `shipped`, taken from the results that come with the package; `failed`; `stopped`, with a
            run that can be continued; `waiting`.
        directory: Its run directory, None if there is none here.
        final: Metrics on the test suite at its end, each averaged over its tasks; empty if it has not ended.
        curve: (E,) arrays by name, one entry an evaluation of the validation suite: `AXES`, `wall_seconds` and metrics.
        error: Traceback of a failed one.
    """

    key: str
    variant: str
    seed: int
    status: Status
    directory: Path | None = None
    final: dict[str, float] = field(default_factory=dict)
    curve: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    error: str | None = None

    @property
    def ended(self) -> bool:
        """Whether it has results."""
        return self.status in ("finished", "shipped")


@dataclass(frozen=True, eq=False)
class Declared:
    """What a study declared before anything ran.

    Attributes:
        name: Its name.
        question: What it asks, in the words of whoever declared it.
        variants: What is compared, declared arms first; of the first cell first.
        control: Name of the control arm.
        metric: The primary metric.
        contrasts: Pairs (arm, other arm) of declared names; each stands for one contrast in every cell of the grid.
        seeds: The seeds of every variant.
        declared_at: When the plan was first written, UTC.
        level: The value of the metric that counts as learned, or one for each environment by its id: how soon it was
            reached is told; None does not ask.
        amendments: How the declaration was changed afterwards, and how many trials had ended by then.
    """

    name: str
    question: str
    variants: list[Variant]
    control: str
    metric: str
    contrasts: list[tuple[str, str]]
    seeds: list[int]
    declared_at: str = ""
    amendments: list[str] = field(default_factory=list)
    level: float | dict[str, float] | None = None

    def level_of(self, variant: Variant) -> float | None:
        """Returns what counts as learned for a variant, None if nothing was declared."""
        return self.level.get(str(variant.config["env"])) if isinstance(self.level, dict) else self.level

    def variant(self, arm: str, cell: dict[str, Any], role: Role = "arm") -> Variant | None:
        """Returns the variant of an arm in a cell, None if there is none."""
        return next((v for v in self.variants if (v.arm, v.cell, v.role) == (arm, cell, role)), None)

    @property
    def cells(self) -> list[dict[str, Any]]:
        """The cells of the grid, one empty cell without a grid."""
        found: list[dict[str, Any]] = []
        for variant in self.variants:
            if variant.cell not in found:
                found.append(variant.cell)
        return found


def headline(traceback: str) -> str:
    """Returns the line of a traceback's text that says what was wrong, without what stands above and below it."""
    lines = traceback.strip().splitlines() or [""]
    frames = [i for i, line in enumerate(lines) if line.startswith('  File "')]
    below = lines[frames[-1] + 1 :] if frames else lines[-1:]
    return next((line for line in below if line and not line.startswith(" ")), lines[-1])
