"""A worker process of the local engine: trials come in by its standard input, how they ended goes out by its output.

Everything that a trial prints goes to a log file. A worker ignores Ctrl-C, which is its owner's to handle, stops a
trial at SIGTERM, and never outlives its owner.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import pickle
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from teachrl.studies import memory
from teachrl.studies.engines import Ended, Job
from teachrl.studies.work import perform

LOGS = "logs"
"""Where in a study's directory the output of trials goes."""


@dataclass(frozen=True, slots=True, eq=False)
class Greeting:
    """What a worker is told first.

    Attributes:
        directory: The study's directory.
        argv: The owner's command line, which runs note.
        owner: The owner's process id, None if its end is noticed by the closing of the pipe only.
    """

    directory: Path
    argv: list[str]
    owner: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a worker answers to a trial.

    Attributes:
        ended: How it ended.
        peak: The most bytes of memory that the worker ever had.
        resident: Bytes of memory that it has now.
    """

    ended: Ended
    peak: int
    resident: int


def serve() -> None:
    """Runs trials until the owner closes the pipe or a trial is stopped."""
    inbox, outbox = _take_pipes()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    greeting: Greeting = pickle.load(inbox)
    if greeting.owner is not None:
        _die_with(greeting.owner)
    sys.argv = greeting.argv
    jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(inbox, jobs), daemon=True).start()
    faulthandler.enable()
    ended = None
    while ended is None or not ended.lost:
        job = jobs.get()
        with _output_to(greeting.directory / LOGS / f"{job.key}.log"):
            first, ended = ended is None, perform(greeting.directory, job)
        _tidy(first)
        pickle.dump(Answer(ended, memory.peak(), memory.resident()), outbox)
        outbox.flush()


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keeps standard input and output for the owner: a trial that reads or prints finds nothing and the log there."""
    inbox, outbox = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return inbox, outbox


def _listen(inbox: BinaryIO, jobs: queue.SimpleQueue[Job]) -> None:
    """Passes trials on; ends the process with its owner, however that ended."""
    try:
        while True:
            jobs.put(pickle.load(inbox))
    except (EOFError, OSError, pickle.UnpicklingError):
        os._exit(0)


def _die_with(owner: int) -> None:
    """Has the system kill this process when its owner dies, where it can: a trial in compiled code would not notice."""
    if sys.platform == "linux":
        import ctypes

        set_death_signal = 1
        ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL)
    if os.name == "posix" and os.getppid() != owner:  # it died before
        os._exit(0)


@contextmanager
def _output_to(path: Path) -> Iterator[None]:
    """Sends all output of this process to a file meanwhile, which is removed if it stays empty."""
    before = os.dup(2)
    path.parent.mkdir(parents=True, exist_ok=True)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        _point_output_at(log)
        yield
    finally:
        _point_output_at(before)
        empty = os.fstat(log).st_size == 0
        os.close(log)
        os.close(before)
        if empty:
            path.unlink(missing_ok=True)


def _point_output_at(handle: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.dup2(handle, 1)
    os.dup2(handle, 2)


def _tidy(first: bool) -> None:
    """Gives the memory of a trial back; what the first one leaves are modules, which need not be searched again."""
    gc.collect()
    if first:
        gc.freeze()
