"""How often a nominal 95 % interval of a difference of means covers it, at 10 pairs of runs: ours against bootstraps.

Arms are skewed, or bimodal (a run finds the gate and solves some 55 % with deviation 8, or does not and solves 0), and
uncorrelated / correlated at 0.5 by a normal copula. The table in `teachrl/studies/intervals.py` is this one.

    python benchmarks/interval_coverage.py [--studies 4000]
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from teachrl.studies.intervals import (
    bca_interval,
    paired_interval,
    student_interval,
    studentised_interval,
    subset_interval,
)  # fmt: skip
from teachrl.studies.statistics import mean

PAIRS = 10


class Arm(NamedTuple):
    """A distribution of runs: its draws from uniform numbers and a generator, and its mean."""

    draw: Callable[[np.ndarray, np.random.Generator], np.ndarray]
    mean: float


def exponential(scale: float) -> Arm:
    """Returns an exponential distribution."""
    return Arm(lambda u, rng: -scale * np.log1p(-u), scale)


def bimodal(share: float) -> Arm:
    """Returns runs of which a share finds the gate."""
    return Arm(lambda u, rng: np.where(u < share, 55 + 8 * rng.standard_normal(u.shape), 0.0), 55 * share)


normal = Arm(lambda u, rng: ndtri(u), 0.0)
lognormal = Arm(lambda u, rng: np.exp(ndtri(u)), math.exp(0.5))
constant = Arm(lambda u, rng: np.full_like(u, 20.0), 20.0)

LINES: dict[str, tuple[Arm, Arm]] = {
    "normal, normal": (normal, normal),
    "lognormal, the same": (lognormal, lognormal),
    **{f"exponential, {k:g} times": (exponential(1), exponential(k)) for k in (1, 1.5, 2, 3)},
    **{
        f"bimodal {p:g}, {q:g}": (bimodal(p), bimodal(q))
        for p, q in ((0.5, 0.5), (0.5, 0.45), (0.3, 0.25), (0.25, 0.2), (0.8, 0.5), (0.8, 0.2), (0.2, 0.2))
    },
    **{f"bimodal {p:g}, constant": (bimodal(p), constant) for p in (0.5, 0.3, 0.2, 0.8)},
    "exponential, constant": (exponential(1), constant),
    "lognormal, constant": (lognormal, constant),
}
PROCEDURES = {
    "paired (ours)": paired_interval,
    "subsets": subset_interval,
    "student": student_interval,
    "studentised": studentised_interval,
    "bca": lambda differences: bca_interval(differences, mean),
}


def differences(first: Arm, second: Arm, correlation: float, studies: int) -> tuple[np.ndarray, float]:
    """Returns (PAIRS, studies) paired differences, and the true difference of the means."""
    rng = np.random.default_rng(0)
    shared, own, other = rng.standard_normal((3, PAIRS, studies))
    root, rest = np.sqrt(correlation), np.sqrt(1 - correlation)
    x = first.draw(ndtr(root * shared + rest * own), rng)
    return x - second.draw(ndtr(root * shared + rest * other), rng), first.mean - second.mean


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=4000)
    studies = parser.parse_args().studies
    print(f"{'coverage in %':<26}" + "".join(f"{name:<15}" for name in PROCEDURES))
    for line, pair in LINES.items():
        drawn = [differences(*pair, correlation, studies) for correlation in (0.0, 0.5)]
        cells = []
        for interval in PROCEDURES.values():
            found = [(interval(d), true) for d, true in drawn]
            shares = [100 * float(((low <= true) & (true <= high)).mean()) for (low, high), true in found]
            cells.append(f"{shares[0]:.1f} / {shares[1]:.1f}")
        print(f"{line:<26}" + "".join(f"{cell:<15}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
