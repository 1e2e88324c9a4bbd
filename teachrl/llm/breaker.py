"""A circuit breaker: an endpoint that fails is left alone for a while, so that a dead one costs nothing.

Closed, it lets everyone through. It opens after some failures in a row, or at once after one that will not go away by
itself. Open, it refuses at once, until its pause is over: then one call tries, the others being refused for another
pause. Its success closes the breaker; its failure doubles the pause.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from teachrl.llm.errors import LLMError

LONGEST = 900.0


class Breaker:
    """Refuses calls of an endpoint that lately failed.

    Args:
        patience: Failures in a row that open it.
        pause: Seconds of the first pause.
        clock: Seconds, monotonic.
    """

    def __init__(self, patience: int = 3, pause: float = 30.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.patience = patience
        self.pause = pause
        self.clock = clock
        self._failures = 0
        self._length = pause
        self._until = 0.0
        self._probing = False
        self._reason: tuple[type[LLMError], str] | None = None
        self._lock = threading.Lock()

    def check(self) -> None:
        """Lets a call through.

        Raises:
            LLMError: The failure that opened it, again, if it is open.
        """
        with self._lock:
            if self._reason is None:
                return
            now = self.clock()
            if now < self._until:
                kind, message = self._reason
                raise kind(f"{message} (It is not asked again for {self._until - now:.0f} s.)")
            self._probing, self._until = True, now + self._length

    def succeeded(self) -> None:
        """Closes it."""
        with self._lock:
            self._failures, self._length, self._probing, self._reason = 0, self.pause, False, None

    def failed(self, error: LLMError, hard: bool) -> None:
        """Notes a failure; a `hard` one opens it at once."""
        with self._lock:
            reason = type(error), str(error)  # not the error itself: its traceback would keep the request
            self._failures += 1
            if self._reason is None and (hard or self._failures >= self.patience):
                self._reason, self._until = reason, self.clock() + self._length
            elif self._probing:
                self._length = min(LONGEST, 2 * self._length)
                self._reason, self._until = reason, self.clock() + self._length
                self._probing = False
