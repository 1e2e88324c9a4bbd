"""Teacher hacking in a controlled setting, as found: who learns too much from a teacher that knows too little?

After Tiapkin et al. 2025 (https://arxiv.org/abs/2502.02671), in MiniGrid's DoorKey. The oracle is the planner,
softened: with probability 0.1 it acts at random, so that every divergence is a finite, exact sum over seven actions. A
teacher, a network of (128, 128), is cloned from the actions of a limited number of the oracle's episodes. A student of
(64, 64) that sees the same (the full board) is cloned from the teacher's distributions:

- offline: one set of 1,024 steps that the teacher took, 8 rows of 128 each, gone over in every epoch;
- diverse: one set of as many steps, drawn at random from 32 such rows, so from four times the starts;
- online: 1,024 fresh steps of the teacher in every epoch;
- student: 1,024 fresh steps of the student in every epoch, labelled by the teacher.

An epoch is 16 gradient steps on 64 labels everywhere. The proxy is KL(teacher || student), golden is minus
KL(oracle || student), on held-out levels: on states of the oracle (the same for all) and on states that the student
gets into itself. A third golden, which needs no oracle, is the goals that it reaches there in 1,000 steps. `examine` is
asked after every evaluation, with its defaults.

What is varied is the teacher: its episodes, and how long it is trained on them.

    python benchmarks/teacher_hacking.py [--quick] [--out benchmarks/pictures/teacher_hacking.png]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

import teachrl_envs  # noqa: F401 - registers the games
from teachrl import Classroom, FromPolicy, Labels, make_vec
from teachrl.distillation import Distillation, Distiller
from teachrl.distillation.buffer import Round
from teachrl.distillation.demonstrations import record, save
from teachrl.distillation.hacking import examine
from teachrl.distillation.trees import mapped
from teachrl_agents import MLP
from teachrl_envs.minigrid.planner import Planner

GAME, ENVS, HORIZON, BATCH = "TeachRL/MiniGrid-DoorKey-6x6-v0", 32, 32, 64
STEPS = ENVS * HORIZON // BATCH  # gradient steps of an epoch
RANDOM = 0.1  # share of the oracle's steps that are random
ARMS = ("offline", "diverse", "online", "student")
PLACES = {"oracle": "the oracle's states", "own": "its own states", "goals": "its own states, golden = goals reached"}
Array = np.ndarray[Any, Any]


class Oracle:
    """The planner, softened: (1 - e) planner + e uniform."""

    def __init__(self) -> None:
        self._planner = Planner()

    def distribution(self, observations: Any) -> dict[str, Array]:
        """Returns log probabilities (B, 7)."""
        best = torch.as_tensor(self._planner.distribution(observations)["logits"]).softmax(-1).numpy()
        return {"logits": np.log((1 - RANDOM) * best + RANDOM / best.shape[-1]).astype(np.float32)}


class Sampled:
    """A policy that acts and labels by samples, its distribution beside them."""

    recurrent = False

    def __init__(self, policy: Any, seed: int) -> None:
        self._policy, self._rng = policy, np.random.default_rng(seed)

    def act(self, observations: Any, state: Any = None, first: Any = None, deterministic: bool = True) -> Any:
        """Returns actions (B,)."""
        return self.label(observations)[0].actions, None

    def label(self, observations: Any, state: Any = None, first: Any = None) -> tuple[Labels, Any]:
        """Returns sampled actions (B,) and the log probabilities that they are from."""
        logits = logs(self._policy, observations)
        actions = (logits + self._rng.gumbel(size=logits.shape)).argmax(-1)
        return Labels(actions, {"logits": logits}, np.ones(len(actions), bool)), None


def logs(policy: Any, observations: Any) -> Array:
    """Returns log probabilities (B, 7)."""
    return np.asarray(torch.as_tensor(policy.distribution(observations)["logits"]).log_softmax(-1).numpy())


def kl(p: Array, q: Array) -> float:
    """Returns the mean of KL(p || q) over rows of log probabilities (B, 7)."""
    return float((np.exp(p) * (p - q)).sum(-1).mean())


def room(policy: Any, seed: int) -> Classroom:
    """Returns levels of a seed, where a policy acts, and labels."""
    teacher = FromPolicy(Sampled(policy, seed), view="teacher")
    return Classroom(make_vec(GAME, ENVS), [teacher], view="teacher", seed=seed)


def cloned(width: int, method: Distillation, levels: Classroom, seed: int) -> Distiller:
    """Returns a network that is about to learn."""
    made = Distiller(MLP(hidden=(width, width)), method, device="cpu")
    made.begin(levels, np.random.SeedSequence(seed), 1)
    return made


def grid(epochs: int = 1, **more: Any) -> Distillation:
    """Returns a method whose round is an epoch: 16 gradient steps on 64 labels."""
    return Distillation(horizon=HORIZON, epochs=epochs, batch_size=BATCH, most_batches=STEPS, **more)


@dataclass(frozen=True)
class Study:
    """One seed's teacher, and what its students are examined on.

    Attributes:
        episodes: Episodes of the oracle that the teacher knows.
        passes: Times 16 gradient steps that it was trained for.
        seed: Of everything.
    """

    episodes: int
    passes: int
    seed: int
    oracle: Oracle = field(default_factory=Oracle)

    @cache  # noqa: B019 - lives as long as the script
    def teacher(self) -> Any:
        """Returns the teacher's policy."""
        levels = room(self.oracle, 1000 + self.seed)
        known = first_episodes(record(levels, max(2 * HORIZON, self.episodes)), self.episodes)
        with tempfile.TemporaryDirectory() as folder:
            file = save(Path(folder) / "oracle.npz", known)
            made = cloned(128, grid(STEPS, loss="nll", demonstrations=str(file)), levels, self.seed)
            made.learn(self.passes * made.granularity)
        return made.policy

    @cache  # noqa: B019
    def held_out(self) -> tuple[Any, Array, Array]:
        """Returns states of the oracle on other levels, and what oracle and teacher say there."""
        seen = flat(record(room(self.oracle, 5000 + self.seed), 64))
        return seen, logs(self.oracle, seen), logs(self.teacher(), seen)

    def student(self, arm: str) -> Distiller:
        """Returns a student that is about to learn."""
        levels = room(self.teacher(), 2000 + self.seed)
        if arm in ("online", "student"):
            method = grid(keep=0, gradient_length=BATCH // ENVS, beta=float(arm == "online"))
            return cloned(64, method, levels, 100 + self.seed)
        steps = record(levels, 4 * HORIZON)
        chosen = np.zeros(steps.first.shape, bool)
        if arm == "offline":
            chosen[:, : ENVS // 4] = True
        else:
            chosen.flat[np.random.default_rng(self.seed).permutation(chosen.size)[: chosen.size // 4]] = True
        with tempfile.TemporaryDirectory() as folder:
            file = save(Path(folder) / "teacher.npz", replace(steps, mask=chosen))
            made = cloned(64, grid(demonstrations=str(file)), levels, 100 + self.seed)
            made.learn(made.granularity)  # reads the file
        return made

    def measure(self, student: Any) -> dict[str, tuple[float, float]]:
        """Returns proxy and golden in each place."""
        seen, oracle, teacher = self.held_out()
        said = logs(student, seen)
        lived = record(room(student, 9000 + self.seed), 64)
        own, goals = flat(lived), 1000 * lived.first[1:].sum() / lived.first.size  # 64 steps are under the time limit
        there = logs(student, own)
        proxy = kl(logs(self.teacher(), own), there)
        return {
            "oracle": (kl(teacher, said), -kl(oracle, said)),
            "own": (proxy, -kl(logs(self.oracle, own), there)),
            "goals": (proxy, float(goals)),
        }

    def curve(self, arm: str, epochs: int) -> dict[str, Array]:
        """Returns (evaluations, 3) of epoch, proxy and golden in each place."""
        student = self.student(arm)
        done = int(arm in ("offline", "diverse"))
        found: dict[str, list[tuple[float, ...]]] = {place: [] for place in PLACES}
        for at in sorted({round(x) for x in np.geomspace(1, epochs, 20).tolist()}):
            student.learn((at - done) * student.granularity)
            done = at
            for place, pair in self.measure(student.policy).items():
                found[place].append((at, *pair))
        return {place: np.array(rows) for place, rows in found.items()}


def first_episodes(steps: Round, count: int) -> Round:
    """Returns steps of which only those of the first episodes to begin are labelled."""
    number = np.cumsum(steps.first.reshape(-1)).reshape(steps.first.shape)
    return replace(steps, mask=np.maximum.accumulate(np.where(steps.first, number, 0), axis=0) <= count)


def flat(steps: Round) -> Any:
    """Returns all that was seen, in one row."""
    return mapped(lambda a: a.reshape(-1, *a.shape[2:]), steps.observations)


def first_alarm(curve: Array) -> int:
    """Returns the epoch of the first alarm, 0 if there was none."""
    alarms = (int(curve[n - 1, 0]) for n in range(1, len(curve) + 1) if examine(*curve[:n].T).raised)
    return next(alarms, 0)


Curves = dict[tuple[int, int], dict[str, list[dict[str, Array]]]]


def show(episodes: int, passes: int, teachers: Sequence[float], found: dict[str, list[dict[str, Array]]]) -> None:
    """Prints the table of one kind of teacher: medians over seeds, and every seed's alarm."""
    own = " ".join(f"{-x:.2f}" for x in teachers)
    print(f"\nTeacher of {episodes} episodes, {STEPS * passes} gradient steps; golden of itself: {own}")
    print(f"  {'arm':<9} {'measured on':<39}  proxy   golden: best   last  slope  {'departures':<18} alarms at epoch")
    for arm, runs in found.items():
        for place, name in PLACES.items():
            curves = [run[place] for run in runs]
            ends = [examine(*curve.T) for curve in curves]
            columns = [c[-1, 1] for c in curves], [c[:, 2].max() for c in curves], [c[-1, 2] for c in curves]
            proxy, best, last = (statistics.median(column) for column in columns)
            slope, away = statistics.median(e.slope for e in ends), " ".join(f"{e.departure:5.2f}" for e in ends)
            alarms = " ".join(str(first_alarm(curve) or "-") for curve in curves)
            print(f"  {arm:<9} {name:<39} {proxy:6.3f} {best:14.2f} {last:6.2f} {slope:6.2f}  {away:<18} {alarms}")


def draw(found: Curves, teachers: dict[tuple[int, int], list[float]], out: Path) -> None:
    """Draws proxy against golden, and the proxy over epochs, on the oracle's states."""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

    figure, axes = plt.subplots(2, len(found), figsize=(3.4 * len(found) + 0.6, 6.2), squeeze=False)
    colours = dict(zip(ARMS, ("tab:red", "tab:orange", "tab:blue", "tab:green"), strict=True))
    for column, (kind, arms) in enumerate(found.items()):
        top, bottom = axes[:, column]
        for arm, runs in arms.items():
            for k, run in enumerate(runs):
                curve, look = run["oracle"], {"color": colours[arm], "lw": 1.2, "alpha": 0.8}
                top.plot(curve[:, 1], -curve[:, 2], label=arm if k == 0 else None, **look)
                bottom.plot(curve[:, 0], curve[:, 1], **look)
                alarm = first_alarm(curve)
                for axis, x, y in ((top, curve[:, 1], -curve[:, 2]), (bottom, curve[:, 0], curve[:, 1])):
                    at = curve[:, 0] == alarm
                    axis.plot(x[at], y[at], "*", color=colours[arm], ms=11, mec="black", mew=0.6, zorder=5)
        top.axhline(statistics.median(teachers[kind]), color="gray", ls="--", lw=1, label="the teacher itself")
        top.set(xscale="log", yscale="log", xlabel="proxy: KL(teacher || student)")
        for axis in (top, bottom):
            axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.yaxis.set_major_formatter(FormatStrFormatter("%g"))
            axis.yaxis.set_minor_formatter(NullFormatter())
            axis.grid(alpha=0.3)
        top.set_title(f"teacher: {kind[0]} episodes,\n{STEPS * kind[1]:,} gradient steps", fontsize=10)
        top.invert_xaxis()
        bottom.set(xscale="log", yscale="log", xlabel="epoch")
    axes[0, 0].set_ylabel("KL(oracle || student) = -golden")
    axes[1, 0].set_ylabel("proxy")
    shown = {name: line for top in axes[0] for line, name in zip(*top.get_legend_handles_labels(), strict=True)}
    figure.suptitle("Distilling an imperfect teacher, on the oracle's held-out states; stars: the alarm", fontsize=11)
    figure.legend(shown.values(), shown.keys(), loc="lower center", ncol=len(shown), fontsize=9, frameon=False)
    figure.tight_layout(rect=(0, 0.04, 1, 1))
    figure.savefig(out, dpi=72)


def main() -> None:
    """Prints the tables and draws the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one seed, one teacher, fewer epochs")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=250)
    parser.add_argument("--out", type=Path, default=None, help="where to draw the picture")
    given = parser.parse_args()
    torch.set_num_threads(1)
    kinds = {
        (30, 250): ARMS[:3],
        (100, 250): ARMS,
        (100, 50): ("offline", "online"),
        (1000, 250): ("offline", "online"),
    }
    seeds, epochs = given.seeds, given.epochs
    if given.quick:
        kinds, seeds, epochs = {(30, 250): ("offline", "online")}, 1, 100
    began = time.process_time()
    found: Curves = {}
    teachers: dict[tuple[int, int], list[float]] = {}
    for kind, arms in kinds.items():
        studies = [Study(*kind, seed=seed) for seed in range(seeds)]
        found[kind] = {arm: [study.curve(arm, epochs) for study in studies] for arm in arms}
        teachers[kind] = [kl(*study.held_out()[1:]) for study in studies]
        show(*kind, teachers[kind], found[kind])
    print(f"\n{time.process_time() - began:.0f} s of CPU")
    if given.out:
        draw(found, teachers, given.out)


if __name__ == "__main__":
    main()
