"""What subgoals buy, as found: the ready study `words_as_beacons`, in one maze after the other.

    OMP_NUM_THREADS=1 python benchmarks/words_as_beacons.py [rooms corridor ...] [--arms none positions]
    python benchmarks/words_as_beacons.py --cost

How soon is by the return while the teachers are at work, as in the paper, to the resolution of the evaluations; a run
that does not get there counts as censored. Beside it stands what the student is worth without any provider, on the
test levels. The student's settings were chosen for the arm `none`, on a seed that is not among these. A study that was
stopped goes on, and trials that have finished are not repeated. `--cost` measures steps a second in a classroom of 16
environments with random actions, with subgoals and without, taking turns.
"""

from __future__ import annotations

import argparse
import statistics
import time
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import yaml

from teachrl import Classroom, make_vec
from teachrl.studies.ablate import ablate
from teachrl.studies.library import find
from teachrl.studies.reaching import Reach, reaches
from teachrl.studies.records import load_study
from teachrl.studies.statistics import estimate
from teachrl.teachers import WordsAsBeacons


@dataclass(frozen=True)
class Maze:
    """An environment of the study and how long its students learn."""

    env: str
    steps: int
    eval_every: int


MAZES = {
    "rooms": Maze("TeachRL/MiniGrid-MultiRoom-N2-S4-v0", 150_000, 2_048),
    "more-rooms": Maze("TeachRL/MiniGrid-MultiRoom-N4-S5-v1", 1_000_000, 20_480),
    "corridor": Maze("TeachRL/MiniGrid-KeyCorridorS3R3-v0", 1_000_000, 20_480),
    "long-corridor": Maze("TeachRL/MiniGrid-KeyCorridorS6R3-v0", 2_000_000, 102_400),
    "box": Maze("TeachRL/MiniGrid-ObstructedMaze-1Dlh-v0", 2_000_000, 102_400),
    "blocked-box": Maze("TeachRL/MiniGrid-ObstructedMaze-1Dlhb-v0", 2_000_000, 102_400),
}


def prepare(maze: Maze, arms: list[str], seeds: list[int], place: Path) -> Path:
    """Writes the study of one maze and returns its file."""
    study = yaml.safe_load(find("words_as_beacons").read_text(encoding="utf-8"))
    study["base"] |= {"env": maze.env, "steps": maze.steps, "eval_every": maze.eval_every}
    study["arms"] = {name: arm for name, arm in study["arms"].items() if not arms or name in arms}
    study["contrasts"] = [pair for pair in study["contrasts"] if set(pair) <= set(study["arms"])]
    study["seeds"] = seeds
    place.parent.mkdir(parents=True, exist_ok=True)
    file = place.with_suffix(".yaml")
    file.write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    return file


def table(place: Path) -> str:
    """Returns what a study found, in Markdown."""
    declared, outcomes = load_study(place)
    lines = [
        "| arm | got there | steps, median | each run | the control's over its own | return without provider |",
        "|---|---|---|---|---|---|",
    ]
    for reach in reaches(declared, outcomes):
        finals = [o.final["mean_return"] for o in outcomes if o.variant == reach.variant and o.ended]
        left = estimate(finals)
        ends = "" if np.isnan(left.low) else f" [{left.low:.2f}, {left.high:.2f}]"
        each = ", ".join(f"{s:,.0f}" if s is not None else f"> {reach.budget:,.0f}" for s in reach.steps.values())
        lines.append(
            f"| {reach.variant} | {sum(s is not None for s in reach.steps.values())} of {len(reach.steps)} "
            f"| {'–' if reach.median is None else f'{reach.median:,.0f}'} | {each} | {_factor(reach)} "
            f"| {left.value:.2f}{ends} |"
        )
    return "\n".join(lines)


def _factor(reach: Reach) -> str:
    if reach.factor is None:
        return "1"
    if reach.bound == "unknown":
        return "not seen"
    low, high = reach.factor.low, reach.factor.high
    ends = "" if np.isnan(low) or np.isnan(high) else f" [{low:.2g}, {'∞' if np.isinf(high) else f'{high:.2g}'}]"
    return f"{reach.bound} {reach.factor.value:.2f}{ends}".strip()


def cost(steps: int = 600, rounds: int = 7) -> str:
    """Returns steps a CPU second with subgoals over those without, medians of rounds that take turns."""
    with closing(make_vec(MAZES["rooms"].env, 16)) as with_, closing(make_vec(MAZES["rooms"].env, 16)) as without:
        rooms = [Classroom(without, [], seed=0), Classroom(with_, [WordsAsBeacons()], seed=0)]
        seconds = [[_played(room, steps) for room in rooms] for _ in range(rounds + 1)][1:]
    plain, guided = (statistics.median(column) for column in zip(*seconds, strict=True))
    ratios = sorted(a / b for a, b in seconds)
    return (
        f"{16 * steps / plain:,.0f} steps a CPU second without, {16 * steps / guided:,.0f} with subgoals: "
        f"{plain / guided:.2f} times ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    )


def _played(room: Classroom, steps: int) -> float:
    room.reset()
    actions = np.random.default_rng(0).integers(7, size=(steps, 16))
    began = time.process_time()
    for row in actions:
        room.step(row)
    return time.process_time() - began


def main() -> None:
    """Runs the mazes that are named, `rooms` and `corridor` if none is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mazes", nargs="*", help=f"of {', '.join(MAZES)}")
    parser.add_argument("--arms", nargs="*", default=[], help="of the study, all by default")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each arm")
    parser.add_argument("--steps", type=int, help="of a run, in place of the maze's own number")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    parser.add_argument("--out", default="runs/words_as_beacons", help="where studies are kept")
    parser.add_argument("--cost", action="store_true", help="measure steps a second instead")
    given = parser.parse_args()
    if given.cost:
        print(cost())
        return
    names = given.mazes or ["rooms", "corridor"]
    if unknown := sorted(set(names) - set(MAZES)):
        parser.error(f"there is no maze {', '.join(unknown)}; there are {', '.join(MAZES)}")
    for name in names:
        maze = replace(MAZES[name], steps=given.steps or MAZES[name].steps)
        file = prepare(maze, given.arms, list(range(given.seeds)), Path(given.out) / name)
        print(ablate(str(file), jobs=given.jobs, progress="plain"), flush=True)
        print(f"\n### {maze.env}, {maze.steps:,} steps\n\n{table(file.with_suffix(''))}\n", flush=True)


if __name__ == "__main__":
    main()
