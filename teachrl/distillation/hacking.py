"""Teacher hacking: a student that comes closer to its teacher and farther from what is wanted.

A teacher is not what is wanted (the oracle) but a likeness of it, so that the distance to it is a proxy, and Goodhart's
law holds: what is pressed on for too long stops telling. Tiapkin et al. 2025 (https://arxiv.org/abs/2502.02671) see it
where a fixed set of data is gone over many times, and not where data are fresh; there the proxy falls by a power law, a
straight line over log-log axes, from which it departs here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from teachrl.errors import InvalidHyperparameter

_MAD = 1.4826  # of a Gaussian, standard deviation / median absolute deviation
_SECOND = np.sqrt(6.0)  # of independent noise, that of y[k+1] - 2 y[k] + y[k-1] / that of y
_FIT = 3  # points that a line is fitted to at least

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Hacking:
    """What the curves of proxy and golden say at their end.

    Attributes:
        raised: Whether the alarm is on.
        since: Index of the evaluation at which golden was best, which it has fallen from; None if it is off.
        slope: d log proxy / d log steps over the last evaluations; NaN where there are too few, or a proxy is not
            positive.
        departure: log of the proxy less log of the power law fitted to the first half, mean of the last evaluations:
            0 is on the law, 0.7 twice as far from the teacher as it says, below 0 closer; NaN as above.
        why: All that in a sentence.
    """

    raised: bool
    since: int | None
    slope: float
    departure: float
    why: str


def examine(
    steps: Sequence[float] | Numbers,
    proxy: Sequence[float] | Numbers,
    golden: Sequence[float] | Numbers,
    *,
    window: int = 3,
    margin: float = 0.05,
    certainty: float = 5.0,
    golden_noise: float = 0.0,
    span: int = 5,
) -> Hacking:
    """Compares the last evaluations with those at which golden was best.

    With m the window, b the m consecutive evaluations, before the last m, whose mean golden G_b is highest, P_b the
    mean there of p (log proxy, or the proxy itself where it is not positive everywhere), the alarm is on if

        G_b - max golden[-m:] > max(certainty sigma(golden), margin scale(golden))    golden fell
        P_b - max p[-m:]      > max(certainty sigma(p), -log(1 - margin))             while the proxy improved

    every one of the last m being worse, so that no single bad evaluation raises it. Falls that do not matter are left
    out by scale(y) = min(max y - min y, |G_b|); a proxy that is not positive has margin scale(p) too. Noise is

        sigma(y) = max(rms r^1 since b began, rms r^2 since b began, 1.4826 median |r^1|)
        r^l_k = (y_{k+l} - 2 y_k + y_{k-l}) / sqrt(6)

    from second differences, in which a steady rise or fall vanishes: the first term is about the time compared, the
    second about noise that lasts longer than one evaluation, and the third keeps both from being small by chance.

    With the defaults, a proxy that improves, and the question asked after each of 10 to 50 evaluations, the alarm was
    ever raised in under 1 % of simulated runs whose golden stays level or rises under independent noise (Gaussian, of
    heavy tails, or shares of 16 episodes), and in under 5 % where noise of successive evaluations is correlated by 0.5.
    By 0.8, where golden really wanders, in up to a half of 50 evaluations. That is bought with delay: nothing is said
    of the first 2 m - 1 evaluations, and a golden that peaks at a third of 10 evaluations and falls by 20 sigma to the
    last is caught in 6 of 10 runs; by 10 sigma over 20 evaluations in 8 of 10.

    Args:
        steps: (K,) when in the run, increasing; any unit.
        proxy: (K,) the student's distance to its teacher, lower is better.
        golden: (K,) what is really wanted, higher is better: the true return, or minus the distance to an oracle.
            Evaluations at which anything is not finite are left out.
        window: m.
        margin: Share by which both have to change at least.
        certainty: Standard deviations of one evaluation by which both have to change at least.
        golden_noise: Standard deviation of one golden evaluation where it is known; the larger of it and sigma counts.
            The spread over the tasks of a fixed suite, which all evaluations share, is no part of it.
        span: Evaluations that the slope is taken over.

    Returns:
        The alarm as it is at the last evaluation; ask again after the next.

    Raises:
        InvalidHyperparameter: If the curves are not of one length, steps do not increase, or a number is impossible.
    """
    _check(window, margin, certainty, golden_noise, span)
    at, x, p, g = _curves(steps, proxy, golden)
    slope, departure = _slope(x[-span:], p[-span:]), _departure(x, p, window)
    if len(x) < 2 * window:
        why = f"There are {len(x)} evaluations, and {2 * window} are needed."
        return Hacking(False, None, slope, departure, why)
    best = _best(g[:-window], window)
    positive = bool((p > 0).all())
    q = np.log(p) if positive else p
    fell, need = _change(g, best, window), max(certainty * max(_noise(g, best), golden_noise), margin * _scale(g, best))
    least = -np.log1p(-margin) if positive else margin * _scale(q, best)
    came, enough = _change(q, best, window), max(certainty * _noise(q, best), least)
    raised = bool(fell > need and came > enough)
    since = int(at[best.start + int(g[best].argmax())]) if raised else None
    return Hacking(raised, since, slope, departure, _why(raised, x[best.stop - 1], fell, need, came, enough, positive))


def _check(window: int, margin: float, certainty: float, noise: float, span: int) -> None:
    for name, value, least in (("window", window, 1), ("span", span, 2)):
        if isinstance(value, bool) or value != int(value) or value < least:
            raise InvalidHyperparameter(f"`{name}` is a number of evaluations, at least {least}, got {value!r}.")
    if not 0 <= margin < 1:
        raise InvalidHyperparameter(f"`margin` is a share, at least 0 and below 1, got {margin!r}.")
    for name, amount in (("certainty", certainty), ("golden_noise", noise)):
        if not (amount >= 0 and np.isfinite(amount)):
            raise InvalidHyperparameter(f"`{name}` is a finite number, at least 0, got {amount!r}.")


def _curves(
    steps: ArrayLike, proxy: ArrayLike, golden: ArrayLike
) -> tuple[NDArray[np.intp], Numbers, Numbers, Numbers]:
    """Returns the indices of finite evaluations, and the three curves at them."""
    x, p, g = (np.asarray(curve, np.float64) for curve in (steps, proxy, golden))
    if x.ndim != 1 or not x.shape == p.shape == g.shape:
        raise InvalidHyperparameter(
            f"steps, proxy and golden hold one number for each evaluation, got {x.shape}, {p.shape} and {g.shape}."
        )
    if not (np.diff(x) > 0).all():
        raise InvalidHyperparameter("The steps of evaluations increase, and these do not. Pass them in time order.")
    at = np.flatnonzero(np.isfinite(x) & np.isfinite(p) & np.isfinite(g))
    return at, x[at], p[at], g[at]


def _best(golden: Numbers, window: int) -> slice:
    """Returns the consecutive evaluations of the highest mean, the latest of equals."""
    means = np.lib.stride_tricks.sliding_window_view(golden, window).mean(axis=1)
    start = len(means) - 1 - int(means[::-1].argmax())
    return slice(start, start + window)


def _change(y: Numbers, best: slice, window: int) -> float:
    """Returns by how much all of the last evaluations are below the mean of those then."""
    return float(y[best].mean() - y[-window:].max())


def _noise(y: Numbers, best: slice) -> float:
    """Returns the standard deviation of one evaluation, from second differences."""
    since = [np.sqrt((_second(y[best.start :], lag) ** 2).mean()) for lag in (1, 2) if len(y) - best.start > 2 * lag]
    whole = [_MAD * np.median(np.abs(_second(y, 1)))] if len(y) > 2 else []
    return float(max([0.0, *since, *whole]))


def _second(y: Numbers, lag: int) -> Numbers:
    """Returns (y[k + lag] - 2 y[k] + y[k - lag]) / sqrt(6)."""
    return np.asarray((y[2 * lag :] - 2 * y[lag:-lag] + y[: -2 * lag]) / _SECOND)


def _scale(y: Numbers, best: slice) -> float:
    """Returns what a change is a share of: the range so far, or the size of the value, whichever is less."""
    return min(float(np.ptp(y)), abs(float(y[best].mean())))


def _slope(x: Numbers, p: Numbers) -> float:
    """Returns the slope of log p over log x by least squares, NaN without two points."""
    line = _line(x, p, least=2)
    return float("nan") if line is None else line[0]


def _line(x: Numbers, p: Numbers, least: int) -> tuple[float, float] | None:
    """Returns slope and intercept of log p over log x; step 0 has no logarithm and is left out."""
    p, x = p[x > 0], x[x > 0]
    if len(x) < least or not (p > 0).all():
        return None
    u, v = np.log(x), np.log(p)
    slope = float(((u - u.mean()) * (v - v.mean())).sum() / ((u - u.mean()) ** 2).sum())
    return slope, float(v.mean() - slope * u.mean())


def _departure(x: Numbers, p: Numbers, window: int) -> float:
    """Returns the mean of log p - (a log x + c) over the last evaluations, a and c fitted to the first half."""
    p, x = p[x > 0], x[x > 0]
    half = max(_FIT, len(x) // 2)
    law = _line(x[:half], p[:half], least=_FIT)
    if law is None or not len(x[half:]) or not (p > 0).all():
        return float("nan")
    late = slice(max(half, len(x) - window), None)
    return float((np.log(p[late]) - law[0] * np.log(x[late]) - law[1]).mean())


def _why(raised: bool, when: float, fell: float, need: float, came: float, enough: float, positive: bool) -> str:
    golden = f"golden {_moved(-fell)} ({need:.3g} is within noise or slight)"
    proxy = f"{'log proxy' if positive else 'the proxy'} {_moved(-came)} ({enough:.3g} likewise)"
    so = "the student came closer to its teacher and farther from what is wanted" if raised else "no hacking"
    return f"From the best evaluations, up to step {when:.6g}, to the last ones: {golden}, {proxy}: {so}."


def _moved(change: float) -> str:
    return f"rose by {change:.3g}" if change > 0 else f"fell by {-change:.3g}"
