"""Speed of learning from labels beside `imitation` and rsl_rl: samples per CPU second, same data, networks and batches.

One thread, all sides in turn in the same run. Neither peer can be installed beside us (`imitation` needs gymnasium
0.29), so that they get a virtual environment of their own, made here and thrown away, or kept in a folder:

    OMP_NUM_THREADS=1 python benchmarks/distillation_speed.py [--peers DIR] [--rounds 3]

- `imitation`: its behaviour cloning with its defaults (two layers of 32, Adam 1e-3, entropy weight 1e-3) on a file of
  CartPole steps, against `BC(demonstrations=...)`; a sample is one that a gradient was taken on. Aim: 10 times.
- rsl_rl: its `Distillation` with two layers of 64, and with an LSTM of 64 below one, against `OnPolicy`: 256 double
  integrators whose velocities and masses the student does not see, 24 steps a round, windows of 15. A sample is a step
  that was lived; rsl_rl leaves 9 of these 24 out of its gradients, we take all, so that both are measured with windows
  of 12 too, which leave nothing out. Aim: at least as fast.
- Our `Recurrent` on 64 sequences of 16 steps beside a bare loop over PyTorch's GRU of the same size.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from teachrl import Classroom, make_vec
from teachrl.distillation import BC, Distiller, OnPolicy
from teachrl.teachers import FromPolicy
from teachrl.vector import LessonVectorEnv
from teachrl_agents import MLP, Recurrent

HERE = Path(__file__).parent / "peers"
REQUIRED = (
    "setuptools<81", "imitation==1.0.1", "gymnasium==0.29.1", "stable-baselines3==2.2.1", "rsl-rl-lib==5.5.1",
)  # fmt: skip
NUM_ENVS, HORIZON, LENGTH = 256, 24, 15
DT, LIMIT = 0.05, 200


class DoubleIntegrators(LessonVectorEnv):
    """Masses to be pushed to the middle of a plane; the student sees where they are, the teacher all.

    Args:
        num_envs: How many.
    """

    env_id = "DoubleIntegrators"
    max_episode_steps = LIMIT

    def __init__(self, num_envs: int) -> None:
        self.num_envs = num_envs
        seen = {"student": spaces.Box(-np.inf, np.inf, (2,)), "teacher": spaces.Box(-np.inf, np.inf, (5,))}
        self.single_observation_space, self.single_action_space = spaces.Dict(seen), spaces.Box(-1, 1, (2,))
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._state = np.zeros((num_envs, 5), np.float32)
        self._age = np.zeros(num_envs, np.int64)
        self._running = np.zeros(num_envs, np.bool_)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begins episodes."""
        request = self.read_reset(seed, options)
        for i, known in zip(request.indices, request.seeds, strict=True):
            drawn = np.random.default_rng(known).random(5, np.float32)
            self._state[i] = drawn * (2, 2, 1, 1, 1.5) - (1, 1, 0.5, 0.5, -0.5)
        self._age[request.indices], self._running[request.indices] = 0, True
        return self._seen(), {}

    def step(self, actions: NDArray[np.float32]) -> Any:
        """Pushes for 0.05 s."""
        force = np.clip(self.read_actions(actions, self._running), -1, 1)
        state = self._state.copy()
        state[:, 2:4] += DT * force / state[:, 4:]
        state[:, :2] += DT * state[:, 2:4]
        self._state = state
        rewards = -DT * (np.square(state[:, :2]).sum(-1) + 0.1 * np.square(force).sum(-1)).astype(np.float64)
        self._age += 1
        truncated = self._age >= LIMIT
        self._running = ~truncated
        return self._seen(), rewards, np.zeros(self.num_envs, np.bool_), truncated, {}

    def _seen(self) -> dict[str, NDArray[np.float32]]:
        return {"student": self._state[:, :2].copy(), "teacher": self._state.copy()}


class Stacked(Recurrent):
    """A memory below a layer of 64, as rsl_rl has it."""

    def plan(self) -> dict[str, Any]:
        """Returns the arguments of `Net`."""
        return {**super().plan(), "hidden": (64,)}


@dataclass(frozen=True)
class Figures:
    """What a measurement found.

    Attributes:
        samples: Steps lived or drawn.
        seconds: CPU seconds.
        loss: The learner's own.
        used: Share of the samples that gradients were taken on.
    """

    samples: int
    seconds: float
    loss: float
    used: float = 1.0


class Peer:
    """A process in the peers' environment that measures on request.

    Args:
        python: That environment's interpreter.
        script: What it runs.
        arguments: Of the script.
    """

    def __init__(self, python: Path, script: str, *arguments: Path) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (until `close`)
        command = [str(python), str(HERE / script), *map(str, arguments)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True
        )

    def __call__(self, **request: Any) -> Figures:
        """Returns what it measured."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("A peer was started without pipes.")
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            self._errors.seek(0)
            raise RuntimeError(f"A peer has stopped: {self._errors.read()[-2000:]}")
        return Figures(**json.loads(answer))

    def close(self) -> None:
        """Lets the process end."""
        self._process.communicate()
        self._errors.close()


def peers_python(folder: Path) -> Path:
    """Returns the interpreter of the peers' environment, which is made if it is not there."""
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not python.exists():
        print(f"Making the peers' environment in {folder}; this takes a few minutes.", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        own = f"torch=={version('torch').partition('+')[0]}"
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", own, *REQUIRED], check=True)
    names = ("imitation", "rsl-rl-lib", "stable-baselines3", "gymnasium", "torch")
    code = f"from importlib.metadata import version; print(*(f'{{n}} {{version(n)}}' for n in {names}), sep=', ')"
    print("peers:", subprocess.check_output([str(python), "-c", code], text=True).strip())
    return python


def measured(learn: Callable[[], None], samples: int, loss: Callable[[], float]) -> Figures:
    """Returns the CPU seconds that learning from so many samples takes."""
    began = time.process_time()
    learn()
    return Figures(samples, time.process_time() - began, loss())


def compare(name: str, sides: dict[str, Callable[[], Figures]], rounds: int, aim: float | None) -> None:
    """Measures all sides in turn, after one round that is not counted, and prints the medians."""
    found: dict[str, list[Figures]] = {side: [] for side in sides}
    for _ in range(rounds + 1):
        for side, measure in sides.items():
            found[side].append(measure())
    rates = {side: [f.samples / f.seconds for f in figures[1:]] for side, figures in found.items()}
    median = {side: statistics.median(values) for side, values in rates.items()}
    last = {side: figures[-1] for side, figures in found.items()}
    ours, other = sides
    print(f"\n{name}:")
    for side, rate in median.items():
        print(f"  {side:12} {rate:9,.0f} samples per CPU second, loss {last[side].loss:.2g}")
    spread = [a / b for a, b in zip(rates[ours], rates[other], strict=True)]
    ratio = median[ours] / median[other]
    print(f"  {ratio:.2f} times ({min(spread):.2f} to {max(spread):.2f})" + ("" if aim is None else f", aim {aim:g}"))
    if last[ours].used != last[other].used:
        print(f"  {ratio * last[ours].used / last[other].used:.2f} times as many labels that a gradient was taken on: "
              f"{other} takes it on {last[other].used:.1%} of them", flush=True)  # fmt: skip


def make_transitions(path: Path, count: int, seed: int) -> None:
    """Writes CartPole steps of a hand-written controller with some noise, (T, 8, ...) by name."""
    envs, rng = 8, np.random.default_rng(seed)
    room = Classroom(make_vec("CartPole-v1", envs), seed=seed)
    rows = []
    for _ in range(-(-count // envs)):
        observations, first = (np.array(part) for part in room.observed())
        actions = (observations @ (0.02, 0.1, 1.0, 0.5) > 0).astype(np.int64)
        rows.append((observations, actions, first))
        room.step(np.where(rng.random(envs) < 0.1, rng.integers(2, size=envs), actions))
    room.close()
    columns = zip(("observations", "actions", "first"), zip(*rows, strict=True), strict=True)
    np.savez(path, **{name: np.stack(part) for name, part in columns})


def cloned(path: Path, network: Any, seed: int, env: str = "CartPole-v1", **arguments: Any) -> Distiller:
    """Returns a student that has begun to learn from a file; each round is `epochs` passes over it."""
    student = Distiller(network, BC(demonstrations=str(path), horizon=1, **arguments), device="cpu")
    student.begin(Classroom(make_vec(env, 1), seed=seed), np.random.SeedSequence(seed), 10**6)
    return student


def compare_with_imitation(python: Path, folder: Path, arguments: argparse.Namespace) -> None:
    """Behaviour cloning at two sizes of minibatch."""
    path = folder / "transitions.npz"
    make_transitions(path, arguments.transitions, arguments.seed)
    count = -(-arguments.transitions // 8) * 8
    peer = Peer(python, "imitation_bc.py", path, folder / "logs")
    for batch, epochs in ((32, arguments.epochs), (256, 4 * arguments.epochs)):  # enough minibatches of either size
        student = cloned(path, MLP((32, 32), normalize=False), arguments.seed, batch_size=batch, epochs=epochs)
        theirs = partial(peer, batch=batch, epochs=epochs, seed=arguments.seed)
        ours = partial(measured, partial(student.learn, 1), count * epochs, lambda s=student: s.scalars()["loss"])
        compare(
            f"behaviour cloning, minibatches of {batch}", {"teachrl": ours, "imitation": theirs}, arguments.rounds, 10
        )
    peer.close()


def make_teacher(path: Path, seed: int) -> nn.Sequential:
    """Returns a network that pushes masses like a damped spring, and writes its weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        teacher = nn.Sequential(nn.Linear(5, 64), nn.ELU(), nn.Linear(64, 64), nn.ELU(), nn.Linear(64, 2))
        optimizer = torch.optim.Adam(teacher.parameters(), 3e-3)
        for _ in range(500):
            seen = torch.rand(256, 5) * torch.tensor([2, 2, 2, 2, 1.5]) - torch.tensor([1, 1, 1, 1, -0.5])
            wanted = (-seen[:, 4:] * (seen[:, :2] + 1.5 * seen[:, 2:4])).clamp(-1, 1)
            optimizer.zero_grad()
            (teacher(seen) - wanted).square().mean().backward()
            optimizer.step()
    np.savez(path, **{name: weight.numpy() for name, weight in teacher.state_dict().items()})
    return teacher.eval()


def distilled(teacher: nn.Module, memory: bool, length: int, seed: int) -> Distiller:
    """Returns a student of 256 double integrators that has begun."""
    network: Any = MLP((64, 64), "elu", normalize=False, std=0.1)
    if memory:
        network = Stacked(64, "lstm", vectors=(), activation="elu", normalize=False, previous=False, std=0.1)
    room = Classroom(DoubleIntegrators(NUM_ENVS), FromPolicy(teacher), seed=seed)
    method = OnPolicy(loss="mse", horizon=HORIZON, gradient_length=length)
    student = Distiller(network, method, device="cpu", diagnose=False)  # the peer has no companion that sees all either
    student.begin(room, np.random.SeedSequence(seed), 10**9)
    room.attach(student)
    return student


def compare_with_rsl(python: Path, folder: Path, arguments: argparse.Namespace) -> None:
    """On-policy distillation with and without a memory; windows of 12 leave nothing out on either side."""
    path = folder / "teacher.npz"
    teacher = make_teacher(path, arguments.seed)
    for memory in (False, True):
        for length in (15, 12):
            peer = Peer(python, "rsl_distillation.py", path)
            student = distilled(teacher, memory, length, arguments.seed)
            steps = arguments.iterations * student.granularity
            given = {
                "memory": memory,
                "num_envs": NUM_ENVS,
                "horizon": HORIZON,
                "length": length,
                "seed": arguments.seed,
            }
            sides = {
                "teachrl": partial(
                    measured, partial(student.learn, steps), steps, lambda s=student: s.scalars()["proxy_loss"]
                ),
                "rsl_rl": partial(peer, iterations=arguments.iterations, **given),
            }
            kind = "an LSTM" if memory else "two layers"
            compare(f"on-policy distillation, {kind}, windows of {length} of 24", sides, arguments.rounds, 1)
            peer.close()


class Bare(nn.Module):
    """A layer, a GRU and a linear head, as one would write them."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.memory, self.head = nn.Linear(4, 64), nn.GRU(64, 64), nn.Linear(64, 2)

    def forward(self, observations: Tensor) -> Tensor:
        """Returns logits (T, N, 2) of (T, N, 4)."""
        return self.head(self.memory(torch.tanh(self.before(observations)))[0])


def bare_loop(path: Path, epochs: int, seed: int) -> Callable[[], Figures]:
    """Returns supervised learning of sequences as one would write it, which does not clear memories in them."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = Bare()
    optimizer = torch.optim.Adam(net.parameters(), fused=True)
    with np.load(path) as file:
        seen, done = (torch.as_tensor(file[name]).transpose(0, 1) for name in ("observations", "actions"))
    seen, done = seen.reshape(-1, 16, 4), done.reshape(-1, 16)
    loss = torch.zeros(())

    def learn() -> None:
        nonlocal loss
        for _ in range(epochs):
            for rows in torch.randperm(len(seen), generator=generator).split(64):
                logits = net(seen[rows].transpose(0, 1)).flatten(0, 1)
                loss = functional.cross_entropy(logits, done[rows].t().flatten())
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

    return lambda: measured(learn, done.numel() * epochs, lambda: float(loss.detach()))


def compare_memories(folder: Path, arguments: argparse.Namespace) -> None:
    """A GRU on 64 sequences of 16 steps, without and with episodes that begin within them."""
    path, whole = folder / "sequences.npz", folder / "whole.npz"
    make_transitions(path, 16_384, arguments.seed)
    with np.load(path) as file:
        columns = dict(file)
    columns["first"] = np.zeros_like(columns["first"])
    np.savez(whole, **columns)
    for name, source in (("no episode begins within", whole), ("some begin within", path)):
        student = cloned(
            source, Recurrent(64, normalize=False, previous=False), arguments.seed, batch_size=64, sequence=16,
            burn_in=0, epochs=4, entropy_weight=0.0,
        )  # fmt: skip
        ours = partial(measured, partial(student.learn, 1), 16_384 * 4, lambda s=student: s.scalars()["loss"])
        sides = {"teachrl": ours, "bare PyTorch": bare_loop(path, 4, arguments.seed)}
        compare(f"GRU, 64 sequences of 16, {name}", sides, arguments.rounds, None)


def main() -> None:
    """Runs the comparisons that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--peers", type=Path, help="folder of the peers' environment; made if it is not there, and kept"
    )
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each side; medians are printed")
    parser.add_argument("--transitions", type=int, default=16_384, help="steps to clone")
    parser.add_argument(
        "--epochs",
        type=int,
        default=4,
        help="passes over them in a measurement, four times as many with minibatches of 256",
    )
    parser.add_argument("--iterations", type=int, default=100, help="rounds of 24 steps in a measurement")
    parser.add_argument("--seed", type=int, default=0, help="of data, teachers and all sides")
    parser.add_argument("--skip-imitation", action="store_true", help="leave the comparison with imitation out")
    parser.add_argument("--skip-rsl", action="store_true", help="leave the comparison with rsl_rl out")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    print("ours:", ", ".join(f"{name} {version(name)}" for name in ("teachrl", "torch", "gymnasium", "numpy")))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        compare_memories(folder, arguments)
        if not (arguments.skip_imitation and arguments.skip_rsl):
            python = peers_python(arguments.peers or folder / "peers")
            if not arguments.skip_imitation:
                compare_with_imitation(python, folder, arguments)
            if not arguments.skip_rsl:
                compare_with_rsl(python, folder, arguments)


if __name__ == "__main__":
    main()
