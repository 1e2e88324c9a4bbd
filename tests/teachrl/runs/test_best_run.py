"""The student that did best in the validation suite: kept, selected, and safe from any moment of death."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from teachrl.errors import InvalidHyperparameter
from teachrl.runs import distill, evaluate, session, train
from teachrl.runs.best import Best, best_checkpoint
from teachrl.runs.checkpoint import checkpoints, load_tree, save_checkpoint
from teachrl.runs.evaluation import Evaluation
from teachrl.runs.metrics import read_metrics
from teachrl.runs.run_policy import RunPolicy
from teachrl.teachers import Uniform
from teachrl_agents import SimulatedStudent

PEAK = 300


class Waning(SimulatedStudent):
    """Learns until `PEAK` steps, and then forgets."""

    def learn(self, steps):
        super().learn(steps)
        if self._classroom.counters.total_steps > PEAK:
            self._competence = [c - 1 if c else 0 for c in self._competence]


@pytest.fixture
def waning(hypercube):
    return {**hypercube, "teachers": [Uniform()], "student": Waning(4), "select": "best", "eval_every": 60}


def validations(place):
    return [row for row in read_metrics(Path(place) / "metrics.jsonl") if "eval/return" in row]


def names(place):
    return [int(p.name) for p in checkpoints(Path(place))]


def competence(checkpoint):
    return load_tree(checkpoint, "student")["competence"]


def test_the_best_is_what_the_run_ends_with_and_what_is_used_later(waning, tmp_path, capsys):
    run = train(**{**waning, "progress": "plain"}, out=str(tmp_path / "run"))
    rows = validations(run.directory)
    values = [row["eval/return"] for row in rows]
    peak = max(range(len(rows)), key=lambda i: (rows[i]["eval/mastered"], values[i], i))
    assert (len(rows), rows[peak]["steps"]) == (10, PEAK)
    assert (run.selected, run.steps, run.classroom.counters.total_steps) == (PEAK, 600, 600)
    best, last = run.directory / "best" / str(PEAK), run.directory / "checkpoints" / "600"
    assert run.student.competence.ravel().tolist() == competence(best).tolist() != competence(last).tolist()
    ahead = [max(values[: i + 1]) == value for i, value in enumerate(values)]
    assert [row["eval/best"] for row in rows] == [float(b) for b in ahead]
    line = f"{run.evaluation.line}, best of 10 validations, at {PEAK} steps"
    assert json.loads((run.directory / "meta.json").read_text())["result"] == line
    assert line in capsys.readouterr().out
    again, at_hand = evaluate(run.directory, "validation"), evaluate(run, "validation")
    assert again["mean_return"] == at_hand["mean_return"] == pytest.approx(values[peak])
    assert evaluate(run.directory).steps == run.evaluation.steps == 600
    seen = np.array([[0.1, 0.1], [0.9, 0.9]], np.float32)
    policy = RunPolicy(str(run.directory)).load()
    assert policy.act(seen)[0].tolist() == run.student.perform(seen).tolist()


def test_the_last_stays_the_last_unless_asked(waning, tmp_path):
    run = train(**{**waning, "select": "last"}, out=str(tmp_path / "run"))
    assert run.selected == run.steps == 600
    assert not (run.directory / "best").exists()
    assert "eval/best" not in validations(run.directory)[0]
    assert json.loads((run.directory / "meta.json").read_text())["result"] == run.evaluation.line
    assert run.student.competence.ravel().tolist() == competence(run.directory / "checkpoints" / "600").tolist()


def test_a_longer_run_goes_on_from_the_last_and_knows_the_best(waning, tmp_path):
    whole = train(**{**waning, "steps": 900}, out=str(tmp_path / "whole"))
    half = train(**waning, out=str(tmp_path / "half"))
    run = train(resume=str(half.directory), steps=900, progress="none")
    assert competence(run.directory / "checkpoints" / "900").tolist() == (
        competence(whole.directory / "checkpoints" / "900").tolist()
    )
    assert run.selected == whole.selected == PEAK
    assert [r["eval/best"] for r in validations(run.directory)] == [
        r["eval/best"] for r in validations(whole.directory)
    ]
    assert run.evaluation.line == whole.evaluation.line


@pytest.mark.parametrize("at", [180, 300, 480])
def test_dying_between_the_best_and_its_checkpoint_changes_nothing(waning, tmp_path, monkeypatch, at):
    arguments = {**waning, "checkpoint_every": 60}
    whole = train(**arguments, out=str(tmp_path / "whole"))
    place = tmp_path / "cut"

    def die(directory, steps, trees):
        if steps == at:
            raise RuntimeError("killed")
        save_checkpoint(directory, steps, trees)

    with monkeypatch.context() as patch:
        patch.setattr(session, "save_checkpoint", die)
        with pytest.raises(RuntimeError, match="killed"):
            train(**arguments, out=str(place))
    newest = names(place / "checkpoints")[-1]
    assert newest == at - 60
    ahead = names(place / "best")[-1] > newest
    assert ahead == (at <= PEAK)
    assert best_checkpoint(place / "best", newest) == place / "best" / str(min(newest, PEAK))
    if ahead:  # what is shown of a run that died is not ahead of its checkpoint
        shown = evaluate(place, "validation")
        assert shown["mean_return"] == pytest.approx(validations(place)[-2]["eval/return"])
    run = train(**arguments, resume=str(place))
    assert run.selected == whole.selected == PEAK
    assert run.evaluation.line == whole.evaluation.line
    assert names(run.directory / "best") == names(whole.directory / "best")
    assert [r["eval/best"] for r in validations(place)] == [r["eval/best"] for r in validations(whole.directory)]


def test_a_resumed_run_drops_the_best_of_a_later_time(waning, tmp_path):
    run = train(**{**waning, "checkpoint_every": 300}, out=str(tmp_path / "run"))
    best = Best(run.directory / "best", 240)
    assert (best.steps, names(run.directory / "best")) == (None, [])


def evaluation(mean, mastered=None):
    successes = None if mastered is None else np.arange(4)[:, None] < mastered
    return Evaluation("validation", 0, list("abcd"), [None] * 4, np.full((4, 1), mean), np.ones((4, 1), int), successes)


@pytest.mark.parametrize(
    ("results", "chosen"),
    [
        ([(1.0,), (3.0,), (2.0,)], 2),
        ([(3.0,), (3.0,), (2.0,)], 2),
        ([(math.nan,), (-5.0,), (math.nan,)], 2),
        ([(math.nan,), (math.nan,)], 2),
        ([(9.0, 1), (0.0, 2), (5.0, 2), (99.0, 1)], 3),
    ],
)
def test_mastered_tasks_count_first_then_returns_and_of_equals_the_later(tmp_path, results, chosen):
    best = Best(tmp_path)
    for steps, result in enumerate(results, 1):
        best.offer(evaluation(*result), steps, lambda: {"progress": {}})
    assert best.steps == chosen
    best.write()
    assert names(tmp_path) == [chosen]
    again = Best(tmp_path, chosen)
    assert again.steps == chosen
    assert again.offer(evaluation(*results[chosen - 1]), 9, lambda: {"progress": {}})


def test_what_is_kept_does_not_move_with_the_student(tmp_path):
    weights, best = torch.ones(2), Best(tmp_path)
    best.offer(evaluation(1.0), 5, lambda: {"progress": {}, "student": {"w": weights}})
    weights += 1
    best.write()
    assert torch.equal(load_tree(tmp_path / "5", "student")["w"], torch.ones(2))
    assert load_tree(tmp_path / "5", "progress") == {"steps": 5, "score": [0.0, 1.0]}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"select": "worst"}, "'last' or 'best', got 'worst'"),
        ({"eval_every": "never"}, "eval_every='never' leaves that out. Pass eval_every='auto'"),
        ({"eval_every": 0}, "eval_every=0 leaves that out"),
    ],
)
def test_what_cannot_be_selected_says_what_to_do(waning, fails, changes, words):
    error = fails(**{**waning, **changes})
    assert isinstance(error, InvalidHyperparameter)
    assert words in str(error)


def test_a_run_without_a_validation_ends_with_the_last(waning, tmp_path):
    run = train(**{**waning, "eval_every": 10_000}, out=str(tmp_path / "run"))
    assert run.selected == 600
    assert json.loads((run.directory / "meta.json").read_text())["result"] == run.evaluation.line


def balance(observations):
    return (observations @ np.array([0.05, 0.15, 1.0, 0.5]) > 0).astype(np.int64)


@pytest.mark.parametrize(("eval_every", "select"), [(50, "best"), ("never", "last"), (0, "last")])
def test_a_distillation_selects_the_best_where_it_can(tmp_path, monkeypatch, eval_every, select):
    from teachrl.runs import examine

    suite = examine.Examiner.suite
    monkeypatch.setattr(examine.Examiner, "suite", lambda self, name: dict(list(suite(self, name).items())[:2]))
    run = distill(
        "test_best_run:balance", "TeachRL/CartPolePositions-v0", steps=100, num_envs=2, out=str(tmp_path / "run"),
        method={"class_path": "DAgger", "init_args": {"horizon": 25, "epochs": 1}}, student="MLP",
        eval_every=eval_every, video=0, pictures=False, loggers=[], progress="none",
    )  # fmt: skip
    assert yaml.safe_load((run.directory / "config.yaml").read_text())["select"] == select
    assert (run.directory / "best").exists() == (select == "best")
    if select == "best":
        rows = validations(run.directory)
        best = max(rows, key=lambda row: (row["eval/return"], row["steps"]))
        assert run.selected == best["steps"]
        assert evaluate(run.directory, "validation")["mean_return"] == best["eval/return"]
