"""One seed tree a run: every consumer of randomness has a branch of its own."""

from __future__ import annotations

import numpy as np

CLASSROOM, STUDENT, TEACHER, ROLLOUTS, EVALUATION = range(5)
"""First keys of a run's branches; the second counts students, teachers and so on."""


def seed_sequence(seed: int | np.random.SeedSequence) -> np.random.SeedSequence:
    """Returns the root of a run's seed tree; seed 0 is a seed like any other."""
    return seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)


def branch(seed: int | np.random.SeedSequence, *keys: int) -> np.random.SeedSequence:
    """Returns the branch at `keys`: always the same one, whichever others were asked for before."""
    root = seed_sequence(seed)
    return np.random.SeedSequence(root.entropy, spawn_key=(*root.spawn_key, *keys))


def draw_seed(rng: np.random.Generator) -> int:
    """Draws a seed that every environment takes."""
    return int(rng.integers(2**31 - 1))
