"""Does the curriculum help? Uniform tasks against ALPGMM, same student, same budget, reported as found.

    python benchmarks/learning.py point-mass             # PPO, 300,000 steps, 5 seeds
    python benchmarks/learning.py stump-tracks           # PPO, 1,000,000 steps, 3 seeds
    python benchmarks/learning.py stump-tracks-sac       # SAC, 150,000 steps, 1 seed

Every run is an ordinary run directory; its test suite is opened once, at its end. Intervals are 95 % percentile
bootstrap intervals of the mean over runs, and with so few seeds they are exploratory.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")


@dataclass(frozen=True)
class Setting:
    """One comparison: an environment, a student, a budget."""

    env: str
    algorithm: str
    normalize: bool
    hyperparameters: dict[str, Any]
    steps: int
    num_envs: int
    seeds: int


STUMPS_PPO = {
    "n_steps": 256,
    "batch_size": 512,
    "gamma": 0.99,
    "clip_range": 0.18,
    "learning_rate": {"schedule": "linear", "from": 5e-4, "to": 5e-5},
}
POINT_MASS_PPO = {"n_steps": 128, "batch_size": 512, "gamma": 0.95, "policy_kwargs": {"log_std_init": 1.0}}
SETTINGS = {
    "point-mass": Setting("TeachRL/PointMass-v0", "PPO", True, POINT_MASS_PPO, 300_000, 16, 5),
    "stump-tracks": Setting("TeachRL/StumpTracks-v0", "PPO", True, STUMPS_PPO, 1_000_000, 8, 3),
    "stump-tracks-sac": Setting("TeachRL/StumpTracks-v0", "SAC", False, {"learning_starts": 10_000}, 150_000, 8, 1),
}
TEACHERS = ("Uniform", "ALPGMM")


def run(setting: Setting, teacher: str, seed: int, out: Path) -> dict[str, float]:
    """Trains one student, and returns what the test suite says."""
    from teachrl import teachers, train
    from teachrl_agents import SB3

    begin = time.process_time()
    student = SB3(setting.algorithm, normalize=setting.normalize, hyperparameters=setting.hyperparameters)
    result = train(
        env=setting.env,
        teachers=[getattr(teachers, teacher)()],
        student=student,
        steps=setting.steps,
        num_envs=setting.num_envs,
        seed=seed,
        out=out / f"{teacher}-{seed}",
        eval_every=setting.steps // 2,
        checkpoint_every=setting.steps,
        video=0,
    )
    evaluation = result.evaluation
    return {
        "mastered": 100 * evaluation["success_rate"],
        "return": evaluation["mean_return"],
        "cpu": time.process_time() - begin,
    }


def interval(values: Any) -> tuple[float, float]:
    """Returns the 95 % percentile bootstrap interval of the mean over runs."""
    import numpy as np

    rng = np.random.default_rng(0)
    means = rng.choice(np.asarray(values), (10_000, len(values))).mean(axis=1)
    return float(np.percentile(means, 2.5)), float(np.percentile(means, 97.5))


def report(results: dict[tuple[str, int], dict[str, float]], seeds: int) -> None:
    """Prints each teacher's mean and interval, and those of the difference paired by seed."""
    import numpy as np

    for key, unit in (("mastered", "% mastered"), ("return", "mean return")):
        for teacher in TEACHERS:
            values = [results[teacher, seed][key] for seed in range(seeds)]
            low, high = interval(values)
            listed = ", ".join(f"{v:.1f}" for v in values)
            print(f"{teacher:8} {unit:12} {np.mean(values):7.1f} [{low:.1f}, {high:.1f}]   runs: {listed}")
        gains = [results["ALPGMM", seed][key] - results["Uniform", seed][key] for seed in range(seeds)]
        low, high = interval(gains)
        print(f"ALPGMM - Uniform {unit}: {np.mean(gains):.1f} [{low:.1f}, {high:.1f}]\n")
    print(f"CPU seconds a run: {np.mean([r['cpu'] for r in results.values()]):.0f}")


def main() -> None:
    """Runs one comparison, two runs at a time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("setting", choices=SETTINGS)
    parser.add_argument("--out", type=Path, default=Path("runs/learning"), help="where the runs go")
    parser.add_argument("--jobs", type=int, default=2, help="runs at the same time, one core each")
    parser.add_argument("--seeds", type=int, default=None, help="seeds of each teacher")
    parser.add_argument("--steps", type=int, default=None, help="environment steps of a run")
    arguments = parser.parse_args()
    setting = SETTINGS[arguments.setting]
    if arguments.steps:
        setting = Setting(**{**vars(setting), "steps": arguments.steps})
    seeds = arguments.seeds or setting.seeds
    jobs = [(teacher, seed) for seed in range(seeds) for teacher in TEACHERS]
    with ProcessPoolExecutor(arguments.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = {
            job: pool.submit(run, setting, *job, arguments.out / arguments.setting) for job in jobs
        }  # fmt: skip
        results = {job: future.result() for job, future in futures.items()}
    report(results, seeds)


if __name__ == "__main__":
    main()
