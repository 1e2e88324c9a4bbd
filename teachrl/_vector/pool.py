"""The owner's side of the workers: starting them, asking them, noticing that one died or hangs, ending them."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import socket
import time
import weakref
from collections.abc import Iterable, Mapping
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from teachrl import errors
from teachrl._vector.channel import Channel
from teachrl._vector.messages import GUARD, exit_reason, first_lines
from teachrl._vector.worker import CLOSE, serve

_PATIENCE = 5.0
"""Seconds in which a worker closes its environments before it is ended."""
_SECONDS_TO_BEGIN = 60.0
"""Seconds that a worker has to import and make its environments, at the least."""
_LOOK_EVERY = 5.0
"""Seconds without an answer after which it is looked whether a worker still lives."""


class WorkerLost(Exception):
    """A worker died, hung, or one of its environments raised; all are ended.

    Attributes:
        worker: Which one.
        index: Which of its environments, None if that is for the shared block to say.
        doing: What it was asked for.
        why: What happened, with lines of a traceback where there is one.
    """

    def __init__(self, worker: int, index: int | None, doing: str, why: str) -> None:
        super().__init__(worker, index, doing, why)
        self.worker = worker
        self.index = index
        self.doing = doing
        self.why = why


class Pool:
    """Worker processes with a pipe to each.

    Args:
        recipe: How an environment is made, pickled.
        counts: How many environments each worker has.
        timeout: Seconds that a worker has for an answer.

    Raises:
        InvalidEnvironment: If no workers may be started from here.
        WorkerLost: If one cannot be started, or does not answer that it could make its environments.
    """

    def __init__(self, recipe: bytes, counts: list[int], timeout: float) -> None:
        self._timeout = timeout
        self._processes: list[BaseProcess] = []
        self._channels: list[Channel] = []
        self._crashes: list[Connection] = []
        ends = (self._processes, self._channels, self._crashes)
        self._finalizer = weakref.finalize(self, _end, *ends, os.getpid())
        try:
            for count in counts:
                self._start(recipe, count)
        except BaseException:
            self._finalizer()
            raise

    def _start(self, recipe: bytes, count: int) -> None:
        process_now = multiprocessing.current_process()
        if getattr(process_now, "_inheriting", False):
            raise errors.InvalidEnvironment(f"Workers were asked for while a worker imports the script. {GUARD}")
        if process_now.daemon:
            raise errors.InvalidEnvironment("Workers cannot be started from a daemonic process; use workers=0 there.")
        method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
        context: Any = multiprocessing.get_context(method)
        near, far = socket.socketpair()
        near.settimeout(min(self._timeout, _LOOK_EVERY))
        crashes, far_crashes = context.Pipe(duplex=False)
        process = context.Process(target=serve, args=(far, far_crashes, recipe, count), daemon=True)
        self._channels.append(Channel(near))
        self._crashes.append(crashes)
        try:
            process.start()
            self._processes.append(process)
        except (EOFError, OSError, RuntimeError) as error:
            why = f"it cannot be started, {type(error).__name__}: {error}."
            raise WorkerLost(len(self._processes), None, "its making", why) from error
        finally:
            far.close()
            far_crashes.close()

    def hear_all(self) -> dict[int, Any]:
        """Waits for every worker's first answer, once its environments are made; returns them by worker."""
        return self._gather(range(len(self._channels)), "its making", max(self._timeout, _SECONDS_TO_BEGIN))

    def ask(self, messages: Mapping[int, bytes], doing: str) -> dict[int, Any]:
        """Sends each worker its message and returns the answers that are not empty, by worker.

        Raises:
            TeachrlError: That an environment raised.
            WorkerLost: If one raised anything else, or a worker died or does not answer. All workers are ended then.
        """
        if not self._finalizer.alive:
            raise errors.InvalidEnvironment("The workers have been ended. Make another vector environment.")
        try:
            for worker, message in messages.items():
                with contextlib.suppress(ConnectionError):  # noticed when its answer is awaited
                    self._channels[worker].send(message)
        except TimeoutError as error:
            self.end()
            raise WorkerLost(worker, None, doing, "it does not read its messages.") from error
        except BaseException:
            self.end()
            raise
        return self._gather(messages, doing, self._timeout)

    def _gather(self, workers: Iterable[int], doing: str, timeout: float) -> dict[int, Any]:
        try:
            answers = self._receive(workers, doing, timeout)
        except BaseException:  # Ctrl-C too: answers that are still to come would be taken for later ones
            self.end()
            raise
        for worker, (tag, value) in answers.items():
            if tag == "failed":
                self.end()
                raise WorkerLost(worker, *value)
        for tag, value in answers.values():
            if tag == "refused":
                raise _rebuild(*value)
        return {worker: value for worker, (_, value) in answers.items()}

    def _receive(self, workers: Iterable[int], doing: str, timeout: float) -> dict[int, tuple[str, Any]]:
        """Hears the workers one after the other, which wakes this process least; returns what is not empty."""
        answers = {}
        deadline = time.monotonic() + timeout
        for worker in workers:
            reply = None
            while reply is None:
                try:
                    reply = self._channels[worker].receive()
                except TimeoutError:
                    self._check_alive(worker, doing, deadline)
                except (EOFError, OSError) as error:
                    raise WorkerLost(worker, None, doing, self._reason_of_death(worker)) from error
            if reply:
                answers[worker] = pickle.loads(reply)
        return answers

    def _check_alive(self, worker: int, doing: str, deadline: float) -> None:
        if not self._processes[worker].is_alive():  # a child of its own keeps the channel open
            raise WorkerLost(worker, None, doing, self._reason_of_death(worker))
        if time.monotonic() >= deadline:
            why = f"no answer in time (make_vec's timeout is {self._timeout:g} s)."
            raise WorkerLost(worker, None, doing, why + self._ask_where(worker))

    def _reason_of_death(self, worker: int) -> str:
        self._processes[worker].join(1.0)
        return exit_reason(self._processes[worker].exitcode) + first_lines(self._crash_text(worker, 0.0))

    def _ask_where(self, worker: int) -> str:
        if os.name != "posix" or self._processes[worker].pid is None:
            return ""
        with contextlib.suppress(OSError):
            os.kill(self._processes[worker].pid or 0, signal.SIGUSR1)
        return first_lines(self._crash_text(worker, 1.0))

    def _crash_text(self, worker: int, patience: float) -> str:
        text = b""
        crashes = self._crashes[worker]
        with contextlib.suppress(EOFError, OSError):
            while crashes.poll(patience) and (part := os.read(crashes.fileno(), 65536)):
                text, patience = text + part, 0.1
        return text.decode(errors="replace")

    def close(self) -> None:
        """Lets the workers close their environments, and ends them."""
        if not self._finalizer.alive:
            return
        for channel in self._channels:
            with contextlib.suppress(OSError):
                channel.send(CLOSE)
        deadline = time.monotonic() + _PATIENCE
        for process in self._processes:
            process.join(max(0.0, deadline - time.monotonic()))
        self._finalizer()

    def end(self) -> None:
        """Ends the workers at once."""
        self._finalizer()


def _end(processes: list[BaseProcess], channels: list[Channel], crashes: list[Connection], owner: int) -> None:
    if os.getpid() != owner:  # a fork of the owner has no say
        return
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(1.0)
        if process.is_alive():
            process.kill()
            process.join()
        process.close()
    for channel in channels:
        channel.close()
    for connection in crashes:
        connection.close()


def _rebuild(name: str, message: str) -> errors.TeachrlError:
    kind: type[errors.TeachrlError] = getattr(errors, name)
    error = kind.__new__(kind)
    Exception.__init__(error, message)
    return error
