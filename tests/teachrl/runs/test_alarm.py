"""The alarm of a run, and what its validations log of the student and its teacher."""

import json

import numpy as np
import pytest

from teachrl.runs import distill, session, train
from teachrl.runs.alarm import Alarm, hacking
from teachrl.runs.metrics import read_metrics
from teachrl.teachers import Uniform

STEPS = 14
PROXY = [float(0.5**k) for k in range(STEPS)]
FALLING = [10.0, 20, 30, 40, 40, 40, 40, 30, 25, 20, 15, 10, 5, 2]
RISING = [10.0 * k for k in range(STEPS)]


def rows(proxy=PROXY, golden=FALLING, name="eval/proxy_loss"):
    return [
        {"steps": 100 * (k + 1), name: p, "eval/return": g} for k, (p, g) in enumerate(zip(proxy, golden, strict=True))
    ]


def ask(path, given):
    said = []
    path.touch()
    alarm = Alarm(path, said.append)
    return [alarm.examine(row) for row in given], said


def test_it_is_raised_while_the_return_falls_and_said_once(tmp_path):
    found, said = ask(tmp_path / "metrics.jsonl", rows())
    raised = [row["eval/hacking"] for row in found]
    first = raised.index(1.0)
    assert raised == [0.0] * first + [1.0] * (STEPS - first)
    assert 7 < first < STEPS
    (line,) = said
    assert line.startswith(f"Warning: at {100 * (first + 1):,} steps the student seems to hack its teacher.")
    assert "golden fell by 20" in line


@pytest.mark.parametrize("golden", [RISING, [30.0] * STEPS])
def test_it_stays_silent_where_nothing_falls(tmp_path, golden):
    found, said = ask(tmp_path / "metrics.jsonl", rows(golden=golden))
    assert [row["eval/hacking"] for row in found] == [0.0] * STEPS
    assert said == []


def test_a_resumed_run_remembers_its_past_and_what_was_said(tmp_path):
    file, all_rows = tmp_path / "metrics.jsonl", rows()
    whole, _ = ask(tmp_path / "whole.jsonl", all_rows)
    told = [{**row, **found} for row, found in zip(all_rows, whole, strict=True)]
    for cut in (6, STEPS - 1):
        lines = [{"steps": 1, "train/loss": 2.0}, *told[:cut]]
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        rest, said = ask(file, all_rows[cut:])
        assert rest == whole[cut:]
        assert len(said) == (cut == 6)


def test_the_nearest_proxy_counts_and_holes_are_left_out():
    assert hacking(rows(name="train/loss")).raised
    assert not hacking([{**row, "eval/proxy_loss": 1.0} for row in rows(name="train/loss")]).raised
    holed = rows()
    holed[3]["eval/proxy_loss"] = holed[5]["eval/return"] = None
    assert hacking(holed).since is not None
    assert hacking([]) is None
    assert hacking([{"steps": 1, "eval/return": 2.0, "train/reward": 1.0}]) is None


def balance(observations):
    return (observations @ np.array([0.05, 0.15, 1.0, 0.5]) > 0).astype(np.int64)


def test_validations_of_a_distillation_log_what_the_student_lacks(tmp_path, monkeypatch):
    from teachrl.runs import examine

    suite = examine.Examiner.suite
    monkeypatch.setattr(examine.Examiner, "suite", lambda self, name: dict(list(suite(self, name).items())[:2]))
    monkeypatch.setattr("teachrl.runs.diagnosis.MOST_LESSONS", 2)
    run = distill(
        "test_alarm:balance", "TeachRL/CartPolePositions-v0", steps=100, num_envs=2, out=str(tmp_path / "run"),
        method={"class_path": "DAgger", "init_args": {"horizon": 25, "epochs": 1}}, student="MLP", eval_every=50,
        video=0, pictures=False, loggers=[], progress="none",
    )  # fmt: skip
    logged = read_metrics(run.directory / "metrics.jsonl")
    told = [row for row in logged if "eval/return" in row]
    names = ("proxy_loss", "agreement", "teacher_loss", "teacher_agreement", "covariate_shift", "entropy", "hacking")
    assert len(told) == 2
    for row in told:
        assert {f"eval/{name}" for name in names} <= row.keys()
        shift = row["eval/teacher_agreement"] - row["eval/agreement"]
        assert row["eval/covariate_shift"] == pytest.approx(shift)
        assert row["eval/hacking"] == 0
    assert not any("eval/hacking" in row for row in logged if row not in told)


def test_other_runs_have_no_diagnosis_and_no_alarm(hypercube, tmp_path, monkeypatch):
    monkeypatch.setattr(session, "Diagnosis", None)
    run = train(**{**hypercube, "teachers": [Uniform()]}, out=str(tmp_path / "run"))
    told = [row for row in read_metrics(run.directory / "metrics.jsonl") if "eval/return" in row]
    assert told
    assert not any(name in row for row in told for name in ("eval/hacking", "eval/agreement", "eval/best"))
