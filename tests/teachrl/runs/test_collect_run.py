"""Demonstrations from the command line and back: collected, learned from, evaluated; and what is refused."""

import json
import shlex

import numpy as np
import pytest
import yaml

import teachrl
from teachrl import FromPolicy, cli
from teachrl.errors import InvalidHyperparameter, InvalidTeacher
from teachrl.runs import collect, distill, evaluate
from teachrl.runs.directory import RunDirectory

ENV = "TeachRL/CartPolePositions-v0"
QUIET = {"video": 0, "pictures": False, "loggers": [], "progress": "none", "eval_every": "never"}


def balance(observations):
    return (observations @ np.array([0.05, 0.15, 1.0, 0.5]) > 0).astype(np.int64)


@pytest.fixture(autouse=True)
def few_tasks(monkeypatch):
    from teachrl.runs import examine

    original = examine.Examiner.suite
    monkeypatch.setattr(examine.Examiner, "suite", lambda self, name: dict(list(original(self, name).items())[:2]))


def test_a_student_learns_from_what_was_collected_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = collect(balance, ENV, "demos", steps=1001, num_envs=2, view="teacher", noise=0.1, progress="none")
    assert (found.out, found.steps, found.labelled, found.soft) == ("demos.npz", 1002, 1.0, ())
    assert found.episodes == 2
    assert found.mean_return == 500
    assert found.success == 1
    assert found.size == (tmp_path / "demos.npz").stat().st_size
    method = {"class_path": "BC", "init_args": {"demonstrations": "demos.npz", "rounds": 2, "batch_size": 64}}
    run = distill(env=ENV, view="teacher", student="MLP", method=method, steps=400, num_envs=2, out="run", **QUIET)
    assert run.classroom.counters.labels == 0
    assert run.evaluation.mean_return > 60  # a student that knows nothing falls after some 10 steps
    assert evaluate("run").line == run.evaluation.line
    assert (RunDirectory("run").evaluations / "400-test.json").is_file()  # its own steps: it takes none
    (tmp_path / "demos.npz").rename("gone.npz")
    assert evaluate("run").mean_return == run.evaluation.mean_return


def test_collecting_is_a_function_of_the_seed(tmp_path):
    files = [tmp_path / f"{k}.npz" for k in range(3)]
    for file, seed in zip(files, (3, 3, 4), strict=True):
        collect(balance, ENV, str(file), steps=60, num_envs=2, noise=0.2, seed=seed, progress="none")
    a, b, c = (np.load(file)["observations"] for file in files)
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()


def test_from_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["collect", "--teacher", f"{__name__}:balance", "--env", ENV, "--steps", "1e2", "--out", "demos.npz"]
    assert cli.main(words) == 0
    written, _, command = capsys.readouterr().out.strip().rpartition("Learn from it without the teacher:\n  ")
    assert written.startswith("demos.npz: 104 steps, 0 episodes, labels are bare actions, ")
    small = ["--method.rounds", "1", "--method.epochs", "1", "--steps", "16", "--video", "0", "--pictures", "false"]
    assert cli.main([*shlex.split(command)[1:], *small, "--eval_every", "never", "--out", "run"]) == 0
    capsys.readouterr()
    assert cli.main(words) == 1
    assert "demos.npz exists" in capsys.readouterr().err


def test_the_command_says_the_environment(tmp_path, capsys):
    wrapper = {"class_path": "Parametrised", "init_args": {"attributes": {"unwrapped.length": [0.2, 2.0]}}}
    found = collect(
        balance, "CartPole-v1", str(tmp_path / "a b.npz"), {"sutton_barto_reward": True}, [wrapper], steps=8,
        progress="none",
    )  # fmt: skip
    words = shlex.split(found.command)[1:]
    small = ["--method.rounds", "1", "--steps", "8", "--eval_every", "never", "--video", "0", "--pictures", "false"]
    assert cli.main([*words, *small, "--progress", "none", "--out", str(tmp_path / "run")]) == 0
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert config["env_kwargs"] == {"sutton_barto_reward": True}
    assert config["wrappers"][0]["init_args"] == wrapper["init_args"]
    assert config["student"]["init_args"]["method"]["init_args"]["demonstrations"] == str(tmp_path / "a b.npz")
    assert config["teachers"] == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--env", ENV, "--out", "a"], "name who acts"),
        (["--teacher", "TEACHER", "--out", "a"], "collect needs --env"),
        (["--teacher", "TEACHER", "--env", ENV], "collect needs --out"),
        (["--teacher", "TEACHER", "--env", ENV, "--out", "a", "--noise", "2"], "share of steps, from 0 to 1"),
        (["--teacher", "TEACHER", "--env", ENV, "--out", "a", "--steps", "0"], "at least 1, got 0"),
        (["--teacher", "TEACHER", "--env", ENV, "--out", "a", "--view", "all"], "no view 'all'"),
        (["--teacher", "TEACHER", "--teacher.view", "all", "--env", ENV, "--out", "a"], "no view 'all'"),
        (["--teacher", "TEACHER", "--teacher.channels", "actions", "--env", ENV, "--out", "a"], "gives any"),
        (["--teacher", "planner", "--env", ENV, "--out", "a"], "planner reads the teacher's view"),
        (["--teacher", "nobody", "--env", ENV, "--out", "a"], "no teacher 'nobody'"),
        (["--teacher", "model.zip", "--env", ENV, "--out", "a"], "There is no file"),
        (["--teacher", "TEACHER", "--env", ENV, "--ut", "a"], "Did you mean --out"),
        (["--teacher.tasks", "[[0, 1]]", "--env", ENV, "--out", "a"], "name one first"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(words, expected, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = [f"{__name__}:balance" if word == "TEACHER" else word for word in words]
    assert cli.main(["collect", *words, "--progress", "none"]) > 0
    assert expected in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_teacher_that_fails_leaves_nothing_behind(tmp_path):
    def broken(observations):
        return np.full(len(observations), 2)

    with pytest.raises(InvalidTeacher, match="does not have"):
        collect(FromPolicy(broken), ENV, str(tmp_path / "a.npz"), steps=16, progress="none")
    with pytest.raises(InvalidHyperparameter, match="`num_envs`"):
        collect(balance, ENV, str(tmp_path / "a.npz"), num_envs=0)
    assert not list(tmp_path.iterdir())


def test_help_teaches(capsys):
    assert cli.main(["collect", "--help"]) == 0
    text = capsys.readouterr().out
    assert "teachrl collect --teacher runs/teacher" in text
    assert "--teacher.tasks BOUNDS" in text
    assert "--student" not in text.replace("runs/student", "")
    assert teachrl.collect is collect


def test_missing_demonstrations_are_told_before_a_run_is_made(tmp_path, capsys):
    words = ["distill", "--env", ENV, "--method", "BC", "--method.demonstrations", "no.npz", "--out"]
    assert cli.main([*words, str(tmp_path / "run")]) == 1
    assert "no such file" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_teachers_share_out_the_tasks(tmp_path, capsys):
    """The first in whose bounds a task is labels it; the end says how the student does inside and outside of them."""
    (tmp_path / "pilots.py").write_text(
        "import numpy as np\n"
        "def left(observations):\n    return np.tile(np.float32([-1, 0]), (len(observations), 1))\n"
        "def right(observations):\n    return np.tile(np.float32([1, 0]), (len(observations), 1))\n"
    )
    place = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        words = [
            "distill", "--teacher", "pilots:left", "--teacher.tasks", "[[-4, 0], [0.5, 8], [0, 4]]",
            "--teacher", "pilots:right", "--teacher.tasks", "[[-1, 2], [0.5, 8], [0, 4]]",
            "--env", "TeachRL/PointMass-v0", "--student", "MLP", "--num_envs", "4", "--steps", "400",
            "--method.rounds", "2", "--eval_every", "never", "--video", "0", "--pictures", "false",
            "--out", str(place),
        ]  # fmt: skip
        assert cli.main(words) == 0
        *_, line, closing = capsys.readouterr().out.strip().splitlines()
        assert closing == str(place)
        found = RunDirectory.open(place).meta()["seen"]
        assert found["bounds"] == [[[-4, 0], [0.5, 8], [0, 4]], [[-1, 2], [0.5, 8], [0, 4]]]
        assert found["seen"]["tasks"] + found["unseen"]["tasks"] == 2
        assert line.startswith(f"seen tasks: {found['seen']['tasks']}, ")
        rows = [json.loads(row) for row in (place / "metrics.jsonl").read_text().splitlines()]
        assert rows[-1]["train/labelled"] < 1
        again = ["train", "--resume", str(place), "--steps", "600"]  # as a run that was stopped says
        assert cli.main(again) == 0
        assert capsys.readouterr().out.strip().splitlines()[-2].startswith("seen tasks: ")


def test_bounds_beside_the_task_space_are_refused(tmp_path, capsys):
    words = [
        "distill",
        "--teacher",
        f"{__name__}:balance",
        "--env",
        "TeachRL/PointMass-v0",
        "--out",
        str(tmp_path / "x"),
    ]
    assert cli.main([*words, "--teacher.tasks", "[[5, 6], [0.5, 8], [0, 4]]"]) == 1
    told = capsys.readouterr().err
    assert "gate_position in [5, 6]" in told
    assert "gate_position in [-4, 4]" in told
    assert cli.main([*words, "--teacher.tasks", "[[5, 6]]"]) == 1
    assert "one pair [low, high] for each coordinate" in capsys.readouterr().err
    assert cli.main([*words, "--teacher.taks", "[[5, 6]]"]) == 2
    assert "Did you mean --teacher.tasks" in capsys.readouterr().err
    with pytest.raises(InvalidTeacher, match="is written {policy"):
        distill({"run": "runs/a"}, ENV)
