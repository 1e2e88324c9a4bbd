"""What a step of TeachRL/MiniGrid-* costs, both views included, against MiniGrid's own environment of the same id.

Random actions, resets included; the two take turns, and medians of CPU time are printed.

    python benchmarks/minigrid_cost.py [--steps 5000] [--rounds 5]
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from typing import Any

import gymnasium as gym
import minigrid  # noqa: F401 - registers MiniGrid's own ids
import numpy as np

import teachrl_envs  # noqa: F401 - registers ours

GAMES = ("MiniGrid-DoorKey-8x8-v0", "MiniGrid-KeyCorridorS3R3-v0", "MiniGrid-FourRooms-v0", "MiniGrid-MemoryS7-v0")


def cost(env: gym.Env[Any, Any], steps: int) -> float:
    """Returns the CPU microseconds of a step."""
    rng = np.random.default_rng(0)
    actions = rng.integers(env.action_space.n, size=steps)  # type: ignore[attr-defined]
    env.reset(seed=0)
    began = time.process_time()
    for action in actions.tolist():
        *_, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            env.reset()
    return (time.process_time() - began) / steps * 1e6


def main() -> None:
    """Prints a line a game."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    for game in GAMES:
        ours, theirs = gym.make(f"TeachRL/{game}"), gym.make(game)
        for env in (ours, theirs):
            cost(env, 200)
        pairs = [(cost(ours, given.steps), cost(theirs, given.steps)) for _ in range(given.rounds)]
        mine, peer = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratios = sorted(a / b for a, b in pairs)
        print(f"{game:<30} ours {mine:6.1f} us, MiniGrid's {peer:6.1f} us: {mine / peer:.2f} times "
              f"({ratios[0]:.2f} to {ratios[-1]:.2f})")  # fmt: skip


if __name__ == "__main__":
    main()
