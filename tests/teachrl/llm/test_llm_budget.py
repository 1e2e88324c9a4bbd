"""Budgets: never exceeded, also by calls that run at the same time, and not touched by the cache."""

from __future__ import annotations

import copy
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_questions import SCHEMA, even, question
from llm_server import LLMServer, Reply
from teachrl.llm import BudgetSpent
from teachrl.llm.budget import Budget, Spent
from teachrl.llm.requests import Request

PRICES = {"input": 100.0, "output": 1000.0}


def request(characters: int, longest: int) -> Request:
    return Request("u", "h", {"messages": "." * characters, "max_tokens": longest}, {}, "", 0)


def test_calls_are_limited_and_retries_count(make):
    with LLMServer([Reply(status=500), {"x": 4}]) as server:
        llm = make(server.url, max_calls=3)
        llm.ask(question(1), SCHEMA, even)
        llm.ask(question(2), SCHEMA, even)
        with pytest.raises(BudgetSpent, match="max_calls=3 calls: 3 are spent"):
            llm.ask(question(3), SCHEMA, even)
        assert llm.ask(question(1), SCHEMA, even).source == "cache"
        assert len(server.requests) == 3
    assert llm.scalars()["llm/failures/budget_spent"] == 1


def test_a_resumed_run_stays_within_the_limits(make):
    with LLMServer([{"x": 4}]) as server:
        before = make(server.url, mode="live", max_calls=3)
        for number in (1, 2):
            before.ask(question(number), SCHEMA, even)
        state = json.loads(json.dumps(before.state_dict()))
        before.load_state_dict(state)  # the object that spent it does not count it twice
        after = make(server.url, mode="live", max_calls=3)
        after.load_state_dict(state)
        assert after.state_dict() == state
        for llm in (before, after):
            llm.ask(question(3), SCHEMA, even)
            assert llm.state_dict()["calls"] == 3
            with pytest.raises(BudgetSpent, match="max_calls=3 calls: 3 are spent"):
                llm.ask(question(4), SCHEMA, even)
        assert after.scalars()["llm/calls"] == 1  # since the process began
        assert copy.copy(after).state_dict()["calls"] == 0


def test_a_budget_of_nothing_calls_nothing(make):
    with LLMServer([{"x": 4}]) as server:
        for limit in ({"max_calls": 0}, {"max_tokens": 0}, {"max_cost": 0.0, "prices": PRICES}):
            with pytest.raises(BudgetSpent):
                make(server.url, mode="live", **limit).ask(question(), SCHEMA, even)
        assert server.requests == []


@pytest.mark.parametrize(
    ("limit", "name"), [({"max_tokens": 900}, "llm/tokens"), ({"max_cost": 0.2, "prices": PRICES}, "llm/cost")]
)
def test_tokens_and_money_are_limited_also_among_threads(make, limit, name):
    def ask(i: int) -> int:
        try:
            return llm.ask(question(i), SCHEMA, even).value
        except BudgetSpent:
            return 0

    with LLMServer([{"x": 4}]) as server, ThreadPoolExecutor(8) as pool:
        llm = make(server.url, mode="live", max_answer_tokens=20, concurrency=8, **limit)
        values = list(pool.map(ask, range(60)))
    assert 0 < sum(values) < 240
    assert llm.scalars()[name] <= next(iter(limit.values()))


def test_what_calls_on_their_way_may_take_is_set_aside():
    budget = Budget(None, 250, None, {})
    first = budget.reserve(request(0, 90))
    assert first.tokens > 90
    second = budget.reserve(request(0, 90))
    with pytest.raises(BudgetSpent, match=f"{first.tokens + second.tokens} are spent or on their way"):
        budget.reserve(request(0, 90))
    budget.settle(first, Spent(1, 5, 5))
    budget.settle(budget.reserve(request(0, 90)), Spent(1, 5, 5))
    assert budget.spent == Spent(2, 10, 10)


def test_money_is_counted_by_the_price_list():
    budget = Budget(None, None, None, {"input": 0.15, "output": 0.6})
    assert budget.price(2_000_000, 500_000).cost == pytest.approx(0.3 + 0.3)
    assert Budget(None, None, None, {}).price(10, 10).cost == 0.0


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4000), st.integers(1, 500), st.floats(0, 1), st.floats(0, 1)), max_size=30))
def test_no_series_of_calls_exceeds_a_limit(series):
    budget = Budget(20, 3000, 1.0, PRICES)
    open_calls = []
    for characters, longest, used_in, used_out in series:
        try:
            most = budget.reserve(request(characters, longest))
        except BudgetSpent:
            continue
        open_calls.append((most, budget.price(int(used_in * most.input_tokens), int(used_out * most.output_tokens))))
        if len(open_calls) > 3:
            budget.settle(*open_calls.pop(0))
    for most, took in open_calls:
        budget.settle(most, took)
    assert budget.spent.calls <= 20
    assert budget.spent.tokens <= 3000
    assert budget.spent.cost <= 1.0 + 1e-9
