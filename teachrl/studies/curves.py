"""Curves over runs with their bands: performance profiles and sample-efficiency curves.

R. Agarwal et al. 2021, https://arxiv.org/abs/2108.13264, with the training run as the unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from teachrl.studies.intervals import LEVEL, Array
from teachrl.studies.statistics import STATISTICS, interval

POINTS = 200


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """A curve over runs and its 95 % band.

    Attributes:
        x: (K,) where.
        value: (K,) the curve.
        low: (K,) lower end, NaN where there is none.
        high: (K,) upper end.
        n: Runs behind it.
    """

    x: Array
    value: Array
    low: Array
    high: Array
    n: int


def performance_profile(values: ArrayLike, taus: ArrayLike, simultaneous: bool = True) -> Band:
    """Returns the share of runs that score above tau, with its band.

    Resampling runs gives no width wherever all runs are on one side of tau, so the bands are exact instead, whatever
    the distribution: simultaneous over all taus by Kolmogorov's statistic (that of the greatest distance between the
    profile and the true one, ± 0.41 at 10 runs), or pointwise by Clopper & Pearson 1934. Both cover at least 95 %.

    Args:
        values: (n,) by run.
        taus: (K,) thresholds.
        simultaneous: Whether the true profile lies in the band at all taus at once in 95 % of studies; else at each.

    Returns:
        The profile over `taus`; without runs all NaN.
    """
    from scipy.special import betaincinv
    from scipy.stats import kstwo

    x, at = np.asarray(values, dtype=np.float64), np.asarray(taus, dtype=np.float64)
    n = len(x)
    if not n:
        unknown = np.full(at.shape, np.nan)
        return Band(at, unknown, unknown, unknown, 0)
    above = (x[:, None] > at).sum(axis=0)
    if simultaneous:
        reach = kstwo.ppf(1 - LEVEL, n)
        return Band(at, above / n, np.maximum(above / n - reach, 0.0), np.minimum(above / n + reach, 1.0), n)
    low = np.where(above > 0, betaincinv(np.maximum(above, 1), n - above + 1, LEVEL / 2), 0.0)
    high = np.where(above < n, betaincinv(above + 1, np.maximum(n - above, 1), 1 - LEVEL / 2), 1.0)
    return Band(at, above / n, low, high, n)


def learning_curve(
    xs: Sequence[ArrayLike], ys: Sequence[ArrayLike], statistic: str = "mean", points: int = POINTS
) -> Band:
    """Returns a metric over runs along an axis (student steps, all steps, CPU seconds), with its pointwise 95 % band.

    Runs are interpolated linearly at common places: all places of all runs, `points` equally spaced ones if there are
    more. Only where every run has begun and none has ended, so that the same runs are behind the whole curve. Entries
    that are not finite are left out, and runs that have none left. The intervals are those of
    `teachrl.studies.statistics.interval`.

    Args:
        xs: By run, (E,) places, increasing.
        ys: By run, (E,) the metric there.
        statistic: `"mean"`, `"iqm"` or `"median"`.
        points: At most so many places.

    Returns:
        The curve; without places if there are no runs, or none in common.
    """
    runs = []
    for x, y in zip(xs, ys, strict=True):
        a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        told = np.isfinite(a) & np.isfinite(b)
        if told.any():
            runs.append((a[told], b[told]))
    if not runs:
        nowhere = np.empty(0)
        return Band(nowhere, nowhere, nowhere, nowhere, 0)
    begin, end = max(a[0] for a, _ in runs), min(a[-1] for a, _ in runs)
    at = np.unique(np.concatenate([a for a, _ in runs]))
    at = at[(begin <= at) & (at <= end)]
    if len(at) > points:
        at = np.linspace(begin, end, points)
    values = np.stack([np.interp(at, a, b) for a, b in runs])
    low, high = interval(values, statistic)
    return Band(at, STATISTICS[statistic](values), low, high, len(runs))
