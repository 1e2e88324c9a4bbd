"""Ctrl-C during a run: the first one asks it to stop at the next safe boundary, the second stops it at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self


class Interrupt:
    """While it is open, SIGINT and SIGTERM are wishes.

    Elsewhere than in the main thread, and where the caller handles these signals, nothing is changed.

    Args:
        say: Told what happens.

    Attributes:
        wished: Whether a signal has come.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.wished = False
        self._say = say
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number, default in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
                if signal.getsignal(number) is default:
                    self._before[number] = signal.signal(number, self._wish)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _wish(self, number: int, frame: FrameType | None) -> None:
        if self.wished:
            raise KeyboardInterrupt
        self.wished = True
        self._say("Stopping at the next checkpoint; press Ctrl-C again to stop at once.")
