"""Distillation as a run: from the command line to evaluation, resumption, and what is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from teachrl import cli
from teachrl.errors import InvalidRun, InvalidStudent, InvalidTeacher, TeachrlError, UnknownName
from teachrl.runs import distill, evaluate, train
from teachrl.runs.checkpoint import load_tree, save_tree
from teachrl.runs.directory import RunDirectory
from teachrl.runs.labellers import as_teacher
from teachrl.runs.run_policy import RunPolicy
from teachrl_agents import SB3
from teachrl_agents.nets import MLP

ENV = "TeachRL/CartPolePositions-v0"
QUIET = {"video": 0, "pictures": False, "loggers": [], "progress": "none", "eval_every": "never"}
FAST = {"method": {"class_path": "DAgger", "init_args": {"horizon": 25, "epochs": 1}}, "num_envs": 2, **QUIET}


def balance(observations):
    return (observations @ np.array([0.05, 0.15, 1.0, 0.5]) > 0).astype(np.int64)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs") / "teacher"
    student = SB3("PPO", normalize=True, hyperparameters={"n_steps": 16, "batch_size": 32, "n_epochs": 1})
    train(ENV, view="teacher", student=student, steps=64, num_envs=2, out=str(place), **QUIET)
    return str(place)


@pytest.fixture(autouse=True)
def few_tasks(monkeypatch):
    from teachrl.runs import examine

    original = examine.Examiner.suite
    monkeypatch.setattr(examine.Examiner, "suite", lambda self, name: dict(list(original(self, name).items())[:2]))


def learned(run):
    checkpoint = RunDirectory.open(run).checkpoint()
    return load_tree(checkpoint, "student")


def same(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    return np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b


def test_a_run_teaches_evaluates_and_resumes_exactly(teacher, tmp_path):
    whole = distill(teacher, ENV, steps=200, out=str(tmp_path / "whole"), **FAST)
    assert whole.steps == 200
    config = yaml.safe_load((whole.directory / "config.yaml").read_text())
    assert config["teachers"][0]["init_args"]["policy"]["init_args"]["run"] == teacher
    half = tmp_path / "half"
    distill(teacher, ENV, steps=100, out=str(half), **FAST)
    distill(resume=str(half), steps=200, progress="none")
    a, b = learned(whole.directory), learned(half)
    assert same(a["buffer"], b["buffer"])  # schedules of rounds, not of progress: a run made longer is the same
    assert same(a["net"], b["net"])
    rows = [json.loads(line) for line in (half / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["labels"] == 200
    assert {"train/proxy_loss", "train/agreement", "train/entropy", "train/beta"} <= rows[-1].keys()


def test_a_resumed_distillation_keeps_its_own_teacher_and_method(teacher, tmp_path):
    with pytest.raises(InvalidRun, match="has its own teacher, method, seed"):
        distill(teacher, method="BC", seed=1, steps=200, resume=str(tmp_path), progress="none")


def test_a_student_is_evaluated_without_its_teacher(teacher, tmp_path):
    gone = tmp_path / "gone"
    shutil.copytree(teacher, gone)
    run = distill(str(gone), ENV, student="MLP", steps=100, out=str(tmp_path / "student"), **FAST)
    shutil.rmtree(gone)
    assert evaluate(run.directory).line == run.evaluation.line
    with pytest.raises(InvalidRun):
        distill(resume=str(run.directory), steps=200, progress="none")


def test_a_student_can_teach(teacher, tmp_path):
    run = distill(teacher, ENV, student=MLP(hidden=(8,)), steps=50, out=str(tmp_path / "a"), **FAST)
    again = distill(run, ENV, steps=50, out=str(tmp_path / "b"), **FAST)
    assert as_teacher(run).view == "student"
    assert again.steps == 50


def test_from_the_command_line(teacher, tmp_path, capsys):
    words = ["distill", "--teacher", teacher, "--env", ENV, "--student=Recurrent", "--student.hidden", "8",
             "--method=DAgger", "--method.beta.schedule", "exponential", "--method.beta.from", "1",
             "--method.beta.factor", "0.5", "--method.horizon", "25", "--method.loss", "reverse_kl", "--num_envs", "2",
             "--steps", "1e2", "--eval_every", "never", "--video", "0", "--pictures", "false", "--progress", "none",
             "--out", str(tmp_path / "run")]  # fmt: skip
    assert cli.main(words) == 0
    student = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["student"]["init_args"]
    assert student["network"]["init_args"]["hidden"] == 8
    assert student["method"]["init_args"]["beta"] == {"schedule": "exponential", "from": 1, "factor": 0.5}
    assert student["method"]["init_args"]["loss"] == "reverse_kl"
    assert cli.main(["evaluate", str(tmp_path / "run")]) == 0
    assert cli.main(["distill", "--resume", str(tmp_path / "run"), "--steps", "150", "--progress", "none"]) == 0
    capsys.readouterr()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--help"], "--curriculum.PARAMETER VALUE"),
        (["--help"], "teachrl distill --teacher planner"),
        (["--method", "DAgger", "--help"], "--method.beta"),
        (["--student", "Recurrent", "--help"], "--student.hidden"),
        (["--curriculum", "ALPGMM", "--help"], "--curriculum.fit_rate"),
    ],
)
def test_help_teaches(words, expected, capsys):
    assert cli.main(["distill", *words]) == 0
    assert expected in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--teacher", "TEACHER", "--env", "TeachRL/PendulumPositions-v0"], "different action spaces"),
        (["--teacher", "TEACHER", "--env", ENV, "--view", "whole"], "no view 'whole'"),
        (["--teacher", "TEACHER", "--env", ENV, "--teacher_view", "whole"], "no view 'whole'"),
        (["--teacher", "TEACHER", "--env", ENV, "--teacher_view", "student"], "shape (4,), but the view 'student'"),
        (["--teacher", "TEACHER", "--env", "CartPole-v1", "--view", "teacher"], "no view 'teacher'"),
        (["--env", ENV], "needs a teacher"),
        (["--teacher", "nobody", "--env", ENV], "no teacher 'nobody'"),
        (["--teacher", "nowhere:act", "--env", ENV], "no module 'nowhere'"),
        (["--teacher", "numpy:nobody", "--env", ENV], "no function or policy in numpy"),
        (["--teacher", "TEACHER", "--env", ENV, "--method", "Dager"], "Did you mean 'DAgger'"),
        (["--teacher", "TEACHER", "--env", ENV, "--method.bata", "1"], "Did you mean beta"),
        (["--teacher", "TEACHER", "--env", ENV, "--method.beta", "2"], "at least 0 and at most 1"),
        (["--teacher", "TEACHER", "--env", ENV, "--method.loss", "kl"], "There is no loss 'kl'"),
        (["--teacher", "TEACHER", "--env", ENV, "--student", "Recurent"], "Did you mean 'Recurrent'"),
        (["--teacher", "TEACHER", "--env", ENV, "--student", "ALPGMM"], "no network 'ALPGMM'"),
        (["--teacher", "planner", "--env", ENV], "planner reads the teacher's view"),
        (["--teacher", "TEACHER", "--env", ENV, "--method.loss", "js", "--method.loss.beta", "2"], "It has alpha"),
        (["--teacher", "TEACHER", "--envs", ENV], "Did you mean --env"),
        (["--teacher", "no.zip", "--env", ENV], "There is no file"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_made(words, expected, teacher, tmp_path, capsys):
    words = [teacher if word == "TEACHER" else word for word in words]
    place = tmp_path / "run"
    assert cli.main(["distill", *words, "--out", str(place), "--progress", "none"]) > 0
    assert expected in capsys.readouterr().err
    assert not place.exists()


def test_a_teacher_without_its_normaliser_is_refused(teacher, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(teacher, broken)
    checkpoint = RunDirectory.open(broken).checkpoint()
    state = load_tree(checkpoint, "student")
    save_tree(checkpoint, {**state, "normaliser": None}, "student")
    sizes = {p.name: p.stat().st_size for p in checkpoint.iterdir() if p.name != "complete.json"}
    (checkpoint / "complete.json").write_text(json.dumps(sizes))
    with pytest.raises(InvalidStudent, match="without its observation normaliser"):
        distill(str(broken), ENV, steps=50, out=str(tmp_path / "run"), **FAST)
    assert not (tmp_path / "run").exists()


def test_a_run_brings_its_view_and_soft_labels(teacher):
    labeller = as_teacher(teacher)
    assert labeller.view == "teacher"
    assert as_teacher(teacher, "student").view == "student"
    policy = RunPolicy(teacher)
    assert policy.observation_space.shape == (4,)
    actions, _ = policy.load().act(np.zeros((3, 4), np.float32))
    assert actions.shape == (3,)


def test_teachers_of_all_kinds(tmp_path):
    linear = torch.nn.Linear(4, 2)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[0.0, 0, 0, 0], [0.05, 0.15, 1.0, 0.5]]))
        linear.bias.zero_()
    for k, source in enumerate((balance, linear, f"{__name__}:balance")):
        run = distill(source, ENV, steps=50, out=str(tmp_path / str(k)), **FAST)
        assert run.classroom.counters.labels == 50
        labels = run.classroom.ask()[0]
        assert (labels.parameters is not None) == (source is linear)


def test_saved_models_need_trust(tmp_path, recwarn):
    from stable_baselines3 import PPO

    model = PPO("MlpPolicy", "CartPole-v1", n_steps=8, batch_size=8, device="cpu")
    file = tmp_path / "model.zip"
    model.save(file)
    with pytest.raises(InvalidStudent, match="--trust"):
        distill(str(file), ENV, steps=50, out=str(tmp_path / "no"), **FAST)
    with pytest.warns(RuntimeWarning, match="can run code"):
        run = distill(str(file), ENV, trust=True, steps=50, out=str(tmp_path / "yes"), **FAST)
    seen = np.full((3, 4), 0.1, np.float32)
    expected, _ = model.predict(seen, deterministic=True)
    policy = run.classroom.teachers[0]
    assert policy._acting().act(seen)[0].tolist() == expected.tolist()


def test_kickstarting_and_kdrl_are_ppo(teacher, tmp_path):
    for method in ("Kickstart", "KDRL"):
        spec = {"class_path": method, "init_args": {"ppo": {"n_steps": 16, "n_epochs": 1}}}
        run = distill(
            teacher, ENV, student="MLP", method=spec, steps=32, num_envs=2, out=str(tmp_path / method), **QUIET
        )
        assert type(run.student).__name__ == "PPO"
        assert evaluate(run.directory).line == run.evaluation.line
    with pytest.raises(TeachrlError, match="sets itself"):
        distill(teacher, ENV, method={"class_path": "KDRL", "init_args": {"ppo": {"kl_in": "reward"}}}, **QUIET)


def test_wrong_objects_are_refused(tmp_path):
    with pytest.raises(InvalidTeacher, match="needs a teacher"):
        distill(env=ENV)
    with pytest.raises(TeachrlError, match="`method` is a Method"):
        distill(balance, ENV, method=3)
    with pytest.raises(UnknownName):
        distill(balance, ENV, student="Nobody")
    with pytest.raises(InvalidRun):
        distill(str(Path(tmp_path)), ENV)
