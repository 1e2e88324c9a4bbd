"""Where plans came from: read off the log, said at a run's end, shown on its page."""

import json

import pytest

from teachrl import cli
from teachrl.runs.sources import Sources, sources
from teachrl.studies.page_runs import RunFiles
from teachrl.studies.page_sources import sources_data

ROW = {
    "steps": 9,
    "teacher/WordsAsBeacons/plans/fallback": 1.0,
    "teacher/WordsAsBeacons/plans/live": 3.0,
    "teacher/WordsAsBeacons/plans/none": 0.0,
    "teacher/WordsAsBeacons/asked/open": 2.0,
    "teacher/LLMTasks/llm/source/rule": 5.0,
    "teacher/LLMTasks/llm/asked": 9.0,
}


def test_counts_are_added_up_by_teacher_and_source():
    plans, answers = sources([ROW, {"teacher/WordsAsBeacons/plans/fallback": 4.0}, {}])
    assert plans == Sources("WordsAsBeacons", "plans", {"fallback": 5, "live": 3})
    assert str(plans) == "plans of WordsAsBeacons: fallback 5 (62%), live 3 (38%)"
    assert str(answers) == "answers of LLMTasks: rule 5 (100%)"
    assert sources([{"steps": 3, "teacher/ALPGMM/alp": 1.0}]) == []


def test_the_page_adds_up_the_runs_of_a_variant(tmp_path):
    runs = []
    for label, seed, row in (("a", 0, ROW), ("a", 1, ROW), ("b", 0, {"steps": 3})):
        place = tmp_path / f"{label}{seed}"
        place.mkdir()
        (place / "metrics.jsonl").write_text(json.dumps({"steps": 1}) + "\n" + json.dumps(row) + "\n")
        runs.append((label, seed, RunFiles(place)))
    (tmp_path / "c").mkdir()
    assert sources_data([*runs, ("c", 0, RunFiles(tmp_path / "c"))]) == [
        {"variant": "a", "teacher": "WordsAsBeacons", "what": "plans", "counts": {"live": 6, "fallback": 2}},
        {"variant": "a", "teacher": "LLMTasks", "what": "answers", "counts": {"rule": 10}},
    ]


@pytest.mark.filterwarnings("ignore:The language model has no plan")
def test_who_stood_in_for_a_model_that_is_down_is_told(tmp_path, capsys, monkeypatch):
    from teachrl.runs import examine

    original = examine.Examiner.suite
    monkeypatch.setattr(examine.Examiner, "suite", lambda self, name: dict(list(original(self, name).items())[:2]))
    words = [
        *("train", "--env", "TeachRL/MiniGrid-MultiRoom-N2-S4-v0", "--teacher", "WordsAsBeacons"),
        *("--teacher.provider", "LLM", "--teacher.provider.model", "m", "--teacher.provider.mode", "live"),
        *("--teacher.provider.base_url", "http://127.0.0.1:9/v1", "--student", "PPO", "--student.n_steps", "32"),
        *("--num_envs", "4", "--steps", "128", "--eval_every", "never", "--video", "0", "--pictures", "false"),
        *("--progress", "plain", "--out", str(tmp_path / "run")),
    ]
    assert cli.main(words) == 0
    assert "plans of WordsAsBeacons: fallback 4 (100%)\n" in capsys.readouterr().out
    assert cli.main(["report", str(tmp_path / "run")]) == 0
    assert '"counts":{"fallback":4}' in (tmp_path / "run" / "report.html").read_text()
