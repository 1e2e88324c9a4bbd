"""How small a difference so many seeds can detect."""

from __future__ import annotations

import math

import numpy as np

from teachrl.errors import InvalidHyperparameter
from teachrl.studies.intervals import LEVEL, paired_interval, subset_interval

SIMULATED = 12
"""Up to so many seeds the decision itself is simulated; beyond, Student's t is close."""
STUDIES = 5000


def detectable(seeds: int, sd: float | None, contrasts: int = 1, power: float = 0.8, level: float = LEVEL) -> float:
    """Returns the smallest true difference of means that paired seeds detect with a given power.

    For the rule that studies decide by, at Holm's first step: the sign-flip test two-sided at level / contrasts, and
    the `paired_interval` at the level. Up to 12 seeds the rule is simulated on 5,000 studies of normal differences with
    a fixed seed: with noise z it finds the difference δ exactly if δ is above minus the lower ends of z's intervals, so
    that the answer is a quantile of these ends, good to 1 to 2 %. Beyond 12 seeds it solves, for δ,

        P(T > t(n - 1, 1 - level / (2 contrasts))) = power,  T noncentral t with n - 1 and noncentrality δ sqrt(n);

    the two differ by 1 to 2 % there. It is the difference as such: fewer than 10 seeds name no winner all the same.

    Args:
        seeds: Number of pairs.
        sd: Standard deviation of the differences by seed, e.g. of a pilot study; None for an answer in units of it.
        contrasts: Number of declared contrasts.
        power: Probability to find it.
        level: Probability to find one where none is.

    Returns:
        The difference; infinity if no difference can be small enough a p with so few seeds (under 6 at 5 %).

    Raises:
        InvalidHyperparameter: If an argument is out of its range.
    """
    if seeds < 1 or contrasts < 1 or not 0 < power < 1 or not 0 < level < 1 or (sd is not None and not sd >= 0):
        raise InvalidHyperparameter(
            "`detectable` takes at least one seed and contrast, a power and a level between 0 and 1, and an sd of at "
            f"least 0, got seeds={seeds}, contrasts={contrasts}, power={power}, level={level}, sd={sd}."
        )
    each = level / contrasts
    if 2.0 ** (1 - seeds) > each:
        return math.inf
    units = _simulated(seeds, each, level, power) if seeds <= SIMULATED else _noncentral(seeds, each, power)
    return units * (1.0 if sd is None else sd)


def _simulated(seeds: int, each: float, level: float, power: float) -> float:
    rng, needed = np.random.default_rng(0), []
    for _ in range(10):
        noise = rng.standard_normal((seeds, STUDIES // 10))
        needed.append(-np.minimum(subset_interval(noise, each)[0], paired_interval(noise, level)[0]))
    return float(np.quantile(np.concatenate(needed), power))


def _noncentral(seeds: int, level: float, power: float) -> float:
    from scipy.optimize import brentq
    from scipy.special import nctdtr, stdtrit

    critical = float(stdtrit(seeds - 1, 1 - level / 2))
    noncentrality = brentq(lambda d: 1 - nctdtr(seeds - 1, d, critical) - power, 0.0, critical + 20.0)
    return float(noncentrality) / math.sqrt(seeds)
