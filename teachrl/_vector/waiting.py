"""Waiting for several workers at once: cheaply where the system has `poll`, correctly elsewhere."""

from __future__ import annotations

import select
from collections.abc import Sequence
from multiprocessing import connection
from typing import Any


class Waiter:
    """Waits until one of several workers has answered or ended.

    Registered once: a selector made for every wait, as `multiprocessing.connection.wait` does, costs more than the rest
    of a step's message.

    Args:
        pipes: Each worker's pipe.
        sentinels: What becomes ready when its process ends.
    """

    def __init__(self, pipes: Sequence[connection.Connection], sentinels: Sequence[int]) -> None:
        self._things: dict[Any, tuple[bool, int]] = {}
        self._poll = select.poll() if hasattr(select, "poll") else None
        for ended, things in ((False, pipes), (True, sentinels)):
            for worker, thing in enumerate(things):
                self._things[thing if self._poll is None else _number(thing)] = (ended, worker)
        if self._poll is not None:
            for number in self._things:
                self._poll.register(number, select.POLLIN)

    def wait(self, seconds: float) -> list[tuple[bool, int]]:
        """Returns (False, worker) for each that has sent something, then (True, worker) for each that has ended."""
        seconds = max(0.0, seconds)
        if self._poll is None:
            ready = connection.wait(list(self._things), seconds)
        else:
            ready = [number for number, _ in self._poll.poll(seconds * 1000)]
        return sorted(self._things[thing] for thing in ready)


def _number(thing: Any) -> int:
    return thing if isinstance(thing, int) else int(thing.fileno())
