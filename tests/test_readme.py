"""Everything the README shows runs as it stands."""

from __future__ import annotations

import functools
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
FENCED = re.findall(r"^```(\w*)\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)
PYTHON = [code for language, code in FENCED if language == "python"]
SHELL = [line.split("  #")[0].strip() for language, code in FENCED if not language for line in code.splitlines()]
COMMANDS = [line for line in SHELL if line.startswith("teachrl ")]
STUDIES = [code for language, code in FENCED if language == "yaml"]


def block(mark: str) -> str:
    (found,) = [code for code in PYTHON if mark in code]
    return found


def test_a_stable_baselines_script_is_taught() -> None:
    code = (
        block("taught(")
        .replace("1_000_000", "4_096")
        .replace('"MlpPolicy"', '"MlpPolicy", n_steps=256, device="cpu"', 1)
    )
    code = code.replace(
        'PPO("MlpPolicy", n_steps=256, device="cpu", taught', 'PPO("MlpPolicy", n_steps=256, device="cpu", env=taught'
    )
    code = code.replace("ALPGMM()", "ALPGMM(fit_rate=20)")
    names: dict[str, Any] = {}
    exec(code, names)
    model = names["model"]
    assert model.num_timesteps == 4_096
    teacher = model.env.venv.classroom.teachers[0] if hasattr(model.env, "venv") else model.env.classroom.teachers[0]
    assert len(teacher.gaussians()["means"]) >= 2


def test_a_teacher_of_ones_own_is_eight_lines_and_teaches(tmp_path: Path) -> None:
    code = block("class Ladder")
    body = code[code.index("class Ladder") :].rstrip().splitlines()
    assert len(body) <= 8
    names: dict[str, Any] = {}
    exec(code, names)
    from teachrl import train
    from teachrl_agents import SimulatedStudent

    run = train(
        env="TeachRL/Hypercube-v0",
        teachers=names["Ladder"](0.02),
        student=SimulatedStudent(),
        steps=800,
        num_envs=1,
        out=str(tmp_path / "run"),
        video=0,
        progress="none",
    )
    (teacher,) = [t for t in run.classroom.teachers if type(t).__name__ == "Ladder"]
    assert teacher.level > 0.1  # type: ignore[attr-defined]


def test_a_run_from_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    code = (
        block("run.evaluation")
        .replace("100_000", "2_000")
        .replace('"PPO", ', '"PPO", hyperparameters={"n_steps": 128}, ')
    )
    exec(code, {})
    assert "TeachRL-PointMass-v0" in capsys.readouterr().out


def test_an_environment_of_ones_own_passes_the_checks() -> None:
    from teachrl.testing import check_env

    names: dict[str, Any] = {}
    exec(block("class Hill"), names)
    check_env(names["Hill"])


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_is_understood(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flags, names and types are those of the verb's function, which itself is not run here."""
    from teachrl import cli

    verb = cli.VERBS[line.split()[1]]
    function = verb.load()
    given: list[dict[str, Any]] = []
    record = functools.wraps(function)(lambda **arguments: given.append(arguments))
    load = cli.Verb.load
    monkeypatch.setattr(cli.Verb, "load", lambda asked: record if asked is verb else load(asked))
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "mypackage.py").write_text(
        "from teachrl import TaskTeacher\nclass MyTeacher(TaskTeacher):\n"
        "    def __init__(self, k: int = 1) -> None:\n        self.k = k\n"
    )
    (tmp_path / "runs" / "a").mkdir(parents=True)
    (tmp_path / "runs" / "a" / "config.yaml").write_text("env: TeachRL/PointMass-v0\nsteps: 100\n")
    monkeypatch.chdir(tmp_path)
    assert cli.main(shlex.split(line)[1:]) == 0
    assert len(given) == 1


@pytest.mark.parametrize("text", STUDIES)
def test_every_study_is_one(text: str) -> None:
    from teachrl.studies.study import Study

    study = Study.parse(text, "mine")
    assert len(study.variants()) > len(study.arms)


def test_the_readme_has_its_commands() -> None:
    assert {line.split()[1] for line in COMMANDS} == {
        "train", "evaluate", "distill", "collect", "plan-subgoals", "ablate", "report", "watch", "list",
    }  # fmt: skip
    assert len(PYTHON) >= 4
    assert STUDIES
