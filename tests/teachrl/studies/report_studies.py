"""Studies and runs for the tests of the report."""

from __future__ import annotations

import numpy as np

from teachrl.runs import train
from teachrl.studies.outcomes import Declared, Outcome, Variant
from teachrl.teachers import Uniform
from teachrl_agents import SimulatedStudent

EFFECTS = {"uniform": 0.1, "alp-gmm": 0.5, "alp-gmm shuffled": 0.2, "alp-gmm yoked": 0.4}
ROLES = {"alp-gmm shuffled": "shuffled", "alp-gmm yoked": "yoked"}
TEACHERS = {"uniform": "Uniform", "alp-gmm": "ALPGMM"}


def small_run(place, dims=2, steps=160, dummies=0, teacher=None, seed=0):
    """A real run of a moment on the toy, evaluated four times while it learns."""
    train(
        env="TeachRL/Hypercube-v0", env_kwargs={"dims": dims, "cubes": 4, "dummies": dummies},
        teachers=[teacher or Uniform()], student=SimulatedStudent(cubes=4, dims=dims), steps=steps, num_envs=1,
        eval_every=steps // 4, checkpoint_every=steps // 2, seed=seed, out=str(place), loggers=[], video=0,
        pictures=False, progress="none",
    )  # fmt: skip
    return place


def declared_study(seeds=10, causal=True, metric="success_rate", question="Does it help?"):
    """A plan of two arms, with causal controls if asked for."""
    labels = list(EFFECTS) if causal else ["uniform", "alp-gmm"]
    variants = [
        Variant(
            label, "uniform" if label == "uniform" else "alp-gmm", ROLES.get(label, "arm"), {},
            {
                "env": "TeachRL/Hypercube-v0", "steps": 160, "num_envs": 1,
                "student": {"class_path": "SimulatedStudent"},
                "teachers": [{"class_path": TEACHERS.get(label, "Replay"), "init_args": {}}],
            },
        )
        for label in labels
    ]  # fmt: skip
    contrasts, when = [("alp-gmm", "uniform")], "2026-01-02T10:00:00Z"
    return Declared("toy", question, variants, "uniform", metric, contrasts, list(range(seeds)), when)


def outcomes_of(declared, directories=None, failed=(), waiting=()):
    """Trials of a plan with made-up results; `directories` by label and seed."""
    rng = np.random.default_rng(0)
    found = []
    for variant in declared.variants:
        for seed in declared.seeds:
            name = (f"{len(found):012x}", variant.label, seed)
            place = (directories or {}).get((variant.label, seed))
            if (variant.label, seed) in failed:
                error = "Traceback (most recent call last):\nValueError: </script><b>no</b>"
                found.append(Outcome(*name, "failed", place, error=error))
            elif (variant.label, seed) in waiting:
                found.append(Outcome(*name, "waiting"))
            else:
                end = EFFECTS[variant.label] + rng.normal(0, 0.03)
                curve = np.linspace(0.25, 1, 4) * end
                steps = np.linspace(40, 160, 4)
                final = {"success_rate": end, "mastered": end, "mean_return": 10 * end}
                axes = {
                    "student_steps": steps,
                    "total_steps": 2 * steps,
                    "cpu_seconds": steps * rng.uniform(0.01, 0.02),
                }
                metrics = {"success_rate": curve, "mastered": curve, "mean_return": 10 * curve}
                found.append(Outcome(*name, "finished", place, final, {**axes, **metrics}))
    return found


def distilled(seed=0, hacks=False, validations=10):
    """Rows of metrics.jsonl of a distillation, one training round before each validation."""
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(validations):
        steps, loss = 1000 * (k + 1), 0.5 * 0.7**k * rng.uniform(0.97, 1.03)
        value = 400 * (1 - 0.6**k) - (60 * max(0, k - 4) if hacks else 0) + rng.uniform(-2, 2)
        there, own = 1 - 0.3 * 0.8**k, 1 - 0.45 * 0.9**k
        train = {"train/proxy_loss": 2 * loss, "train/privileged_loss": loss, "train/loss": loss}
        counted = {name: steps for name in ("steps", "student_steps", "total_steps", "cpu_seconds", "wall_seconds")}
        rows.append({**{name: steps - 500 for name in counted}, **train})
        told = {
            "return": value, "proxy_loss": loss, "agreement": own, "teacher_agreement": there,
            "entropy": 0.6 - 0.02 * k, "covariate_shift": there - own, "calibration_error": 0.1,
            "hacking": float(hacks and k > 7),
        }  # fmt: skip
        rows.append({**counted, **train, **{f"eval/{n}": v for n, v in told.items()}})
    return rows
