"""A study's directory: its plan, and outcomes as they are read from runs."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from teachrl import train
from teachrl.errors import InvalidStudy
from teachrl.runs.directory import RunDirectory
from teachrl.studies.measures import measure
from teachrl.studies.outcomes import Outcome
from teachrl.studies.records import StudyDirectory, load_study
from teachrl.studies.study import Study
from teachrl.studies.tables import COLUMNS, read_results, write_results
from teachrl.studies.trials import plan
from teachrl.teachers import Uniform
from teachrl_agents import SimulatedStudent

STUDY: dict[str, Any] = {
    "name": "x",
    "question": "Is it?",
    "base": {"env": "TeachRL/Hypercube-v0", "steps": 60},
    "arms": {"uniform": {"teachers": ["Uniform"]}, "alp": {"teachers": ["ALPGMM"]}},
    "control": "uniform",
    "seeds": 2,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "a"
    train(
        env="TeachRL/Hypercube-v0", teachers=[Uniform()], student=SimulatedStudent(), steps=60, num_envs=1,
        out=str(out), video=0, pictures=False, loggers=[], eval_every=20, progress="none",
    )  # fmt: skip
    return out


def home_of(path: Path, **changes: Any) -> tuple[StudyDirectory, Study]:
    study = Study.checked({**STUDY, **changes})
    home = StudyDirectory(path / "study")
    home.create()
    home.write_plan(study, use_shipped=False)
    return home, study


def put(home: StudyDirectory, run: Path, place: str) -> Path:
    import shutil

    return Path(shutil.copytree(run, home.path / place))


def test_metrics_of_a_run_are_averages_over_tasks(run: Path) -> None:
    final, curve = measure(RunDirectory.open(run))
    rows = pq.read_table(run / "eval.parquet").to_pylist()
    test = [row for row in rows if row["suite"] == "test"]
    assert final["mean_return"] == pytest.approx(np.mean([row["return"] for row in test]))
    assert final["success_rate"] == pytest.approx(np.mean([row["success"] for row in test]))
    assert final["student_steps"] == final["total_steps"] == 60
    assert curve["total_steps"].tolist() == [20, 40, 60]
    for i, steps in enumerate((20, 40, 60)):
        some = [row["return"] for row in rows if (row["suite"], row["steps"]) == ("validation", steps)]
        assert curve["mean_return"][i] == pytest.approx(np.mean(some))
    assert np.all(np.diff(curve["cpu_seconds"]) >= 0)


def test_a_tag_of_the_log_can_be_the_metric(run: Path) -> None:
    final, curve = measure(RunDirectory.open(run), "train/competence")
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert final["train/competence"] == lines[-1]["train/competence"]
    assert curve["train/competence"].shape == (3,)
    assert "train/none" not in measure(RunDirectory.open(run), "train/none")[0]


def test_outcomes_follow_from_the_files(tmp_path: Path, run: Path) -> None:
    home, study = home_of(tmp_path)
    trials = plan(study.variants(), study.seeds)
    done, stopped, half, failed = trials
    put(home, run, done.place)
    meta = json.loads((put(home, run, stopped.place) / "meta.json").read_text())
    (home.path / stopped.place / "meta.json").write_text(json.dumps({**meta, "status": "interrupted"}))
    (home.path / half.place).mkdir(parents=True)
    (home.path / half.place / "config.yaml").write_text("env: x\n")
    home.write_failure(failed, "Traceback\nValueError: no")
    declared, found = load_study(home.path)
    assert [o.status for o in found] == ["finished", "stopped", "waiting", "failed"]
    assert found[0].final["mean_return"] == measure(RunDirectory.open(run))[0]["mean_return"]
    assert found[3].error == "Traceback\nValueError: no"
    assert declared.question == "Is it?"
    assert [v.label for v in declared.variants] == ["uniform", "alp"]


def test_a_renamed_arm_keeps_its_runs(tmp_path: Path, run: Path) -> None:
    home, study = home_of(tmp_path)
    trial = plan(study.variants(), study.seeds)[1]
    put(home, run, trial.place)
    renamed = Study.checked({**STUDY, "arms": {"uniform": STUDY["arms"]["uniform"], "new": STUDY["arms"]["alp"]}})
    (again,) = [t for t in plan(renamed.variants(), renamed.seeds) if t.key == trial.key]
    assert again.variant == "new"
    assert home.place(again) == trial.place


def test_damaged_runs_are_reported_and_never_raised(tmp_path: Path, run: Path) -> None:
    home, study = home_of(tmp_path)
    for trial, file in zip(
        plan(study.variants(), study.seeds), ("eval.parquet", "metrics.jsonl", "meta.json"), strict=False
    ):
        (put(home, run, trial.place) / file).write_bytes(b"\x00{half")
    statuses = [o.status for o in load_study(home.path)[1]]
    assert statuses[0] == "failed"
    assert set(statuses) <= {"failed", "finished", "waiting"}


def test_a_changed_declaration_is_kept_as_an_amendment(tmp_path: Path, run: Path) -> None:
    home, study = home_of(tmp_path)
    put(home, run, plan(study.variants(), study.seeds)[0].place)
    first = home.read_plan()["declared_at"]
    home.write_plan(Study.checked({**STUDY, "question": "Other words?"}), use_shipped=False)
    assert home.read_plan()["amendments"] == []
    home.write_plan(Study.checked({**STUDY, "metric": "mean_return", "seeds": 3}), use_shipped=False)
    declared, _ = load_study(home.path)
    assert declared.declared_at == first
    (amendment,) = declared.amendments
    assert "seeds, metric changed when 1 trials had ended" in amendment


def test_a_directory_of_something_else_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(InvalidStudy, match="not empty"):
        StudyDirectory(tmp_path).create()
    with pytest.raises(InvalidStudy, match="no study's directory"):
        load_study(tmp_path)
    (tmp_path / "study.yaml").write_text("a: [")
    with pytest.raises(InvalidStudy, match="cannot be read"):
        load_study(tmp_path)
    (tmp_path / "study.yaml").write_text("a: 3")
    with pytest.raises(InvalidStudy, match="no plan"):
        load_study(tmp_path)


def test_a_plan_whose_class_is_gone_can_be_amended(tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_teachers_1.py").write_text("from teachrl.teachers import Uniform\nclass Own(Uniform): pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    home, study = home_of(
        tmp_path, arms={"uniform": {"teachers": ["Uniform"]}, "own": {"teachers": ["own_teachers_1.Own"]}}
    )
    put(home, run, plan(study.variants(), study.seeds)[1].place)
    monkeypatch.delattr("own_teachers_1.Own")
    home.write_plan(Study.checked(STUDY), use_shipped=False)
    (amendment,) = home.read_plan()["amendments"]
    assert "arms, contrasts changed when 1 trials had ended" in amendment


def test_a_study_that_was_killed_while_it_began_begins_again(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / ".study.yaml.tmp").write_text("half")
    home_of(tmp_path)
    assert [p.name for p in (tmp_path / "study").iterdir()] == ["study.yaml"]


def test_a_damaged_run_is_put_aside_to_be_tried_again(tmp_path: Path, run: Path) -> None:
    home, study = home_of(tmp_path)
    whole, damaged = plan(study.variants(), study.seeds)[:2]
    put(home, run, whole.place)
    for content in (b"half", b"again"):
        (put(home, run, damaged.place) / "eval.parquet").write_bytes(content)
        for trial in (whole, damaged):
            home.clear_failure(trial)
        assert [o.status for o in load_study(home.path)[1]] == ["finished", "waiting", "waiting", "waiting"]
        assert (home.failures / f"{damaged.key}-damaged" / "eval.parquet").read_bytes() == content


def test_a_trial_that_arms_share_is_read_back_once(tmp_path: Path, run: Path) -> None:
    home, study = home_of(tmp_path, seeds=1, grid={"teachers.ALPGMM.fit_rate": [50, 60]})
    for trial in {t.key: t for t in plan(study.variants(), study.seeds)}.values():
        put(home, run, trial.place)
    declared, found = load_study(home.path)
    write_results(declared, found, home.results)
    again = read_results(home.results.read_bytes())
    assert [o.key for o in again] == list(dict.fromkeys(o.key for o in found))
    assert {len(o.curve["mean_return"]) for o in again} == {3}


def test_results_are_written_and_read_back(tmp_path: Path, run: Path) -> None:
    home, study = home_of(tmp_path, metric="train/competence")
    trials = plan(study.variants(), study.seeds)
    put(home, run, trials[0].place)
    declared, found = load_study(home.path)
    write_results(declared, found, home.results)
    table = pq.read_table(home.results)
    assert table.column_names == [*COLUMNS, "train/competence"]
    assert table["suite"].to_pylist() == ["validation"] * 3 + ["test"] + [None] * 3
    with home.results.with_suffix(".csv").open() as file:
        assert [row["trial"] for row in csv.DictReader(file)] == table["trial"].to_pylist()
    (again,) = read_results(home.results.read_bytes())
    assert (again.key, again.variant, again.seed, again.status) == (trials[0].key, "uniform", 0, "shipped")
    assert again.final == found[0].final
    assert {n: v.tolist() for n, v in again.curve.items()} == {n: v.tolist() for n, v in found[0].curve.items()}


def test_shipped_results_stand_for_the_same_configuration_only(tmp_path: Path) -> None:
    home, study = home_of(tmp_path)
    trials = plan(study.variants(), study.seeds)
    known = Outcome(trials[1].key, "elsewhere", 9, "shipped", final={"success_rate": 0.5})
    found = [home.outcome(t, "success_rate", {known.key: known}) for t in trials]
    assert [o.status for o in found] == ["waiting", "shipped", "waiting", "waiting"]
    assert (found[1].variant, found[1].seed, found[1].final) == (trials[1].variant, 0, {"success_rate": 0.5})
    assert found[1].ended
    assert home.outcome(trials[1], "train/competence", {known.key: known}).status == "waiting"
    assert not replace(found[1], status="failed").ended
