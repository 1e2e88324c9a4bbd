"""What a student sees of an observation: some of its numbers, noise on all of them, or now and then nothing.

Everything random is drawn from a stream of its own, seeded from the episode's seed, when the episode begins: what the
student sees at step t is a function of the observation, the seed and t, and the dynamics never notice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from teachrl._checks import check_share
from teachrl.errors import InvalidHyperparameter
from teachrl.seeds import branch

Vector = NDArray[np.float32]
_STREAM = 7_641
"""Key of the corruption's branch of the episode's seed; the dynamics have the root."""


class StudentView(Protocol):
    """How a student sees an observation of D numbers."""

    def space(self, whole: Box) -> Box:
        """Returns the space of what the student sees, given that of the observation."""

    def begin(self, seed: int, steps: int) -> None:
        """Begins an episode of at most `steps` steps."""

    def see(self, observation: Vector, step: int) -> Vector:
        """Returns what the student sees of an observation (D,) that comes after `step` steps; an array of its own."""


class Masked:
    """Some of the numbers.

    Args:
        kept: Which, as the slice of the observation that is seen.
    """

    def __init__(self, kept: slice) -> None:
        self.kept = kept

    def space(self, whole: Box) -> Box:
        """Returns the slice of the space."""
        return Box(whole.low[self.kept], whole.high[self.kept], dtype=np.float32)

    def begin(self, seed: int, steps: int) -> None:
        """Does nothing: nothing is random."""

    def see(self, observation: Vector, step: int) -> Vector:
        """Returns the slice."""
        return observation[self.kept].copy()


class Flicker:
    """The whole observation, or zeros with a fixed probability, at each step anew (https://arxiv.org/abs/1507.06527).

    Args:
        probability: Of zeros.

    Raises:
        InvalidHyperparameter: If it is not a probability.
    """

    def __init__(self, probability: float) -> None:
        self.probability = probability
        check_share(self, "probability")
        self._dark: list[bool] = []

    def space(self, whole: Box) -> Box:
        """Returns the same space, stretched to hold zeros."""
        return Box(np.minimum(whole.low, 0.0), np.maximum(whole.high, 0.0), dtype=np.float32)

    def begin(self, seed: int, steps: int) -> None:
        """Draws which of the frames are dark."""
        self._dark = (_stream(seed).random(steps + 1) < self.probability).tolist()

    def see(self, observation: Vector, step: int) -> Vector:
        """Returns the observation or zeros."""
        return np.zeros_like(observation) if self._dark[step] else observation.copy()


class Noise:
    """The whole observation plus Gaussian noise, independent at each step.

    Args:
        std: Standard deviation, one for all numbers or one for each, in the observation's units.

    Raises:
        InvalidHyperparameter: If one is no number, negative or not finite, or there are too few or many at `space`.
    """

    def __init__(self, std: float | Sequence[float]) -> None:
        try:
            self.std = np.asarray(std, np.float32)
        except (TypeError, ValueError) as error:
            raise InvalidHyperparameter(f"std must be one number or one for each, got {std!r}.") from error
        if not np.isfinite(self.std).all() or (self.std < 0).any():
            raise InvalidHyperparameter(f"std must be finite and at least 0, got {std}.")
        self._size = 0
        self._noise = np.zeros((0, 0), np.float32)

    def space(self, whole: Box) -> Box:
        """Returns the unbounded space: noise reaches anywhere."""
        if self.std.shape not in ((), whole.shape):
            expected = f"one number or {whole.shape[0]}"
            raise InvalidHyperparameter(f"std must be {expected}, got {self.std.tolist()}.")
        self._size = whole.shape[0]
        return Box(-np.inf, np.inf, whole.shape, np.float32)

    def begin(self, seed: int, steps: int) -> None:
        """Draws the noise of all steps."""
        self._noise = self.std * _stream(seed).standard_normal((steps + 1, self._size), np.float32)

    def see(self, observation: Vector, step: int) -> Vector:
        """Returns the noisy observation."""
        noisy: Vector = observation + self._noise[step]
        return noisy


def _stream(seed: int) -> np.random.Generator:
    return np.random.default_rng(branch(seed, _STREAM))
