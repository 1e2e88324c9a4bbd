"""The command line on real, tiny runs."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from teachrl import cli

TINY = (
    "train --env TeachRL/Hypercube-v0 --env_kwargs.cubes 2 --teacher Uniform --student SimulatedStudent "
    "--student.cubes 2 --steps 2e3 --num-envs 4 --eval_every never"
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def run(line: str) -> int:
    return cli.main(shlex.split(line))


def test_train_evaluate_repeat_and_extend(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(f"{TINY} --out runs/a") == 0
    trained = capsys.readouterr().out
    assert "mastered 4/4" in trained
    assert "runs/a" in trained
    assert run("evaluate runs/a --episodes 2") == 0
    assert "mastered 4/4, mean return" in capsys.readouterr().out
    assert run("train --config runs/a/config.yaml --seed 4 --out runs/b") == 0
    capsys.readouterr()
    assert run("train --resume runs/a --steps 3e3") == 0
    assert "mastered 4/4" in capsys.readouterr().out
    first, second = (here.joinpath("runs", name, "config.yaml").read_text() for name in "ab")
    assert first.replace("steps: 3000", "steps: 2000").replace("seed: 0", "seed: 4") == second


def test_what_cannot_be_run_is_one_message(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "taken").mkdir()
    (here / "taken" / "file").touch()
    for line, message in (
        (f"{TINY} --out taken", "taken exists and is not empty"),
        (f"{TINY} --teacher ALPGMM", "Uniform and ALPGMM both set tasks, but one teacher at most can"),
        ("train --env CartPole-v1 --teacher ALPGMM", "ALPGMM sets tasks, but CartPole-v1 has no task space"),
        ("train --student SB3 --student.hyperparameters.learning_rat 1", "Did you mean 'learning_rate'"),
        ("train --resume taken", "taken is not the directory of a run"),
        ("evaluate nowhere", "nowhere is not a directory"),
        (f"{TINY} --steps 0", "`steps` must be a whole number, at least 1, got 0"),
    ):
        assert run(line) == 1, line
        printed = capsys.readouterr()
        assert message in printed.err
        assert "Traceback" not in printed.err
    assert sorted(path.name for path in here.iterdir()) == ["taken"]
