"""What it buys to begin where a teacher has been, as found: the ready study `s3rl` with SAC, in fewer steps.

    OMP_NUM_THREADS=1 python benchmarks/s3rl.py [hopper walker ...] [--seeds 3] [--jobs 2] [--arms none s3rl]

A teacher is trained first, by SAC with a seed of its own (1,000), and plays 10 episodes, of which every tenth state is
kept. Students are SAC with 8 environments and half as many gradient steps as steps. The first fifth of a run begins at
the teacher's states (the paper: the first tenth of a million steps). All students are evaluated in the environment as
it is, without a teacher. The area under the curve of the mean return on the validation seeds is compared, seed by seed.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from teachrl import collect, train
from teachrl.studies.ablate import ablate
from teachrl.studies.library import find
from teachrl.studies.outcomes import Outcome
from teachrl.studies.records import load_study
from teachrl.studies.statistics import difference, estimate
from teachrl_agents import SB3


@dataclass(frozen=True)
class Game:
    """An environment of the study.

    Attributes:
        env: Its id.
        teacher_steps: For how long the teacher learns.
        steps: For how long a student does.
    """

    env: str
    teacher_steps: int = 100_000
    steps: int = 50_000


GAMES = {
    "hopper": Game("Hopper-v5"),
    "walker": Game("Walker2d-v5", 300_000, 100_000),
    "cheetah": Game("HalfCheetah-v5", 300_000, 100_000),
    "ant": Game("Ant-v5", 1_000_000, 300_000),
    "swimmer": Game("Swimmer-v5", 300_000, 100_000),
    "humanoid": Game("Humanoid-v5", 1_000_000, 300_000),
}
SAC = {"algorithm": "SAC", "hyperparameters": {"gradient_steps": 4, "learning_starts": 5_000}}
PHASE = 0.2
CLUSTERS = 4  # the paper's number for SAC


def record(game: Game, place: Path) -> Path:
    """Trains the teacher and writes down where it has been, unless that was done; returns the file."""
    file, run = place / "teacher.states", place / "teacher"
    told = json.loads((run / "meta.json").read_text(encoding="utf-8")) if (run / "meta.json").is_file() else {}
    if not told:
        train(env=game.env, student=SB3(**SAC), steps=game.teacher_steps, num_envs=8, seed=1_000, out=str(run),
              video=0, progress="plain")  # fmt: skip
    elif told["status"] != "finished":
        train(resume=str(run), progress="plain")
    if not file.exists():
        collect(
            str(run), env=game.env, episodes=10, snapshot_every=10, out=str(file), seed=1_000, progress="plain"
        ).show()
    return file


def prepare(game: Game, arms: list[str], seeds: list[int], place: Path) -> Path:
    """Writes the study of one environment and returns its file."""
    states = record(game, place)
    study = yaml.safe_load(find("s3rl").read_text(encoding="utf-8"))
    study["base"] |= {
        "env": game.env, "steps": game.steps, "eval_every": game.steps // 10,
        "student": {"class_path": "SB3", "init_args": SAC},
    }  # fmt: skip
    study["arms"] = {name: arm for name, arm in study["arms"].items() if not arms or name in arms}
    for arm in study["arms"].values():
        for teacher in arm["teachers"]:
            own = teacher["init_args"]
            own |= {"trajectories": str(states), "steps": int(PHASE * game.steps)}
            own.setdefault("clusters", CLUSTERS)
    study["contrasts"] = [pair for pair in study["contrasts"] if set(pair) <= set(study["arms"])]
    study["seeds"] = seeds
    file = place / "study.yaml"
    file.write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    return file


def area(outcome: Outcome) -> float:
    """Returns the mean height of a run's learning curve over student steps, by trapezia."""
    x, y = outcome.curve["student_steps"], outcome.curve["mean_return"]
    return float(np.trapezoid(y, x) / (x[-1] - x[0]))


def table(place: Path) -> str:
    """Returns what a study found, in Markdown."""
    declared, outcomes = load_study(place)
    ended = {(o.variant, o.seed): o for o in outcomes if o.ended}
    control = {seed: area(o) for (label, seed), o in ended.items() if label == declared.control}
    lines = [
        "| arm | area under the curve | each run | minus the control's | return at the end |",
        "|---|---|---|---|---|",
    ]
    for variant in declared.variants:
        runs = {seed: o for (label, seed), o in ended.items() if label == variant.label}
        if not runs:
            continue
        areas, end = (
            {seed: area(o) for seed, o in runs.items()},
            estimate([o.final["mean_return"] for o in runs.values()]),
        )
        common = sorted(set(areas) & set(control))
        gap = difference([areas[s] for s in common], [control[s] for s in common])
        whole, each = estimate(list(areas.values())), ", ".join(f"{a:.0f}" for a in areas.values())
        less = "" if variant.label == declared.control else f"{gap.value:+.0f} [{gap.low:.0f}, {gap.high:.0f}]"
        lines.append(
            f"| {variant.label} | {whole.value:.0f} [{whole.low:.0f}, {whole.high:.0f}] | {each} | {less} "
            f"| {end.value:.0f} [{end.low:.0f}, {end.high:.0f}] |"
        )
    return "\n".join(lines)


def main() -> None:
    """Runs the games that are named, `hopper` if none is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("games", nargs="*", help=f"of {', '.join(GAMES)}")
    parser.add_argument("--arms", nargs="*", default=[], help="of the study, all by default")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each arm")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    parser.add_argument("--out", default="runs/s3rl", help="where teachers and studies are kept")
    given = parser.parse_args()
    names = given.games or ["hopper"]
    if unknown := sorted(set(names) - set(GAMES)):
        parser.error(f"there is no game {', '.join(unknown)}; there are {', '.join(GAMES)}")
    for name in names:
        place = Path(given.out) / name
        place.mkdir(parents=True, exist_ok=True)
        file = prepare(GAMES[name], given.arms, list(range(given.seeds)), place)
        print(ablate(str(file), jobs=given.jobs, progress="plain"), flush=True)
        print(f"\n### {GAMES[name].env}, {GAMES[name].steps:,} steps\n\n{table(file.with_suffix(''))}\n", flush=True)


if __name__ == "__main__":
    main()
