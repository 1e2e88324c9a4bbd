"""Memory of processes, where the system tells it, and whether there is room for another trial."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

MARGIN = 1.2
"""How much more memory there must be than the largest trial so far took."""


def available() -> int | None:
    """Returns the bytes that new work can have without swapping, None where the system does not tell."""
    return _kilobytes(Path("/proc/meminfo"), "MemAvailable:")


def resident(pid: int | None = None) -> int:
    """Returns the bytes of memory that a process has now, by default this one; 0 where the system does not tell."""
    return _kilobytes(Path(f"/proc/{pid or os.getpid()}/status"), "VmRSS:") or 0


def peak() -> int:
    """Returns the most bytes of memory that this process ever had; 0 where the system does not tell."""
    return _kilobytes(Path("/proc/self/status"), "VmHWM:") or 0


def _kilobytes(path: Path, name: str) -> int | None:
    try:
        for line in path.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(name):
                return 1024 * int(line.split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return None


class Guard:
    """Keeps trials from being started that the machine has no memory for.

    Args:
        available: Returns the bytes of free memory, None if that is not known.

    Attributes:
        largest: The most bytes that a trial was seen to take.
    """

    def __init__(self, available: Callable[[], int | None] = available) -> None:
        self._available = available
        self.largest = 0

    def learn(self, size: int) -> None:
        """Takes note of the memory of a trial."""
        self.largest = max(self.largest, size)

    def has_room(self, running: Iterable[int], own: int = 0) -> bool:
        """Tells whether another trial may start.

        Each trial is expected to grow to the largest one's size, those that run and the one that would start.

        Args:
            running: Bytes that each running trial has now.
            own: Bytes that the process of the new trial has already.
        """
        sizes = list(running)
        self.learn(max(sizes, default=0))
        free = self._available() if sizes else None
        if free is None:
            return True
        growth = sum(max(self.largest - size, 0) for size in sizes)
        return free > growth + max(MARGIN * self.largest - own, 0)
