"""The command line with a `train` that only writes down what it was called with."""

from __future__ import annotations

import functools
import shlex
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import pytest

from teachrl import cli
from teachrl.configurable import to_config
from teachrl.errors import InvalidRun
from teachrl.student import Student
from teachrl.teachers import ALPGMM, Uniform

HERE = __name__


class Pupil(Student):
    """A student that only has arguments.

    Args:
        algorithm: Which one.
    """

    def __init__(
        self, algorithm: str = "PPO", normalize: bool = False, hyperparameters: Mapping[str, Any] = {}
    ) -> None:
        self.algorithm = algorithm
        self.normalize = normalize
        self.hyperparameters = hyperparameters


class Ready(gymnasium.Env[Any, Any]):
    """An environment that knows how it is best trained on."""

    training_defaults: ClassVar[dict[str, Any]] = {
        "steps": 1234,
        "num_envs": 3,
        "student": {"class_path": f"{HERE}.Pupil"},
    }

    def __init__(self, size: int = 3) -> None:
        self.size = size


def train(
    env: str = "",
    env_kwargs: Mapping[str, Any] = {},
    wrappers: Sequence[Any] = (),
    view: str = "student",
    teachers: Any = (),
    disable: Sequence[str] = (),
    student: Student | None = None,
    steps: int = 0,
    num_envs: int = 1,
    workers: int = 0,
    seed: int = 0,
    out: str | Path | None = None,
    eval_every: int | str = "auto",
    resume: str | Path | None = None,
) -> None:
    """Writes down its arguments.

    Args:
        env: The environment's id.
    """
    if out == "runs/taken":
        raise InvalidRun("runs/taken exists already.")
    if out == "runs/interrupted":
        raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    made: list[dict[str, Any]] = []

    @functools.wraps(train)
    def record(**kwargs: Any) -> None:
        made.append(kwargs)
        train(**kwargs)

    load = cli.Verb.load
    monkeypatch.setattr(cli.Verb, "load", lambda verb: record if verb is cli.VERBS["train"] else load(verb))
    monkeypatch.setattr(sys, "path", list(sys.path))
    gymnasium.register("Ready-v0", entry_point=Ready)
    yield made
    gymnasium.registry.pop("Ready-v0")


def run(line: str) -> int:
    return cli.main(shlex.split(line))


def test_the_quickstart(calls: list[dict[str, Any]]) -> None:
    assert run("train") == 0
    (given,) = calls
    assert given["env"] == "TeachRL/StumpTracks-v0"
    assert [type(t) for t in given["teachers"]] == [ALPGMM]
    assert type(given["student"]).__name__ == "PPO"
    assert (given["student"].n_steps, given["student"].normalize_rewards) == (256, True)
    assert given["num_envs"] == 8


def test_the_issues_example(calls: list[dict[str, Any]]) -> None:
    line = "--teacher.fit_rate 150 --student SB3 --student.algorithm SAC --steps 5e4 --seed 3 --out runs/a"
    assert run(f"train --env TeachRL/StumpTracks-v0 --teacher ALPGMM {line}") == 0
    (given,) = calls
    assert to_config(given["teachers"]) == to_config([ALPGMM(fit_rate=150)])
    assert given["student"].algorithm == "SAC"
    assert given["student"].normalize is False  # a named student brings nothing of the quickstart's
    assert given["student"].hyperparameters == {}
    assert (given["steps"], given["seed"], given["out"]) == (50_000, 3, "runs/a")
    assert isinstance(given["steps"], int)


def test_dotted_flags_belong_to_the_teacher_before_them(calls: list[dict[str, Any]]) -> None:
    line = "--teacher Uniform --teacher ALPGMM --teacher.fit-rate 1e2 --teacher.reward_range [0,500]"
    assert run(f"train {line} --student.normalize_rewards false --student.learning_rate 1e-3") == 0
    uniform, alp = calls[0]["teachers"]
    assert type(uniform) is Uniform
    assert (alp.fit_rate, alp.reward_range) == (100, (0.0, 500.0))
    student = calls[0]["student"]
    assert student.normalize_rewards is False
    assert student.learning_rate == 1e-3
    assert student.batch_size == 512  # the quickstart's student is still there


def test_one_more_parameter_for_the_quickstarts_teacher(calls: list[dict[str, Any]]) -> None:
    assert run("train --teacher.fit_rate 50 --env-kwargs.legs short") == 0
    assert calls[0]["teachers"][0].fit_rate == 50
    assert calls[0]["env_kwargs"] == {"legs": "short"}


@pytest.mark.parametrize("words", ["--env TeachRL/PointMass-v0", "--env CartPole-v1", "--teachers []"])
def test_no_default_teacher_for_a_named_environment(calls: list[dict[str, Any]], words: str) -> None:
    assert run(f"train {words}") == 0
    assert calls[0]["teachers"] == []
    assert "env_kwargs" not in calls[0]


def test_an_environment_recommends_how_to_train(calls: list[dict[str, Any]]) -> None:
    assert run("train --env Ready-v0 --env_kwargs.size 4") == 0
    assert (calls[0]["steps"], calls[0]["num_envs"], type(calls[0]["student"])) == (1234, 3, Pupil)
    assert calls[0]["env_kwargs"] == {"size": 4}
    assert run("train --env Ready-v0 --steps 50_000 --student SB3") == 0
    assert (calls[1]["steps"], type(calls[1]["student"]).__name__) == (50_000, "SB3")


@pytest.mark.parametrize(
    ("words", "kept"),
    [("", True), ("--teacher Uniform", True), ("--steps 5e4", False), ("--env Ready-v0", False)],
)
def test_the_quickstarts_interval_of_evaluations_is_for_its_own_length(
    calls: list[dict[str, Any]], words: str, kept: bool
) -> None:
    assert run(f"train {words}") == 0
    assert ("eval_every" in calls[0]) is kept
    assert run(f"train {words} --eval_every 1e3") == 0
    assert calls[1]["eval_every"] == 1000


def test_another_algorithm_does_not_get_what_was_chosen_for_the_one_before(calls: list[dict[str, Any]]) -> None:
    assert run("train --env TeachRL/PointMass-v0 --student.algorithm SAC --student.hyperparameters.tau 0.01") == 0
    assert calls[0]["student"].hyperparameters == {"tau": 0.01}
    assert run("train --env TeachRL/PointMass-v0 --student.algorithm PPO") == 0
    assert calls[1]["student"].hyperparameters["n_steps"] == 128


def test_an_impossible_recommendation(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(Ready, "training_defaults", {"seed": 3})
    assert run("train --env Ready-v0") == 2
    assert "training_defaults of Ready-v0" in capsys.readouterr().err


def test_wrappers(calls: list[dict[str, Any]]) -> None:
    line = "--env CartPole-v1 --wrapper Parametrised --wrapper.attributes.unwrapped.length [0.2,2]"
    line += " --wrapper.attributes.unwrapped.gravity [5,15] --wrapper.observe_task true --wrapper TimeAwareObservation"
    assert run(f"train {line}") == 0
    parametrised, aware = calls[0]["wrappers"]
    assert parametrised == {
        "class_path": "teachrl_envs.parametrised.Parametrised",
        "init_args": {
            "attributes": {"unwrapped.length": [0.2, 2.0], "unwrapped.gravity": [5.0, 15.0]},
            "observe_task": True,
        },
    }
    assert aware["class_path"].endswith(".TimeAwareObservation")
    assert aware["init_args"] == {}


def test_configs(calls: list[dict[str, Any]], tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        textwrap.dedent(f"""
        env: CartPole-v1
        env_kwargs: {{sutton_barto_reward: true}}
        wrappers: [{{class_path: Parametrised, init_args: {{attributes: {{unwrapped.length: [0.2, 2]}}}}}}]
        teachers: [Uniform, {{class_path: ALPGMM, init_args: {{fit_rate: 100}}}}]
        student: {{class_path: {HERE}.Pupil, init_args: {{algorithm: A, hyperparameters: {{b: 1}}}}}}
        steps: 3e3
        seed: 1
        """)
    )
    assert run(f"train --config {path} --seed 4") == 0
    given = calls.pop()
    assert (given["env"], given["steps"], given["seed"], given["num_envs"]) == ("CartPole-v1", 3000, 4, 8)
    assert [type(t) for t in given["teachers"]] == [Uniform, ALPGMM]
    assert given["env_kwargs"] == {"sutton_barto_reward": True}
    assert len(given["wrappers"]) == 1
    assert run(f"train --config {path} --teacher.fit_rate 30 --student.hyperparameters.c 2") == 0
    given = calls.pop()
    assert [type(t) for t in given["teachers"]] == [Uniform, ALPGMM]
    assert given["teachers"][1].fit_rate == 30
    assert given["student"].init_args == {"algorithm": "A", "normalize": False, "hyperparameters": {"b": 1, "c": 2}}
    assert run(f"train --config {path} --teacher Uniform --env TeachRL/PointMass-v0") == 0
    given = calls.pop()
    assert [type(t) for t in given["teachers"]] == [Uniform]
    assert "env_kwargs" not in given
    assert given["wrappers"] == []


def test_resuming_gives_train_what_was_given_only(
    calls: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("train --resume runs/a --steps 1e6") == 0
    assert calls == [{"resume": "runs/a", "steps": 1_000_000}]
    assert run("train --resume runs/a --teacher ALPGMM") == 2
    assert "continues a run with its own teachers" in capsys.readouterr().err


def test_a_class_of_ones_own_in_the_current_directory(
    calls: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mypackage_of_one").mkdir()
    (tmp_path / "mypackage_of_one" / "__init__.py").write_text(
        "from teachrl import TaskTeacher\n\nclass MyTeacher(TaskTeacher):\n"
        "    def __init__(self, k: int = 1):\n        self.k = k\n"
    )
    monkeypatch.chdir(tmp_path)
    assert run("train --teacher mypackage_of_one.MyTeacher --teacher.k 5") == 0
    (teacher,) = calls[0]["teachers"]
    assert (teacher.class_path, teacher.k) == ("mypackage_of_one.MyTeacher", 5)
    sys.modules.pop("mypackage_of_one")


@pytest.mark.parametrize(
    ("line", "messages"),
    [
        ("trian", ["There is no verb 'trian'. Did you mean 'train'?"]),
        ("train --teacher ALPGM", ["There is no teacher 'ALPGM'. Did you mean 'ALPGMM'?"]),
        ("train --student SB4", ["There is no student 'SB4'. Did you mean 'SB3'?"]),
        ("train --env TeachRL/StumpTrack-v0", ["Did you mean 'TeachRL/StumpTracks-v0'"]),
        ("train --env CartPole-v1 --wrapper Parametrise", ["There is no wrapper 'Parametrise'", "'Parametrised'"]),
        ("train --teacher ALPGMM --teacher.fit_rat 150", ["Did you mean fit_rate?", "  fit_rate: int = 250\n"]),
        ("train --teacher ALPGMM --teacher.fit_rate many", ["ALPGMM.fit_rate must be of type int, got 'many'."]),
        ("train --student SB3 --student.normalize maybe", ["SB3.normalize must be of type bool, got 'maybe'."]),
        ("train --env-kwargs.leg short", ["has no parameter leg. Did you mean legs?", "  legs: "]),
        ("train --stepz 5", ["train has no parameter --stepz. Did you mean --steps", "  --steps: int"]),
        ("train --steps lots", ["--steps must be of type int, got 'lots'."]),
        ("train --seed 1.5", ["--seed must be of type int, got '1.5'."]),
        ("train --steps", ["--steps needs a value"]),
        ("train --steps --seed 3", ["--steps needs a value"]),
        ("train runs/a", ["'runs/a' belongs to no flag"]),
        ("train --env CartPole-v1 --teacher.k 5", ["--teacher.k has no teacher before it"]),
        ("train --config nowhere.yaml", ["The config nowhere.yaml cannot be read"]),
        ("train --teacher ALPGMM --help --teacher ALPGM", ["There is no teacher 'ALPGM'"]),
        ("list --wat teachers", ["list has no parameter --wat. Did you mean --what?"]),
    ],
)
def test_a_wrong_command_line_is_one_clear_message(
    capsys: pytest.CaptureFixture[str], calls: list[dict[str, Any]], line: str, messages: list[str]
) -> None:
    assert run(line) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert calls == []
    for message in messages:
        assert message in printed.err
    for noise in ("Traceback", "Subtypes", "Union", "Parser key"):
        assert noise not in printed.err


def test_a_run_that_fails_is_code_1_and_an_interrupted_one_130(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train --out runs/taken") == 1
    assert capsys.readouterr().err == "teachrl: runs/taken exists already.\n"
    assert run("train --out runs/interrupted") == 130
    assert "interrupted" in capsys.readouterr().err
    assert run("list nothing-of-that-name") == 1


def test_negative_numbers_and_equals_signs(calls: list[dict[str, Any]]) -> None:
    assert run("train --teacher=ALPGMM --teacher.reward_range=[-5,1e1] --seed=0 --student.ent_coef -1") == 0
    assert calls[0]["teachers"][0].reward_range == (-5.0, 10.0)
    assert calls[0]["student"].ent_coef == -1


def test_one_value_for_a_list(calls: list[dict[str, Any]]) -> None:
    assert run("train --disable tasks") == 0
    assert run("train --disable [tasks,ALPGMM.tasks]") == 0
    assert run("train --disable tasks --disable+=ALPGMM.tasks") == 0
    assert [given["disable"] for given in calls] == [["tasks"], ["tasks", "ALPGMM.tasks"], ["tasks", "ALPGMM.tasks"]]


def test_the_long_spelling(calls: list[dict[str, Any]]) -> None:
    assert run("train --teachers+=Uniform --teachers+=ALPGMM --teachers.fit_rate 5") == 0
    assert to_config(calls[0]["teachers"]) == to_config([Uniform(), ALPGMM(fit_rate=5)])
    assert run("train --teachers '[{class_path: ALPGMM, init_args: {fit_rate: 7}}]' --teacher.em_inits 2") == 0
    assert to_config(calls[1]["teachers"]) == to_config([ALPGMM(fit_rate=7, em_inits=2)])
