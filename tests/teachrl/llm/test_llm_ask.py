"""Questions and answers: what is sent, what is accepted, what is repaired, and what is counted."""

from __future__ import annotations

import copy
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from llm_questions import SCHEMA, even, question
from llm_server import LLMServer, Reply
from teachrl.configurable import to_config
from teachrl.errors import InvalidHyperparameter, InvalidTask
from teachrl.llm import LLM, InvalidAnswer, SwitchedOff


def test_a_valid_answer_is_returned_with_what_it_took(make):
    with LLMServer([{"x": 4}]) as server:
        llm = make(server.url, mode="live", prices={"input": 1.0, "output": 10.0})
        answer = llm.ask(question(), SCHEMA, even)
    assert (answer.value, answer.source, answer.tokens) == (4, "live", 42)
    assert answer.cost == pytest.approx((30 * 1 + 12 * 10) / 1e6)
    scalars = llm.scalars()
    assert (scalars["llm/asked"], scalars["llm/calls"], scalars["llm/tokens"]) == (1, 1, 42)
    assert scalars["llm/input_tokens"] == 30
    assert scalars["llm/estimated"] == 0


def test_what_is_sent(make):
    with LLMServer([{"x": 4}]) as server:
        make(server.url, mode="live", seed=7, max_answer_tokens=50, extra={"top_p": 0.5}).ask(question(), SCHEMA, even)
        body = server.requests[0].body
    assert server.requests[0].path == "/v1/chat/completions"
    assert body["model"] == "tiny"
    assert body["messages"] == question()
    assert (body["temperature"], body["seed"], body["max_tokens"], body["top_p"]) == (0.0, 7, 50, 0.5)
    schema = {"name": "answer", "schema": SCHEMA, "strict": True}
    assert body["response_format"] == {"type": "json_schema", "json_schema": schema}


def test_an_open_schema_is_not_sent_as_strict(make):
    with LLMServer([{"x": 4}]) as server:
        make(server.url, mode="live").ask(question(), {"type": "object", "properties": {"x": {}}}, even)
        assert server.requests[0].body["response_format"]["json_schema"]["strict"] is False


@pytest.mark.parametrize(("json_mode", "sent"), [("object", {"type": "json_object"}), ("none", None)])
def test_endpoints_without_schemas_are_told_in_words(make, json_mode, sent):
    messages = question()
    with LLMServer([{"x": 4}]) as server:
        make(server.url, mode="live", json_mode=json_mode).ask(messages, SCHEMA, even)
        body = server.requests[0].body
    assert body.get("response_format") == sent
    assert json.dumps(SCHEMA) in body["messages"][0]["content"]
    assert body["messages"][1:] == question()[1:]
    assert messages == question()


def test_arguments_that_are_none_are_not_sent(make):
    with LLMServer([{"x": 4}]) as server:
        make(server.url, mode="live", temperature=None).ask(question(), SCHEMA, even)
        assert {"temperature", "seed"}.isdisjoint(server.requests[0].body)


@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"x": 4}\n```',
        'Sure! Here it is: {"x": 4} - good luck {learner}'.replace("{learner}", "learner"),
        '<think>maybe {"x": 5}?</think>\n{"x": 4}',
        '\ufeff  {"x":4}\n',
    ],
)
def test_json_is_found_where_models_put_it(make, text):
    with LLMServer([text]) as server:
        assert make(server.url, mode="live").ask(question(), SCHEMA, even).value == 4
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("no idea", "not JSON"),
        ({"x": -2}, "x must be at least 0, got -2"),
        ({"x": 3}, "x must be even, got 3"),
        ({"y": 3}, 'must have ["x"]'),
        ("", "empty"),
        (Reply('{"x": 4', finish="length"), "cut off"),
        (Reply(None), "empty"),
    ],
)
def test_a_wrong_answer_is_repaired_once_with_the_reason(make, bad, said):
    with LLMServer([bad, {"x": 6}]) as server:
        llm = make(server.url, mode="live")
        assert llm.ask(question(), SCHEMA, even).value == 6
        first, second = server.requests
    assert second.messages[:2] == first.messages
    assert [m["role"] for m in second.messages[2:]] == ["assistant", "user"]
    assert said in second.messages[3]["content"]
    assert llm.scalars()["llm/repaired"] == 1


def test_an_answer_that_stays_wrong_is_refused_with_the_reason(make):
    with LLMServer([{"x": 3}]) as server:
        llm = make(server.url, mode="live")
        with pytest.raises(InvalidAnswer, match="x must be even, got 3"):
            llm.ask(question(), SCHEMA, even)
        assert len(server.requests) == 2
    assert llm.scalars()["llm/failures/invalid_answer"] == 1
    assert llm.scalars()["llm/repaired"] == 0


def test_errors_of_the_core_count_as_wrong_answers_and_bugs_do_not(make):
    def refuse(data):
        raise InvalidTask("outside the task space")

    with LLMServer([{"x": 4}]) as server:
        with pytest.raises(InvalidAnswer, match="outside the task space"):
            make(server.url, mode="live").ask(question(), SCHEMA, refuse)
        with pytest.raises(KeyError):
            make(server.url, mode="live").ask(question(), SCHEMA, lambda data: data["z"])


@pytest.mark.parametrize(
    ("usage", "estimated"),
    [(None, True), ({"prompt_tokens": 0, "completion_tokens": 0}, True), ({"prompt_tokens": "9"}, True), ({}, True)],
)
def test_absent_usage_is_estimated_and_flagged(make, usage, estimated):
    with LLMServer([Reply('{"x": 4}', usage=usage)]) as server:
        llm = make(server.url, mode="live")
        assert llm.ask(question(), SCHEMA, even).tokens > 20
    assert llm.scalars()["llm/estimated"] == estimated


def test_no_more_requests_run_at_a_time_than_allowed(make):
    running, most, lock = [], [], threading.Lock()

    def script(messages):
        with lock:
            running.append(1)
            most.append(len(running))
        return {"x": 4}

    class Slow(LLMServer):
        def answer(self, request):
            reply = super().answer(request)
            time.sleep(0.05)
            with lock:
                running.pop()
            return reply

    with Slow(script) as server, ThreadPoolExecutor(8) as pool:
        llm = make(server.url, mode="live", concurrency=2)
        values = list(pool.map(lambda i: llm.ask(question(i), SCHEMA, even).value, range(12)))
    assert values == [4] * 12
    assert max(most) == 2


def test_off_answers_nothing_and_so_does_a_closed_one(make):
    with LLMServer([{"x": 4}]) as server:
        off = make(server.url, mode="off")
        with pytest.raises(SwitchedOff):
            off.ask(question(), SCHEMA, even)
        assert off.scalars()["llm/failures/off"] == 1
        llm = make(server.url, mode="live")
        llm.ask(question(), SCHEMA, even)
        llm.close()
        with pytest.raises(SwitchedOff, match="closed"):
            llm.ask(question(), SCHEMA, even)
        assert len(server.requests) == 1


def test_the_constructor_stores_and_copies_are_fresh(make):
    with LLMServer([{"x": 4}]) as server:
        llm = make(server.url, mode="live")
        llm.ask(question(), SCHEMA, even)
        other = copy.deepcopy(llm)
        assert other.init_args == llm.init_args
        assert other.scalars()["llm/calls"] == 0
        assert other.ask(question(), SCHEMA, even).value == 4
    assert LLM(**LLM(model="m").init_args).init_args == LLM(model="m").init_args
    json.dumps(to_config(llm))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"mode": "cached"}, "mode must be one of"),
        ({"json_mode": "yaml"}, "json_mode must be one of"),
        ({"retries": -1}, "LLM.retries must be an integer of at least 0, got -1"),
        ({"retries": "2"}, "LLM.retries must be an integer of at least 0, got '2'"),
        ({"max_calls": 1.5}, "LLM.max_calls must be None or an integer"),
        ({"temperature": "hot"}, "LLM.temperature must be None or a number"),
        ({"prices": None}, "LLM.prices must be a mapping"),
        ({"prices": {"input": "1", "output": 1}}, "prices must be"),
        ({"base_url": None}, "LLM.base_url must be a text, got NoneType"),
        ({"key_env": None}, "key_env must be the name"),
        ({"concurrency": 0}, "LLM.concurrency must be an integer of at least 1"),
        ({"timeout": 0.0}, "LLM.timeout must be a number above 0"),
        ({"max_cost": 1.0}, "prices must be"),
        ({"prices": {"in": 1.0}}, "prices must be"),
        ({"extra": {"messages": []}}, "extra must not have"),
    ],
)
def test_impossible_arguments_are_refused(wrong, said):
    with pytest.raises(InvalidHyperparameter, match=said):
        LLM(model="tiny", **wrong).validate()
    with pytest.raises(InvalidHyperparameter, match=said):
        LLM(model="tiny", **wrong).ask(question(), SCHEMA, even)


def test_a_schema_that_would_not_be_enforced_is_refused(make):
    with pytest.raises(InvalidHyperparameter, match="multipleOf"):
        make("http://localhost:1").ask(question(), {"type": "integer", "multipleOf": 2}, even)
