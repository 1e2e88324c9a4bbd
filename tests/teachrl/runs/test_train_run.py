import itertools
import json
import logging

import gymnasium as gym
import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from gymnasium import spaces

from teachrl.errors import (
    InvalidHyperparameter,
    InvalidRun,
    InvalidStudent,
    InvalidTeacher,
    NonFiniteData,
    UnknownName,
)
from teachrl.runs import evaluate, train
from teachrl.runs.checkpoint import checkpoints
from teachrl.runs.directory import default_place
from teachrl.teacher import Teacher
from teachrl.teachers import ALPGMM, Uniform
from teachrl_agents import SimulatedStudent


def test_a_run_leaves_what_the_design_says(hypercube, tmp_path, capsys):
    place = tmp_path / "a" / "run"
    shown = {"progress": "auto", "loggers": ["tensorboard", "csv"], "video": 1, "pictures": True}
    run = train(**{**hypercube, **shown, "out": str(place)})
    assert run.directory == place
    names = {p.name for p in place.iterdir()}
    assert names == {
        "config.yaml", "meta.json", "metrics.jsonl", "metrics.csv", "episodes.parquet", "eval.parquet", "evaluations",
        "tb", "checkpoints", "videos", "curriculum.png",
    }  # fmt: skip
    assert [p.name for p in checkpoints(place / "checkpoints")] == ["540", "600"]
    assert len(list((place / "videos").glob("600-*.mp4"))) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == [run.evaluation.line, str(place)]
    assert run.evaluation.line.startswith(f"mastered {run.evaluation['mastered']}/16, mean return ")


def test_the_tables_tell_of_every_episode(hypercube, tmp_path):
    run = train(**hypercube, out=str(tmp_path / "run"))
    table = pq.read_table(run.directory / "episodes.parquet")
    assert table.column_names == [
        "steps", "task", "seed", "start", "learn", "return", "length", "success", "student", "env",
    ]  # fmt: skip
    rows = table.to_pylist()
    assert [row["steps"] for row in rows] == [2 * (i // 2 + 1) for i in range(600)]
    assert [row["env"] for row in rows] == [0, 1] * 300
    assert all(row["start"] is None and row["learn"] and row["length"] == 1 and len(row["task"]) == 2 for row in rows)
    assert run.classroom.counters.episodes == 600
    evaluations = pq.read_table(run.directory / "eval.parquet").to_pylist()
    assert [r["steps"] for r in evaluations if r["suite"] == "validation"][::16] == list(range(60, 601, 60))
    tests = [r for r in evaluations if r["suite"] == "test"]
    assert np.mean([r["return"] for r in tests]) == pytest.approx(run.evaluation["mean_return"])
    assert np.mean([r["success"] for r in tests]) == run.evaluation["success_rate"]


def test_metrics_count_what_was_used(hypercube, tmp_path):
    run = train(**hypercube, out=str(tmp_path / "run"))
    rows = [json.loads(line) for line in (run.directory / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["total_steps"] == rows[-1]["student_steps"] == rows[-1]["episodes"] == 600
    assert {"updates", "labels", "tokens", "cpu_seconds", "wall_seconds"} <= set(rows[-1])
    assert rows[-1]["eval/mastered"] == run.evaluation["mastered"]
    assert "teacher/Drifting/centre" in rows[-1]
    assert all(b["cpu_seconds"] >= a["cpu_seconds"] for a, b in itertools.pairwise(rows))


def test_meta_tells_versions_but_no_host_and_no_path(hypercube, tmp_path, monkeypatch):
    import platform

    monkeypatch.setattr("sys.argv", [f"{tmp_path}/script.py", "--out", str(tmp_path / "deep" / "x")])
    run = train(**hypercube, out=str(tmp_path / "run"))
    text = (run.directory / "meta.json").read_text()
    meta = json.loads(text)
    assert meta["status"] == "finished"
    assert meta["argv"][0] == "script.py"
    assert meta["tasks"] == {"names": ["x_0", "x_1"], "low": [0.0, 0.0], "high": [1.0, 1.0]}
    assert {"python", "teachrl", "gymnasium", "numpy"} <= set(meta["versions"])
    assert str(tmp_path) not in text
    assert not platform.node() or platform.node() not in text


def test_the_config_is_complete_and_names_no_place(tmp_path):
    run = train(
        env="TeachRL/Hypercube-v0", teachers=ALPGMM(fit_rate=50), student=SimulatedStudent(), steps=60, num_envs=1,
        out=str(tmp_path / "run"), loggers=[], progress="none", video=0,
    )  # fmt: skip
    config = yaml.safe_load((run.directory / "config.yaml").read_text())
    assert config["teachers"][0]["init_args"]["fit_rate"] == 50
    assert config["seed"] == 0
    assert {"out", "resume", "progress"}.isdisjoint(config)
    found = evaluate(run.directory)
    assert found["mean_return"] == run.evaluation["mean_return"]
    assert evaluate(run, suite="validation", episodes=2)["episodes"] == 2
    assert (run.directory / "evaluations" / "60-validation.json").exists()
    with pytest.raises(UnknownName, match="nosuch"):
        evaluate(run.directory, suite="nosuch")


def test_the_same_seed_is_the_same_run_whatever_is_evaluated_or_logged(hypercube, tmp_path):
    a = train(**hypercube, out=str(tmp_path / "a"))
    b = train(
        **{**hypercube, "loggers": ["tensorboard"], "eval_every": 150, "checkpoint_every": 70}, out=str(tmp_path / "b")
    )
    c = train(**{**hypercube, "seed": 1}, out=str(tmp_path / "c"))
    tasks = [pq.read_table(r.directory / "episodes.parquet")["task"].to_pylist() for r in (a, b, c)]
    assert tasks[0] == tasks[1] != tasks[2]


def images(directory):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reader = EventAccumulator(str(directory / "tb"))
    reader.Reload()
    return reader.Tags()["images"]


def test_pictures_are_drawn_where_they_are_wanted(hypercube, tmp_path):
    arguments = {**hypercube, "loggers": ["tensorboard"], "eval_every": 300}
    run = train(**{**arguments, "pictures": True}, out=str(tmp_path / "a"))
    assert (run.directory / "curriculum.png").exists()
    assert images(run.directory) == ["teacher/curriculum", "eval/mastery"]
    plain = train(**arguments, out=str(tmp_path / "b"))
    assert not (plain.directory / "curriculum.png").exists()
    assert images(plain.directory) == []


def test_never_means_at_the_end_only(hypercube, tmp_path):
    run = train(**hypercube, eval_every="never", checkpoint_every=0, out=str(tmp_path / "run"))
    assert [p.name for p in checkpoints(run.directory / "checkpoints")] == ["600"]
    assert {r["suite"] for r in pq.read_table(run.directory / "eval.parquet").to_pylist()} == {"test"}


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"env": "TeachRL/Hypercub-v0"}, UnknownName, "TeachRL/Hypercube-v0"),
        ({"env": ""}, InvalidHyperparameter, "`env` must be the id"),
        ({"steps": 0}, InvalidHyperparameter, "`steps` must be a whole number, at least 1, got 0"),
        ({"steps": float("nan")}, InvalidHyperparameter, "got nan"),
        ({"steps": 1.5}, InvalidHyperparameter, "got 1.5"),
        ({"steps": None}, InvalidHyperparameter, "`steps`"),
        ({"seed": -1}, InvalidHyperparameter, "`seed`"),
        ({"num_envs": 0}, InvalidHyperparameter, "`num_envs`"),
        ({"eval_every": "often"}, InvalidHyperparameter, "'auto'"),
        ({"pictures": 1}, InvalidHyperparameter, "`pictures` must be true or false, got 1"),
        ({"loggers": ["tensorbord"]}, UnknownName, "tensorboard"),
        ({"student": SimulatedStudent}, InvalidStudent, "an instance, not the class"),
        ({"student": None}, InvalidStudent, "must be a student"),
        ({"teachers": [Uniform]}, InvalidTeacher, "an instance, not the class"),
        ({"teachers": [Uniform(), ALPGMM()]}, InvalidTeacher, "both set tasks"),
        ({"disable": ["task"]}, UnknownName, "tasks"),
        ({"env": "CartPole-v1", "env_kwargs": {}, "teachers": [ALPGMM()]}, InvalidTeacher, "no task space"),
        ({"env_kwargs": {"cubs": 4}}, InvalidHyperparameter, "cubs"),
        ({"device": "cuda"}, InvalidHyperparameter, "no choice of device"),
    ],
)
def test_bad_input_is_found_before_anything_is_created(hypercube, fails, tmp_path, change, error, text):
    found = fails(**{**hypercube, **change}, out=str(tmp_path / "run"))
    assert isinstance(found, error)
    assert text in str(found)
    assert list(tmp_path.iterdir()) == []


class Stubborn(Teacher):
    def __init__(self) -> None:
        pass

    def begin(self, setup):
        super().begin(setup)
        self.log = logging.getLogger()


def test_a_teacher_that_cannot_be_saved_is_found_before_anything_is_created(hypercube, fails, tmp_path):
    assert "Stubborn.log is a RootLogger" in str(
        fails(**{**hypercube, "teachers": [Stubborn()]}, out=str(tmp_path / "r"))
    )
    assert list(tmp_path.iterdir()) == []


class Overriding(Teacher):
    def override_actions(self, observations, actions, lessons, first):
        return actions, np.zeros(len(lessons), bool)


def test_a_student_that_cannot_is_told_which_can(hypercube, fails, tmp_path):
    error = fails(**{**hypercube, "teachers": [Overriding()]}, out=str(tmp_path / "run"))
    assert isinstance(error, InvalidStudent)
    assert "SB3" in str(error)
    assert list(tmp_path.iterdir()) == []


def test_places_that_are_taken_or_cannot_be_written(hypercube, fails, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("words")
    error = fails(**hypercube, out=str(tmp_path / "full"))
    assert isinstance(error, InvalidRun)
    assert "exists and is not empty" in str(error)
    assert "cannot be written" in str(fails(**hypercube, out=str(tmp_path / "full" / "thesis.txt" / "run")))
    assert "is a file" in str(fails(**hypercube, out=str(tmp_path / "full" / "thesis.txt")))
    train(**hypercube, out=str(tmp_path / "run"))
    assert "--resume" in str(fails(**hypercube, out=str(tmp_path / "run")))


def test_the_default_place_says_what_was_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = default_place("TeachRL/PointMass-v0", ["ALPGMM", "S3RL"], 3)
    assert place.parts[:3] == ("runs", "TeachRL-PointMass-v0", "ALPGMM+S3RL")
    assert place.name.startswith("3-2")
    place.mkdir(parents=True)
    assert default_place("TeachRL/PointMass-v0", ["ALPGMM", "S3RL"], 3) != place


class Leaky(gym.Env):
    """Pays NaN from its 150th episode on."""

    observation_space = spaces.Box(0, 1, (2,), np.float32)
    action_space = spaces.Box(0, 1, (1,), np.float32)
    task_space = spaces.Box(0, 1, (2,), np.float32)
    count = 0

    def reset(self, *, seed=None, options=None):
        self.task = (options or {}).get("task", np.zeros(2, np.float32))
        Leaky.count += 1
        return self.task, {}

    def step(self, action):
        return self.task, float("nan") if Leaky.count > 150 else 0.5, True, False, {}


@pytest.fixture
def leaky(hypercube):
    gym.register("Leaky-v0", Leaky)
    Leaky.count = 0
    yield {**hypercube, "env": "Leaky-v0", "env_kwargs": {}, "num_envs": 1, "eval_every": "never"}
    del gym.registry["Leaky-v0"]


def test_a_run_that_fails_says_so_and_keeps_its_checkpoint(leaky, tmp_path):
    with pytest.raises(NonFiniteData, match="Leaky-v0 returned rewards") as caught:
        train(**leaky, out=str(tmp_path / "run"))
    assert caught.value.__notes__ == [f"The checkpoint at 120 steps stands: teachrl train --resume {tmp_path / 'run'}"]
    meta = json.loads((tmp_path / "run" / "meta.json").read_text())
    assert meta["status"] == "failed"
    assert "NonFiniteData" in meta["traceback"]
    assert [p.name for p in checkpoints(tmp_path / "run" / "checkpoints")] == ["60", "120"]


def test_without_successes_only_the_return_is_told(leaky, tmp_path, capsys):
    run = train(**{**leaky, "steps": 20, "progress": "plain"}, out=str(tmp_path / "run"))
    assert run.evaluation["success_rate"] is None
    assert capsys.readouterr().out.splitlines()[-2] == "mean return 0.5"


def test_an_uncooperative_disk_is_named_and_the_last_checkpoint_stands(hypercube, fails, tmp_path, monkeypatch):
    from teachrl.runs import checkpoint

    real, calls = checkpoint.flush, []

    def full(path):
        calls.append(path)
        if len(calls) > 40:
            raise OSError(28, "No space left on device")
        real(path)

    monkeypatch.setattr(checkpoint, "flush", full)
    error = fails(**hypercube, out=str(tmp_path / "run"))
    assert "No space left on device" in str(error)
    standing = checkpoints(tmp_path / "run" / "checkpoints")[-1].name
    monkeypatch.undo()
    run = train(**hypercube, resume=str(tmp_path / "run"))
    assert run.steps == 600
    assert int(standing) < 600
