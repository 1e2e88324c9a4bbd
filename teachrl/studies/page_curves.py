"""Learning curves and performance profiles for the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from teachrl.studies.curves import learning_curve, performance_profile
from teachrl.studies.outcomes import AXES, METRICS, Declared, Outcome
from teachrl.studies.page_map import short

POINTS = 60
"""Places of a curve, at most."""


def curves(declared: Declared, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Returns the curve of every run, and of every variant the mean over its runs with its 95 % intervals."""
    learned = [o for o in outcomes if o.curve]
    metrics = [m for m in dict.fromkeys((declared.metric, *METRICS)) if any(m in o.curve for o in learned)]
    axes = [a for a in AXES if any(a in o.curve for o in learned)]
    bands = [
        found
        for variant in declared.variants
        for axis in axes
        for metric in metrics
        if (found := _band(variant.label, axis, metric, learned)) is not None
    ]
    lines = [
        {"variant": o.variant, "seed": o.seed, **{n: short(o.curve[n]) for n in (*axes, *metrics) if n in o.curve}}
        for o in learned
    ]
    return {"axes": axes, "metrics": metrics, "bands": bands, "runs": lines}


def _band(label: str, axis: str, metric: str, outcomes: Sequence[Outcome]) -> dict[str, Any] | None:
    """Returns a variant's curve; over its ended runs if there are any: one that has just begun would end it there."""
    known = [o for o in outcomes if o.variant == label and axis in o.curve and metric in o.curve]
    runs = [o.curve for o in known if o.ended] or [o.curve for o in known]
    found = learning_curve([run[axis] for run in runs], [run[metric] for run in runs], points=POINTS)
    if not len(found.x):
        return None
    numbers = {name: short(getattr(found, name)) for name in ("x", "value", "low", "high")}
    return {"variant": label, "axis": axis, "metric": metric, "n": found.n, **numbers}


def profiles(declared: Declared, outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Returns the performance profile of every variant with ended runs: the share of its runs above each value."""
    finals = {v.label: _finals(v.label, declared.metric, outcomes) for v in declared.variants}
    known = {label: values for label, values in finals.items() if len(values)}
    if not known:
        return []
    everything = np.concatenate(list(known.values()))
    pad = 0.05 * float(np.ptp(everything)) or 0.05
    even = np.linspace(everything.min() - pad, everything.max() + pad, 2 * POINTS)
    places = np.union1d(even, everything)  # a profile falls at the results themselves
    found = []
    for label, values in known.items():
        band = performance_profile(values, places)
        numbers = {name: short(getattr(band, name)) for name in ("x", "value", "low", "high")}
        found.append({"variant": label, "n": band.n, **numbers})
    return found


def _finals(label: str, metric: str, outcomes: Sequence[Outcome]) -> np.ndarray[Any, np.dtype[np.float64]]:
    values = [o.final.get(metric, np.nan) for o in outcomes if o.variant == label and o.ended]
    found = np.array(values, np.float64)
    return found[np.isfinite(found)]
