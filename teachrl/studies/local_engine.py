"""Trials in processes of this machine, which are reused: libraries are imported once for many trials."""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from teachrl.studies import memory
from teachrl.studies.engines import Ended, Job
from teachrl.studies.worker import LOGS, Answer, Greeting

PATIENCE = 30.0
"""Seconds that trials have to write a checkpoint when they are stopped."""
GROWTH = 2**30
"""Bytes by which a worker may have grown after a trial; one that keeps more is replaced."""
_LOOK_EVERY = 1.0
"""Seconds after which it is looked again whether there is memory for another trial."""
_THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
)  # fmt: skip
_LOG_LINES = 12


class LocalEngine:
    """A pool of worker processes, each of which runs one trial after the other.

    A trial that fails ends with its traceback. A worker that dies ends its trial with the reason, and another takes
    its place. All workers end with this process, even if that is killed.

    Args:
        directory: The study's directory; what trials print goes to files in its `logs`.
        jobs: How many trials run at a time, one per CPU if None.
        patience: Seconds that trials have to write a checkpoint when the engine is closed.
        guard: Tells whether there is memory for another trial.

    Attributes:
        slots: How many trials run at a time, memory permitting.
    """

    def __init__(
        self, directory: Path, jobs: int | None = None, patience: float = PATIENCE, guard: memory.Guard | None = None
    ) -> None:
        self.slots = jobs or _cpus()
        self._directory = directory
        self._patience = patience
        self._guard = guard or memory.Guard()
        self._queue: deque[Job] = deque()
        self._workers: list[_Worker] = []
        self._answers: queue.SimpleQueue[tuple[_Worker, Answer | None]] = queue.SimpleQueue()
        self._least: int | None = None

    def submit(self, job: Job) -> None:
        """Takes a trial, to start it as soon as there is room."""
        self._queue.append(job)
        self._start()

    def wait(self, timeout: float | None = None) -> list[Ended]:
        """Waits until a trial ends, see `Engine.wait`."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self._queue or self._busy:
            self._start()
            left = _LOOK_EVERY if deadline is None else deadline - time.monotonic()
            if ended := self._hear(min(max(left, 0.0), _LOOK_EVERY)):
                self._start()
                return ended
            if left <= 0:
                break
        return []

    def close(self, wait: bool = False) -> None:
        """Ends the workers; trials that run write a checkpoint first, or finish if `wait`."""
        self._queue.clear()
        try:
            deadline = float("inf") if wait else time.monotonic() + self._patience
            for worker in [] if wait else self._busy:
                worker.ask_to_stop()
            while self._busy and time.monotonic() < deadline:
                self._hear(min(_LOOK_EVERY, max(deadline - time.monotonic(), 0.0)))
        finally:
            for worker in self._workers:
                worker.end()
            self._workers.clear()
            _remove_if_empty(self._directory / LOGS)

    @property
    def _busy(self) -> list[_Worker]:
        return [worker for worker in self._workers if worker.job is not None]

    def _start(self) -> None:
        """Starts as many trials as there is room for."""
        while self._queue and len(self._busy) < self.slots:
            idle = next((worker for worker in self._workers if worker.job is None), None)
            running = [memory.resident(worker.pid) for worker in self._busy]
            if not self._guard.has_room(running, memory.resident(idle.pid) if idle else 0):
                return
            if idle is None:
                idle = _Worker(self._directory, self._answers)
                self._workers.append(idle)
            idle.give(self._queue.popleft())

    def _hear(self, seconds: float) -> list[Ended]:
        """Waits for an answer; returns how trials ended, of all answers that are there."""
        ended = []
        try:
            worker, answer = self._answers.get(timeout=seconds)
            while True:
                ended += self._take(worker, answer)
                worker, answer = self._answers.get_nowait()
        except queue.Empty:
            return ended

    def _take(self, worker: _Worker, answer: Answer | None) -> list[Ended]:
        if worker not in self._workers:
            return []
        if answer is None:
            self._workers.remove(worker)
            return worker.bury()
        worker.job = None
        self._guard.learn(answer.peak)
        self._least = answer.resident if self._least is None else min(self._least, answer.resident)
        if answer.ended.lost or answer.resident > self._least + GROWTH:
            self._workers.remove(worker)
            worker.end()
        return [answer.ended]


class _Worker:
    """The owner's side of a worker process.

    Attributes:
        job: The trial that it runs, None if it is idle.
        pid: Its process id.
    """

    def __init__(self, directory: Path, answers: queue.SimpleQueue[tuple[_Worker, Answer | None]]) -> None:
        self.job: Job | None = None
        self._directory = directory
        self._began = 0.0
        logs = directory / LOGS
        logs.mkdir(parents=True, exist_ok=True)
        with (logs / "workers.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _command()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **dict.fromkeys(_THREADS, "1")},
                start_new_session=True,  # Ctrl-C on the terminal does not reach it
            )
        self.pid = self._process.pid
        # The system's notice of an owner's death is one of the death of the thread that started the process.
        lasting = threading.current_thread() is threading.main_thread()
        self._send(Greeting(directory, sys.argv, os.getpid() if lasting else None))
        self._listener = threading.Thread(target=self._listen, args=(answers,), daemon=True)
        self._listener.start()

    def give(self, job: Job) -> None:
        """Lets it run a trial."""
        self.job = job
        self._began = time.perf_counter()
        self._send(job)

    def _send(self, message: Any) -> None:
        if (pipe := self._process.stdin) is not None:
            with contextlib.suppress(OSError):  # it died, which its listener notices
                pickle.dump(message, pipe)
                pipe.flush()

    def _listen(self, answers: queue.SimpleQueue[tuple[_Worker, Answer | None]]) -> None:
        with contextlib.suppress(EOFError, OSError, ValueError, pickle.UnpicklingError):
            while self._process.stdout is not None:
                answers.put((self, pickle.load(self._process.stdout)))
        answers.put((self, None))

    def ask_to_stop(self) -> None:
        """Asks it to end its trial at the next boundary, with a checkpoint."""
        with contextlib.suppress(OSError):
            self._process.terminate()

    def end(self) -> None:
        """Ends it at once, with the processes that it started."""
        with contextlib.suppress(OSError):
            if os.name == "posix":
                os.killpg(self.pid, signal.SIGKILL)
            else:
                self._process.kill()
        self._process.wait()
        self._listener.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def bury(self) -> list[Ended]:
        """Clears up after it died; returns how its trial ended, if it had one."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5.0)
        code = self._process.poll()
        self.end()
        if self.job is None:
            return []
        why = f"{_how_it_died(code)}{self._last_output()}"
        return [Ended(self.job.key, why, time.perf_counter() - self._began, 0.0, lost=True)]

    def _last_output(self) -> str:
        """Returns the last lines of its output, where there is any."""
        for name in (f"{self.job.key}.log" if self.job else "", "workers.log"):
            with contextlib.suppress(OSError):
                lines = (self._directory / LOGS / name).read_text(encoding="utf-8", errors="replace").splitlines()
                if lines:
                    shown = "".join(f"\n  {line}" for line in lines[-_LOG_LINES:])
                    return f"\nThe end of {LOGS}/{name}:{shown}"
        return ""


def _cpus() -> int:
    """Returns how many CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _command() -> str:
    """Returns the program of a worker, which finds modules where this process does."""
    path = [os.path.abspath(entry or os.getcwd()) for entry in sys.path]
    here = os.getcwd()
    path = path if here in path else [here, *path]
    return f"import sys; sys.path[:] = {path!r}; from teachrl.studies.worker import serve; serve()"


def _how_it_died(code: int | None) -> str:
    if code is None or code >= 0:
        return f"The trial's process ended by itself, with exit code {code}, before the trial did."
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    hints = {
        "SIGKILL": " The system does that when memory runs out: run fewer trials at a time with --jobs.",
        "SIGSEGV": " That is an error in compiled code, of the environment or of a library.",
        "SIGABRT": " That is an error in compiled code, of the environment or of a library.",
        "SIGTERM": " It was asked to end from outside.",
    }
    return f"The trial's process was ended by {name}.{hints.get(name, '')}"


def _remove_if_empty(logs: Path) -> None:
    """Removes logs that say nothing."""
    with contextlib.suppress(OSError):
        if (logs / "workers.log").stat().st_size == 0:
            (logs / "workers.log").unlink()
        logs.rmdir()
