"""A page on this machine that follows a run, or a study, while it is being written."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from teachrl.errors import InvalidHyperparameter, InvalidRun, TeachrlError
from teachrl.studies.page import page_data, render
from teachrl.studies.page_json import to_json

ADDRESS = "127.0.0.1"
PORTS = 50
"""How many ports are tried."""
FRESH = 1.0
"""Seconds for which what was read is handed out again."""


class Reading:
    """What a directory shows now; of a file that is being replaced, what was there before.

    Args:
        directory: A run's or a study's directory.

    Raises:
        TeachrlError: If it is neither.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self._directory, self._lock = directory, threading.Lock()
        self._data, self._at = page_data(directory), time.monotonic()

    def __call__(self) -> dict[str, Any]:
        """Returns it, at most `FRESH` seconds old."""
        with self._lock:
            if time.monotonic() - self._at > FRESH:
                with suppress(TeachrlError, OSError, ValueError, KeyError):  # half of it is there: the last stands
                    self._data = _read(self._directory)
                self._at = time.monotonic()
            return self._data


def _read(directory: str | os.PathLike[str]) -> dict[str, Any]:
    """Reads a directory; once more if something could not be read, which may have been replaced just then."""
    data = page_data(directory)
    return page_data(directory) if data["facts"]["damage"] else data


def serve(directory: str | os.PathLike[str], port: int = 8123) -> str:
    """Serves the page of a directory to this machine until it is interrupted.

    Args:
        directory: A run's or a study's directory; it may be growing.
        port: The port, or the next that is free; 0 for any.

    Returns:
        Where the page was.

    Raises:
        TeachrlError: If the directory is not a run's or a study's, or no port is free.
    """
    server = make_server(directory, port)
    address = f"http://{ADDRESS}:{server.server_port}/"
    try:
        print(f"{directory} at {address} (Ctrl-C ends it)", flush=True)
        server.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        print(flush=True)  # behind the terminal's ^C
    finally:
        server.server_close()
    return f"The page at {address} was closed."


def make_server(directory: str | os.PathLike[str], port: int = 0) -> ThreadingHTTPServer:
    """Returns a server of the page of a directory, not started yet.

    Raises:
        TeachrlError: If the directory is not a run's or a study's, or no port is free.
    """
    if not 0 <= port <= 65535:
        raise InvalidHyperparameter(f"`port` must be a port number, 0 to 65535, got {port}.")
    reading = Reading(directory)

    class Handler(_Handler):
        read = staticmethod(reading)

    for number in range(port, min(port + PORTS, 65536)):
        try:
            return _Server((ADDRESS, number), Handler)
        except OSError as error:  # taken, or not ours to take
            reason = error
    raise InvalidRun(f"No port from {port} on is free on {ADDRESS}: {reason}. Pass another --port.")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = False  # else two servers could have one port

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of browsers that went away."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    read: Any

    def do_GET(self) -> None:
        """Answers with the page, or with its data."""
        path = self.path.partition("?")[0]
        if path == "/":
            self._answer(render(self.read(), live=True), "text/html; charset=utf-8")
        elif path == "/data.json":
            self._answer(to_json(self.read()), "application/json")
        else:
            self.send_error(HTTPStatus.NOT_FOUND, "There is / and /data.json.")

    def _answer(self, text: str, kind: str) -> None:
        body = text.encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Keeps the terminal free of requests."""
