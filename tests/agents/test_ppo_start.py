"""PPO that goes on from what a run has learned."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from student_toys import begun, differences

from teachrl import Classroom, make_vec
from teachrl.distillation import DAgger, Distiller, Kickstart
from teachrl.errors import InvalidHyperparameter, InvalidRun, TeachrlError
from teachrl.runs import distill, evaluate, examine, train
from teachrl.runs.checkpoint import load_tree
from teachrl.runs.directory import RunDirectory
from teachrl.runs.run_policy import RunPolicy
from teachrl_agents import MLP, PPO, SB3, Recurrent

POLE, PENDULUM = "TeachRL/CartPolePositions-v0", "TeachRL/PendulumPositions-v0"
QUIET: dict[str, Any] = {"video": 0, "pictures": False, "loggers": [], "progress": "none", "eval_every": "never"}
RIGHT = f"{__name__}:right"
SMALL: dict[str, Any] = {"n_steps": 16, "batch_size": 16, "n_epochs": 2}


def right(observations: Any) -> Any:
    return (observations[..., 2] > 0).astype(np.int64)


@pytest.fixture(autouse=True)
def few_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    original = examine.Examiner.suite
    monkeypatch.setattr(examine.Examiner, "suite", lambda self, name: dict(list(original(self, name).items())[:2]))


@pytest.fixture(scope="module")
def pupil(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Returns the run of a student with a memory that was distilled a little."""
    place = tmp_path_factory.mktemp("runs") / "pupil"
    method = DAgger(horizon=16, epochs=1)
    distill(RIGHT, POLE, student=Recurrent(8, vectors=(8,)), method=method, steps=64, num_envs=2, out=str(place),
            select="last", **QUIET)  # fmt: skip
    return str(place)


def room(env: str = POLE, **kwargs: Any) -> Classroom:
    return Classroom(make_vec(env, 2), seed=1, **kwargs)


def actor(net: torch.nn.Module) -> dict[str, Any]:
    """Returns what actions depend on, the statistics of what is seen included."""
    return {k: v for k, v in net.state_dict().items() if not k.startswith("critic") and not k.endswith("frozen")}


def test_it_takes_a_run_as_it_is_and_a_critic_of_its_own(pupil: str) -> None:
    learned = RunPolicy(pupil).load().net  # type: ignore[attr-defined]
    student = begun(room(), PPO(start=pupil, critic_view="teacher", critic_warmup=1, start_std=0.3, **SMALL))
    assert student.net.arguments == learned.arguments
    assert learned.critic is None
    assert student.net.critic_space.shape == (4,)
    assert not differences(actor(student.net), actor(learned))
    observations, first = student._classroom.observed()
    expected, _, _ = learned.policy().answer(observations, None, first)
    assert np.array_equal(student.policy.answer(observations, None, first)[0], expected)
    assert student.state_dict()["scale"] is not None
    student.learn(student.granularity)
    assert not differences(actor(student.net), actor(learned))  # the critic alone has learned
    student.learn(student.granularity)
    assert not torch.equal(student.net.head.linear.weight, learned.head.linear.weight)


def test_a_network_of_its_own_must_be_the_runs(pupil: str) -> None:
    with pytest.raises(InvalidHyperparameter, match="of another network"):
        _ = begun(room(), PPO(MLP(), start=pupil, **SMALL)).net
    same = begun(room(), PPO(Recurrent(8, vectors=(8,)), start=Path(pupil), **SMALL))
    assert not differences(actor(same.net), actor(RunPolicy(pupil).load().net))  # type: ignore[attr-defined]


def test_a_deviation_is_set_where_there_is_one(tmp_path: Path) -> None:
    train(PENDULUM, student=PPO(MLP((8,), std=0.9), **SMALL), steps=32, num_envs=2, out=str(tmp_path / "run"), **QUIET)
    student = begun(room(PENDULUM), PPO(start=str(tmp_path / "run"), start_std=0.25, **SMALL))
    assert student.net.head.log_std.exp().item() == pytest.approx(0.25)
    kept = begun(room(PENDULUM), PPO(start=str(tmp_path / "run"), **SMALL))
    assert kept.net.head.log_std.exp().item() == pytest.approx(0.9, rel=0.05)
    learned = RunPolicy(str(tmp_path / "run")).load().net  # type: ignore[attr-defined]
    assert not differences(kept.net.critic.state_dict(), learned.critic.state_dict())
    assert kept.state_dict()["scale"] is None  # the critic has its own notion of what is usual
    with pytest.raises(InvalidHyperparameter, match="has learned with the action space"):
        _ = begun(room(), PPO(start=str(tmp_path / "run"), **SMALL)).net


def fine_tune(start: str, out: str) -> None:
    train(POLE, student=PPO(start=start, **SMALL), steps=32, num_envs=2, out=out, **QUIET)


def kickstart(start: str, out: str) -> None:
    distill(RIGHT, POLE, method=Kickstart(ppo={**SMALL, "start": start}), steps=32, num_envs=2, out=out, **QUIET)


@pytest.mark.parametrize("begin", [fine_tune, kickstart])
def test_nothing_is_created_where_there_is_nothing_to_start_from(begin: Any, tmp_path: Path) -> None:
    foreign, empty = tmp_path / "foreign", tmp_path / "empty"
    empty.mkdir()
    train(POLE, student=SB3("PPO", hyperparameters=SMALL), steps=32, num_envs=2, out=str(foreign), **QUIET)
    cases: dict[str, tuple[type[TeachrlError], str]] = {
        "none": (InvalidHyperparameter, "that exists"), "empty": (InvalidRun, "empty"),
        "foreign": (InvalidHyperparameter, "one of ours"),
    }  # fmt: skip
    for name, (error, message) in cases.items():
        with pytest.raises(error, match=message):
            begin(str(tmp_path / name), str(tmp_path / "out"))
        assert not (tmp_path / "out").exists()


def test_a_run_goes_on_without_what_it_started_from(pupil: str, tmp_path: Path) -> None:
    start = tmp_path / "start"
    shutil.copytree(pupil, start)
    made: dict[str, Any] = {"num_envs": 2, **QUIET}
    student = {"start": str(start), "critic_view": "teacher", "critic_warmup": 1, **SMALL}
    whole = train(POLE, student=PPO(**student), steps=96, out=str(tmp_path / "whole"), **made)
    half = train(POLE, student=PPO(**student), steps=32, out=str(tmp_path / "half"), **made)
    shutil.rmtree(start)
    found = evaluate(half.directory)
    assert found.mean_return == half.evaluation.mean_return
    train(resume=str(half.directory), steps=96, progress="none")
    a, b = (load_tree(RunDirectory.open(run).checkpoint(), "student") for run in (whole.directory, half.directory))
    assert not differences(a["net"], b["net"])
    assert RunPolicy(str(half.directory)).load().net.arguments == whole.student.net.arguments  # type: ignore[attr-defined]


def test_a_distillation_starts_from_a_run_too(pupil: str, tmp_path: Path) -> None:
    how = Kickstart(ppo={**SMALL, "start": pupil, "critic_warmup": 9})
    run = distill(RIGHT, POLE, student=Recurrent(8, vectors=(8,)), method=how, steps=64, num_envs=2,
                  out=str(tmp_path / "run"), select="last", **QUIET)  # fmt: skip
    learned = RunPolicy(pupil).load().net  # type: ignore[attr-defined]
    student: Any = run.student
    assert torch.equal(student.net.head.linear.weight, learned.head.linear.weight)
    assert not isinstance(student, Distiller)


# Learning


def balance(observations: Any) -> Any:
    return (observations @ np.array([0.05, 0.15, 1.0, 0.5]) > 0).astype(np.int64)


@pytest.mark.slow
def test_a_weak_student_gets_better_and_never_worse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A critic that sees the velocities warms up before the actor moves, so that what was distilled is not lost."""
    monkeypatch.undo()  # all tasks
    made = {**QUIET, "seed": 100, "eval_every": 4096}
    pupil = distill(f"{__name__}:balance", POLE, method=DAgger(), steps=200, select="last",
                    out=str(tmp_path / "pupil"), **{**made, "eval_every": "never"})  # fmt: skip
    before = pupil.evaluation.mean_return
    student = PPO(start=str(pupil.directory), start_std=0.3, critic_view="teacher", critic_warmup=10, n_steps=64)
    run = train(POLE, student=student, steps=20_000, out=str(tmp_path / "run"), **made)
    rows = [json.loads(line) for line in (run.directory / "metrics.jsonl").read_text().splitlines()]
    curve = [row["eval/return"] for row in rows if "eval/return" in row]
    assert before < 400
    assert min(curve) > 0.8 * before
    assert np.mean(curve[-2:]) > before + 100
