"""The vector environment over ordinary environments."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from teachrl._vector.backends import Backend, Infos, InProcess, InWorkers
from teachrl._vector.contract import LessonVectorEnv, StepResult
from teachrl._vector.host import HostError, Reset
from teachrl._vector.messages import cannot_tell_solvable, failed, no_exact_states
from teachrl._vector.recipe import Recipe
from teachrl._vector.requests import ResetRequest, read_indices, read_mask, read_reset
from teachrl.errors import EnvironmentFailed, InvalidEnvironment
from teachrl.lessons import Bools, Lesson, Observations
from teachrl.snapshots import State


class HostedVectorEnv(LessonVectorEnv):
    """N ordinary environments, in this process or in workers. `make_vec` makes it.

    Args:
        recipe: How an environment is made.
        num_envs: N.
        workers: Number of processes, 0 for none.
    """

    def __init__(self, recipe: Recipe, num_envs: int, workers: int = 0) -> None:
        backend: Backend = InWorkers(recipe, num_envs, workers) if workers else InProcess(recipe, num_envs)
        known = backend.description
        self._backend = backend
        self.env_id = recipe.env_id
        self.num_envs = num_envs
        self.workers = workers
        self.render_mode = recipe.render_mode
        self.metadata = {**known.metadata, "autoreset_mode": AutoresetMode.DISABLED}
        self.spec = known.spec
        self.single_observation_space = known.observation_space
        self.single_action_space = known.action_space
        self.observation_space = batch_space(known.observation_space, num_envs)
        self.action_space = batch_space(known.action_space, num_envs)
        self.task_space, self.task_names, self.suites = known.task_space, known.task_names, known.suites
        self.return_range, self.max_episode_steps = known.return_range, known.max_episode_steps
        self.restorable, self.unrestorable = not known.unrestorable, known.unrestorable
        self.tells_solvable = known.tells_solvable
        self.provides = known.provides
        self._playing: list[tuple[Any, int | None]] = [(None, None)] * num_envs
        self._begun = np.zeros(num_envs, dtype=np.bool_)
        self._ended = np.ones(num_envs, dtype=np.bool_)
        self._any_ended = True

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """See `LessonVectorEnv.reset`."""
        self._check_open()
        request = read_reset(self, seed, options)
        self._ended[request.mask] = True
        self._any_ended = True
        for index, seed_, lesson in zip(request.indices, request.seeds, request.lessons, strict=True):
            self._playing[index] = _what(lesson, seed_)
        try:
            infos = self._backend.reset(_split(request)) if request.indices else ()
        except HostError as error:
            raise self._failure(error) from error.__cause__
        self._begun |= request.mask
        self._ended &= ~request.mask
        self._any_ended = bool(self._ended.any())
        return self._backend.observations.batch(self._backend.block.observations), self._gather(infos)

    def step(self, actions: Any) -> StepResult:
        """See `LessonVectorEnv.step`."""
        if self._any_ended or self.closed:
            self._refuse_step()
        backend, block = self._backend, self._backend.block
        backend.actions.write_batch(block.actions, actions, "Actions")
        try:
            infos = backend.step()
        except HostError as error:
            raise self._failure(error) from error.__cause__
        except BaseException:
            self._ended[:] = self._any_ended = True
            raise
        terminated, truncated = block.terminated.copy(), block.truncated.copy()
        np.logical_or(terminated, truncated, out=self._ended)
        self._any_ended = bool(self._ended.any())
        observations = backend.observations.batch(block.observations)
        return observations, block.rewards.copy(), terminated, truncated, self._gather(infos)

    def get_state(self, mask: Bools | None = None) -> list[State]:
        """See `LessonVectorEnv.get_state`."""
        if not self.restorable:
            raise InvalidEnvironment(no_exact_states(self.env_id, self.unrestorable))
        return self._ask("get_state", [int(i) for i in np.flatnonzero(read_mask(mask, self.num_envs))])

    def call(self, name: str, indices: Sequence[int] | None = None, *args: Any, **kwargs: Any) -> list[Any]:
        """See `LessonVectorEnv.call`."""
        return self._ask("call", read_indices(indices, self.num_envs), name, args, kwargs)

    def solvable(self, tasks: Sequence[Any]) -> list[bool]:
        """See `LessonVectorEnv.solvable`."""
        if not self.tells_solvable:
            raise InvalidEnvironment(cannot_tell_solvable(self.env_id))
        answers = [self.call("solvable", [0], task)[0] for task in tasks]
        if wrong := [a for a in answers if not isinstance(a, bool | np.bool_)]:
            raise InvalidEnvironment(f"{self.env_id}: solvable(task) must return a bool, got {wrong[0]!r}.")
        return [bool(a) for a in answers]

    def task_suite(self, name: str) -> dict[str, Lesson]:
        """See `LessonVectorEnv.task_suite`."""
        self._check_open()
        try:
            return self._backend.task_suite(name)
        except HostError as error:
            raise self._failure(error) from error.__cause__

    def render(self) -> tuple[Any, ...]:
        """Returns a frame of each environment.

        Raises:
            InvalidEnvironment: If they were made without a render mode.
        """
        if self.render_mode is None:
            raise InvalidEnvironment(f"{self.env_id} was made without a render mode; pass render_mode='rgb_array'.")
        return tuple(self.call("render"))

    def close_extras(self, **kwargs: Any) -> None:
        """Closes the environments and ends the workers."""
        self._backend.close()

    def _ask(self, method: str, indices: Sequence[int], *args: Any) -> list[Any]:
        self._check_open()
        try:
            return self._backend.ask(method, indices, *args)
        except HostError as error:
            raise self._failure(error) from error.__cause__

    def _gather(self, infos: Infos) -> dict[str, Any]:
        gathered: dict[str, Any] = {}
        for index, info in infos:
            gathered = self._add_info(gathered, info, index)
        return gathered

    def _failure(self, error: HostError) -> EnvironmentFailed:
        with contextlib.suppress(Exception):  # what fails while a failed environment is closed says nothing new
            self.close()
        self.closed = True
        task, seed = self._playing[error.index]
        return EnvironmentFailed(failed(self.env_id, error.index, error.doing, task, seed, error.why))

    def _check_open(self) -> None:
        if self.closed:
            raise InvalidEnvironment(f"{self.env_id} is closed, by close() or after a failure. Make another.")

    def _refuse_step(self) -> None:
        self._check_open()
        ended = [int(i) for i in np.flatnonzero(self._ended)]
        new = [i for i in ended if not self._begun[i]]
        what = "were never reset" if len(new) == len(ended) else "have ended their episodes"
        raise InvalidEnvironment(
            f"{self.env_id}: the environments {ended} {what}, so they cannot be stepped. "
            "Autoreset is disabled here: reset them with options={'reset_mask': terminated | truncated}."
        )


def _split(request: ResetRequest) -> list[Reset]:
    parts = zip(request.indices, request.seeds, request.lessons, strict=True)
    return [Reset(index, seed, lesson, request.options) for index, seed, lesson in parts]


def _what(lesson: Lesson, seed: int | None) -> tuple[Any, int | None]:
    start = lesson.start
    if start is None:
        return lesson.task, seed
    if start.kind == "replay":
        return start.task, start.seed
    return (start.task if lesson.task is None else lesson.task), seed
