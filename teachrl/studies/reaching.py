"""How soon a level is reached, where some runs never get there.

A run that ends below the level is censored: it would have needed more steps than it had, nobody knows how many. Such
runs bound a factor from one side and are never left out, which would flatter the arm that has more of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from teachrl.studies.comparison import Estimate
from teachrl.studies.outcomes import Declared, Outcome, Variant
from teachrl.studies.statistics import interval


@dataclass(frozen=True, slots=True)
class Sooner:
    """The student steps of one run to a level, at least `low` and at most `high` (infinite for a censored run)."""

    low: float
    high: float

    @property
    def reached(self) -> bool:
        """Whether the run got there."""
        return math.isfinite(self.high)


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """How soon the runs of a variant reached the level.

    Attributes:
        variant: Its label.
        steps: Student steps by seed, None for runs that did not get there.
        budget: The fewest steps that a run had which did not get there; NaN if all did.
        median: Over runs; None if half of them or more did not get there.
        factor: Geometric mean over common seeds of the control's steps over this variant's, with its 95 % interval;
            None for the control. NaN is a value that censored runs leave open, an infinite `high` is open above.
        level: What was to be reached.
        bound: `"at least"` or `"at most"` if censored runs make the factor a bound, `"unknown"` if they leave nothing
            to say, else empty.
    """

    variant: str
    steps: dict[int, float | None]
    budget: float
    median: float | None
    factor: Estimate | None
    bound: str
    level: float

    def sentence(self, metric: str) -> str:
        """Returns this in words."""
        got = sum(steps is not None for steps in self.steps.values())
        when = "" if self.median is None else f", half of them by {self.median:,.0f} student steps"
        late = "" if math.isnan(self.budget) else f"; the others did not in {self.budget:,.0f}"
        return (
            f"{self.variant} reached a {metric} of {self.level:g} in {got} of {len(self.steps)} runs{when}"
            f"{late}{_told(self.factor, self.bound)}."
        )


def first_reached(steps: ArrayLike, values: ArrayLike, level: float) -> Sooner:
    """Returns when a learning curve first was at a level or above it, to the resolution of its evaluations.

    Args:
        steps: (E,) student steps of the evaluations, ascending; 0 counts as 1.
        values: (E,) the metric.
        level: What is to be reached.
    """
    x, y = np.maximum(np.asarray(steps, np.float64), 1.0), np.asarray(values, np.float64)  # 0 steps have no log
    there = np.flatnonzero(y >= level)
    if len(there):
        return Sooner(float(x[there[0]]), float(x[there[0]]))
    return Sooner(float(x[-1]) if len(x) else 1.0, math.inf)


def reaches(declared: Declared, outcomes: Sequence[Outcome]) -> list[Reach]:
    """Returns how soon each variant reached the declared level, in the order of the variants; none without a level."""
    found: dict[str, dict[int, Sooner]] = {}
    for variant in declared.variants:
        if (level := declared.level_of(variant)) is not None:
            runs = [o for o in outcomes if o.variant == variant.label and o.ended and o.seed in declared.seeds]
            curves = {o.seed: o.curve for o in runs if declared.metric in o.curve}
            found[variant.label] = {
                seed: first_reached(curve["student_steps"], curve[declared.metric], level)
                for seed, curve in curves.items()
            }
    return [
        _reach(variant.label, found[variant.label], _control(declared, variant, found), level)
        for variant in declared.variants
        if (level := declared.level_of(variant)) is not None and found[variant.label]
    ]


def _control(declared: Declared, variant: Variant, found: Mapping[str, dict[int, Sooner]]) -> dict[int, Sooner] | None:
    control = declared.variant(declared.control, variant.cell)
    return None if control is None or control.label == variant.label else found[control.label]


def _reach(label: str, runs: Mapping[int, Sooner], control: Mapping[int, Sooner] | None, level: float) -> Reach:
    ordered = dict(sorted(runs.items()))
    middle = float(np.quantile([run.high for run in ordered.values()], 0.5, method="higher"))
    late = [run.low for run in ordered.values() if not run.reached]
    factor, bound = (None, "") if control is None else factor_of(control, ordered)
    return Reach(
        variant=label,
        steps={seed: run.low if run.reached else None for seed, run in ordered.items()},
        budget=min(late, default=math.nan),
        median=middle if math.isfinite(middle) else None,
        factor=factor,
        bound=bound,
        level=level,
    )


def factor_of(control: Mapping[int, Sooner], other: Mapping[int, Sooner]) -> tuple[Estimate, str]:
    """Returns how many times as many steps the control needs, and whether censored runs make that a bound.

    With c and a the steps of the two runs of a seed, the factor is exp(mean over seeds of log c - log a). The log of a
    censored run is anywhere above that of its budget; so the mean lies between the means of the lower and of the upper
    ends, and the interval runs from the lower end of the one's interval to the upper end of the other's.

    Args:
        control: By seed.
        other: By seed.
    """
    seeds = sorted(set(control) & set(other))
    low = np.array([math.log(control[s].low / other[s].high) if other[s].reached else -math.inf for s in seeds])
    high = np.array([math.log(control[s].high / other[s].low) if control[s].reached else math.inf for s in seeds])
    bounded_below, bounded_above = bool(np.isfinite(low).all()), bool(np.isfinite(high).all())
    if not seeds or not (bounded_below or bounded_above):
        return Estimate(math.nan, math.nan, math.nan, len(seeds)), "unknown"
    exact = bounded_below and bounded_above
    value = math.exp(float(np.mean(low if bounded_below else high)))
    bottom = math.exp(float(interval(low)[0])) if bounded_below else 0.0
    top = math.exp(float(interval(high)[1])) if bounded_above else math.inf
    return Estimate(value, bottom, top, len(seeds)), "" if exact else "at least" if bounded_below else "at most"


def _told(factor: Estimate | None, bound: str) -> str:
    if factor is None:
        return ""
    if bound == "unknown":
        why = "neither always got there" if factor.n else "no seed was run with both"
        return f"; how it compares with the control was not seen, since {why}"
    ends = (
        "" if math.isnan(factor.low) or math.isnan(factor.high) else f" [{_ratio(factor.low)}, {_ratio(factor.high)}]"
    )
    return f"; the control needs {bound + ' ' if bound else ''}{_ratio(factor.value)} times as many{ends}"


def _ratio(x: float) -> str:
    return "∞" if math.isinf(x) else f"{x:.3g}"
