"""Speed of our PPO beside Stable-Baselines3's: steps per CPU second, the environments' own share taken out and left in.

Same hyperparameters and networks (two layers of 64 for actor and critic each, no normalisation), one process and one
thread, both sides in turn in the same run:

    OMP_NUM_THREADS=1 python benchmarks/ppo_speed.py [--rounds 3] [--rollouts 4]

The last row has memories: an LSTM of 64, shared by actor and critic, beside sb3-contrib's RecurrentPPO with the same.
The aim is a ratio above 1 everywhere.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import numpy as np
import torch

from teachrl import Classroom, make_vec
from teachrl.student import Student
from teachrl_agents import MLP, PPO, SB3, Recurrent

SETTINGS = (
    ("CartPole-v1", 8, 128, False),
    ("TeachRL/PointMass-v0", 16, 64, False),
    ("TeachRL/StumpTracks-v0", 32, 64, False),
    ("TeachRL/CartPolePositions-v0", 8, 128, True),
)
BATCH, EPOCHS = 256, 10


def students(n_steps: int, memory: bool) -> dict[str, Student]:
    """Returns both sides."""
    ours = Recurrent(64, "lstm", vectors=(), normalize=False, previous=False) if memory else MLP(normalize=False)
    stock: dict[str, Any] = {"n_steps": n_steps, "batch_size": BATCH, "n_epochs": EPOCHS}
    if memory:
        shared = {"lstm_hidden_size": 64, "shared_lstm": True, "enable_critic_lstm": False, "net_arch": []}
        stock["policy_kwargs"] = shared
    return {
        "ours": PPO(ours, n_steps=n_steps, batch_size=BATCH, n_epochs=EPOCHS),
        "SB3": SB3("RecurrentPPO" if memory else "PPO", hyperparameters=stock, device="cpu"),
    }


class Side:
    """One student in a classroom of its own, whose learning goes on from one measurement to the next."""

    def __init__(self, student: Student, env: str, num_envs: int) -> None:
        self.student = student
        self.classroom = Classroom(make_vec(env, num_envs), seed=1)
        student.begin(self.classroom, np.random.SeedSequence(0), 10**6)
        self.classroom.attach(student)
        student.learn(student.granularity)

    def rate(self, rollouts: int) -> float:
        """Learns from some rollouts; returns steps per CPU second."""
        steps = rollouts * self.student.granularity
        began = time.process_time()
        self.student.learn(steps)
        return steps / (time.process_time() - began)


def environment_rate(env: str, num_envs: int, steps: int) -> float:
    """Returns steps per CPU second of a classroom with random actions."""
    classroom = Classroom(make_vec(env, num_envs), seed=1)
    classroom.action_space.seed(0)
    actions = [classroom.action_space.sample() for _ in range(64)]
    classroom.reset()
    began = time.process_time()
    for t in range(steps):
        classroom.step(actions[t % 64])
    classroom_rate = steps * num_envs / (time.process_time() - began)
    classroom.close()
    return classroom_rate


def measure(env: str, num_envs: int, n_steps: int, memory: bool, rounds: int, rollouts: int) -> None:
    """Prints the medians of some measurements of both sides."""
    sides = {name: Side(student, env, num_envs) for name, student in students(n_steps, memory).items()}
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            rates[name].append(side.rate(rollouts))
    median = {name: statistics.median(values) for name, values in rates.items()}
    bare = environment_rate(env, num_envs, n_steps * rollouts)
    own = {name: 1 / (1 / rate - 1 / bare) for name, rate in median.items()}
    kind = " and a memory" if memory else ""
    print(f"{env}, {num_envs} environments{kind}: ours {median['ours']:,.0f}, SB3 {median['SB3']:,.0f} steps per CPU "
          f"second, {median['ours'] / median['SB3']:.2f} times; environments alone {bare:,.0f}; learner alone "
          f"{own['ours'] / own['SB3']:.2f} times")  # fmt: skip
    for side in sides.values():
        side.classroom.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each side; medians are printed")
    parser.add_argument("--rollouts", type=int, default=4, help="rollouts in each measurement")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for setting in SETTINGS:
        measure(*setting, arguments.rounds, arguments.rollouts)
