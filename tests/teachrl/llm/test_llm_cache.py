"""The cache: what is kept and found again, in which mode, after kills, damage, and by several processes."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from llm_questions import SCHEMA, even, question
from llm_server import LLMServer, Reply
from teachrl.llm import CacheMiss, InvalidAnswer, NotConfigured
from teachrl.llm.cache import Cache, cache_path
from teachrl.llm.replies import Reply as Kept
from teachrl.llm.requests import Request

KEPT = Kept('{"x": 4}', "stop", "", "tiny-0001", 30, 12, False, 0.5, "2030-01-01T00:00:00+00:00")
WRITER = """
import sys
from pathlib import Path
from teachrl.llm.cache import Cache
from teachrl.llm.replies import Reply
from teachrl.llm.requests import Request
cache = Cache(Path(sys.argv[1]))
for i in range(int(sys.argv[2]), int(sys.argv[3])):
    reply = Reply(str(i) * 1000, "stop", "", "m", 1, 1, False, 0.1, "")
    cache.put(Request("u", "h", {"messages": [i]}, {}, "", 0), reply)
    print(i, flush=True)
"""


def request(i: int) -> Request:
    return Request("u", "h", {"messages": [i]}, {}, "", 0)


def write(path: Path, first: int, last: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), str(first), str(last)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_second_run_makes_no_call(make):
    with LLMServer([{"x": 4}]) as server:
        assert make(server.url).ask(question(), SCHEMA, even).source == "live"
        second = make(server.url)
        answer = second.ask(question(), SCHEMA, even)
        assert len(server.requests) == 1
    assert (answer.value, answer.source, answer.tokens, answer.cost) == (4, "cache", 0, 0.0)
    assert second.scalars()["llm/hits"] == 1
    assert second.scalars()["llm/calls"] == 0


@pytest.mark.parametrize("script", [["nonsense", {"x": 4}], [{"x": 3}, {"x": 5}]])
def test_repaired_and_wrong_answers_are_not_asked_again_either(make, script):
    def outcome(llm):
        try:
            return llm.ask(question(), SCHEMA, even).value
        except InvalidAnswer as error:
            return str(error)

    with LLMServer(script) as server:
        first, second = outcome(make(server.url)), outcome(make(server.url))
        replayed = outcome(make(server.url, mode="replay"))
        assert len(server.requests) == 2
    assert first == second == replayed


def test_a_kept_answer_is_checked_again(make):
    def large(data):
        if data["x"] < 10:
            raise InvalidAnswer("x must be at least 10.")
        return data["x"]

    with LLMServer([{"x": 4}, {"x": 14}]) as server:
        assert make(server.url).ask(question(), SCHEMA, even).value == 4
        with pytest.raises(CacheMiss):
            make(server.url, mode="replay").ask(question(), SCHEMA, large)
        assert make(server.url).ask(question(), SCHEMA, large).value == 14
        assert make(server.url, mode="replay").ask(question(), SCHEMA, large).value == 14
        assert len(server.requests) == 2


def test_modes(make):
    with LLMServer(lambda messages: {"x": 2 * len(server.requests)}) as server:

        def ask(mode):
            answer = make(server.url, mode=mode).ask(question(), SCHEMA, even)
            return answer.value, answer.source

        with pytest.raises(CacheMiss, match="mode='replay'"):
            ask("replay")
        assert ask("live") == (2, "live")
        with pytest.raises(CacheMiss):
            ask("replay")
        assert ask("cache") == (4, "live")
        assert ask("cache") == (4, "cache")
        assert ask("record") == (6, "live")
        assert ask("replay") == (6, "replay")
        assert ask("live") == (8, "live")
        assert ask("cache") == (6, "cache")


@pytest.mark.parametrize(
    "change",
    [{"model": "other"}, {"temperature": 0.5}, {"seed": 1}, {"max_answer_tokens": 5}, {"json_mode": "object"},
     {"extra": {"top_p": 0.5}}],
)  # fmt: skip
def test_what_determines_the_answer_is_part_of_the_key(make, change):
    with LLMServer([{"x": 4}]) as server:
        make(server.url).ask(question(), SCHEMA, even)
        assert make(server.url, **change).ask(question(), SCHEMA, even).source == "live"
        assert make(server.url, **change).ask(question(), SCHEMA, even).source == "cache"


def test_question_schema_version_and_endpoint_are_part_of_the_key(make):
    with LLMServer([{"x": 4}]) as server:
        llm = make(server.url)
        other = {**SCHEMA, "description": "a number"}
        for _ in range(2):
            llm.ask(question(), SCHEMA, even)
            llm.ask(question(2), SCHEMA, even)
            llm.ask(question(), other, even)
            llm.ask(question(), SCHEMA, even, version="2")
            make(server.url.replace("/v1", "/v2")).ask(question(), SCHEMA, even)
        assert len(server.requests) == 5


@pytest.mark.parametrize("change", [{"timeout": 9.0}, {"retries": 0}, {"concurrency": 1}, {"max_calls": 9}])
def test_what_does_not_is_none(make, change):
    with LLMServer([{"x": 4}]) as server:
        make(server.url).ask(question(), SCHEMA, even)
        assert make(server.url, **change).ask(question(), SCHEMA, even).source == "cache"


def test_equal_questions_at_a_time_make_one_call(make):
    with LLMServer([Reply('{"x": 4}', delay=0.1)]) as server, ThreadPoolExecutor(6) as pool:
        llm = make(server.url, concurrency=6)
        sources = list(pool.map(lambda _: llm.ask(question(), SCHEMA, even).source, range(6)))
        assert len(server.requests) == 1
    assert sorted(sources) == ["cache"] * 5 + ["live"]


def test_replay_needs_neither_openai_nor_key_nor_endpoint(make, tmp_path):
    with LLMServer([{"x": 4}]) as server:
        make(server.url, cache=str(tmp_path / "kept.sqlite")).ask(question(), SCHEMA, even)
        url = server.url
    script = (
        "import sys; sys.modules['openai'] = None; sys.modules['httpx2'] = None\n"
        "from llm_questions import *; from teachrl.llm import LLM, NotConfigured\n"
        f"llm = LLM(model='tiny', base_url={url!r}, cache={str(tmp_path / 'kept.sqlite')!r}, mode='replay')\n"
        "print(llm.ask(question(), SCHEMA, even).value)\n"
        "try: LLM(model='tiny', base_url='http://localhost:1', mode='live').ask(question(), SCHEMA, even)\n"
        "except NotConfigured as error: print(error)\n"
    )
    tests = str(Path(__file__).parents[2])
    output = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True, text=True, check=True, timeout=60, env={**os.environ, "PYTHONPATH": tests},
    ).stdout  # fmt: skip
    assert output.splitlines() == ["4", "Asking a language model needs the openai package: pip install 'teachrl[llm]'."]


def test_ten_thousand_answers_are_read_in_under_a_second(tmp_path):
    cache = Cache(tmp_path / "kept.sqlite")
    text = "a cell of the level that is to be solved " * 12
    made = [Request("u", "h", {"messages": [f"{i} {text}"]}, SCHEMA, "", 0) for i in range(10_000)]
    with cache._opened() as file:  # in one transaction
        file.executemany("INSERT INTO answers VALUES (?, ?, ?, ?)", (cache._row(one, KEPT) for one in made))
    cache.close()
    start = time.process_time()
    cache = Cache(tmp_path / "kept.sqlite", writable=False)
    again = (Request(one.url, one.host, one.body, one.schema, "", 0) for one in made)
    assert all(cache.get(one) == KEPT for one in again)
    assert time.process_time() - start < 1.0
    cache.close()


def test_a_question_that_is_cached_costs_little(make):
    with LLMServer([{"x": 4}]) as server:
        llm = make(server.url)
        llm.ask(question(), SCHEMA, even)
        start = time.process_time()
        assert sum(llm.ask(question(), SCHEMA, even).value for _ in range(1000)) == 4000
        assert time.process_time() - start < 0.5


def test_two_processes_write_and_lose_nothing(tmp_path):
    path = tmp_path / "new" / "answers.sqlite"
    writers = [write(path, 0, 30), write(path, 30, 60)]
    for writer in writers:
        assert len(writer.communicate(timeout=60)[0].split()) == 30
        assert writer.returncode == 0
    cache = Cache(path)
    assert len(cache) == 60
    assert [cache.get(request(i)).text for i in range(60)] == [str(i) * 1000 for i in range(60)]
    cache.close()


def test_a_kill_while_writing_leaves_whole_answers(tmp_path):
    path = tmp_path / "answers.sqlite"
    writer = write(path, 0, 100_000)
    for _ in range(20):
        writer.stdout.readline()
    os.kill(writer.pid, signal.SIGKILL)
    done = 20 + len(writer.communicate()[0].split())
    for writable in (False, True):
        cache = Cache(path, writable)
        assert done <= len(cache) <= done + 1
        assert all(cache.get(request(i)).text == str(i) * 1000 for i in range(done))
        cache.close()


@pytest.mark.parametrize(
    "damage", ["reply = 'x'", "reply = NULL", "reply = '{}'", "reply = replace(reply, '4', '6')", "digest = ''"]
)
def test_a_damaged_answer_is_asked_again_with_a_warning(make, tmp_path, damage):
    with LLMServer([{"x": 4}, {"x": 8}]) as server:
        make(server.url).ask(question(), SCHEMA, even)
        file = sqlite3.connect(cache_path(""))
        with file:
            file.execute(f"UPDATE answers SET {damage}")
        file.close()
        with pytest.warns(RuntimeWarning, match="damaged entry"):
            assert make(server.url).ask(question(), SCHEMA, even).value == 8
        assert make(server.url).ask(question(), SCHEMA, even).value == 8
        assert len(server.requests) == 2


def test_a_file_that_is_no_cache_is_left_alone(make, tmp_path):
    path = tmp_path / "mine.db"
    path.write_text("dear diary " * 500)
    for mode in ("cache", "replay"):
        with pytest.raises(NotConfigured, match="cannot be used as a cache"):
            make("http://localhost:1", cache=str(path), mode=mode).ask(question(), SCHEMA, even)
    assert path.read_text() == "dear diary " * 500


def test_a_cache_that_cannot_be_made_is_said(make, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotConfigured, match="cannot be used as a cache"):
        make("http://localhost:1", cache=str(tmp_path / "file" / "below")).ask(question(), SCHEMA, even)


def test_an_answer_is_returned_also_if_the_disk_does_not_take_it(make, monkeypatch):
    with LLMServer([{"x": 4}]) as server:
        llm = make(server.url)
        llm.ask(question(), SCHEMA, even)
        file = sqlite3.connect(cache_path(""))
        with file:
            file.execute("DROP TABLE answers")
        file.close()
        with pytest.warns(RuntimeWarning, match="cannot be"):
            assert llm.ask(question(2), SCHEMA, even).value == 4


def test_replay_makes_no_file(make, tmp_path):
    path = tmp_path / "nowhere" / "kept.sqlite"
    with pytest.raises(CacheMiss):
        make("http://localhost:1", cache=str(path), mode="replay").ask(question(), SCHEMA, even)
    assert not path.parent.exists()


def test_replay_finds_what_others_keep_later(make):
    with LLMServer([{"x": 4}]) as server:
        replay = make(server.url, mode="replay")
        for _ in range(2):
            with pytest.raises(CacheMiss):
                replay.ask(question(), SCHEMA, even)
        make(server.url).ask(question(), SCHEMA, even)
        assert replay.ask(question(), SCHEMA, even).source == "replay"


def test_a_closed_cache_neither_finds_nor_keeps(tmp_path):
    cache = Cache(tmp_path / "a.db")
    cache.put(request(1), KEPT)
    cache.close()
    cache.put(request(2), KEPT)
    assert cache.get(request(1)) is None
    kept = Cache(tmp_path / "a.db", writable=False)
    assert len(kept) == 1
    kept.close()


@pytest.mark.parametrize("writable", [True, False])
def test_a_cache_where_nothing_can_be_written_is_read(tmp_path, monkeypatch, writable):
    cache = Cache(tmp_path / "a.db")
    cache.put(request(1), KEPT)
    cache.close()
    monkeypatch.setattr(os, "access", lambda path, mode: writable)
    kept = Cache(tmp_path / "a.db", writable=False)
    assert kept.get(request(1)) == KEPT
    kept.close()


def test_where_the_cache_is(tmp_path, monkeypatch):
    assert cache_path("") == tmp_path / "cache" / "answers.sqlite"
    assert cache_path(str(tmp_path)) == tmp_path / "answers.sqlite"
    assert cache_path(str(tmp_path / "a.db")) == tmp_path / "a.db"
    monkeypatch.delenv("TEACHRL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_path("") == tmp_path / "xdg" / "teachrl" / "answers.sqlite"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_path("") == tmp_path / ".cache" / "teachrl" / "answers.sqlite"


def test_many_threads_share_a_client(make):
    barrier = threading.Barrier(8)

    def ask(i: int) -> int:
        barrier.wait(20)
        return llm.ask(question(i % 5), SCHEMA, even).value

    with LLMServer(lambda messages: {"x": 2 * int(messages[1]["content"].split()[1].rstrip("."))}) as server:
        llm = make(server.url)
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(ask, range(40))) == [2 * (i % 5) for i in range(40)]
        assert len(server.requests) == 5
