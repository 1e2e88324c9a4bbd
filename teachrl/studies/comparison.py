"""A study's verdict: declared contrasts, the causal split, and a summary of every variant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from teachrl.studies.reaching import Reach

EXPLORATORY = 10
"""Fewer seeds than this make a study exploratory: it names no winner."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and its 95 % interval.

    Attributes:
        value: The estimate, NaN if there is nothing to estimate from.
        low: Lower end, NaN where an interval cannot be had.
        high: Upper end.
        n: Runs, or pairs of runs, behind it.
    """

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """What a variant's runs came to on the primary metric.

    Attributes:
        variant: Its label.
        values: The metric by seed.
        mean: Over runs.
        median: Over runs.
        iqm: Interquartile mean over runs.
    """

    variant: str
    values: dict[int, float]
    mean: Estimate
    median: Estimate
    iqm: Estimate


@dataclass(frozen=True, slots=True, eq=False)
class Pairing:
    """What pairing the seeds bought.

    Attributes:
        correlation: Of the two arms' values over common seeds, NaN where one of them does not vary.
        gain: Variance of the difference of means without pairing over that with it: 2 means half the seeds would do.
    """

    correlation: float
    gain: float


@dataclass(frozen=True, slots=True, eq=False)
class Contrast:
    """A declared contrast in one cell.

    Attributes:
        variant: Label of the first.
        other: Label of the second.
        cell: The cell of the grid.
        difference: Of the means, first minus second, over common seeds.
        p: Of the permutation test, two-sided.
        p_holm: The same after Holm's correction over all declared contrasts of the study.
        improvement: Probability that a run of the first is better than a run of the second.
        pairing: What pairing the seeds bought.
        verdict: In words, e.g. "alp-gmm is better than uniform", "no difference was shown", "exploratory: ...".
    """

    variant: str
    other: str
    cell: dict[str, Any]
    difference: Estimate
    p: float
    p_holm: float
    improvement: Estimate
    pairing: Pairing
    verdict: str


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """An arm's gain over the control, split by its causal controls: gain = tasks + order + adaptivity.

    Attributes:
        variant: The arm's label.
        cell: The cell of the grid.
        gain: Own minus control.
        tasks: Which tasks: shuffled minus control.
        order: In which order: yoked minus shuffled.
        adaptivity: Chosen for this very student: own minus yoked.
    """

    variant: str
    cell: dict[str, Any]
    gain: Estimate
    tasks: Estimate
    order: Estimate
    adaptivity: Estimate


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """What a study found.

    Attributes:
        metric: The primary metric.
        exploratory: Whether there are too few seeds, or too few of them ended, to name a winner.
        summaries: Of every variant with at least one ended run, in the order of the variants.
        contrasts: The declared ones.
        splits: Of the arms that have causal controls.
        verdict: The answer in a few sentences, declared contrasts only.
        missing: Trials without results.
        reaches: How soon each variant reached the declared level.
    """

    metric: str
    exploratory: bool
    summaries: list[Summary]
    contrasts: list[Contrast]
    splits: list[Split]
    verdict: str
    missing: int
    reaches: Sequence[Reach] = ()
