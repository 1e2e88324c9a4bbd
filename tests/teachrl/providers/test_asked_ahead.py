"""Plans of a language model ahead of need, and what is left when nobody asks any more."""

import itertools
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llm_server import LLMServer, Reply
from planned_levels import SEEDS, oracle
from teachrl.llm import BudgetSpent, SwitchedOff, Unavailable

ROOT = Path(__file__).parents[3]


def test_asked_ahead_of_need(levels, script, begin):
    taken = []

    def reading():
        for layout in levels:
            taken.append(layout)
            yield layout

    with LLMServer(script) as server:
        provider = begin(server.url, concurrency=1)
        first, *rest = provider.prepare(reading())
        again = list(provider.prepare(levels))
    found = {item.layout.seed: item for item in [first, *rest]}
    assert set(found) == set(SEEDS)
    assert all(item.plan == oracle(item.layout) and item.source == "live" for item in found.values())
    assert len(server.requests) == len(levels)
    assert {item.source for item in again} == {"cache"}


def test_asked_ahead_several_at_a_time(levels, begin):
    with LLMServer([Reply("{}", delay=0.2)]) as server:
        provider = begin(server.url, concurrency=6, fallback="none", mode="live")
        started = time.monotonic()
        found = list(provider.prepare(levels))
        assert time.monotonic() - started < 6 * 2 * 0.2
    assert {(item.source, item.plan == []) for item in found} == {("none", True)}
    assert all("no valid answer" in item.problem for item in found)


def test_a_budget_ends_the_asking_ahead(levels, script, begin):
    found = []
    with LLMServer(script) as server:
        provider = begin(server.url, max_calls=2, concurrency=1)
        with pytest.raises(BudgetSpent, match="max_calls=2"):
            found.extend(item for item in provider.prepare(levels) if found.append(item))
    assert [item.source for item in found][:3] == ["live", "live", ""]
    assert found[-1].plan == []


def test_no_answer_that_was_paid_for_is_lost(levels, script, begin):
    found, count = [], itertools.count()
    with LLMServer(lambda messages: Reply(json.dumps(script(messages)), delay=0.02 * (next(count) % 3))) as server:
        provider = begin(server.url, max_calls=4, concurrency=3, mode="live")
        with pytest.raises(BudgetSpent):
            found.extend(item for item in provider.prepare(levels) if found.append(item))
        calls = len(server.requests)
    assert sum(item.source == "live" for item in found) == calls == 4


def test_an_endpoint_that_is_down_ends_the_asking_ahead(levels, begin):
    provider = begin(concurrency=1)
    with pytest.raises(Unavailable):
        list(provider.prepare(levels))
    with pytest.raises(SwitchedOff):
        list(begin(mode="off").prepare(levels))


def test_leaving_the_asking_ahead_leaves_nothing_to_do(levels, begin):
    with LLMServer([Reply("{}", delay=0.05)]) as server:
        provider = begin(server.url, concurrency=1)
        items = provider.prepare(levels)
        next(items)
        items.close()
        time.sleep(0.2)
        done = len(server.requests)
        time.sleep(0.2)
    assert len(server.requests) == done < 2 * len(levels)


def test_a_closed_provider_waits_for_nothing(levels, begin):
    with LLMServer([Reply("{}", delay=5)]) as server:
        provider = begin(server.url)
        for layout in levels:
            provider.plan(layout)
        started = time.monotonic()
        provider.close()
        assert time.monotonic() - started < 0.5


SILENT = """
import sys
sys.path[:0] = [{tests!r}]
import numpy as np
from planned_levels import read_levels
from teachrl.llm import LLM
from teachrl.providers.asked import Asked
from teachrl_envs.minigrid.layouts import MiniGridLayouts
provider = Asked(LLM("m", {url!r}, cache={cache!r}))
provider.begin(MiniGridLayouts(), np.random.default_rng(0))
for layout in read_levels(range(8)):
    provider.plan(layout)
import time
while not provider.scalars()["llm/asked"]:
    time.sleep(0.01)
time.sleep(0.5)
print("done", flush=True)
"""


def test_the_interpreter_ends_while_a_server_says_nothing(tmp_path):
    with LLMServer([Reply("{}", delay=60)]) as server:
        code = SILENT.format(tests=str(ROOT / "tests"), url=server.url, cache=str(tmp_path))
        started = time.monotonic()
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50)
    assert time.monotonic() - started < 45
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")
