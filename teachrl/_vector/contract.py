"""What every vector environment that can be taught does."""

from __future__ import annotations

import dataclasses
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from gymnasium import Space
from gymnasium.vector import AutoresetMode, VectorEnv

from teachrl import tasks
from teachrl._vector.messages import cannot_tell_solvable, ended_in_replay, no_exact_states
from teachrl._vector.requests import ResetRequest, read_indices, read_reset
from teachrl.errors import InvalidEnvironment
from teachrl.lessons import Array, Bools, Floats, Lesson, Observations
from teachrl.snapshots import State, replay_plan

StepResult = tuple[Observations, Floats, Bools, Bools, dict[str, Any]]


class LessonVectorEnv(VectorEnv[Any, Any, Any], ABC):
    """N environments that can be given lessons: a Gymnasium `VectorEnv` whose autoreset is disabled.

    A class that computes its environments in one batch derives from this one. It sets the attributes below that differ
    from their defaults and the four spaces and `num_envs` of Gymnasium, takes `num_envs` as a constructor argument,
    and defines `reset` (reading its arguments with `read_reset`) and `step`; `get_state` and `render` where it can.
    Registered as `vector_entry_point`, `make_vec` uses it.

    Attributes:
        env_id: Id of the environment, version included; the class's name where it has none.
        task_space: Space of the tasks, None where there is nothing to choose.
        task_names: Names of a Box's coordinates.
        return_range: Lowest and highest return of an episode, None where it is not known.
        max_episode_steps: The time limit, None without one.
        suites: Names of the task suites.
        restorable: Whether `get_state` gives exact states and lessons can start from them.
        unrestorable: Why there are none, and what would change that, where it is known.
        tells_solvable: Whether `solvable` answers.
        provides: What knows the environment from inside, by name: `module:Class` of what is made without arguments,
            e.g. `"planner"` for a policy with full knowledge and `"layouts"` for `teachrl.subgoals.Layouts`.
        made_with: The `"env_kwargs"` and `"wrappers"` that `make_vec` made them with, as data; None without it.
        render_mode: As in Gymnasium.
    """

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.DISABLED}  # noqa: RUF012 (Gymnasium's own declaration)
    env_id: str = ""
    task_space: Space[Any] | None = None
    task_names: tuple[str, ...] = ()
    return_range: tuple[float, float] | None = None
    max_episode_steps: int | None = None
    suites: tuple[str, ...] = tasks.SUITES
    restorable: bool = False
    unrestorable: str = ""
    tells_solvable: bool = False
    provides: Mapping[str, str] = {}
    made_with: Mapping[str, Any] | None = None

    _arguments: tuple[tuple[Any, ...], dict[str, Any]]
    _remake: Callable[[int, int, str | None], LessonVectorEnv] | None = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Keeps the constructor's arguments, which `make_another` needs."""
        self = super().__new__(cls)
        self._arguments = (args, kwargs)
        return self

    @abstractmethod
    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Begins episodes.

        Args:
            seed: An int s seeds environment i with s + i, as in Gymnasium. A list has one entry for each environment
                that is reset, in their order. An entry that is given wins over the lesson's own seed.
            options: `"reset_mask"`, (N,) bool, the environments to reset, all without it; `"lessons"`, one for each
                of those, in their order, default tasks without it. Other entries go to each environment. Never changed.

        Returns:
            The full batch of observations (N, *o), with the rows outside the mask as they were, and the infos.

        Raises:
            InvalidTask: If a task is outside the task space.
            InvalidEnvironment: If a lesson asks for what the environment does not have, or ends before it begins.
            EnvironmentFailed: If an environment raises, dies or does not answer.
        """

    @abstractmethod
    def step(self, actions: Any) -> StepResult:
        """Takes one action (N, *a) in each environment.

        Returns:
            Observations (N, *o), rewards (N,) float64, terminated and truncated (N,) bool, and infos in Gymnasium's
            vector format. All arrays are the caller's.

        Raises:
            InvalidEnvironment: If an episode has ended and was not reset.
            EnvironmentFailed: If an environment raises, dies or does not answer.
        """

    def get_state(self, mask: Bools | None = None) -> list[State]:
        """Returns the exact states of the environments in `mask` (all without it), in their order.

        Raises:
            InvalidEnvironment: If the environment cannot save its state.
        """
        raise InvalidEnvironment(no_exact_states(self.env_id, self.unrestorable))

    def call(self, name: str, indices: Sequence[int] | None = None, *args: Any, **kwargs: Any) -> list[Any]:
        """Returns an attribute of the chosen environments, or what their method of that name returns.

        Args:
            name: Looked up through each environment's wrappers.
            indices: The environments, all if None.
            *args: Arguments of the method.
            **kwargs: More of them.

        Raises:
            InvalidEnvironment: If there is no such attribute.
        """
        value = getattr(self, name, None)
        if value is None or callable(value):
            raise InvalidEnvironment(
                f"{self.env_id} computes its environments in one batch and has no {name!r} of each one. "
                f"Ask for one of its attributes, or define {type(self).__name__}.call."
            )
        return [value for _ in read_indices(indices, self.num_envs)]

    def task_suite(self, name: str) -> dict[str, Lesson]:
        """Returns a fixed set of lessons by name: `"validation"`, `"test"` or another of `suites`.

        Raises:
            UnknownName: If there is no such suite.
        """
        return tasks.default_suite(self.task_space, name)

    def solvable(self, tasks: Sequence[Any]) -> list[bool]:
        """Tells of each task whether it can be solved at all, where the environment can tell (`tells_solvable`).

        Raises:
            InvalidEnvironment: If it cannot, or does not answer with a bool.
        """
        raise InvalidEnvironment(cannot_tell_solvable(self.env_id))

    def make_another(
        self, num_envs: int | None = None, workers: int = 0, render_mode: str | None = None
    ) -> LessonVectorEnv:
        """Makes a fresh vector environment in the same way as this one.

        Args:
            num_envs: Number of environments, this one's if None.
            workers: Number of processes, 0 for none.
            render_mode: Its render mode, None for none.

        Raises:
            InvalidEnvironment: If it cannot be made with these arguments.
        """
        count = self.num_envs if num_envs is None else num_envs
        if self._remake is not None:
            return self._remake(count, workers, render_mode)
        return self._construct_another(count, workers, render_mode)

    def _construct_another(self, num_envs: int, workers: int, render_mode: str | None) -> LessonVectorEnv:
        name = type(self).__name__
        if workers:
            raise InvalidEnvironment(f"{name} was made directly and runs in this process; make_vec takes workers.")
        args, kwargs = self._arguments
        signature = inspect.signature(type(self))
        bound = signature.bind(*args, **kwargs)
        changes: dict[str, Any] = {"num_envs": num_envs, "render_mode": render_mode}
        for argument, value in changes.items():
            if argument in signature.parameters:
                bound.arguments[argument] = value
            elif value is not None:
                raise InvalidEnvironment(f"{name} has no constructor argument {argument!r}: it has {signature}.")
        return type(self)(*bound.args, **bound.kwargs)

    def read_actions(self, actions: Any, running: Bools) -> Array:
        """Checks the arguments of `step`, for subclasses.

        Args:
            actions: (N, *a).
            running: (N,) bool, where an episode runs.

        Raises:
            InvalidEnvironment: If the actions have another shape, or an episode has ended and was not reset.
        """
        chosen: Array = np.asarray(actions)
        if chosen.shape != self.action_space.shape:
            raise InvalidEnvironment(f"Actions must have the shape {self.action_space.shape}, got {chosen.shape}.")
        if not running.all():
            raise InvalidEnvironment(
                f"Environments {np.flatnonzero(~running).tolist()} of {self.env_id} have no running episode: reset "
                "them (options={'reset_mask': ...}) before the next step."
            )
        return chosen

    def read_reset(self, seed: Any, options: dict[str, Any] | None) -> ResetRequest:
        """Checks the arguments of `reset` and spells them out, for subclasses.

        Replay states become exact ones, by playing their actions in a scratch environment, where that is possible.

        Raises:
            InvalidTask: If a task is outside the task space.
            InvalidEnvironment: If the arguments do not fit together, or not the environment.
        """
        request = read_reset(self, seed, options)
        if self.restorable:
            request.lessons[:] = [with_exact_start(self, lesson) for lesson in request.lessons]
        return request


def with_exact_start(envs: LessonVectorEnv, lesson: Lesson) -> Lesson:
    """Plays the actions of a lesson's replay state in a fresh environment, so that it starts at the exact state."""
    state = lesson.start
    if state is None or state.kind == "exact":
        return lesson
    start, actions = replay_plan(state)
    scratch = envs.make_another(1)
    try:
        scratch.reset(seed=[state.seed], options={"lessons": [Lesson(state.task, start=start)]})
        for t, action in enumerate(actions):
            _, _, terminated, truncated, _ = scratch.step(one_action(envs, action))
            if terminated[0] or truncated[0]:
                raise InvalidEnvironment(ended_in_replay(envs.env_id, t + 1, len(actions)))
        task = state.task if lesson.task is None else lesson.task
        return dataclasses.replace(lesson, task=task, start=scratch.get_state()[0])
    finally:
        scratch.close()


def one_action(envs: LessonVectorEnv, action: Any) -> Array:
    """Makes a batch of one of an action of a Box, Discrete or Multi space."""
    return np.asarray(action, dtype=envs.single_action_space.dtype)[None]
