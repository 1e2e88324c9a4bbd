"""Answers on disk, so that the same question is paid for once.

One SQLite file (https://sqlite.org/lockingv3.html): a write is whole or absent after a kill, and processes take turns.
A rollback journal rather than a write-ahead log: the file stays one file, can be read where nothing can be written, and
keeps its locks on a network's file system; writes come seldom, at most one for each call of a model. It holds requests,
answers and what they took: no key, no header, of the address only the host.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
import warnings
from pathlib import Path

from teachrl.llm.errors import NotConfigured
from teachrl.llm.replies import Reply
from teachrl.llm.requests import Request

NAME = "answers.sqlite"
_SUFFIXES = (".sqlite", ".sqlite3", ".db")
_TABLE = "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, request TEXT, reply TEXT, digest TEXT)"


class Cache:
    """Replies by request. Safe for threads and processes.

    Args:
        path: The file, made with its directory where it is missing and may be written.
        writable: False adds nothing, and does without a file as long as there is none.

    Raises:
        NotConfigured: If it cannot be opened, or is not a cache.
    """

    def __init__(self, path: Path, writable: bool = True) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._warned = False
        self._closed = False
        self._writable = writable
        self._file: sqlite3.Connection | None = None
        self._opened()

    def get(self, request: Request) -> Reply | None:
        """Returns the reply that was stored last; None if there is none, or, with a warning, none that is whole."""
        try:
            with self._lock:
                file = self._opened()
                found = file and file.execute("SELECT reply, digest FROM answers WHERE key = ?", (request.key,))
                row = found and found.fetchone()
        except sqlite3.Error as error:
            self._warn(f"cannot be read ({error}): questions are asked again")
            return None
        if not row:
            return None
        try:
            if _digest(row[0]) != row[1]:
                raise ValueError
            return Reply.from_json(row[0])
        except (ValueError, TypeError, AttributeError):
            self._warn(f"has a damaged entry ({request.key[:12]}...): its question is asked again")
            return None

    def put(self, request: Request, reply: Reply) -> None:
        """Stores a reply in place of the one before; with a warning, does not, if the disk does not take it."""
        try:
            with self._lock:
                if (file := self._opened()) is not None:
                    with file:
                        file.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", self._row(request, reply))
        except (sqlite3.Error, UnicodeEncodeError) as error:
            self._warn(f"cannot be written ({error}): answers are not kept")

    def __len__(self) -> int:
        with self._lock:
            file = self._opened()
            return 0 if file is None else int(file.execute("SELECT count(*) FROM answers").fetchone()[0])

    def close(self) -> None:
        """Closes the file; nothing is found or kept from then on."""
        with self._lock:
            self._closed = True
            if self._file is not None:
                self._file.close()

    def _row(self, request: Request, reply: Reply) -> tuple[str, str, str, str]:
        text = reply.to_json()
        return request.key, request.record, text, _digest(text)

    def _opened(self) -> sqlite3.Connection | None:
        """Returns the file; None after `close`, or while it is not there and may not be made."""
        if self._closed:
            return None
        if self._file is None and (self._writable or (self.path.is_file() and self.path.stat().st_size)):
            self._file = self._open()
        return self._file

    def _open(self) -> sqlite3.Connection:
        try:
            if self._writable:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            place = f"{self.path.absolute().as_uri()}?mode={self._mode()}"
            patience = 30.0 if self._writable else 1.0  # readers are asked in the middle of training
            file = sqlite3.connect(place, timeout=patience, check_same_thread=False, uri=True)
            if self._writable:
                file.execute(_TABLE)
            file.execute("SELECT reply, digest FROM answers LIMIT 1").fetchone()
        except (OSError, sqlite3.Error) as error:
            raise NotConfigured(
                f"{self.path} cannot be used as a cache of answers ({error}). Name another file or directory with "
                "cache=, remove the file if it is damaged, or do without by mode='live'."
            ) from None
        return file

    def _mode(self) -> str:
        if self._writable:
            return "rwc"
        changeable = os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK)
        return "rw" if changeable else "ro"  # a write that was killed has to be undone before anything can be read

    def _warn(self, what: str) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(f"The cache of answers {self.path} {what}.", RuntimeWarning, stacklevel=3)


def cache_path(cache: str) -> Path:
    """Returns the file that `cache` means: itself, in that directory, or by default in the user's cache directory.

    The default is in `TEACHRL_CACHE`, else `XDG_CACHE_HOME/teachrl`, else `~/.cache/teachrl`.
    """
    if not cache:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(os.environ.get("TEACHRL_CACHE") or Path(home) / "teachrl").expanduser() / NAME
    path = Path(cache).expanduser()
    return path if path.suffix in _SUFFIXES or path.is_file() else path / NAME


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
