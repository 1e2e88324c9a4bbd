"""The results that come with the package."""

from __future__ import annotations

from pathlib import Path

import pytest

import teachrl.studies
from teachrl.cli import main
from teachrl.studies.library import ready
from teachrl.studies.shipped import shipped_outcomes
from teachrl.studies.study import Study
from teachrl.studies.tables import read_results
from teachrl.studies.trials import plan

FILES = sorted(Path(teachrl.studies.__file__).parent.glob("results/*.parquet"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_shipped_results_are_of_the_ready_study_as_it_is_now(file: Path) -> None:
    study = Study.load(ready()[file.stem])
    planned = {trial.key: trial for trial in plan(study.variants(), study.seeds)}
    found = read_results(file.read_bytes())
    assert found
    for outcome in found:
        assert outcome.key in planned, "a default or a class has changed since these results were made: run them again"
        assert (outcome.variant, outcome.seed) == (planned[outcome.key].variant, planned[outcome.key].seed)
        assert 0 <= outcome.final["success_rate"] <= 1
        assert len(outcome.curve["student_steps"]) >= 5
    assert {outcome.key for outcome in found} <= set(shipped_outcomes())


def test_a_new_teacher_is_compared_without_running_the_baselines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.yaml"
    text = (
        ready()["point_mass"]
        .read_text()
        .replace("control: uniform", "  target: {teachers: [Target]}\ncontrol: uniform")
    )
    file.write_text(text.replace("causal: yoked\n", ""))
    assert main(["ablate", str(file), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "trials     30, 0 to run" in said
    assert "10 shipped" in said
    assert main(["ablate", str(file), "--dry-run", "--shipped", "false"]) == 0
    assert "30 to run" in capsys.readouterr().out
