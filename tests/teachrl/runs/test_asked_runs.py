"""Training with a language model that is down, slow or lying: at full speed, with the fallback's plans."""

import json
import re
import time

import numpy as np
import pytest

from llm_server import LLMServer, Reply
from planned_levels import ENV, MOST, answer, knowing, read_levels
from teachrl import cli
from teachrl.classroom import Classroom
from teachrl.llm import LLM
from teachrl.providers import asked
from teachrl.providers.prompts import PROMPT_VERSION, messages, schema
from teachrl.subgoals import Subgoal
from teachrl.teachers import Levels, WordsAsBeacons
from teachrl.vector import make_vec

STEPS, ENVS = 200, 4
IN_ASKING = re.compile("/(llm|asked)/")
LIES = answer([Subgoal(24, 24)])

pytestmark = pytest.mark.filterwarnings("ignore:The language model has no plan")


@pytest.fixture
def play(tmp_path):
    """Plays 200 steps on three levels; returns the slowest step in seconds, those of the processor, and the scalars."""

    def play(provider):
        teacher = WordsAsBeacons(provider)
        room = Classroom(make_vec(ENV, ENVS), [Levels("0:3"), teacher], seed=1)
        teacher.validate(teacher.setup)
        rng = np.random.default_rng(0)
        room.reset()
        slowest, spent = 0.0, time.thread_time()
        for _ in range(STEPS):
            begun = time.monotonic()
            room.step(rng.integers(3, size=ENVS))
            slowest = max(slowest, time.monotonic() - begun)
        spent = time.thread_time() - spent
        room.close()
        return slowest, spent, teacher.scalars()

    play("Planner")  # compiles
    return play


@pytest.mark.parametrize(
    ("script", "calls"),
    [
        ([Reply("{}", delay=5.0)], 3),
        ([Reply(status=500)], 3),
        ([Reply(drop=True)], 3),
        ([LIES], 6),  # well-formed, twice for each level, and never asked again
        (None, 0),
    ],
)
def test_no_step_waits(script, calls, play, tmp_path, monkeypatch):
    monkeypatch.setattr(asked, "PAUSE", 0.05)
    with LLMServer(script or ["{}"]) as server:
        url = server.url if script else "http://127.0.0.1:9/v1"
        slowest, spent, found = play(LLM("m", url, cache=str(tmp_path), retries=0, timeout=2.0))
        _, alone, _ = play("Planner")
    assert slowest < 1.0
    assert spent < 3 * alone + 0.3
    assert found["plans/fallback"] >= ENVS
    assert found.get("plans/live", 0) == 0
    assert len(server.requests) <= calls


def question(layout):
    return messages(layout, MOST), schema(layout, MOST), lambda data: data, PROMPT_VERSION


def test_true_answers_are_used_in_the_same_run_and_lies_never(play, tmp_path):
    with LLMServer(knowing(range(3))) as server:
        model = LLM("m", server.url, cache=str(tmp_path))
        for layout in read_levels(range(3)):
            model.ask(*question(layout))
        _, _, found = play(model)
    assert found["plans/cache"] >= ENVS
    assert found.get("plans/fallback", 0) == 0
    assert len(server.requests) == 3


SMALL = [
    *("--student", "PPO", "--student.n_steps", "32", "--student.n_epochs", "1", "--num_envs", "4", "--steps", "256"),
    *("--eval_every", "never", "--video", "0", "--pictures", "false", "--progress", "none", "--loggers", "[]"),
]


@pytest.fixture
def few_tasks(monkeypatch):
    from teachrl.runs import examine

    original = examine.Examiner.suite
    monkeypatch.setattr(examine.Examiner, "suite", lambda self, name: dict(list(original(self, name).items())[:2]))


def train(out, *provider):
    """Trains from the command line; returns the last row of the log."""
    words = ["train", "--env", ENV, "--teacher", "Levels", "--teacher.seeds", "0:4", "--teacher", "WordsAsBeacons"]
    assert cli.main([*words, *provider, *SMALL, "--out", str(out)]) == 0
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return {name: value for row in rows for name, value in row.items()}


def test_the_same_run_again_makes_no_call(tmp_path, few_tasks, capsys):
    flags = ["--teacher.provider", "LLM", "--teacher.provider.model", "m", "--teacher.provider.cache", str(tmp_path)]
    with LLMServer(knowing(range(4))) as server:
        flags += ["--teacher.provider.base_url", server.url]
        levels = ["--env", ENV, "--seeds", "0:4", "--out", str(tmp_path / "plans.json"), "--progress", "none"]
        assert cli.main(["plan-subgoals", *levels, *(flag.replace("--teacher.", "--") for flag in flags)]) == 0
        first = train(tmp_path / "a", *flags)
        assert len(server.requests) == 4
    again = train(tmp_path / "b", *flags, "--teacher.provider.mode", "replay")
    read = ["--teacher.provider", "Recorded", "--teacher.provider.path", str(tmp_path / "plans.json")]
    recorded = train(tmp_path / "c", *read)
    name = next(name for name in first if name.endswith("plans/cache"))
    assert first[name] == again[name] == recorded[name.replace("cache", "recorded")] > 0
    assert first[name.replace("plans/cache", "llm/calls")] == 0
    learned = [key for key in first if key.startswith(("train/", "student/", "teacher/")) and not IN_ASKING.search(key)]
    assert len(learned) > 10
    for other in (again, recorded):
        assert {k: other[k] for k in learned if "plans/" not in k} == {
            k: first[k] for k in learned if "plans/" not in k
        }
