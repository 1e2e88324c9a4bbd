"""When a run does what: learning is cut into pieces that end where something is due."""

from __future__ import annotations

from collections.abc import Mapping


class Clock:
    """Counts the steps of the student's learning.

    Pieces end on multiples of the student's granularity, so that cutting changes nothing about what is learned; what is
    due between two multiples happens at the second.

    Args:
        total: Steps of the whole run, rounded up to a multiple of `granularity`.
        granularity: Steps of the smallest piece.
        every: Interval in steps by event; 0 is never.
        steps: Steps already done.

    Attributes:
        total: The real number of steps of the run.
        steps: Steps done.
    """

    def __init__(self, total: int, granularity: int, every: Mapping[str, int], steps: int = 0) -> None:
        self._granularity = granularity
        self._every = {name: interval for name, interval in every.items() if interval > 0}
        self.total = self._round_up(total)
        self.steps = steps

    def next_piece(self) -> int:
        """Returns the steps until something is due, 0 if the run is over."""
        due = [self._round_up((self.steps // interval + 1) * interval) for interval in self._every.values()]
        return max(0, min([*due, self.total]) - self.steps)

    def advance(self, steps: int) -> frozenset[str]:
        """Counts a piece; returns what is due after it."""
        before, self.steps = self.steps, self.steps + steps
        return frozenset(name for name, n in self._every.items() if self.steps // n > before // n)

    def _round_up(self, steps: int) -> int:
        return -(-steps // self._granularity) * self._granularity
