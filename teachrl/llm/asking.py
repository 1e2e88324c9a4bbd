"""What happens to a question: cache, call, check, repair, and a count of it all."""

from __future__ import annotations

import copy
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from teachrl.errors import TeachrlError
from teachrl.llm.answers import read_answer
from teachrl.llm.breaker import Breaker
from teachrl.llm.budget import Budget, Spent
from teachrl.llm.cache import Cache, cache_path
from teachrl.llm.calls import Caller
from teachrl.llm.errors import KINDS, CacheMiss, InvalidAnswer, LLMError, NotConfigured, SwitchedOff, Unavailable
from teachrl.llm.json_schema import check_schema, is_strict
from teachrl.llm.replies import Reply
from teachrl.llm.requests import Message, Request, make_body, repair_turn
from teachrl.llm.urls import OPENAI, Address, read_address

if TYPE_CHECKING:
    from teachrl.llm.client import LLM

ATTEMPTS = 2
"""Answers that a question gets: one, and one that repairs it."""

T = TypeVar("T")
Source = Literal["cache", "live", "replay"]


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """A valid answer.

    Attributes:
        value: What the check made of it.
        source: `"live"` if any of it was called for, else `"cache"`, or `"replay"` in that mode.
        tokens: Tokens spent on it now, so 0 from the cache.
        cost: US dollars likewise, 0 without prices.
    """

    value: T
    source: Source
    tokens: int
    cost: float


class Asker:
    """The working parts of an `LLM`, made when it is first asked."""

    def __init__(self, llm: LLM) -> None:
        self.llm = llm
        self.counts: Counter[str] = Counter()
        self.budget = Budget(llm.max_calls, llm.max_tokens, llm.max_cost, llm.prices)
        self._caller: Caller | None = None
        self._cache: Cache | None = None
        self._flights = Flights()
        self._lock = threading.Lock()
        self._known: Mapping[str, Any] = {}
        self._closed = False

    def ask(
        self,
        messages: Sequence[Message],
        schema: Mapping[str, Any],
        check: Callable[[Any], T],
        version: str,
        fits: Mapping[str, Any] | None,
    ) -> Answer[T]:
        """See `LLM.ask`."""
        self._learn(schema)
        with self._counted():
            if self.llm.mode == "off":
                raise SwitchedOff("mode='off': nothing is asked.")
            caller, cache = self._open()
            deadline = time.monotonic() + self.llm.deadline
            conversation, spent, live, mistake = list(messages), Spent(), False, ""
            for attempt in range(ATTEMPTS):
                request = self._request(caller.address, conversation, schema, version, attempt)
                reply, took = self._reply(request, caller, cache, deadline)
                live, spent = live or took.calls > 0, spent.plus(took)
                try:
                    value = check(read_answer(reply.whole_text(), schema if fits is None else fits))
                except TeachrlError as error:
                    mistake = str(error)
                else:
                    self._count("repaired", attempt)
                    return Answer(value, self._source(live), spent.tokens, spent.cost)
                conversation = [*messages, *repair_turn(reply.text, mistake)]
            raise InvalidAnswer(f"{self.llm.model} gave no valid answer, nor repaired it when told so. {mistake}")

    def scalars(self) -> dict[str, float]:
        """See `LLM.scalars`."""
        spent, caller = self.budget.spent, self._caller
        with self._lock:
            counts = dict(self.counts)
        counts |= {
            "calls": spent.calls,
            "input_tokens": spent.input_tokens,
            "output_tokens": spent.output_tokens,
            "tokens": spent.tokens,
            "estimated": caller.estimated if caller is not None else 0,
        }
        named = ("asked", "hits", "repaired", *(f"failures/{kind}" for kind in KINDS))
        found = {f"llm/{name}": float(counts.get(name, 0)) for name in (*named, *sorted(set(counts) - set(named)))}
        return found | {"llm/cost": spent.cost}

    def close(self) -> None:
        """See `LLM.close`."""
        with self._lock:
            self._closed, caller, cache = True, self._caller, self._cache
        if caller is not None:
            caller.close()
        if cache is not None:
            cache.close()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Counts a question, and why it has no answer."""
        self._count("asked")
        try:
            yield
        except LLMError as error:
            self._count(f"failures/{error.kind}")
            raise

    def _reply(self, request: Request, caller: Caller, cache: Cache | None, deadline: float) -> tuple[Reply, Spent]:
        mode = self.llm.mode
        if cache is None or mode == "record":
            return self._call(request, caller, cache, deadline)
        if (reply := self._look_up(request, cache)) is not None:
            return reply, Spent()
        if mode == "replay":
            raise CacheMiss(f"mode='replay', and {cache.path} has no answer to this question of {self.llm.model}.")
        with self._flights.alone(request.key, deadline):
            if (reply := self._look_up(request, cache)) is not None:
                return reply, Spent()
            return self._call(request, caller, cache, deadline)

    def _look_up(self, request: Request, cache: Cache) -> Reply | None:
        reply = cache.get(request)
        self._count("hits", reply is not None)
        return reply

    def _call(self, request: Request, caller: Caller, cache: Cache | None, deadline: float) -> tuple[Reply, Spent]:
        reply, took = caller.call(request, deadline)
        if cache is not None:
            cache.put(request, reply)
        return reply, took

    def _request(
        self, address: Address, messages: Sequence[Message], schema: Mapping[str, Any], version: str, attempt: int
    ) -> Request:
        llm = self.llm
        limit = "max_completion_tokens" if address.url == OPENAI else "max_tokens"  # others know the old name only
        sampling = {"temperature": llm.temperature, "seed": llm.seed, limit: llm.max_answer_tokens, **llm.extra}
        body = make_body(llm.model, messages, schema, llm.json_mode, sampling, is_strict(schema))
        return Request(address.url, address.host, body, schema, version, attempt)

    def _source(self, live: bool) -> Source:
        if live:
            return "live"
        return "replay" if self.llm.mode == "replay" else "cache"

    def _open(self) -> tuple[Caller, Cache | None]:
        with self._lock:
            if self._closed:
                raise SwitchedOff("This client is closed; make a new one to ask more.")
            if self._caller is None:
                address = self._address()
                if self.llm.mode != "live":
                    self._cache = Cache(cache_path(self.llm.cache), writable=self.llm.mode != "replay")
                self._caller = self._make_caller(address)
            return self._caller, self._cache

    def _address(self) -> Address:
        if not self.llm.model:
            raise NotConfigured.nameless()
        base_url = self.llm.base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI
        return read_address(base_url, self.llm.allow_http)

    def _make_caller(self, address: Address) -> Caller:
        llm = self.llm
        return Caller(address, llm.key_env, self.budget, Breaker(), llm.timeout, llm.retries, llm.concurrency)

    def _learn(self, schema: Mapping[str, Any]) -> None:
        if schema != self._known:  # mostly the same one is asked about again and again
            check_schema(schema)
            self._known = copy.deepcopy(schema)

    def _count(self, name: str, by: int = 1) -> None:
        with self._lock:
            self.counts[name] += by


class Flights:
    """Lets one thread at a time through for each key, so that equal questions make one call."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[threading.Lock, int]] = {}
        self._lock = threading.Lock()

    @contextmanager
    def alone(self, key: str, deadline: float) -> Iterator[None]:
        """Holds a key.

        Raises:
            Unavailable: If others hold it beyond the deadline.
        """
        with self._lock:
            mine, users = self._locks.get(key) or (threading.Lock(), 0)
            self._locks[key] = mine, users + 1
        try:
            if not mine.acquire(timeout=max(0.0, deadline - time.monotonic())):
                raise Unavailable("The same question is being asked already, and its answer did not come in time.")
            try:
                yield
            finally:
                mine.release()
        finally:
            with self._lock:
                mine, users = self._locks.pop(key)
                if users > 1:
                    self._locks[key] = mine, users - 1
