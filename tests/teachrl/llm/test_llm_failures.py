"""Endpoints that are down, slow, overloaded, mistaken or gone: quickly over, well said, and not asked for ever."""

from __future__ import annotations

import threading
import time

import pytest

from llm_questions import SCHEMA, even, question
from llm_server import LLMServer, Reply
from teachrl.llm import LLM, LLMError, NotConfigured, SwitchedOff, Unavailable
from teachrl.llm.breaker import Breaker
from teachrl.llm.refusals import describe, passing_wait

NOW = {"retry-after-ms": "1"}


@pytest.mark.parametrize(
    "bad",
    [Reply(status=429), Reply(status=500), Reply(status=503, headers=NOW), Reply(drop=True), Reply(body="<html>")],
)
def test_passing_failures_are_tried_again(make, bad):
    with LLMServer([bad, bad, {"x": 4}]) as server:
        llm = make(server.url, mode="live")
        assert llm.ask(question(), SCHEMA, even).value == 4
        assert len(server.requests) == 3
    assert llm.scalars()["llm/calls"] == 3


@pytest.mark.parametrize(
    ("bad", "kind", "said", "requests"),
    [
        (Reply(status=500), Unavailable, r"overloaded or broken \(500\): scripted 500\.", 3),
        (Reply(drop=True), Unavailable, "cut the connection", 3),
        (Reply(body="<html>"), Unavailable, "no chat completion", 3),
        (Reply(body='{"error": {"message": "out of order"}}'), Unavailable, "no chat completion: out of order", 3),
        (Reply(body='{"choices": []}'), Unavailable, "no chat completion", 3),
        (Reply(status=400), Unavailable, "json_mode='object'", 1),
        (Reply(status=404), Unavailable, "does not know the model 'tiny'", 1),
        (Reply(status=401), NotConfigured, "It wants a key: set OPENAI_API_KEY", 1),
        (Reply(status=402), NotConfigured, "no credit", 1),
        (Reply("insufficient_quota", status=429), NotConfigured, "no credit", 1),
        (Reply(status=307, headers={"location": "http://127.0.0.2:9/"}), NotConfigured, "redirects", 1),
    ],
)
def test_what_lasting_failures_say(make, bad, kind, said, requests):
    with LLMServer([bad]) as server:
        llm = make(server.url, mode="live")
        with pytest.raises(kind, match=said) as caught:
            llm.ask(question(), SCHEMA, even)
        assert len(server.requests) == requests
    assert llm.scalars()[f"llm/failures/{caught.value.kind}"] == 1


def test_an_unknown_model_is_said_and_remembered(make):
    with LLMServer([{"x": 4}], models=["other"]) as server:
        llm = make(server.url, mode="live")
        for _ in range(3):
            with pytest.raises(Unavailable, match="does not know the model 'tiny'"):
                llm.ask(question(), SCHEMA, even)
        assert len(server.requests) == 1


def test_a_wrong_key_is_said_and_remembered(make, monkeypatch):
    monkeypatch.setenv("MY_KEY", "wrong")
    with LLMServer([{"x": 4}], key="right") as server:
        llm = make(server.url, mode="live", key_env="MY_KEY")
        for _ in range(3):
            with pytest.raises(NotConfigured, match="Check the key in MY_KEY"):
                llm.ask(question(), SCHEMA, even)
        assert len(server.requests) == 1


def test_a_dead_endpoint_costs_nothing_after_some_questions(make):
    with LLMServer([]) as server:
        url = server.url
    llm = make(url, mode="live")
    for _ in range(3):
        with pytest.raises(Unavailable, match="cannot be reached"):
            llm.ask(question(), SCHEMA, even)
    calls, start = llm.scalars()["llm/calls"], time.process_time()
    for _ in range(1000):
        with pytest.raises(Unavailable, match="not asked again for"):
            llm.ask(question(), SCHEMA, even)
    assert time.process_time() - start < 1.0
    assert llm.scalars()["llm/calls"] == calls == 9
    assert llm.scalars()["llm/failures/unavailable"] == 1003
    assert llm.scalars()["llm/tokens"] == 0


@pytest.mark.parametrize("bad", [Reply('{"x": 4}', delay=5.0), Reply('{"x": 4}', drip=0.05)])
def test_a_slow_endpoint_is_given_up_in_time(make, bad):
    with LLMServer([bad]) as server:
        llm = make(server.url, mode="live", timeout=0.3, retries=0)
        start = time.monotonic()
        with pytest.raises(Unavailable, match=r"within 0\.3 s"):
            llm.ask(question(), SCHEMA, even)
        assert time.monotonic() - start < 3.0
    assert llm.scalars()["llm/tokens"] > 1024  # it may have been answered, and billed
    assert llm.scalars()["llm/estimated"] == 1


@pytest.mark.parametrize("bad", [Reply(status=429, headers={"retry-after": "60"}), Reply('{"x": 4}', delay=60.0)])
def test_retries_and_waits_end_with_the_deadline(make, bad):
    with LLMServer([bad]) as server:
        llm = make(server.url, mode="live", deadline=0.4, retries=50)
        start = time.monotonic()
        with pytest.raises(Unavailable):
            llm.ask(question(), SCHEMA, even)
        assert time.monotonic() - start < 3.0


def test_a_response_without_end_is_given_up(make, monkeypatch):
    from teachrl.llm import transport

    monkeypatch.setattr(transport, "LARGEST", 10_000)
    with LLMServer([Reply('{"x": 4}' + " " * 50_000)]) as server, pytest.raises(Unavailable):
        make(server.url, mode="live", retries=0).ask(question(), SCHEMA, even)


def test_closing_ends_all_waiting(make):
    failures: list[LLMError] = []

    def ask(llm: LLM) -> None:
        try:
            llm.ask(question(), SCHEMA, even)
        except LLMError as error:
            failures.append(error)

    with LLMServer([Reply(status=500, headers={"retry-after": "30"}), Reply('{"x": 4}', delay=30)]) as server:
        llm = make(server.url, mode="live", timeout=30.0)
        threads = [threading.Thread(target=ask, args=(llm,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        while len(server.requests) < 2:
            time.sleep(0.01)
        start = time.monotonic()
        llm.close()
        for thread in threads:
            thread.join(20)
        assert time.monotonic() - start < 5
    assert [type(error) for error in failures] == [SwitchedOff, SwitchedOff]


def test_what_cannot_be_sent_is_an_error_of_ours(make):
    with LLMServer([{"x": 4}]) as server:
        with pytest.raises(Unavailable, match="UnicodeEncodeError"):
            make(server.url, mode="live").ask([{"role": "user", "content": "\ud800"}], SCHEMA, even)
        assert server.requests == []


def test_no_model_no_key_and_bad_addresses_are_said(make, monkeypatch):
    cases = {
        "No model is named": LLM(mode="live"),
        "There is no key for api.openai.com.*OPENAI_API_KEY": LLM(model="m", mode="live"),
        "plain http to example.org": LLM(model="m", base_url="http://example.org/v1"),
        "base_url of example.org has a user name": LLM(model="m", base_url="https://me:pw@example.org/v1"),
        "without a scheme": LLM(model="m", base_url="example.org/v1"),
    }
    for said, llm in cases.items():
        with pytest.raises(NotConfigured, match=said):
            llm.ask(question(), SCHEMA, even)
        assert llm.scalars()["llm/failures/not_configured"] == 1


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9"])
def test_proxies_of_the_environment_do_not_get_questions_to_this_machine(make, monkeypatch, proxy):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, proxy)
        monkeypatch.setenv(name.upper(), proxy)
    with LLMServer([{"x": 4}]) as server:
        assert make(server.url, mode="live").ask(question(), SCHEMA, even).value == 4
        local = server.url.replace("127.0.0.1", "localhost")
        assert make(local, mode="live").ask(question(), SCHEMA, even).value == 4


def test_a_proxy_that_the_client_does_not_know_is_said(make, monkeypatch):
    monkeypatch.setenv("https_proxy", "gopher://user:secret@127.0.0.1:9")
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    with pytest.raises(NotConfigured, match="HTTPS_PROXY") as caught:
        make("https://example.org/v1", mode="live").ask(question(), SCHEMA, even)
    assert "secret" not in str(caught.value)
    assert caught.value.__context__ is None


class TestBreaker:
    def make(self, patience=2):
        self.now = 0.0
        return Breaker(patience, pause=10.0, clock=lambda: self.now)

    def refuses(self, breaker):
        try:
            breaker.check()
        except LLMError:
            return True
        return False

    def test_it_opens_after_failures_in_a_row(self):
        breaker = self.make()
        breaker.failed(Unavailable("down."), hard=False)
        breaker.succeeded()
        breaker.failed(Unavailable("down."), hard=False)
        assert not self.refuses(breaker)
        breaker.failed(Unavailable("down."), hard=False)
        with pytest.raises(Unavailable, match=r"down\. \(It is not asked again for 10 s\.\)"):
            breaker.check()

    def test_it_opens_at_once_after_a_hard_one_and_keeps_its_kind(self):
        breaker = self.make()
        breaker.failed(NotConfigured("no key."), hard=True)
        with pytest.raises(NotConfigured, match="no key"):
            breaker.check()

    def test_one_call_tries_after_the_pause_which_doubles(self):
        breaker = self.make()
        breaker.failed(Unavailable("down."), hard=True)
        self.now = 10.0
        assert [self.refuses(breaker) for _ in range(3)] == [False, True, True]
        breaker.failed(Unavailable("still down."), hard=False)
        self.now = 29.0
        assert self.refuses(breaker)
        self.now = 30.0
        assert not self.refuses(breaker)
        breaker.succeeded()
        assert not any(self.refuses(breaker) for _ in range(3))

    def test_stragglers_do_not_lengthen_the_pause(self):
        breaker = self.make()
        for _ in range(6):
            breaker.failed(Unavailable("down."), hard=False)
        self.now = 10.0
        assert not self.refuses(breaker)


def test_a_closed_client_refuses(make):
    with LLMServer([{"x": 4}]) as server:
        llm = make(server.url, mode="live")
        llm.ask(question(), SCHEMA, even)
        llm.close()
        with pytest.raises(SwitchedOff):
            llm.ask(question(), SCHEMA, even)


def test_a_client_closed_before_its_first_question_refuses(make):
    llm = make("http://127.0.0.1:9/v1", mode="live")
    llm.close()
    with pytest.raises(SwitchedOff):
        llm.ask(question(), SCHEMA, even)


def test_a_bad_address_is_refused_before_anything_is_asked():
    with pytest.raises(NotConfigured, match="plain http to example.org"):
        LLM("m", "http://example.org/v1").validate()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({}, 0.0), ({"retry-after": "2"}, 2.0), ({"retry-after-ms": "250", "retry-after": "2"}, 0.25),
     ({"retry-after": "soon"}, 0.0), ({"retry-after": "-3"}, 0.0), ({"retry-after": "nan"}, 0.0),
     ({"retry-after": "Mon, 01 Jan 2001 00:00:00 GMT"}, 0.0)],
)  # fmt: skip
def test_wishes_to_wait_are_read(headers, seconds):
    assert passing_wait(headers) == seconds


def test_a_date_to_wait_for_is_read(monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 978307190.0)
    assert passing_wait({"retry-after": "Mon, 01 Jan 2001 00:00:00 GMT"}) == 10.0


@pytest.mark.parametrize(
    ("data", "said"),
    [({"error": {"message": "too\nlong."}}, ": too long."), ({"error": "flat"}, ": flat."), ({"message": "m"}, ": m."),
     (None, "."), ([1], "."), ({"error": {"message": 3}}, "."), ({"error": {"message": "x" * 999}}, f": {'x' * 200}.")],
)  # fmt: skip
def test_a_servers_words_are_cut(data, said):
    assert describe(data) == said
