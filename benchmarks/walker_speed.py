"""Speed of Stump Tracks beside Gymnasium's BipedalWalker-v3, and of its worker processes beside none.

Steps per CPU second, random actions, resets included, one process and one thread, both sides in turn in the same run:

    python benchmarks/walker_speed.py
    python benchmarks/walker_speed.py --workers 2 --num-envs 8

The aim is a ratio of at least 2, and with workers at most 1.2 of the CPU seconds per step, all processes together.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import gymnasium
import numpy as np

import teachrl_envs  # noqa: F401 (registers the id)
from teachrl.lessons import Lesson
from teachrl.tasks import sample_tasks
from teachrl.vector import LessonVectorEnv, make_vec

ACTIONS = 4096
TARGET, WORKER_TARGET = 2.0, 1.2


class Loop:
    """Random actions in one environment, whose episodes go on from one measurement to the next."""

    def __init__(self, env: gymnasium.Env, max_episode_steps: int, seed: int, tasks: bool) -> None:
        self.env, self.limit = env, max_episode_steps
        self.rng = np.random.default_rng(seed)
        self.actions = self.rng.uniform(-1, 1, (ACTIONS, *env.action_space.shape)).astype(np.float32)
        self.tasks = tasks
        self.episodes = self.steps = self.age = 0
        self.reset()

    def reset(self) -> None:
        """Begins an episode, on a task from the whole box where there is one."""
        space = self.env.task_space if self.tasks else None
        options = {"task": self.rng.uniform(space.low, space.high).astype(np.float32)} if space else None
        self.env.reset(seed=int(self.rng.integers(2**31)), options=options)
        self.episodes += 1
        self.age = 0

    def run(self, steps: int) -> float:
        """Takes steps and returns how many of them fit into a CPU second."""
        began = time.process_time()
        for _ in range(steps):
            _, _, terminated, truncated, _ = self.env.step(self.actions[self.steps % ACTIONS])
            self.steps += 1
            self.age += 1
            if terminated or truncated or self.age >= self.limit:
                self.reset()
        return steps / (time.process_time() - began)


def compare_with_gymnasium(steps: int, repeats: int) -> None:
    """Measures both environments in turn and prints the ratios."""
    ours = Loop(gymnasium.make("TeachRL/StumpTracks-v0").unwrapped, 2000, 0, tasks=True)
    theirs = Loop(gymnasium.make("BipedalWalker-v3").unwrapped, 1600, 0, tasks=False)
    for loop in (ours, theirs):
        loop.run(500)  # compiles, and warms the caches
    speeds = [(ours.run(steps), theirs.run(steps)) for _ in range(repeats)]
    for name, loop, column in (("StumpTracks-v0", ours, 0), ("BipedalWalker-v3", theirs, 1)):
        print(
            f"{name:18} {spread([pair[column] for pair in speeds], '{:8.0f}')} steps per CPU second, "
            f"{loop.steps / loop.episodes:.0f} steps per episode"
        )
    ratios = [one / other for one, other in speeds]
    print(f"{'ratio':18} {spread(ratios, '{:8.2f}')}   (aim: median at least {TARGET})")


def compare_workers(num_envs: int, workers: int, steps: int, repeats: int) -> None:
    """Measures `make_vec` with and without workers in turn and prints the ratios of CPU seconds per step."""
    pairs = []
    for repeat in range(repeats):
        alone = vector_cost(num_envs, 0, steps, repeat)
        shared = vector_cost(num_envs, workers, steps, repeat)
        pairs.append((alone, shared))
    for name, column in (("workers=0", 0), (f"workers={workers}", 1)):
        costs = [1e6 * pair[column] for pair in pairs]
        print(f"{name:18} {spread(costs, '{:8.1f}')} CPU microseconds per step, {num_envs} environments")
    ratios = [shared / alone for alone, shared in pairs]
    print(f"{'ratio':18} {spread(ratios, '{:8.2f}')}   (aim: median at most {WORKER_TARGET})")


def vector_cost(num_envs: int, workers: int, steps: int, seed: int) -> float:
    """Returns the CPU seconds per environment step of this process and its workers together, start-up apart."""
    envs = make_vec("TeachRL/StumpTracks-v0", num_envs, workers=workers)
    rng = np.random.default_rng(seed)
    play(envs, 100, rng)
    began = cpu_seconds()
    play(envs, steps // num_envs, rng)
    cost = (cpu_seconds() - began) / (steps // num_envs * num_envs)
    envs.close()
    return cost


def play(envs: LessonVectorEnv, rounds: int, rng: np.random.Generator) -> None:
    """Takes random actions on random tasks, as a classroom would."""
    ended = np.ones(envs.num_envs, bool)
    for _ in range(rounds):
        if ended.any():
            tasks = sample_tasks(envs.task_space, int(ended.sum()), rng)
            lessons = [Lesson(task, seed=int(rng.integers(2**31))) for task in tasks]
            envs.reset(seed=[lesson.seed for lesson in lessons], options={"reset_mask": ended, "lessons": lessons})
        actions = rng.uniform(-1, 1, envs.action_space.shape).astype(np.float32)
        _, _, terminated, truncated, _ = envs.step(actions)
        ended = terminated | truncated


def cpu_seconds() -> float:
    """CPU seconds so far of this process and the workers that it has now (Linux)."""
    seconds = time.process_time()
    for worker in multiprocessing.active_children():
        fields = Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()
        seconds += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # user and system time
    return seconds


def spread(values: list[float], form: str) -> str:
    """The median of some values, and their range."""
    parts: list[Callable[[list[float]], float]] = [statistics.median, min, max]
    median, low, high = (form.format(part(values)) for part in parts)
    return f"{median} ({low.strip()} to {high.strip()})"


def main() -> None:
    """Runs the comparison that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20_000, help="steps per measurement")
    parser.add_argument("--repeats", type=int, default=5, help="measurements of each side")
    parser.add_argument("--workers", type=int, default=0, help="compare so many worker processes with none instead")
    parser.add_argument("--num-envs", type=int, default=8, help="environments, with --workers")
    arguments = parser.parse_args()
    if arguments.workers:
        compare_workers(arguments.num_envs, arguments.workers, arguments.steps, arguments.repeats)
    else:
        compare_with_gymnasium(arguments.steps, arguments.repeats)


if __name__ == "__main__":
    main()
