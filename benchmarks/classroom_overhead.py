"""What teaching costs: a Classroom with ALPGMM against the bare environments, same actions, in one run.

Two claims, CPU time of one process, mixture fits measured apart:
- Stump Tracks, 32 environments: at most 5 % of the environments' own time.
- PointMass compiled over a batch, 1,024 environments, episodes of about 100 steps: at most 3 us per env-step.

    python benchmarks/classroom_overhead.py [--rounds 5]
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import numpy as np

from teachrl import Classroom, make_vec
from teachrl.teachers import ALPGMM


class TimedFits(ALPGMM):
    """ALPGMM that keeps account of the time of its fits."""

    seconds = 0.0

    def _fit(self) -> None:
        begin = time.process_time()
        super()._fit()
        self.seconds += time.process_time() - begin


def bare(envs: Any, actions: Any, space: Any, rng: np.random.Generator) -> float:
    """Returns the CPU seconds of the environments alone, on uniform tasks."""
    from teachrl import Lesson
    from teachrl.tasks import sample_tasks

    def lessons(n: int) -> list[Lesson]:
        return [Lesson(task, int(rng.integers(2**31))) for task in sample_tasks(space, n, rng)]

    envs.reset(seed=0, options={"lessons": lessons(envs.num_envs)})
    spent = 0.0
    for action in actions:
        begin = time.process_time()
        _, _, terminated, truncated, _ = envs.step(action)
        spent += time.process_time() - begin
        done = terminated | truncated
        if done.any():
            new = lessons(int(done.sum()))
            begin = time.process_time()
            envs.reset(options={"reset_mask": done, "lessons": new})
            spent += time.process_time() - begin
    return spent


def taught(envs: Any, actions: Any, seed: int) -> tuple[float, float, int]:
    """Returns CPU seconds in the classroom with the environments, those of fits, and the number of episodes."""
    # All tasks are uniform, so that both sides play the same kind of episodes; fits still run.
    teacher = TimedFits(random_task_ratio=1.0)
    classroom = Classroom(envs, teacher, seed=seed)
    classroom.reset()
    begin = time.process_time()
    for action in actions:
        classroom.step(action)
    return time.process_time() - begin, teacher.seconds, classroom.counters.episodes


def inside(envs: Any, actions: Any, seed: int) -> tuple[float, float, int]:
    """Returns CPU seconds of classroom and teacher without environments and fits, of environments, and episodes."""
    spent = [0.0]
    for name in ("step", "reset"):
        method = getattr(type(envs), name)

        def timed(*args: Any, _method: Any = method, **kwargs: Any) -> Any:
            begin = time.process_time()
            result = _method(envs, *args, **kwargs)
            spent[0] += time.process_time() - begin
            return result

        setattr(envs, name, timed)
    total, fits, episodes = taught(envs, actions, seed)
    del envs.step, envs.reset
    return total - fits - spent[0], spent[0], episodes


def measure(env_id: str, num_envs: int, steps: int, rounds: int) -> None:
    """Measures one setting, and prints its medians and ranges."""
    envs = make_vec(env_id, num_envs)
    low, high = envs.single_action_space.low, envs.single_action_space.high
    rng = np.random.default_rng(0)
    actions = rng.uniform(low, high, (steps, num_envs, *low.shape)).astype(np.float32)
    bare(envs, actions[:50], envs.task_space, rng)
    shares, micros, ratios = [], [], []
    for k in range(rounds):
        alone = bare(envs, actions, envs.task_space, rng)
        own, environment, episodes = inside(envs, actions, k)
        whole, fits, _ = taught(envs, actions, k)
        shares.append(100 * own / environment)
        micros.append(1e6 * own / (steps * num_envs))
        ratios.append((whole - fits) / alone)
    for name, values, unit in (
        ("classroom and teacher / environment", shares, "%"),
        ("classroom and teacher", micros, "us per env-step"),
        ("whole classroom / bare loop (other episodes)", ratios, "x"),
    ):
        low_, mid, high_ = min(values), statistics.median(values), max(values)
        print(f"{env_id} x {num_envs}: {name}: {mid:.2f} {unit} (min {low_:.2f}, max {high_:.2f})")
    print(f"{env_id} x {num_envs}: {steps * num_envs / max(1, episodes):.0f} steps an episode\n")
    envs.close()


def main() -> None:
    """Runs both settings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each setting; medians are printed")
    rounds = parser.parse_args().rounds
    measure("TeachRL/StumpTracks-v0", 32, 1000, rounds)
    measure("TeachRL/PointMass-v0", 1024, 400, rounds)


if __name__ == "__main__":
    main()
