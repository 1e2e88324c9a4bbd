"""Where a vector environment's environments are: in this process, or in workers."""

from __future__ import annotations

import itertools
import pickle
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from teachrl._vector import memory
from teachrl._vector.block import Block, block_bytes, make_block
from teachrl._vector.describe import Description
from teachrl._vector.host import Host, HostError, Info, Reset
from teachrl._vector.layout import Layout
from teachrl._vector.messages import GUARD
from teachrl._vector.pool import Pool, WorkerLost
from teachrl._vector.recipe import Recipe
from teachrl._vector.worker import STEP
from teachrl.errors import EnvironmentFailed, InvalidEnvironment
from teachrl.lessons import Lesson

Infos = Sequence[tuple[int, Info]]


class Backend(ABC):
    """Plays the environments of a block.

    Every method raises TeachrlError for what an environment refuses, HostError for what breaks.

    Attributes:
        description: What is known of the environments.
        observations: Layout of the observations.
        actions: Layout of the actions.
        block: Their arrays.
    """

    description: Description
    observations: Layout
    actions: Layout
    block: Block

    @abstractmethod
    def reset(self, requests: list[Reset]) -> Infos:
        """Begins episodes; returns the infos that are not empty, in the order of the environments."""

    @abstractmethod
    def step(self) -> Infos:
        """Takes the block's actions; returns the infos that are not empty, in the order of the environments."""

    @abstractmethod
    def ask(self, method: str, indices: Sequence[int], *args: Any) -> list[Any]:
        """Calls a method of `Host` for each index."""

    @abstractmethod
    def task_suite(self, name: str) -> dict[str, Lesson]:
        """Returns a suite of the environments."""

    @abstractmethod
    def close(self) -> None:
        """Closes the environments."""


class InProcess(Backend):
    """Environments of this process."""

    def __init__(self, recipe: Recipe, num_envs: int) -> None:
        recipe.import_modules()
        self._host = Host(recipe, num_envs)
        self.description = self._host.description
        self.observations, self.actions = self._host.observations, self._host.actions
        self.block = make_block(self.observations, self.actions, num_envs)

    def reset(self, requests: list[Reset]) -> Infos:
        """See `Backend`."""
        return self._host.reset(requests, self.block)

    def step(self) -> Infos:
        """See `Backend`."""
        return self._host.step(self.block)

    def ask(self, method: str, indices: Sequence[int], *args: Any) -> list[Any]:
        """See `Backend`."""
        return [getattr(self._host, method)(index, *args) for index in indices]

    def task_suite(self, name: str) -> dict[str, Lesson]:
        """See `Backend`."""
        return self._host.task_suite(name)

    def close(self) -> None:
        """See `Backend`."""
        self._host.close()


class InWorkers(Backend):
    """Environments in processes of their own, in contiguous runs of nearly equal length."""

    def __init__(self, recipe: Recipe, num_envs: int, workers: int) -> None:
        counts = [num_envs // workers + (w < num_envs % workers) for w in range(workers)]
        self._lows = [0, *itertools.accumulate(counts)]
        self._owner = [w for w, count in enumerate(counts) for _ in range(count)]
        self._steps = dict.fromkeys(range(workers), STEP)
        try:
            self._pool = Pool(_pickled(recipe), counts, recipe.timeout)
            descriptions = self._pool.hear_all()
        except WorkerLost as lost:
            hint = f" {GUARD}" if lost.index is None else ""
            raise EnvironmentFailed(f"{recipe.env_id}: a worker could not begin: {lost.why}{hint}") from None
        try:
            self._begin(recipe, num_envs, descriptions)
        except BaseException:
            self._pool.end()
            raise

    def _begin(self, recipe: Recipe, num_envs: int, descriptions: dict[int, Description]) -> None:
        workers = len(descriptions)
        self.description = descriptions[0]
        for worker, other in descriptions.items():
            first = self.description
            if (other.observation_space, other.action_space) != (first.observation_space, first.action_space):
                raise InvalidEnvironment(f"The spaces of {recipe.env_id} in worker {worker} differ from the first's.")
        self.observations = Layout(self.description.observation_space)
        self.actions = Layout(self.description.action_space)
        size = block_bytes(self.observations, self.actions, num_envs, workers)
        name, shared = memory.create(size)
        try:
            self.block = make_block(self.observations, self.actions, num_envs, workers, shared)
            self._ask_all("attach", [(name, num_envs, workers, self._lows[w], w) for w in range(workers)])
        finally:
            memory.release(name)

    def reset(self, requests: list[Reset]) -> Infos:
        """See `Backend`."""
        parts: dict[int, list[Reset]] = {}
        for request in requests:
            worker = self._owner[request.index]
            local = Reset(request.index - self._lows[worker], request.seed, request.lesson, request.options)
            parts.setdefault(worker, []).append(local)
        messages = {worker: _pickled(("reset", part)) for worker, part in parts.items()}
        return self._merge(self._ask(messages, "reset"))

    def step(self) -> Infos:
        """See `Backend`."""
        if not self.actions.objects:
            return self._merge(self._ask(self._steps, "step"))
        messages = {}
        for worker, (low, high) in enumerate(itertools.pairwise(self._lows)):
            messages[worker] = _pickled(("step", {k: self.block.actions[k][low:high] for k in self.actions.objects}))
        return self._merge(self._ask(messages, "step"))

    def ask(self, method: str, indices: Sequence[int], *args: Any) -> list[Any]:
        """See `Backend`."""
        parts: dict[int, list[int]] = {}
        for index in indices:
            parts.setdefault(self._owner[index], []).append(index - self._lows[self._owner[index]])
        messages = {worker: _pickled(("ask", method, part, args)) for worker, part in parts.items()}
        answers = {worker: iter(values) for worker, values in self._ask(messages, method).items()}
        return [next(answers[self._owner[index]]) for index in indices]

    def task_suite(self, name: str) -> dict[str, Lesson]:
        """See `Backend`."""
        suite: dict[str, Lesson] = self._ask({0: _pickled(("task_suite", name))}, "task_suite")[0]
        return suite

    def close(self) -> None:
        """See `Backend`."""
        self._pool.close()

    def _ask_all(self, command: str, arguments: Sequence[tuple[Any, ...]]) -> None:
        self._ask({worker: _pickled((command, *args)) for worker, args in enumerate(arguments)}, command)

    def _ask(self, messages: dict[int, bytes], doing: str) -> dict[int, Any]:
        try:
            return self._pool.ask(messages, doing)
        except WorkerLost as lost:
            index = int(self.block.current[lost.worker]) if lost.index is None else lost.index
            raise HostError(self._lows[lost.worker] + index, lost.doing, lost.why) from None

    def _merge(self, answers: dict[int, Any]) -> Infos:
        merged: list[tuple[int, Info]] = []
        for worker, (infos, objects) in sorted(answers.items()):
            low, high = self._lows[worker], self._lows[worker + 1]
            merged.extend((low + index, info) for index, info in infos)
            for leaf, rows in objects.items():
                self.block.observations[leaf][low:high] = rows
        return merged


def _pickled(value: Any) -> bytes:
    try:
        return pickle.dumps(value)
    except Exception as error:
        raise InvalidEnvironment(
            f"This cannot be sent to a worker ({type(error).__name__}: {error}): {value!r:.300}. "
            "Workers take registered environments, functions and classes defined at the top of a module, and data; "
            "or use workers=0."
        ) from error
