"""Teachers that misbehave, and jobs of trials that have them."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from teachrl.studies.engines import Job
from teachrl.teacher import TaskTeacher


class Odd(TaskTeacher):
    """Samples uniformly; does something odd at an episode.

    Args:
        at: The episode, counted in this process.
        what: "raise", "print", "slow" (from then on; takes a mark), "keep" (200 MB), "chdir",
            "need" (raise without the mark), or the number of a signal.
        mark: A file that it makes then; where it is there already, nothing odd happens.
    """

    kept: Any = None

    def __init__(self, at: int = 0, what: str = "", mark: str = "") -> None:
        self.at = at
        self.what = what
        self.mark = mark

    def begin(self, setup):
        super().begin(setup)
        self._left = self.at

    def sample(self, n):
        return [self.task_space.low + self.rng.random(self.task_space.shape) for _ in range(n)]

    def learn(self, tasks, returns, successes):
        self._left -= 1
        if self.what == "slow" and self._left < 0 and Path(self.mark).read_text() == str(os.getpid()):
            time.sleep(0.01)
        if self._left == 0 and not (self.mark and Path(self.mark).exists()):
            if self.mark and self.what != "need":
                Path(self.mark).write_text(str(os.getpid()))
            self._be_odd()

    def _be_odd(self):
        if self.what in ("raise", "need"):
            raise ArithmeticError("the teacher gave up")
        if self.what == "print":
            print("to the output")
            print("to the errors", file=sys.stderr)
            os.write(1, b"past Python\n")
        if self.what == "keep":
            Odd.kept = bytearray(b"x" * 200_000_000)
        if self.what == "chdir":
            os.chdir(os.sep)
        if self.what.isdigit():
            os.kill(os.getpid(), int(self.what))


def config(seed: int = 0, steps: int = 200, teacher: Any = "Uniform", **more: Any) -> dict[str, Any]:
    """Returns the configuration of a trial that takes a fraction of a second."""
    return {
        "env": "TeachRL/Hypercube-v0", "env_kwargs": {"cubes": 4}, "teachers": [teacher],
        "student": {"class_path": "SimulatedStudent", "init_args": {"cubes": 4}}, "steps": steps, "num_envs": 1,
        "eval_every": "never", "loggers": [], "video": 0, "pictures": False, "seed": seed, **more,
    }  # fmt: skip


def job(key: str, seed: int = 0, donor: str | None = None, **more: Any) -> Job:
    """Returns a job of such a trial."""
    return Job(key, config(seed, **more), f"runs/arm/{seed}-{key}", donor)


def odd(what: str, at: int = 50, mark: Path | str = "") -> dict[str, Any]:
    """Describes an odd teacher."""
    return {"class_path": "engine_teachers.Odd", "init_args": {"at": at, "what": what, "mark": str(mark)}}


def collect(engine: Any, count: int, seconds: float = 60.0) -> dict[str, Any]:
    """Waits for so many trials to end; returns how they did, by key."""
    ended: dict[str, Any] = {}
    deadline = time.monotonic() + seconds
    while len(ended) < count and time.monotonic() < deadline:
        ended |= {e.key: e for e in engine.wait(1.0)}
    return ended


def comparable(place: Path) -> tuple[bytes, ...]:
    """Returns what must not depend on how often a run was stopped: its tables and its last checkpoint."""
    last = max((p for p in (place / "checkpoints").iterdir() if p.name.isdigit()), key=lambda p: int(p.name))
    files = [place / "episodes.parquet", place / "eval.parquet", last / "classroom.json", last / "student.safetensors"]
    return tuple(path.read_bytes() for path in files)
