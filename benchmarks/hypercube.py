"""The toy of the ALP-GMM paper: share of mastered cubes after 20,000 episodes, beside the original code's figures.

One environment, a simulated student, the teachers' default arguments. The figures to meet are those of the original
teachers in the original toy, run unmodified; within max(2 standard deviations, 1 cube).

    python benchmarks/hypercube.py [--seeds 5] [--episodes 20000]
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

from teachrl import Classroom, Teacher, make_vec
from teachrl.playing import play
from teachrl.teachers import ALPGMM, Uniform
from teachrl_agents import SimulatedStudent

TEACHERS: dict[str, type[Teacher]] = {"Uniform": Uniform, "ALPGMM": ALPGMM}
SETTINGS = {"2-D": {"dims": 2, "cubes": 10, "dummies": 0}, "2-D, 10 dummies": {"dims": 2, "cubes": 10, "dummies": 10}}
ORIGINAL = {  # mean and standard deviation of mastered cubes in percent, 5 seeds, at 20,000 episodes
    ("2-D", "Uniform"): (4.0, 0.0),
    ("2-D", "ALPGMM"): (36.4, 4.4),
    ("2-D, 10 dummies", "Uniform"): (4.0, 0.0),
    ("2-D, 10 dummies", "ALPGMM"): (50.0, 1.6),
}


def mastered(setting: str, teacher: str, seed: int, episodes: int) -> tuple[float, float]:
    """Returns the percentage of mastered cubes, and the CPU seconds of teaching."""
    envs = make_vec("TeachRL/Hypercube-v0", 1, env_kwargs=SETTINGS[setting])
    classroom = Classroom(envs, TEACHERS[teacher](), seed=seed)
    student = SimulatedStudent()
    student.begin(classroom, np.random.SeedSequence(seed), episodes)
    begin = time.process_time()
    student.learn(episodes)
    seconds = time.process_time() - begin
    played = play(envs.make_another(num_envs=100), student.policy, list(envs.task_suite("test").values()))
    return 100 * statistics.mean(bool(episode.success) for episode in played), seconds


def main() -> None:
    """Runs every setting, and prints a line for each teacher."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="runs of each teacher in each setting")
    parser.add_argument("--episodes", type=int, default=20_000, help="length of a run")
    arguments = parser.parse_args()
    for setting in SETTINGS:
        for teacher in TEACHERS:
            runs = [mastered(setting, teacher, seed, arguments.episodes) for seed in range(arguments.seeds)]
            shares, seconds = [share for share, _ in runs], [second for _, second in runs]
            mean = statistics.mean(shares)
            line = f"{setting:16} {teacher:8} {mean:5.1f} +- {statistics.pstdev(shares):4.1f} % mastered"
            line += f", {statistics.mean(seconds):5.1f} CPU s a run"
            if arguments.episodes == 20_000:
                expected, deviation = ORIGINAL[setting, teacher]
                verdict = "within" if abs(mean - expected) <= max(2 * deviation, 1.0) else "OUTSIDE"
                line += f"; the original {expected:4.1f} +- {deviation:3.1f}: {verdict}"
            print(line, flush=True)


if __name__ == "__main__":
    main()
