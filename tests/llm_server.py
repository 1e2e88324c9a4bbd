"""A scripted server that speaks as much of OpenAI's protocol as tests need, on this machine, in threads.

    with LLMServer(["{}", Reply(status=429), {"subgoals": []}]) as server:
        LLM(model="tiny", base_url=server.url, mode="live").ask(...)
        server.requests[0].messages

The script is a list of replies, the last of which is repeated for ever, or a function from a request's messages to a
reply. A reply is a string (what the model says), a dict or list (said as JSON), or a `Reply` for everything else:

    Reply("```json\n{}\n```")       fenced                     Reply("...", delay=5)    slow
    Reply(status=429)               and 500, 401, 404 ...      Reply(drop=True)         the connection is cut
    Reply("{}", usage=None)         no usage in the response   Reply(body="<html>")     a body that is no JSON
    Reply("{}", finish="length")    cut off                    Reply("{}", drip=0.1)    one byte each 0.1 s

Another model than `models` (any, by default) is answered with 404, another key than `key` (any) with 401.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE = {"prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42}


@dataclass
class Reply:
    """What the server does about one request."""

    text: str | None = ""
    status: int = 200
    usage: Any = field(default_factory=lambda: dict(USAGE))
    finish: str = "stop"
    delay: float = 0.0
    drip: float = 0.0
    drop: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None

    def payload(self, request: Asked) -> bytes:
        """Returns the response's body."""
        if self.body is not None:
            return self.body.encode()
        if self.status != 200:
            return json.dumps({"error": {"message": self.text or f"scripted {self.status}", "code": None}}).encode()
        message = {"role": "assistant", "content": self.text}
        response = {
            "id": "scripted",
            "object": "chat.completion",
            "created": 0,
            "model": f"{request.body.get('model')}-0001",
            "choices": [{"index": 0, "message": message, "finish_reason": self.finish}],
        }
        return json.dumps(response | ({} if self.usage is None else {"usage": self.usage})).encode()


@dataclass
class Asked:
    """A request as it came in: its path, headers (names in lower case) and JSON body."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def messages(self) -> list[dict[str, str]]:
        """The messages of the conversation."""
        return list(self.body.get("messages", []))


Said = str | dict[str, Any] | list[Any] | Reply
Script = Sequence[Said] | Callable[[list[dict[str, str]]], Said]


class LLMServer:
    """Serves a script at `url` while the `with` block runs; `requests` are the requests so far."""

    def __init__(self, script: Script, models: Sequence[str] = (), key: str = "") -> None:
        self.script = script
        self.models = models
        self.key = key
        self.requests: list[Asked] = []
        self.closed = threading.Event()
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._http.block_on_close = False

    @property
    def url(self) -> str:
        """What to give as `base_url`."""
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def __enter__(self) -> LLMServer:
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.closed.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def answer(self, request: Asked) -> Reply:
        """Notes a request and returns what the script says about it."""
        with self._lock:
            self.requests.append(request)
            if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
                return Reply("no such key", status=401)
            if self.models and request.body.get("model") not in self.models:
                return Reply("no such model", status=404)
            if callable(self.script):
                said = self.script(request.messages)
            else:
                said = self.script[min(len(self.requests), len(self.script)) - 1]
        if isinstance(said, Reply):
            return said
        return Reply(said if isinstance(said, str) else json.dumps(said))


def _handler(server: LLMServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # headers and body are two writes: it would hold the second back for 40 ms

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            request = Asked(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            reply = server.answer(request)
            if server.closed.wait(reply.delay) or reply.drop:
                self.close_connection = True
                return
            self._send(reply, reply.payload(request))

        def _send(self, reply: Reply, payload: bytes) -> None:
            kind = "text/html" if reply.body is not None and not reply.body.startswith("{") else "application/json"
            headers = {"content-type": kind, "content-length": str(len(payload)), **reply.headers}
            try:
                self.send_response(reply.status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                for i in range(0, len(payload), 1 if reply.drip else len(payload)):
                    self.wfile.write(payload[i : i + 1] if reply.drip else payload)
                    if server.closed.wait(reply.drip):
                        break
            except ConnectionError:  # the client has given up
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing: tests read `requests`."""

    return Handler
