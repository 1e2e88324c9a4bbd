"""The command line of plan-subgoals: plans for three levels, what is refused, and help that teaches."""

import json
import re
import shlex

import pytest

from llm_server import LLMServer
from planned_levels import ENV, knowing
from teachrl import cli


def test_from_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with LLMServer(knowing(range(3))) as server:
        words = [
            *("plan-subgoals", "--env", ENV, "--seeds", "0:3", "--out", "plans.json", "--progress", "plain"),
            *("--provider", "LLM", "--provider.model", "m", "--provider.base_url", server.url),
            *("--provider.cache", "cache", "--provider.retries", "0"),
        ]
        assert cli.main(words) == 0
    text = capsys.readouterr().out
    assert "plans.json: plans for 3 levels" in text
    assert shlex.split(text.strip().splitlines()[-1])[:4] == ["teachrl", "train", "--env", ENV]
    data = json.loads((tmp_path / "plans.json").read_text())
    assert data["provider"] == "Asked(llm=LLM(model='m')), prompt 1"
    assert cli.main([*words, "--provider", "LLM", "--provider.model", "other", "--provider.mode", "off"]) == 1
    assert "not \"Asked(llm=LLM(model='other')" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--provider.model", "m"], "--provider.model belongs to the provider before it"),
        (["--provider", "Plannr"], "no provider 'Plannr'"),
        (["--provider", "LLM", "--provider.modl", "m"], "Did you mean model"),
        (["--sedes", "0:3"], "Did you mean --seeds"),
        (["--env", "TeachRL/MiniGrid-MultiRoom-N2-S4-v0", "--env_kwargs.sise", "3"], "has no parameter sise"),
    ],
)
def test_wrong_words(words, message, capsys):
    assert cli.main(["plan-subgoals", *words]) == 2
    assert re.search(message, capsys.readouterr().err)


@pytest.mark.parametrize("url", ["http://example.com/v1", "https://user:pw@example.com/v1?k=1"])
def test_an_address_that_no_key_may_be_sent_to(url, tmp_path, capsys):
    words = ["plan-subgoals", "--env", ENV, "--seeds", "0:3", "--out", str(tmp_path / "a.json"), "--provider", "LLM"]
    assert cli.main([*words, "--provider.model", "m", "--provider.base_url", url]) == 1
    said = capsys.readouterr().err
    assert said.startswith("teachrl: base_url")
    assert "Traceback" not in said
    assert "pw" not in said
    assert not (tmp_path / "a.json").exists()


def test_a_file_without_a_plan_of_the_models_says_why_and_trains_nobody(tmp_path, capsys):
    words = ["plan-subgoals", "--env", ENV, "--seeds", "0:3", "--progress", "none", "--provider", "LLM"]
    words += ["--provider.model", "m", "--provider.mode", "replay", "--provider.cache", str(tmp_path)]
    (tmp_path / "answers.sqlite").touch()
    assert cli.main([*words, "--out", str(tmp_path / "a.json")]) == 0
    said = capsys.readouterr().out
    assert "none 3\nmostly because: mode='replay', and" in said
    assert "Train with" not in said
    assert cli.main([*words, "--out", str(tmp_path / "a.json"), "--fallback", "Planner"]) == 0
    assert "fallback 3" in capsys.readouterr().out


def test_the_command_trains_with_the_kind_that_was_planned_for(tmp_path, capsys):
    words = ["plan-subgoals", "--env", ENV, "--seeds", "0:3", "--progress", "none", "--out", str(tmp_path / "a.json")]
    assert cli.main([*words, "--provider", "Noisy", "--kind", "object"]) == 0
    assert capsys.readouterr().out.strip().endswith("--teacher.kind object")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], ["--provider.PARAMETER", "--seeds", "--out", "goes on where it was", "OPENAI_API_KEY"]),
        (["--provider", "LLM"], ["--provider LLM", "--provider.base_url", "--provider.max_cost"]),
        (["--provider", "Noisy"], ["--provider.preset", "simulated-llama"]),
    ],
)
def test_help_teaches_to_plan(words, told, capsys):
    assert cli.main(["plan-subgoals", *words, "--help"]) == 0
    text = capsys.readouterr().out
    assert all(word in text for word in told)
