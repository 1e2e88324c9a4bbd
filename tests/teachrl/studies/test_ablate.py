"""`teachrl ablate` from the command line: run, killed, continued, wrong."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from teachrl.cli import main
from teachrl.studies.tables import TIMES

STUDY: dict[str, Any] = {
    "question": "Is it?",
    "base": {"env": "TeachRL/Hypercube-v0", "steps": 400, "checkpoint_every": 50},
    "arms": {
        "uniform": {"teachers": ["Uniform"]},
        "alp": {"teachers": [{"class_path": "ALPGMM", "init_args": {"fit_rate": 50}}]},
    },
    "control": "uniform",
    "seeds": 3,
}


def file_of(folder: Path, **changes: Any) -> Path:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({**STUDY, **changes}, sort_keys=False))
    return path


def results(directory: Path) -> list[dict[str, Any]]:
    rows = pq.read_table(directory / "results.parquet").drop_columns(list(TIMES)).to_pylist()
    return [{**row, "study": None} for row in rows]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert main(["ablate", str(file_of(folder, causal="yoked")), "--jobs", "2", "--report", "false"]) == 0
    return folder / "mine"


def test_a_study_ends_with_results_and_a_verdict(undisturbed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = results(undisturbed)
    last = [row for row in rows if row["suite"] == "test"]
    assert sorted({row["variant"] for row in last}) == ["alp", "alp shuffled", "alp yoked", "target only", "uniform"]
    assert len(last) == 15
    assert {row["status"] for row in rows} == {"finished"}
    capsys.readouterr()
    began = time.monotonic()
    assert main(["ablate", str(undisturbed.with_suffix(".yaml")), "--report", "false"]) == 0
    said = capsys.readouterr().out
    assert "15 trials, 0 to run (15 finished)" in said
    assert "xploratory" in said
    assert time.monotonic() - began < 60
    assert results(undisturbed) == rows


def test_killed_three_times_it_ends_with_the_same_numbers(undisturbed: Path, tmp_path: Path) -> None:
    study = file_of(tmp_path, causal="yoked")
    command = [sys.executable, "-m", "teachrl", "ablate", str(study), "--jobs", "2", "--report", "false"]
    chance = random.Random(5)
    for _ in range(3):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(2.0, 5.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert results(tmp_path / "mine") == results(undisturbed)


def test_a_changed_arm_runs_again_and_the_others_do_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = file_of(tmp_path, seeds=1)
    assert main(["ablate", str(study), "--report", "false", "--jobs", "1"]) == 0
    changed = {**STUDY["arms"], "alp": {"teachers": [{"class_path": "ALPGMM", "init_args": {"fit_rate": 60}}]}}
    file_of(tmp_path, seeds=1, arms=changed)
    capsys.readouterr()
    assert main(["ablate", str(study), "--report", "false", "--jobs", "1"]) == 0
    assert "2 trials, 1 to run (1 finished)" in capsys.readouterr().out


def test_failed_trials_are_told_and_retried_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine_own.py").write_text(
        "import os\n"
        "from teachrl.teachers import Uniform\n"
        "class Moody(Uniform):\n"
        "    '''Fails while a file says so.'''\n"
        "    def sample_tasks(self, n, student=0):\n"
        f"        if os.path.exists({str(tmp_path / 'bad mood')!r}):\n"
        "            raise RuntimeError('not today')\n"
        "        return super().sample_tasks(n, student)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    (tmp_path / "bad mood").touch()
    study = file_of(
        tmp_path, seeds=1, arms={"uniform": {"teachers": ["Uniform"]}, "moody": {"teachers": ["mine_own.Moody"]}}
    )
    command = ["ablate", str(study), "--report", "false", "--jobs", "1"]
    assert main(command) == 1
    said = capsys.readouterr()
    assert "1 of 2 trials failed" in said.err
    assert "moody, seed 0: " in said.err
    assert "not today" in said.err
    assert [row["status"] for row in results(tmp_path / "mine") if row["suite"] != "validation"] == [
        "finished",
        "failed",
    ]
    (tmp_path / "bad mood").unlink()
    assert main(command) == 1
    assert "0 to run" in capsys.readouterr().out
    assert main([*command, "--retry"]) == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"arms": {**STUDY["arms"], "bad": {"student.algoritm": "PPO"}}}, "has no parameter algoritm"),
        ({"arms": {**STUDY["arms"], "bad": {"env_kwargs": {"dimms": 2}}}}, "dims"),
        ({"arms": {**STUDY["arms"], "bad": {"steps": -3}}}, "bad"),
        ({"arms": {**STUDY["arms"], "bad": {"teachers": ["ALPGNM"]}}}, "ALPGMM"),
        ({"contrasts": [["alp", "nobody"]]}, "nobody"),
        ({"grid": {"teachers.ALPGMM.fit_rate": []}}, "at least one"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_created(
    changes: dict[str, Any], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ablate", str(file_of(tmp_path, **changes))]) in (1, 2)
    assert words in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["mine.yaml"]


def test_an_engine_that_cannot_be_made_is_said_and_nothing_is_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = str(file_of(tmp_path))
    assert main(["ablate", study, "--address", "auto"]) == 1
    assert "choose --engine ray" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["ablate", study, "--engine", "ray"]) == 1
    assert "teachrl[ray]" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["mine.yaml"]


def test_a_failed_trial_that_arms_share_counts_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = file_of(tmp_path, seeds=1, grid={"teachers.ALPGMM.fit_rate": [50, 60]})
    assert main(["ablate", str(study), "--report", "false", "--jobs", "1"]) == 0
    (place,) = (tmp_path / "mine" / "runs").glob("uniform*/*")
    (place / "eval.parquet").write_bytes(b"half")
    capsys.readouterr()
    assert main(["ablate", str(study), "--report", "false", "--jobs", "1"]) == 1
    assert "1 of 3 trials failed" in capsys.readouterr().err


def test_the_plan_is_printed_and_nothing_is_created(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = file_of(tmp_path, seeds=10)
    assert main(["ablate", str(study), "--dry-run", "--power", "--jobs", "2"]) == 0
    said = capsys.readouterr().out
    assert "trials     20, 20 to run: 2 arms x 10 seeds" in said
    assert "steps      8,000" in said
    assert "10 seeds detect a difference of" in said
    assert [p.name for p in tmp_path.iterdir()] == ["mine.yaml"]
    assert main(["ablate", "--list"]) == 0
    assert "quick " in capsys.readouterr().out


def test_without_a_study_the_command_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ablate"]) == 1
    assert "--list" in capsys.readouterr().err
    assert main(["ablate", "quik"]) == 1
    assert "'quick'" in capsys.readouterr().err
    assert main(["ablate", "quick", "--engine", "slurm", "--dry-run"]) == 2
    assert "local" in capsys.readouterr().err
