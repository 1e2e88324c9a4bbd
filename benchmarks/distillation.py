"""What distillation reaches: each way to teach a student that sees less, beside what it is to be compared with.

    OMP_NUM_THREADS=1 python benchmarks/distillation.py [cartpole pendulum doorkey ...] [--seeds 5] [--jobs 2]

All arms of a seed share environment, teacher, test tasks and student steps. `scratch` is PPO on the student's view with
a memory and a critic that sees all; `scratch, all steps` has as many steps as teacher and student took together; the
planner takes none.
Whatever the arm, the student that did best on the validation tasks is tested, once. A run that has finished is read
when the script is run again, one that was stopped is begun again. Methods have their defaults, and `scratch` the PPO of
`Kickstart`; where the game needs other settings of PPO, its teacher and all arms with PPO have the same.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from teachrl import distill, make_vec, train
from teachrl.distillation.reinforced import PACE
from teachrl.playing import play
from teachrl.studies.statistics import estimate
from teachrl_agents import CNN, MLP, PPO, Recurrent
from teachrl_envs.minigrid import Planner

CONTROL = ("teacher", "bc, no memory", "bc", "dagger, no memory", "dagger", "random teacher", "kickstart", "kdrl",
           "scratch", "scratch, all steps")  # fmt: skip


@dataclass(frozen=True)
class Game:
    """One environment of the benchmark.

    Attributes:
        env: Its id.
        steps: Of a student.
        seeds: How many runs of each arm.
        arms: What is compared.
        teacher_steps: Of the teacher, PPO on the teacher's view; 0 is the planner, which learns nothing.
        ppo: What PPO needs here, of teacher, scratch, Kickstart and KDRL alike.
        share: The teacher is stopped when it first has come this share of the way from its first validation to its
            last one.
    """

    env: str
    steps: int
    seeds: int
    arms: tuple[str, ...]
    teacher_steps: int = 0
    ppo: dict[str, Any] = field(default_factory=dict)
    share: float = 1.0


PENDULUM = {"gamma": 0.9, "learning_rate": 1e-3, "n_steps": 128, "batch_size": 64, "normalize_rewards": True}
SMALL = ("teacher", "bc", "dagger")
GAMES = {
    "cartpole": Game("TeachRL/CartPolePositions-v0", 20_000, 5, CONTROL, 100_000),
    "pendulum": Game("TeachRL/PendulumPositions-v0", 40_000, 5, CONTROL, 120_000, PENDULUM),
    "doorkey": Game("TeachRL/MiniGrid-DoorKey-8x8-v0", 12_800, 3, CONTROL[:-1]),
    "keycorridor": Game("TeachRL/MiniGrid-KeyCorridorS3R3-v0", 12_800, 3, SMALL),
    "fourrooms": Game("TeachRL/MiniGrid-FourRooms-v0", 12_800, 3, SMALL),
    "memory": Game(
        "TeachRL/MiniGrid-MemoryS7-v0", 25_600, 3, ("teacher", "dagger", "dagger, straight", "kickstart, straight")
    ),
    "imperfect": Game(
        "TeachRL/PendulumPositions-v0", 40_000, 5, ("teacher", "dagger", "kickstart", "kdrl", "scratch"), 120_000,
        PENDULUM, share=0.6,
    ),
}  # fmt: skip


class Trial:
    """One arm of one game with one seed.

    Args:
        name: Of the game.
        arm: Of the arm.
        seed: Of the run, and of the teacher it learns from.
        root: Where runs are kept.
    """

    def __init__(self, name: str, arm: str, seed: int, root: str) -> None:
        self.game, self.name, self.arm, self.seed = GAMES[name], name, arm, seed
        self.root = Path(root)
        self.place = self.root / name / arm.replace(", ", "-").replace(" ", "_") / str(seed)
        self.shared: dict[str, Any] = {
            "env": self.game.env, "seed": seed, "video": 0, "pictures": False, "loggers": [], "progress": "none",
            "out": str(self.place),
        }  # fmt: skip

    @property
    def result(self) -> dict[str, Any] | None:
        """What the test came to, None if it was not done."""
        file = self.place / "result.json"
        return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None

    def run(self) -> None:
        """Plays the trial, unless that was done."""
        if self.result is not None:
            return
        shutil.rmtree(self.place, ignore_errors=True)
        found = WAYS[self.arm](self)
        self.place.mkdir(parents=True, exist_ok=True)
        (self.place / "result.json").write_text(json.dumps(found), encoding="utf-8")

    def student(self, method: str, network: Any, teacher: Any = None, **arguments: Any) -> dict[str, Any]:
        """Teaches a student by a method."""
        if method in ("Kickstart", "KDRL"):
            arguments = {"ppo": self.game.ppo, **arguments}
        how = {"class_path": method, "init_args": arguments}
        return _outcome(distill(teacher or self.teacher(), student=network, method=how, steps=self.game.steps,
                                select="best", **self.shared))  # fmt: skip

    def scratch(self, steps: int) -> dict[str, Any]:
        """Reinforcement learning alone, with a memory, and a critic that sees all."""
        student = PPO(Recurrent(), critic_view="teacher", **{**PACE, **self.game.ppo})
        return _outcome(train(student=student, steps=steps, select="best", **self.shared))

    def teacher(self) -> Any:
        """Returns who teaches."""
        return str(self.root / self.name / "teacher" / str(self.seed)) if self.game.teacher_steps else "planner"

    def make_teacher(self) -> dict[str, Any]:
        """Trains the teacher on all there is to see, or lets the planner play."""
        if not self.game.teacher_steps:
            return _played(Planner(), self.game.env)
        student = PPO(MLP(), **self.game.ppo)
        steps, every = self.game.teacher_steps, student.n_steps * 8
        given = {"student": student, "view": "teacher", "eval_every": every, **self.shared}
        if self.game.share < 1:  # equal seeds give equal runs: the teacher of fewer steps is this one on its way
            whole = train(steps=steps, **{**given, "out": f"{self.place}-whole"})
            steps = _reaches(Path(whole.directory), self.game.share)
        return {**_outcome(train(steps=steps, **given)), "steps": steps}

    def random_teacher(self) -> Any:
        """Returns a policy with a teacher's view and weights as they are drawn."""
        with closing(make_vec(self.game.env, 1)) as envs:
            space = envs.single_observation_space["teacher"]
            return self.no_memory().build(space, envs.single_action_space, seed=self.seed).policy()

    def no_memory(self) -> Any:
        """Returns the network of who has no memory."""
        return MLP() if self.game.teacher_steps else CNN()


WAYS: dict[str, Callable[[Trial], dict[str, Any]]] = {
    "teacher": Trial.make_teacher,
    "bc, no memory": lambda t: t.student("BC", t.no_memory()),
    "bc": lambda t: t.student("BC", Recurrent()),
    "dagger, no memory": lambda t: t.student("DAgger", t.no_memory()),
    "dagger": lambda t: t.student("DAgger", Recurrent()),
    "dagger, straight": lambda t: t.student("DAgger", Recurrent(), Planner(look=False)),
    "random teacher": lambda t: t.student("DAgger", Recurrent(), t.random_teacher()),
    "kickstart": lambda t: t.student("Kickstart", Recurrent(), critic_view="teacher"),
    "kickstart, straight": lambda t: t.student("Kickstart", Recurrent(), Planner(look=False), critic_view="teacher"),
    "kdrl": lambda t: t.student("KDRL", Recurrent(), critic_view="teacher"),
    "scratch": lambda t: t.scratch(t.game.steps),
    "scratch, all steps": lambda t: t.scratch(t.game.steps + t.game.teacher_steps),
}


def _outcome(run: Any) -> dict[str, Any]:
    """Returns what a run came to in its test, and its last diagnostics."""
    rows = [json.loads(line) for line in (Path(run.directory) / "metrics.jsonl").read_text().splitlines()]
    last: dict[str, Any] = {}
    for row in rows:
        last |= {name: value for name, value in row.items() if name.startswith("eval/") or "gap" in name}
    found = run.evaluation
    return {
        "return": found.mean_return, "success": found.success_rate, "steps": run.steps,
        "cpu": rows[-1]["cpu_seconds"], "last": last,
    }  # fmt: skip


def _played(policy: Any, env: str) -> dict[str, Any]:
    with closing(make_vec(env, 20)) as envs:
        episodes = play(envs, policy, list(envs.task_suite("test").values()), view="teacher")
    successes = [e.success for e in episodes]
    return {
        "return": float(np.mean([e.episode_return for e in episodes])), "steps": 0, "cpu": 0.0, "last": {},
        "success": None if None in successes else float(np.mean([bool(s) for s in successes])),
    }  # fmt: skip


def _reaches(run: Path, share: float) -> int:
    """Returns at how many steps a run had first come a share of the way from its first to its last validation."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    found = [(int(row["steps"]), row["eval/return"]) for row in rows if "eval/return" in row]
    (_, first), (_, last) = found[0], found[-1]
    return next(steps for steps, value in found if value - first >= share * (last - first))


def _job(where: tuple[str, str, int, str]) -> None:
    trial = Trial(*where)
    trial.run()
    print(f"{trial.name}, {trial.arm}, seed {trial.seed}: {trial.result}", flush=True)


def table(name: str, seeds: int, root: str) -> str:
    """Returns the table of a game in Markdown: mean over seeds with its 95 % interval, and every seed."""
    lines = [
        f"### {GAMES[name].env}, {GAMES[name].steps:,} student steps",
        "",
        "| arm | return | seeds | success | CPU s |",
        "|---|---|---|---|---|",
    ]
    for arm in GAMES[name].arms:
        found = [r for seed in range(seeds) if (r := Trial(name, arm, seed, root).result) is not None]
        if not found:
            continue
        e = estimate([r["return"] for r in found])
        digits = 2 if abs(e.value) < 10 else 1
        success = "" if found[0]["success"] is None else f"{np.mean([r['success'] for r in found]):.0%}"
        each = ", ".join(f"{r['return']:.{digits}f}" for r in found)
        whole = f"{e.value:.{digits}f}" + (f" [{e.low:.{digits}f}, {e.high:.{digits}f}]" if len(found) > 2 else "")
        lines.append(f"| {arm} | {whole} | {each} | {success} | {np.mean([r['cpu'] for r in found]):.0f} |")
    return "\n".join(lines)


def main() -> None:
    """Runs the games that are named, all of them if none is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("games", nargs="*", help=f"of {', '.join(GAMES)}")
    parser.add_argument("--seeds", type=int, help="runs of each arm, in place of the game's own number")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    parser.add_argument("--out", default="runs/distillation", help="where runs are kept")
    parser.add_argument("--table", action="store_true", help="show what is there, and run nothing")
    given = parser.parse_args()
    names = given.games or list(GAMES)
    if unknown := sorted(set(names) - set(GAMES)):
        parser.error(f"there is no game {', '.join(unknown)}; there are {', '.join(GAMES)}")
    seeds = {name: given.seeds or GAMES[name].seeds for name in names}
    todo = [(name, arm, seed, given.out) for name in names for seed in range(seeds[name]) for arm in GAMES[name].arms]
    if not given.table:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(given.jobs, mp_context=context) as pool:
            list(pool.map(_job, [job for job in todo if job[1] == "teacher"]))
            list(pool.map(_job, [job for job in todo if job[1] != "teacher"]))
    for name in names:
        print(f"\n{table(name, seeds[name], given.out)}")


if __name__ == "__main__":
    main()
