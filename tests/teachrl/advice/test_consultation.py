"""Asking without waiting: when answers come into force, late ones, failures, caches, interruptions."""

import json
import threading

import pytest
from gymnasium import spaces

from llm_server import LLMServer, Reply
from teachrl.advice import Partition, Question, RuleBased, make_adviser
from teachrl.advice.consultation import Consultation
from teachrl.errors import InvalidHyperparameter, UnknownName
from teachrl.llm import LLM, Unavailable
from teachrl.llm.asking import Answer

LINE = Partition(spaces.Discrete(5), (), None)
GOOD = {"reason": "", "cells": [{"cell": 2, "weight": 1.0}], "boxes": [], "tasks": []}
BAD = {**GOOD, "cells": [{"cell": 9, "weight": 1.0}]}


def question(number=1, about="tasks"):
    return Question(number, LINE, None, [{"role": "user", "content": f"Question {number} on {about}"}])


class Slow:
    """Answers when it is let, and says which thread asked."""

    def __init__(self, error=None):
        self.let, self.error, self.asked = threading.Event(), error, []

    def ask(self, messages, schema, check):
        self.asked.append((threading.current_thread().name, messages[0]["content"]))
        assert self.let.wait(5)
        if self.error is not None:
            raise self.error
        return Answer(check(GOOD), "live", 42, 0.5)


def settled(consultation, episodes):
    """Takes the reply once the thread is done."""
    consultation._thread.join(5)
    return consultation.take(episodes)


class Proposes:
    """An adviser of one's own."""

    def __init__(self, data):
        self.data = data

    def propose(self, question):
        return self.data


def test_an_answer_comes_into_force_when_it_is_due():
    consultation = Consultation(RuleBased())
    consultation.ask(question(), due=20)
    assert consultation.busy
    assert consultation.take(19) is None
    reply = consultation.take(20)
    assert (reply.source, reply.plan.lows.tolist(), reply.plan.highs.tolist()) == ("rule", [[0]], [[4]])
    assert not consultation.busy
    assert consultation.take(21) is None
    assert consultation.scalars() == {
        "llm/asked": 1, "llm/answered": 1, "llm/failed": 0, "llm/late": 0, "llm/source/rule": 1, "llm/tokens": 0,
        "llm/cost": 0,
    }  # fmt: skip


def test_advice_of_ones_own_is_checked_too():
    consultation = Consultation(Proposes(BAD))
    consultation.ask(question(), due=0)
    assert "there is no cell 9" in consultation.take(0).problem
    assert consultation.scalars()["llm/failed/invalid_answer"] == 1


def test_a_late_answer_is_counted_once_and_taken_when_it_is_there():
    consultation = Consultation(slow := Slow())
    consultation.ask(question(), due=20)
    for episodes in (20, 21, 22):
        assert consultation.take(episodes) is None
        assert consultation.late
    slow.let.set()
    reply = settled(consultation, 23)
    assert (reply.plan.lows.tolist(), reply.source) == ([[2]], "live")
    assert slow.asked == [("teachrl-tasks", "Question 1 on tasks")]
    scalars = consultation.scalars()
    assert (scalars["llm/late"], scalars["llm/tokens"], scalars["llm/cost"]) == (1, 42, 0.5)
    assert not consultation.late


def test_an_early_answer_waits():
    consultation = Consultation(slow := Slow())
    slow.let.set()
    consultation.ask(question(), due=20)
    assert settled(consultation, 19) is None
    assert consultation.take(20).plan is not None
    assert consultation.scalars()["llm/late"] == 0


def test_failures_are_replies_without_a_plan():
    consultation = Consultation(slow := Slow(Unavailable("It is down.")))
    slow.let.set()
    consultation.ask(question(), due=0)
    reply = settled(consultation, 0)
    assert (reply.plan, reply.failure, reply.problem) == (None, "unavailable", "It is down.")
    assert consultation.scalars()["llm/failed/unavailable"] == consultation.scalars()["llm/failed"] == 1


def test_what_is_not_a_models_failure_is_raised():
    consultation = Consultation(slow := Slow(KeyError("a mistake in somebody's class")))
    slow.let.set()
    consultation.ask(question(), due=0)
    with pytest.raises(KeyError, match="a mistake"):
        settled(consultation, 0)


def test_what_was_out_is_asked_again_in_the_same_words():
    consultation = Consultation(slow := Slow())
    consultation.ask(question(7), due=20)
    consultation.take(21)
    state = json.loads(json.dumps(consultation.state_dict()))
    slow.let.set()
    again = Consultation(other := Slow())
    other.let.set()
    again.load_state_dict(state, LINE)
    assert again.late
    assert other.asked == []  # nothing is asked by loading
    again.take(22)
    assert settled(again, 22).plan is not None
    assert other.asked == [("teachrl-tasks", "Question 7 on tasks")]
    assert again.scalars()["llm/late"] == again.scalars()["llm/asked"] == 1


def test_an_answer_that_is_there_is_part_of_the_state():
    consultation = Consultation(slow := Slow())
    slow.let.set()
    consultation.ask(question(), due=20)
    consultation._thread.join(5)
    again = Consultation(other := Slow())
    again.load_state_dict(consultation.state_dict(), LINE)
    assert again.take(20).plan.lows.tolist() == [[2]]
    assert other.asked == []


def test_closing_ends_the_thread(llm):
    with LLMServer([Reply("{}", delay=30)]) as server:
        consultation = Consultation(llm(server.url, deadline=30.0))
        consultation.ask(question(), due=20)
        thread = consultation._thread
        consultation.close(wait=5)
        assert not thread.is_alive()
    assert consultation.take(20) is None


@pytest.fixture
def llm(tmp_path, monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)

    def make(url, **arguments):
        given = {"model": "tiny", "base_url": url, "cache": str(tmp_path), "timeout": 5.0, "retries": 0, **arguments}
        return LLM(**given)

    return make


def test_cached_answers_and_cached_mistakes_are_there_at_once(llm):
    def run(model):
        consultation = Consultation(model)
        replies = []
        for number in (1, 2):
            consultation.ask(question(number), due=0)
            replies.append(settled(consultation, 0) if consultation._thread else consultation.take(0))
        consultation.close()
        return [(r.plan is not None, r.source, r.failure) for r in replies], consultation

    with LLMServer([GOOD, BAD]) as server:
        first, consultation = run(llm(server.url))
        assert first == [(True, "live", ""), (False, "", "invalid_answer")]
        assert consultation.scalars()["client/calls"] == len(server.requests) == 3  # one answer, one and its repair
        again, consultation = run(llm(server.url))
        assert again == [(True, "cache", ""), (False, "", "invalid_answer")]
        assert consultation._thread is None
        assert run(llm(server.url, mode="replay"))[0] == [(True, "replay", ""), (False, "", "invalid_answer")]
        assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("arguments", "failure"),
    [({"mode": "replay"}, "cache_miss"), ({"mode": "off"}, "off"), ({"model": ""}, "not_confi")],
)
def test_models_that_are_never_called(llm, arguments, failure):
    with LLMServer([GOOD]) as server:
        consultation = Consultation(llm(server.url, **arguments))
        consultation.ask(question(), due=0)
        reply = settled(consultation, 0) if consultation._thread else consultation.take(0)
        assert reply.failure.startswith(failure)
        consultation.close()
    assert server.requests == []


def test_a_run_leaves_the_users_model_open(llm):
    with LLMServer([GOOD]) as server:
        model = llm(server.url, max_calls=1)
        for number in (1, 2):  # the budget is each run's own
            consultation = Consultation(model)
            consultation.ask(question(number), due=0)
            assert settled(consultation, 0).source == "live"
            consultation.close()
        assert model.scalars()["llm/calls"] == 0
        model.ask(question(3).messages, question().schema, question().check)
        model.close()


def test_advisers_by_name_and_description():
    assert isinstance(make_adviser("RuleBased"), RuleBased)
    assert isinstance(make_adviser("teachrl.advice.RuleBased"), RuleBased)
    assert make_adviser({"class_path": "LLM", "init_args": {"model": "m"}}).model == "m"
    assert make_adviser(own := Proposes(GOOD)) is own


@pytest.mark.parametrize("wrong", [None, 3, object(), RuleBased, "teachrl.teachers.Uniform"])
def test_what_can_be_asked_nothing(wrong):
    with pytest.raises(InvalidHyperparameter, match="A provider of tasks is one of RuleBased, LLM, or an object with"):
        make_adviser(wrong)


def test_misspelt_names_and_arguments():
    with pytest.raises(UnknownName, match="no provider of tasks 'RuleBase'. Did you mean 'RuleBased'"):
        make_adviser("RuleBase")
    with pytest.raises(InvalidHyperparameter, match="The provider of tasks RuleBased refuses its arguments: .*depth"):
        make_adviser({"class_path": "RuleBased", "init_args": {"depth": 1}})
