"""Memory of processes, where the system tells it, and whether there is room for another trial."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

GROUPS, OWN_GROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
MARGIN = 1.2
"""How much more memory there must be than the largest trial so far took."""


def available(groups: Path = GROUPS, own: Path = OWN_GROUP) -> int | None:
    """Returns the bytes that new work can have without swapping, None where the system does not tell.

    The least of what the machine has and what the control groups of this process leave it, which containers and
    schedulers of clusters set (version 2 of Linux's).

    Args:
        groups: Where the system shows its control groups.
        own: Where it says which one is this process's.
    """
    told = [_kilobytes(Path("/proc/meminfo"), "MemAvailable:"), *_left_in_groups(groups, own)]
    return min((size for size in told if size is not None), default=None)


def _left_in_groups(groups: Path, own: Path) -> Iterator[int]:
    """Yields what is left to this process's group, and to each that this one is in, where there is a limit."""
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    name = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), None)
    for folder in [] if name is None else [groups / name, *(groups / name).parents]:
        if not folder.is_relative_to(groups):
            return
        with contextlib.suppress(OSError, ValueError):  # no limit, or none that is shown
            limit, used = (int((folder / f"memory.{n}").read_text(encoding="ascii")) for n in ("max", "current"))
            cache = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
            yield max(limit - used + int(cache.get("inactive_file", 0)), 0)


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
