"""Keys: sent to the endpoint in a header, and found nowhere else, whatever goes wrong."""

from __future__ import annotations

import json
import logging
import traceback
from pathlib import Path

import pytest

from llm_questions import SCHEMA, even, question
from llm_server import LLMServer, Reply
from teachrl.configurable import to_config
from teachrl.errors import InvalidHyperparameter
from teachrl.llm import LLM, LLMError, NotConfigured
from teachrl.llm.keys import Key, read_key
from teachrl.llm.urls import is_this_machine, read_address, without_secrets

SECRET = "sk-verysecretkey0123456789"


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    return SECRET


def chain(error: BaseException | None) -> list[BaseException]:
    """Returns an exception and all that it refers to as cause or context."""
    found: list[BaseException] = []
    waiting = [error]
    while waiting:
        if (one := waiting.pop()) is not None and one not in found:
            found.append(one)
            waiting += [one.__cause__, one.__context__]
    return found


def seen(error: BaseException) -> str:
    """Returns all that can be seen of an exception, local variables included."""
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    frames = "".join(str(frame.locals) for frame in shown.stack if frame.filename != __file__)
    return frames + "".join(f"{e!r} {e} {vars(e)} {e.args}" for e in chain(error))


def files(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file())


def test_the_key_is_sent(make, key):
    with LLMServer([{"x": 4}], key=key) as server:
        assert make(server.url).ask(question(), SCHEMA, even).value == 4


def test_a_key_is_hidden_and_a_dummy_is_not():
    assert Key("sk-a/b+c0123").hidden_in(r"sk-a/b+c0123 sk-a\/b+c0123") == "*** ***"
    assert Key("key").hidden_in('{"kind": "key"}') == '{"kind": "key"}'


def test_a_fragment_is_left_out_of_what_is_no_address():
    assert without_secrets("example.org/v1#secret") == "example.org/v1"


def test_a_local_endpoint_needs_no_key(make):
    with LLMServer([{"x": 4}]) as server:
        make(server.url).ask(question(), SCHEMA, even)
        assert server.requests[0].headers["authorization"] == "Bearer none"


@pytest.mark.parametrize(
    "script",
    [
        [{"x": 4}],
        [f"your key is {SECRET}", {"x": 4}],
        [Reply(f"Incorrect API key provided: {SECRET}", status=401)],
        [Reply(f"{SECRET} is over its limit", status=429)],
        [Reply(f"bad request by {SECRET}", status=400)],
        [Reply(f"{SECRET}", status=404)],
        [Reply(body='{"error": "' + SECRET + '"}')],
        [Reply(body="<html>" + SECRET)],
        [Reply(drop=True)],
        [Reply('{"x": 4}', delay=9.0)],
    ],
)
def test_the_key_is_nowhere(make, key, script, caplog, capfd, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_LOG", "debug")
    caplog.set_level(logging.DEBUG)
    texts: list[str] = []
    links: list[BaseException] = []
    with LLMServer(script) as server:
        llm = make(server.url, timeout=0.3 if getattr(script[0], "delay", 0) else 5.0, retries=1)
        for _ in range(2):
            try:
                texts.append(repr(llm.ask(question(), SCHEMA, even)))
            except LLMError as error:
                texts.append(seen(error))
                links += chain(error)
        assert server.requests[0].headers["authorization"] == f"Bearer {key}"
    assert all(isinstance(error, LLMError) for error in links)
    texts += [repr(llm), json.dumps(to_config(llm)), repr(llm.init_args), repr(llm.scalars()), repr(vars(llm))]
    texts += [caplog.text, *capfd.readouterr()]
    assert key not in "".join(texts)
    assert key.encode() not in files(tmp_path)
    assert b"authorization" not in files(tmp_path).lower()


def test_no_host_but_the_endpoints_gets_the_key(make, key):
    with LLMServer([{"x": 4}]) as other:
        away = Reply(status=307, headers={"location": f"{other.url}/chat/completions"})
        with LLMServer([away]) as server, pytest.raises(NotConfigured, match="redirects"):
            make(server.url).ask(question(), SCHEMA, even)
        assert other.requests == []


def test_a_key_given_as_the_name_of_a_variable_is_not_shown():
    llm = LLM(model="m", key_env=SECRET)
    with pytest.raises(InvalidHyperparameter, match="not the key itself") as caught:
        llm.validate()
    assert SECRET not in f"{llm!r}{to_config(llm)}{caught.value}"


@pytest.mark.parametrize("bad", ["line\nbreak", "ключ", "tab\tbed"])
def test_a_key_that_is_none_is_refused_unseen(make, monkeypatch, bad):
    monkeypatch.setenv("MY_KEY", bad)
    with pytest.raises(NotConfigured, match="MY_KEY holds characters") as caught:
        make("https://example.org/v1", mode="live", key_env="MY_KEY").ask(question(), SCHEMA, even)
    assert bad not in seen(caught.value)


def test_a_key_hides_itself(monkeypatch):
    monkeypatch.setenv("MY_KEY", f" {SECRET}\n")
    key = read_key("MY_KEY")
    assert key == SECRET
    assert SECRET not in repr({"key": key})
    assert key.hidden_in(f"<{SECRET}>") == "<***>"
    assert Key("").hidden_in("text") == "text"


def test_secrets_in_addresses_are_neither_used_nor_shown(make):
    url = "https://me:hunter2@example.org/v1?token=abc#part"
    llm = make(url)
    with pytest.raises(NotConfigured, match=r"example\.org has a user name, query or fragment") as caught:
        llm.ask(question(), SCHEMA, even)
    shown = f"{llm!r}{to_config(llm)}{caught.value}"
    assert not any(secret in shown for secret in ("me:", "hunter2", "abc"))
    assert llm.init_args["base_url"] == "https://example.org/v1"


@pytest.mark.parametrize(
    ("url", "clean"),
    [("http://h:80/v1", "http://h:80/v1"), ("https://a:b@h/v1?k=1", "https://h/v1"), ("a:b@h/v1?k=1#f", "h/v1"),
     ("http://a:b@h:port/v1", "h:port/v1"), ("http://[::1]:8000/v1", "http://[::1]:8000/v1"), ("", "")],
)  # fmt: skip
def test_addresses_are_cleaned(url, clean):
    assert without_secrets(url) == clean


@pytest.mark.parametrize(
    ("url", "host", "local"),
    [
        ("http://localhost:8000/v1/", "localhost:8000", True),
        ("http://127.0.0.1/v1", "127.0.0.1", True),
        ("http://127.9.9.9:1/v1", "127.9.9.9:1", True),
        ("http://[::1]:11434/v1", "[::1]:11434", True),
        ("https://LOCALHOST/v1", "localhost", True),
        ("https://api.openai.com/v1", "api.openai.com", False),
    ],
)
def test_addresses_are_read(url, host, local):
    address = read_address(url)
    assert (address.host, address.local) == (host, local)
    assert not address.url.endswith("/")


@pytest.mark.parametrize(
    "host",
    ["example.org", "localhost.example.org", "127.0.0.1.example.org", "0.0.0.0", "127.1", "2130706433", "0x7f.0.0.1",
     "10.0.0.1", "[::]", "[fe80::1]"],
)  # fmt: skip
def test_plain_http_is_for_this_machine(host):
    assert not is_this_machine(host.strip("[]"))
    with pytest.raises(NotConfigured, match="plain http"):
        read_address(f"http://{host}:8000/v1")
    assert read_address(f"http://{host}:8000/v1", allow_http=True).local is False


@pytest.mark.parametrize(
    "url", ["ftp://h/v1", "h/v1", "", "http://", "http://h:port/v1", "http://[::1/v1", "file:///x"]
)
def test_what_is_no_address_is_refused(url):
    with pytest.raises(NotConfigured, match="base_url must be like"):
        read_address(url)
