"""Threads that wait for answers, so that nobody else has to."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Askers(Generic[T]):
    """A few threads that deal with what is put to them, in its order.

    A thread lives while there is something to do, so that none is left over and nobody has to end them. They are
    daemons: the interpreter does not wait at its end for a server that never answers.

    Args:
        work: Deals with one item; it must not raise.
        threads: Threads at a time.
        most: Items that may wait for a thread.
    """

    def __init__(self, work: Callable[[T], object], threads: int, most: int) -> None:
        self._work, self._threads, self._most = work, threads, most
        self._waiting: deque[T] = deque()
        self._busy = 0
        self._closed = False
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """The items that wait or are being dealt with."""
        with self._lock:
            return len(self._waiting) + self._busy

    def put(self, item: T) -> bool:
        """Hands over an item and returns at once; tells whether it was taken, which it is unless too many wait."""
        with self._lock:
            if self._closed or len(self._waiting) >= self._most:
                return False
            self._waiting.append(item)
            if self._busy < self._threads:
                self._busy += 1
                threading.Thread(target=self._run, name="teachrl-asker", daemon=True).start()
        return True

    def drop(self) -> list[T]:
        """Forgets the items that wait; returns them."""
        with self._lock:
            dropped = list(self._waiting)
            self._waiting.clear()
        return dropped

    def close(self) -> None:
        """Takes nothing more and forgets what waits; returns at once, whatever the threads are waiting for."""
        self._closed = True
        self.drop()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._busy -= 1
                    return
                item = self._waiting.popleft()
            self._work(item)
