"""Calls of an endpoint: a few at a time, within budget, tried again while that may help, none while it is down.

Retries are made here rather than by the openai package, which would wait as long as a server likes (two minutes): these
waits end with the question's deadline, and at once when the client is closed.
"""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING

from teachrl.llm.breaker import Breaker
from teachrl.llm.budget import Budget, Spent
from teachrl.llm.errors import NotConfigured, SwitchedOff, Unavailable
from teachrl.llm.keys import read_key
from teachrl.llm.refusals import Failure
from teachrl.llm.replies import Reply
from teachrl.llm.requests import Request
from teachrl.llm.urls import Address

if TYPE_CHECKING:
    from teachrl.llm.transport import Transport

FIRST_WAIT, LONGEST_WAIT = 0.5, 8.0
"""Seconds before the first and before any later retry, where the endpoint has no wish."""


class Caller:
    """Calls one endpoint, from any number of threads.

    Args:
        address: The endpoint.
        key_env: The environment variable that holds the key.
        budget: What may be spent.
        breaker: Whether to call at all.
        timeout: Seconds for a request.
        retries: Requests after the first, while failures look passing.
        concurrency: Requests at a time.
    """

    def __init__(
        self,
        address: Address,
        key_env: str,
        budget: Budget,
        breaker: Breaker,
        timeout: float,
        retries: int,
        concurrency: int,
    ) -> None:
        self.address = address
        self.key_env = key_env
        self.budget = budget
        self.breaker = breaker
        self.timeout = timeout
        self.retries = retries
        self.estimated = 0
        self._slots = threading.BoundedSemaphore(concurrency)
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._transport: Transport | None = None
        self._random = random.Random()

    def call(self, request: Request, deadline: float) -> tuple[Reply, Spent]:
        """Returns the reply to a request, and what it took with its retries.

        Args:
            request: The request.
            deadline: When to give up, in seconds of `time.monotonic`.

        Raises:
            LLMError: If there is no reply.
        """
        self.breaker.check()
        if not self._slots.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise Unavailable("Too many questions were waiting for an answer; ask fewer, or raise concurrency.")
        try:
            self.breaker.check()
            return self._try(request, deadline)
        finally:
            self._slots.release()

    def close(self) -> None:
        """Ends all waiting, and closes the connections."""
        self._closed.set()
        with self._lock:
            if self._transport is not None:
                self._transport.close()

    def _try(self, request: Request, deadline: float) -> tuple[Reply, Spent]:
        spent, retry = Spent(), 0
        while True:
            outcome, took = self._send(request, deadline)
            spent = spent.plus(took)
            if isinstance(outcome, Reply):
                self.breaker.succeeded()
                return outcome, spent
            wait = outcome.wait or min(LONGEST_WAIT, FIRST_WAIT * 2**retry) * self._random.uniform(0.75, 1.0)
            if not outcome.passing or retry == self.retries or time.monotonic() + wait >= deadline:
                self.breaker.failed(outcome.error, outcome.hard)
                raise outcome.error
            self._closed.wait(wait)
            retry += 1

    def _send(self, request: Request, deadline: float) -> tuple[Reply | Failure, Spent]:
        transport = self._connect()
        reserved, took = self.budget.reserve(request), Spent(calls=1)
        try:
            outcome = self._wait_for(transport, request, max(0.01, min(self.timeout, deadline - time.monotonic())))
            if isinstance(outcome, Reply):
                took = self.budget.price(outcome.input_tokens, outcome.output_tokens)
            elif outcome.lost:
                took = reserved
            self.estimated += outcome.estimated if isinstance(outcome, Reply) else outcome.lost
        finally:
            self.budget.settle(reserved, took)
        return outcome, took

    def _wait_for(self, transport: Transport, request: Request, timeout: float) -> Reply | Failure:
        """Sends in a thread of its own, which can be left behind: a socket's wait ends neither early nor for sure."""
        outcomes: list[Reply | Failure] = []
        sender = threading.Thread(target=lambda: outcomes.append(transport.send(request, timeout)), daemon=True)
        sender.start()
        end = time.monotonic() + timeout + 1.0
        while sender.is_alive() and time.monotonic() < end and not self._closed.is_set():
            sender.join(0.05)
        if outcomes:
            return outcomes[0]
        if self._closed.is_set():
            return Failure(SwitchedOff("The client was closed before the answer came."), lost=True)
        return Failure(Unavailable(f"{self.address.host} did not answer within {timeout:.3g} s."), lost=True)

    def _connect(self) -> Transport:
        with self._lock:
            if self._closed.is_set():
                raise SwitchedOff("This client is closed; make a new one to ask more.")
            if self._transport is None:
                self._transport = self._make_transport()
            return self._transport

    def _make_transport(self) -> Transport:
        key = read_key(self.key_env)
        if not key and not self.address.local:
            raise NotConfigured(
                f"There is no key for {self.address.host}: put it into the environment variable {self.key_env}, or "
                "name another one with key_env=. An endpoint on this machine needs none."
            )
        try:
            from teachrl.llm.transport import Transport
        except ImportError:
            pass
        else:
            return Transport(self.address, key, self.key_env)
        raise NotConfigured("Asking a language model needs the openai package: pip install 'teachrl[llm]'.")
