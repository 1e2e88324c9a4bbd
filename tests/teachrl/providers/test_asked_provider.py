"""Plans of a language model: given when they are there, and never waited for."""

import json
import re
import threading
import time
import warnings

import numpy as np
import pytest

from llm_server import LLMServer, Reply
from planned_levels import MOST, answer, oracle, settle
from teachrl.errors import InvalidHyperparameter
from teachrl.llm import LLM, NotConfigured
from teachrl.llm.asking import Answer
from teachrl.providers import asked, make_provider
from teachrl.providers.asked import Asked
from teachrl_envs.minigrid.layouts import MiniGridLayouts

pytestmark = pytest.mark.filterwarnings("ignore:The language model has no plan")


def plans(provider):
    """Returns the counts of plans by source."""
    wanted = ("live", "cache", "fallback", "none")
    return {name: int(n) for name in wanted if (n := provider.scalars().get(f"plans/{name}", 0))}


def test_the_fallback_plans_until_the_answer_is_there(levels, script, begin):
    with LLMServer(script) as server:
        provider = begin(server.url)
        for _ in range(3):
            assert provider.plan(levels[0]) == oracle(levels[0])
        settle(provider)
        assert provider.plan(levels[0]) == oracle(levels[0])
        found = provider.scalars()
    assert len(server.requests) == 1
    assert found["plans/live"] + found["plans/fallback"] == 4
    assert found["plans/live"] >= 1
    assert found["plans/fallback"] >= 1
    assert (found["llm/calls"], found["llm/tokens"], found["asked/failed"]) == (1, 42, 0)


def test_a_second_run_makes_no_call(levels, script, begin):
    with LLMServer(script) as server:
        first = begin(server.url)
        for layout in levels:
            first.plan(layout)
        settle(first)
        assert len(server.requests) == len(levels)
        second = begin(server.url)
        assert [second.plan(layout) for layout in levels] == [oracle(layout) for layout in levels]
    assert len(server.requests) == len(levels)
    assert plans(second) == {"cache": len(levels)}
    assert second.scalars()["llm/calls"] == 0
    assert second.scalars()["llm/hits"] == len(levels)


def test_replay_needs_no_thread_and_off_asks_nobody(levels, script, begin):
    with LLMServer(script) as server:
        provider = begin(server.url)
        provider.plan(levels[0])
        settle(provider)
    before = threading.active_count()
    replayed, off = begin(server.url, mode="replay"), begin(server.url, mode="off", fallback="none")
    for _ in range(2):
        assert replayed.plan(levels[0]) == oracle(levels[0])
        assert replayed.plan(levels[1]) == oracle(levels[1])
        assert off.plan(levels[0]) == []
    assert threading.active_count() == before
    assert plans(replayed) == {"cache": 2, "fallback": 2}
    assert replayed.scalars()["llm/failures/cache_miss"] == 1  # what is not there is asked for once
    assert plans(off) == {"none": 2}
    assert off.scalars()["llm/asked"] == 0


def test_waiting_gives_the_models_plan_at_once(levels, script, begin):
    with LLMServer(script) as server:
        provider = begin(server.url, wait=True, fallback="none")
        assert [provider.plan(layout) for layout in levels[:2] * 2] == [oracle(layout) for layout in levels[:2] * 2]
    assert plans(provider) == {"live": 4}
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"kind": "position", "colour": "", "x": 24, "y": 24}, "cannot be reached"),
        ({"kind": "goal", "colour": "green", "x": 21, "y": 2}, "There is no green goal at \\(21, 2\\)"),
        ({"kind": "position", "colour": "", "x": 30, "y": 2}, "x 30, y 2 is outside the grid"),
        ({"kind": "dragon", "colour": "", "x": 21, "y": 2}, "the kind one of position, door, goal"),
        ("not JSON at all", "not JSON"),
    ],
)
def test_a_wrong_answer_is_repaired(wrong, told, levels, begin):
    layout, (right,) = levels[3], [answer(oracle(levels[3]))]
    first = wrong if isinstance(wrong, str) else {"subgoals": [*right["subgoals"], wrong]}
    with LLMServer([first, right]) as server:
        provider = begin(server.url, wait=True, fallback="none")
        assert provider.plan(layout) == oracle(layout)
    complaint = server.requests[1].messages[-1]["content"]
    assert re.search(told, complaint)
    assert provider.scalars()["llm/repaired"] == 1


@pytest.mark.parametrize(
    ("changed", "times", "reason"),
    [
        ({"x": 24, "y": 24}, 2, "unreachable"),
        ({"x": 99}, 2, "outside"),
        ({"kind": "goal"}, 2, "absent"),
        ({"kind": "dragon"}, 2, "form"),
        ({}, MOST + 1, "number"),
    ],
)
def test_refusals_are_counted_by_reason(changed, times, reason, levels, begin):
    item = {"kind": "position", "colour": "", "x": 1, "y": 1} | changed
    with LLMServer([{"subgoals": [item] * times}]) as server:
        provider = begin(server.url, wait=True)
        provider.plan(levels[0])
        provider.plan(levels[0])
    found = {name: number for name, number in provider.scalars().items() if name.startswith("refused/")}
    assert found == {f"refused/{reason}": 2 if reason == "number" else 4}  # two subgoals, twice
    assert len(server.requests) == 2  # and not again


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("replies", "fallback", "said"),
    [
        ([Reply(status=500)], "Planner", r"no plan for a level, the fallback plans\. .*\(500\)"),
        (["{}"], "none", "no plan for a level, nobody plans in its place\\. m gave no valid answer"),
    ],
)
def test_who_plans_instead_is_said_once(replies, fallback, said, levels, begin, monkeypatch):
    monkeypatch.setattr(asked, "PAUSE", 0.0)
    with LLMServer(replies) as server:
        provider = begin(server.url, fallback=fallback, mode="live")
        provider.plan(levels[0])
        with pytest.warns(RuntimeWarning, match=said):
            settle(provider)
        provider.plan(levels[1])
        settle(provider)
        provider.plan(levels[2])
        settle(provider)
    assert len(server.requests) > 2


class Elsewhere:
    """A model of one's own: nothing but `ask`, with the arguments that it is documented to have."""

    def ask(self, messages, schema, check, version=""):
        return Answer(check(answer(self.plan)), "live", 0, 0.0)

    def scalars(self):
        return {}


def test_a_model_of_ones_own_is_asked(levels):
    model = Elsewhere()
    model.plan = oracle(levels[0])
    provider = Asked(model, "none", wait=True)
    provider.begin(MiniGridLayouts(), np.random.default_rng(0))
    assert provider.plan(levels[0]) == oracle(levels[0])
    assert plans(provider) == {"live": 1}


def test_a_model_that_is_handed_in_is_asked_through_a_copy(levels, script, begin):
    with LLMServer(script) as server:
        one, model = begin(server.url, wait=True, mode="live"), None
        one.plan(levels[0])
        model = one.llm
        other = Asked(model, wait=True)
        other.begin(MiniGridLayouts(), np.random.default_rng(0))
        other.plan(levels[1])
        assert [p.scalars()["llm/calls"] for p in (one, other)] == [1, 1]  # each has budgets of its own
        assert model.scalars()["llm/calls"] == 0
        other.close()
        one.plan(levels[2])
    assert len(server.requests) == 3


def test_a_fenced_answer_will_do(levels, begin):
    with LLMServer([f"Sure!\n```json\n{json.dumps(answer(oracle(levels[0])))}\n```"]) as server:
        assert begin(server.url, wait=True, fallback="none").plan(levels[0]) == oracle(levels[0])


def test_what_was_wrong_twice_is_not_asked_again(levels, begin):
    with LLMServer(["{}"]) as server:
        provider = begin(server.url, fallback="none")
        for _ in range(5):
            assert provider.plan(levels[0]) == []
            settle(provider)
        again = begin(server.url)  # another run finds the wrong answers in the cache
        assert again.plan(levels[0]) == oracle(levels[0])
    assert len(server.requests) == 2
    assert provider.scalars()["asked/failed"] == again.scalars()["asked/failed"] == 1
    assert plans(again) == {"fallback": 1}


@pytest.mark.parametrize("reply", [Reply(status=500), Reply(drop=True), Reply("{}", delay=5), Reply(body="<html>")])
def test_nobody_waits_for_a_server_that_fails(reply, levels, begin):
    with LLMServer([reply]) as server:
        provider = begin(server.url, timeout=0.3)
        spent, started = [], time.monotonic()
        for k in range(200):
            before = time.thread_time()
            assert provider.plan(levels[k % len(levels)]) == oracle(levels[k % len(levels)])
            spent.append(time.thread_time() - before)
        assert time.monotonic() - started < 2.0
        assert np.median(spent) < 0.002
        assert plans(provider) == {"fallback": 200}
        assert len(server.requests) <= len(levels)


def test_a_server_that_is_not_there(levels, begin):
    provider = begin()
    assert provider.plan(levels[0]) == oracle(levels[0])
    settle(provider)
    for layout in levels * 5:  # it is left alone for a while
        provider.plan(layout)
    found = provider.scalars()
    assert found["asked/open"] == 0
    assert found["llm/failures/unavailable"] == 1
    assert found["asked/failed"] == 0
    assert plans(provider) == {"fallback": 31}


def test_an_endpoint_that_comes_back_is_asked_again(levels, begin, monkeypatch):
    monkeypatch.setattr(asked, "PAUSE", 0.0)
    with LLMServer([Reply(status=500), answer(oracle(levels[0]))]) as server:
        provider = begin(server.url, fallback="none")
        assert provider.plan(levels[0]) == []
        settle(provider)
        assert provider.plan(levels[0]) == []
        settle(provider)
        assert provider.plan(levels[0]) == oracle(levels[0])
    assert len(server.requests) == 2


def test_a_budget_that_is_spent_ends_all_asking(levels, script, begin):
    with LLMServer(script) as server:
        provider = begin(server.url, max_calls=1, concurrency=1)
        provider.plan(levels[0])
        settle(provider)
        provider.plan(levels[1])
        with pytest.warns(RuntimeWarning, match="asked nothing more in this run, the fallback plans: max_calls=1"):
            settle(provider)
        provider.plan(levels[2])
        assert [provider.plan(layout) for layout in levels] == [oracle(layout) for layout in levels]
    assert len(server.requests) == 1
    assert plans(provider) == {"fallback": 8, "live": 1}


def test_without_a_key_training_goes_on(levels, begin, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    provider = begin("https://llm.example/v1")
    provider.plan(levels[0])
    with pytest.warns(RuntimeWarning, match="no key for llm.example: put it into the environment"):
        settle(provider)
    assert provider.plan(levels[0]) == oracle(levels[0])


def test_a_model_without_a_name_is_an_error(levels, begin):
    with pytest.raises(NotConfigured, match="No model is named"):
        begin(model="")
    assert begin(model="", mode="off").plan(levels[0]) == oracle(levels[0])


@pytest.mark.parametrize("wrong", [{"most": 0}, {"wait": "yes"}, {"timeout": -1.0}])
def test_impossible_arguments(wrong, begin):
    with pytest.raises(InvalidHyperparameter, match=next(iter(wrong))):
        begin(**wrong)


def test_the_line_has_an_end(levels, begin, monkeypatch):
    monkeypatch.setattr(asked, "OPEN", 2)
    with LLMServer([Reply("{}", delay=5)]) as server:
        provider = begin(server.url, concurrency=1)
        for layout in levels:
            provider.plan(layout)
        assert provider.scalars()["asked/open"] <= 3


def test_levels_that_never_come_again_are_warned_of(levels, script, begin, monkeypatch):
    monkeypatch.setattr(asked, "UNUSED", 3)
    with LLMServer(script) as server:
        provider = begin(server.url)
        for layout in levels[:3]:
            provider.plan(layout)
        with pytest.warns(RuntimeWarning, match="planned 3 levels, none of which came again.*--teacher Levels"):
            settle(provider)
        provider.plan(levels[3])
        settle(provider)
        provider.plan(levels[4])  # once


def test_a_layout_that_breaks_the_check_breaks_no_thread(levels, script, begin, monkeypatch):
    with LLMServer(script) as server:
        provider = begin(server.url)
        monkeypatch.setattr(MiniGridLayouts, "refusal", lambda *_: 1 / 0)
        provider.plan(levels[0])
        settle(provider)
    assert provider.scalars()["asked/failed"] == 1


def test_the_state_goes_round(levels, begin):
    with LLMServer(["{}"]) as server:
        provider = begin(server.url, fallback={"class_path": "Noisy", "init_args": {"accuracy": 0.5}}, wait=True)
        provider.plan(levels[0])
        state = provider.state_dict()
        other = begin(server.url, fallback={"class_path": "Noisy", "init_args": {"accuracy": 0.5}}, mode="live")
        other.load_state_dict(state)
        assert [other.plan(levels[0]) for _ in range(5)] == [provider.plan(levels[0]) for _ in range(5)]
    assert len(server.requests) == 2
    assert plans(other) == {"fallback": 6}


def test_budgets_are_those_of_the_whole_run(levels, script, begin):
    with LLMServer(script) as server:
        provider = begin(server.url, max_calls=1, wait=True, mode="live")
        provider.plan(levels[0])
        other = begin(server.url, max_calls=1, wait=True, mode="live")
        other.load_state_dict(provider.state_dict())
        with pytest.warns(RuntimeWarning, match="max_calls=1"):
            other.plan(levels[1])
    assert len(server.requests) == 1


def test_a_provider_is_made_of_a_model_or_its_description(tmp_path, levels):
    spec = {"class_path": "LLM", "init_args": {"model": "m", "mode": "replay", "cache": str(tmp_path)}}
    nested = {"class_path": "teachrl.providers.asked.Asked", "init_args": {"llm": spec, "fallback": "none"}}
    for source, planned in ((LLM(**spec["init_args"]), True), (spec, True), (nested, False)):
        provider = make_provider(source)
        assert isinstance(provider, Asked)
        provider.begin(MiniGridLayouts(), np.random.default_rng(0))
        assert bool(provider.plan(levels[0])) is planned
        provider.close()


def test_many_threads_at_once(levels, script, begin):
    with LLMServer(script) as server, warnings.catch_warnings():
        provider = begin(server.url, concurrency=6)
        for _ in range(50):
            for layout in levels:
                provider.plan(layout)
        settle(provider)
        assert [provider.plan(layout) for layout in levels] == [oracle(layout) for layout in levels]
    assert len(server.requests) == len(levels)


@pytest.mark.parametrize(
    "source",
    [
        {"class_path": "LLM", "init_args": {"model": "m"}},
        {"class_path": "LLM", "init_args": {"model": "m", "mode": "off"}},
    ],
)
def test_a_model_made_from_a_name_is_closed(source, monkeypatch):
    closed = []
    monkeypatch.setattr(LLM, "close", lambda llm: closed.append(llm))
    provider = make_provider(source)
    provider.begin(MiniGridLayouts(), np.random.default_rng(0))
    provider.close()
    assert provider._model in closed
