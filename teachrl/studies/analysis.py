"""The analysis of a study: declared contrasts, the causal split and summaries, from what its trials came to.

A contrast compares the runs of two variants seed by seed and counts the seeds at which both ended. It names a winner
only if there are at least 10 of these, the sign-flip test with Holm's correction over all declared contrasts of the
study (in every cell of its grid) gives p <= 0.05, and the 95 % interval of the difference leaves 0 out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from teachrl.studies.comparison import EXPLORATORY, Analysis, Contrast, Estimate, Split, Summary
from teachrl.studies.intervals import LEVEL, sign_flip_test
from teachrl.studies.outcomes import METRICS, Declared, Outcome, Variant
from teachrl.studies.reaching import reaches
from teachrl.studies.statistics import difference, estimate, holm, improvement, pairing
from teachrl.studies.verdicts import SHARES, sentence, verdict

Values = dict[str, dict[int, float]]
"""The metric by variant's label and seed."""


def analyse(declared: Declared, outcomes: Sequence[Outcome]) -> Analysis:
    """Returns what a study found.

    Args:
        declared: What was declared before anything ran.
        outcomes: Its trials, ended or not; of undeclared variants and seeds none counts.
    """
    values = _values(declared, outcomes)
    contrasts = _contrasts(declared, values)
    reached = reaches(declared, outcomes)
    pairs = [contrast.difference.n for contrast in contrasts] or [len(declared.seeds)]
    return Analysis(
        metric=declared.metric,
        exploratory=max(pairs) < EXPLORATORY,
        summaries=[_summary(v.label, values[v.label], declared.metric) for v in declared.variants if values[v.label]],
        contrasts=contrasts,
        splits=_splits(declared, values),
        verdict=_unmeasured(declared, outcomes, values)
        or "\n".join(
            [
                *(sentence(c, declared.metric, len(contrasts)) for c in contrasts),
                *(reach.sentence(declared.metric) for reach in reached),
            ]
        )
        or "No contrast was declared.",
        reaches=reached,
        missing=len(values) * len(set(declared.seeds)) - sum(map(len, values.values())),
    )


def _values(declared: Declared, outcomes: Sequence[Outcome]) -> Values:
    values: Values = {variant.label: {} for variant in declared.variants}
    for outcome in outcomes:
        value = outcome.final.get(declared.metric, math.nan)
        wanted = outcome.variant in values and outcome.seed in declared.seeds
        if wanted and outcome.ended and value is not None and math.isfinite(value):
            values[outcome.variant][outcome.seed] = float(value)
    return values


def _unmeasured(declared: Declared, outcomes: Sequence[Outcome], values: Values) -> str:
    """Returns what to do if trials ended but none of them has the metric, an empty text otherwise."""
    there = sorted({name for outcome in outcomes if outcome.ended for name in outcome.final if name in METRICS})
    if any(values.values()) or not there:
        return ""
    return (
        f"No trial that ended has the metric {declared.metric}; what they have is {', '.join(there)}. Declare another "
        "`metric` and run it again: the runs stand."
    )


def _summary(label: str, by_seed: dict[int, float], metric: str) -> Summary:
    ordered = dict(sorted(by_seed.items()))
    runs = list(ordered.values())
    mean, median, iqm = (_bounded(estimate(runs, name), metric) for name in ("mean", "median", "iqm"))
    return Summary(label, ordered, mean, median, iqm)


def _bounded(found: Estimate, metric: str) -> Estimate:
    """Returns an estimate whose interval ends where the metric does: a share lies from 0 to 1."""
    if metric not in SHARES or math.isnan(found.low):
        return found
    return replace(found, low=max(found.low, 0.0), high=min(found.high, 1.0))


def _common(values: Values, *variants: Variant) -> list[list[float]]:
    """Returns the variants' values at the seeds at which all of them ended."""
    seeds = sorted(set.intersection(*(set(values[v.label]) for v in variants)))
    return [[values[v.label][seed] for seed in seeds] for v in variants]


def _contrasts(declared: Declared, values: Values) -> list[Contrast]:
    found: list[tuple[Variant, Variant, list[float], list[float]]] = []
    for cell in declared.cells:
        for names in declared.contrasts:
            first, second = (declared.variant(name, cell) for name in names)
            if first is not None and second is not None:
                x, y = _common(values, first, second)
                found.append((first, second, x, y))
    p = [float(sign_flip_test(np.subtract(x, y))) for _, _, x, y in found]
    return [_contrast(*pair, p[k], corrected) for k, (pair, corrected) in enumerate(zip(found, holm(p), strict=True))]


def _contrast(first: Variant, second: Variant, x: list[float], y: list[float], p: float, p_holm: float) -> Contrast:
    gap = difference(x, y)
    decided = gap.n >= EXPLORATORY and p_holm <= LEVEL and (gap.low > 0 or gap.high < 0)
    return Contrast(
        variant=first.label,
        other=second.label,
        cell=first.cell,
        difference=gap,
        p=p,
        p_holm=p_holm,
        improvement=improvement(x, y),
        pairing=pairing(x, y),
        verdict=verdict(first.label, second.label, gap, decided),
    )


def _splits(declared: Declared, values: Values) -> list[Split]:
    found = []
    for cell in declared.cells:
        control = declared.variant(declared.control, cell)
        for own in declared.variants:
            if control is None or (own.cell, own.role) != (cell, "arm") or own.arm == declared.control:
                continue
            shuffled, yoked = (declared.variant(own.arm, cell, role) for role in ("shuffled", "yoked"))
            if shuffled is not None and yoked is not None:
                found.append(_split(own, cell, _common(values, own, control, shuffled, yoked)))
    return found


def _split(own: Variant, cell: dict[str, Any], runs: list[list[float]]) -> Split:
    """Splits a gain over the same seeds throughout, so that its parts add up.

    A yoked run learns from the curriculum that another seed's student had, so that the runs of different seeds are not
    strictly independent there; each curriculum is used once, which keeps the effect on the intervals small.
    """
    mine, control, shuffled, yoked = runs
    return Split(
        variant=own.label,
        cell=cell,
        gain=difference(mine, control),
        tasks=difference(shuffled, control),
        order=difference(yoked, shuffled),
        adaptivity=difference(mine, yoked),
    )
