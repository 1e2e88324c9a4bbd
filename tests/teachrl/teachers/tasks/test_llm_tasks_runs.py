"""LLMTasks in runs: from the command line, resumed, with a server that answers, lies, is slow or down."""

import json
import threading
import time
import warnings

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from llm_server import LLMServer, Reply
from teachrl.advice import RuleBased
from teachrl.classroom import Classroom
from teachrl.cli import main
from teachrl.llm import LLM
from teachrl.runs import train
from teachrl.teachers import LLMTasks, Uniform
from teachrl.testing import ToyEnv
from teachrl.vector import make_vec
from teachrl_agents import SimulatedStudent

QUIET = {"loggers": [], "progress": "none", "video": 0, "pictures": False, "eval_every": "never"}
HYPERCUBE = {
    "env": "TeachRL/Hypercube-v0", "env_kwargs": {"cubes": 4}, "steps": 900, "num_envs": 3, "seed": 5, **QUIET,
}  # fmt: skip
FLAGS = [
    "--env", "TeachRL/Hypercube-v0", "--env_kwargs.cubes", "4", "--student", "SimulatedStudent", "--student.cubes", "4",
    "--num_envs", "3", "--seed", "5", "--steps", "900", "--loggers", "[]", "--progress", "none", "--video", "0",
    "--pictures", "false", "--eval_every", "never",
]  # fmt: skip
GOOD = {"reason": "The first corner.", "cells": [{"cell": 0, "weight": 1.0}], "boxes": [], "tasks": []}
OUTSIDE = {**GOOD, "tasks": [{"task": [0.5, 7.0], "weight": 1.0}]}


@pytest.fixture(autouse=True)
def clean_environment(tmp_path, monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TEACHRL_CACHE", str(tmp_path / "cache"))


def episodes(run):
    return pq.read_table(run.directory / "episodes.parquet").to_pylist()


def last_row(directory):
    rows = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    prefix = "teacher/LLMTasks/"
    return {name.removeprefix(prefix): value for name, value in rows[-1].items() if name.startswith(prefix)}


def taught(teacher, out, **arguments):
    return train(**{**HYPERCUBE, "student": SimulatedStudent(cubes=4), **arguments}, teachers=[teacher], out=str(out))


def test_an_interrupted_run_goes_on_bit_for_bit(tmp_path):
    def teacher():
        return LLMTasks(every=40)

    whole = taught(teacher(), tmp_path / "whole", checkpoint_every=300)
    part = taught(teacher(), tmp_path / "part", steps=510)
    part = train(resume=str(part.directory), steps=900, progress="none")
    assert len(episodes(whole)) == 900
    assert episodes(part) == episodes(whole)
    was, now = (run.classroom.teachers[0] for run in (whole, part))
    assert now.scalars() == was.scalars()
    assert now.scalars()["llm/source/rule"] == 21


def test_strategies_are_measured_once_although_a_run_was_resumed(tmp_path):
    library = tmp_path / "strategies.json"
    run = taught(LLMTasks(every=40, library=str(library)), tmp_path / "part", steps=510, checkpoint_every=300)
    before = json.loads(library.read_text())["strategies"]
    again = taught(LLMTasks(every=40, library=str(library)), tmp_path / "again", steps=510)  # the same run once more
    assert episodes(again) == episodes(run)
    assert json.loads(library.read_text())["strategies"] == before
    assert sum(entry["uses"] for entry in before) > 5


def test_the_rules_from_the_command_line(tmp_path):
    flags = ["--teacher", "LLMTasks", "--teacher.every", "40", "--teacher.provider", "RuleBased"]
    assert main(["train", *FLAGS, *flags, "--teacher.provider.beyond", "0.5", "--out", str(tmp_path / "a")]) == 0
    (spec,) = yaml.safe_load((tmp_path / "a" / "config.yaml").read_text())["teachers"]
    assert spec["init_args"]["provider"]["class_path"] == "teachrl.advice.rules.RuleBased"
    assert spec["init_args"]["provider"]["init_args"] == {"beyond": 0.5, "mastered": 0.8}
    assert main(["train", "--config", str(tmp_path / "a" / "config.yaml"), "--out", str(tmp_path / "b")]) == 0
    assert last_row(tmp_path / "a") == last_row(tmp_path / "b")


def school(teacher, steps=500, seed=5, num_envs=3, wait=True):
    """Teaches the simulated student, without the rest of a run; returns it and the tasks that were played."""
    envs = make_vec("TeachRL/Hypercube-v0", num_envs, env_kwargs={"cubes": 4})
    classroom = Classroom(envs, teacher, seed=seed)
    student = SimulatedStudent(cubes=4)
    student.begin(classroom, np.random.SeedSequence(seed), steps)
    student.learn(steps)
    if wait and isinstance(teacher, LLMTasks):
        settle(teacher)
    return student, [tuple(e.lesson.task.tolist()) for e in classroom.take_episodes()]


def settle(teacher):
    """Waits for the answer to the question that is out, and takes it if it is due."""
    if (thread := teacher._consultation._thread) is not None:
        thread.join(10)
        teacher._take(teacher._table.standing())


def test_a_model_from_the_command_line(tmp_path, capsys):
    flags = ["--teacher", "LLMTasks", "--teacher.every", "400", "--teacher.provider", "LLM"]
    flags += ["--teacher.provider.model", "m", "--out", str(tmp_path / "run")]
    with LLMServer(["```json\n" + json.dumps(GOOD) + "\n```"]) as server:
        teacher = LLMTasks(LLM("m", server.url), every=400)  # whose question the run's is, as it is taught the same
        school(teacher, 780)
        teacher.close()
        assert len(server.requests) == 1
        assert main(["train", *FLAGS, *flags, "--teacher.provider.base_url", server.url]) == 0
    assert last_row(tmp_path / "run")["llm/source/cache"] == 1
    assert "class_path: teachrl.llm.client.LLM" in (tmp_path / "run" / "config.yaml").read_text()
    capsys.readouterr()
    assert main(["list", "LLMTasks"]) == 0
    assert "--teacher.provider" in capsys.readouterr().out


def test_with_all_answers_in_the_cache_runs_are_the_same_run():
    """Each run asks what the last one led to, until all is in the cache."""
    with LLMServer([GOOD, {**GOOD, "cells": [{"cell": 5, "weight": 1.0}]}, GOOD]) as server:

        def run(**arguments):
            teacher = LLMTasks(LLM("m", server.url, **arguments), every=150, uniform=0.5)
            tasks = school(teacher)[1]
            teacher.close()
            return tasks, teacher.scalars()

        calls = -1
        while calls < len(server.requests) < 10:
            calls = len(server.requests)
            tasks, scalars = run()
        assert scalars["llm/source/cache"] == 2
        assert run() == (tasks, scalars)
        replayed, scalars = run(mode="replay")
        assert replayed == tasks
        assert scalars["llm/source/replay"] == 2
        assert calls == len(server.requests)


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ([OUTSIDE], "invalid_answer"),
        (["I would rather not."], "invalid_answer"),
        ([Reply(status=500)], "unavailable"),
        ([Reply(drop=True)], "unavailable"),
        ([Reply(status=404)], "unavailable"),
    ],
)
def test_a_server_that_lies_or_is_down_changes_nothing(script, kind):
    expected = school(LLMTasks(LLM("m", mode="off"), every=30))[1]
    with LLMServer(script) as server:
        teacher = LLMTasks(LLM("m", server.url, retries=0), every=30)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "LLMTasks got no advice", RuntimeWarning)
            tasks = school(teacher)[1]
        teacher.close()
    assert tasks == expected
    scalars = teacher.scalars()
    assert scalars["llm/failed"] == scalars[f"llm/failed/{kind}"] >= 1
    assert (scalars["llm/answered"], scalars["share/uniform"], scalars["entropy"]) == (0, 1, pytest.approx(1))


def test_a_slow_server_holds_nobody_up():
    expected = school(LLMTasks(LLM("m", mode="off"), every=30))[1]
    with LLMServer([Reply(json.dumps(GOOD), delay=60)]) as server:
        teacher = LLMTasks(LLM("m", server.url), every=30)
        begin = time.monotonic()
        assert school(teacher, wait=False)[1] == expected
        assert time.monotonic() - begin < 20
        teacher.close()
    scalars = teacher.scalars()
    assert [scalars[f"llm/{name}"] for name in ("asked", "late", "skipped", "answered")] == [1, 1, 15, 0]


def test_no_thread_is_left_when_a_run_is_over(tmp_path):
    with LLMServer([Reply(json.dumps(GOOD), delay=60)]) as server:
        run = taught(LLMTasks(LLM("m", server.url), every=30), tmp_path / "run", steps=300)
        assert run.classroom.teachers[0].scalars()["llm/late"] == 1
        assert "teachrl-tasks" not in [thread.name for thread in threading.enumerate()]


def test_a_wrong_answer_is_repaired_with_its_sentence():
    wrong = {**GOOD, "tasks": [{"task": [9, 0.5], "weight": 1.0}]}
    with LLMServer([wrong, GOOD]) as server:
        teacher = LLMTasks(LLM("m", server.url), every=2, cells=2, uniform=0.0)
        classroom = Classroom(make_vec(ToyEnv, 2), teacher)
        classroom.reset()
        end = time.monotonic() + 30
        while teacher.scalars()["llm/answered"] == 0 and time.monotonic() < end:
            classroom.step(np.zeros((2, 1), np.float32))
        lessons = teacher.sample_tasks(50)
        teacher.close()
        repair = server.requests[1].messages[-1]["content"]
    assert "tasks[0]: goal is 9, expected 1 to 3." in repair
    assert all(lesson.task[0] <= 2 and lesson.task[1] <= 0.625 for lesson in lessons)


def test_the_rules_are_not_worse_than_uniform():
    """The simulated student of ALP-GMM on 4 x 4 cubes: a cube opens when one before it is nearly mastered."""
    mastered = {}
    for name, make in {"rules": lambda: LLMTasks(RuleBased(), every=50), "uniform": Uniform}.items():
        students = [school(make(), 1500, seed, 1)[0] for seed in range(2)]
        mastered[name] = [student.scalars()["mastered"] for student in students]
    assert min(mastered["rules"]) >= max(mastered["uniform"])
