"""The other side of `benchmarks/distillation_speed.py`: rsl_rl's `Distillation`, in an environment of its own.

    python rsl_distillation.py TEACHER.npz

Its 256 double integrators are the same as ours there, in PyTorch in place of NumPy.
"""

from __future__ import annotations

import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from answering import answer
from rsl_rl.env import VecEnv
from rsl_rl.runners import DistillationRunner
from tensordict import TensorDict

DT, LIMIT = 0.05, 200


class DoubleIntegrators(VecEnv):
    """Masses to be pushed to the middle of a plane; the student sees where they are, the teacher all."""

    def __init__(self, num_envs: int, seed: int) -> None:
        self.num_envs, self.num_actions, self.max_episode_length = num_envs, 2, LIMIT
        self.device, self.cfg = "cpu", {}
        self._generator = torch.Generator().manual_seed(seed)
        self.episode_length_buf = torch.zeros(num_envs, dtype=torch.long)
        self._position, self._velocity = torch.zeros(num_envs, 2), torch.zeros(num_envs, 2)
        self._mass = torch.ones(num_envs, 1)
        self._begin(torch.ones(num_envs, dtype=torch.bool))

    def _begin(self, which: torch.Tensor) -> None:
        drawn = torch.rand(int(which.sum()), 5, generator=self._generator)
        self._position[which] = 2 * drawn[:, :2] - 1
        self._velocity[which] = drawn[:, 2:4] - 0.5
        self._mass[which] = 0.5 + 1.5 * drawn[:, 4:]
        self.episode_length_buf[which] = 0

    def get_observations(self) -> TensorDict:
        """Returns both views."""
        seen = torch.cat([self._position, self._velocity, self._mass], dim=-1)
        return TensorDict({"student": self._position.clone(), "teacher": seen}, batch_size=[self.num_envs])

    def step(self, actions: torch.Tensor) -> tuple[TensorDict, torch.Tensor, torch.Tensor, dict[str, Any]]:
        """Pushes for 0.05 s."""
        force = actions.clamp(-1, 1)
        self._velocity = self._velocity + DT * force / self._mass
        self._position = self._position + DT * self._velocity
        rewards = -DT * (self._position.square().sum(-1) + 0.1 * force.square().sum(-1))
        self.episode_length_buf += 1
        dones = self.episode_length_buf >= LIMIT
        if dones.any():
            self._begin(dones)
        return self.get_observations(), rewards, dones.long(), {"time_outs": dones}


def configuration(memory: bool, horizon: int, length: int) -> dict[str, Any]:
    """Returns the runner's, for a student of two layers of 64, or with an LSTM of 64 under one."""
    noise = {"class_name": "GaussianDistribution", "init_std": 0.1}
    student: dict[str, Any] = {"activation": "elu", "obs_normalization": False, "distribution_cfg": noise}
    if memory:
        student |= {"class_name": "RNNModel", "hidden_dims": [64], "rnn_type": "lstm", "rnn_hidden_dim": 64}
    else:
        student |= {"class_name": "MLPModel", "hidden_dims": [64, 64]}
    return {
        "num_steps_per_env": horizon, "save_interval": 10**9, "check_for_nan": True,
        "obs_groups": {"student": ["student"], "teacher": ["teacher"]}, "student": student,
        "teacher": {"class_name": "MLPModel", "hidden_dims": [64, 64], "activation": "elu", "obs_normalization": False},
        "algorithm": {
            "class_name": "Distillation", "num_learning_epochs": 1, "gradient_length": length, "learning_rate": 1e-3,
            "loss_type": "mse",
        },
    }  # fmt: skip


def make(memory: bool, num_envs: int, horizon: int, length: int, seed: int) -> DistillationRunner:
    """Returns a runner with the teacher loaded."""
    torch.manual_seed(seed)
    runner = DistillationRunner(DoubleIntegrators(num_envs, seed), configuration(memory, horizon, length), None, "cpu")
    with np.load(sys.argv[1]) as file:
        weights = {f"mlp.{name}": torch.as_tensor(file[name]) for name in file.files}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "teacher.pt"
        torch.save({"actor_state_dict": weights, "iter": 0, "infos": None}, path)
        runner.load(str(path))
    return runner


def main() -> None:
    """Trains one student with a memory and one without, whose learning goes on from one request to the next."""
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="The product of")  # steps that it leaves out of its gradients
    runners: dict[bool, DistillationRunner] = {}

    def measure(memory: bool, num_envs: int, horizon: int, length: int, iterations: int, seed: int) -> dict[str, Any]:
        if memory not in runners:
            runners[memory] = make(memory, num_envs, horizon, length, seed)
        runner, losses = runners[memory], []
        update = runner.alg.update
        runner.alg.update = lambda: losses.append(update()) or losses[-1]
        began = time.process_time()
        runner.learn(iterations)
        seconds = time.process_time() - began
        runner.alg.update = update
        return {
            "samples": num_envs * horizon * iterations, "seconds": seconds, "loss": losses[-1]["behavior"],
            "used": horizon // length * length / horizon,
        }  # fmt: skip

    answer(measure)


if __name__ == "__main__":
    main()
