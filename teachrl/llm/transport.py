"""One request to an endpoint that speaks OpenAI's chat completions, through the openai package.

Imported when the first call is made: a run that is answered from its cache needs neither openai nor a key. Nothing that
leaves this module refers to the client, its requests or their headers, which hold the key: failures are values.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime

import httpx2
import openai

from teachrl.llm.errors import LLMError, NotConfigured, Unavailable
from teachrl.llm.keys import Key
from teachrl.llm.refusals import Failure, describe, passing_wait
from teachrl.llm.replies import Reply, read_completion
from teachrl.llm.requests import Request
from teachrl.llm.urls import Address

LARGEST = 8_000_000
"""Bytes of a response; one with more is given up."""
_ADVICE = (
    "If it does not know JSON schemas, use json_mode='object' or 'none'; if it takes no temperature, use None; or the "
    "prompt is too long for the model."
)

_deadline: ContextVar[float] = ContextVar("deadline")


class Transport:
    """A connection to an endpoint; `send` may be called from many threads at once.

    Args:
        address: The endpoint.
        key: The key, empty for none.
        key_env: Where the key came from, for messages.

    Raises:
        NotConfigured: If the client cannot be made, e.g. with a proxy that it does not know.
    """

    def __init__(self, address: Address, key: Key, key_env: str) -> None:
        self.address = address
        self.key_env = key_env
        self._key = key
        failure = ""
        try:
            self._client = openai.OpenAI(
                api_key=key or "none", base_url=address.url, max_retries=0, http_client=_web(address.local)
            )
        except Exception as error:
            failure = type(error).__name__
        if failure:
            raise NotConfigured(
                f"No client for {address.host} could be made ({failure}). Check what the environment variables of "
                "proxies and certificates name (HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE)."
            )

    def send(self, request: Request, timeout: float) -> Reply | Failure:
        """Sends a request once and waits for its reply, about `timeout` seconds at most."""
        started = time.monotonic()
        token = _deadline.set(started + timeout)
        try:
            response = self._client.post(
                "/chat/completions",
                cast_to=httpx2.Response,
                body=dict(request.body),
                options={"timeout": httpx2.Timeout(timeout, connect=min(10.0, timeout))},
            )
            return self._read(response.text, request, time.monotonic() - started)
        except openai.APIStatusError as error:
            return self._refused(error.response, request)
        except (openai.APIConnectionError, httpx2.HTTPError, _GivenUpError) as error:
            return self._unreachable(error, timeout)
        except Exception as error:  # whatever it is: who asked has a fallback, and it may show the key
            return Failure(
                Unavailable(f"The request to {self.address.host} failed ({type(error).__name__})."), lost=True
            )
        finally:
            _deadline.reset(token)

    def close(self) -> None:
        """Closes all connections."""
        self._client.close()

    def _read(self, text: str, request: Request, latency: float) -> Reply | Failure:
        try:
            data = json.loads(self._key.hidden_in(text))
        except (ValueError, RecursionError):
            data = None
        reply = read_completion(data, request, latency, datetime.now(UTC).isoformat(timespec="seconds"))
        if reply is None:
            message = f"{self.address.host} answered with something that is no chat completion{describe(data)}"
            return Failure(Unavailable(message), passing=True, lost=True)
        return reply

    def _refused(self, response: httpx2.Response, request: Request) -> Failure:
        try:
            data = json.loads(self._key.hidden_in(response.text))
        except (ValueError, RecursionError):
            data = None
        status, host, detail = response.status_code, self.address.host, describe(data)
        if status in (401, 403):
            key = f"Check the key in {self.key_env}" if self._key else f"It wants a key: set {self.key_env}"
            return Failure(NotConfigured(f"{host} denies access ({status}){detail} {key}."), hard=True)
        if status == 404:
            return Failure(_unknown(request, self.address, detail), hard=True)
        if status == 402 or (status == 429 and "insufficient_quota" in response.text):
            return Failure(NotConfigured(f"The account at {host} has no credit left ({status}){detail}"), hard=True)
        if 300 <= status < 400:
            return Failure(NotConfigured(f"{host} redirects ({status}): base_url is not the endpoint's."), hard=True)
        if status in (408, 409, 425, 429) or status >= 500:
            error = Unavailable(f"{host} is overloaded or broken ({status}){detail}")
            lost = status in (408, 504, 524)  # a proxy gave up; the model behind it may have answered
            return Failure(error, passing=True, wait=passing_wait(response.headers), lost=lost)
        return Failure(Unavailable(f"{host} refuses the request ({status}){detail} {_ADVICE}"))

    def _unreachable(self, error: Exception, timeout: float) -> Failure:
        host = self.address.host
        if isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.ProxyError):
            return Failure(Unavailable(f"{host} cannot be reached: is the server running there?"), passing=True)
        if isinstance(error, openai.APITimeoutError | _GivenUpError):
            message = f"{host} did not answer completely within {timeout:.3g} s; a slow model needs a larger timeout."
            return Failure(Unavailable(message), passing=True, lost=True)
        return Failure(Unavailable(f"{host} cut the connection."), passing=True, lost=True)


class _GivenUpError(Exception):
    """A response that takes too long as a whole, or is too large."""


class _Guarded(httpx2.SyncByteStream):
    """A response's bytes, as long as there are not too many: timeouts alone allow a byte now and then for ever."""

    def __init__(self, stream: httpx2.SyncByteStream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for chunk in self._stream:
            size += len(chunk)
            if size > LARGEST or time.monotonic() > _deadline.get():
                raise _GivenUpError
            yield chunk

    def close(self) -> None:
        self._stream.close()


def _guard(response: httpx2.Response) -> None:
    if isinstance(response.stream, httpx2.SyncByteStream):
        response.stream = _Guarded(response.stream)


def _web(local: bool) -> httpx2.Client:
    """Makes the client below: a proxy is for the world outside, whatever NO_PROXY says about this machine."""
    return httpx2.Client(
        trust_env=not local,
        follow_redirects=False,
        headers={"accept-encoding": "identity"},
        event_hooks={"response": [_guard]},
    )


def _unknown(request: Request, address: Address, detail: str) -> LLMError:
    return Unavailable(
        f"{address.host} does not know the model {str(request.body['model'])!r}, or base_url is not its address "
        f"(404){detail} It lists its models under /models; an address commonly ends in /v1."
    )
