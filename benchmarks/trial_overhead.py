"""What a study's engine costs: a trial in a warm worker against the same call of `train` in a loop of one process.

The claim: at most 50 ms a trial, without films and pictures. Trials of Hypercube with a simulated student take turns,
one in this process, one in the worker, so that what else the machine does falls on both alike; medians are printed.

    python benchmarks/trial_overhead.py [--trials 20] [--episodes 300]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from teachrl import train
from teachrl.configuration import build
from teachrl.studies.engines import Job
from teachrl.studies.local_engine import LocalEngine


def config(seed: int, episodes: int) -> dict[str, Any]:
    """Returns the arguments of a trial as data."""
    return {
        "env": "TeachRL/Hypercube-v0", "teachers": ["Uniform"], "student": "SimulatedStudent", "steps": episodes,
        "num_envs": 1, "seed": seed, "loggers": [], "video": 0, "pictures": False,
    }  # fmt: skip


def alone(place: Path, seed: int, episodes: int) -> dict[str, float]:
    """Returns what `train` takes in this process, in wall and CPU seconds, and the making of its arguments."""
    began = time.perf_counter()
    arguments = build(config(seed, episodes), train)
    built, before = time.perf_counter(), time.process_time()
    train(**arguments, out=str(place), progress="none")
    return {
        "arguments": built - began,
        "wall": time.perf_counter() - built,
        "cpu": time.process_time() - before,
    }


def in_worker(engine: LocalEngine, seed: int, episodes: int) -> dict[str, float]:
    """Returns what a trial takes from handing it to the engine to hearing of its end, CPU of both processes."""
    began, before = time.perf_counter(), time.process_time()
    engine.submit(Job(f"trial-{seed}", config(seed, episodes), f"runs/{seed}"))
    (ended,) = engine.wait()
    if ended.error:
        raise SystemExit(ended.error)
    return {"wall": time.perf_counter() - began, "cpu": time.process_time() - before + ended.cpu_seconds}


def measure(directory: Path, trials: int, episodes: int) -> None:
    """Runs the trials in turns, and prints medians."""
    own, worked = [], []
    with closing(LocalEngine(directory, 1)) as engine:
        for seed in range(trials + 2):
            own.append(alone(directory / "alone" / str(seed), seed, episodes))
            worked.append(in_worker(engine, seed, episodes))
    pairs = list(zip(own, worked, strict=True))[2:]  # the first two warm both up
    print(f"{trials} trials of {episodes} episodes, medians")
    for clock in ("wall", "cpu"):
        train_, worker = (1e3 * statistics.median(side[i][clock] for side in pairs) for i in (0, 1))
        low, middle, high = statistics.quantiles([1e3 * (b[clock] - a[clock]) for a, b in pairs], n=4)
        print(f"{clock:4} train in a loop {train_:7.1f} ms, in a worker {worker:7.1f} ms, {worker / train_:.2f} times")
        print(f"{clock:4} a worker costs  {middle:7.1f} ms a trial (quartiles {low:.1f} to {high:.1f})")
    arguments = 1e3 * statistics.median(a["arguments"] for a, _ in pairs)
    print(f"of which making and checking train's arguments out of data takes {arguments:.1f} ms")


def main() -> None:
    """Measures in a directory that is removed afterwards."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20, help="trials on each side")
    parser.add_argument("--episodes", type=int, default=300, help="length of a trial")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        measure(Path(directory), arguments.trials, arguments.episodes)


if __name__ == "__main__":
    main()
