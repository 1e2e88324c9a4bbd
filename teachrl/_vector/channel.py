"""Messages between two processes over a socket: as few calls and as little Python as a step's message allows."""

from __future__ import annotations

import socket
import struct

_LENGTH = struct.Struct("!Q")
_EMPTY = _LENGTH.pack(0)
_MOST = 1 << 24


class Channel:
    """One end of a pipe of byte messages.

    `multiprocessing.connection.Connection` needs a selector for every wait with a time limit, and several calls of
    Python for each message; this is what a step with 100 us of work has no room for.

    Args:
        end: One of a `socket.socketpair()`.
    """

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self._read = bytearray()

    def send(self, message: bytes) -> None:
        """Sends a message.

        Raises:
            TimeoutError: If the other end does not read.
            OSError: If the other end is closed.
        """
        self.end.sendall(_LENGTH.pack(len(message)) + message if message else _EMPTY)

    def receive(self) -> bytes:
        """Waits for a message.

        Raises:
            EOFError: If the other end was closed.
            TimeoutError: If it was not there in the socket's time; what has come of it is kept for the next call.
            OSError: If this end is closed.
        """
        while (missing := self._missing()) > 0:
            part = self.end.recv(min(missing, _MOST))
            if not part:
                raise EOFError
            self._read += part
        message = bytes(memoryview(self._read)[_LENGTH.size :])
        self._read = bytearray()
        return message

    def _missing(self) -> int:
        if len(self._read) < _LENGTH.size:
            return _LENGTH.size - len(self._read)
        return int(_LENGTH.unpack_from(self._read)[0]) + _LENGTH.size - len(self._read)

    def close(self) -> None:
        """Closes this end."""
        self.end.close()
