"""What runs in a worker process: some environments, one message in and one out for each thing asked.

A step's message is empty, and so is its answer where no environment has an info; everything else is in the shared
block. Workers ignore Ctrl-C, which is their owner's to handle, and leave when their pipe closes, however that came.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import pickle
import signal
import socket
import traceback
from multiprocessing.connection import Connection
from typing import Any

from teachrl import errors
from teachrl._vector import memory
from teachrl._vector.block import Block, block_bytes, make_block
from teachrl._vector.channel import Channel
from teachrl._vector.host import Host, HostError, Info
from teachrl._vector.messages import last_lines
from teachrl._vector.recipe import Recipe

STEP = b""
CLOSE = b"c"


def serve(end: socket.socket, crashes: Connection, recipe: bytes, count: int) -> None:
    """Makes `count` environments and does as their owner says until it closes the socket.

    Args:
        end: The worker's end of the socket to its owner.
        crashes: Where the interpreter writes its stack when it crashes, or when it is sent SIGUSR1.
        recipe: How an environment is made, pickled.
        count: How many.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.name == "posix":
        faulthandler.enable(crashes.fileno())
        faulthandler.register(signal.SIGUSR1, crashes.fileno())
    worker = Worker(recipe, count)
    with contextlib.suppress(EOFError, OSError):
        channel = Channel(end)
        channel.send(worker.answer(None))
        while (message := channel.receive()) != CLOSE:
            channel.send(worker.answer(message))
    worker.close()


class Worker:
    """Answers messages; each answer is empty or a pickled pair of a tag and what belongs to it.

    Args:
        recipe: How an environment is made, pickled.
        count: How many.
    """

    def __init__(self, recipe: bytes, count: int) -> None:
        self._recipe = recipe
        self._count = count
        self._host: Host
        self._block: Block

    def answer(self, message: bytes | None) -> bytes:
        """Does what a message asks (None: makes the environments) and puts the outcome, good or bad, into bytes."""
        try:
            if message == STEP:
                return self._infos(self._host.step(self._block))
            value = self._make() if message is None else self._obey(*pickle.loads(message))
            return value if isinstance(value, bytes) else self._pack(value)
        except errors.TeachrlError as error:
            return pickle.dumps(("refused", _describe_error(error)))
        except HostError as error:
            return pickle.dumps(("failed", (error.index, error.doing, _with_traceback(error.__cause__ or error))))
        except BaseException as error:  # sys.exit in an environment too is an answer
            index = int(self._block.current[0]) if hasattr(self, "_block") else 0
            return pickle.dumps(("failed", (index, "its worker", _with_traceback(error))))

    def close(self) -> None:
        """Closes the environments."""
        if hasattr(self, "_host"):
            self._host.close()

    def _make(self) -> Any:
        recipe: Recipe = pickle.loads(self._recipe)
        recipe.import_modules()
        self._host = Host(recipe, self._count)
        return self._host.description

    def _obey(self, command: str, *arguments: Any) -> Any:
        return getattr(self, f"_do_{command}")(*arguments)

    def _do_attach(self, name: str, n: int, hosts: int, low: int, host: int) -> None:
        layouts = self._host.observations, self._host.actions
        shared = memory.attach(name, block_bytes(*layouts, n, hosts))
        self._block = make_block(*layouts, n, hosts, shared).part(low, low + self._count, host)

    def _do_reset(self, requests: list[Any]) -> bytes:
        return self._infos(self._host.reset(requests, self._block))

    def _do_step(self, actions: dict[int, list[Any]]) -> bytes:
        for leaf, rows in actions.items():
            self._block.actions[leaf][:] = rows
        return self._infos(self._host.step(self._block))

    def _do_ask(self, method: str, indices: list[int], args: tuple[Any, ...]) -> list[Any]:
        return [getattr(self._host, method)(index, *args) for index in indices]

    def _do_task_suite(self, name: str) -> Any:
        return self._host.task_suite(name)

    def _infos(self, infos: list[tuple[int, Info]]) -> bytes:
        objects = {leaf: self._block.observations[leaf] for leaf in self._host.observations.objects}
        return self._pack((infos, objects)) if infos or objects else b""

    def _pack(self, value: Any) -> bytes:
        try:
            return pickle.dumps(("done", value))
        except Exception as error:
            raise errors.InvalidEnvironment(
                f"{self._host.recipe.env_id} returned something that cannot be sent from a worker "
                f"({type(error).__name__}: {error}): {value!r:.300}. "
                "Infos and attributes must be data; or use workers=0."
            ) from error


def _describe_error(error: errors.TeachrlError) -> tuple[str, str]:
    kind = next(c for c in type(error).__mro__ if c.__module__ == errors.__name__)
    cause = error.__cause__ if isinstance(error, errors.EnvironmentFailed) else None
    return kind.__name__, f"{error}{'' if cause is None else _lines(cause)}"


def _with_traceback(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}{_lines(error)}"


def _lines(error: BaseException) -> str:
    return last_lines("".join(traceback.format_exception(error)))
